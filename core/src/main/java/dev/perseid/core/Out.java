package dev.perseid.core;

import java.io.DataOutput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Writes the primitives of Perseid's binary formats (docs/formats.md) into a growing array.
///
/// With a dictionary, a value written by one of the `shared` methods costs its bytes once and a
/// varint from then on; without one it is written in full each time.
final class Out {
  /// A frame of a stream is handed on once it holds this much.
  static final int FRAME_BYTES = 1 << 16;

  private byte[] buffer = new byte[256];
  private int length;
  private final @Nullable Map<Object, Integer> dictionary;
  private final @Nullable DataOutput stream;

  private Out(@Nullable Map<Object, Integer> dictionary, @Nullable DataOutput stream) {
    this.dictionary = dictionary;
    this.stream = stream;
  }

  /// Writes everything in full.
  static Out plain() {
    return new Out(null, null);
  }

  /// Writes shared values once.
  static Out withDictionary() {
    return new Out(new HashMap<>(), null);
  }

  /// Writes frames (length, CRC-32C, bytes) to a stream, so that the whole never stands in memory.
  static Out framed(DataOutput stream) {
    return new Out(null, stream);
  }

  byte[] bytes() {
    return Arrays.copyOf(buffer, length);
  }

  /// Hands the bytes so far to the stream if they fill a frame. Only called between two values.
  void flushFull() throws IOException {
    if (length >= FRAME_BYTES) {
      flush();
    }
  }

  /// Hands on what is left, marked as the end by a frame of length 0 that follows.
  void end() throws IOException {
    if (length > 0) {
      flush();
    }
    flush();
  }

  private void flush() throws IOException {
    if (stream == null) {
      throw new IllegalStateException("this writer has no stream");
    }
    CRC32C sum = new CRC32C();
    sum.update(buffer, 0, length);
    stream.writeInt(length);
    stream.writeInt((int) sum.getValue());
    stream.write(buffer, 0, length);
    length = 0;
  }

  private void room(int more) {
    if (buffer.length - length < more) {
      buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, Math.addExact(length, more)));
    }
  }

  void octet(int value) {
    room(1);
    buffer[length++] = (byte) value;
  }

  /// Unsigned LEB128 of the 64 bits: small non-negative numbers are short, negative ones take ten
  /// bytes.
  void number(long value) {
    room(10);
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      buffer[length++] = (byte) (rest | 0x80);
      rest >>>= 7;
    }
    buffer[length++] = (byte) rest;
  }

  /// Zigzag LEB128, for numbers of either sign; differences wrap around.
  void signed(long value) {
    number((value << 1) ^ (value >> 63));
  }

  /// The place of the value in the list of its codes.
  <E extends Enum<E>> void choice(E value, List<E> codes) {
    octet(codes.indexOf(value));
  }

  void optional(OptionalLong value) {
    if (value.isPresent()) {
      octet(1);
      number(value.getAsLong());
    } else {
      octet(0);
    }
  }

  void text(String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    number(utf8.length);
    room(utf8.length);
    System.arraycopy(utf8, 0, buffer, length, utf8.length);
    length += utf8.length;
  }

  void hash(Hash value) {
    room(32);
    value.write(buffer, length);
    length += 32;
  }

  void address(Address value) {
    fixed(value.a());
    fixed(value.b());
    room(4);
    for (int shift = 24; shift >= 0; shift -= 8) {
      buffer[length++] = (byte) (value.c() >>> shift);
    }
  }

  void jobId(JobId value) {
    fixed(value.a());
    fixed(value.b());
  }

  void blob(Blob value) {
    hash(value.hash());
    number(value.sizeBytes());
  }

  /// An IEEE 754 double.
  void real(double number) {
    fixed(Double.doubleToRawLongBits(number));
  }

  /// Eight bytes, the highest first.
  void fixed(long value) {
    room(8);
    for (int shift = 56; shift >= 0; shift -= 8) {
      buffer[length++] = (byte) (value >>> shift);
    }
  }

  void sharedHash(Hash value) {
    if (isNew(value)) {
      hash(value);
    }
  }

  void sharedAddress(Address value) {
    if (isNew(value)) {
      address(value);
    }
  }

  void sharedJobId(JobId value) {
    if (isNew(value)) {
      jobId(value);
    }
  }

  void sharedText(String value) {
    if (isNew(value)) {
      text(value);
    }
  }

  /// Whether the value must follow in full; with a dictionary, says so or names its place.
  private boolean isNew(Object value) {
    if (dictionary == null) {
      return true;
    }
    Integer place = dictionary.putIfAbsent(value, dictionary.size() + 1);
    number(place == null ? 0 : place);
    return place == null;
  }
}
