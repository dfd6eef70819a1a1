package dev.perseid.journal;

import java.util.Arrays;
import java.util.EnumMap;
import org.jspecify.annotations.Nullable;

/// A trace cut so that what is left is a plain graph: a piece runs from start to end without
/// waiting for anything, and starts when other pieces have ended. An attempt is one piece, unless
/// it forked tasks: then a piece ends at each fork, and the next begins at the last end of those
/// forked tasks that had ended by then, because a task that waits for what it forked does nothing.
/// That is as much as records tell; a task that works while its forks run looks shorter than it
/// was.
///
/// Pieces are numbered so that each comes after those it waits for. O((tasks + edges) log tasks).
final class Pieces {
  private static final int NONE = -1;

  /// How many ends of forked tasks count: all, those before the forker's end only as one, none.
  private enum Joins {
    EACH,
    LAST,
    NONE
  }

  final Trace trace;
  final int count;

  /// The attempt, or NONE for a task of which no attempt ran.
  final int[] attempt;

  final int[] task;

  /// Whether it is the first of its attempt.
  final boolean[] first;

  /// Whether its attempt is the one that counts; if not, it was in vain.
  final boolean[] counts;

  /// What was seen; of a trace without times only the difference means something.
  final long[] start;

  final long[] end;
  final int[] cores;
  final int[] depsTo;
  final int[] deps;

  /// The last piece of each task.
  final int[] last;

  /// Of a first piece, nanoseconds before its start, for each [Part] that is a wait.
  private final EnumMap<Part, long[]> waits = new EnumMap<>(Part.class);

  /// From the first moment to the last end.
  final long begin;

  final long finish;

  /// Dependencies that had not ended, or times within an attempt, against the order of time.
  final long backwards;

  final String firstBackwards;

  /// Cores that were busy at once, at most, at each place, and all of these together.
  final int[] peaks;

  final int capacity;

  private Pieces(Trace trace, Cut cut, int[] order) {
    this.trace = trace;
    count = cut.count;
    int[] renumbered = new int[count];
    for (int i = 0; i < count; i++) {
      renumbered[order[i]] = i;
    }
    attempt = new int[count];
    task = new int[count];
    first = new boolean[count];
    counts = new boolean[count];
    start = new long[count];
    end = new long[count];
    cores = new int[count];
    depsTo = new int[count];
    deps = new int[cut.edges];
    int sum = 0;
    int[][] csr = cut.dependencies();
    for (int i = 0; i < count; i++) {
      int p = order[i];
      attempt[i] = cut.attempt[p];
      task[i] = cut.task[p];
      first[i] = cut.first[p];
      counts[i] = attempt[i] == NONE || attempt[i] == cut.counting[task[i]];
      start[i] = cut.start[p];
      end[i] = cut.end[p];
      long asked = attempt[i] == NONE ? 1 : trace.raw(attempt[i], Measure.CORES);
      cores[i] = (int) Math.max(1, Math.min(Integer.MAX_VALUE / 2, asked));
      for (int e = p == 0 ? 0 : csr[0][p - 1]; e < csr[0][p]; e++) {
        deps[sum++] = renumbered[csr[1][e]];
      }
      depsTo[i] = sum;
    }
    last = new int[trace.tasks()];
    for (int t = 0; t < last.length; t++) {
      last[t] = renumbered[cut.last[t]];
    }
    long wrong = 0;
    String wrongName = "";
    long least = Long.MAX_VALUE;
    long most = Long.MIN_VALUE;
    for (int i = 0; i < count; i++) {
      long before = Long.MIN_VALUE;
      for (int e = depsFrom(i); e < depsTo[i]; e++) {
        before = Math.max(before, end[deps[e]]);
      }
      if (attempt[i] == NONE) {
        start[i] = start[i] == Trace.UNKNOWN ? (before == Long.MIN_VALUE ? 0 : before) : start[i];
        end[i] = start[i];
      } else {
        if (before > start[i] || end[i] < start[i]) {
          wrong++;
          wrongName = wrongName.isEmpty() ? trace.name(task[i]) : wrongName;
          end[i] = Math.max(end[i], start[i]);
        }
        long ready = trace.raw(attempt[i], Measure.READY);
        least = Math.min(least, ready == Trace.UNKNOWN ? start[i] : Math.min(ready, start[i]));
        most = Math.max(most, end[i]);
      }
    }
    begin = least == Long.MAX_VALUE ? 0 : Math.min(least, cut.zero);
    finish = most == Long.MIN_VALUE ? begin : most;
    backwards = wrong;
    firstBackwards = wrongName;
    Occupancy occupancy = new Occupancy(this);
    peaks = occupancy.peaks();
    int all = 0;
    for (int peak : peaks) {
      all = (int) Math.min(Integer.MAX_VALUE / 2, (long) all + peak);
    }
    capacity = trace.cores().orElse(Math.max(1, all));
    for (Part part : Part.values()) {
      waits.put(part, part.wait ? new long[count] : new long[0]);
    }
    for (int i = 0; i < count; i++) {
      if (first[i] && attempt[i] != NONE) {
        waits(i, occupancy);
      }
    }
  }

  int depsFrom(int piece) {
    return piece == 0 ? 0 : depsTo[piece - 1];
  }

  long ran(int piece) {
    return end[piece] - start[piece];
  }

  /// How long a first piece waited in a way; 0 for other pieces.
  long wait(Part part, int piece) {
    long[] of = waits.get(part);
    return of == null || of.length == 0 ? 0 : of[piece];
  }

  private void set(Part part, int piece, long ns) {
    long[] of = waits.get(part);
    if (of != null) {
      of[piece] = ns;
    }
  }

  private void waits(int i, Occupancy occupancy) {
    int a = attempt[i];
    long from = begin;
    boolean root = depsFrom(i) == depsTo[i];
    for (int e = depsFrom(i); e < depsTo[i]; e++) {
      from = Math.max(from, end[deps[e]]);
    }
    long to = start[i];
    from = Math.min(from, to);
    long ready = trace.raw(a, Measure.READY);
    long readyAt = ready == Trace.UNKNOWN ? to : Math.clamp(ready, from, to);
    long assigned = trace.raw(a, Measure.ASSIGNED);
    long assignedAt = assigned == Trace.UNKNOWN ? to : Math.clamp(assigned, readyAt, to);
    long queued = occupancy.fullNs(trace.placeOf(a), assignedAt, to);
    int at = trace.attemptsFrom(task[i]);
    int one = trace.attemptAt(at);
    long firstReady = trace.raw(one, Measure.READY);
    long retriedFrom =
        one == a
            ? readyAt
            : firstReady == Trace.UNKNOWN ? from : Math.clamp(firstReady, from, readyAt);
    set(Part.PROVIDER, i, assignedAt - readyAt + queued);
    set(Part.DATA, i, to - assignedAt - queued);
    set(Part.RETRYING, i, readyAt - retriedFrom);
    set(root ? Part.ARRIVING : Part.HANDOVER, i, retriedFrom - from);
  }

  /// Cuts a trace.
  static Pieces of(Trace trace) {
    for (Joins joins : Joins.values()) {
      Cut cut = new Cut(trace, joins);
      int[] order = cut.order();
      if (order != null) {
        return new Pieces(trace, cut, order);
      }
      // Only times that cannot be true make a circle of joins: then fewer joins are believed.
    }
    throw new IllegalStateException("a trace without a circle has one");
  }

  /// Pieces before they have their order.
  private static final class Cut {
    private final Trace trace;
    private final Joins joins;
    private final int[] childrenTo;
    private final int[] children;
    private final int[] counting;
    private final int[] last;
    private long zero = Long.MAX_VALUE;
    private int count;
    private int[] attempt;
    private int[] task;
    private boolean[] first;
    private long[] start;
    private long[] end;
    private int edges;
    private int[] waiter = new int[16];
    private int[] awaited = new int[16];

    /// Of each forked task the piece that forked it, and of each attempt that ran its first piece.
    private final int[] forkedAt;

    private final int[] firstOf;
    private final int[] joinOf;

    Cut(Trace trace, Joins joins) {
      this.trace = trace;
      this.joins = joins;
      int tasks = trace.tasks();
      int room = tasks + trace.attempts() + 16;
      attempt = new int[room];
      task = new int[room];
      first = new boolean[room];
      start = new long[room];
      end = new long[room];
      counting = new int[tasks];
      last = new int[tasks];
      forkedAt = new int[tasks];
      joinOf = new int[tasks];
      firstOf = new int[trace.attempts()];
      Arrays.fill(forkedAt, NONE);
      Arrays.fill(joinOf, NONE);
      Arrays.fill(firstOf, NONE);
      childrenTo = new int[tasks];
      for (int t = 0; t < tasks; t++) {
        if (trace.forkerOf(t) != NONE) {
          childrenTo[trace.forkerOf(t)]++;
        }
      }
      int sum = 0;
      for (int t = 0; t < tasks; t++) {
        sum += childrenTo[t];
        childrenTo[t] = sum;
      }
      children = new int[sum];
      int[] next = childrenTo.clone();
      for (int t = tasks - 1; t >= 0; t--) {
        if (trace.forkerOf(t) != NONE) {
          children[--next[trace.forkerOf(t)]] = t;
        }
      }
      for (int t = 0; t < tasks; t++) {
        attempts(t);
      }
      for (int t = 0; t < tasks; t++) {
        edges(t);
      }
    }

    private boolean ran(int a) {
      return trace.ending(a) != Ending.SKIPPED
          && trace.ending(a) != Ending.NOT_CHOSEN
          && (trace.raw(a, Measure.START) != Trace.UNKNOWN
              || trace.raw(a, Measure.WALL) != Trace.UNKNOWN);
    }

    private long startOf(int a) {
      long at = trace.raw(a, Measure.START);
      return at == Trace.UNKNOWN ? 0 : at;
    }

    private long endOf(int a) {
      long at = trace.raw(a, Measure.END);
      return at == Trace.UNKNOWN ? startOf(a) + Math.max(0, trace.raw(a, Measure.WALL)) : at;
    }

    private void attempts(int t) {
      int counted = NONE;
      long known = Trace.UNKNOWN;
      for (int at = trace.attemptsFrom(t); at < trace.attemptsTo(t); at++) {
        int a = trace.attemptAt(at);
        long ready = trace.raw(a, Measure.READY);
        if (ready != Trace.UNKNOWN) {
          known = ready;
          zero = Math.min(zero, ready);
        }
        if (ran(a)) {
          cut(t, a);
          if (counted == NONE || !trace.ending(counted).good()) {
            counted = a;
          }
        }
      }
      counting[t] = counted;
      if (counted == NONE) {
        last[t] = piece(t, NONE, true, known, known);
      }
    }

    private void cut(int t, int a) {
      long from = startOf(a);
      long to = endOf(a);
      firstOf[a] = count;
      int[] forks = forks(t, from, to);
      if (forks.length == 0) {
        last[t] = piece(t, a, true, from, to);
        return;
      }
      long[] ends = new long[forks.length];
      for (int i = 0; i < forks.length; i++) {
        ends[i] = lastEnd(forks[i]);
      }
      int[] byEnd = LongOrder.by(ends, forks.length);
      int open = piece(t, a, true, from, Math.clamp(readyOf(forks[0]), from, Math.max(from, to)));
      long at = end[open];
      int ended = 0;
      for (int child : forks) {
        long ready = readyOf(child);
        if (ready > end[open]) {
          int here = piece(t, a, false, at, ready);
          edge(here, open);
          // What ended at this very moment may not have been waited for.
          while (ended < byEnd.length && ends[byEnd[ended]] < ready) {
            if (joins == Joins.EACH) {
              joinOf[forks[byEnd[ended]]] = here;
            }
            at = Math.max(at, ends[byEnd[ended]]);
            ended++;
          }
          start[here] = Math.min(at, ready);
          at = ready;
          open = here;
        }
        forkedAt[child] = open;
      }
      for (long childEnd : ends) {
        if (childEnd <= to) {
          at = Math.max(at, childEnd);
        }
      }
      int over = piece(t, a, false, Math.min(at, to), to);
      edge(over, open);
      if (joins != Joins.NONE) {
        for (int child : forks) {
          if (joinOf[child] == NONE) {
            joinOf[child] = over;
          }
        }
      }
      last[t] = over;
    }

    /// What an attempt forked, by the time at which that was ready.
    private int[] forks(int t, long from, long to) {
      int least = t == 0 ? 0 : childrenTo[t - 1];
      int n = childrenTo[t] - least;
      int[] found = new int[n];
      long[] ready = new long[n];
      int many = 0;
      boolean only = trace.attemptsTo(t) - trace.attemptsFrom(t) == 1;
      for (int i = 0; i < n; i++) {
        int child = children[least + i];
        long at = readyOf(child);
        if (at != Trace.UNKNOWN && (only || (at >= from && at <= to)) && forkedAt[child] == NONE) {
          found[many] = child;
          ready[many++] = at;
        }
      }
      int[] order = LongOrder.by(ready, many);
      for (int i = 0; i < many; i++) {
        order[i] = found[order[i]];
      }
      return order;
    }

    private long readyOf(int t) {
      if (trace.attemptsFrom(t) == trace.attemptsTo(t)) {
        return Trace.UNKNOWN;
      }
      int a = trace.attemptAt(trace.attemptsFrom(t));
      long ready = trace.raw(a, Measure.READY);
      return ready == Trace.UNKNOWN ? trace.raw(a, Measure.START) : ready;
    }

    private long lastEnd(int t) {
      long latest = Long.MIN_VALUE;
      for (int at = trace.attemptsFrom(t); at < trace.attemptsTo(t); at++) {
        int a = trace.attemptAt(at);
        latest = Math.max(latest, ran(a) ? endOf(a) : readyOf(t));
      }
      return latest;
    }

    private void edges(int t) {
      int before = NONE;
      boolean any = false;
      for (int at = trace.attemptsFrom(t); at < trace.attemptsTo(t); at++) {
        int a = trace.attemptAt(at);
        if (firstOf[a] == NONE) {
          continue;
        }
        if (before == NONE) {
          parents(firstOf[a], t);
        } else {
          edge(firstOf[a], before);
        }
        before = lastOf(a);
        any = true;
      }
      if (!any) {
        parents(last[t], t);
      }
      if (joinOf[t] != NONE) {
        edge(joinOf[t], last[t]);
      }
    }

    /// The pieces of an attempt stand together.
    private int lastOf(int a) {
      int p = firstOf[a];
      while (p + 1 < count && attempt[p + 1] == a && !first[p + 1]) {
        p++;
      }
      return p;
    }

    private void parents(int piece, int t) {
      for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
        edge(piece, last[trace.parentAt(e)]);
      }
      if (forkedAt[t] != NONE) {
        edge(piece, forkedAt[t]);
      }
    }

    private int piece(int t, int a, boolean isFirst, long from, long to) {
      if (count == attempt.length) {
        int more = 2 * count;
        attempt = Arrays.copyOf(attempt, more);
        task = Arrays.copyOf(task, more);
        first = Arrays.copyOf(first, more);
        start = Arrays.copyOf(start, more);
        end = Arrays.copyOf(end, more);
      }
      attempt[count] = a;
      task[count] = t;
      first[count] = isFirst;
      start[count] = from;
      end[count] = to;
      return count++;
    }

    private void edge(int waits, int on) {
      if (edges == waiter.length) {
        waiter = Arrays.copyOf(waiter, 2 * edges);
        awaited = Arrays.copyOf(awaited, 2 * edges);
      }
      waiter[edges] = waits;
      awaited[edges++] = on;
    }

    /// For each piece where its dependencies end, and these.
    int[][] dependencies() {
      return sorted(waiter, awaited);
    }

    private int[][] sorted(int[] by, int[] what) {
      int[] to = new int[count];
      for (int e = 0; e < edges; e++) {
        to[by[e]]++;
      }
      int sum = 0;
      for (int p = 0; p < count; p++) {
        sum += to[p];
        to[p] = sum;
      }
      int[] out = new int[edges];
      int[] next = to.clone();
      for (int e = edges - 1; e >= 0; e--) {
        out[--next[by[e]]] = what[e];
      }
      return new int[][] {to, out};
    }

    /// The pieces so that each comes after those it waits for; null if there is a circle.
    int @Nullable [] order() {
      int[] missing = new int[count];
      for (int e = 0; e < edges; e++) {
        missing[waiter[e]]++;
      }
      int[][] out = sorted(awaited, waiter);
      int[] order = new int[count];
      int found = 0;
      for (int p = 0; p < count; p++) {
        if (missing[p] == 0) {
          order[found++] = p;
        }
      }
      for (int i = 0; i < found; i++) {
        int p = order[i];
        for (int e = p == 0 ? 0 : out[0][p - 1]; e < out[0][p]; e++) {
          if (--missing[out[1][e]] == 0) {
            order[found++] = out[1][e];
          }
        }
      }
      return found == count ? order : null;
    }
  }
}
