package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// What a task's run was, told step by step.
public sealed interface Trace {
  /// It was run again.
  ///
  /// @param checkpoints of the steps that the plan names, in their order; after the end all are the
  ///   end
  /// @param kept files of states, by number of steps, for those that were reached before the end
  ///   and could be kept ([TracePlan]). The caller moves or deletes them
  /// @param stepsRun how many calls of `step` it took
  record Told(List<Checkpoint> checkpoints, Map<Long, Path> kept, long stepsRun) implements Trace {
    public Told {
      checkpoints = List.copyOf(checkpoints);
      kept = Map.copyOf(kept);
    }
  }

  /// This machine could not; nothing is known of the task.
  ///
  /// @param why one sentence for people
  record Untold(String why) implements Trace {}
}
