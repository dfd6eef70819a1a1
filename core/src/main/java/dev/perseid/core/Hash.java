package dev.perseid.core;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// A 32-byte digest: SHA-256 of a blob, Keccak-256 of a typed-data struct, or a Merkle node. Held
/// as four big-endian longs, so that millions of them cost one object each and compare by value.
public record Hash(long a, long b, long c, long d) implements Comparable<Hash> {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

  /// Thirty-two zero bytes.
  public static final Hash ZERO = new Hash(0, 0, 0, 0);

  /// SHA-256 of no bytes: the digest of every empty blob.
  public static final Hash EMPTY_BLOB = sha256(new byte[0]);

  /// Reads 32 bytes at `offset`.
  public static Hash of(byte[] bytes, int offset) {
    return new Hash(
        (long) LONG.get(bytes, offset),
        (long) LONG.get(bytes, offset + 8),
        (long) LONG.get(bytes, offset + 16),
        (long) LONG.get(bytes, offset + 24));
  }

  /// Wraps exactly 32 bytes.
  public static Hash of(byte[] bytes) {
    if (bytes.length != 32) {
      throw new IllegalArgumentException("a hash has 32 bytes, not " + bytes.length);
    }
    return of(bytes, 0);
  }

  /// Parses 64 hexadecimal digits, with or without a leading `0x` or `sha256:`.
  public static Hash parse(String text) {
    String hex =
        text.startsWith("sha256:")
            ? text.substring(7)
            : text.startsWith("0x") ? text.substring(2) : text;
    if (hex.length() != 64) {
      throw new IllegalArgumentException("a hash has 64 hexadecimal digits, not " + hex.length());
    }
    return of(HexFormat.of().parseHex(hex));
  }

  /// SHA-256 (FIPS 180-4) of the bytes.
  public static Hash sha256(byte[] bytes) {
    return of(digest().digest(bytes));
  }

  static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /// The 32 bytes, a fresh array.
  public byte[] bytes() {
    byte[] out = new byte[32];
    write(out, 0);
    return out;
  }

  /// Writes the 32 bytes at `offset`.
  public void write(byte[] out, int offset) {
    LONG.set(out, offset, a);
    LONG.set(out, offset + 8, b);
    LONG.set(out, offset + 16, c);
    LONG.set(out, offset + 24, d);
  }

  /// 64 hexadecimal digits.
  public String hex() {
    return HexFormat.of().formatHex(bytes());
  }

  @Override
  public int compareTo(Hash o) {
    int x = Long.compareUnsigned(a, o.a);
    if (x == 0) {
      x = Long.compareUnsigned(b, o.b);
    }
    if (x == 0) {
      x = Long.compareUnsigned(c, o.c);
    }
    return x != 0 ? x : Long.compareUnsigned(d, o.d);
  }

  @Override
  public String toString() {
    return hex();
  }
}
