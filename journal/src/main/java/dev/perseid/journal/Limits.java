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

  /// Names that a message about a circle of tasks has.
  static final int CIRCLE_NAMES = 12;

  /// Steps of a chain that are told one by one.
  public static final int PATH_STEPS = 1_000;

  /// Parts of a span for which it is told how much ran at once.
  public static final int PARALLEL_PARTS = 100;

  /// Attempts that are named as stragglers.
  static final int STRAGGLERS = 20;

  /// Kinds, and single tasks, for which a rerun says what would be if they were faster.
  static final int IF_KINDS = 8;

  static final int IF_TASKS = 3;

  /// Kinds by waits for a core on the chain that led to the end, for which it is told who had them;
  /// later ones are told together.
  static final long DIVISIONS = 10_000_000;

  /// Attempts and forks, and dependencies, that a page shows.
  public static final int PAGE_BARS = 2_000_000;

  public static final int PAGE_EDGES = 4_000_000;

  /// Attempts in one request of OpenTelemetry spans: some 2 MB.
  public static final int OTLP_SPANS = 1_000;

  /// Bytes of a JSON file that is imported; files of lines are read line by line.
  static final long IMPORT_JSON_BYTES = 512L << 20;

  /// Lines of a file that is imported.
  static final int IMPORT_LINES = 20_000_000;

  /// The longest time in a file that is imported: a hundred years.
  static final double IMPORT_SECONDS = 3.2e9;

  /// Attempts that a crate describes one by one.
  public static final int CRATE_ATTEMPTS = 200_000;

  /// Attempts of one trace, and heap bytes that looking at one takes while it is looked at.
  public static final int TRACE_ATTEMPTS = 10_000_000;

  public static final long TRACE_ATTEMPT_BYTES = 1_000;

  private Limits() {}
}
