package dev.perseid.cli;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.OptionalLong;

/// Quantities in words for people. What is absent is shown as `-`.
final class Amounts {
  private Amounts() {}

  /// Microcredits as credits, exactly: `12.5 credits`.
  static String credits(long microcredits) {
    BigDecimal credits = BigDecimal.valueOf(microcredits, 6).stripTrailingZeros();
    return (credits.scale() < 0 ? credits.setScale(0) : credits).toPlainString() + " credits";
  }

  /// Credits as a person writes them, in microcredits.
  ///
  /// @param what for the message, e.g. `--budget`
  static long microcredits(String credits, String what) throws BadInput {
    try {
      BigDecimal value = new BigDecimal(credits.strip());
      if (value.signum() >= 0 && value.precision() <= 30 && Math.abs(value.scale()) <= 30) {
        return value.movePointRight(6).longValueExact();
      }
    } catch (ArithmeticException | NumberFormatException e) {
      // said below
    }
    throw new BadInput(
        what
            + ": '"
            + credits
            + "' is no amount of credits; write for example 12.5 (at most six decimals)");
  }

  static String bytes(OptionalLong bytes) {
    return bytes.isEmpty() ? "-" : bytes(bytes.getAsLong());
  }

  /// Decimal units, as the prices are.
  static String bytes(long bytes) {
    return scaled(bytes, new String[] {"B", "kB", "MB", "GB", "TB", "PB", "EB"});
  }

  static String count(OptionalLong count) {
    return count.isEmpty() ? "-" : count(count.getAsLong());
  }

  /// `950`, `12.3 k`, `4.56 M`.
  static String count(long count) {
    return scaled(count, new String[] {"", "k", "M", "G", "T", "P", "E"}).strip();
  }

  /// `1,234,567`.
  static String exact(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  static String duration(OptionalLong ns) {
    return ns.isEmpty() ? "-" : duration(ns.getAsLong());
  }

  /// `850 us`, `12.3 ms`, `4.56 s`, `3 min 20 s`, `2 h 5 min`.
  static String duration(long ns) {
    if (ns < 0) {
      return "-" + duration(-ns);
    }
    if (ns < 1_000) {
      return ns + " ns";
    }
    if (ns < 1_000_000) {
      return digits(ns / 1e3) + " us";
    }
    if (ns < 1_000_000_000) {
      return digits(ns / 1e6) + " ms";
    }
    if (ns < 60_000_000_000L) {
      return digits(ns / 1e9) + " s";
    }
    long seconds = ns / 1_000_000_000;
    if (seconds < 3_600) {
      return seconds / 60 + " min " + seconds % 60 + " s";
    }
    return seconds / 3_600 + " h " + seconds % 3_600 / 60 + " min";
  }

  /// `1.20 kWh`, `12.3 Wh`, `0.45 mWh`.
  static String energy(long microjoules) {
    double wh = microjoules / 3.6e9;
    return wh >= 999.5
        ? digits(wh / 1e3) + " kWh"
        : wh >= 0.9995 ? digits(wh) + " Wh" : digits(wh * 1e3) + " mWh";
  }

  /// `1.20 kg`, `12.3 g`, `0.45 mg`.
  static String grams(long micrograms) {
    double g = micrograms / 1e6;
    return g >= 999.5
        ? digits(g / 1e3) + " kg"
        : g >= 0.9995 ? digits(g) + " g" : digits(g * 1e3) + " mg";
  }

  static String percent(double part) {
    return Double.isNaN(part) ? "-" : String.format(Locale.ROOT, "%.0f %%", part * 100);
  }

  private static String scaled(long value, String[] units) {
    double rest = value;
    int unit = 0;
    while (Math.abs(rest) >= 999.5 && unit < units.length - 1) {
      rest /= 1_000;
      unit++;
    }
    return (unit == 0 ? Long.toString(value) : digits(rest)) + " " + units[unit];
  }

  /// Three significant digits.
  private static String digits(double value) {
    int scale = value < 10 ? 2 : value < 100 ? 1 : 0;
    return BigDecimal.valueOf(value).setScale(scale, RoundingMode.HALF_UP).toPlainString();
  }
}
