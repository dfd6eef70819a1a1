package dev.perseid.engine;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;

/// The content of one frame of a record file, read from front to back. Every reading checks what is
/// there: a file may come from anybody.
final class Frame {
  /// A frame whose content is not what the format says.
  static final class MalformedFrame extends Exception {
    private static final long serialVersionUID = 1;

    MalformedFrame(String message) {
      super(message);
    }
  }

  private final byte[] bytes;
  private final int end;
  private int at;

  Frame(byte[] bytes, int from, int end) {
    this.bytes = bytes;
    this.at = from;
    this.end = end;
  }

  boolean ended() {
    return at == end;
  }

  int left() {
    return end - at;
  }

  long number() throws MalformedFrame {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == end) {
        throw new MalformedFrame("a number is cut off");
      }
      byte b = bytes[at++];
      value |= (b & 0x7fL) << shift;
      if (b >= 0) {
        return value;
      }
    }
    throw new MalformedFrame("a number has more than ten octets");
  }

  long signed() throws MalformedFrame {
    long value = number();
    return (value >>> 1) ^ -(value & 1);
  }

  /// A number of things, each of at least `leastBytes` in this frame (0: bounded by `most` alone).
  int count(int most, int leastBytes) throws MalformedFrame {
    long value = number();
    if (value < 0 || value > most || leastBytes * value > left()) {
      throw new MalformedFrame("a count of " + value + " is more than can be there");
    }
    return (int) value;
  }

  String text() throws MalformedFrame {
    int length = count(left(), 1);
    try {
      String text = UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, at, length)).toString();
      at += length;
      return text;
    } catch (CharacterCodingException e) {
      throw new MalformedFrame("a text is not UTF-8");
    }
  }
}
