"""Writes ONNX files without the onnx package: only the few messages of onnx.proto that small models need.

A protobuf message is a run of fields; a field is its number and wire type, then a varint, four bytes, or a length and bytes.
"""
import struct

import numpy as np

FLOAT, INT64 = 1, 7  # TensorProto.DataType
IR_VERSION = 7


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def whole(number, n):
    return varint(number << 3) + varint(n)


def piece(number, raw):
    raw = raw.encode() if isinstance(raw, str) else raw
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def real(number, x):
    return varint(number << 3 | 5) + struct.pack("<f", x)


def attribute(name, v):
    """An attribute of a node, its type told by its Python type."""
    out = piece(1, name)
    if isinstance(v, float):
        return out + real(2, v) + whole(20, 1)
    if isinstance(v, int):
        return out + whole(3, v) + whole(20, 2)
    if isinstance(v, str):
        return out + piece(4, v) + whole(20, 3)
    if isinstance(v[0], float):
        return out + b"".join(real(7, x) for x in v) + whole(20, 6)
    if isinstance(v[0], int):
        return out + b"".join(whole(8, x) for x in v) + whole(20, 7)
    return out + b"".join(piece(9, x) for x in v) + whole(20, 8)


def node(op, inputs, outputs, domain="", **attributes):
    out = b"".join(piece(1, i) for i in inputs) + b"".join(piece(2, o) for o in outputs) + piece(3, outputs[0]) + piece(4, op)
    out += b"".join(piece(5, attribute(k, v)) for k, v in attributes.items())
    return out + (piece(7, domain) if domain else b"")


def tensor(name, array):
    """A constant; float32 unless it is of integers."""
    integers = array.dtype.kind == "i"
    raw = np.ascontiguousarray(array, "<i8" if integers else "<f4").tobytes()
    return b"".join(whole(1, d) for d in array.shape) + whole(2, INT64 if integers else FLOAT) + piece(8, name) + piece(9, raw)


def value(name, of, shape):
    """An input or output; a dimension that is a text is one that each request chooses."""
    dimensions = b"".join(piece(1, piece(2, d) if isinstance(d, str) else whole(1, d)) for d in shape)
    return piece(1, name) + piece(2, piece(1, whole(1, of) + piece(2, dimensions)))


def write(path, name, about, nodes, constants, inputs, outputs, operators):
    """Writes a model; `operators` are (domain, version) pairs, e.g. ("", 14)."""
    graph = b"".join(piece(1, n) for n in nodes) + piece(2, name)
    graph += b"".join(piece(5, tensor(k, v)) for k, v in constants.items())
    graph += b"".join(piece(11, v) for v in inputs) + b"".join(piece(12, v) for v in outputs)
    model = whole(1, IR_VERSION) + piece(2, "perseid") + piece(3, "1.0.0") + whole(5, 1) + piece(6, about) + piece(7, graph)
    model += b"".join(piece(8, piece(1, domain) + whole(2, version)) for domain, version in operators)
    with open(path, "wb") as f:
        f.write(model)
    return len(model)
