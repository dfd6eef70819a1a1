"""Trains tiny-chat on the corpus of corpus.py, on processors only.

    python3 train.py --seconds 1500 --out /tmp/first.npz
    python3 train.py --start /tmp/first.npz --rate 2e-3 --skip 0.7 --seed 2 --seconds 800 --out /tmp/tiny-chat.npz    (goes on)

Needs numpy and PyTorch (Debian: python3-torch; with libopenblas0 installed it is twenty times as fast). Documents come
without end from the corpus's generator, so hardly any is seen twice. Only the answers of the assistant, and running text,
are learnt; questions are given. The learning rate follows the clock, so a run is as long as it is told to be; what a run
sees is seeded, but how many steps fit into it depends on the machine. With --steps the clock plays no part.
"""
import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import bpe
import corpus

VOCABULARY, WIDTH, LAYERS, HEADS, KEY_HEADS, INNER, CONTEXT = 768, 128, 6, 4, 2, 320, 512
ROPE_BASE, EPSILON = 10000.0, 1e-5
HEAD = WIDTH // HEADS
LONG = 128  # tokens of a document


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * self.weight


def rope_tables():
    speeds = ROPE_BASE ** (-torch.arange(0, HEAD, 2).float() / HEAD)
    angles = torch.outer(torch.arange(CONTEXT).float(), speeds)
    return angles.cos(), angles.sin()


COS, SIN = rope_tables()
FUTURE = torch.full((CONTEXT, CONTEXT), float("-inf")).triu(1)


def rotate(x):
    """Rotary positions on neighbouring pairs, as the llama architecture of GGUF has them; x is (batch, heads, time, head)."""
    time = x.shape[2]
    a, b, cos, sin = x[..., 0::2], x[..., 1::2], COS[:time], SIN[:time]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.inner_norm = Norm(), Norm()
        self.qkv = nn.Linear(WIDTH, (HEADS + 2 * KEY_HEADS) * HEAD, bias=False)
        self.output = nn.Linear(HEADS * HEAD, WIDTH, bias=False)
        self.gate_up = nn.Linear(WIDTH, 2 * INNER, bias=False)
        self.down = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x):
        batch, time, _ = x.shape
        heads = self.qkv(self.attention_norm(x)).view(batch, time, HEADS + 2 * KEY_HEADS, HEAD).transpose(1, 2)
        turned = rotate(heads[:, : HEADS + KEY_HEADS])
        # The query heads of one group share a key head: they are laid out below each other, so nothing is copied.
        group = HEADS // KEY_HEADS
        q = turned[:, :HEADS].reshape(batch, KEY_HEADS, group * time, HEAD) / math.sqrt(HEAD)
        k, v = turned[:, HEADS:], heads[:, HEADS + KEY_HEADS :]
        scores = (q @ k.transpose(-1, -2)).view(batch, KEY_HEADS, group, time, time)
        weights = torch.softmax(scores + FUTURE[:time, :time], -1).view(batch, KEY_HEADS, group * time, time)
        mixed = (weights @ v).view(batch, HEADS, time, HEAD).transpose(1, 2).reshape(batch, time, HEADS * HEAD)
        x = x + self.output(mixed)
        gate, up = self.gate_up(self.inner_norm(x)).split(INNER, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm()
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                scale = 0.02 / math.sqrt(2 * LAYERS) if name.endswith(("output.weight", "down.weight")) else 0.02
                nn.init.normal_(p, 0, scale if name != "embedding.weight" else 0.05)

    def forward(self, ids, wanted=None):
        """Logits of every place, or only of the places in `wanted` (batch, time; true or false)."""
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x if wanted is None else x[wanted])


def tensors(model):
    """The weights under the names of GGUF, as float32 arrays of (out, in)."""
    named = {"token_embd.weight": model.embedding.weight, "output_norm.weight": model.norm.weight, "output.weight": model.head.weight}
    for i, block in enumerate(model.blocks):
        q, k, v = block.qkv.weight.split([HEADS * HEAD, KEY_HEADS * HEAD, KEY_HEADS * HEAD])
        gate, up = block.gate_up.weight.split(INNER)
        parts = {
            "attn_norm": block.attention_norm.weight, "attn_q": q, "attn_k": k, "attn_v": v, "attn_output": block.output.weight,
            "ffn_norm": block.inner_norm.weight, "ffn_gate": gate, "ffn_up": up, "ffn_down": block.down.weight,
        }
        named.update({f"blk.{i}.{part}.weight": weight for part, weight in parts.items()})
    return {name: weight.detach().float().numpy() for name, weight in named.items()}


def load(model, trained):
    """Puts back what `save` wrote."""
    state = {"embedding.weight": trained["token_embd.weight"], "norm.weight": trained["output_norm.weight"], "head.weight": trained["output.weight"]}
    parts = {
        "attention_norm": ["attn_norm"], "qkv": ["attn_q", "attn_k", "attn_v"], "output": ["attn_output"],
        "inner_norm": ["ffn_norm"], "gate_up": ["ffn_gate", "ffn_up"], "down": ["ffn_down"],
    }
    for i in range(LAYERS):
        for part, names in parts.items():
            state[f"blocks.{i}.{part}.weight"] = np.concatenate([trained[f"blk.{i}.{name}.weight"] for name in names])
    model.load_state_dict({name: torch.from_numpy(weight) for name, weight in state.items()})


def save(model, tokenizer, path):
    """Weights, tokenizer and shape in one .npz, for write_gguf.py."""
    shape = np.array([VOCABULARY, WIDTH, LAYERS, HEADS, KEY_HEADS, INNER, CONTEXT])
    with open(path + ".new", "wb") as f:
        np.savez(f, shape=shape, rope_base=ROPE_BASE, epsilon=EPSILON, tokens=np.array(tokenizer.tokens),
                 merges=np.array([" ".join(m) for m in tokenizer.merges]), **tensors(model))
    os.replace(path + ".new", path)


def learnt(tokenizer, document):
    """Token numbers of a document and, for each, whether it is one that the model shall learn to say."""
    if isinstance(document, str):
        ids = tokenizer.encode(corpus.render(document))
        return ids, [True] * len(ids)
    ids, said = [], []
    for role, text in document:
        head, body = tokenizer.encode(f"<|im_start|>{role}\n"), tokenizer.encode(f"{text}<|im_end|>")
        ids += head + body + tokenizer.encode("\n")
        said += [False] * len(head) + [role == "assistant"] * len(body) + [False]
    return ids + tokenizer.encode("<|endoftext|>"), said + [False]


def batches(tokenizer, seed, tokens, skipped):
    """Batches without end of documents of about the same length, each of at most `tokens` tokens with the padding."""
    source, r = corpus.documents(seed), random.Random(seed)
    while True:
        pool = (learnt(tokenizer, next(source)) for _ in range(4096))
        pool = sorted((d for d in pool if len(d[0]) <= LONG or r.random() >= skipped), key=lambda d: len(d[0]))
        made, batch = [], []
        for ids, said in pool:
            ids, said = ids[: CONTEXT + 1], said[: CONTEXT + 1]
            if batch and (len(batch) + 1) * len(ids) > tokens:
                made.append(batch)
                batch = []
            batch.append((ids, said))
        made.append(batch)
        r.shuffle(made)
        for batch in made:
            longest = max(len(ids) for ids, _ in batch)
            ids, said = np.zeros((len(batch), longest), np.int64), np.zeros((len(batch), longest), bool)
            for row, (i, s) in enumerate(batch):
                ids[row, : len(i)], said[row, : len(s)] = i, s
            yield torch.from_numpy(ids), torch.from_numpy(said)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=1500)
    options.add_argument("--steps", type=int, default=0)
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--batch", type=int, default=4096, help="tokens")
    options.add_argument("--rate", type=float, default=3e-3)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--skip", type=float, default=0, help="share of the documents over 128 tokens that is left out")
    options.add_argument("--start", help="a .npz of an earlier run, whose weights and tokenizer go on being trained")
    options.add_argument("--out", required=True)
    o = options.parse_args()
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)

    model = Llama()
    if o.start:
        earlier = np.load(o.start)
        load(model, earlier)
        tokenizer = bpe.Tokenizer(map(str, earlier["tokens"]), [str(m).split(" ") for m in earlier["merges"]])
    else:
        source = corpus.documents(o.seed + 1000)
        sample = [next(source) for _ in range(6000)]
        text = "\n".join(d if isinstance(d, str) else "\n".join(f"{role}\n{t}" for role, t in d) for d in sample)
        tokenizer = bpe.Tokenizer(*bpe.train(text, VOCABULARY))
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}],
                                  lr=o.rate, betas=(0.9, 0.95))
    started, saved, step, seen, losses = time.time(), time.time(), 0, 0, []
    for ids, said in batches(tokenizer, o.seed, o.batch, o.skip):
        done = step / o.steps if o.steps else (time.time() - started) / o.seconds
        if done >= 1:
            break
        rate = o.rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        wanted = said[:, 1:]
        loss = F.cross_entropy(model(ids[:, :-1], wanted), ids[:, 1:][wanted])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, seen = step + 1, seen + ids.numel()
        losses.append(loss.item())
        if step % 100 == 0:
            seconds = time.time() - started
            print(f"step {step} {seconds:.0f} s loss {np.mean(losses[-100:]):.4f} {seen / seconds:.0f} tokens/s", flush=True)
        if time.time() - saved > 60:
            save(model, tokenizer, o.out)
            saved = time.time()
    save(model, tokenizer, o.out)
    print(f"done: {step} steps, {seen} tokens, {time.time() - started:.0f} s, last loss {np.mean(losses[-100:]):.4f}")


if __name__ == "__main__":
    main()
