package dev.perseid.core;

import java.util.List;

/// What the outside must do once the events are durable. Data, not calls.
public sealed interface Effect {
  /// Hand a lease to its provider.
  record SendLease(Lease lease) implements Effect {}

  /// Tell a provider to stop an attempt.
  record StopLease(Address provider, long lease) implements Effect {}

  /// Tell a provider that its report of this lease is durable (accepted or refused) and may be
  /// forgotten.
  record ReportDurable(Address provider, long lease) implements Effect {}

  /// Measure a provider, which has no lease now and gets none before that is done.
  ///
  /// @param id number of the measurement
  /// @param cores how many it declares
  /// @param memoryBytes how much it declares
  /// @param gpus which it declares
  record Measure(Address provider, long id, int cores, long memoryBytes, Gpus gpus)
      implements Effect {}

  /// Compare a result with others, and say with [Command.RecordComparison] which it is like.
  ///
  /// @param consumer whose job it is: consumers take turns
  /// @param comparison when two are alike
  /// @param what the result; it differs from the others in its bytes
  /// @param with the others, in this order
  record Compare(
      JobId job,
      Address consumer,
      int task,
      Comparison comparison,
      Compared what,
      List<Compared> with)
      implements Effect {}

  /// What was asked for by [Compare] is not wanted any more.
  ///
  /// @param entry index of the record whose result was to be compared
  record DropComparison(JobId job, int task, long entry) implements Effect {}

  /// A result that is compared.
  ///
  /// @param entry index of its record
  /// @param outputs what it is
  record Compared(long entry, List<Blob> outputs) {}

  /// Append the batch to the record store.
  record StoreBatch(SignedBatch batch) implements Effect {}

  /// Append the entry to the record store, at its index.
  record StoreEntry(Entry entry) implements Effect {}

  /// Append the movement to the statements, at its number.
  record StoreMovement(Movement movement) implements Effect {}

  /// Something about a consumer's purse changed: a voucher, a deposit, an exit. Who waits for one
  /// wants to know.
  record PurseChanged(Address consumer) implements Effect {}

  /// Something about a job changed; watchers want to know.
  record JobChanged(JobId job) implements Effect {}
}
