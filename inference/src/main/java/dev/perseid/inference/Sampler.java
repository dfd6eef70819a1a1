package dev.perseid.inference;

import java.util.Arrays;
import java.util.Map;

/// Chooses tokens. Pure: the same logits, parameters, seed and position give the same token, so
/// whoever knows the seed can check what somebody else chose.
///
/// Randomness is counted, not drawn: each token at each position has its own Gumbel noise, a hash
/// of (seed, position, token), and the token with the highest `logit / temperature + noise` is
/// taken. That is a fair draw from the softmax (the Gumbel-max trick), and a small difference in
/// the logits seldom changes it.
public final class Sampler {
  /// With a top_p below 1, tokens less likely than e to the minus this, as a part of the best one's
  /// probability, are never taken.
  private static final double TAIL = 25;

  private Sampler() {}

  /// The noise of one token at one position.
  public static double noise(long seed, int position, int token) {
    return -StrictMath.log(-StrictMath.log(uniform(seed, position, token)));
  }

  private static double uniform(long seed, int position, int token) {
    long z =
        seed * 0x9E3779B97F4A7C15L + position * 0xBF58476D1CE4E5B9L + token * 0x94D049BB133111EBL;
    z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
    z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
    z ^= z >>> 31;
    return ((z >>> 11) + 0.5) / (1L << 53);
  }

  /// The logits after penalties for what was written before and after biases.
  ///
  /// @param written the tokens of the answer so far
  /// @return the same array if nothing is to be changed, else a new one
  public static float[] penalised(float[] logits, SamplingParams params, int[] written) {
    if (!params.penalises()) {
      return logits;
    }
    float[] out = logits.clone();
    int[] sorted = written.clone();
    Arrays.sort(sorted);
    for (int i = 0; i < sorted.length; ) {
      int token = sorted[i];
      int count = 0;
      for (; i < sorted.length && sorted[i] == token; i++) {
        count++;
      }
      if (token < 0 || token >= out.length) {
        continue;
      }
      double v = out[token];
      v = v > 0 ? v / params.repetitionPenalty() : v * params.repetitionPenalty();
      out[token] = (float) (v - count * params.frequencyPenalty() - params.presencePenalty());
    }
    for (Map.Entry<Integer, Double> bias : params.biases().entrySet()) {
      int token = bias.getKey();
      if (token >= 0 && token < out.length) {
        out[token] += bias.getValue().floatValue();
      }
    }
    return out;
  }

  /// The token to take.
  ///
  /// @param logits after [#penalised]; negative infinity forbids a token
  /// @param position how many tokens of the answer come before
  public static int choose(float[] logits, SamplingParams params, long seed, int position) {
    if (params.temperature() <= 0) {
      return best(logits);
    }
    double least = least(logits, params);
    double t = params.temperature();
    int best = best(logits);
    double most = logits[best] / t + noise(seed, position, best);
    for (int i = 0; i < logits.length; i++) {
      if (!(logits[i] >= least && logits[i] > Float.NEGATIVE_INFINITY)) {
        continue;
      }
      // A token wins only if -log(u) < exp(-need), and -log(u) is never below 1 - u: so most of
      // them are done with before two exact logarithms. The factor is for the rounding.
      double need = most - logits[i] / t;
      if (need > 0 && 1 - uniform(seed, position, i) > Exp.of((float) -need) * 1.0001) {
        continue;
      }
      double score = logits[i] / t + noise(seed, position, i);
      if (score > most) {
        most = score;
        best = i;
      }
    }
    return best;
  }

  /// By how much a token misses being chosen: 0 for the token that [#choose] takes, infinite for
  /// one that the parameters rule out. In units of logits divided by the temperature; of logits,
  /// where the temperature is 0.
  public static double margin(
      float[] logits, SamplingParams params, long seed, int position, int token) {
    int best = choose(logits, params, seed, position);
    if (best == token) {
      return 0;
    }
    if (params.temperature() <= 0) {
      return (double) logits[best] - logits[token];
    }
    if (!(logits[token] >= least(logits, params))) {
      return Double.POSITIVE_INFINITY;
    }
    double t = params.temperature();
    return logits[best] / t
        + noise(seed, position, best)
        - logits[token] / t
        - noise(seed, position, token);
  }

  /// The first of the tokens with the highest logit.
  static int best(float[] logits) {
    int best = 0;
    float most = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < logits.length; i++) {
      if (logits[i] > most) {
        most = logits[i];
        best = i;
      }
    }
    return best;
  }

  /// The lowest logit that top_k, min_p and top_p let through.
  static double least(float[] logits, SamplingParams params) {
    double t = params.temperature();
    double most = logits[best(logits)];
    double least = Double.NEGATIVE_INFINITY;
    if (params.minP() > 0) {
      least = most + t * StrictMath.log(params.minP());
    }
    boolean byMass = params.topP() < 1;
    boolean byCount = params.topK() > 0 && params.topK() < logits.length;
    if (!byMass && !byCount) {
      return least;
    }
    double floor = byCount ? Double.NEGATIVE_INFINITY : Math.max(least, most - t * TAIL);
    float[] kept = new float[logits.length];
    int n = 0;
    for (float logit : logits) {
      if (logit >= floor && logit > Float.NEGATIVE_INFINITY) {
        kept[n++] = logit;
      }
    }
    Arrays.sort(kept, 0, n);
    if (byCount && n > 0) {
      least = Math.max(least, kept[Math.max(0, n - params.topK())]);
    }
    if (byMass) {
      double sum = 0;
      for (int i = n - 1; i >= 0 && kept[i] >= least; i--) {
        sum += StrictMath.exp((kept[i] - most) / t);
      }
      double mass = 0;
      for (int i = n - 1; i >= 0 && kept[i] >= least; i--) {
        mass += StrictMath.exp((kept[i] - most) / t);
        if (mass >= params.topP() * sum) {
          return kept[i];
        }
      }
    }
    return least;
  }

  /// Natural logarithms of the probabilities at temperature 1.
  static double[] logProbs(float[] logits) {
    double most = logits[best(logits)];
    double sum = 0;
    for (float logit : logits) {
      if (logit > Float.NEGATIVE_INFINITY) {
        sum += Exp.of((float) (logit - most));
      }
    }
    double log = most + StrictMath.log(sum);
    double[] out = new double[logits.length];
    for (int i = 0; i < logits.length; i++) {
      // JSON knows neither infinity nor "not a number".
      out[i] = logits[i] > Float.NEGATIVE_INFINITY ? Math.max(logits[i] - log, -9999) : -9999;
    }
    return out;
  }
}
