package dev.perseid.core;

/// Bytes that are not what they should be: cut off, garbled, too large or of an unknown version.
/// The message says what and at which byte.
public final class MalformedException extends RuntimeException {
  /// With what is wrong and where.
  public MalformedException(String message) {
    super(message);
  }
}
