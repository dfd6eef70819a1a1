package dev.perseid.journal;

/// Every limit of this module, in one place.
public final class Limits {
  /// Entries of one store: their number is an `int` in the index by job.
  public static final long ENTRIES = Integer.MAX_VALUE - 8L;

  /// Canonical bytes of one entry. One with 4,096 inputs, 4,096 outputs and 200,000 dependencies
  /// stays below.
  public static final int ENTRY_BYTES = 4 * 1024 * 1024;

  /// Encoded bytes of one batch.
  public static final int BATCH_BYTES = 1024 * 1024;

  /// Canonical bytes of one movement of money.
  public static final int MOVEMENT_BYTES = 64 * 1024;

  /// Hashes in a proof: a tree of 2^63 leaves needs no more.
  public static final int PROOF_HASHES = 64;

  /// Bytes that each file holds back before it writes.
  static final int BUFFER_BYTES = 256 * 1024;

  /// Indices of one job that an iterator fetches at once.
  static final int CHUNK = 256;

  private Limits() {}
}
