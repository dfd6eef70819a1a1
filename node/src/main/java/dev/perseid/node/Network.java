package dev.perseid.node;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.util.HexFormat;

/// The part of an internet address that says whose network it is: what one household, company or
/// data centre has as a rule. Two providers with the same are likely to be of one owner.
final class Network {
  private static final int IPV4_BYTES = 3;
  private static final int IPV6_BYTES = 6;

  private Network() {}

  /// The first 24 bits of an IPv4 address, the first 48 of an IPv6 one; empty for this machine, and
  /// for what is no address.
  static String of(String host) {
    InetAddress address;
    try {
      address = InetAddress.ofLiteral(host);
    } catch (IllegalArgumentException e) {
      return "";
    }
    if (address.isLoopbackAddress()) {
      return "";
    }
    byte[] bytes = address.getAddress();
    return address instanceof Inet4Address
        ? HexFormat.of().formatHex(bytes, 0, IPV4_BYTES) + "/24"
        : HexFormat.of().formatHex(bytes, 0, IPV6_BYTES) + "/48";
  }
}
