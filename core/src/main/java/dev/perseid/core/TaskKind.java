package dev.perseid.core;

/// What the tasks of one kind share: the code, its limits and its needs. Run times are learned per
/// kind.
///
/// @param name 1 to 64 characters of `[A-Za-z0-9._-]`; unique in its job
/// @param module the portable module
/// @param gasLimit gas after which an attempt is stopped, at least 1
/// @param memoryBytes cap of linear memory, also what the task reserves on the provider
/// @param outputBytesLimit cap of all outputs of one attempt together
/// @param wallLimitMs wall time after which an attempt is stopped
/// @param cores cores the task reserves
/// @param maxAttempts how often a task may be tried, provider faults included
public record TaskKind(
    String name,
    Blob module,
    long gasLimit,
    long memoryBytes,
    long outputBytesLimit,
    long wallLimitMs,
    int cores,
    int maxAttempts) {}
