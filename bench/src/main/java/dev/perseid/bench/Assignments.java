package dev.perseid.bench;

import dev.perseid.core.schedule.Switchboard;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.PriorityQueue;

/// How many placements a second the scheduler's [Switchboard] makes, on one thread, with everything
/// ready at once; and how many where fewer tasks than machines are left, so that tasks may wait for
/// busy machines.
final class Assignments {
  private static final int CONSUMERS = 100;
  private static final int LONGEST_S = 1_000;
  private static final double STEPS = 1_000;
  private static final double SLOWEST = 0.25;
  private static final double RANGE = 16;

  private final Printout report;
  private final int tasks;
  private final int providers;
  private final int rounds;

  /// What one round came to.
  private record Round(double addPerSecond, double deepPerSecond, double tailPerSecond) {}

  private record Running(double end, int machine) implements Comparable<Running> {
    @Override
    public int compareTo(Running o) {
      int x = Double.compare(end, o.end);
      return x != 0 ? x : Integer.compare(machine, o.machine);
    }
  }

  Assignments(Printout report, int tasks, int providers, int rounds) {
    this.report = report;
    this.tasks = tasks;
    this.providers = providers;
    this.rounds = rounds;
  }

  void run(Path home) throws IOException {
    Host host = Host.now();
    round(Math.min(tasks, 100_000));
    Table table =
        new Table(
            "round",
            ">added/s",
            ">placed/s",
            ">ns a placement",
            ">placed/s, fewer tasks than machines");
    for (int i = 1; i <= rounds; i++) {
      Round r = round(tasks);
      table.row(
          i,
          count(r.addPerSecond),
          count(r.deepPerSecond),
          count(1e9 / r.deepPerSecond),
          count(r.tailPerSecond));
    }
    report.say(
        tasks
            + " ready tasks of "
            + CONSUMERS
            + " consumers, "
            + providers
            + " providers of uneven speed, one thread");
    report.table(table);
    report.say(host.state(home));
  }

  private static String count(double value) {
    return String.format(Locale.ROOT, "%,.0f", value);
  }

  /// A number that looks drawn, from 0 to `bound - 1`.
  private static int draw(long seed, int bound) {
    long z = (seed + 1) * 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return (int) Math.unsignedMultiplyHigh(z ^ (z >>> 31), bound);
  }

  private Round round(int count) {
    Switchboard board = new Switchboard();
    for (int m = 0; m < providers; m++) {
      board.machine(SLOWEST * Math.pow(RANGE, draw(m, 1_000) / STEPS), draw(m + 7, 10));
    }
    for (int c = 0; c < CONSUMERS; c++) {
      board.consumer(1 + draw(c, 5));
    }
    long from = System.nanoTime();
    for (int i = 0; i < count; i++) {
      double work = 1 + draw(i, LONGEST_S);
      board.add(
          new Switchboard.Ready(
              i,
              draw(i + 3L, CONSUMERS),
              draw(i + 5L, 3),
              Double.POSITIVE_INFINITY,
              work * (1 + draw(i + 9L, 10)),
              work,
              0.01,
              draw(i + 11L, 2) == 0 ? draw(i + 13L, providers) : Switchboard.NOWHERE,
              draw(i + 17L, 5)));
    }
    long added = System.nanoTime();
    PriorityQueue<Running> running = new PriorityQueue<>();
    double now = 0;
    int placed = 0;
    while (board.ready() >= providers) {
      placed += place(board, running, now);
      now = free(board, running);
    }
    long deep = System.nanoTime();
    int late = 0;
    while (board.ready() > 0) {
      late += place(board, running, now);
      now = running.isEmpty() ? now : free(board, running);
    }
    long end = System.nanoTime();
    return new Round(
        count / ((added - from) / 1e9),
        placed / ((deep - added) / 1e9),
        late / ((end - deep) / 1e9));
  }

  private static int place(Switchboard board, PriorityQueue<Running> running, double now) {
    int placed = 0;
    for (Optional<Switchboard.Placement> p = board.next(now); p.isPresent(); p = board.next(now)) {
      running.add(new Running(p.get().end(), p.get().machine()));
      placed++;
    }
    return placed;
  }

  private static double free(Switchboard board, PriorityQueue<Running> running) {
    Running first = running.remove();
    board.freed(first.machine);
    return first.end;
  }
}
