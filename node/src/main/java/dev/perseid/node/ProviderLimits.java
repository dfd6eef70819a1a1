package dev.perseid.node;

import dev.perseid.core.Limits;

/// Every limit of the provider side, in one place.
public final class ProviderLimits {
  /// Leases held at once, counting those whose reports the pool has not yet called durable. More
  /// are returned at once.
  public static final int HELD_LEASES = Limits.PROVIDER_LEASES;

  /// Ids of leases that are over here and still recognised, so that a doubled message runs nothing
  /// twice.
  public static final int REMEMBERED_LEASES = 4 * Limits.PROVIDER_LEASES;

  /// Reports under one signature.
  public static final int BATCH_REPORTS = Limits.BATCH_REPORTS;

  /// Leases given back in one message.
  public static final int RETURNED_LEASES = Limits.PROVIDER_LEASES;

  /// Bytes of one batch of reports on the wire, estimated from above; a quarter of the largest
  /// message.
  public static final long BATCH_BYTES = 4L << 20;

  /// The longest that a report waits for others to share its signature while tasks still run.
  public static final long BATCH_WAIT_US = 5_000;

  /// The same when so many wait already that signing and checking each few of them would be a good
  /// part of all the work: a signature costs as much as several empty tasks.
  public static final long BUSY_BATCH_WAIT_US = 20_000;

  /// Reports that are too few for the longer wait.
  public static final int FEW_REPORTS = 8;

  /// A report that was sent this long ago and is not durable is sent again.
  public static final long RESEND_US = 10_000_000;

  /// Queued leases that are looked at, from the head, for one that fits into the free cores and
  /// memory.
  public static final int START_SCAN = 64;

  /// Leases that may start before the one at the head of the queue, which does not fit yet; then
  /// all wait for it.
  public static final int OVERTAKERS = 256;

  /// Blobs fetched at once.
  public static final int FETCHES = 8;

  /// How long a task waits for room in the cache while other tasks use all of it.
  public static final long CACHE_ROOM_MS = 60_000;

  /// A transfer that makes no progress for this long is given up, and its task reported as failed
  /// by the provider. Long enough for a pool to be restarted.
  public static final long TRANSFER_STALL_MS = 600_000;

  /// First and longest wait between two tries of a transfer.
  public static final long TRANSFER_RETRY_MS = 100;

  /// See [#TRANSFER_RETRY_MS].
  public static final long TRANSFER_RETRY_MAX_MS = 5_000;

  /// Times that a blob which arrived with the wrong content is fetched again.
  public static final int CORRUPT_FETCHES = 2;

  /// Wait for a connection, or for the next byte on one.
  public static final int SOCKET_MS = 20_000;

  /// A larger blob is asked for by HEAD before it is sent, in case that the pool has it already.
  public static final long ASK_BEFORE_SENDING_BYTES = 256L << 10;

  /// Inputs up to this size are handed to the sandbox as bytes, larger ones as files.
  public static final int INLINE_INPUT_BYTES = 16 << 10;

  /// All inputs of one task that are handed over as bytes.
  public static final long INLINE_INPUTS_BYTES = 128L << 10;

  /// Messages that the loop takes in before it takes a turn.
  public static final int TURN_MESSAGES = 4_096;

  /// Messages of the pool that wait for the loop; the pool is not read further before they are
  /// handled.
  public static final int WAITING_MESSAGES = 64;

  /// First wait before connecting again.
  public static final long RECONNECT_MS = 100;

  /// Longest wait before connecting again; each wait doubles the one before it, with a random part.
  public static final long RECONNECT_MAX_MS = 15_000;

  /// Wait for an answer of the pool while connecting.
  public static final long ANSWER_MS = 10_000;

  /// A session is renewed at half of its time, but not sooner than this after it began,
  public static final long RENEW_MIN_MS = 10_000;

  /// nor later than this.
  public static final long RENEW_MAX_MS = 3_600_000;

  /// The loop looks around at least this often.
  public static final long LONGEST_SLEEP_US = 1_000_000;

  /// The most memory that one task can use: 2 GiB less one page (profile 1).
  public static final long TASK_MEMORY_BYTES = (2L << 30) - 65_536;

  /// After the deadline of a drain, how long stopped attempts may take to be reported.
  public static final long STOPPED_REPORT_MS = 5_000;

  /// The benchmark at the start, altogether.
  public static final long BENCHMARK_MS = 1_500;

  /// Probes of a pool that are answered in an hour; a measurement has four, more with GPUs or where
  /// less is shown than was declared.
  public static final int PROBES_AN_HOUR = 240;

  /// Links of one lane that are made for one probe.
  public static final int PROBE_LINKS = 1_024;

  /// Lanes of links that one GPU makes for one probe.
  public static final int PROBE_GPU_LANES = 16_384;

  /// Links of each of them.
  public static final int PROBE_GPU_LINKS = 64;

  /// After how long without a probe what measured GPUs ends.
  public static final long GPU_IDLE_MS = 30_000;

  /// Chunks that are filled for one probe.
  public static final int PROBE_CHUNKS = Limits.MEASURED_CHUNKS;

  /// Words of a chunk: half a gibibyte.
  public static final int PROBE_CHUNK_WORDS = 1 << 26;

  /// Characters of the description of the machine.
  public static final int MACHINE_CHARS = 256;

  private ProviderLimits() {}
}
