package dev.perseid.sandbox;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;

/// A growing run of bytes that frames are written into. Not thread safe.
final class ByteSink {
  private byte[] bytes = new byte[4096];
  private int size;

  int size() {
    return size;
  }

  private void room(int n) {
    if (bytes.length - size < n) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, size + n));
    }
  }

  ByteSink u8(int value) {
    room(1);
    bytes[size++] = (byte) value;
    return this;
  }

  ByteSink i32(int value) {
    room(4);
    size += 4;
    return patch(size - 4, value);
  }

  ByteSink patch(int at, int value) {
    bytes[at] = (byte) (value >>> 24);
    bytes[at + 1] = (byte) (value >>> 16);
    bytes[at + 2] = (byte) (value >>> 8);
    bytes[at + 3] = (byte) value;
    return this;
  }

  ByteSink i64(long value) {
    return i32((int) (value >>> 32)).i32((int) value);
  }

  /// A length, then the bytes.
  ByteSink blob(byte[] value) {
    i32(value.length);
    room(value.length);
    System.arraycopy(value, 0, bytes, size, value.length);
    size += value.length;
    return this;
  }

  /// A copy of all bytes.
  byte[] toByteArray() {
    return Arrays.copyOf(bytes, size);
  }

  /// Takes all bytes of another one and leaves it empty; this one must be empty.
  void take(ByteSink other) {
    byte[] mine = bytes;
    bytes = other.bytes;
    size = other.size;
    other.bytes = mine;
    other.size = 0;
  }

  /// Writes all bytes and starts again; a large buffer is not kept.
  void drainTo(OutputStream to) throws IOException {
    to.write(bytes, 0, size);
    to.flush();
    size = 0;
    if (bytes.length > 1 << 20) {
      bytes = new byte[4096];
    }
  }
}
