package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import java.util.List;
import java.util.OptionalLong;

/// How one attempt went on this provider: a [dev.perseid.core.Report] before it has a digest.
///
/// @param outcome DONE, TASK_FAILED, PROVIDER_FAILED or CANCELLED
/// @param reason empty for DONE, else one sentence
/// @param startedUs when it began to run, microseconds since the epoch by the provider's wall
///   clock; absent if it never ran
/// @param endedUs when it ended, likewise
/// @param usage what it used
/// @param outputs one for each declared output if DONE, else empty; all of them are in the pool's
///   store already
/// @param engine name and version of the engine that ran it
/// @param isolation how it was isolated
public record Attempt(
    Outcome outcome,
    String reason,
    OptionalLong startedUs,
    OptionalLong endedUs,
    Usage usage,
    List<Blob> outputs,
    String engine,
    String isolation) {
  /// An attempt that never began to run.
  public static Attempt unstarted(Outcome outcome, String reason) {
    return new Attempt(
        outcome,
        reason,
        OptionalLong.empty(),
        OptionalLong.empty(),
        Usage.UNMEASURED,
        List.of(),
        "",
        "");
  }
}
