package dev.perseid.inference;

import java.nio.LongBuffer;

/// A sequential test of [Sign#TILT]: the likelihood of the tokens under distributions that are
/// flatter or sharper than the model's, against their likelihood under the model's own. Like
/// [Scales] in all else. Immutable.
final class TiltScales {
  private final double[] logs;
  private final long tokens;
  private final int epoch;
  private final boolean tipped;

  private TiltScales(double[] logs, long tokens, int epoch, boolean tipped) {
    this.logs = logs;
    this.tokens = tokens;
    this.epoch = epoch;
    this.tipped = tipped;
  }

  static TiltScales fresh() {
    return new TiltScales(new double[Evidence.TILTS.length], 0, 1, false);
  }

  /// Numbers that [#write] makes.
  static final int NUMBERS = 3 + Evidence.TILTS.length;

  /// The test as it stood when [#write] made these numbers.
  static TiltScales of(LongBuffer in) {
    long n = in.get();
    int k = Math.toIntExact(in.get());
    boolean over = in.get() != 0;
    return new TiltScales(Scales.doubles(in, Evidence.TILTS.length), n, k, over);
  }

  /// Appends its whole state, exactly.
  void write(LongBuffer out) {
    out.put(tokens).put(epoch).put(tipped ? 1 : 0);
    Scales.write(logs, out);
  }

  boolean tipped() {
    return tipped;
  }

  boolean cleared() {
    return epoch > 1;
  }

  /// Logarithm of the wealth of the test that runs now.
  double logWealth() {
    return Scales.logMean(logs) - AuditLimits.TILT_SLACK * tokens;
  }

  TiltScales with(Evidence evidence, double alpha, double beta) {
    if (tipped || evidence.tilted == 0) {
      return this;
    }
    double[] next = logs.clone();
    double most = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < next.length; i++) {
      next[i] += evidence.tilts[i];
      most = Math.max(most, next[i]);
    }
    long n = tokens + evidence.tilted;
    TiltScales after = new TiltScales(next, n, epoch, false);
    if (after.logWealth() >= -Math.log(Scales.alpha(alpha, epoch))) {
      return new TiltScales(next, n, epoch, true);
    }
    if (most + AuditLimits.TILT_SLACK * n <= Math.log(beta)) {
      return new TiltScales(new double[next.length], 0, epoch + 1, false);
    }
    return after;
  }
}
