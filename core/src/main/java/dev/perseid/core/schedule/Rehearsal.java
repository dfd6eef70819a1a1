package dev.perseid.core.schedule;

import java.util.Arrays;

/// Plans the rest of a graph on paper: takes tasks one after another, lowest key first and parents
/// before children, and gives each the machine, and the gap on it, in which it ends first. Can be
/// played any number of times from the same state; a play costs `tasks * machines` and the gaps
/// looked at.
final class Rehearsal {
  static final int NOBODY = -1;
  private static final double NOTHING = 1e-12;

  private final WorkGraph graph;
  private final Fleet fleet;
  private final boolean transfers;
  private final int size;
  private final int machines;

  /// Seconds of work of each task, as believed.
  final double[] work;

  /// When each machine is free.
  final double[] free;

  /// Tasks that need no plan: they have ended or run. Then [#finish] and [#where] say when and
  /// where.
  final boolean[] settled;

  /// The machine that a task must get, or -1.
  final int[] pin;

  /// When a task ends that runs already on a machine that others may have, if it goes on; infinite
  /// for others. Where it runs is [#runsOn].
  final double[] goesOn;

  final int[] runsOn;

  final double[] start;
  final double[] finish;
  final int[] where;

  private final double[][] begins;
  private final double[][] ends;
  private final int[] taken;
  private final int[] solid;
  private final int[] waits;
  private final int[] heap;
  private int waiting;

  Rehearsal(WorkGraph graph, Fleet fleet) {
    this.graph = graph;
    this.fleet = fleet;
    transfers = fleet.transfer(1) > 0;
    size = graph.size();
    machines = fleet.size();
    work = new double[size];
    free = new double[machines];
    settled = new boolean[size];
    pin = new int[size];
    Arrays.fill(pin, NOBODY);
    goesOn = new double[size];
    Arrays.fill(goesOn, Double.POSITIVE_INFINITY);
    runsOn = new int[size];
    start = new double[size];
    finish = new double[size];
    where = new int[size];
    begins = new double[machines][8];
    ends = new double[machines][8];
    taken = new int[machines];
    solid = new int[machines];
    waits = new int[size];
    heap = new int[size];
  }

  /// Plans; afterwards [#start], [#finish] and [#where] say what it came to.
  ///
  /// @param key of each task, the lowest goes first
  /// @return when the last task ends
  double play(double[] key) {
    Arrays.fill(taken, 0);
    Arrays.fill(solid, 0);
    waiting = 0;
    double last = 0;
    for (int at = 0; at < size; at++) {
      int i = graph.inOrder(at);
      if (settled[i]) {
        last = Math.max(last, finish[i]);
        continue;
      }
      int open = 0;
      for (int k = 0; k < graph.parents(i); k++) {
        if (!settled[graph.parent(i, k)]) {
          open++;
        }
      }
      waits[i] = open;
      if (open == 0) {
        push(i, key);
      }
    }
    while (waiting > 0) {
      int i = pop(key);
      place(i);
      last = Math.max(last, finish[i]);
      for (int k = 0; k < graph.children(i); k++) {
        int c = graph.child(i, k);
        if (--waits[c] == 0) {
          push(c, key);
        }
      }
    }
    return last;
  }

  /// When all that a task waits for has ended.
  private double ready(int task) {
    double at = 0;
    for (int k = 0; k < graph.parents(task); k++) {
      at = Math.max(at, finish[graph.parent(task, k)]);
    }
    return at;
  }

  /// Seconds until the inputs of a task, once made, are on a machine.
  private double travel(int task, int machine) {
    if (!transfers) {
      return 0;
    }
    double longest = 0;
    for (int k = 0; k < graph.parents(task); k++) {
      if (where[graph.parent(task, k)] != machine) {
        longest = Math.max(longest, fleet.transfer(graph.flowBytes(task, k)));
      }
    }
    return longest;
  }

  private void place(int i) {
    double ready = ready(i);
    double best = Double.POSITIVE_INFINITY;
    double bestStart = 0;
    int bestMachine = NOBODY;
    int bestAt = 0;
    if (goesOn[i] < Double.POSITIVE_INFINITY) {
      int m = runsOn[i];
      if (taken[m] == 0 || begins[m][0] >= goesOn[i]) {
        best = goesOn[i];
        bestStart = free[m];
        bestMachine = m;
      }
    }
    boolean runs = bestMachine != NOBODY;
    for (int f = 0; f < machines; f++) {
      int m = fleet.fastest(f);
      if (pin[i] != NOBODY && pin[i] != m && !runs) {
        continue;
      }
      double length = travel(i, m) + work[i] / fleet.speed(m);
      double from = Math.max(free[m], ready);
      if (from + length >= best) {
        continue;
      }
      int count = taken[m];
      int at = count;
      if (count > 0 && from < ends[m][count - 1]) {
        at = solid[m];
        double before = at == 0 ? free[m] : ends[m][at - 1];
        while (at < count && ends[m][at] <= from) {
          before = ends[m][at++];
        }
        double gap = Math.max(from, before);
        while (at < count && begins[m][at] - gap < length && gap + length < best) {
          gap = Math.max(from, ends[m][at++]);
        }
        from = gap;
      }
      if (from + length < best) {
        best = from + length;
        bestStart = from;
        bestMachine = m;
        bestAt = at;
      }
    }
    put(i, bestMachine, bestAt, bestStart, best);
  }

  private void put(int i, int m, int at, double from, double to) {
    int count = taken[m];
    if (count == begins[m].length) {
      begins[m] = Arrays.copyOf(begins[m], count * 2);
      ends[m] = Arrays.copyOf(ends[m], count * 2);
    }
    System.arraycopy(begins[m], at, begins[m], at + 1, count - at);
    System.arraycopy(ends[m], at, ends[m], at + 1, count - at);
    begins[m][at] = from;
    ends[m][at] = to;
    taken[m] = count + 1;
    while (solid[m] < taken[m]
        && begins[m][solid[m]] - (solid[m] == 0 ? free[m] : ends[m][solid[m] - 1]) < NOTHING) {
      solid[m]++;
    }
    start[i] = from;
    finish[i] = to;
    where[i] = m;
  }

  private void push(int task, double[] key) {
    int at = waiting++;
    while (at > 0) {
      int up = (at - 1) >>> 1;
      if (!before(task, heap[up], key)) {
        break;
      }
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = task;
  }

  private int pop(double[] key) {
    int top = heap[0];
    int moved = heap[--waiting];
    int at = 0;
    while (true) {
      int down = 2 * at + 1;
      if (down >= waiting) {
        break;
      }
      if (down + 1 < waiting && before(heap[down + 1], heap[down], key)) {
        down++;
      }
      if (!before(heap[down], moved, key)) {
        break;
      }
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = moved;
    return top;
  }

  private static boolean before(int a, int b, double[] key) {
    int x = Double.compare(key[a], key[b]);
    return x != 0 ? x < 0 : a < b;
  }
}
