package dev.perseid.cli.genomics;

/// Decimal fractions in integers, so that every machine writes the same digits.
final class Fixed {
  private Fixed() {}

  /// `part / whole`, rounded half up; both at least 0.
  static long ratio(long part, long whole) {
    return (part + whole / 2) / whole;
  }

  /// Writes thousandths (3 decimals) or hundredths (2): `text(954, 3)` is `0.954`.
  static String text(long value, int decimals) {
    String digits = Long.toString(value);
    digits = "0".repeat(Math.max(0, decimals + 1 - digits.length())) + digits;
    int point = digits.length() - decimals;
    return digits.substring(0, point) + "." + digits.substring(point);
  }
}
