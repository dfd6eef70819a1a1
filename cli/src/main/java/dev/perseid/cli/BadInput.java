package dev.perseid.cli;

/// A person gave something that cannot be used. The message says what is wrong, where, and what to
/// write instead; it is shown as it is, without a stack trace, and the exit code is [Exit#USAGE].
final class BadInput extends Exception {
  BadInput(String message) {
    super(message);
  }
}
