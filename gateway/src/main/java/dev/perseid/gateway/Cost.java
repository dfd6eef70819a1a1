package dev.perseid.gateway;

import java.math.BigDecimal;

/// Amounts of money as decimal numbers, made of text and never of floating-point numbers.
final class Cost {
  private Cost() {}

  /// Credits as a JSON number.
  static String credits(long microcredits) {
    BigDecimal credits = BigDecimal.valueOf(microcredits, 6).stripTrailingZeros();
    return credits.signum() == 0 ? "0" : credits.toPlainString();
  }

  /// Credits for one token where microcredits for a million are asked.
  static String creditsEach(long microcreditsForMillion) {
    BigDecimal credits = BigDecimal.valueOf(microcreditsForMillion, 12).stripTrailingZeros();
    return credits.signum() == 0 ? "0" : credits.toPlainString();
  }
}
