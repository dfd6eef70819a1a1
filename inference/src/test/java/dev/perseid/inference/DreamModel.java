package dev.perseid.inference;

import java.util.Arrays;
import java.util.Set;
import java.util.SplittableRandom;

/// A made-up language model of 48 tokens for tests: what comes next follows from the last three
/// tokens, and a little from all that came before. Its flaws are adjustable.
///
/// @param weights which model
/// @param engine which engine runs it: decides how its small errors fall
/// @param error standard deviation of those errors, in logits
/// @param remembers tokens of the context that it sees
record DreamModel(long weights, long engine, double error, int remembers) implements Logits {
  static final int VOCABULARY = 48;
  static final int END = 0;
  static final Transcript.Bounds BOUNDS = new Transcript.Bounds(60, 1_000, false, Set.of(END));

  static DreamModel exact(long weights) {
    return new DreamModel(weights, 0, 0, Integer.MAX_VALUE);
  }

  @Override
  public int vocabulary() {
    return VOCABULARY;
  }

  @Override
  public void read(int[] prompt, int[] continuation, Row row) {
    int[] all = Arrays.copyOf(prompt, prompt.length + continuation.length);
    System.arraycopy(continuation, 0, all, prompt.length, continuation.length);
    for (int i = 0; i < continuation.length; i++) {
      row.at(i, next(all, prompt.length + i));
    }
  }

  private float[] next(int[] tokens, int end) {
    long recent = weights;
    long far = weights + 1;
    for (int i = Math.max(0, end - 3); i < end; i++) {
      recent = mix(recent, tokens[i]);
    }
    for (int i = (int) Math.max(0, end - (long) remembers); i < end; i++) {
      far = mix(far, tokens[i]);
    }
    float[] logits = new float[VOCABULARY];
    for (int t = 0; t < VOCABULARY; t++) {
      logits[t] =
          (float)
              (2 * normal(mix(recent, t))
                  + 0.5 * normal(mix(far, t))
                  + error * normal(mix(mix(far, engine), t)));
    }
    return logits;
  }

  /// What this model answers, honestly told.
  Transcript answer(String id, int[] prompt, Transcript.Sampling sampling) {
    return answer(id, prompt, sampling, sampling);
  }

  /// What this model answers when it draws by `drawn` and says that it drew by `stated`.
  Transcript answer(
      String id, int[] prompt, Transcript.Sampling stated, Transcript.Sampling drawn) {
    int[] all = Arrays.copyOf(prompt, prompt.length + BOUNDS.maxTokens());
    SplittableRandom dice = new SplittableRandom(mix(id.hashCode(), 77));
    float[] logprobs = new float[BOUNDS.maxTokens()];
    int n = 0;
    boolean ended = false;
    while (n < BOUNDS.maxTokens() && !ended) {
      float[] logits = next(all, prompt.length + n);
      float[] penalised =
          Sampler.penalised(
              logits, drawn.params(), Arrays.copyOfRange(all, prompt.length, prompt.length + n));
      int token = choose(penalised, drawn, n, dice);
      logprobs[n] = (float) logprob(logits, token);
      all[prompt.length + n++] = token;
      ended = token == END;
    }
    return new Transcript(
        id,
        prompt,
        Arrays.copyOfRange(all, prompt.length, prompt.length + n),
        stated,
        BOUNDS,
        new Transcript.Said(
            ended ? Transcript.Finish.STOP : Transcript.Finish.LENGTH,
            Claim.tokens(prompt.length, 0, n)),
        Arrays.copyOf(logprobs, n));
  }

  private static int choose(
      float[] logits, Transcript.Sampling s, int position, SplittableRandom dice) {
    long seed = s.draw() instanceof Draw.Shared(long shared) ? shared : dice.nextLong();
    return Sampler.choose(logits, s.params(), seed, position);
  }

  private static double logprob(float[] logits, int token) {
    double sum = 0;
    for (float x : logits) {
      sum += Math.exp(x);
    }
    return logits[token] - Math.log(sum);
  }

  static int[] prompt(long n) {
    return new SplittableRandom(n).ints(12, 1, VOCABULARY).toArray();
  }

  private static long mix(long a, long b) {
    long z = (a ^ (b + 0x9E3779B97F4A7C15L + (a << 6) + (a >>> 2))) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /// Nearly normal: the sum of four even draws.
  private static double normal(long z) {
    double sum = 0;
    for (int i = 0; i < 4; i++) {
      sum += (z >>> (16 * i) & 0xffff) / 65536.0 - 0.5;
    }
    return sum * Math.sqrt(3);
  }
}
