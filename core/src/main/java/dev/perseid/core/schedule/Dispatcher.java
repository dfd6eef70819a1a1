package dev.perseid.core.schedule;

/// A policy at work on one board.
interface Dispatcher {
  /// Starts what is to start now.
  void decide();

  /// The b-levels of a graph by the medians of a forecast, at the fleet's mean pace.
  static double[] bLevels(Board board) {
    double pace = board.fleet.meanPace();
    double[] length = new double[board.graph.size()];
    for (int i = 0; i < length.length; i++) {
      length[i] = board.forecast.of(i).median() * pace;
    }
    return board.graph.bLevels(length);
  }
}
