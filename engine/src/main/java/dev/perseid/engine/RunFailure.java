package dev.perseid.engine;

import java.util.List;

/// A run, or a task that was waited for, did not end well. The message names the first task that
/// failed and the path that led there; its exception is the cause. A run whose records could not be
/// written has failed too, with a [RecordFailure] as the cause.
public final class RunFailure extends Exception {
  private static final long serialVersionUID = 1;
  private final transient List<Failure> failures;

  RunFailure(String message, List<Failure> failures) {
    super(message, failures.isEmpty() ? null : failures.getFirst().cause());
    this.failures = List.copyOf(failures);
  }

  RunFailure(String message, List<Failure> failures, RecordFailure unrecorded) {
    super(message, unrecorded);
    this.failures = List.copyOf(failures);
  }

  /// The tasks that failed, in the order in which they did; empty if it was cancelled.
  public List<Failure> failures() {
    return failures == null ? List.of() : failures;
  }
}
