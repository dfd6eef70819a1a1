package dev.perseid.engine;

import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A task of a [Graph]: what other tasks name as their dependency, and what its value is asked by.
public final class Task<T extends @Nullable Object> {
  final Graph graph;
  final int id;

  Task(Graph graph, int id) {
    this.graph = graph;
    this.id = id;
  }

  /// Its number in the graph, from 0, in the order in which tasks were added.
  public int id() {
    return id;
  }

  /// Its name.
  public String name() {
    return graph.names[id];
  }

  /// Lets it start only when these have ended well.
  public Task<T> after(Task<?>... others) {
    for (Task<?> other : others) {
      graph.checkMine(other);
      graph.precede(other.id, id);
    }
    return this;
  }

  /// Lets it start when all it depends on has ended and any of it has ended well: what comes after
  /// the branches of a choice.
  public Task<T> whenAny() {
    graph.whenAny(id);
    return this;
  }

  /// Changes what it asks for, e.g. `with(t -> t.priority(5).needs("gpu", 1))`.
  public Task<T> with(UnaryOperator<Terms> change) {
    graph.terms(id, change);
    return this;
  }
}
