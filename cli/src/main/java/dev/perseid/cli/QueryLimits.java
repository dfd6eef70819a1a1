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

  private QueryLimits() {}
}
