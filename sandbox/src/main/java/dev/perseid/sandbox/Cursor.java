package dev.perseid.sandbox;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// A position in the bytes of a module. Every read is bounded by `end`; LEB128 numbers must fit
/// their type.
final class Cursor {
  final byte[] bytes;
  final int end;
  int at;

  Cursor(byte[] bytes, int at, int end) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  boolean more() {
    return at < end;
  }

  int u8() throws Refused {
    if (at >= end) {
      throw new Refused("the module is cut short at byte " + at);
    }
    return bytes[at++] & 0xff;
  }

  /// An unsigned 32-bit number; refused from 2^31 on where it counts or indexes something, as
  /// nothing is that large.
  int count(int max, String what) throws Refused {
    long n = u32();
    if (n > max) {
      throw new Refused(what + ": " + n + " is over the limit of " + max);
    }
    return (int) n;
  }

  /// An index that must be below `bound`.
  int index(int bound, String what) throws Refused {
    long n = u32();
    if (n >= bound) {
      throw new Refused("there is no " + what + " " + n + " (there are " + bound + ")");
    }
    return (int) n;
  }

  long u32() throws Refused {
    long value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
      int b = u8();
      if (shift == 28 && b > 0x0f) {
        throw new Refused("a number is larger than 32 bits at byte " + (at - 1));
      }
      value |= (long) (b & 0x7f) << shift;
      if (b < 0x80) {
        return value;
      }
    }
    throw new Refused("a number is larger than 32 bits at byte " + at);
  }

  /// Skips a signed LEB128 number of at most `bits` bits.
  void signed(int bits) throws Refused {
    int most = (bits + 6) / 7;
    for (int k = 0; k < most; k++) {
      int b = u8();
      if (b < 0x80) {
        // In the last possible byte, the bits above the number's own must repeat its sign.
        int spare = k == most - 1 ? (b << 25) >> (24 + bits - 7 * k) : 0;
        if (spare == 0 || spare == -1) {
          return;
        }
        break;
      }
    }
    throw new Refused("a number is longer than " + bits + " bits at byte " + at);
  }

  void skip(int n) throws Refused {
    if (n > end - at) {
      throw new Refused("the module is cut short at byte " + end);
    }
    at += n;
  }

  String name() throws Refused {
    int n = count(end - at, "length of a name");
    int from = at;
    skip(n);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, from, n)).toString();
    } catch (CharacterCodingException e) {
      throw new Refused("a name is not UTF-8 at byte " + from);
    }
  }
}
