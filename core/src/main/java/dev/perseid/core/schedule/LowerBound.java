package dev.perseid.core.schedule;

import java.util.Arrays;
import java.util.BitSet;

/// A time below which no schedule can stay, whatever it does: tasks run to their end on one machine
/// each, machines one task at a time, transfers are left out. Copies of tasks do not help: of each
/// task one attempt runs in full.
///
/// What it is made of, each part valid by itself and the largest counts:
/// - *Heads and tails.* Before a task starts, its ancestors have run; after it ended, what waits
///   for it runs. Both take at least the longest way at the highest speed, and at least what the
///   window argument says of the ancestors (descendants) alone.
/// - *Windows.* Tasks with heads of at least `a` and tails of at least `b` all run within `T - a -
///   b` seconds. In a window the `k` largest tasks need the `k` fastest machines to be fast enough
///   together; a task cannot use a machine on which it alone takes longer than the window; and a
///   machine ends at most as many of the `N` largest tasks as it could if it got the smallest of
///   them.
/// - *Energy.* For a guess `T` each task has an earliest start and a latest end. What it must do
///   between two moments, however it is placed, must fit there, by the same arguments. The least
///   `T` for which nothing is wrong is the bound (destructive bounding, Klein and Scholl 1999;
///   energetic reasoning, Erschler and Lopez 1990; uniform machines, Horvath, Lam and Sethi 1977).
///
/// Cost: about `n²` for the ways, then a number of tests, each `n log n`, that does not depend on
/// `n`.
public final class LowerBound {
  /// Above so many tasks heads and tails are ways only.
  private static final int SETS_AT_MOST = 6_000;

  /// Moments tried as the begin, and as the end, of a window.
  private static final int MOMENTS = 20;

  private static final int HALVINGS = 30;
  private static final double EXACT = 1e-9;

  private final WorkGraph graph;
  private final double[] work;
  private final Fleet fleet;
  private final int size;
  private final double top;

  /// Distinct speeds, fastest first; of each how many machines; of it and the faster ones, the sum.
  private final double[] speed;

  private final int[] count;
  private final double[] sum;

  private final double[] least;
  private final double[] head;
  private final double[] tail;

  /// The longest way at the highest speed, or all work over all speeds, whichever is more: what is
  /// commonly used.
  public static double simple(WorkGraph graph, double[] work, Fleet fleet) {
    double longest = Arrays.stream(graph.bLevels(work)).max().orElse(0);
    return Math.max(
        longest / fleet.speed(fleet.fastest(0)),
        Arrays.stream(work).sum() / fleet.together(fleet.size()));
  }

  /// The bound, in seconds.
  ///
  /// @param work of each task: seconds at speed 1
  public static double of(WorkGraph graph, double[] work, Fleet fleet) {
    return graph.size() == 0 ? 0 : new LowerBound(graph, work, fleet).bound();
  }

  private LowerBound(WorkGraph graph, double[] work, Fleet fleet) {
    this.graph = graph;
    this.work = work;
    this.fleet = fleet;
    size = graph.size();
    top = fleet.speed(fleet.fastest(0));
    double[] speeds = new double[fleet.size()];
    int[] counts = new int[fleet.size()];
    int classes = 0;
    for (int i = 0; i < fleet.size(); i++) {
      double v = fleet.speed(fleet.fastest(i));
      if (classes == 0 || speeds[classes - 1] != v) {
        speeds[classes++] = v;
      }
      counts[classes - 1]++;
    }
    speed = Arrays.copyOf(speeds, classes);
    count = Arrays.copyOf(counts, classes);
    sum = new double[classes];
    double all = 0;
    for (int c = 0; c < classes; c++) {
      all += speed[c] * count[c];
      sum[c] = all;
    }
    least = new double[size];
    for (int i = 0; i < size; i++) {
      least[i] = work[i] / top;
    }
    head = ways(true);
    tail = ways(false);
  }

  /// Heads, or tails.
  private double[] ways(boolean forward) {
    double[] way = new double[size];
    boolean sets = size <= SETS_AT_MOST;
    BitSet[] before = new BitSet[sets ? size : 0];
    int[] byWay = new int[size];
    int known = 0;
    Window window = new Window(size);
    for (int at = 0; at < size; at++) {
      int i = graph.inOrder(forward ? at : size - 1 - at);
      int near = forward ? graph.parents(i) : graph.children(i);
      double longest = 0;
      BitSet mine = new BitSet(sets ? size : 0);
      for (int k = 0; k < near; k++) {
        int p = forward ? graph.parent(i, k) : graph.child(i, k);
        longest = Math.max(longest, way[p] + least[p]);
        if (sets) {
          mine.or(before[p]);
          mine.set(p);
        }
      }
      if (sets) {
        before[i] = mine;
        if (near > 1) {
          longest = Math.max(longest, before(mine, byWay, known, way, window, longest));
        }
      }
      way[i] = longest;
      if (sets) {
        int place = known++;
        while (place > 0 && way[byWay[place - 1]] < longest) {
          byWay[place] = byWay[place - 1];
          place--;
        }
        byWay[place] = i;
      }
    }
    return way;
  }

  /// What a set of tasks takes before another can start, of which each has a way before itself.
  private double before(
      BitSet set, int[] byWay, int known, double[] way, Window window, double atLeast) {
    double best = atLeast;
    double total = 0;
    int seen = 0;
    int all = set.cardinality();
    double tried = Double.POSITIVE_INFINITY;
    window.clear();
    for (int k = 0; k < known && seen < all; k++) {
      int i = byWay[k];
      if (!set.get(i)) {
        continue;
      }
      seen++;
      total += work[i];
      window.add(work[i]);
      boolean last = seen == all;
      double from = way[i];
      best = Math.max(best, from + total / fleet.together(seen));
      // The costlier test only where it can say more: at few moments, and before the next one.
      if (last || from < tried - best / MOMENTS) {
        tried = from;
        best = from + window.least(best - from);
      }
    }
    return best;
  }

  private double bound() {
    double low = 0;
    for (int i = 0; i < size; i++) {
      low = Math.max(low, head[i] + least[i] + tail[i]);
    }
    low = Math.max(low, Arrays.stream(work).sum() / fleet.together(size));
    if (!wrong(low)) {
      return low;
    }
    double high = low * 2;
    while (wrong(high)) {
      low = high;
      high *= 2;
    }
    for (int i = 0; i < HALVINGS && high - low > EXACT * high; i++) {
      double middle = (low + high) / 2;
      if (wrong(middle)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  private static double[] moments(double[] way) {
    double[] sorted = Arrays.stream(way).sorted().distinct().toArray();
    if (sorted.length <= MOMENTS) {
      return sorted;
    }
    double[] some = new double[MOMENTS];
    for (int i = 0; i < MOMENTS; i++) {
      some[i] = sorted[(int) ((long) i * (sorted.length - 1) / (MOMENTS - 1))];
    }
    return some;
  }

  /// Whether no schedule can be as short as this.
  private boolean wrong(double makespan) {
    double t = makespan * (1 + EXACT);
    Window window = new Window(size);
    double[] heads = moments(head);
    double[] tails = moments(tail);
    for (double a : heads) {
      for (double b : tails) {
        double from = a;
        double to = t - b;
        if (to <= from) {
          continue;
        }
        window.clear();
        for (int i = 0; i < size; i++) {
          if (head[i] >= from && tail[i] >= b) {
            window.add(work[i]);
          }
        }
        if (!window.fits(to - from)) {
          return true;
        }
        if (energy(t, from, to)) {
          return true;
        }
      }
    }
    return false;
  }

  /// Whether what tasks must do between two moments is more than machines can do there.
  private boolean energy(double t, double from, double to) {
    double[] needs = new double[speed.length];
    double[] largest = new double[size];
    int found = 0;
    double length = to - from;
    for (int i = 0; i < size; i++) {
      double late = t - tail[i];
      double room = late - head[i];
      // The slowest machine that it could run on.
      int slowest = speed.length - 1;
      while (slowest >= 0 && speed[slowest] * room * (1 + EXACT) < work[i]) {
        slowest--;
      }
      if (slowest < 0) {
        return true;
      }
      double left = work[i] - top * Math.max(0, from - head[i]);
      double right = work[i] - top * Math.max(0, late - to);
      double must = Math.min(speed[slowest] * length, Math.min(left, right));
      if (must > 0) {
        needs[slowest] += must;
        largest[found++] = must;
      }
    }
    double total = 0;
    for (int c = 0; c < speed.length; c++) {
      total += needs[c];
      if (total > sum[c] * length * (1 + EXACT)) {
        return true;
      }
    }
    if (found <= fleet.size() * 4) {
      Arrays.sort(largest, 0, found);
      total = 0;
      for (int k = 1; k <= Math.min(found, fleet.size()); k++) {
        total += largest[found - k];
        if (total > fleet.together(k) * length * (1 + EXACT)) {
          return true;
        }
      }
    }
    return false;
  }

  /// Tasks that all run, whole, within one stretch of time.
  private final class Window {
    private final double[] some;
    private int found;
    private boolean sorted;
    private final double[] upTo;

    Window(int most) {
      some = new double[most];
      upTo = new double[most + 1];
    }

    void clear() {
      found = 0;
      sorted = false;
    }

    void add(double one) {
      some[found++] = one;
      sorted = false;
    }

    private void sort() {
      if (sorted) {
        return;
      }
      Arrays.sort(some, 0, found);
      for (int i = 0; i < found; i++) {
        upTo[i + 1] = upTo[i] + some[i];
      }
      sorted = true;
    }

    /// The least stretch, if it is more than the given one.
    double least(double atLeast) {
      double low = Math.max(0, atLeast);
      if (fits(low)) {
        return atLeast;
      }
      sort();
      double high = Math.max(low * 2, upTo[found] / speed[0] + EXACT);
      for (int i = 0; i < HALVINGS && high - low > EXACT * high; i++) {
        double middle = (low + high) / 2;
        if (fits(middle)) {
          high = middle;
        } else {
          low = middle;
        }
      }
      return low;
    }

    /// Whether no argument forbids it; rounding is in favour of "fits".
    boolean fits(double stretch) {
      if (found == 0) {
        return true;
      }
      sort();
      double t = stretch * (1 + EXACT);
      double all = upTo[found];
      if (all > t * fleet.together(found)) {
        return false;
      }
      for (int n = 1; n <= found; n = next(n)) {
        int first = found - n;
        double smallest = some[first];
        double together = all - upTo[first];
        if (together > t * fleet.together(n)) {
          return false;
        }
        long ends = 0;
        double can = 0;
        for (int c = 0; c < speed.length; c++) {
          double v = speed[c] * t;
          if (v < smallest) {
            break;
          }
          can += count[c] * v;
          ends += (long) count[c] * most(first, v);
        }
        if (ends < n || can < together) {
          return false;
        }
      }
      return true;
    }

    /// How many of the tasks from `first` on, the smallest of them first, fit into `v`.
    private int most(int first, double v) {
      int low = first;
      int high = found;
      while (low < high) {
        int middle = (low + high + 1) >>> 1;
        if (upTo[middle] - upTo[first] <= v) {
          low = middle;
        } else {
          high = middle - 1;
        }
      }
      return low - first;
    }

    /// All small numbers, then fewer and fewer, and the last.
    private int next(int n) {
      int more = n < 64 ? n + 1 : n + n / 16;
      return n < found && more > found ? found : more;
    }
  }
}
