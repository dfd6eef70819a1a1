package dev.perseid.core;

import java.util.Arrays;
import java.util.List;

/// How far tasks are from the end of their job: the weights of the longest way from one, its own
/// included (b-level).
final class Levels {
  /// So that a task's index fits below its level; at least [Limits#JOB_TASKS].
  private static final int TASK_BITS = 18;

  private static final int LEVEL_BITS = 63 - TASK_BITS;
  private static final int TASK_MASK = (1 << TASK_BITS) - 1;

  /// Keeps the sum over a way of 200,000 tasks below 2^63.
  private static final long HEAVIEST = 1L << LEVEL_BITS;

  private Levels() {}

  /// The tasks, those farthest from the end first, of equals the first: each with [#task].
  ///
  /// @param weights one for each kind, more than 0
  static long[] order(List<TaskSpec> tasks, Edges edges, long[] weights) {
    long[] levels = of(tasks, edges, weights);
    long most = Arrays.stream(levels).max().orElse(1);
    int shift = Math.max(0, 64 - Long.numberOfLeadingZeros(most) - LEVEL_BITS);
    Arrays.setAll(levels, t -> (((most - levels[t]) >> shift) << TASK_BITS) | t);
    Arrays.sort(levels);
    return levels;
  }

  /// The task of an entry of the order.
  static int task(long entry) {
    return (int) (entry & TASK_MASK);
  }

  private static long[] of(List<TaskSpec> tasks, Edges edges, long[] weights) {
    int n = tasks.size();
    int[] waits = edges.waitsFor();
    int[] order = new int[n];
    int end = 0;
    for (int t = 0; t < n; t++) {
      if (waits[t] == 0) {
        order[end++] = t;
      }
    }
    for (int at = 0; at < end; at++) {
      for (int i = edges.start(order[at]); i < edges.end(order[at]); i++) {
        if (--waits[edges.successor(i)] == 0) {
          order[end++] = edges.successor(i);
        }
      }
    }
    long[] levels = new long[n];
    while (end-- > 0) {
      int t = order[end];
      long longest = 0;
      for (int i = edges.start(t); i < edges.end(t); i++) {
        longest = Math.max(longest, levels[edges.successor(i)]);
      }
      levels[t] = longest + Math.min(weights[tasks.get(t).kind()], HEAVIEST);
    }
    return levels;
  }
}
