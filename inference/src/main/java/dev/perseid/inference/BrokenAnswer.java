package dev.perseid.inference;

/// An answer of another server that is not what it should be. The message says what is wrong with
/// it, in one sentence.
final class BrokenAnswer extends Exception {
  private static final long serialVersionUID = 1;

  BrokenAnswer(String message) {
    super(message, null, false, false);
  }
}
