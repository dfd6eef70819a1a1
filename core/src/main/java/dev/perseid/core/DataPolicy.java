package dev.perseid.core;

/// What a provider says that it does with the prompts and answers that it sees.
public enum DataPolicy {
  /// Keeps nothing beyond the answer ("zero data retention").
  KEEPS_NOTHING,
  /// May keep them for a time, e.g. in logs, and uses them for nothing else.
  KEEPS,
  /// May keep and use them, e.g. to train.
  COLLECTS
}
