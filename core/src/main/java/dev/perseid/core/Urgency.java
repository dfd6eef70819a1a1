package dev.perseid.core;

/// What a job's time is worth to its consumer.
///
/// @param thriftMs for how long it would rather wait for a task than pay a credit more for it,
///   milliseconds; 0: as soon as possible, whatever it costs
/// @param deadlineMs within so many milliseconds of its acceptance it must be done, or it ends; 0:
///   it may take as long as it takes
/// @param copiesPercent of how many of its tasks, in percent, a second attempt may be begun while
///   the first one takes suspiciously long, at least of one; 0: of none
public record Urgency(long thriftMs, long deadlineMs, int copiesPercent) {
  /// As soon as possible, whenever that is, and nothing is run twice for that.
  public static final Urgency NONE = new Urgency(0, 0, 0);

  /// How many second attempts may be begun.
  ///
  /// @param tasks of the job
  long copies(int tasks) {
    return copiesPercent == 0 ? 0 : Math.max(1, (long) tasks * copiesPercent / 100);
  }
}
