package dev.perseid.core;

/// What a job's time is worth to its consumer, and how its tasks are scheduled therefore.
///
/// @param thriftMs for how long it would rather wait for a task than pay a credit more for it,
///   milliseconds; 0: as soon as possible, whatever it costs
/// @param deadlineMs within so many milliseconds of its acceptance it must be done, or it ends; 0:
///   it may take as long as it takes
/// @param copiesPercent how many second attempts may be begun where they are expected to end well
///   before the first ones, in percent of its tasks, at least one; 0: none
/// @param scheduling in which order its tasks go to whom
public record Urgency(long thriftMs, long deadlineMs, int copiesPercent, Scheduling scheduling) {
  /// As soon as possible, whenever that is, and nothing is run twice for that.
  public static final Urgency NONE = new Urgency(0, 0, 0);

  /// Scheduled as usual.
  public Urgency(long thriftMs, long deadlineMs, int copiesPercent) {
    this(thriftMs, deadlineMs, copiesPercent, Scheduling.LEARNED);
  }

  /// How many second attempts may be begun.
  ///
  /// @param tasks of the job
  long copies(int tasks) {
    return copiesPercent == 0 ? 0 : Math.max(1, (long) tasks * copiesPercent / 100);
  }
}
