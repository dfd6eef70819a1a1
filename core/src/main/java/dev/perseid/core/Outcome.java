package dev.perseid.core;

/// How one attempt of a task ended.
public enum Outcome {
  /// The module said that it was done.
  DONE,
  /// The task itself failed and would fail anywhere: it trapped, ran out of gas or memory, returned
  /// an exit code, or its module was refused. Paid for, not retried.
  TASK_FAILED,
  /// The provider could not finish it: engine died, blob could not be fetched, wall limit. Not
  /// paid, retried elsewhere.
  PROVIDER_FAILED,
  /// The provider vanished or forgot the lease. Not paid, retried elsewhere.
  LOST,
  /// The job was cancelled, or the provider returned the lease unstarted because it drains.
  CANCELLED,
  /// The provider's report was wrong (sizes, digests, more than the limits). Not paid, retried
  /// elsewhere.
  REFUSED
}
