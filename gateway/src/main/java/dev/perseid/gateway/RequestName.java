package dev.perseid.gateway;

import java.nio.charset.StandardCharsets;
import java.util.random.RandomGenerator;

/// The name that a gateway gives a request: `req_` and 24 letters of Crockford's base 32, 120
/// random bits. A pool names what it asks for itself in the same way, so that nobody can tell it by
/// its name.
public final class RequestName {
  private static final String LETTERS = "0123456789abcdefghjkmnpqrstvwxyz";
  private static final String BEFORE = "req_";
  private static final int CHARS = 24;

  /// Letters out of one long.
  private static final int AT_ONCE = 12;

  private RequestName() {}

  /// A fresh one.
  public static String fresh(RandomGenerator random) {
    byte[] name = new byte[BEFORE.length() + CHARS];
    for (int i = 0; i < BEFORE.length(); i++) {
      name[i] = (byte) BEFORE.charAt(i);
    }
    long bits = 0;
    for (int i = 0; i < CHARS; i++) {
      bits = i % AT_ONCE == 0 ? random.nextLong() : bits >>> 5;
      name[BEFORE.length() + i] = (byte) LETTERS.charAt((int) (bits & 31));
    }
    return new String(name, StandardCharsets.US_ASCII);
  }
}
