package dev.perseid.core.schedule;

import java.util.Arrays;

/// HEFT (Topcuoglu, Hariri, Wu 2002): plans all at the begin, tasks by falling b-level, each into
/// the gap in which it ends first; then keeps to machine and order, whatever happens.
final class StaticDispatcher implements Dispatcher {
  private final Board board;
  private final int[][] line;
  private final int[] next;

  StaticDispatcher(Board board) {
    this.board = board;
    int size = board.graph.size();
    int machines = board.fleet.size();
    Rehearsal rehearsal = new Rehearsal(board.graph, board.fleet);
    double[] level = Dispatcher.bLevels(board);
    for (int i = 0; i < size; i++) {
      rehearsal.work[i] = board.forecast.of(i).median();
      level[i] = -level[i];
    }
    rehearsal.play(level);
    line = new int[machines][];
    for (int m = 0; m < machines; m++) {
      int at = m;
      line[m] =
          java.util.stream.IntStream.range(0, size)
              .filter(i -> rehearsal.where[i] == at)
              .boxed()
              .sorted((a, b) -> Double.compare(rehearsal.start[a], rehearsal.start[b]))
              .mapToInt(i -> i)
              .toArray();
    }
    next = new int[machines];
    Arrays.fill(next, 0);
  }

  @Override
  public void decide() {
    for (int m = 0; m < line.length; m++) {
      if (board.on(m) == null && next[m] < line[m].length && board.ready(line[m][next[m]])) {
        board.start(line[m][next[m]++], m);
      }
    }
  }
}
