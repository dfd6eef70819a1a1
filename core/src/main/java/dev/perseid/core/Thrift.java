package dev.perseid.core;

/// For how long a job would rather wait for a task than have it cost a credit more, use a kilowatt
/// hour more or emit a kilogram of carbon dioxide more, milliseconds. 0: whatever it takes.
///
/// @param msPerCredit 0 to [Limits#THRIFT_MS]
/// @param msPerKwh 0 to [Limits#THRIFT_MS_OF_ENERGY]
/// @param msPerKgCo2 likewise
public record Thrift(long msPerCredit, long msPerKwh, long msPerKgCo2) {
  /// As soon as possible, whatever it takes.
  public static final Thrift NONE = new Thrift(0, 0, 0);

  private static final long UJ_OF_A_WH = 3_600_000_000L;

  /// Of what a task costs, and nothing else.
  public static Thrift ofCredits(long msPerCredit) {
    return new Thrift(msPerCredit, 0, 0);
  }

  /// Whether anything counts beside time.
  public boolean isAny() {
    return msPerCredit > 0 || heedsPower();
  }

  /// Whether it matters how much power a machine takes, or from where.
  public boolean heedsPower() {
    return msPerKwh > 0 || msPerKgCo2 > 0;
  }

  /// The time that is worth as much, nanoseconds; saturating.
  ///
  /// @param charge microcredits
  /// @param energyUj microjoules
  /// @param gPerKwh carbon dioxide of that energy, grams for a kilowatt hour
  long ns(long charge, long energyUj, long gPerKwh) {
    // A microcredit is worth as many nanoseconds as a credit is milliseconds.
    long cost = Price.scaled(charge, msPerCredit, 1);
    // Of a kilowatt hour the thousandth, and of a millisecond the thousandth: a million ns.
    long energy = Price.scaled(energyUj, msPerKwh, UJ_OF_A_WH / 1_000);
    long carbon = Price.scaled(carbonUg(energyUj, gPerKwh), msPerKgCo2, 1_000);
    return Price.plus(Price.plus(cost, energy), carbon);
  }

  /// Carbon dioxide in micrograms, rounded up; saturating.
  static long carbonUg(long energyUj, long gPerKwh) {
    return Price.scaled(energyUj, gPerKwh, UJ_OF_A_WH / 1_000);
  }
}
