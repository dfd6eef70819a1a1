package dev.perseid.engine;

import java.util.Optional;
import java.util.OptionalLong;

/// What is known of one run.
///
/// @param number in the engine, from 1
/// @param graph number of its graph
/// @param name of its graph
/// @param trace that it belongs to, or an empty text
/// @param parentRun the run of the task that started it, if a task did
/// @param parentTask that task
/// @param startNs when it started; the clock of [TaskRecord]
/// @param endNs when it ended; empty if that is not in the file
/// @param outcome how it ended
public record RunRecord(
    long number,
    long graph,
    String name,
    String trace,
    OptionalLong parentRun,
    OptionalLong parentTask,
    long startNs,
    OptionalLong endNs,
    Optional<Outcome> outcome) {}
