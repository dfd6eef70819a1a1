package dev.perseid.core.schedule;

/// Numbers that look drawn and follow from a seed alone (SplitMix64), so that the same question to
/// a policy has the same answer on every machine and in every replay.
final class Noise {
  private static final double BITS = 0x1p-53;

  private long state;

  Noise(long seed) {
    state = seed;
  }

  private long next() {
    state += 0x9e3779b97f4a7c15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /// From 0 to `bound - 1`.
  int below(int bound) {
    return (int) Math.unsignedMultiplyHigh(next(), bound);
  }

  /// At least 0, less than 1.
  double even() {
    return (next() >>> 11) * BITS;
  }

  /// Of the standard normal distribution.
  double normal() {
    return Normal.quantile((next() >>> 12) * 0x1p-52 + 0x1p-53);
  }
}
