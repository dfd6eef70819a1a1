package dev.perseid.inference;

import java.util.List;

/// How far honest providers are from the auditor's model, measured. Honest engines differ: they sum
/// in another order, on other processors. A baseline belongs to one model, quantisation and
/// reference.
///
/// @param margin mean of the margins that honest providers stay below: each at most 2 logits, as a
///   share of 2
/// @param marginCheat mean of the margins from which on it is no clearance: each at most 0.1
///   logits, as a share of 0.1
/// @param logprob mean deviation of stated log probabilities that honest providers stay below: each
///   at most 1, as a share of 1
/// @param logprobCheat likewise, from which on it is no clearance
public record Baseline(double margin, double marginCheat, double logprob, double logprobCheat) {
  /// For the published files on any processor: what `perseid bench audit` measured, with a factor
  /// of some ten to spare (`docs/audits.md`).
  public static final Baseline USUAL = new Baseline(2e-5, 1e-2, 5e-3, 5e-2);

  /// Checks the thresholds.
  public Baseline {
    if (!(0 < margin && margin < 1 && 0 < marginCheat && marginCheat < 1)
        || !(0 < logprob && logprob < logprobCheat && logprobCheat < 1)) {
      throw new IllegalArgumentException(
          "a baseline's thresholds are shares: above 0 and below 1, the honest one of log probabilities below the other");
    }
  }

  /// A baseline from audits of providers that are known to be honest: twice the mean and three
  /// standard errors, and not below a half of [#USUAL].
  ///
  /// @param honest audits over some thousand tokens or more, on as different machines as there are
  public static Baseline of(List<Evidence> honest) {
    double margin = upper(honest.stream().map(e -> e.margins).toList(), USUAL.margin);
    double logprob = upper(honest.stream().map(e -> e.logprobs).toList(), USUAL.logprob);
    return new Baseline(
        margin,
        // The clip is 20 times finer there, and a cheat is to be some times worse than the honest.
        Math.clamp(80 * margin, USUAL.marginCheat, 0.5),
        logprob,
        Math.clamp(10 * logprob, USUAL.logprobCheat, 0.5));
  }

  private static double upper(List<float[]> samples, double usual) {
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
      return usual;
    }
    double mean = sum / n;
    double error = Math.sqrt(Math.max(0, squares / n - mean * mean) / n);
    return Math.clamp(2 * (mean + 3 * error), usual / 2, 0.04);
  }
}
