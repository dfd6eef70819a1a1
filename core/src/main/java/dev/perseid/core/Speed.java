package dev.perseid.core;

/// How fast a machine is against what is usual in its pool: all that its attempts took against all
/// that was usual for their kinds, so that long attempts, which tell more, weigh more; the old ones
/// weigh less.
final class Speed {
  static final int USUAL = 1_000;
  private static final int SLOWEST = 20;
  private static final int FASTEST = 50_000;

  /// Of so many usual times of both sums together a part is forgotten with each attempt.
  private static final long REMEMBERED = 256;

  private static final long FORGOTTEN = 128;
  private static final long ODD = 8;

  /// By how much a machine's own speed varies: the variance of its logarithm, one in seven.
  private static final double OWN_SPREAD = 0.02;

  /// A day and a bit; longer tasks count as this long, so that no product here exceeds 2^63.
  static final long LONGEST_NS = 100_000_000_000_000L;

  /// 1000 = usual.
  int value = USUAL;

  /// What the attempts from which it was learned took, and would usually have taken. 0 before the
  /// first.
  long tookNs;

  long usuallyNs;

  /// Whether any attempt was learned from.
  boolean isLearned() {
    return tookNs > 0;
  }

  /// What would take this long at usual speed takes here.
  long wallNs(long usualNs) {
    return Math.min(usualNs, LONGEST_NS) * USUAL / value;
  }

  /// What took this long here would take at usual speed.
  long atUsual(long wallNs) {
    return Math.min(wallNs, LONGEST_NS) * value / USUAL;
  }

  /// Learns from one attempt. What was held before the first weighs as half of it.
  ///
  /// @param spread the variance of the logarithm of the kind's run times: where tasks are as unlike
  ///   one another, how long one takes says less about the machine
  void learn(long usualWallNs, long wallNs, double spread) {
    double weight = OWN_SPREAD / (OWN_SPREAD + spread);
    // What was expected and did not come true must not count for more than what was done.
    long expectable = Math.min(usualWallNs, ODD * atUsual(wallNs));
    long usual = Math.max(1, (long) (Math.min(expectable, LONGEST_NS) * weight));
    long took = (long) (Math.min(wallNs, LONGEST_NS) * weight);
    if (tookNs == 0) {
      tookNs = Math.max(1, usual / 2 * USUAL / value);
      usuallyNs = usual / 2;
    }
    // A task that is unlike the others of its kind says little about the machine.
    long expected = wallNs(usual);
    tookNs += Math.clamp(took, expected / ODD, expected * ODD);
    usuallyNs += usual;
    if (tookNs + usuallyNs > REMEMBERED * usual) {
      tookNs -= tookNs / FORGOTTEN;
      usuallyNs -= usuallyNs / FORGOTTEN;
    }
    set((double) usuallyNs / tookNs);
  }

  /// @param ratio how fast it is against what is usual
  void set(double ratio) {
    value = Math.clamp(Math.round(ratio * USUAL), SLOWEST, FASTEST);
  }
}
