package dev.perseid.core;

/// How much power a core in use takes at a provider: all the energy of its attempts without GPUs
/// against the time of their cores, by its records; the old ones weigh less.
final class Power {
  private static final long MOST_MW_PER_CORE = 10_000_000;
  private static final long UJ_OF_A_MW_AND_NS = 1_000_000;

  /// Once there is as much core time as that, half of it is forgotten: a bit more than a day.
  private static final long REMEMBERED_NS = Speed.LONGEST_NS;

  /// 0 before the first record that says something of energy.
  long energyUj;

  long coreNs;

  boolean isLearned() {
    return coreNs > 0;
  }

  /// Milliwatts for each core in use; where no record says it, as much as [Limits#UNKNOWN_MW].
  long mwPerCore() {
    if (coreNs == 0) {
      return Limits.UNKNOWN_MW;
    }
    long mw = Price.scaled(energyUj, UJ_OF_A_MW_AND_NS, coreNs);
    return Math.clamp(mw, 1, MOST_MW_PER_CORE);
  }

  /// What so many cores take in that time, microjoules; saturating.
  long energyUj(int cores, long wallNs) {
    return Price.scaled(Price.scaled(wallNs, cores, 1), mwPerCore(), UJ_OF_A_MW_AND_NS);
  }

  /// Learns from one attempt.
  void learn(long usedUj, int cores, long wallNs) {
    long ns = Math.min(Price.scaled(wallNs, cores, 1), REMEMBERED_NS);
    if (ns == 0) {
      return;
    }
    energyUj += Math.min(usedUj, Price.scaled(ns, MOST_MW_PER_CORE, UJ_OF_A_MW_AND_NS));
    coreNs += ns;
    if (coreNs >= REMEMBERED_NS) {
      energyUj /= 2;
      coreNs /= 2;
    }
  }
}
