package dev.perseid.inference;

/// A file does not hold a model that this engine can run; the message says what is wrong with it,
/// and where, and what to use instead.
public final class ModelFileException extends Exception {
  private static final long serialVersionUID = 1L;

  ModelFileException(String message) {
    super(message);
  }

  ModelFileException(String message, Throwable cause) {
    super(message, cause);
  }
}
