"""Trains tiny-embed on the pairs of pairs.py, measures it and writes it to ONNX.

    python3 train.py --steps 1000 --threads 1        about five minutes on one core

Needs numpy and PyTorch (Debian: python3-torch, libopenblas0). Writes tiny-embed.onnx, tokenizer.json and eval.tsv. Each text
must be nearer to its own paraphrase than to all others of its batch (InfoNCE), among which are some that differ in one word.
"""
import argparse
import collections
import math
import os
import random
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import pairs

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "tiny-chat"))
import bpe  # noqa: E402

VOCABULARY, WIDTH, LAYERS, HEADS, INNER, CONTEXT = 1024, 96, 2, 4, 256, 128
TEMPERATURE = 0.06
DROPPED = 0.06  # share of tokens hidden in training, so that no single word decides


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x, hidden):
        split = lambda y: y.reshape(y.shape[0], y.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)
        q, k, v = (split(y) for y in self.qkv(self.before(x)).split(WIDTH, -1))
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + hidden, -1)
        x = x + self.output((weights @ v).transpose(1, 2).reshape(x.shape))
        return x + self.down(F.relu(self.up(self.between(x))))


class Embedder(nn.Module):
    """Token numbers and a mask (1: a token, 0: filling), both int64 (batch, time), to vectors of length one (batch, WIDTH)."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        nn.init.normal_(self.tokens.weight, 0, 0.05)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.last = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, input_ids, attention_mask):
        mask = attention_mask.to(torch.float32)
        hidden = (1 - mask)[:, None, None] * -10000.0
        x = self.tokens(input_ids) + self.places[: input_ids.shape[1]]
        for block in self.blocks:
            x = block(x, hidden)
        x = (self.norm(x) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1.0)
        x = self.last(x)
        return x / (x * x).sum(-1, keepdim=True).clamp(min=1e-12).sqrt()


def laid_out(tokenizer, texts):
    """Token numbers and mask of texts, filled up to the longest."""
    rows = [tokenizer.encode(t)[:CONTEXT] for t in texts]
    longest = max(map(len, rows))
    ids, mask = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def batches(seed, size):
    """Batches without end of pairs and their meanings: sentences, and each sixth time passages of two to five."""
    source, r = pairs.training(seed), random.Random(seed)
    while True:
        sentences = r.choice([1, 1, 1, 1, 1, r.randrange(2, 6)])
        rows = []
        for _ in range(size // sentences):
            said = [(m, pairs.pair(rr, m)) for rr, m in (next(source) for _ in range(sentences))]
            rows.append((tuple(m for m, _ in said), " ".join(p[0] for _, p in said), " ".join(p[1] for _, p in said)))
        yield rows


def embed(model, tokenizer, texts):
    with torch.no_grad():
        return np.concatenate([model(*laid_out(tokenizer, texts[i : i + 250])).numpy() for i in range(0, len(texts), 250)])


def bags(tokenizer, texts, seen):
    """The baseline: counts of tokens, rare ones weighing more, of length one."""
    out = np.zeros((len(texts), VOCABULARY))
    for i, text in enumerate(texts):
        for token, count in collections.Counter(tokenizer.encode(text)).items():
            out[i, token] = count * math.log((1 + len(texts)) / (1 + seen[token]))
    return out / np.linalg.norm(out, axis=1, keepdims=True).clip(1e-12)


def retrieval(model, tokenizer, unseen, count=1000):
    """How often a sentence's paraphrase is the nearest of all `count`, and of those and as many that were made to mislead."""
    r = random.Random(77)
    meanings = pairs.evaluation(count, seed=7)
    asked, wanted = zip(*(pairs.pair(r, m, unseen) for m in meanings))
    known, misleading = set(meanings), []
    while len(misleading) < count:
        m = pairs.near(r, meanings[len(misleading)])
        misleading.append(pairs.say(r, m, r.randrange(len(pairs.INTENTS[m[0]][1]) - 1)) if m not in known else "")
    texts = [*wanted, *misleading]
    seen = collections.Counter(t for text in texts for t in set(tokenizer.encode(text)))
    found = {}
    for name, of in ("tiny-embed", lambda t: embed(model, tokenizer, t)), ("bag of tokens", lambda t: bags(tokenizer, t, seen)):
        likeness = of(list(asked)) @ of([t or "." for t in texts]).T
        for among in 2 * count, count:
            found[f"{name}, among {among}"] = (likeness[:, :among].argmax(1) == np.arange(count)).mean()
    return found, list(zip(asked, wanted, misleading))


def export(model, path):
    ids = torch.ones((2, 7), dtype=torch.int64)
    torch.onnx.export(
        model, (ids, ids), path, opset_version=13, input_names=["input_ids", "attention_mask"], output_names=["sentence_embedding"],
        dynamic_axes={"input_ids": {0: "N", 1: "T"}, "attention_mask": {0: "N", 1: "T"}, "sentence_embedding": {0: "N"}})
    print(f"{path}: {os.path.getsize(path)} bytes")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--batch", type=int, default=192)
    options.add_argument("--threads", type=int, default=1)
    o = options.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)

    source = pairs.training(1001)
    text = "\n".join("\n".join(pairs.pair(r, m)) for r, m in (next(source) for _ in range(10000)))
    tokenizer = bpe.Tokenizer(*bpe.train(text, VOCABULARY))
    tokenizer.save(os.path.join(HERE, "tokenizer.json"))

    model = Embedder()
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.02)
    started, losses = time.time(), []
    for step, rows in zip(range(o.steps), batches(1, o.batch)):
        rate = 2e-3 * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / o.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, mask = laid_out(tokenizer, [a for _, a, _ in rows] + [b for _, _, b in rows])
        both = model(ids, mask * (torch.rand(mask.shape) >= DROPPED))
        likeness = both[: len(rows)] @ both[len(rows) :].T / TEMPERATURE
        same = torch.tensor([[i != j and a[0] == b[0] for j, b in enumerate(rows)] for i, a in enumerate(rows)])
        likeness = likeness.masked_fill(same, -1e4)  # the same meaning twice in a batch is no mistake
        here = torch.arange(len(rows))
        loss = (F.cross_entropy(likeness, here) + F.cross_entropy(likeness.T, here)) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} {time.time() - started:.0f} s loss {np.mean(losses[-100:]):.4f}", flush=True)

    model.eval()
    for unseen in False, True:
        found, rows = retrieval(model, tokenizer, unseen)
        print("the paraphrase is the nearest,", "in a form that was never trained on:" if unseen else "in known forms:", found)
        with open(os.path.join(HERE, "eval.tsv"), "a" if unseen else "w", encoding="utf-8") as f:
            f.writelines("\t".join([*row, "unseen" if unseen else "known"]) + "\n" for row in rows[:200])
    export(model, os.path.join(HERE, "tiny-embed.onnx"))


if __name__ == "__main__":
    main()
