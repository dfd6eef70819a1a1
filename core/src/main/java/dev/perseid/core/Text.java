package dev.perseid.core;

import java.math.BigDecimal;

/// What texts may look like when they come from outside.
public final class Text {
  private static final int QUOTED_CHARS = 48;

  private Text() {}

  /// Whether the text is 1 to `max` characters of `[A-Za-z0-9._-]`.
  static boolean isName(String text, int max) {
    if (text.isEmpty() || text.length() > max) {
      return false;
    }
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean good =
          (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || c == '.'
              || c == '_'
              || c == '-';
      if (!good) {
        return false;
      }
    }
    return true;
  }

  /// Whether the text is one line: no control characters, and every surrogate has its pair.
  static boolean isLine(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isISOControl(text.charAt(i))) {
        return false;
      }
    }
    return isUnicode(text);
  }

  /// Whether the text survives the way into UTF-8 and back: every surrogate has its pair.
  static boolean isUnicode(String text) {
    boolean plain = true;
    for (int i = 0; i < text.length() && plain; i++) {
      plain = !Character.isSurrogate(text.charAt(i));
    }
    if (plain) {
      return true;
    }
    // A code point that is a surrogate is one without its pair.
    return text.codePoints()
        .noneMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
  }

  /// The text in quotes for a message: one line, cut where it is long.
  static String quote(String text) {
    return "'" + shown(text, QUOTED_CHARS) + "'";
  }

  /// Somebody's word in a message: one line, cut after `max` characters.
  public static String shown(String text, int max) {
    StringBuilder out = new StringBuilder();
    int end = Math.min(text.length(), max);
    for (int i = 0; i < end; i++) {
      char c = text.charAt(i);
      out.append(Character.isISOControl(c) || Character.isSurrogate(c) ? '?' : c);
    }
    return end < text.length() ? out.append("...").toString() : out.toString();
  }

  /// The text, cut to `max` characters without splitting a surrogate pair.
  static String cut(String text, int max) {
    if (text.length() <= max) {
      return text;
    }
    int end = max - 3;
    if (Character.isHighSurrogate(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end) + "...";
  }

  /// A span of time for people, e.g. "90 s" or "0.5 s".
  static String seconds(long ms) {
    return BigDecimal.valueOf(ms, 3).stripTrailingZeros().toPlainString() + " s";
  }

  /// Microcredits for people.
  public static String credits(long microcredits) {
    return java.math.BigDecimal.valueOf(microcredits, 6).stripTrailingZeros().toPlainString()
        + " credits";
  }
}
