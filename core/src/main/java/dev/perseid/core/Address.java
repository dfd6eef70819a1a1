package dev.perseid.core;

import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Locale;

/// The name of a participant: the last 20 bytes of the Keccak-256 of its secp256k1 public key,
/// which is also its account on any EVM chain. Ordered by its bytes.
public record Address(long a, long b, int c) implements Comparable<Address> {
  /// Twenty zero bytes: nobody.
  public static final Address ZERO = new Address(0, 0, 0);

  /// Wraps exactly 20 bytes.
  public static Address of(byte[] bytes) {
    if (bytes.length != 20) {
      throw new IllegalArgumentException("an address has 20 bytes, not " + bytes.length);
    }
    ByteBuffer in = ByteBuffer.wrap(bytes);
    return new Address(in.getLong(), in.getLong(), in.getInt());
  }

  /// Parses `0x` and 40 hexadecimal digits, in either case.
  public static Address parse(String text) {
    if (!text.matches("0x[0-9a-fA-F]{40}")) {
      throw new IllegalArgumentException(
          "'" + text + "' is not an address: write 0x and 40 hexadecimal digits");
    }
    return of(HexFormat.of().parseHex(text.substring(2).toLowerCase(Locale.ROOT)));
  }

  /// The 20 bytes, a fresh array.
  public byte[] bytes() {
    return ByteBuffer.allocate(20).putLong(a).putLong(b).putInt(c).array();
  }

  @Override
  public int compareTo(Address o) {
    int x = Long.compareUnsigned(a, o.a);
    if (x == 0) {
      x = Long.compareUnsigned(b, o.b);
    }
    return x != 0 ? x : Integer.compareUnsigned(c, o.c);
  }

  /// `0x` and 40 lower-case hexadecimal digits.
  @Override
  public String toString() {
    return "0x" + HexFormat.of().formatHex(bytes());
  }
}
