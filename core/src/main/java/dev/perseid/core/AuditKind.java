package dev.perseid.core;

/// How an answer was audited.
public enum AuditKind {
  /// It was read again with the model's weights.
  READ,
  /// The same was asked again with the same seed.
  REPEAT,
  /// The same was asked again with another seed.
  ANEW,
  /// It was asked for something whose answer was known.
  CANARY
}
