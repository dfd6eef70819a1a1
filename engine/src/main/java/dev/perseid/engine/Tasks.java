package dev.perseid.engine;

/// Many tasks of a [Graph] that share their code and name.
public final class Tasks {
  private final Graph graph;
  private final int first;
  private final int count;

  Tasks(Graph graph, int first, int count) {
    this.graph = graph;
    this.first = first;
    this.count = count;
  }

  /// How many.
  public int count() {
    return count;
  }

  /// One of them.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  public Task<Void> at(int index) {
    return new Task<>(graph, idOf(index));
  }

  /// Lets one start only when another one has ended well.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  public void after(int index, int other) {
    graph.precede(idOf(other), idOf(index));
  }

  private int idOf(int index) {
    if (index < 0 || index >= count) {
      throw new IndexOutOfBoundsException(index + " of " + count + " tasks");
    }
    return first + index;
  }
}
