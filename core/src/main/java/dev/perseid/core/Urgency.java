package dev.perseid.core;

/// What a job's time is worth to its consumer, and how its tasks are scheduled therefore.
///
/// @param thrift for how long it would rather wait than pay, use or emit more
/// @param deadlineMs within so many milliseconds of its acceptance it must be done, or it ends; 0:
///   it may take as long as it takes
/// @param copiesPercent how many second attempts may be begun where they are expected to end well
///   before the first ones, in percent of its tasks, at least one; 0: none
/// @param scheduling in which order its tasks go to whom
public record Urgency(Thrift thrift, long deadlineMs, int copiesPercent, Scheduling scheduling) {
  /// As soon as possible, whenever that is, and nothing is run twice for that.
  public static final Urgency NONE = new Urgency(Thrift.NONE, 0, 0, Scheduling.LEARNED);

  /// Thrifty of credits alone, and scheduled as usual.
  public Urgency(long thriftMsPerCredit, long deadlineMs, int copiesPercent) {
    this(Thrift.ofCredits(thriftMsPerCredit), deadlineMs, copiesPercent, Scheduling.LEARNED);
  }

  /// How many second attempts may be begun.
  ///
  /// @param tasks of the job
  long copies(int tasks) {
    return copiesPercent == 0 ? 0 : Math.max(1, (long) tasks * copiesPercent / 100);
  }
}
