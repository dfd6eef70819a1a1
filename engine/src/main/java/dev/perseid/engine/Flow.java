package dev.perseid.engine;

import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A running task that may add tasks. What it forks belongs to it: it has ended only when they
/// have.
public sealed interface Flow permits Branch {
  /// Adds a task that may run beside this one.
  <T extends @Nullable Object> Fork<T> fork(String name, FlowBody<T> body);

  /// The same on terms, all those that a task of a graph may have. Its code may add tasks, and so
  /// wait for them; therefore it can hold named resources only on a virtual thread, and no cores.
  ///
  /// @param terms what it asks for, e.g. `t -> t.priority(5).retries(2, Duration.ofSeconds(1))`
  /// @throws IllegalArgumentException if the engine lacks what it needs, or one that waits for it
  ///   holds that too, or something that the engine's configuration names later: two such tasks
  ///   could wait for each other for ever
  <T extends @Nullable Object> Fork<T> fork(
      String name, UnaryOperator<Terms> terms, FlowBody<T> body);

  /// The same with code that adds no tasks: it can hold named resources and cores on a worker too.
  ///
  /// @throws IllegalArgumentException like the one before
  <T extends @Nullable Object> Fork<T> fork(
      String name, UnaryOperator<Terms> terms, Callable<T> body);

  /// Runs a task here and now, with a record of its own.
  ///
  /// @throws RunFailure if it fails
  <T extends @Nullable Object> T call(String name, FlowBody<T> body) throws RunFailure;

  /// Runs a graph as a part of this task, and waits for it; this thread takes part.
  ///
  /// @throws RunFailure if it does not end well
  Run run(Graph graph) throws RunFailure;

  /// Whether nobody wants its result any more, because the run or a task above was cancelled or
  /// took too long; a task that takes long should ask now and then.
  boolean cancelled();

  /// The trace that the run belongs to, or an empty text.
  String trace();
}
