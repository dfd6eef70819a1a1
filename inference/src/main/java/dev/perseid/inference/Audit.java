package dev.perseid.inference;

import java.util.Arrays;
import java.util.Set;

/// Compares an answer with what the true model would have said, after the idea of Token-DiFR (arXiv
/// 2511.20621): with shared randomness an honest answer can be made again token by token, and
/// reading it is much cheaper than writing it. Pure: the same transcript and the same model give
/// the same evidence.
public final class Audit {
  private Audit() {}

  /// Reads an answer with the true model.
  ///
  /// @param reference the model that was promised, of the promised quantisation
  /// @return what was found; tokens beyond the 4,096th are not looked at
  public static Evidence check(Transcript transcript, Logits reference) {
    return check(transcript, reference, claims(transcript));
  }

  /// What can be said without any model: whether the tokens that are claimed are there, and whether
  /// the finish reason fits.
  public static Evidence claimed(Transcript transcript) {
    return claims(transcript).evidence();
  }

  /// @param found what was found before
  static Evidence check(Transcript transcript, Logits reference, Evidence.Found found) {
    int n = Math.min(transcript.output().length, AuditLimits.TOKENS);
    int[] output = Arrays.copyOf(transcript.output(), known(transcript.output(), n, reference));
    if (output.length < n) {
      // The model has no such token: nothing can be read from there on.
      n = output.length + 1;
    }
    Transcript.Sampling sampling = transcript.sampling();
    SamplingParams params = sampling.params();
    boolean greedy = params.temperature() <= 0;
    Draw draw = sampling.draw();
    float[] margins = new float[greedy || draw instanceof Draw.Shared ? n : 0];
    float[] logprobs = new float[Math.min(n, transcript.logprobs().length)];
    Arrays.fill(margins, 1);
    Arrays.fill(logprobs, 1);
    found.tokens = n;
    reference.read(
        transcript.prompt(),
        output,
        (i, read) -> {
          int token = output[i];
          if (i < logprobs.length) {
            double off = Math.abs(transcript.logprobs()[i] - (read[token] - logSum(read)));
            // Not a number is as wrong as can be.
            logprobs[i] =
                off <= AuditLimits.LOGPROB_CLIP ? (float) (off / AuditLimits.LOGPROB_CLIP) : 1;
          }
          float[] logits = Sampler.penalised(read, params, Arrays.copyOf(output, i));
          double floor = greedy ? 0 : Sampler.least(logits, params);
          if (margins.length > 0) {
            double margin = Double.POSITIVE_INFINITY;
            for (int candidate : candidates(transcript, i)) {
              double its = margin(logits, floor, sampling, i, candidate);
              // Of an impossible one it is no number, and one such must not spoil the tests.
              margin = its < margin ? its : margin;
            }
            if (margin == 0) {
              found.matches++;
            }
            margins[i] =
                (float) (Math.min(margin, AuditLimits.MARGIN_CLIP) / AuditLimits.MARGIN_CLIP);
          }
          if (!greedy) {
            tilt(logits, floor, params.temperature(), token, draw, found);
          }
        });
    found.margins = margins;
    found.logprobs = logprobs;
    return found.evidence();
  }

  /// The token itself; but which of a model's end tokens ended an answer cannot be seen in it.
  private static Set<Integer> candidates(Transcript transcript, int index) {
    Set<Integer> ends = transcript.bounds().endTokens();
    int token = transcript.output()[index];
    return ends.contains(token) ? ends : Set.of(token);
  }

  private static int known(int[] tokens, int limit, Logits reference) {
    int n = 0;
    while (n < limit && tokens[n] >= 0 && tokens[n] < reference.vocabulary()) {
      n++;
    }
    return n;
  }

  /// Compares two answers to the same request with the same seed, from the same provider or from
  /// two, without any model. Only up to where they part: what follows a difference means nothing.
  public static Evidence repeat(int[] first, int[] second) {
    int common = Arrays.mismatch(first, second);
    Evidence.Found found = new Evidence.Found();
    int same = common < 0 ? first.length : common;
    found.repeats = new float[Math.min(same + (common < 0 ? 0 : 1), AuditLimits.TOKENS)];
    if (common >= 0 && same < found.repeats.length) {
      found.repeats[same] = 1;
    }
    return found.evidence();
  }

  /// Compares two answers to the same prompt that were to be drawn with different randomness.
  ///
  /// @param first the first answer
  /// @param evidence what [#check] found of the first answer; says how improbable it is
  /// @param second the second answer
  public static Evidence copy(int[] first, Evidence evidence, int[] second) {
    Evidence.Found found = new Evidence.Found();
    boolean same = Arrays.equals(first, second);
    // A fixed answer of probability p comes again by chance with probability p: 1/p when it does
    // and
    // 0 when it does not has the mean 1. Of each pair only a stake is set on it.
    double odds =
        same
            ? Math.exp(Math.min(AuditLimits.COPY_TRUST * evidence.surprise, AuditLimits.COPY_CLIP))
            : 0;
    found.copies =
        new double[] {Math.log(1 - AuditLimits.COPY_STAKE + AuditLimits.COPY_STAKE * odds)};
    return found.evidence();
  }

  /// What can be checked without any model.
  static Evidence.Found claims(Transcript transcript) {
    Evidence.Found found = new Evidence.Found();
    Transcript.Said said = transcript.said();
    int counted = transcript.output().length;
    boolean stopped = said.finish() == Transcript.Finish.STOP;
    if (stopped && !transcript.ended()) {
      // A stop sequence is cut off, or an end token is counted and not sent: one token either way.
      counted++;
    }
    long claimed = said.usage().completionTokens();
    long claimedPrompt = said.usage().promptTokens();
    found.excessCompletion = Math.max(0, claimed - counted);
    found.excessPrompt = Math.max(0, claimedPrompt - transcript.prompt().length);
    found.counts =
        new float[] {
          Math.max(share(found.excessCompletion, claimed), share(found.excessPrompt, claimedPrompt))
        };
    Transcript.Bounds bounds = transcript.bounds();
    int length = transcript.output().length;
    boolean fits =
        stopped
            ? transcript.ended() || bounds.stops()
            : length >= bounds.maxTokens()
                || transcript.prompt().length + length >= bounds.contextTokens();
    found.finishes = new float[] {fits ? 0 : 1};
    return found;
  }

  private static float share(long excess, long claimed) {
    return excess == 0 ? 0 : (float) excess / claimed;
  }

  /// By how many logits the model would have to be off for the token to be its choice: 0 if it is.
  private static double margin(
      float[] logits, double floor, Transcript.Sampling sampling, int position, int token) {
    if (token >= logits.length) {
      return Double.POSITIVE_INFINITY;
    }
    double t = sampling.params().temperature();
    if (t <= 0) {
      return max(logits) - logits[token];
    }
    long seed = ((Draw.Shared) sampling.draw()).seed();
    double mine = logits[token] / t + Sampler.noise(seed, position, token);
    double margin = Math.max(0, floor - logits[token]);
    for (int i = 0; i < logits.length; i++) {
      if (i != token && logits[i] >= floor) {
        double ahead = t * (logits[i] / t + Sampler.noise(seed, position, i) - mine);
        if (ahead > margin) {
          // Either the token is chosen before this one, or this one falls out of the nucleus.
          margin = Math.max(margin, Math.min(ahead, logits[i] - floor + Math.ulp((float) floor)));
        }
      }
    }
    return margin;
  }

  /// Adds the likelihood ratios of the bent distributions for one token.
  private static void tilt(
      float[] logits, double floor, double t, int token, Draw draw, Evidence.Found found) {
    double top = max(logits);
    double all = 0;
    double kept = 0;
    for (float x : logits) {
      double e = Math.exp((x - top) / t);
      all += e;
      if (x >= floor) {
        kept += e;
      }
    }
    double logAll = Math.log(all);
    double logEdge = Math.log((1 - AuditLimits.EDGE) / kept + AuditLimits.EDGE / all);
    double logOut = Math.log(AuditLimits.EDGE) - logAll;
    boolean whole = floor == Double.NEGATIVE_INFINITY;
    double inside = whole ? -logAll : logEdge;
    double own = (logits[token] - top) / t + (logits[token] >= floor ? inside : logOut);
    if (logits[token] >= floor) {
      // Never more than it is: copies are judged by it.
      found.surprise += Math.log(kept) - (logits[token] - top) / t;
    }
    if (!(draw instanceof Draw.Own)) {
      return;
    }
    double[] sums = new double[Evidence.TILTS.length];
    for (float x : logits) {
      double log = (x - top) / t + (x >= floor ? inside : logOut);
      for (int k = 0; k < sums.length; k++) {
        sums[k] += Math.exp((1 - Evidence.TILTS[k]) * log);
      }
    }
    for (int k = 0; k < sums.length; k++) {
      found.tilts[k] += -Evidence.TILTS[k] * own - Math.log(sums[k]);
    }
    found.tilted++;
  }

  private static double max(float[] logits) {
    float max = Float.NEGATIVE_INFINITY;
    for (float x : logits) {
      max = Math.max(max, x);
    }
    return max;
  }

  private static double logSum(float[] logits) {
    double top = max(logits);
    double sum = 0;
    for (float x : logits) {
      sum += Math.exp(x - top);
    }
    return top + Math.log(sum);
  }
}
