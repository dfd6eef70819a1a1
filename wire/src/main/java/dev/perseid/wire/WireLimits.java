package dev.perseid.wire;

import dev.perseid.core.Limits;

/// Every limit of the protocol, in one place. Limits of what the messages say are in [Limits].
public final class WireLimits {
  /// Bytes of one message, in either direction.
  public static final int MESSAGE_BYTES = 16 << 20;

  /// Bytes at which a long list is continued in the next message (leases, tasks, records).
  public static final int PART_BYTES = 1 << 20;

  /// Leases that one message may name.
  public static final int NAMED_LEASES = 4 * Limits.PROVIDER_LEASES;

  /// Digests in the answer to a probe: one for each lane of all GPUs, which is as many as 64 links
  /// of 1,024 lanes of cores.
  public static final int PROBE_DIGESTS = Limits.MEASURED_GPU_LANES;

  /// Words in the answer to a probe that were read from its memory.
  public static final int PROBE_WALK = Limits.WALKS_PER_CHUNK * Limits.MEASURED_CHUNKS;

  /// Blobs of one MissingBlobs request.
  public static final int ASKED_BLOBS = 100_000;

  /// Characters of a provider's machine description.
  public static final int MACHINE_CHARS = 256;

  /// Characters of a name (of a job, task, kind, provider, engine, ...).
  public static final int NAME_CHARS = 128;

  /// Milliseconds until a connection attempt is given up.
  public static final int CONNECT_MS = 10_000;

  /// Attempts of a call that may be repeated ([Channels#REPEATABLE]), the first among them. gRPC
  /// itself allows no more than 5.
  public static final int CALL_ATTEMPTS = 4;

  /// Milliseconds before the second attempt of a call, at most; before each further one twice as
  /// many. gRPC draws the pause.
  public static final int CALL_PAUSE_MS = 100;

  /// Milliseconds between two attempts of a call, at most.
  public static final int CALL_PAUSE_MOST_MS = 1_000;

  private WireLimits() {}
}
