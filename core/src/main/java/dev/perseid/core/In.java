package dev.perseid.core;

import java.io.DataInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Reads what [Out] wrote. Every length is checked against the bytes that are there before anything
/// is allocated, and each value has one encoding only; anything else is a [MalformedException].
final class In {
  private static final long MAX_FRAME_BYTES = 1L << 30;

  private byte[] buffer;
  private int position;
  private long passed;
  private final @Nullable List<Object> dictionary;
  private final @Nullable DataInput stream;

  private In(byte[] buffer, @Nullable List<Object> dictionary, @Nullable DataInput stream) {
    this.buffer = buffer;
    this.dictionary = dictionary;
    this.stream = stream;
  }

  static In plain(byte[] bytes) {
    return new In(bytes, null, null);
  }

  static In withDictionary(byte[] bytes) {
    return new In(bytes, new ArrayList<>(), null);
  }

  static In framed(DataInput stream) {
    return new In(new byte[0], null, stream);
  }

  MalformedException malformed(String what) {
    return new MalformedException(what + " at byte " + (passed + position));
  }

  private void need(int bytes) {
    if (buffer.length - position >= bytes) {
      return;
    }
    if (stream != null && position == buffer.length) {
      nextFrame(stream);
    }
    if (buffer.length - position < bytes) {
      throw malformed("the bytes end too early: " + bytes + " more are needed");
    }
  }

  private void nextFrame(DataInput from) {
    try {
      int length = from.readInt();
      if (length < 0 || length > MAX_FRAME_BYTES) {
        throw malformed("a frame of " + length + " bytes is refused");
      }
      int sum = from.readInt();
      // In steps, so that a wrong length ends in an error before it fills the memory.
      byte[] frame = new byte[Math.min(length, 1 << 20)];
      int have = 0;
      while (have < length) {
        if (have == frame.length) {
          frame = Arrays.copyOf(frame, (int) Math.min(length, 2L * frame.length));
        }
        from.readFully(frame, have, frame.length - have);
        have = frame.length;
      }
      CRC32C found = new CRC32C();
      found.update(frame, 0, length);
      if ((int) found.getValue() != sum) {
        throw malformed("a frame's checksum is wrong, the bytes are damaged");
      }
      passed += position;
      buffer = frame;
      position = 0;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Checks that nothing follows.
  void end() {
    if (stream != null && position == buffer.length) {
      nextFrame(stream);
    }
    if (position != buffer.length) {
      throw malformed("unexpected bytes follow the end");
    }
  }

  int octet() {
    need(1);
    return buffer[position++] & 0xFF;
  }

  boolean flag() {
    int value = octet();
    if (value > 1) {
      throw malformed("a flag is 0 or 1, not " + value);
    }
    return value == 1;
  }

  long number() {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      int next = octet();
      if (shift == 63 && next > 1) {
        throw malformed("a number has more than 64 bits");
      }
      value |= (long) (next & 0x7F) << shift;
      if (next < 0x80) {
        if (next == 0 && shift > 0) {
          throw malformed("a number is longer than needed");
        }
        return value;
      }
    }
    throw malformed("a number has more than 64 bits");
  }

  long signed() {
    long value = number();
    return (value >>> 1) ^ -(value & 1);
  }

  int integer() {
    long value = number();
    if (value != (int) value) {
      throw malformed("a number of 32 bits was expected, not " + value);
    }
    return (int) value;
  }

  /// The number of items that follow, each of at least one byte.
  int count() {
    long value = number();
    int left = stream == null ? buffer.length - position : Integer.MAX_VALUE - 8;
    if (value < 0 || value > left) {
      throw malformed(
          "a list of "
              + Long.toUnsignedString(value)
              + " items does not fit into "
              + left
              + " bytes");
    }
    return (int) value;
  }

  /// A list to be filled with `count` items; the room is not trusted beyond what is there.
  <T> List<T> list(int count) {
    return new ArrayList<>(Math.min(count, 1 << 16));
  }

  <E extends Enum<E>> E choice(List<E> codes) {
    int code = octet();
    if (code >= codes.size()) {
      throw malformed("one of " + codes.size() + " choices was expected, not " + code);
    }
    return codes.get(code);
  }

  OptionalLong optional() {
    return flag() ? OptionalLong.of(number()) : OptionalLong.empty();
  }

  String text() {
    int bytes = count();
    if (bytes == 0) {
      return "";
    }
    need(bytes);
    String value = new String(buffer, position, bytes, StandardCharsets.UTF_8);
    if (value.length() != bytes) {
      // Not plain ASCII: a byte sequence that is not UTF-8 would have been replaced silently.
      byte[] back = value.getBytes(StandardCharsets.UTF_8);
      if (!Arrays.equals(back, 0, back.length, buffer, position, position + bytes)) {
        throw malformed("a text is not UTF-8");
      }
    } else if (value.indexOf('\uFFFD') >= 0) {
      throw malformed("a text is not UTF-8");
    }
    position += bytes;
    return value;
  }

  Hash hash() {
    need(32);
    Hash value = Hash.of(buffer, position);
    position += 32;
    return value;
  }

  Address address() {
    long a = fixed();
    long b = fixed();
    return new Address(a, b, (int) fixed(4));
  }

  JobId jobId() {
    long a = fixed();
    return new JobId(a, fixed());
  }

  Blob blob() {
    Hash hash = hash();
    return new Blob(hash, number());
  }

  long fixed() {
    return fixed(8);
  }

  /// What [Out#real] wrote, if it is finite and not negative.
  ///
  /// @param problem what to say if it is not
  double amount(String problem) {
    double number = Double.longBitsToDouble(fixed());
    if (!(number >= 0 && number < Double.MAX_VALUE)) {
      throw malformed(problem);
    }
    return number;
  }

  private long fixed(int bytes) {
    need(bytes);
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value = value << 8 | (buffer[position++] & 0xFF);
    }
    return value;
  }

  Hash sharedHash() {
    Hash known = known(Hash.class);
    return known != null ? known : added(hash());
  }

  Address sharedAddress() {
    Address known = known(Address.class);
    return known != null ? known : added(address());
  }

  JobId sharedJobId() {
    JobId known = known(JobId.class);
    return known != null ? known : added(jobId());
  }

  String sharedText() {
    String known = known(String.class);
    return known != null ? known : added(text());
  }

  private <T> @Nullable T known(Class<T> type) {
    if (dictionary == null) {
      return null;
    }
    long place = number();
    if (place == 0) {
      return null;
    }
    if (place < 0 || place > dictionary.size()) {
      throw malformed("the dictionary has no place " + Long.toUnsignedString(place));
    }
    Object value = dictionary.get((int) place - 1);
    if (!type.isInstance(value)) {
      throw malformed("the dictionary's place " + place + " holds something else");
    }
    return type.cast(value);
  }

  private <T> T added(T value) {
    if (dictionary != null) {
      dictionary.add(value);
    }
    return value;
  }
}
