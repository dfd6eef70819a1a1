package dev.perseid.journal;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A span of another program, as W3C Trace Context hands it on in the header `traceparent`.
///
/// @param traceId 32 hexadecimal digits, not all zero
/// @param spanId 16 hexadecimal digits, not all zero
public record TraceParent(String traceId, String spanId) {
  /// Versions after 00 may have more behind a dash; what stands before it stays.
  private static final Pattern FORM =
      Pattern.compile("(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?");

  /// Reads a header; empty if it is none.
  public static Optional<TraceParent> of(String header) {
    Matcher m = FORM.matcher(header);
    if (!m.matches()
        || (m.group(1).equals("00") && m.group(4) != null)
        || isZero(m.group(2))
        || isZero(m.group(3))) {
      return Optional.empty();
    }
    return Optional.of(new TraceParent(m.group(2), m.group(3)));
  }

  private static boolean isZero(String digits) {
    return digits.chars().allMatch(c -> c == '0');
  }
}
