package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// A task of a graph that asks for something.
final class TaskAttempt extends Attempt {
  private final int task;
  private final Object body;

  TaskAttempt(Run run, int task, Object body, Terms terms, long readyNs) {
    super(run, task, terms, run.above, body instanceof Code.Flowing, readyNs);
    this.task = task;
    this.body = body;
  }

  @Override
  String name() {
    return run.graph.names[task];
  }

  @Override
  long cause() {
    return run.state[2 * task + 1];
  }

  @Override
  int nameNumber(@Nullable Worker recorder) {
    return 0; // the graph tells it
  }

  @Override
  boolean dead() {
    return run.stopped() || run.cancelled(task);
  }

  @Override
  Outcome unrun() {
    return run.unrun(task, run.state[2 * task] & Run.BITS);
  }

  @Override
  Scope newScope() {
    return Scope.of(run, task);
  }

  @Override
  @Nullable Context context() {
    return run.context;
  }

  @Override
  @Nullable Object perform(@Nullable Worker worker, Scope within) throws Exception {
    return body instanceof Code.Flowing flowing
        ? flowing.run(run, task, worker, within, run.engine.stock.above(needs, above))
        : Code.perform(body, run, task, worker);
  }

  @Override
  void settle(
      Outcome outcome,
      @Nullable Object value,
      @Nullable Throwable thrown,
      long endNs,
      @Nullable Worker worker) {
    if (outcome == Outcome.DONE) {
      run.set(task, value);
    } else if (thrown != null && outcome != Outcome.CANCELLED) {
      run.fail(task, thrown);
    }
    run.finish(task, outcome, value, endNs, worker);
  }
}
