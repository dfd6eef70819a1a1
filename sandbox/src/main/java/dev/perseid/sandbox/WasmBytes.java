package dev.perseid.sandbox;

import java.io.ByteArrayOutputStream;

/// Module bytes being written.
final class WasmBytes extends ByteArrayOutputStream {
  WasmBytes(int size) {
    super(size);
  }

  WasmBytes op(int... bytes) {
    for (int b : bytes) {
      write(b);
    }
    return this;
  }

  /// Unsigned LEB128.
  WasmBytes u(long value) {
    long v = value;
    while (v >= 0x80) {
      write((int) (v & 0x7f) | 0x80);
      v >>>= 7;
    }
    write((int) v);
    return this;
  }

  /// Signed LEB128.
  WasmBytes s(long value) {
    long v = value;
    while (v < -64 || v > 63) {
      write((int) (v & 0x7f) | 0x80);
      v >>= 7;
    }
    write((int) v & 0x7f);
    return this;
  }

  WasmBytes copy(byte[] from, int start, int end) {
    write(from, start, end - start);
    return this;
  }

  WasmBytes name(String ascii) {
    u(ascii.length());
    for (int i = 0; i < ascii.length(); i++) {
      write(ascii.charAt(i));
    }
    return this;
  }

  WasmBytes section(int id, WasmBytes body) {
    op(id).u(body.size());
    body.writeBytesTo(this);
    return this;
  }

  private void writeBytesTo(WasmBytes to) {
    to.write(buf, 0, count);
  }
}
