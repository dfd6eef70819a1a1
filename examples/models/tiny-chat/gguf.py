"""Reads and writes GGUF version 3 files (the format of llama.cpp and ggml): metadata and tensors of f32, f16 and q8_0."""
import struct

import numpy as np

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q", 11: "<q", 12: "<d"}
TYPES = {"f32": 0, "f16": 1, "q8_0": 8}
FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
ALIGNMENT = 32
GROUP = 32  # weights that share one scale in q8_0


def quantise(weights):
    """q8_0: for each 32 weights a half-float scale and 32 signed bytes."""
    groups = weights.reshape(-1, GROUP).astype(np.float32)
    scale = np.abs(groups).max(1, keepdims=True) / np.float32(127)
    steps = np.where(scale > 0, groups / np.where(scale == 0, 1, scale), 0)
    steps = np.trunc(steps + np.copysign(np.float32(0.5), steps))  # halves go away from zero, as in ggml
    return np.hstack([scale.astype("<f2").view(np.uint8), steps.astype(np.int8).view(np.uint8)]).tobytes()


def dequantise(raw):
    groups = np.frombuffer(raw, np.uint8).reshape(-1, 2 + GROUP)
    return (groups[:, 2:].view(np.int8) * groups[:, :2].copy().view("<f2").astype(np.float32)).ravel()


def encode(weights, kind):
    if kind == "q8_0":
        return quantise(weights)
    return weights.astype("<f2" if kind == "f16" else "<f4").tobytes()


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STRING:
        return text(v)
    if kind == ARRAY:
        of, items = v
        return struct.pack("<IQ", of, len(items)) + b"".join(value(of, i) for i in items)
    return struct.pack(NUMBERS[kind], v)


def write(path, metadata, tensors, kind):
    """Writes (key, type, value) rows and named float32 arrays; vectors stay f32, matrices become `kind`."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(text(key) + struct.pack("<I", of) + value(of, v) for key, of, v in metadata)
    body = bytearray()
    for name, weights in tensors.items():
        of = kind if weights.ndim > 1 else "f32"
        shape = weights.shape[::-1]
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, TYPES[of], len(body))
        body += encode(weights, of)
        body += bytes(-len(body) % ALIGNMENT)
    head += bytes(-len(head) % ALIGNMENT)
    with open(path, "wb") as f:
        f.write(head + body)
    return len(head) + len(body)


def read(path):
    """Metadata as a dictionary, and the tensors as float32 arrays of (out, in)."""
    with open(path, "rb") as f:
        raw = f.read()
    at = 0

    def take(form):
        nonlocal at
        result = struct.unpack_from(form, raw, at)
        at += struct.calcsize(form)
        return result

    def take_value(kind):
        nonlocal at
        if kind == STRING:
            (size,) = take("<Q")
            at += size
            return raw[at - size : at].decode()
        if kind == ARRAY:
            of, count = take("<IQ")
            return [take_value(of) for _ in range(count)]
        return take(NUMBERS[kind])[0]

    magic, version, tensor_count, key_count = take("<4sIQQ")
    if magic != b"GGUF" or version != 3:
        raise ValueError(f"{path} is no GGUF file of version 3")
    metadata = {}
    for _ in range(key_count):
        key = take_value(STRING)
        metadata[key] = take_value(take("<I")[0])
    places = []
    for _ in range(tensor_count):
        name = take_value(STRING)
        (dimensions,) = take("<I")
        places.append((name, take(f"<{dimensions}Q")[::-1], *take("<IQ")))
    start = at + -at % ALIGNMENT
    tensors = {}
    for name, shape, kind, offset in places:
        count = int(np.prod(shape))
        size = {0: 4 * count, 1: 2 * count, 8: count // GROUP * (2 + GROUP)}[kind]
        part = raw[start + offset : start + offset + size]
        flat = dequantise(part) if kind == 8 else np.frombuffer(part, "<f4" if kind == 0 else "<f2").astype(np.float32)
        tensors[name] = flat.reshape(shape)
    return metadata, tensors
