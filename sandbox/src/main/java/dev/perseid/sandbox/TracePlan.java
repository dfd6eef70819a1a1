package dev.perseid.sandbox;

import java.util.List;
import java.util.Optional;

/// What to tell of a task's run while it is run again.
///
/// @param steps of which numbers of steps the checkpoint is wanted, rising; 0 is before the first.
///   Each costs the hash of all memory that is not zero
/// @param keep which of them are to be kept as files from which the run can go on; those before
///   which more than 64 MiB of outputs were written are not kept
/// @param from a file that an earlier run kept; empty to begin at the beginning
public record TracePlan(List<Long> steps, List<Long> keep, Optional<Input> from) {
  public TracePlan {
    steps = List.copyOf(steps);
    keep = List.copyOf(keep);
    long last = -1;
    for (long step : steps) {
      if (step <= last) {
        throw new IllegalArgumentException("the steps must rise from 0: " + step);
      }
      last = step;
    }
    if (steps.isEmpty() || steps.size() > Limits.TRACE_STEPS || !steps.containsAll(keep)) {
      throw new IllegalArgumentException(
          "1 to " + Limits.TRACE_STEPS + " steps, and only such can be kept");
    }
    if (!keep.stream().sorted().distinct().toList().equals(keep)) {
      throw new IllegalArgumentException("what is to be kept must rise too");
    }
  }

  /// Checkpoints from the beginning.
  public static TracePlan of(Long... steps) {
    return new TracePlan(List.of(steps), List.of(), Optional.empty());
  }
}
