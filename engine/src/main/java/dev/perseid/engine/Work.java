package dev.perseid.engine;

/// Something that a worker runs and that is not a plain task of a graph.
interface Work {
  void execute(Worker worker);
}
