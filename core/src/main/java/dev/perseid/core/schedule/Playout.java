package dev.perseid.core.schedule;

/// Plays a graph on a fleet under a policy, in simulated time: the policy sees estimates and what
/// has ended, never the true work.
public final class Playout {
  private Playout() {}

  /// Plays.
  ///
  /// @param work the true work of each task, seconds at speed 1, more than 0
  /// @param forecast what the policy is told of it; learns what ends
  public static Course run(
      WorkGraph graph, Fleet fleet, double[] work, Forecast forecast, SchedulingPolicy policy) {
    Board board = new Board(graph, fleet, work, forecast);
    if (graph.size() == 0) {
      return board.course();
    }
    Dispatcher dispatcher =
        switch (policy) {
          case SchedulingPolicy.Fifo f -> QueueDispatcher.fifo(board);
          case SchedulingPolicy.BLevel b -> QueueDispatcher.bLevel(board);
          case SchedulingPolicy.Heft h -> new StaticDispatcher(board);
          case SchedulingPolicy.DynamicHeft d -> new DynamicDispatcher(board);
          case SchedulingPolicy.Foresight f ->
              graph.size() > SchedulingPolicy.Foresight.TASKS_AT_MOST
                  ? new DynamicDispatcher(board)
                  : new ForesightDispatcher(board, f);
        };
    do {
      dispatcher.decide();
    } while (board.pass());
    return board.course();
  }
}
