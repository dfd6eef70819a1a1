package dev.perseid.node;

/// A blob could not be moved between pool and provider. The message says which, why, and after how
/// long it was given up.
public final class TransferFailed extends Exception {
  /// What is wrong.
  public TransferFailed(String message) {
    super(message, null, false, false);
  }
}
