package dev.perseid.core;

/// Every limit of the core, in one place.
public final class Limits {
  /// Tasks of one job.
  public static final int JOB_TASKS = 200_000;

  /// Kinds of one job.
  public static final int JOB_KINDS = 4_096;

  /// Edges (inputs from tasks, and `after`) of one job.
  public static final int JOB_EDGES = 2_000_000;

  /// Inputs of one task.
  public static final int TASK_INPUTS = 4_096;

  /// Outputs of one task.
  public static final int TASK_OUTPUTS = 4_096;

  /// Characters of a task's arguments.
  public static final int ARGS_CHARS = 4_096;

  /// Characters of a task's own name.
  public static final int TASK_NAME_CHARS = 128;

  /// Attempts of one task.
  public static final int ATTEMPTS = 10;

  /// Gas of one attempt.
  public static final long GAS = 1_000_000_000_000_000L;

  /// Linear memory of one task: what 32-bit WebAssembly can address.
  public static final long TASK_MEMORY_BYTES = 4L << 30;

  /// Outputs of one attempt together.
  public static final long OUTPUT_BYTES = 16L << 30;

  /// Wall time of one attempt.
  public static final long WALL_LIMIT_MS = 7L * 24 * 3600 * 1000;

  /// Tasks that wait or run in the pool, over all jobs; more are refused with OVERLOADED.
  public static final int LIVE_TASKS = 4_000_000;

  /// Jobs that run at once.
  public static final int LIVE_JOBS = 10_000;

  /// Providers known at once.
  public static final int PROVIDERS = 10_000;

  /// Accounts.
  public static final int ACCOUNTS = 10_000_000;

  /// Leases that one provider may hold at once.
  public static final int PROVIDER_LEASES = 4_096;

  /// Work that is leased to a provider ahead of time, so that it never waits for the pool.
  public static final long LEASE_AHEAD_MS = 200;

  /// Reports in one command.
  public static final int BATCH_REPORTS = 1_024;

  /// Characters of a reason or memo.
  public static final int REASON_CHARS = 512;

  /// Ended jobs whose summary is kept in the state; older ones are in the record store only.
  public static final int ENDED_JOBS = 10_000;

  private Limits() {}
}
