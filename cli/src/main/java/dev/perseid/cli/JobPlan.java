package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Input;
import dev.perseid.core.JobCheck;
import dev.perseid.core.JobSpec;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Urgency;
import dev.perseid.core.Verification;
import java.util.List;
import java.util.Optional;

/// A job as it follows from a file, before somebody submits it.
///
/// @param urgency what its time is worth
/// @param uploads what the pool must hold before the job is submitted, each blob once
record JobPlan(
    String name,
    int priority,
    long budget,
    List<TaskKind> kinds,
    List<TaskSpec> tasks,
    List<Input.Produced> results,
    Verification verification,
    Urgency urgency,
    List<Upload> uploads) {
  /// Whoever submits it; a job is checked before that is known.
  private static final Address SOMEBODY = new Address(0, 0, 1);

  /// What is wrong with it by the rules of every pool; empty for a good job.
  Optional<String> problem() {
    return JobCheck.problem(spec(SOMEBODY, 1));
  }

  /// The job as `consumer` submits it under `nonce`.
  JobSpec spec(Address consumer, long nonce) {
    return new JobSpec(
        consumer, nonce, name, priority, budget, kinds, tasks, results, verification, urgency);
  }

  /// The same with another budget.
  JobPlan withBudget(long microcredits) {
    return new JobPlan(
        name, priority, microcredits, kinds, tasks, results, verification, urgency, uploads);
  }

  /// The same with another deadline.
  JobPlan withDeadline(long ms) {
    Urgency other =
        new Urgency(urgency.thrift(), ms, urgency.copiesPercent(), urgency.scheduling());
    return new JobPlan(name, priority, budget, kinds, tasks, results, verification, other, uploads);
  }
}
