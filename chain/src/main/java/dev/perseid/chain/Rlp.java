package dev.perseid.chain;

import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;

/// Recursive length prefix coding, the form of transactions on the wire.
sealed interface Rlp {
  /// A string of bytes.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Bytes(byte[] bytes) implements Rlp {}

  /// A list.
  record Items(List<Rlp> items) implements Rlp {}

  static Rlp of(byte[] bytes) {
    return new Bytes(bytes);
  }

  /// A number: big-endian without leading zeros; zero has no bytes.
  static Rlp of(BigInteger number) {
    if (number.signum() < 0) {
      throw new IllegalArgumentException("RLP has no negative numbers: " + number);
    }
    byte[] bytes = number.toByteArray();
    if (number.signum() == 0) {
      return new Bytes(new byte[0]);
    }
    return new Bytes(bytes[0] == 0 ? Arrays.copyOfRange(bytes, 1, bytes.length) : bytes);
  }

  static Rlp of(long number) {
    return of(BigInteger.valueOf(number));
  }

  static Rlp of(Rlp... items) {
    return new Items(List.of(items));
  }

  /// The coded bytes.
  default byte[] encode() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    switch (this) {
      case Bytes(byte[] bytes) -> {
        if (bytes.length != 1 || bytes[0] < 0) {
          head(out, 0x80, bytes.length);
        }
        out.writeBytes(bytes);
      }
      case Items(List<Rlp> items) -> {
        ByteArrayOutputStream inner = new ByteArrayOutputStream();
        for (Rlp item : items) {
          inner.writeBytes(item.encode());
        }
        head(out, 0xc0, inner.size());
        out.writeBytes(inner.toByteArray());
      }
    }
    return out.toByteArray();
  }

  private static void head(ByteArrayOutputStream out, int offset, int length) {
    if (length < 56) {
      out.write(offset + length);
      return;
    }
    byte[] size = BigInteger.valueOf(length).toByteArray();
    int from = size[0] == 0 ? 1 : 0;
    out.write(offset + 55 + size.length - from);
    out.write(size, from, size.length - from);
  }
}
