package dev.perseid.inference;

import java.util.Arrays;

/// A prompt whose likeliest continuation is known: made once with the true model, checked without
/// it afterwards. Asked at temperature 0. Immutable.
public final class Canary {
  private final int[] prompt;
  private final int[] expected;
  private final float[] leads;

  private Canary(int[] prompt, int[] expected, float[] leads) {
    this.prompt = prompt;
    this.expected = expected;
    this.leads = leads;
  }

  /// Lets the true model continue a prompt.
  ///
  /// @param tokens how far, at most 64
  /// @param endToken the model's end token, after which it does not go on
  public static Canary of(int[] prompt, Logits reference, int tokens, int endToken) {
    int limit = Math.min(tokens, AuditLimits.CANARY_TOKENS);
    int[] said = new int[limit];
    float[] leads = new float[limit];
    int n = 0;
    boolean ended = false;
    while (n < limit && !ended) {
      int next = n;
      reference.read(
          prompt,
          Arrays.copyOf(said, n + 1),
          (i, logits) -> {
            if (i == next) {
              int best = best(logits);
              float top = logits[best];
              logits[best] = Float.NEGATIVE_INFINITY;
              said[next] = best;
              leads[next] = top - logits[best(logits)];
            }
          });
      ended = said[n] == endToken;
      n++;
    }
    return new Canary(prompt, Arrays.copyOf(said, n), Arrays.copyOf(leads, n));
  }

  private static int best(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  /// Tokens of the prompt; not to be changed.
  public int[] prompt() {
    return prompt;
  }

  /// The known continuation; not to be changed.
  public int[] expected() {
    return expected;
  }

  /// Compares an answer. Only up to where it parts from what was expected; how much that says
  /// depends on how sure the model was there, so an honest engine at a near tie is hardly blamed.
  public Evidence check(int[] output) {
    Evidence.Found found = new Evidence.Found();
    int n = Math.min(output.length, expected.length);
    int parts = Arrays.mismatch(output, 0, n, expected, 0, n);
    found.matches = parts < 0 ? n : parts;
    found.tokens = found.matches + (parts < 0 ? 0 : 1);
    found.margins = new float[found.tokens];
    if (parts >= 0) {
      found.margins[parts] =
          (float) (Math.min(leads[parts], AuditLimits.MARGIN_CLIP) / AuditLimits.MARGIN_CLIP);
    }
    return found.evidence();
  }
}
