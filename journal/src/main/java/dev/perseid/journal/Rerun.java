package dev.perseid.journal;

import java.util.Arrays;

/// Runs a trace again in thought: the same pieces, on a number of like cores, each started as soon
/// as what it waits for has ended, its delay has passed and enough cores are free; of several that
/// could start, the one that was seen to start first. Nothing overtakes a piece for which not
/// enough cores are free. Deterministic. O(edges + pieces log pieces).
final class Rerun {
  private final Pieces pieces;
  private final int[] rank;
  private final int[] byRank;
  private final int[] nextTo;
  private final int[] next;

  /// How long each piece runs and how long it is held up before; a caller may change them between
  /// runs.
  final long[] run;

  final long[] delay;

  /// When each piece began in the last run.
  final long[] began;

  Rerun(Pieces pieces) {
    this(pieces, seen(pieces));
  }

  private Rerun(Pieces pieces, int[] byRank) {
    this.pieces = pieces;
    this.byRank = byRank;
    rank = new int[pieces.count];
    for (int r = 0; r < byRank.length; r++) {
      rank[byRank[r]] = r;
    }
    nextTo = new int[pieces.count];
    for (int d : pieces.deps) {
      nextTo[d]++;
    }
    int sum = 0;
    for (int p = 0; p < pieces.count; p++) {
      sum += nextTo[p];
      nextTo[p] = sum;
    }
    next = new int[sum];
    int[] at = nextTo.clone();
    for (int p = pieces.count - 1; p >= 0; p--) {
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        next[--at[pieces.deps[e]]] = p;
      }
    }
    run = new long[pieces.count];
    delay = new long[pieces.count];
    began = new long[pieces.count];
    asItWas();
  }

  /// A rerun for a trace without times: whatever has the longest way to the end goes first.
  static Rerun longestFirst(Pieces pieces) {
    long[] tail = new long[pieces.count];
    for (int p = pieces.count - 1; p >= 0; p--) {
      tail[p] -= pieces.ran(p);
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        int d = pieces.deps[e];
        tail[d] = Math.min(tail[d], tail[p]);
      }
    }
    return new Rerun(pieces, LongOrder.by(tail, pieces.count));
  }

  /// The order in which attempts were seen to start, at one moment by their tasks' numbers; a piece
  /// goes where its attempt's first went.
  private static int[] seen(Pieces pieces) {
    long[] tasks = new long[pieces.count];
    long[] key = new long[pieces.count];
    for (int p = 0; p < pieces.count; p++) {
      int a = pieces.attempt[p];
      long start = a < 0 ? Trace.UNKNOWN : pieces.trace.raw(a, Measure.START);
      key[p] = start == Trace.UNKNOWN ? pieces.start[p] : start;
      tasks[p] = pieces.task[p];
    }
    return LongOrder.by(key, LongOrder.by(tasks, pieces.count));
  }

  /// Takes back all changes.
  void asItWas() {
    for (int p = 0; p < pieces.count; p++) {
      run[p] = pieces.ran(p);
      delay[p] = pieces.attempt[p] < 0 ? 0 : delayOf(p);
    }
  }

  private long delayOf(int p) {
    return pieces.wait(Part.DATA, p)
        + pieces.wait(Part.RETRYING, p)
        + pieces.wait(Part.HANDOVER, p)
        + pieces.wait(Part.ARRIVING, p);
  }

  /// When everything has ended.
  ///
  /// @param cores how many there are; a piece that wants more gets all
  long makespan(int cores) {
    int n = pieces.count;
    int[] missing = new int[n];
    TimeHeap events = new TimeHeap(n);
    RankHeap ready = new RankHeap();
    long free = cores;
    long end = 0;
    int[] instant = new int[n];
    int instants = 0;
    for (int p = 0; p < n; p++) {
      missing[p] = pieces.depsTo[p] - pieces.depsFrom(p);
      if (missing[p] == 0) {
        events.add(delay[p], 2 * p);
      }
    }
    while (events.size > 0) {
      long now = events.time();
      while (events.size > 0 && events.time() == now) {
        int event = events.remove();
        int p = event >> 1;
        if ((event & 1) == 1) {
          free += Math.min(cores, pieces.cores[p]);
          instant[instants++] = p;
        } else if (run[p] == 0) {
          began[p] = now;
          instant[instants++] = p;
        } else {
          ready.add(rank[p]);
        }
        while (instants > 0) {
          int ended = instant[--instants];
          end = Math.max(end, now);
          for (int e = ended == 0 ? 0 : nextTo[ended - 1]; e < nextTo[ended]; e++) {
            int s = next[e];
            if (--missing[s] > 0) {
              continue;
            }
            if (delay[s] > 0) {
              events.add(now + delay[s], 2 * s);
            } else if (run[s] == 0) {
              began[s] = now;
              instant[instants++] = s;
            } else {
              ready.add(rank[s]);
            }
          }
        }
      }
      while (ready.size > 0) {
        int p = byRank[ready.least()];
        int wants = Math.min(cores, pieces.cores[p]);
        if (wants > free) {
          break;
        }
        ready.remove();
        free -= wants;
        began[p] = now;
        events.add(now + run[p], 2 * p + 1);
      }
    }
    return end;
  }

  /// The same trace with the times of a run.
  ///
  /// @param cores how many there are
  static Trace timed(Trace trace, int cores) throws TraceFailure {
    Pieces pieces = Pieces.of(trace);
    Rerun rerun = longestFirst(pieces);
    Arrays.fill(rerun.delay, 0);
    rerun.makespan(cores);
    Trace.Builder b = new Trace.Builder(trace.id());
    b.title(trace.title()).epochUs(trace.epochUs()).cores(cores).synthetic();
    trace.notes().forEach(b::note);
    for (int t = 0; t < trace.tasks(); t++) {
      b.task(trace.name(t), trace.kind(t));
    }
    for (int t = 0; t < trace.tasks(); t++) {
      for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
        b.depends(t, trace.parentAt(e));
      }
    }
    for (int p = 0; p < pieces.count; p++) {
      int a = pieces.attempt[p];
      if (a < 0) {
        continue;
      }
      b.attempt(pieces.task[p], trace.number(a), trace.place(a), trace.ending(a), trace.reason(a));
      for (Measure m : Measure.values()) {
        b.set(m, trace.get(a, m));
      }
      long ready = 0;
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        int d = pieces.deps[e];
        ready = Math.max(ready, rerun.began[d] + pieces.ran(d));
      }
      b.set(Measure.READY, ready)
          .set(Measure.START, rerun.began[p])
          .set(Measure.END, rerun.began[p] + rerun.run[p]);
    }
    return b.build();
  }

  /// Numbers, the least first.
  private static final class RankHeap {
    private int[] heap = new int[64];
    int size;

    void add(int rank) {
      if (size == heap.length) {
        heap = Arrays.copyOf(heap, 2 * size);
      }
      int i = size++;
      while (i > 0 && heap[(i - 1) >> 1] > rank) {
        heap[i] = heap[(i - 1) >> 1];
        i = (i - 1) >> 1;
      }
      heap[i] = rank;
    }

    int least() {
      return heap[0];
    }

    void remove() {
      int moved = heap[--size];
      int i = 0;
      while (2 * i + 1 < size) {
        int c = 2 * i + 1;
        if (c + 1 < size && heap[c + 1] < heap[c]) {
          c++;
        }
        if (heap[c] >= moved) {
          break;
        }
        heap[i] = heap[c];
        i = c;
      }
      heap[i] = moved;
    }
  }

  /// Events by time, and by number at the same time.
  private static final class TimeHeap {
    private long[] times;
    private int[] events;
    int size;

    TimeHeap(int room) {
      times = new long[Math.max(16, room)];
      events = new int[times.length];
    }

    private boolean before(long time, int event, int i) {
      return time < times[i] || (time == times[i] && event < events[i]);
    }

    void add(long time, int event) {
      if (size == times.length) {
        times = Arrays.copyOf(times, 2 * size);
        events = Arrays.copyOf(events, 2 * size);
      }
      int i = size++;
      while (i > 0 && before(time, event, (i - 1) >> 1)) {
        times[i] = times[(i - 1) >> 1];
        events[i] = events[(i - 1) >> 1];
        i = (i - 1) >> 1;
      }
      times[i] = time;
      events[i] = event;
    }

    long time() {
      return times[0];
    }

    int remove() {
      int removed = events[0];
      size--;
      long time = times[size];
      int event = events[size];
      int i = 0;
      while (2 * i + 1 < size) {
        int c = 2 * i + 1;
        if (c + 1 < size && before(times[c + 1], events[c + 1], c)) {
          c++;
        }
        if (before(time, event, c)) {
          break;
        }
        times[i] = times[c];
        events[i] = events[c];
        i = c;
      }
      times[i] = time;
      events[i] = event;
      return removed;
    }
  }
}
