package dev.perseid.inference;

/// A model, its description or its folder cannot be used. The message says what is wrong, where,
/// and what to write instead.
public final class BrokenModelException extends Exception {
  private static final long serialVersionUID = 1;

  /// With what is wrong.
  public BrokenModelException(String message) {
    super(message);
  }

  /// With what is wrong, and what was found out below.
  public BrokenModelException(String message, Throwable cause) {
    super(message, cause);
  }
}
