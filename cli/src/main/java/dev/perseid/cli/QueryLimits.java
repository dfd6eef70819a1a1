package dev.perseid.cli;

/// Every limit of queries over records, in one place.
final class QueryLimits {
  /// What a query may use of memory; it is never written to disk.
  static final int MEMORY_MIB = 2_048;

  /// How long a query may run.
  static final int SECONDS = 60;

  /// Rows of an answer that are printed for people; programs get all.
  static final int ROWS_SHOWN = 1_000;

  /// Characters of one cell that are printed for people.
  static final int CELL_CHARS = 200;

  /// Loaded records are kept from so many on: fewer are loaded in a moment.
  static final long KEPT_LEAST_RECORDS = 20_000;

  /// What all files of kept records may take of the disk; as much again must be free.
  static final long KEPT_BYTES = 1L << 30;

  /// A file that was written to later than so long ago might be written to again without its time
  /// telling: what was loaded of it is not kept.
  static final long SETTLED_MS = 2_000;

  /// After which what an interrupted command left is deleted.
  static final long UNFINISHED_S = 3_600;

  private QueryLimits() {}
}
