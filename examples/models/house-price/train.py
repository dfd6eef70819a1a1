"""Trains house-price: a network of two hidden layers, in numpy, on the invented houses of data.py. Takes about a minute.

    python3 train.py

Writes house-price.onnx and eval.csv (500 houses that were not trained on), and prints how good it is beside simple rules.
"""
import os
import sys

import numpy as np

import data

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import onnx_file  # noqa: E402

WIDTHS = [len(data.FEATURES), 48, 24, 1]
STEPS, BATCH, RATE = 8000, 256, 4e-3


def layers_of(r):
    return [[r.normal(0, np.sqrt(2 / a), (a, b)), np.zeros(b)] for a, b in zip(WIDTHS, WIDTHS[1:])]


def forward(layers, x):
    """What each layer gave, the input first; all but the last are cut off at zero."""
    seen = [x]
    for i, (w, b) in enumerate(layers):
        y = seen[-1] @ w + b
        seen.append(np.maximum(y, 0) if i + 1 < len(layers) else y)
    return seen


def slopes(layers, x, y):
    """The slope of half the mean squared error for each weight and bias."""
    seen = forward(layers, x)
    back, out = (seen[-1] - y) / len(x), []
    for i in reversed(range(len(layers))):
        out = [[seen[i].T @ back, back.sum(0)]] + out
        back = (back @ layers[i][0].T) * (seen[i] > 0)
    return out


def fit(x, y, seed):
    """Adam with a rate that falls to nothing along a half wave of a cosine."""
    r = np.random.default_rng(seed)
    layers = layers_of(r)
    means = [[np.zeros_like(p) for p in layer] for layer in layers]
    squares = [[np.zeros_like(p) for p in layer] for layer in layers]
    for step in range(1, STEPS + 1):
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        pick = r.integers(0, len(x), BATCH)
        for layer, slope, mean, square in zip(layers, slopes(layers, x[pick], y[pick]), means, squares):
            for i in range(2):
                mean[i] += 0.1 * (slope[i] - mean[i])
                square[i] += 0.001 * (slope[i] ** 2 - square[i])
                layer[i] -= rate * mean[i] / (1 - 0.9**step) / (np.sqrt(square[i] / (1 - 0.999**step)) + 1e-8)
    return layers


def write_onnx(path, layers, centre, spread):
    nodes = [onnx_file.node("Sub", ["features", "centre"], ["centred"]), onnx_file.node("Div", ["centred", "spread"], ["x0"])]
    constants = {"centre": centre, "spread": spread}
    for i, (w, b) in enumerate(layers):
        last = i + 1 == len(layers)
        constants[f"w{i}"], constants[f"b{i}"] = w, b
        nodes.append(onnx_file.node("Gemm", [f"x{i}", f"w{i}", f"b{i}"], ["prediction" if last else f"y{i}"]))
        if not last:
            nodes.append(onnx_file.node("Relu", [f"y{i}"], [f"x{i + 1}"]))
    about = "Price of an invented house, in thousands. Features: " + ", ".join(data.FEATURES)
    return onnx_file.write(
        path, "house-price", about, nodes, constants,
        [onnx_file.value("features", onnx_file.FLOAT, ["N", len(data.FEATURES)])],
        [onnx_file.value("prediction", onnx_file.FLOAT, ["N", 1])], [("", 14)])


def r2(said, truth):
    return 1 - ((said - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()


def main():
    rows, prices = data.houses(20000, seed=1)
    held, truth = data.houses(5000, seed=2)
    centre, spread = rows.mean(0, dtype=np.float64), rows.std(0, dtype=np.float64)
    scale = prices.std(dtype=np.float64)
    layers = fit((rows - centre) / spread, (prices - prices.mean(dtype=np.float64)) / scale, seed=3)
    layers[-1] = [layers[-1][0] * scale, layers[-1][1] * scale + prices.mean(dtype=np.float64)]
    size = write_onnx(os.path.join(HERE, "house-price.onnx"), layers, centre, spread)
    print(f"house-price.onnx: {size} bytes, {sum(w.size + b.size for w, b in layers)} parameters")
    said = forward(layers, (held - centre) / spread)[-1]
    line = np.linalg.lstsq(np.hstack([rows, np.ones((len(rows), 1))]).astype(np.float64), prices, rcond=None)[0]
    linear = np.hstack([held, np.ones((len(held), 1))]) @ line
    for name, guess in ("network", said), ("straight line (least squares)", linear), ("always the mean", np.full_like(truth, prices.mean())):
        print(f"held out, 5000 houses: {name}: R2 {r2(guess, truth):.4f}, mean error {np.abs(guess - truth).mean():.1f}, median error {np.median(np.abs(guess / truth - 1)):.3f} of the price")
    with open(os.path.join(HERE, "eval.csv"), "w", encoding="utf-8") as f:
        f.write(",".join(data.FEATURES + ["price", "prediction"]) + "\n")
        for row, price, guess in zip(held[:500], truth[:, 0], said[:, 0]):
            f.write(",".join(np.format_float_positional(v, trim="-") for v in row) + f",{price:.6g},{guess:.6g}\n")


if __name__ == "__main__":
    main()
