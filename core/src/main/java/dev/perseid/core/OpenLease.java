package dev.perseid.core;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A lease that has not ended. It is a link of two chains, its provider's and its job's, both in
/// order of lease numbers.
final class OpenLease {
  final long id;
  final Job job;
  final int task;
  final int attempt;
  final Provider provider;
  final OfferRow offer;
  final long maxCharge;
  final long assignedUs;

  /// Until when it is waited for.
  long deadlineUs;

  /// How much core time it was expected to take when it was made.
  final long expectedNs;

  final int cores;
  final int gpus;
  final long memoryBytes;

  /// What its task read when the lease was made, once that is known to be wrong: what comes of the
  /// attempt is paid and does not count. Null as long as the inputs are right.
  @Nullable List<Blob> staleInputs;

  /// The other attempt at the same task that may count, if two run.
  @Nullable OpenLease twin;

  /// Whether the task was settled by another attempt: what comes of this one is paid and counts for
  /// nothing. Its inputs stand in [#staleInputs] then, and since when its task was ready here, as
  /// it may outlive both.
  boolean spare;

  long readyUs;

  /// The gas of the attempt that settled it, which is all that one can need; -1 if not known.
  long mostGas = -1;

  /// When it was first taken to run; 0 if it never was.
  long beganUs;

  /// Whether it is taken to run: all that its provider was given before it fits beside it.
  boolean runs;

  @Nullable OpenLease beforeAtProvider;
  @Nullable OpenLease afterAtProvider;
  @Nullable OpenLease beforeInJob;
  @Nullable OpenLease afterInJob;

  OpenLease(
      long id,
      Job job,
      int task,
      int attempt,
      Provider provider,
      OfferRow offer,
      long maxCharge,
      long assignedUs,
      long deadlineUs,
      long expectedNs,
      TaskKind kind) {
    this.id = id;
    this.job = job;
    this.task = task;
    this.attempt = attempt;
    this.provider = provider;
    this.offer = offer;
    this.maxCharge = maxCharge;
    this.assignedUs = assignedUs;
    this.deadlineUs = deadlineUs;
    this.expectedNs = expectedNs;
    this.cores = kind.cores();
    this.gpus = kind.gpus().count();
    this.memoryBytes = kind.memoryBytes();
  }
}
