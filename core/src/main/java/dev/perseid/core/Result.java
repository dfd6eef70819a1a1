package dev.perseid.core;

/// One output that the consumer of a job wants to fetch.
///
/// @param taskName the task that made it
/// @param task index of that task in the job
/// @param output which of its outputs
/// @param blob the bytes' name
public record Result(String taskName, int task, int output, Blob blob) {}
