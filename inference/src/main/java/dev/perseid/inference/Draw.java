package dev.perseid.inference;

/// Where the randomness of an answer comes from: what can be said about the choice of its tokens.
public sealed interface Draw {
  /// By the project's rule ([Sampler]) from this seed: each token can be chosen again.
  record Shared(long seed) implements Draw {}

  /// By the backend's own dice: only the distribution can be checked, over many tokens.
  record Own() implements Draw {}

  /// From a seed that the consumer chose, by a rule of the backend's: consumers use the same seed
  /// again and again, so not even the distribution can be checked. Counts and repetitions can.
  record Foreign(long seed) implements Draw {}
}
