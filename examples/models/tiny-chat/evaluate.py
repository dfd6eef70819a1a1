"""Asks a GGUF model the questions of eval.tsv, with a forward pass of its own in numpy: only the tokenizer is shared with training.

    python3 evaluate.py q8_0/tiny-chat-q8_0.gguf                     accuracy by kind
    python3 evaluate.py q8_0/tiny-chat-q8_0.gguf "What is 3 + 4?"    one answer
    python3 evaluate.py FILE.gguf --talks                            functions and memory, 300 conversations of corpus.talks
    python3 evaluate.py FILE.gguf --like /tmp/tiny-chat.npz          compares the logits with PyTorch's

Answers are greedy and must equal the expected ones to the letter.
"""
import collections
import os
import sys

import numpy as np

import bpe
import gguf


class Model:
    def __init__(self, path):
        self.metadata, self.weights = gguf.read(path)
        m = self.metadata
        self.layers, self.heads = m["llama.block_count"], m["llama.attention.head_count"]
        self.key_heads, self.context = m["llama.attention.head_count_kv"], m["llama.context_length"]
        self.head = m["llama.rope.dimension_count"]
        self.epsilon = m["llama.attention.layer_norm_rms_epsilon"]
        self.end = m["tokenizer.ggml.eos_token_id"]
        self.speeds = m["llama.rope.freq_base"] ** (-np.arange(0, self.head, 2) / self.head)
        self.tokenizer = bpe.Tokenizer(m["tokenizer.ggml.tokens"], [x.split(" ") for x in m["tokenizer.ggml.merges"]])

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.epsilon)) * self.weights[name + ".weight"]

    def rotate(self, x, start):
        """Turns each pair of neighbours by its position; x is (time, heads, head)."""
        angles = np.outer(np.arange(start, start + len(x)), self.speeds)[:, None]
        turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape).astype(np.float32)

    def logits(self, ids, past):
        """Logits after each of `ids`, which follow what `past` (a list, at first empty) has seen."""
        if not past:
            past += [[np.zeros((0, self.key_heads, self.head), np.float32)] * 2 for _ in range(self.layers)]
        start = len(past[0][0])
        x = self.weights["token_embd.weight"][ids]
        later = np.arange(start + len(ids))[None] > np.arange(start, start + len(ids))[:, None]
        for layer in range(self.layers):
            part = lambda name, y: y @ self.weights[f"blk.{layer}.{name}.weight"].T
            y = self.norm(x, f"blk.{layer}.attn_norm")
            q = self.rotate(part("attn_q", y).reshape(len(ids), self.heads, self.head), start)
            k = self.rotate(part("attn_k", y).reshape(len(ids), self.key_heads, self.head), start)
            v = part("attn_v", y).reshape(len(ids), self.key_heads, self.head)
            k, v = np.concatenate([past[layer][0], k]), np.concatenate([past[layer][1], v])
            past[layer] = [k, v]
            mixed = np.empty_like(q)
            for h in range(self.heads):
                shared = h * self.key_heads // self.heads
                scores = q[:, h] @ k[:, shared].T / np.sqrt(np.float32(self.head))
                scores[later] = -np.inf
                scores = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[:, h] = scores @ v[:, shared] / scores.sum(-1, keepdims=True)
            x = x + part("attn_output", mixed.reshape(len(ids), -1))
            y = self.norm(x, f"blk.{layer}.ffn_norm")
            gate = part("ffn_gate", y)
            x = x + part("ffn_down", gate / (1 + np.exp(-gate)) * part("ffn_up", y))
        return self.norm(x, "output_norm") @ self.weights["output.weight"].T

    def complete(self, text, most=200):
        ids, past, said = self.tokenizer.encode(text), [], []
        most = min(most, self.context - len(ids))
        while len(said) < most:
            best = int(self.logits(ids, past)[-1].argmax())
            if best == self.end:
                break
            said.append(best)
            ids = [best]
        return self.tokenizer.decode(said)

    def ask(self, prompt, system=None):
        head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
        return self.complete(f"{head}<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n")


def compare(model, path):
    import torch

    import corpus
    import train

    torch_model = train.Llama()
    train.load(torch_model, np.load(path))
    source, worst, same, places = corpus.documents(99), 0.0, 0, 0
    for _ in range(40):
        ids = model.tokenizer.encode(corpus.render(next(source)))[: model.context]
        ours = model.logits(ids, [])
        with torch.no_grad():
            theirs = torch_model(torch.tensor([ids]))[0].numpy()
        worst = max(worst, float(np.abs(ours - theirs).max()))
        same += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        places += len(ids)
    print(f"{places} places of 40 documents: greatest difference of a logit {worst:.5f}, the same best token at {same} of them")


def talk(model):
    import corpus

    right, asked = collections.Counter(), collections.Counter()
    for messages, kind in corpus.talks():
        before = corpus.render(messages[:-1]).removesuffix("<|endoftext|>")
        answer = model.complete(before + "<|im_start|>assistant\n")
        asked[kind] += 1
        right[kind] += answer == messages[-1][1]
        if os.environ.get("SHOW") and answer != messages[-1][1]:
            print(f"{kind}: {answer} (expected: {messages[-1][1]})")
    for kind in asked:
        print(f"{kind}\t{right[kind]} of {asked[kind]}")


def main():
    model = Model(sys.argv[1])
    if sys.argv[2:] == ["--talks"]:
        return talk(model)
    if sys.argv[2:3] == ["--like"]:
        return compare(model, sys.argv[3])
    if len(sys.argv) > 2:
        return print(model.ask(sys.argv[2], *sys.argv[3:4]))
    right, asked = collections.Counter(), collections.Counter()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "eval.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    for prompt, expected, kind in rows:
        asked[kind] += 1
        answer = model.ask(prompt)
        right[kind] += answer == expected
        if answer != expected and os.environ.get("SHOW"):
            print(f"{prompt} -> {answer} (expected: {expected})")
    for kind in sorted(asked):
        print(f"{kind}\t{right[kind]} of {asked[kind]}")
    print(f"all\t{sum(right.values())} of {sum(asked.values())} = {sum(right.values()) / sum(asked.values()):.3f}")


if __name__ == "__main__":
    main()
