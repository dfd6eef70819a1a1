package dev.perseid.core.schedule;

/// One run of a task on a machine, in a playout.
///
/// @param task which
/// @param machine on which
/// @param start in seconds
/// @param end when it was done, or stopped
/// @param won whether it was done; else another attempt at the same task was done first, or its
///   machine was wanted
public record Attempt(int task, int machine, double start, double end, boolean won) {}
