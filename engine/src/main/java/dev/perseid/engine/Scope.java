package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// One try of a task, with all that it forks and runs: what is given up together.
final class Scope implements Mortal {
  private static final int FORKED = -1;

  private final Run run;
  private final @Nullable Scope above;
  private final int task;
  private volatile boolean gone;

  private Scope(Run run, @Nullable Scope above, int task) {
    this.run = run;
    this.above = above;
    this.task = task;
  }

  static Scope of(Run run, int task) {
    return new Scope(run, null, task);
  }

  /// @param above the forker's
  static Scope forked(Run run, Scope above) {
    return new Scope(run, above, FORKED);
  }

  void giveUp() {
    gone = true;
  }

  @Override
  public boolean dead() {
    for (Scope s = this; s != null; s = s.above) {
      if (s.gone || (s.task != FORKED && run.cancelled(s.task))) {
        return true;
      }
    }
    return run.stopped();
  }
}
