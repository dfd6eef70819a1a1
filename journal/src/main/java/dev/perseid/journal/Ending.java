package dev.perseid.journal;

/// How an attempt ended, whatever ran it.
public enum Ending {
  /// As it should.
  DONE,
  /// By its own fault.
  FAILED,
  /// It ran longer than it was allowed to.
  TIMED_OUT,
  /// By the fault of whoever ran it.
  PROVIDER_FAILED,
  /// Nobody knows: whoever ran it vanished.
  LOST,
  /// What it gave was not accepted.
  REFUSED,
  /// It was called off.
  CANCELLED,
  /// Something that it waited for did not end well; it never ran.
  SKIPPED,
  /// Another branch was taken; it never ran.
  NOT_CHOSEN;

  /// Whether the task has what it wanted.
  public boolean good() {
    return this == DONE;
  }
}
