package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// A forked task that asks for something.
final class ForkAttempt extends Attempt {
  private final Branch<?> branch;
  private final Scope forker;

  ForkAttempt(
      Run run, Branch<?> branch, Scope forker, int above, Terms terms, boolean startsOthers) {
    super(run, branch.id, terms, above, startsOthers, branch.readyNs);
    this.branch = branch;
    this.forker = forker;
  }

  @Override
  String name() {
    return branch.name;
  }

  @Override
  long cause() {
    return branch.parentId();
  }

  @Override
  int nameNumber(@Nullable Worker recorder) {
    return run.name(recorder, branch.name);
  }

  @Override
  boolean dead() {
    return forker.dead();
  }

  @Override
  Outcome unrun() {
    return dead() ? Outcome.CANCELLED : Outcome.DONE;
  }

  @Override
  Scope newScope() {
    return Scope.forked(run, forker);
  }

  @Override
  @Nullable Context context() {
    return branch.context;
  }

  @Override
  @Nullable Object perform(@Nullable Worker worker, Scope within) throws Exception {
    return branch.perform(worker, within);
  }

  @Override
  void settle(
      Outcome outcome,
      @Nullable Object value,
      @Nullable Throwable thrown,
      long endNs,
      @Nullable Worker worker) {
    branch.settle(outcome, value, thrown);
  }
}
