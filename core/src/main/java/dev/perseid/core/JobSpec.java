package dev.perseid.core;

import java.util.List;

/// A job: a directed acyclic graph of tasks with a budget and a priority. Valid or not: see
/// [JobCheck].
///
/// @param consumer who pays
/// @param nonce chosen by the consumer; with its address it makes the [JobId]
/// @param name for people, 1 to 128 characters
/// @param priority from -100 (last) to 100 (first); 0 is usual
/// @param budget the most the job may cost, microcredits; reserved when the job is accepted
/// @param kinds what tasks share
/// @param tasks the nodes; their order is the order of equal priority
/// @param results the outputs that the consumer wants to fetch
/// @param verification how results are checked
/// @param urgency what its time is worth
public record JobSpec(
    Address consumer,
    long nonce,
    String name,
    int priority,
    long budget,
    List<TaskKind> kinds,
    List<TaskSpec> tasks,
    List<Input.Produced> results,
    Verification verification,
    Urgency urgency) {
  /// A job that is to be done as soon as possible, whenever that is.
  public JobSpec(
      Address consumer,
      long nonce,
      String name,
      int priority,
      long budget,
      List<TaskKind> kinds,
      List<TaskSpec> tasks,
      List<Input.Produced> results,
      Verification verification) {
    this(
        consumer, nonce, name, priority, budget, kinds, tasks, results, verification, Urgency.NONE);
  }

  /// A job whose providers are believed.
  public JobSpec(
      Address consumer,
      long nonce,
      String name,
      int priority,
      long budget,
      List<TaskKind> kinds,
      List<TaskSpec> tasks,
      List<Input.Produced> results) {
    this(consumer, nonce, name, priority, budget, kinds, tasks, results, new Verification.None());
  }

  /// See [Urgency].
  public Thrift thrift() {
    return urgency.thrift();
  }

  /// See [Urgency].
  public long deadlineMs() {
    return urgency.deadlineMs();
  }

  /// The job's id.
  public JobId id() {
    return JobId.of(consumer, nonce);
  }

  /// The name of a task: its own, or its kind's with the copy's number in brackets.
  public String taskName(int task) {
    TaskSpec t = tasks.get(task);
    if (t.ownName() != null) {
      return t.ownName();
    }
    String kind = kinds.get(t.kind()).name();
    return t.copy() < 0 ? kind : kind + "[" + t.copy() + "]";
  }
}
