package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.HexFormat;

/// Hexadecimal as JSON-RPC writes it: `0x` before it, numbers without leading zeros.
final class Hex {
  private static final HexFormat HEX = HexFormat.of();

  private Hex() {}

  static String of(byte[] bytes) {
    return "0x" + HEX.formatHex(bytes);
  }

  static String of(Hash hash) {
    return "0x" + hash.hex();
  }

  static String of(long number) {
    return "0x" + Long.toHexString(number);
  }

  static String of(BigInteger number) {
    return "0x" + number.toString(16);
  }

  /// Bytes that a node sent.
  static byte[] bytes(String text) throws ChainException {
    if (text.startsWith("0x") && text.length() % 2 == 0) {
      try {
        return HEX.parseHex(text, 2, text.length());
      } catch (IllegalArgumentException e) {
        // said below
      }
    }
    throw ChainException.untrusted("the node sent " + shown(text) + " where bytes belong");
  }

  static Hash hash(String text) throws ChainException {
    byte[] bytes = bytes(text);
    if (bytes.length != 32) {
      throw ChainException.untrusted("the node sent " + shown(text) + " where a hash belongs");
    }
    return Hash.of(bytes);
  }

  static Address address(String text) throws ChainException {
    byte[] bytes = bytes(text);
    if (bytes.length != 20) {
      throw ChainException.untrusted("the node sent " + shown(text) + " where an address belongs");
    }
    return Address.of(bytes);
  }

  /// A number of at most 256 bits that a node sent.
  static BigInteger number(String text) throws ChainException {
    if (text.matches("0x[0-9a-fA-F]{1,64}")) {
      return new BigInteger(text.substring(2), 16);
    }
    throw ChainException.untrusted("the node sent " + shown(text) + " where a number belongs");
  }

  /// A height, a time or an amount of gas that a node sent.
  static long small(String text) throws ChainException {
    BigInteger number = number(text);
    if (number.bitLength() > Limits.HEIGHT_BITS) {
      throw ChainException.untrusted("the node sent an impossible number: " + shown(text));
    }
    return number.longValueExact();
  }

  static String shown(String text) {
    String cut =
        text.length() <= Limits.SHOWN_CHARS ? text : text.substring(0, Limits.SHOWN_CHARS) + "...";
    return "'" + cut.replaceAll("\\p{Cntrl}", "?") + "'";
  }
}
