package dev.perseid.core;

import java.util.List;

/// Who waits for whom in a job's graph, as compressed rows: the tasks that wait for task `t` are
/// `successors[starts[t]]` to `successors[starts[t + 1] - 1]`. A task that reads two outputs of
/// another waits for it twice, and is told twice.
final class Edges {
  private final int[] starts;
  private final int[] successors;
  private final int[] waitsFor;

  private Edges(int[] starts, int[] successors, int[] waitsFor) {
    this.starts = starts;
    this.successors = successors;
    this.waitsFor = waitsFor;
  }

  /// The edges of tasks whose indices are in range. O(tasks + edges).
  static Edges of(List<TaskSpec> tasks) {
    int n = tasks.size();
    int[] starts = new int[n + 1];
    int[] waitsFor = new int[n];
    for (int t = 0; t < n; t++) {
      TaskSpec task = tasks.get(t);
      for (Input input : task.inputs()) {
        if (input instanceof Input.Produced p) {
          starts[p.task() + 1]++;
          waitsFor[t]++;
        }
      }
      for (int before : task.after()) {
        starts[before + 1]++;
        waitsFor[t]++;
      }
    }
    for (int t = 0; t < n; t++) {
      starts[t + 1] += starts[t];
    }
    int[] successors = new int[starts[n]];
    int[] next = starts.clone();
    for (int t = 0; t < n; t++) {
      TaskSpec task = tasks.get(t);
      for (Input input : task.inputs()) {
        if (input instanceof Input.Produced p) {
          successors[next[p.task()]++] = t;
        }
      }
      for (int before : task.after()) {
        successors[next[before]++] = t;
      }
    }
    return new Edges(starts, successors, waitsFor);
  }

  boolean isEmpty() {
    return successors.length == 0;
  }

  int start(int task) {
    return starts[task];
  }

  int end(int task) {
    return starts[task + 1];
  }

  int successor(int place) {
    return successors[place];
  }

  /// How many edges lead to each task; a fresh array.
  int[] waitsFor() {
    return waitsFor.clone();
  }
}
