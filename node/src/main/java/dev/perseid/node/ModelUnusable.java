package dev.perseid.node;

/// A model cannot be served now. The message says why, and what to do.
final class ModelUnusable extends Exception {
  ModelUnusable(String message) {
    super(message, null, false, false);
  }
}
