package dev.perseid.sandbox;

import java.util.List;

/// How a run ended.
///
/// @param runId the number that the caller gave
/// @param verdict done, or why not
/// @param outputs all declared outputs in order when done, else none
/// @param usage what it used
/// @param log what the task said, at most 4 KiB; not part of the result, and only as trustworthy as
///   the task
public record Execution(
    long runId, Verdict verdict, List<Output> outputs, Usage usage, String log) {
  public Execution {
    outputs = List.copyOf(outputs);
  }
}
