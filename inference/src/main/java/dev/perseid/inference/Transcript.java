package dev.perseid.inference;

import java.util.Set;

/// One answered request, as an auditor sees it. Immutable, as long as nobody changes its arrays.
public final class Transcript {
  /// How tokens were to be drawn.
  ///
  /// @param params temperature, truncation, penalties
  /// @param draw where the randomness comes from
  public record Sampling(SamplingParams params, Draw draw) {
    /// The likeliest token always.
    public static final Sampling GREEDY = new Sampling(SamplingParams.GREEDY, new Draw.Own());

    /// Of all tokens, by the project's rule.
    public static Sampling of(double temperature, long seed) {
      return new Sampling(SamplingParams.at(temperature), new Draw.Shared(seed));
    }
  }

  /// How the provider says that the answer ended.
  public enum Finish {
    /// The model ended it, or a stop sequence of the request.
    STOP,
    /// At the number of tokens that was allowed, or at the end of the context.
    LENGTH
  }

  /// What the provider says about the answer.
  ///
  /// @param finish how it ended
  /// @param usage what it used
  public record Said(Finish finish, Claim usage) {}

  private final String requestId;
  private final int[] prompt;
  private final int[] output;
  private final Sampling sampling;
  private final Bounds bounds;
  private final Said said;
  private final float[] logprobs;

  /// What may end an answer.
  ///
  /// @param maxTokens tokens that the request allowed
  /// @param contextTokens tokens of prompt and answer together that the offer promises
  /// @param stops whether the request had stop sequences
  /// @param endTokens the model's end tokens
  public record Bounds(int maxTokens, int contextTokens, boolean stops, Set<Integer> endTokens) {
    /// Copies the set.
    public Bounds {
      endTokens = Set.copyOf(endTokens);
    }
  }

  /// @param requestId the request's id
  /// @param prompt tokens of the prompt, by the model's template and tokenizer
  /// @param output tokens of the answer, counted by the auditor and not taken from the claim. If
  ///   the answer stopped and the request had no stop sequence, with the model's end token
  /// @param logprobs what the provider says of the logarithm of each output token's probability
  ///   before temperature and truncation; may stop before the last, empty if it said nothing
  public Transcript(
      String requestId,
      int[] prompt,
      int[] output,
      Sampling sampling,
      Bounds bounds,
      Said said,
      float[] logprobs) {
    if (logprobs.length > output.length) {
      throw new IllegalArgumentException(
          logprobs.length + " log probabilities for " + output.length + " tokens");
    }
    this.requestId = requestId;
    this.prompt = prompt;
    this.output = output;
    this.sampling = sampling;
    this.bounds = bounds;
    this.said = said;
    this.logprobs = logprobs;
  }

  /// The request's id.
  public String requestId() {
    return requestId;
  }

  /// Tokens of the prompt; not to be changed.
  public int[] prompt() {
    return prompt;
  }

  /// Tokens of the answer; not to be changed.
  public int[] output() {
    return output;
  }

  /// How tokens were to be drawn.
  public Sampling sampling() {
    return sampling;
  }

  /// What may end the answer.
  public Bounds bounds() {
    return bounds;
  }

  /// What the provider says about the answer.
  public Said said() {
    return said;
  }

  /// Claimed log probabilities, or none; not to be changed.
  public float[] logprobs() {
    return logprobs;
  }

  /// Whether the model itself ended the answer.
  boolean ended() {
    return output.length > 0 && bounds.endTokens().contains(output[output.length - 1]);
  }
}
