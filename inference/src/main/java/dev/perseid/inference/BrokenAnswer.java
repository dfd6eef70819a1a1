package dev.perseid.inference;

/// An answer of another server that is not what it should be. The message says what is wrong with
/// it, in one sentence.
public final class BrokenAnswer extends Exception {
  private static final long serialVersionUID = 1;

  private final String what;

  BrokenAnswer(String message) {
    super(message, null, false, false);
    this.what = message;
  }

  /// What is wrong.
  public String what() {
    return what;
  }
}
