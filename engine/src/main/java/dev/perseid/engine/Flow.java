package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// A running task that may add tasks. What it forks belongs to it: it has ended only when they
/// have.
public sealed interface Flow permits Branch {
  /// Adds a task that may run beside this one.
  <T extends @Nullable Object> Fork<T> fork(String name, FlowBody<T> body);

  /// Runs a task here and now, with a record of its own.
  ///
  /// @throws RunFailure if it fails
  <T extends @Nullable Object> T call(String name, FlowBody<T> body) throws RunFailure;

  /// Runs a graph as a part of this task, and waits for it; this thread takes part.
  ///
  /// @throws RunFailure if it does not end well
  Run run(Graph graph) throws RunFailure;

  /// Whether the run is cancelled; a task that takes long should ask now and then.
  boolean cancelled();

  /// The trace that the run belongs to, or an empty text.
  String trace();
}
