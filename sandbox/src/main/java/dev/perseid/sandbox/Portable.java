package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.List;

/// One portable task to run.
///
/// @param runId the caller's number for this run; comes back in the [Execution]
/// @param consumer who the task is for: two consumers never share a child process
/// @param module the original module's file
/// @param moduleSha256 its SHA-256, 32 bytes; checked
/// @param args argument bytes, at most 1 MiB
/// @param inputs at most 4,096
/// @param outputs how many outputs there are, at most 4,096
/// @param limits what the run may use
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Portable(
    long runId,
    String consumer,
    Path module,
    byte[] moduleSha256,
    byte[] args,
    List<Input> inputs,
    int outputs,
    RunLimits limits) {
  public Portable {
    inputs = List.copyOf(inputs);
  }
}
