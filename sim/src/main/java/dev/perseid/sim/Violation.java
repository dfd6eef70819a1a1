package dev.perseid.sim;

/// A rule was broken. The message says which, when, and how to see it again.
final class Violation extends RuntimeException {
  private static final long serialVersionUID = 1L;

  Violation(String message) {
    super(message);
  }
}
