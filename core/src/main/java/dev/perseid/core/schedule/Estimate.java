package dev.perseid.core.schedule;

/// What is believed of a quantity that cannot be negative: a log-normal distribution.
///
/// @param median in the quantity's unit, more than 0
/// @param spread the standard deviation of its natural logarithm; 0 if it is known exactly
public record Estimate(double median, double spread) {
  /// Below this a spread counts as none.
  static final double CERTAIN = 1e-6;

  /// Checks its parts.
  public Estimate {
    if (!(median > 0) || !(spread >= 0)) {
      throw new IllegalArgumentException("an estimate of " + median + " with spread " + spread);
    }
  }

  /// Something known.
  public static Estimate exactly(double value) {
    return new Estimate(value, 0);
  }

  /// The value below which it lies with a probability.
  ///
  /// @param share between 0 and 1
  public double quantile(double share) {
    return spread == 0 ? median : median * Math.exp(spread * Normal.quantile(share));
  }

  /// The mean.
  public double mean() {
    return median * Math.exp(spread * spread / 2);
  }

  /// The quantile of what is left of it when so much has passed and it has not ended.
  ///
  /// @param passed in its unit, 0 or more
  public double left(double passed, double share) {
    if (passed <= 0) {
      return quantile(share);
    }
    if (spread < CERTAIN) {
      return Math.max(0, median - passed);
    }
    double z = Math.log(passed / median) / spread;
    double over = 1 - Normal.below(z);
    if (over < 1e-6) {
      // So far out that the tail's shape is a guess: as long again as it is over.
      return passed * share;
    }
    return Math.max(0, quantile(1 - over * (1 - share)) - passed);
  }
}
