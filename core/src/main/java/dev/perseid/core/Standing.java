package dev.perseid.core;

/// What audits say of a provider's serving of a model.
public enum Standing {
  /// Too little was read.
  UNDECIDED,
  /// A cheat would probably have shown.
  HONEST,
  /// One other provider's reading speaks against it, and nobody has confirmed that yet.
  ACCUSED,
  /// It does not serve what it sells.
  CHEATING
}
