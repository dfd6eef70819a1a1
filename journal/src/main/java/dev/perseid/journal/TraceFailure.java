package dev.perseid.journal;

/// What was given cannot be read as a trace; the message says where, why, and what to write
/// instead.
public final class TraceFailure extends Exception {
  private static final long serialVersionUID = 1;

  /// @param message for people
  public TraceFailure(String message) {
    super(message);
  }
}
