package dev.perseid.core;

/// A record as it stands in the pool's log: the leaf of its Merkle tree.
///
/// @param index position in the log of records, from 0
/// @param recordedUs when the pool recorded it, microseconds since the epoch by the pool's clock
/// @param record the attempt
/// @param attestation who vouches for it
public record Entry(long index, long recordedUs, ExecutionRecord record, Attestation attestation) {
  /// Who vouches for a record besides the pool.
  public sealed interface Attestation {
    /// The provider signed the root of a batch of record digests.
    ///
    /// @param batch number of the batch in the pool, from 0
    /// @param position of this record's digest among the batch's leaves
    record Signed(long batch, int position) implements Attestation {}

    /// The pool alone: the provider vanished, or what it said was refused.
    record PoolOnly() implements Attestation {}
  }

  /// The same of a task that requested GPUs.
  Entry with(Gpus requested) {
    return new Entry(index, recordedUs, record.with(requested), attestation);
  }
}
