package dev.perseid.core;

/// How the results of a job are checked before they count. A result is checked by another provider
/// that runs the same task; portable tasks are deterministic, so that equal work gives equal
/// outputs and equal gas. Checks are paid out of the job's budget.
public sealed interface Verification {
  /// What a job gets whose file says nothing.
  static Verification usual() {
    return new Adaptive(0);
  }

  /// A provider's word counts.
  record None() implements Verification {}

  /// Each result is checked with the same probability. What a provider says to have failed is
  /// always checked, as with every kind but [None].
  ///
  /// @param ppm the probability, millionths: 1 to 1,000,000
  record SpotCheck(int ppm) implements Verification {}

  /// Each result counts only once so many providers agree on it; a job waits for them.
  ///
  /// @param agree from 2 to [Limits#VERIFICATION_AGREE]
  record Replicate(int agree) implements Verification {}

  /// How often a provider is checked follows from what is believed of it ([TrustRule]).
  ///
  /// @param harm what a wrong result costs the consumer, in prices of the task: 1 to
  ///   [Limits#VERIFICATION_HARM], or 0 for the pool's usual
  record Adaptive(int harm) implements Verification {}

  /// How many must agree on a result that is checked.
  default int quorum() {
    return switch (this) {
      case None _, SpotCheck _, Adaptive _ -> 2;
      case Replicate r -> r.agree();
    };
  }
}
