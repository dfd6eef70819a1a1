package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Input;
import dev.perseid.core.JobSpec;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import java.util.List;

/// A job as it follows from a file, before somebody submits it.
///
/// @param uploads what the pool must hold before the job is submitted, each blob once
record JobPlan(
    String name,
    int priority,
    long budget,
    List<TaskKind> kinds,
    List<TaskSpec> tasks,
    List<Input.Produced> results,
    List<Upload> uploads) {
  /// The job as `consumer` submits it under `nonce`.
  JobSpec spec(Address consumer, long nonce) {
    return new JobSpec(consumer, nonce, name, priority, budget, kinds, tasks, results);
  }

  /// The same with another budget.
  JobPlan withBudget(long microcredits) {
    return new JobPlan(name, priority, microcredits, kinds, tasks, results, uploads);
  }
}
