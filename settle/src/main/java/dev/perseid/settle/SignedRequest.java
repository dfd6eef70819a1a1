package dev.perseid.settle;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The `Authorization` header of a request that carries its caller's EIP-712 signature instead of a
/// session's token (docs/authentication.md): who calls, as what, when, and over which body. The
/// signature also covers the pool, the method, and path and query.
///
/// @param caller whose key signed
/// @param role as what it comes, e.g. `consumer`
/// @param timeMs when, milliseconds since the epoch by the caller's clock
/// @param nonce 32 bytes that the caller never uses again
/// @param body SHA-256 of the request's body; of nothing where it has none
/// @param signature 65 bytes r, s, v in hexadecimal
public record SignedRequest(
    Address caller, String role, long timeMs, Hash nonce, Hash body, String signature) {
  /// The scheme's name in the header.
  public static final String SCHEME = "Perseid-Request";

  private static final Pattern FIELD =
      Pattern.compile("[ \\t]*([a-z]{1,16})=([A-Za-z0-9]{1,140})[ \\t]*(,|$)");

  /// Signs a request.
  ///
  /// @param target path and query exactly as in the request's first line, e.g. `/v1/models?x=1`
  public static SignedRequest sign(
      Key key,
      Address pool,
      String role,
      String method,
      String target,
      Hash body,
      long timeMs,
      Hash nonce) {
    SignedRequest bare = new SignedRequest(key.address(), role, timeMs, nonce, body, "");
    String signature = key.sign(Digests.request(pool, bare, method, target));
    return new SignedRequest(key.address(), role, timeMs, nonce, body, signature);
  }

  /// Whether a header is of this scheme.
  public static boolean isMeant(String header) {
    return header.length() > SCHEME.length()
        && header.regionMatches(true, 0, SCHEME, 0, SCHEME.length())
        && header.charAt(SCHEME.length()) == ' ';
  }

  /// The header's value.
  public String header() {
    return SCHEME
        + " caller="
        + HexFormat.of().formatHex(caller.bytes())
        + ",role="
        + role
        + ",time="
        + timeMs
        + ",nonce="
        + nonce.hex()
        + ",body="
        + body.hex()
        + ",signature="
        + signature;
  }

  /// Reads a header that [#isMeant]; empty if it is malformed: each field once, no others.
  /// Hexadecimal digits may have `0x` before them.
  public static Optional<SignedRequest> parse(String header) {
    if (!isMeant(header) || header.length() > Limits.SIGNED_REQUEST_CHARS) {
      return Optional.empty();
    }
    Map<String, String> fields = new HashMap<>();
    Matcher m = FIELD.matcher(header);
    int at = SCHEME.length() + 1;
    while (at < header.length()) {
      if (!m.find(at) || m.start() != at || fields.put(m.group(1), m.group(2)) != null) {
        return Optional.empty();
      }
      at = m.end();
      if (at == header.length() && m.group(3).equals(",")) {
        return Optional.empty();
      }
    }
    String time = fields.getOrDefault("time", "");
    String role = fields.getOrDefault("role", "");
    if (fields.size() != 6 || !time.matches("[0-9]{1,15}") || !role.matches("[a-z]{1,16}")) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new SignedRequest(
              Address.parse("0x" + digits(fields, "caller", 40)),
              role,
              Long.parseLong(time),
              Hash.parse(digits(fields, "nonce", 64)),
              Hash.parse(digits(fields, "body", 64)),
              digits(fields, "signature", 130)));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static String digits(Map<String, String> fields, String name, int count) {
    String text = fields.getOrDefault(name, "");
    String digits = text.startsWith("0x") ? text.substring(2) : text;
    if (digits.length() != count || !digits.matches("[0-9A-Fa-f]+")) {
      throw new IllegalArgumentException(name);
    }
    return digits.toLowerCase(Locale.ROOT);
  }

  /// Whether the caller's key signed this for that request. Some 0.2 ms.
  public boolean isSigned(Address pool, String method, String target) {
    return Key.verify(Digests.request(pool, this, method, target), signature, caller);
  }
}
