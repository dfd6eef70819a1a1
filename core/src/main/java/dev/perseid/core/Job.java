package dev.perseid.core;

import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the pool knows of one job. The graph is dropped once the job has ended and its last lease
/// too; a summary stays.
final class Job {
  static final long NEVER_DUE = Long.MAX_VALUE;

  /// Of one consumer's jobs with one priority: the one that must be done first (earliest deadline
  /// first; Liu, Layland 1973), then the one that was accepted first.
  static final Comparator<Job> DUE_FIRST =
      Comparator.<Job>comparingLong(j -> j.dueUs).thenComparingInt(j -> j.number);

  final int number;
  final JobId id;
  final Address consumer;
  final Account payer;
  final String name;
  final int priority;
  final long budget;
  final int tasks;
  final long submittedUs;
  final String signature;
  final Hash specHash;

  /// What the specification counts against the pool's limits.
  final long specBytes;

  /// By when it asks to be done, microseconds; [#NEVER_DUE] without a graph or a deadline, and once
  /// it was done in time and runs again, because results of it were found doubtful.
  long dueUs = NEVER_DUE;

  Event.JobState state = Event.JobState.RUNNING;
  String reason = "";
  long endedUs;
  int waiting;
  int ready;
  int leased;
  int done;
  int failed;
  long attempts;
  long charged;

  /// Results that count because several providers agree, and those that count on one's word.
  int agreed;

  int alone;

  /// Records that were found wrong.
  int refuted;

  /// Results that counted on the word of a provider that was found out since, each time one was
  /// looked at again; of these those that others gave differently; and those that count still
  /// though nobody else could say anything.
  int reviewed;

  int replaced;
  int doubtful;

  /// Tasks that ran again because an input of theirs was replaced.
  int redone;

  /// How often it ran again after it had ended.
  int reopened;

  /// What was taken back from providers that were found out, microcredits.
  long reversed;

  /// Attempts that were begun while another ran.
  int copies;

  /// What its attempts used and emitted.
  Footprint footprint = Footprint.NONE;

  final Account reservation = new Account();

  /// The part of the reservation that open leases may cost.
  long held;

  int leases;
  @Nullable OpenLease firstLease;
  @Nullable OpenLease lastLease;

  @Nullable Graph graph;

  /// What the consumer wanted and got; filled when the graph is dropped.
  List<Result> results = List.of();

  Job(
      int number,
      JobId id,
      Account payer,
      Address consumer,
      String name,
      int priority,
      long budget,
      int tasks,
      long submittedUs,
      String signature,
      Hash specHash,
      long specBytes) {
    this.number = number;
    this.id = id;
    this.payer = payer;
    this.consumer = consumer;
    this.name = name;
    this.priority = priority;
    this.budget = budget;
    this.tasks = tasks;
    this.submittedUs = submittedUs;
    this.signature = signature;
    this.specHash = specHash;
    this.specBytes = specBytes;
  }

  boolean isRunning() {
    return state == Event.JobState.RUNNING;
  }

  /// Whether it ends when its time is over.
  boolean isTimed() {
    return isRunning() && dueUs != NEVER_DUE;
  }

  /// The graph, which a running job and a job with open leases have.
  Graph graph() {
    if (graph == null) {
      throw new IllegalStateException("job " + id + " has no graph any more");
    }
    return graph;
  }

  /// The part of the reservation that no lease holds.
  long unheld() {
    return reservation.balance - held;
  }

  void add(OpenLease lease) {
    leases++;
    held += lease.maxCharge;
    lease.beforeInJob = lastLease;
    if (lastLease == null) {
      firstLease = lease;
    } else {
      lastLease.afterInJob = lease;
    }
    lastLease = lease;
  }

  void remove(OpenLease lease) {
    leases--;
    held -= lease.maxCharge;
    OpenLease before = lease.beforeInJob;
    OpenLease after = lease.afterInJob;
    if (before == null) {
      firstLease = after;
    } else {
      before.afterInJob = after;
    }
    if (after == null) {
      lastLease = before;
    } else {
      after.beforeInJob = before;
    }
  }
}
