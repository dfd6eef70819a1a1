package dev.perseid.inference;

import java.nio.LongBuffer;

/// A sequential test of one sign: values between 0 and 1, whose mean is below `low` for the honest
/// and above `high` for cheats. Immutable.
///
/// It bets against honesty: wealth grows by `1 + stake * (x - low)` with each value, which it
/// cannot do in the mean while the mean is below `low`, however the values depend on each other. So
/// wealth ever reaches `1 / alpha` with probability at most `alpha` (Ville's inequality): it may be
/// looked at after every value and for ever. Waudby-Smith and Ramdas, "Estimating means of bounded
/// random variables by betting" (2024). Which stake is best depends on the cheat, so the wealth is
/// spread over many. Clearing works the other way round, against a mean above `high`.
///
/// After a clearance a fresh test begins, so that an honest past buys nobody time to cheat; the
/// k-th has the share 6 / (pi k)^2 of alpha, which together is alpha.
final class Scales {
  private static final int STAKES = 12;
  private static final double[] CLEARING = {0.1, 0.3, 0.6, 0.9};

  private final double low;
  private final double high;
  private final double zoom;
  private final double[] guilt;
  private final double[] innocence;
  private final int epoch;
  private final boolean tipped;

  private Scales(
      double low,
      double high,
      double zoom,
      double[] guilt,
      double[] innocence,
      int epoch,
      boolean tipped) {
    this.low = low;
    this.high = high;
    this.zoom = zoom;
    this.guilt = guilt;
    this.innocence = innocence;
    this.epoch = epoch;
    this.tipped = tipped;
  }

  /// @param low mean of the values that the honest stay below
  /// @param high mean of `min(1, zoom * value)` that cheats are above
  /// @param zoom makes small values count when it is about clearing: a bound near what cheats show
  ///   lets honest ones be cleared with few values
  static Scales of(double low, double high, double zoom) {
    return new Scales(low, high, zoom, new double[STAKES], new double[CLEARING.length], 1, false);
  }

  /// Numbers that [#write] makes.
  static final int NUMBERS = 2 + STAKES + CLEARING.length;

  /// The same test, as it stood when [#write] made these numbers.
  Scales as(LongBuffer in) {
    int k = Math.toIntExact(in.get());
    boolean over = in.get() != 0;
    return new Scales(low, high, zoom, doubles(in, STAKES), doubles(in, CLEARING.length), k, over);
  }

  /// Appends all that changes, exactly.
  void write(LongBuffer out) {
    out.put(epoch).put(tipped ? 1 : 0);
    write(guilt, out);
    write(innocence, out);
  }

  static void write(double[] values, LongBuffer out) {
    for (double x : values) {
      out.put(Double.doubleToRawLongBits(x));
    }
  }

  static double[] doubles(LongBuffer in, int count) {
    double[] out = new double[count];
    for (int i = 0; i < count; i++) {
      out[i] = Double.longBitsToDouble(in.get());
    }
    return out;
  }

  /// Whether it has tipped against the provider; for good.
  boolean tipped() {
    return tipped;
  }

  /// Whether it was cleared at least once.
  boolean cleared() {
    return epoch > 1;
  }

  /// Logarithm of the wealth of the test that runs now.
  double logWealth() {
    return logMean(guilt);
  }

  Scales with(float[] values, double alpha, double beta) {
    if (tipped || values.length == 0) {
      return this;
    }
    double[] g = guilt.clone();
    double[] c = innocence.clone();
    int k = epoch;
    for (float x : values) {
      for (int i = 0; i < STAKES; i++) {
        g[i] += Math.log1p(stake(i) * (x - low));
      }
      for (int i = 0; i < CLEARING.length; i++) {
        c[i] += Math.log1p(CLEARING[i] / (1 - high) * (high - Math.min(1, zoom * x)));
      }
      if (logMean(g) >= -Math.log(alpha(alpha, k))) {
        return new Scales(low, high, zoom, g, c, k, true);
      }
      if (logMean(c) >= -Math.log(beta)) {
        g = new double[STAKES];
        c = new double[CLEARING.length];
        k++;
      }
    }
    return new Scales(low, high, zoom, g, c, k, false);
  }

  /// From 1/4 to 3/4 of the greatest that keeps the wealth above 0, evenly in the logarithm.
  private double stake(int i) {
    double from = Math.min(0.25, 0.1 / low);
    return from * Math.pow(0.75 / low / from, (double) i / (STAKES - 1));
  }

  static double alpha(double alpha, int epoch) {
    return alpha * 6 / (Math.PI * Math.PI * epoch * epoch);
  }

  static double logMean(double[] logs) {
    double top = Double.NEGATIVE_INFINITY;
    for (double x : logs) {
      top = Math.max(top, x);
    }
    double sum = 0;
    for (double x : logs) {
      sum += Math.exp(x - top);
    }
    return top + Math.log(sum / logs.length);
  }
}
