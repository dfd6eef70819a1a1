package dev.perseid.inference;

import java.util.OptionalLong;

/// What a backend says that a request used. A claim, until somebody has checked it.
///
/// @param promptTokens tokens of the prompt, cached ones included
/// @param cachedTokens how many of them were known from an earlier request
/// @param completionTokens tokens of the answer so far, cumulative
/// @param rows rows of a predictive model or texts of an embedding
/// @param computeNs CPU time, where it is known
/// @param gpuNs GPU time, where it is known
/// @param energyUj energy in microjoules, where it was measured
/// @param energyBy how the energy was obtained, empty where it was not
/// @param gas of a portable model's run: the same on every engine
public record Claim(
    long promptTokens,
    long cachedTokens,
    long completionTokens,
    long rows,
    OptionalLong computeNs,
    OptionalLong gpuNs,
    OptionalLong energyUj,
    String energyBy,
    OptionalLong gas) {
  /// Nothing was used.
  public static final Claim NONE = tokens(0, 0, 0);

  /// Tokens alone are known.
  public static Claim tokens(long prompt, long cached, long completion) {
    return new Claim(
        prompt,
        cached,
        completion,
        0,
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        "",
        OptionalLong.empty());
  }

  /// Rows alone are known.
  public static Claim rows(long rows) {
    return new Claim(
        0,
        0,
        0,
        rows,
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        "",
        OptionalLong.empty());
  }
}
