package dev.perseid.node;

/// Every limit of the pool's side of a node, in one place. Limits of the core and of the protocol
/// stand in `core.Limits` and `wire.WireLimits`.
public final class PoolLimits {
  /// What a consumer's own module may use to compare two results.
  static final long COMPARISON_GAS = 10_000_000_000L;

  static final long COMPARISON_MEMORY_BYTES = 256L << 20;
  static final long COMPARISON_WALL_MS = 20_000;

  /// How often it is tried to compare a result that the pool cannot compare (a file is gone, there
  /// is no memory or no sandbox), before its task is given up; and after how long again.
  static final int COMPARISON_ATTEMPTS = 3;

  static final long COMPARISON_RETRY_MS = 5_000;

  // ---- the loop ----

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

  /// Refused messages after which a provider's stream is ended.
  public static final int REFUSALS_OF_ONE_STREAM = 256;

  // ---- measuring providers ----

  /// Cores that are measured at once; who declares more is measured by these.
  public static final int MEASURED_LANES = 1_024;

  /// Lanes of links that one GPU makes at once: many have more units than that, but 32 chains in
  /// each lane keep them busy.
  public static final int MEASURED_GPU_LANES = 8_192;

  /// Links of each lane of a GPU.
  public static final int MEASURED_GPU_LINKS = 32;

  /// Words of a chunk of a GPU's memory: the pool fills some of them again.
  public static final int MEASURED_GPU_CHUNK_WORDS = 1 << 24;

  /// Memory that is asked for; who declares more and shows this is believed the rest.
  public static final long MEASURED_MEMORY_BYTES = 64L << 30;

  /// Memory below which nothing less is asked for when it is too slow.
  public static final long MEASURED_LEAST_BYTES = 16L << 20;

  /// How long a part of a measurement may take, beside what follows from its size.
  public static final long MEASURED_PART_US = 120_000_000;

  /// How long all of it may take, all tries together.
  public static final long MEASURED_WHOLE_US = 400_000_000;

  /// Links and chunks that are done again to check an answer.
  public static final int MEASURED_SAMPLES = 8;

  // ---- the log ----

  /// Bytes of one log entry; a larger batch of events is written as several.
  public static final int LOG_ENTRY_BYTES = 4 << 20;

  /// Bytes of one log segment file.
  public static final int LOG_SEGMENT_BYTES = 16 << 20;

  /// Bytes of log after which a snapshot is taken: some 100,000 records, whose replay takes a
  /// second.
  public static final long SNAPSHOT_LOG_BYTES = 24L << 20;

  /// Snapshots that are kept.
  public static final int SNAPSHOTS = 2;

  /// Milliseconds to wait until the log is ready at the start.
  public static final long LOG_READY_MS = 120_000;

  // ---- blobs ----

  /// Bytes of one blob.
  public static final long BLOB_BYTES = 16L << 30;

  /// Free space that uploads leave on the disk for the log and the records.
  public static final long DISK_RESERVE_BYTES = 256L << 20;

  /// How long a broken upload can be taken up again.
  public static final long PARTIAL_UPLOAD_MS = 24L * 3600 * 1000;

  /// Grants (somebody may read some blob) in each of two generations; the older one is dropped when
  /// the younger is full.
  public static final int GRANTS = 1 << 20;

  // ---- sessions ----

  /// How long a challenge is good.
  public static final long CHALLENGE_MS = 60_000;

  /// Sessions at once; a further one ends the one that was idle longest.
  public static final int SESSIONS = 20_000;

  /// Sessions of one address at once; a further one ends its oldest.
  public static final int SESSIONS_OF_ONE = 16;

  /// How long a session lasts after its last use.
  public static final long SESSION_MS = 3_600_000;

  /// Calls and HTTP requests a second of one session, on average.
  public static final int CALLS_PER_S = 2_000;

  /// Calls of one session at once, after a pause.
  public static final int CALLS_BURST = 8_000;

  /// Logins a second, of everybody together, on average: a signature takes some 0.2 ms of a core.
  public static final int LOGINS_PER_S = 500;

  /// Logins a second from one network address, on average.
  public static final int LOGINS_FROM_ONE_PER_S = 100;

  /// Network addresses whose logins are counted.
  public static final int LOGIN_SOURCES = 20_000;

  /// How far a caller's clock may be ahead of ours.
  public static final long CLOCK_SKEW_MS = 10_000;

  /// How long a call that is refused may take to send its request.
  public static final long REFUSAL_MS = 500;

  /// Smart accounts that are asked at once whether they signed something.
  public static final int CONTRACTS_ASKED = 16;

  /// How old a signed request may be.
  public static final long SIGNED_MS = 60_000;

  /// Signatures of requests that are looked at a second, of everybody together: 0.2 ms each.
  public static final int SIGNED_LOOKS_PER_S = 2_000;

  /// Signatures of requests that are looked at a second, from one network address.
  public static final int SIGNED_LOOKS_FROM_ONE_PER_S = 500;

  /// Signed requests that are remembered, so that none counts twice; of one caller.
  public static final int SIGNED_OF_ONE = 50_000;

  /// Signed requests that are remembered, of all callers.
  public static final int SIGNED = 1_000_000;

  /// Bytes of what is posted to the pages about sessions and keys.
  public static final int PAGE_BYTES = 32 << 10;

  /// Bytes of a signature by which somebody logs in: a smart account's can be long.
  public static final int LOGIN_SIGNATURE_BYTES = 4 << 10;

  // ---- streams ----

  /// Streams of one provider at once: the present one and some that are about to end.
  public static final int STREAMS_OF_ONE = 8;

  /// Bytes of messages of one provider that wait for the loop; more are not read from the network.
  public static final int STREAM_WAITING_BYTES = 32 << 20;

  /// Bytes of messages of all providers together that wait for the loop.
  public static final int STREAMS_WAITING_BYTES = 256 << 20;

  /// Messages that wait to be sent to one provider; a provider that does not read is cut off.
  public static final int STREAM_OUTGOING = 1_024;

  /// Bytes of all jobs together that are being submitted.
  public static final int SUBMITTING_BYTES = 512 << 20;

  /// Bytes of one job's parts.
  public static final int JOB_BYTES = 128 << 20;

  /// Jobs that one consumer may be submitting at once.
  public static final int SUBMISSIONS_OF_ONE = 2;

  /// How long a submission may take.
  public static final long SUBMISSION_MS = 60_000;

  /// Watchers at once, over all jobs.
  public static final int WATCHERS = 10_000;

  /// Between two states that one watcher is told.
  public static final long WATCH_PAUSE_MS = 100;

  /// A watched job's state is looked at this often even if nothing is known to have changed.
  public static final long WATCH_LOOK_MS = 2_000;

  /// How long a question to the loop may take.
  public static final long QUESTION_MS = 30_000;

  /// How long a command may take until it is durable.
  public static final long COMMAND_MS = 60_000;

  /// Jobs in one listing.
  public static final int LISTED_JOBS = 1_000;

  /// Characters of an error's message.
  public static final int STATUS_CHARS = 1_000;

  /// Connections at once.
  public static final int CONNECTIONS = 20_000;

  private PoolLimits() {}
}
