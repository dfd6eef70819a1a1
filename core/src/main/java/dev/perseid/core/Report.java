package dev.perseid.core;

import java.util.List;
import java.util.OptionalLong;

/// A provider's account of one attempt.
///
/// @param lease which attempt
/// @param outcome one of DONE, TASK_FAILED, PROVIDER_FAILED, CANCELLED
/// @param reason empty for DONE, else one sentence of at most 512 characters
/// @param startedUs when it began to run, microseconds since the epoch by the provider's clock;
///   absent if it never ran
/// @param endedUs when it ended, likewise
/// @param usage what it used
/// @param outputs the outputs, one for each declared, for DONE; else empty
/// @param engine name and version of the engine that ran it
/// @param isolation how it was isolated, e.g. `bubblewrap`
/// @param digest EIP-712 digest of the record that follows from lease and report; this is what the
///   provider signed, also for a lease that the pool has forgotten
public record Report(
    long lease,
    Outcome outcome,
    String reason,
    OptionalLong startedUs,
    OptionalLong endedUs,
    Usage usage,
    List<Blob> outputs,
    String engine,
    String isolation,
    Hash digest) {
  /// The reason of a CANCELLED attempt that the pool stopped, because its job had ended or another
  /// attempt at the task was first: what it had used by then is paid. With any other reason it is
  /// not.
  public static final String STOPPED = "stopped by the pool";

  /// The engine of a native task.
  public static final String NATIVE = "native";

  /// Whether it says that the pool stopped it.
  boolean isStopped() {
    return outcome == Outcome.CANCELLED && reason.equals(STOPPED);
  }
}
