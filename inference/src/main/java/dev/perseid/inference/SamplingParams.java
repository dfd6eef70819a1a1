package dev.perseid.inference;

import java.util.Map;

/// How the next token is chosen.
///
/// @param temperature 0 takes the best token; else divides the logits
/// @param topP keeps the fewest best tokens whose probabilities together reach it; 1 keeps all
/// @param topK keeps that many best tokens; 0 keeps all
/// @param minP keeps tokens at least that likely, as a part of the best one's probability; 0 keeps
///   all
/// @param frequencyPenalty taken from a token's logit for each time that it was written
/// @param presencePenalty taken from a token's logit if it was written
/// @param repetitionPenalty what a written token's logit is divided by, or multiplied with where it
///   is negative; 1 changes nothing
/// @param biases added to the logits of tokens
public record SamplingParams(
    double temperature,
    double topP,
    int topK,
    double minP,
    double frequencyPenalty,
    double presencePenalty,
    double repetitionPenalty,
    Map<Integer, Double> biases) {
  /// The best token always.
  public static final SamplingParams GREEDY = new SamplingParams(0, 1, 0, 0, 0, 0, 1, Map.of());

  /// Copies the map.
  public SamplingParams {
    biases = Map.copyOf(biases);
  }

  /// OpenAI's defaults at a temperature.
  public static SamplingParams at(double temperature) {
    return new SamplingParams(temperature, 1, 0, 0, 0, 0, 1, Map.of());
  }

  boolean penalises() {
    return frequencyPenalty != 0
        || presencePenalty != 0
        || repetitionPenalty != 1
        || !biases.isEmpty();
  }
}
