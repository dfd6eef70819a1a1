"""Checks the models of this folder against what is said of them. The exit code is 1 if something is not so.

    python3 check.py

Needs numpy, and Node for tiny-tree. The ONNX models are run where the package onnxruntime is installed; where it is not,
that is said and the rest is checked.
"""
import csv
import glob
import os
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "tiny-chat"))
import bpe  # noqa: E402
import evaluate  # noqa: E402
import gguf  # noqa: E402

FIELDS = ["name", "version", "task", "format", "quantisation", "context_tokens", "parameters", "licence", "royalty_permille", "card", "files"]
LARGEST = 2_500_000
LEAST_CHAT = 0.65  # share of eval.tsv that tiny-chat must answer to the letter
LEAST_KNOWN, LEAST_UNSEEN = 0.9, 0.5  # share of eval.tsv whose paraphrase is tiny-embed's nearest

wrong = 0


def check(holds, what):
    global wrong
    wrong += not holds
    print(("ok     " if holds else "WRONG  ") + what)


def description(path):
    """The fields of a perseid-model.yaml, which has no more than `key: value` lines and one list of files."""
    fields = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("  - "):
                fields["files"].append(line[4:].strip())
            elif not line.startswith("#"):
                key, _, v = line.partition(":")
                fields[key] = v.strip() or []
    return fields


def check_descriptions():
    paths = sorted(glob.glob(os.path.join(HERE, "**", "perseid-model.yaml"), recursive=True))
    check(len(paths) == 6, f"{len(paths)} models are described")
    names = set()
    for path in paths:
        folder, fields = os.path.dirname(path), description(path)
        names.add((fields["name"], fields["version"]))
        check(list(fields) == FIELDS, f"{os.path.relpath(path, HERE)} has the fields it must have")
        for name in [fields["card"], *fields["files"]]:
            there = os.path.join(folder, name)
            check(os.path.isfile(there) and 0 < os.path.getsize(there) <= LARGEST, f"{os.path.relpath(there, HERE)} is there and not too large")
        if fields["format"] == "gguf":
            metadata, tensors = gguf.read(os.path.join(folder, fields["files"][0]))
            check(metadata["llama.context_length"] == int(fields["context_tokens"]), "its context is that of its file")
            check(sum(t.size for t in tensors.values()) == int(fields["parameters"]), "its parameters are those of its file")
            check(metadata["general.file_type"] == gguf.FILE_TYPES[fields["quantisation"]], "its quantisation is that of its file")
    check(len(names) == len(paths), "no name and version is used twice")


def check_chat():
    for kind in "q8_0", "f16":
        model = evaluate.Model(os.path.join(HERE, "tiny-chat", kind, f"tiny-chat-{kind}.gguf"))
        with open(os.path.join(HERE, "tiny-chat", "eval.tsv"), encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        right = sum(model.ask(prompt) == expected for prompt, expected, _ in rows)
        check(right >= LEAST_CHAT * len(rows), f"tiny-chat {kind}: {right} of {len(rows)} answers to the letter")
        tools = 'Tools:\n<tools>\n{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}\n</tools>'
        call = model.ask("What is the weather in Oslo?", tools)
        check(call == '<tool_call>{"name":"get_weather","arguments":{"city":"Oslo"}}</tool_call>', f"tiny-chat {kind} calls a function: {call}")


def table(name, outputs):
    """The features of an eval.csv and the named last columns."""
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        head, *rows = csv.reader(f)
    rows = np.array(rows, np.float64)
    return rows[:, : head.index(outputs[0])].astype(np.float32), [rows[:, head.index(o)] for o in outputs]


def check_onnx():
    try:
        import onnxruntime
    except ImportError:
        return print("       onnxruntime is not installed: the ONNX models were not run")
    open_model = lambda name: onnxruntime.InferenceSession(os.path.join(HERE, name), providers=["CPUExecutionProvider"])
    rows, (outcome, label, probability) = table("loan-risk/eval.csv", ["outcome", "label", "probability"])
    labels, probabilities = open_model("loan-risk/loan-risk.onnx").run(["label", "probabilities"], {"features": rows})
    check(labels.dtype == np.int64 and (labels == label).all(), f"loan-risk: all {len(rows)} labels as written, {int((labels == outcome).sum())} of them true")
    check(np.abs(probabilities[:, 1] - probability).max() < 1e-5, "loan-risk: probabilities as written")
    rows, (price, guess) = table("house-price/eval.csv", ["price", "prediction"])
    (said,) = open_model("house-price/house-price.onnx").run(["prediction"], {"features": rows})
    check(said.shape == (len(rows), 1) and np.abs(said[:, 0] / guess - 1).max() < 1e-3, f"house-price: all {len(rows)} predictions as written")
    model, tokenizer = open_model("tiny-embed/tiny-embed.onnx"), bpe.Tokenizer.load(os.path.join(HERE, "tiny-embed", "tokenizer.json"))

    def embed(texts):
        ids = [tokenizer.encode(t) for t in texts]
        longest = max(map(len, ids))
        filled = np.array([i + [0] * (longest - len(i)) for i in ids], np.int64)
        mask = np.array([[1] * len(i) + [0] * (longest - len(i)) for i in ids], np.int64)
        return model.run(["sentence_embedding"], {"input_ids": filled, "attention_mask": mask})[0]

    with open(os.path.join(HERE, "tiny-embed", "eval.tsv"), encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    check(np.abs(embed([lines[0][0]]) - embed([lines[0][0], " ".join(lines[1][:2])])[:1]).max() < 1e-5, "tiny-embed: filling changes nothing")
    for form, least in ("known", LEAST_KNOWN), ("unseen", LEAST_UNSEEN):
        asked, wanted, misleading, _ = zip(*(line for line in lines if line[3] == form))
        asked, choices = embed(asked), embed([*wanted, *[m or "." for m in misleading]])
        check(np.abs(np.linalg.norm(choices, axis=1) - 1).max() < 1e-5, "tiny-embed: vectors are of length one")
        right = int(((asked @ choices.T).argmax(1) == np.arange(len(asked))).sum())
        check(right >= least * len(asked), f"tiny-embed: {right} of {len(asked)} paraphrases found among {len(choices)}, {form} forms")


def main():
    check_descriptions()
    check_chat()
    tree = subprocess.run(["node", os.path.join(HERE, "tiny-tree", "check.mjs")], capture_output=True, text=True)
    check(tree.returncode == 0, "tiny-tree: " + (tree.stdout or tree.stderr).strip())
    check_onnx()
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
