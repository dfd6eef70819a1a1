package dev.perseid.node;

/// Every limit of the pool's side of a node, in one place. Limits of the core and of the protocol
/// stand in `core.Limits` and `wire.WireLimits`.
public final class PoolLimits {
  // ---- the loop
  // ----------------------------------------------------------------------------------

  /// Commands that wait for the loop; more are refused with OVERLOADED.
  public static final int QUEUED_COMMANDS = 65_536;

  /// Commands of one batch.
  public static final int BATCH_COMMANDS = 1_024;

  /// Reports of one batch, over all its commands.
  public static final int BATCH_REPORTS = 8_192;

  /// Tasks of newly submitted jobs in one batch (a larger job is a batch of its own).
  public static final int BATCH_TASKS = 50_000;

  /// Assignments made in one turn.
  public static final int TURN_ASSIGNMENTS = 4_096;

  /// How often the loop looks for overdue leases and silent providers when nothing else happens.
  public static final long IDLE_SCHEDULE_US = 100_000;

  /// Refused commands after which a provider's stream is ended.
  public static final int REFUSALS_OF_ONE_STREAM = 256;

  // ---- the log
  // -----------------------------------------------------------------------------------

  /// Bytes of one log entry; a larger batch of events is written as several.
  public static final int LOG_ENTRY_BYTES = 4 << 20;

  /// Bytes of one log segment file.
  public static final int LOG_SEGMENT_BYTES = 64 << 20;

  /// Bytes of log after which a snapshot is taken.
  public static final long SNAPSHOT_LOG_BYTES = 256L << 20;

  /// Records after which a snapshot is taken.
  public static final long SNAPSHOT_RECORDS = 200_000;

  /// Snapshots that are kept.
  public static final int SNAPSHOTS = 2;

  /// Milliseconds to wait until the log is ready at the start.
  public static final long LOG_READY_MS = 120_000;

  private PoolLimits() {}
}
