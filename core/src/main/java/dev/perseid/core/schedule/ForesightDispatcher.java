package dev.perseid.core.schedule;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/// [SchedulingPolicy.Foresight] at work.
///
/// It keeps a plan of the rest, the best of many that a [Rehearsal] tried. What is due starts. When
/// something ended at another time than planned, or is believed to be otherwise, it plans again
/// from how things stand, beginning with the order of the old plan. An idle machine for which the
/// plan has nothing yet takes a *loose* attempt: a ready task that the plan wants to give to a
/// faster machine later, or a copy of a task that runs on a slower one. Such an attempt gives way
/// at once when the plan needs its machine.
final class ForesightDispatcher implements Dispatcher {
  private static final int NOBODY = Rehearsal.NOBODY;

  /// Times that differ by less, as a share of the whole, are the same.
  private static final double SAME = 1e-9;

  /// A copy must be first with this probability.
  private static final double COPY_ODDS = 0.15;

  /// A change moves tasks by the whole of what is left, or down to this many powers of ten less.
  private static final double SCALES = 2.5;

  private static final int MOST_CHANGES = 4;

  private final Board board;
  private final WorkGraph graph;
  private final Fleet fleet;
  private final SchedulingPolicy.Foresight limits;
  private final Rehearsal rehearsal;
  private final Noise noise;
  private final int size;
  private final int machines;
  private double copyLimit;
  private long placements;
  private long edition = -1;
  private boolean first = true;
  private boolean certain;

  /// The plan: an order, where each task goes, and when.
  private double[] key;

  private int[] pin;
  private final double[] start;
  private final double[] finish;
  private final int[] where;
  private final boolean[] seenDone;
  private final boolean[] looseRun;
  private final List<List<Integer>> lines = new ArrayList<>();
  private final int[] next;
  private double span;

  ForesightDispatcher(Board board, SchedulingPolicy.Foresight limits) {
    this.board = board;
    this.limits = limits;
    graph = board.graph;
    fleet = board.fleet;
    size = graph.size();
    machines = fleet.size();
    rehearsal = new Rehearsal(graph, fleet);
    noise = new Noise(size);
    placements = limits.placements();
    start = new double[size];
    finish = new double[size];
    where = new int[size];
    seenDone = new boolean[size];
    looseRun = new boolean[machines];
    next = new int[machines];
    key = new double[size];
    pin = new int[size];
    Arrays.fill(pin, NOBODY);
    for (int m = 0; m < machines; m++) {
      lines.add(new ArrayList<>());
    }
  }

  @Override
  public void decide() {
    board.takeFresh();
    if (first || !asPlanned()) {
      plan();
    }
    startDue();
    if (!certain && limits.copyShare() > 0) {
      startLoose();
    }
  }

  /// Whether all went as planned since the last decision.
  private boolean asPlanned() {
    if (edition != board.forecast.edition()) {
      return false;
    }
    double slack = span * SAME;
    boolean same = true;
    for (int i = 0; i < size; i++) {
      if (board.done(i) && !seenDone[i]) {
        seenDone[i] = true;
        same &= Math.abs(board.ended(i) - finish[i]) <= slack;
      } else if (!board.done(i) && board.runs(i).length > 0) {
        same &= finish[i] >= board.now() - slack;
      }
    }
    return same;
  }

  /// When an attempt is expected to end.
  private double expected(Board.Run run) {
    Estimate e = board.forecast.of(run.task);
    double v = fleet.speed(run.machine);
    double passed = Math.max(0, board.now() - run.start - run.travel);
    return Math.max(board.now(), run.start + run.travel)
        + e.left(passed * v, limits.quantile()) / v;
  }

  /// Work that an attempt has shown a task to have at least.
  private double shown(int task) {
    double most = 0;
    for (Board.Run run : board.runs(task)) {
      most = Math.max(most, (board.now() - run.start - run.travel) * fleet.speed(run.machine));
    }
    return most;
  }

  private void plan() {
    edition = board.forecast.edition();
    double now = board.now();
    Arrays.fill(rehearsal.free, now);
    certain = true;
    int open = 0;
    double all = 0;
    for (int i = 0; i < size; i++) {
      rehearsal.goesOn[i] = Double.POSITIVE_INFINITY;
      rehearsal.settled[i] = board.done(i);
      if (board.done(i)) {
        seenDone[i] = true;
        rehearsal.finish[i] = board.ended(i);
        rehearsal.where[i] = board.where(i);
        all += board.forecast.of(i).median();
        continue;
      }
      open++;
      Estimate e = board.forecast.of(i);
      all += e.median();
      certain &= e.spread() < Estimate.CERTAIN;
      Board.Run[] runs = board.runs(i);
      if (runs.length == 0) {
        rehearsal.work[i] = e.quantile(limits.quantile());
        continue;
      }
      double shown = shown(i);
      rehearsal.work[i] = shown + e.left(shown, limits.quantile());
      Board.Run main = runs[0];
      for (Board.Run run : runs) {
        if (expected(run) < expected(main)) {
          main = run;
        }
      }
      double end = expected(main);
      if (looseRun[main.machine]) {
        rehearsal.goesOn[i] = end;
        rehearsal.runsOn[i] = main.machine;
      } else {
        rehearsal.free[main.machine] = end;
        rehearsal.settled[i] = true;
        rehearsal.finish[i] = end;
        rehearsal.where[i] = main.machine;
      }
      for (Board.Run run : runs) {
        if (run != main) {
          looseRun[run.machine] = true;
        }
      }
    }
    copyLimit = limits.copyShare() * all * fleet.meanPace();
    search(open);
    first = false;
  }

  private void search(int open) {
    long most = first && certain ? limits.plans() : limits.plansAgain();
    long plans = Math.max(1, Math.min(most, placements / Math.max(1, open)));
    double bound = 0;
    if (first && certain) {
      bound = LowerBound.of(graph, rehearsal.work, fleet) * (1 + SAME);
    }
    double best = Double.POSITIVE_INFINITY;
    double[] bestKey = key;
    int[] bestPin = pin;
    List<double[]> candidates = new ArrayList<>();
    double pace = fleet.meanPace();
    double[] length = new double[size];
    for (int i = 0; i < size; i++) {
      length[i] = rehearsal.settled[i] ? 0 : rehearsal.work[i] * pace;
    }
    double[] level = graph.bLevels(length);
    candidates.add(negative(level, length, 0));
    boolean old = certain && !first;
    if (old) {
      candidates.add(key);
    }
    candidates.add(negative(level, length, -0.5));
    candidates.add(negative(level, length, 1));
    int[] none = new int[size];
    Arrays.fill(none, NOBODY);
    long made = 0;
    for (double[] candidate : candidates) {
      if (made >= plans) {
        break;
      }
      int[] pins = old && made == 1 ? pin : none;
      double end = play(candidate, pins);
      made++;
      if (end < best) {
        best = end;
        bestKey = candidate;
        bestPin = pins;
        keep();
      }
    }
    while (made < plans && best > bound) {
      double[] tried = start.clone();
      int[] pins = vary(tried, bestPin, best - board.now());
      double end = play(tried, pins);
      made++;
      if (end <= best) {
        best = end;
        bestKey = tried;
        bestPin = pins;
        keep();
      }
    }
    placements -= made * open;
    key = bestKey.clone();
    for (int i = 0; i < size; i++) {
      if (!board.done(i)) {
        key[i] = start[i];
      }
    }
    pin = bestPin;
    span = Math.max(best, SAME);
    line();
  }

  /// Changes an order a little: all of it, or where and when a few tasks go.
  ///
  /// @return where tasks must go
  private int[] vary(double[] order, int[] pins, double rest) {
    double reach = Math.max(SAME, rest) * Math.pow(10, -SCALES * noise.even());
    int style = noise.below(4);
    if (style == 0) {
      for (int i = 0; i < size; i++) {
        order[i] += reach * (noise.even() - 0.5);
      }
      return pins;
    }
    int[] changed = pins.clone();
    int changes = 1 + noise.below(MOST_CHANGES);
    for (int c = 0; c < changes; c++) {
      int i = noise.below(size);
      switch (style) {
        case 1 -> order[i] += 4 * reach * (noise.even() - 0.5);
        case 2 -> changed[i] = noise.below(machines);
        default -> {
          changed[i] = NOBODY;
          order[i] += reach * (noise.even() - 0.5);
        }
      }
    }
    return changed;
  }

  /// Keys for a rehearsal: the long ways first, or the tasks that end a long way first, or in
  /// between.
  private static double[] negative(double[] level, double[] length, double share) {
    double[] key = new double[level.length];
    for (int i = 0; i < key.length; i++) {
      key[i] = -(level[i] + share * length[i]);
    }
    return key;
  }

  private double play(double[] by, int[] pins) {
    System.arraycopy(pins, 0, rehearsal.pin, 0, size);
    return rehearsal.play(by);
  }

  private void keep() {
    System.arraycopy(rehearsal.start, 0, start, 0, size);
    System.arraycopy(rehearsal.finish, 0, finish, 0, size);
    System.arraycopy(rehearsal.where, 0, where, 0, size);
  }

  /// Puts what is still to start into the lines of the machines.
  private void line() {
    for (int m = 0; m < machines; m++) {
      lines.get(m).clear();
      next[m] = 0;
    }
    int[] byStart =
        IntStream.range(0, size)
            .filter(i ->
                !board.done(i)
                    && (board.runs(i).length == 0
                        || rehearsal.goesOn[i] < Double.POSITIVE_INFINITY))
            .boxed()
            .sorted((a, b) -> {
              int x = Double.compare(start[a], start[b]);
              return x != 0 ? x : Double.compare(finish[a], finish[b]);
            })
            .mapToInt(i -> i)
            .toArray();
    for (int i : byStart) {
      lines.get(where[i]).add(i);
    }
  }

  private void startDue() {
    double due = board.now() + span * SAME;
    for (int m = 0; m < machines; m++) {
      List<Integer> mine = lines.get(m);
      while (next[m] < mine.size() && board.done(mine.get(next[m]))) {
        next[m]++;
      }
      if (next[m] >= mine.size()) {
        continue;
      }
      int i = mine.get(next[m]);
      Board.Run there = board.on(m);
      if (start[i] > due || !board.ready(i) || (there != null && !looseRun[m])) {
        continue;
      }
      next[m]++;
      if (there != null && there.task == i) {
        looseRun[m] = false;
        continue;
      }
      if (there != null) {
        board.stop(there);
      }
      for (Board.Run run : board.runs(i)) {
        looseRun[run.machine] = true;
      }
      looseRun[m] = false;
      board.start(i, m);
    }
  }

  /// Gives idle machines something that may turn out to be good.
  private void startLoose() {
    for (int f = 0; f < machines && board.copySeconds() < copyLimit; f++) {
      int m = fleet.fastest(f);
      if (board.on(m) != null) {
        continue;
      }
      int best = NOBODY;
      double longest = 0;
      for (int i = 0; i < size; i++) {
        if (!board.ready(i)) {
          continue;
        }
        Board.Run[] runs = board.runs(i);
        if (runs.length > 1 || (runs.length == 1 && odds(i, runs[0], m) < COPY_ODDS)) {
          continue;
        }
        if (best == NOBODY || finish[i] > longest) {
          best = i;
          longest = finish[i];
        }
      }
      if (best == NOBODY) {
        continue;
      }
      looseRun[m] = true;
      board.start(best, m);
    }
  }

  /// The probability that a copy on a machine is done before the attempt that runs.
  private double odds(int task, Board.Run run, int machine) {
    double v = fleet.speed(machine);
    double old = fleet.speed(run.machine);
    if (v <= old) {
      return 0;
    }
    Estimate e = board.forecast.of(task);
    if (e.spread() < Estimate.CERTAIN) {
      return 0;
    }
    double passed = Math.max(0, board.now() - run.start - run.travel);
    double needed = (passed + board.travel(task, machine)) * old * v / (v - old);
    double has =
        1 - Normal.below(Math.log(Math.max(1e-12, passed * old) / e.median()) / e.spread());
    double wins = 1 - Normal.below(Math.log(Math.max(1e-12, needed) / e.median()) / e.spread());
    return has < 1e-9 ? old / v : wins / has;
  }
}
