package dev.perseid.core.schedule;

import java.util.Arrays;
import java.util.Iterator;
import java.util.SortedSet;
import java.util.TreeSet;

/// HEFT that plans again whenever something ended: ready tasks by falling b-level, each to the
/// machine, idle or busy, on which it ends first by the estimates; what falls on an idle machine
/// starts, the others stay free to choose again.
final class DynamicDispatcher implements Dispatcher {
  private final Board board;
  private SortedSet<Integer> ready;
  private double[] level;
  private long edition;

  DynamicDispatcher(Board board) {
    this.board = board;
    edition = board.forecast.edition();
    level = Dispatcher.bLevels(board);
    ready = ordered();
  }

  private SortedSet<Integer> ordered() {
    double[] by = level;
    return new TreeSet<>((a, b) -> {
      int x = Double.compare(by[b], by[a]);
      return x != 0 ? x : Integer.compare(a, b);
    });
  }

  @Override
  public void decide() {
    if (edition != board.forecast.edition()) {
      edition = board.forecast.edition();
      level = Dispatcher.bLevels(board);
      SortedSet<Integer> again = ordered();
      again.addAll(ready);
      ready = again;
    }
    ready.addAll(board.takeFresh());
    int machines = board.fleet.size();
    double now = board.now();
    double[] free = new double[machines];
    Arrays.fill(free, now);
    for (int m = 0; m < machines; m++) {
      Board.Run run = board.on(m);
      if (run != null) {
        double end =
            run.start + run.travel + board.forecast.of(run.task).median() / board.fleet.speed(m);
        free[m] = Math.max(now, end);
      }
    }
    Iterator<Integer> tasks = ready.iterator();
    while (board.idle() > 0 && tasks.hasNext()) {
      int i = tasks.next();
      double work = board.forecast.of(i).median();
      int best = -1;
      double first = Double.POSITIVE_INFINITY;
      for (int f = 0; f < machines; f++) {
        int m = board.fleet.fastest(f);
        double end = free[m] + board.travel(i, m) + work / board.fleet.speed(m);
        if (end < first) {
          first = end;
          best = m;
        }
      }
      if (board.on(best) == null && free[best] <= now) {
        board.start(i, best);
        tasks.remove();
      }
      free[best] = first;
    }
  }
}
