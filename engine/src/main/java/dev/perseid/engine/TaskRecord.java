package dev.perseid.engine;

import java.util.OptionalInt;
import java.util.OptionalLong;

/// What is known of one attempt of one task. Times are nanoseconds of the monotonic clock since the
/// engine was opened.
///
/// @param run number of the run
/// @param task number of the task in the run; those below the graph's size are the graph's
/// @param name its name
/// @param cause the task whose end made it ready, or that forked it; empty at the start of the run
/// @param attempt from 1
/// @param readyNs when nothing that it depends on was missing
/// @param startNs when it began; equal to the end if it never ran
/// @param endNs when it ended, and all that it forked
/// @param thread the worker's number from 1, or 0 for a virtual thread
/// @param virtualThread the number of the virtual thread
/// @param cpuNs CPU time of its thread while it ran, where it was measured
/// @param allocatedBytes what its thread allocated while it ran, where it was measured
/// @param cores workers that it had to itself, where it asked for several; else it had its own, or
///   none on a virtual thread
/// @param outcome how it ended
/// @param late whether it ended after its deadline
public record TaskRecord(
    long run,
    long task,
    String name,
    OptionalLong cause,
    int attempt,
    long readyNs,
    long startNs,
    long endNs,
    int thread,
    OptionalLong virtualThread,
    OptionalLong cpuNs,
    OptionalLong allocatedBytes,
    OptionalInt cores,
    Outcome outcome,
    boolean late) {}
