package dev.perseid.engine;

/// A plain task that became ready outside of the workers.
record Step(Run run, int id, long readyNs) implements Work {
  @Override
  public void execute(Worker worker) {
    worker.follow(run, id, readyNs);
  }
}
