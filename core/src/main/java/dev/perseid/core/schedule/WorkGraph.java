package dev.perseid.core.schedule;

import java.util.List;

/// The tasks of one job as a scheduler sees them: who waits for whom, of which kind each is, and
/// how many bytes flow. Immutable; tasks are numbered from 0.
public final class WorkGraph {
  /// A task.
  ///
  /// @param kind tasks of one kind run the same program; numbered from 0
  /// @param parents what it waits for
  /// @param inputBytes that it reads in all
  public record Node(int kind, List<Flow> parents, long inputBytes) {
    /// Copies the list.
    public Node {
      parents = List.copyOf(parents);
      if (kind < 0 || inputBytes < 0) {
        throw new IllegalArgumentException("a kind and a size are 0 or more");
      }
    }
  }

  /// What flows from one task to another.
  ///
  /// @param from the task that must end first
  /// @param bytes that the other reads of it; 0 if it only waits
  public record Flow(int from, long bytes) {}

  private final int size;
  private final int kinds;
  private final int[] kind;
  private final long[] inputBytes;
  private final int[] parentStart;
  private final int[] parent;
  private final long[] flowBytes;
  private final int[] childStart;
  private final int[] child;
  private final int[] order;

  private WorkGraph(List<Node> nodes) {
    size = nodes.size();
    kind = new int[size];
    inputBytes = new long[size];
    parentStart = new int[size + 1];
    childStart = new int[size + 1];
    int most = -1;
    for (int i = 0; i < size; i++) {
      Node n = nodes.get(i);
      kind[i] = n.kind();
      most = Math.max(most, n.kind());
      inputBytes[i] = n.inputBytes();
      parentStart[i + 1] = parentStart[i] + n.parents().size();
      for (Flow f : n.parents()) {
        if (f.from() < 0 || f.from() >= size || f.from() == i) {
          throw new IllegalArgumentException("task " + i + " waits for " + f.from());
        }
        childStart[f.from() + 1]++;
      }
    }
    kinds = most + 1;
    for (int i = 0; i < size; i++) {
      childStart[i + 1] += childStart[i];
    }
    parent = new int[parentStart[size]];
    flowBytes = new long[parent.length];
    child = new int[parent.length];
    int[] next = childStart.clone();
    int at = 0;
    for (int i = 0; i < size; i++) {
      for (Flow f : nodes.get(i).parents()) {
        parent[at] = f.from();
        flowBytes[at++] = f.bytes();
        child[next[f.from()]++] = i;
      }
    }
    order = sorted();
  }

  /// Makes a graph.
  ///
  /// @throws IllegalArgumentException if a task waits for itself, by whatever way, or for one that
  ///   is not there
  public static WorkGraph of(List<Node> nodes) {
    return new WorkGraph(nodes);
  }

  private int[] sorted() {
    int[] waits = new int[size];
    int[] found = new int[size];
    int end = 0;
    for (int i = 0; i < size; i++) {
      waits[i] = parentStart[i + 1] - parentStart[i];
      if (waits[i] == 0) {
        found[end++] = i;
      }
    }
    for (int at = 0; at < end; at++) {
      int i = found[at];
      for (int e = childStart[i]; e < childStart[i + 1]; e++) {
        if (--waits[child[e]] == 0) {
          found[end++] = child[e];
        }
      }
    }
    if (end < size) {
      throw new IllegalArgumentException("tasks wait for each other in a circle");
    }
    return found;
  }

  /// How many tasks.
  public int size() {
    return size;
  }

  /// How many kinds; the kinds are 0 to this.
  public int kinds() {
    return kinds;
  }

  /// The kind of a task.
  public int kind(int task) {
    return kind[task];
  }

  /// The bytes that a task reads.
  public long inputBytes(int task) {
    return inputBytes[task];
  }

  /// How many tasks a task waits for.
  public int parents(int task) {
    return parentStart[task + 1] - parentStart[task];
  }

  /// One of the tasks that a task waits for.
  public int parent(int task, int which) {
    return parent[parentStart[task] + which];
  }

  /// The bytes that a task reads of its parent.
  public long flowBytes(int task, int which) {
    return flowBytes[parentStart[task] + which];
  }

  /// How many tasks wait for a task.
  public int children(int task) {
    return childStart[task + 1] - childStart[task];
  }

  /// One of the tasks that wait for a task.
  public int child(int task, int which) {
    return child[childStart[task] + which];
  }

  /// The task at a place of an order in which parents come first.
  public int inOrder(int place) {
    return order[place];
  }

  /// For each task the longest way from its start to the end of all, its own length included.
  ///
  /// @param length of each task
  public double[] bLevels(double[] length) {
    double[] level = new double[size];
    for (int at = size - 1; at >= 0; at--) {
      int i = order[at];
      double longest = 0;
      for (int e = childStart[i]; e < childStart[i + 1]; e++) {
        longest = Math.max(longest, level[child[e]]);
      }
      level[i] = longest + length[i];
    }
    return level;
  }
}
