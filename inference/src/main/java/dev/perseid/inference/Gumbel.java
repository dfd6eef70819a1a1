package dev.perseid.inference;

/// Randomness that both sides can make: standard Gumbel noise for each seed, position and token.
/// The token with the greatest `logit / temperature + noise` has exactly the distribution of
/// ordinary sampling (the Gumbel-max trick), and whoever knows the seed finds the same token.
final class Gumbel {
  private Gumbel() {}

  /// @param position of the token in the answer, from 0
  static double noise(long seed, int position, int token) {
    long z =
        seed * 0x9E3779B97F4A7C15L + position * 0xBF58476D1CE4E5B9L + token * 0x94D049BB133111EBL;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    double u = ((z >>> 11) + 0.5) * 0x1p-53;
    return -Math.log(-Math.log(u));
  }
}
