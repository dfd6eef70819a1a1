"""Trains loan-risk: gradient-boosted trees, in numpy, on the invented loans of data.py. Takes some seconds.

    python3 train.py

Writes loan-risk.onnx, eval.csv (500 loans that were not trained on) and ../tiny-tree/trees.h (the same trees for the
portable task), and prints how good it is beside two simple rules.
"""
import os
import sys

import numpy as np

import data

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import onnx_file  # noqa: E402

TREES, DEPTH, RATE, BINS, LEAST_WEIGHT, SMOOTH = 80, 3, 0.2, 48, 20.0, 1.0
INNER = 2**DEPTH - 1  # nodes of a tree that ask; the leaves follow them


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Tree:
    """A whole binary tree of DEPTH questions: node i asks `x[feature] <= threshold`; yes: 2i + 1, no: 2i + 2."""

    def __init__(self):
        self.feature = np.zeros(INNER, np.int64)
        self.threshold = np.zeros(INNER, np.float32)
        self.leaf = np.zeros(INNER + 1, np.float32)

    def places(self, rows):
        at = np.zeros(len(rows), np.int64)
        for _ in range(DEPTH):
            yes = rows[np.arange(len(rows)), self.feature[at]] <= self.threshold[at]
            at = 2 * at + np.where(yes, 1, 2)
        return at - INNER

    def say(self, rows):
        return self.leaf[self.places(rows)]


def edges_of(rows):
    """For each feature the thresholds that may be asked: midpoints between neighbouring quantiles."""
    found = []
    for column in rows.T:
        values = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1), method="nearest"))
        found.append(((values[:-1].astype(np.float64) + values[1:]) / 2).astype(np.float32))
    return found


def grow(rows, bins, edges, slope, curve):
    """One tree for the slopes and curvatures of the loss; a question is chosen for the gain that a Newton step makes."""
    tree, at = Tree(), np.zeros(len(rows), np.int64)
    for i in range(INNER):
        here = np.flatnonzero(at == i)
        best = (1e-9, 0, np.float32(np.inf))  # no useful question: all answer yes
        g, h = slope[here].sum(), curve[here].sum()
        for f, thresholds in enumerate(edges):
            sums = np.bincount(bins[here, f], slope[here], len(thresholds) + 1).cumsum()[:-1]
            weights = np.bincount(bins[here, f], curve[here], len(thresholds) + 1).cumsum()[:-1]
            gain = sums**2 / (weights + SMOOTH) + (g - sums) ** 2 / (h - weights + SMOOTH) - g**2 / (h + SMOOTH)
            gain[(weights < LEAST_WEIGHT) | (h - weights < LEAST_WEIGHT)] = 0
            k = int(gain.argmax()) if len(gain) else 0
            if len(gain) and gain[k] > best[0]:
                best = (gain[k], f, thresholds[k])
        _, tree.feature[i], tree.threshold[i] = best
        at[here] = 2 * i + np.where(rows[here, tree.feature[i]] <= tree.threshold[i], 1, 2)
    for leaf in range(INNER + 1):
        here = at == INNER + leaf
        tree.leaf[leaf] = -RATE * slope[here].sum() / (curve[here].sum() + SMOOTH)
    return tree


def boost(rows, outcomes):
    edges = edges_of(rows)
    bins = np.stack([np.searchsorted(e, column, side="left") for e, column in zip(edges, rows.T)], 1)
    base = np.float32(np.log(outcomes.mean() / (1 - outcomes.mean())))
    score, trees = np.full(len(rows), base, np.float64), []
    for _ in range(TREES):
        p = sigmoid(score)
        trees.append(grow(rows, bins, edges, p - outcomes, p * (1 - p)))
        score += trees[-1].say(rows)
    return base, trees


def scores(base, trees, rows):
    """The logits, added in float32 from the first tree to the last, as the portable task adds them."""
    total = np.full(len(rows), base, np.float32)
    for tree in trees:
        total += tree.say(rows)
    return total


def write_onnx(path, base, trees):
    size = 2 * INNER + 1
    split = {"treeids": [], "nodeids": [], "featureids": [], "values": [], "modes": [], "truenodeids": [], "falsenodeids": []}
    leaves = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    for t, tree in enumerate(trees):
        for i in range(size):
            inner = i < INNER
            row = (t, i, int(tree.feature[i]) if inner else 0, min(float(tree.threshold[i]), 3e38) if inner else 0.0,
                   "BRANCH_LEQ" if inner else "LEAF", 2 * i + 1 if inner else 0, 2 * i + 2 if inner else 0)
            for key, v in zip(split, row):
                split[key].append(v)
            if not inner:
                for key, v in zip(leaves, (t, i, 0, float(tree.leaf[i - INNER]))):
                    leaves[key].append(v)
    trees_node = onnx_file.node(
        "TreeEnsembleClassifier", ["features"], ["label", "probabilities"], domain="ai.onnx.ml",
        **{"nodes_" + k: v for k, v in split.items()}, **{"class_" + k: v for k, v in leaves.items()},
        base_values=[float(base)], classlabels_int64s=[0, 1], post_transform="LOGISTIC")
    about = "Whether an invented loan goes bad. Features: " + ", ".join(data.FEATURES) + ". Classes: " + ", ".join(data.CLASSES)
    return onnx_file.write(
        path, "loan-risk", about, [trees_node], {},
        [onnx_file.value("features", onnx_file.FLOAT, ["N", len(data.FEATURES)])],
        [onnx_file.value("label", onnx_file.INT64, ["N"]), onnx_file.value("probabilities", onnx_file.FLOAT, ["N", 2])],
        [("", 14), ("ai.onnx.ml", 2)])


def c_float(x):
    return "3e38f" if np.isinf(x) else float(x).hex() + "f"


def write_header(path, base, trees):
    """The trees as C arrays; hexadecimal floats, so that not a bit is lost."""
    def rows(values, form):
        return "".join("  {" + ", ".join(form(v) for v in row) + "},\n" for row in values)

    with open(path, "w", encoding="utf-8") as f:
        f.write(
            "/* Made by examples/models/loan-risk/train.py: do not edit. */\n"
            f"#define FEATURES {len(data.FEATURES)}\n#define TREES {len(trees)}\n#define DEPTH {DEPTH}\n#define INNER {INNER}\n"
            f"static const float BASE = {c_float(base)};\n"
            "static const unsigned char FEATURE[TREES][INNER] = {\n" + rows([t.feature for t in trees], str) + "};\n"
            "static const float THRESHOLD[TREES][INNER] = {\n" + rows([t.threshold for t in trees], c_float) + "};\n"
            "static const float LEAF[TREES][INNER + 1] = {\n" + rows([t.leaf for t in trees], c_float) + "};\n")


def auc(score, outcomes):
    """How often a bad loan is rated above a good one."""
    order = score.argsort(kind="stable").argsort(kind="stable") + 1
    bad = outcomes == 1
    return (order[bad].sum() - bad.sum() * (bad.sum() + 1) / 2) / (bad.sum() * (~bad).sum())


def main():
    rows, outcomes = data.loans(30000, seed=1)
    held, truth = data.loans(10000, seed=2)
    base, trees = boost(rows, outcomes)
    print(f"loan-risk.onnx: {write_onnx(os.path.join(HERE, 'loan-risk.onnx'), base, trees)} bytes, {len(trees)} trees of depth {DEPTH}")
    write_header(os.path.join(os.path.dirname(HERE), "tiny-tree", "trees.h"), base, trees)
    said = scores(base, trees, held)
    late = held[:, data.FEATURES.index("late_payments")]
    best = max(range(6), key=lambda n: ((rows[:, 5] >= n).astype(int) == outcomes).mean())
    print(f"held out: 10000 loans, {truth.mean():.3f} of them went bad")
    print(f"accuracy {((said > 0) == truth).mean():.4f}, area under the curve {auc(said, truth):.4f}, on the loans trained on {((scores(base, trees, rows) > 0) == outcomes).mean():.4f}")
    print(f"always 'repaid': accuracy {(truth == 0).mean():.4f}; 'bad from {best} late payments on': {((late >= best) == truth).mean():.4f}, area {auc(late, truth):.4f}")
    p = sigmoid(said.astype(np.float64))
    print(f"said and true share that goes bad, by tenth of the said: {[(round(p[i].mean(), 2), round(truth[i].mean(), 2)) for i in np.array_split(p.argsort(), 10)]}")
    with open(os.path.join(HERE, "eval.csv"), "w", encoding="utf-8") as f:
        f.write(",".join(data.FEATURES + ["outcome", "label", "probability"]) + "\n")
        for row, outcome, s in zip(held[:500], truth, said):
            f.write(",".join(np.format_float_positional(v, trim="-") for v in row) + f",{outcome},{int(s > 0)},{sigmoid(float(s)):.6f}\n")


if __name__ == "__main__":
    main()
