package dev.perseid.engine;

/// How a task's attempt ended. The numbers stand in files and never change.
public enum Outcome {
  /// It returned.
  DONE(0),
  /// It threw.
  FAILED(1),
  /// It ran longer than its timeout. What it returned afterwards is dropped.
  TIMED_OUT(2),
  /// The run or the task was cancelled, before or while it ran.
  CANCELLED(3),
  /// Something that it depends on did not end well; it never ran.
  SKIPPED(4),
  /// A choice took another branch; it never ran.
  NOT_CHOSEN(5);

  private static final Outcome[] ALL = values();

  /// Its number in files.
  final int code;

  Outcome(int code) {
    this.code = code;
  }

  static boolean known(int code) {
    return code >= 0 && code < ALL.length;
  }

  static Outcome of(int code) {
    return ALL[code];
  }
}
