package dev.perseid.sandbox;

import java.util.OptionalLong;

/// What a run used. What could not be measured is absent.
///
/// @param gas units spent, never above the limit
/// @param cpuNs CPU time of the thread that ran it, by the operating system's thread clock in the
///   child
/// @param wallNs from the start of the run to its end, by the child's monotonic clock; waiting is
///   not in it
/// @param peakMemoryBytes linear memory at its largest (it never shrinks)
/// @param bytesIn module excluded; arguments and inputs of the task
/// @param bytesOut outputs of the task
public record Usage(
    OptionalLong gas,
    OptionalLong cpuNs,
    OptionalLong wallNs,
    OptionalLong peakMemoryBytes,
    long bytesIn,
    long bytesOut) {}
