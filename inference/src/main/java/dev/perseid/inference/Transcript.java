package dev.perseid.inference;

/// One answered request, as an auditor sees it. Immutable, as long as nobody changes its arrays.
public final class Transcript {
  /// How tokens were to be drawn.
  ///
  /// @param temperature 0 for the likeliest token always
  /// @param topK only so many of the likeliest tokens, 0 for all
  /// @param topP only the likeliest tokens that together have this probability, 1 for all
  /// @param minP only tokens at least this probable, relative to the likeliest; 0 for all
  /// @param draw where the randomness comes from
  public record Sampling(double temperature, int topK, double topP, double minP, Draw draw) {
    /// The likeliest token always.
    public static final Sampling GREEDY = new Sampling(0, 0, 1, 0, new Draw.Own());

    /// Of all tokens, by the project's rule.
    public static Sampling of(double temperature, long seed) {
      return new Sampling(temperature, 0, 1, 0, new Draw.Shared(seed));
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
  /// @param endToken the model's end token
  public record Bounds(int maxTokens, int contextTokens, boolean stops, int endToken) {}

  /// @param requestId the request's id
  /// @param prompt tokens of the prompt, by the model's template and tokenizer
  /// @param output tokens of the answer; with the end token, if the model ended it. Counted by the
  ///   auditor, not taken from the claim
  /// @param logprobs what the provider says of the logarithm of each output token's probability
  ///   before temperature and truncation; empty if it said nothing
  public Transcript(
      String requestId,
      int[] prompt,
      int[] output,
      Sampling sampling,
      Bounds bounds,
      Said said,
      float[] logprobs) {
    if (logprobs.length != 0 && logprobs.length != output.length) {
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
    return output.length > 0 && output[output.length - 1] == bounds.endToken();
  }
}
