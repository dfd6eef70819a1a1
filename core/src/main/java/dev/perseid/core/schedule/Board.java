package dev.perseid.core.schedule;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/// The state of a graph that runs on a fleet, as a policy sees it, and the two things that a policy
/// can do: start an attempt on a machine, and stop one. It keeps the rules: parents before
/// children, one task at a time on a machine.
final class Board {
  private static final int NOBODY = -1;

  /// An attempt that runs.
  static final class Run {
    final int task;
    final int machine;
    final double start;

    /// Seconds that pass before it works: its inputs travel.
    final double travel;

    final boolean copy;
    private final double end;
    private final long number;
    private boolean over;

    private Run(
        int task, int machine, double start, double travel, double end, boolean copy, long number) {
      this.task = task;
      this.machine = machine;
      this.start = start;
      this.travel = travel;
      this.end = end;
      this.copy = copy;
      this.number = number;
    }
  }

  final WorkGraph graph;
  final Fleet fleet;
  final Forecast forecast;
  private final double[] work;
  private final boolean transfers;
  private final int[] waits;
  private final boolean[] done;
  private final double[] ended;
  private final int[] where;
  private final Run[][] runs;
  private final @Nullable Run[] on;
  private final List<Integer> fresh = new ArrayList<>();
  private final PriorityQueue<Run> next =
      new PriorityQueue<>((a, b) -> {
        int x = Double.compare(a.end, b.end);
        return x != 0 ? x : Long.compare(a.number, b.number);
      });
  private final List<Attempt> attempts = new ArrayList<>();
  private double now;
  private double wake = Double.POSITIVE_INFINITY;
  private int left;
  private int idle;
  private long numbers;
  private int copies;
  private double copySeconds;

  Board(WorkGraph graph, Fleet fleet, double[] work, Forecast forecast) {
    this.graph = graph;
    this.fleet = fleet;
    this.work = work;
    this.forecast = forecast;
    transfers = fleet.transfer(1) > 0;
    int size = graph.size();
    waits = new int[size];
    done = new boolean[size];
    ended = new double[size];
    where = new int[size];
    runs = new Run[size][0];
    on = new Run[fleet.size()];
    left = size;
    idle = fleet.size();
    Arrays.fill(where, NOBODY);
    for (int i = 0; i < size; i++) {
      waits[i] = graph.parents(i);
      if (waits[i] == 0) {
        fresh.add(i);
      }
    }
  }

  double now() {
    return now;
  }

  /// Tasks that have become ready since the last call.
  List<Integer> takeFresh() {
    List<Integer> some = List.copyOf(fresh);
    fresh.clear();
    return some;
  }

  boolean done(int task) {
    return done[task];
  }

  /// When a task was done.
  double ended(int task) {
    return ended[task];
  }

  /// On which machine a task was done.
  int where(int task) {
    return where[task];
  }

  /// Whether all that a task waits for is done.
  boolean ready(int task) {
    return waits[task] == 0 && !done[task];
  }

  /// Attempts at a task that run.
  Run[] runs(int task) {
    return runs[task];
  }

  /// What runs on a machine.
  @org.jspecify.annotations.Nullable
  Run on(int machine) {
    return on[machine];
  }

  int idle() {
    return idle;
  }

  /// Machine seconds spent so far in copies that were not the ones that were done.
  double copySeconds() {
    return copySeconds;
  }

  /// Seconds until the inputs of a ready task are on a machine.
  double travel(int task, int machine) {
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

  /// Starts an attempt now.
  void start(int task, int machine) {
    if (!ready(task) || on[machine] != null) {
      throw new IllegalStateException("task " + task + " cannot start on machine " + machine);
    }
    double travel = travel(task, machine);
    boolean copy = runs[task].length > 0;
    Run run =
        new Run(
            task,
            machine,
            now,
            travel,
            now + travel + work[task] / fleet.speed(machine),
            copy,
            numbers++);
    copies += copy ? 1 : 0;
    runs[task] = Arrays.copyOf(runs[task], runs[task].length + 1);
    runs[task][runs[task].length - 1] = run;
    on[machine] = run;
    idle--;
    next.add(run);
  }

  /// Stops an attempt now; what it did is lost.
  void stop(Run run) {
    runs[run.task] = Arrays.stream(runs[run.task]).filter(r -> r != run).toArray(Run[]::new);
    leave(run, false);
    copySeconds += now - run.start;
  }

  /// Asks to be asked again at a time, even if nothing ends then.
  void wakeAt(double time) {
    if (time > now) {
      wake = Math.min(wake, time);
    }
  }

  private void leave(Run run, boolean won) {
    run.over = true;
    on[run.machine] = null;
    idle++;
    attempts.add(new Attempt(run.task, run.machine, run.start, now, won));
  }

  /// Lets time pass until something ends or somebody asked to be woken.
  ///
  /// @return false if all is done
  boolean pass() {
    while (!next.isEmpty() && next.peek().over) {
      next.remove();
    }
    if (left == 0) {
      return false;
    }
    if (next.isEmpty()) {
      throw new IllegalStateException("nothing runs and " + left + " tasks are left");
    }
    if (wake < next.peek().end) {
      now = wake;
      wake = Double.POSITIVE_INFINITY;
      return true;
    }
    now = next.peek().end;
    while (!next.isEmpty() && next.peek().end <= now) {
      Run run = next.remove();
      if (!run.over) {
        end(run);
      }
    }
    return left > 0;
  }

  private void end(Run run) {
    int i = run.task;
    leave(run, true);
    for (Run other : runs[i]) {
      if (other != run) {
        leave(other, false);
        copySeconds += now - other.start;
      }
    }
    runs[i] = new Run[0];
    done[i] = true;
    ended[i] = now;
    where[i] = run.machine;
    left--;
    forecast.ended(i, work[i]);
    for (int k = 0; k < graph.children(i); k++) {
      int c = graph.child(i, k);
      if (--waits[c] == 0) {
        fresh.add(c);
      }
    }
  }

  Course course() {
    return new Course(attempts, now, copies, copySeconds);
  }
}
