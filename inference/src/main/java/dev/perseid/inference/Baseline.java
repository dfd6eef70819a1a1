package dev.perseid.inference;

import java.util.List;

/// How far honest providers are from the auditor's model, measured. Honest engines differ: they sum
/// in another order, on other processors. A baseline belongs to one model, quantisation and
/// reference.
///
/// @param margin mean clipped margin, as a share of the clip, that honest providers stay below
/// @param marginCheat the mean from which on it is called a cheat; between the two nothing is
///   decided
/// @param logprob mean clipped deviation of stated log probabilities, as a share of the clip
/// @param logprobCheat likewise
public record Baseline(double margin, double marginCheat, double logprob, double logprobCheat) {
  /// For the published files on any processor: what `perseid bench audit` measured, with a factor
  /// of some ten to spare (`docs/audits.md`).
  public static final Baseline USUAL = new Baseline(2e-4, 4e-3, 5e-3, 5e-2);

  /// Checks the thresholds.
  public Baseline {
    if (!(0 < margin && margin < marginCheat && marginCheat < 1)
        || !(0 < logprob && logprob < logprobCheat && logprobCheat < 1)) {
      throw new IllegalArgumentException(
          "a baseline's thresholds are shares: above 0, below 1, the honest one below the other");
    }
  }

  /// A baseline from audits of providers that are known to be honest: twice the mean and three
  /// standard errors, and never below one in a hundred thousand.
  ///
  /// @param honest audits over some thousand tokens or more, on as different machines as there are
  public static Baseline of(List<Evidence> honest) {
    double margin = upper(honest.stream().map(e -> e.margins).toList());
    double logprob = upper(honest.stream().map(e -> e.logprobs).toList());
    return new Baseline(
        margin,
        Math.max(USUAL.marginCheat, Math.min(0.5, 10 * margin)),
        logprob,
        Math.max(USUAL.logprobCheat, Math.min(0.5, 10 * logprob)));
  }

  private static double upper(List<float[]> samples) {
    double n = 0;
    double sum = 0;
    double squares = 0;
    for (float[] xs : samples) {
      for (float x : xs) {
        n++;
        sum += x;
        squares += (double) x * x;
      }
    }
    if (n == 0) {
      return 1e-5;
    }
    double mean = sum / n;
    double error = Math.sqrt(Math.max(0, squares / n - mean * mean) / n);
    return Math.clamp(2 * (mean + 3 * error), 1e-5, 0.04);
  }
}
