package dev.perseid.core.schedule;

import java.util.PriorityQueue;

/// Gives the first of the ready tasks to the fastest idle machine.
final class QueueDispatcher implements Dispatcher {
  private record Waiting(double key, int number, int task) implements Comparable<Waiting> {
    @Override
    public int compareTo(Waiting o) {
      int x = Double.compare(key, o.key);
      return x != 0 ? x : Integer.compare(number, o.number);
    }
  }

  private final Board board;
  private final boolean longestFirst;
  private PriorityQueue<Waiting> queue = new PriorityQueue<>();
  private double[] level;
  private long edition;
  private int numbers;

  private QueueDispatcher(Board board, boolean longestFirst) {
    this.board = board;
    this.longestFirst = longestFirst;
    edition = board.forecast.edition();
    level = longestFirst ? Dispatcher.bLevels(board) : new double[board.graph.size()];
  }

  static QueueDispatcher fifo(Board board) {
    return new QueueDispatcher(board, false);
  }

  static QueueDispatcher bLevel(Board board) {
    return new QueueDispatcher(board, true);
  }

  @Override
  public void decide() {
    if (longestFirst && edition != board.forecast.edition()) {
      edition = board.forecast.edition();
      level = Dispatcher.bLevels(board);
      PriorityQueue<Waiting> again = new PriorityQueue<>();
      queue.forEach(w -> again.add(new Waiting(-level[w.task], w.number, w.task)));
      queue = again;
    }
    for (int task : board.takeFresh()) {
      queue.add(new Waiting(-level[task], numbers++, task));
    }
    for (int f = 0; f < board.fleet.size() && !queue.isEmpty() && board.idle() > 0; f++) {
      int machine = board.fleet.fastest(f);
      if (board.on(machine) == null) {
        board.start(queue.remove().task, machine);
      }
    }
  }
}
