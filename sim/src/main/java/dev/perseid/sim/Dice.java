package dev.perseid.sim;

import java.util.List;

/// Chance from one seed: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014). Written here and not taken from the JDK, so that a seed means the
/// same run for ever.
final class Dice {
  private static final long GOLDEN = 0x9e3779b97f4a7c15L;

  private long state;
  private final long gamma;

  Dice(long seed) {
    this(seed, GOLDEN);
  }

  private Dice(long seed, long gamma) {
    this.state = seed;
    this.gamma = gamma;
  }

  /// Sixty-four even bits.
  long next() {
    state += gamma;
    return mix(state);
  }

  /// The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit.
  static long mix(long x) {
    long z = x;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /// Dice of its own: what one part of the world draws does not shift what another part draws.
  Dice split() {
    long seed = next();
    long odd = mix(next()) | 1;
    // A gamma with few bit changes makes a weak sequence.
    return new Dice(seed, Long.bitCount(odd ^ (odd >>> 1)) < 24 ? odd ^ 0xaaaaaaaaaaaaaaaaL : odd);
  }

  /// From 0 to `bound - 1`.
  int below(int bound) {
    return (int) Math.unsignedMultiplyHigh(next(), bound);
  }

  /// From `low` to `high`, both included.
  long between(long low, long high) {
    return low + Math.unsignedMultiplyHigh(next(), high - low + 1);
  }

  /// Between `low` and `high`, mostly near `low`: the product of two even draws.
  long skewed(long low, long high) {
    long range = high - low + 1;
    return low + Math.unsignedMultiplyHigh(next(), Math.unsignedMultiplyHigh(next(), range) + 1);
  }

  /// True `perMyriad` times in ten thousand.
  boolean chance(int perMyriad) {
    return below(10_000) < perMyriad;
  }

  /// One of them.
  <T> T pick(List<T> some) {
    return some.get(below(some.size()));
  }
}
