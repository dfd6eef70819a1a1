package dev.perseid.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// A task with a flow: one of a graph, or one that was forked.
final class Branch<T extends @Nullable Object> implements Flow, Fork<T>, Work, Awaited {
  private final Run run;
  private final @Nullable Branch<?> parent;
  final long id;
  final String name;
  private final FlowBody<T> body;
  private final int above; // the highest rank of what is held by it, and by those that wait for it
  final @Nullable Context context;
  long readyNs;

  // The thread on which it runs, while it does.
  private @Nullable Worker worker;
  private @Nullable Thread thread;
  private @Nullable Scope scope;
  private @Nullable Branch<?> lastFork;
  // Siblings: the one that was forked before, while its end was not seen.
  private @Nullable Branch<?> earlier;
  private boolean joined;

  // What waits for its place, if it runs apart; how many such lie below it on its thread's stack.
  private @Nullable Attempt waiting;
  private int depth;

  private @Nullable Object value;
  private @Nullable RunFailure failure;
  private volatile boolean done;
  private volatile @Nullable Thread waiter;

  /// A task of a graph.
  Branch(Run run, int id, FlowBody<T> body, int above) {
    this.run = run;
    this.parent = null;
    this.id = id;
    this.name = run.graph.names[id];
    this.body = body;
    this.above = above;
    this.context = run.context;
  }

  private Branch(
      Branch<?> parent, String name, FlowBody<T> body, int above, @Nullable Context context) {
    this.run = parent.run;
    this.parent = parent;
    this.id = run.nextId(parent.worker);
    this.name = name;
    this.body = body;
    this.above = above;
    this.context = context;
    this.readyNs = run.clock();
  }

  long parentId() {
    return parent == null ? -1 : parent.id;
  }

  /// Runs its code; returns when all that was forked has ended.
  ///
  /// @param within what is given up together with it
  @Nullable Object perform(@Nullable Worker here, Scope within) throws Exception {
    worker = here;
    thread = Thread.currentThread();
    scope = within;
    Throwable thrown = null;
    Object result = null;
    try {
      result = body.run(this);
    } catch (Throwable e) {
      thrown = e;
    }
    RunFailure forked = null;
    for (Branch<?> fork = lastFork; fork != null; fork = fork.earlier) {
      if (!fork.joined) {
        fork.await();
        if (fork.failure != null && forked == null) {
          forked = fork.failure;
        }
      }
    }
    lastFork = null;
    thread = null;
    if (thrown instanceof Exception e) {
      throw e;
    }
    if (thrown instanceof Error e) {
      throw e;
    }
    if (forked != null) {
      throw forked;
    }
    return result;
  }

  @Override
  public void execute(Worker here) {
    here.enter(forkerScope());
    try {
      if (context == null) {
        execute(here, here);
      } else {
        here.inContext(
            context,
            () -> {
              execute(here, here);
              return null;
            });
      }
    } catch (Exception e) {
      failure = failure(e);
    }
    finish();
  }

  private Scope forkerScope() {
    return Objects.requireNonNull(Objects.requireNonNull(parent).scope);
  }

  /// It was forked on terms, and has ended for good.
  @SuppressWarnings("unchecked")
  void settle(Outcome outcome, @Nullable Object result, @Nullable Throwable thrown) {
    if (thrown != null) {
      failure = failure(thrown);
    } else if (outcome == Outcome.DONE) {
      value = result;
    } else {
      failure = unbegun();
    }
    finish();
  }

  private RunFailure unbegun() {
    return new RunFailure("task '" + name + "' was cancelled before it began", List.of());
  }

  private void finish() {
    done = true;
    Thread waits = waiter;
    if (waits instanceof Worker w) {
      w.nudge();
    } else if (waits != null) {
      LockSupport.unpark(waits);
    }
  }

  private void execute(@Nullable Worker here, @Nullable Worker recorder) throws RunFailure {
    Scope within = forkerScope();
    long startNs = run.clock();
    Outcome outcome = Outcome.DONE;
    RunFailure thrown = null;
    if (within.dead()) {
      outcome = Outcome.CANCELLED;
      thrown = unbegun();
    } else {
      try {
        value = perform(here, within);
      } catch (Throwable e) {
        outcome = within.dead() && Run.isInterrupt(e) ? Outcome.CANCELLED : Outcome.FAILED;
        thrown = failure(e);
      }
    }
    int marks = Marks.of(outcome, 1) | Marks.NAMED;
    run.record(
        recorder,
        id,
        parentId(),
        readyNs,
        startNs,
        run.clock(),
        marks,
        0,
        run.name(recorder, name));
    if (thrown != null) {
      throw thrown;
    }
  }

  /// What went wrong as seen from the run: what a fork has told already is told on.
  RunFailure failure(Throwable e) {
    if (e instanceof RunFailure told) {
      return told;
    }
    Failure failed = new Failure(name, id, path(), e);
    return new RunFailure(failed.toString(), List.of(failed));
  }

  private List<String> path() {
    List<String> names = new ArrayList<>();
    Branch<?> last = this;
    for (Branch<?> at = this; at != null && names.size() < Limits.PATH; at = at.parent) {
      names.add(at.name);
      last = at;
    }
    Collections.reverse(names);
    if (last.parent == null && last.id < run.graph.size()) {
      List<String> whole = new ArrayList<>(run.path((int) last.id));
      whole.removeLast();
      whole.addAll(names);
      return whole;
    }
    return names;
  }

  private void checkThread(String what) {
    if (thread != Thread.currentThread()) {
      throw new IllegalStateException(
          "only task '" + name + "' itself may " + what + ", while it runs");
    }
  }

  @Override
  public <U extends @Nullable Object> Fork<U> fork(String forkName, FlowBody<U> code) {
    if (above != Stock.NOTHING) { // no worker of its own, as it may wait
      return fork(forkName, Terms.usual(), code, true);
    }
    checkThread("fork");
    Branch<U> fork = new Branch<>(this, forkName, code, above, here());
    add(fork);
    run.engine.submit(fork, worker);
    return fork;
  }

  @Override
  public <U extends @Nullable Object> Fork<U> fork(
      String forkName, UnaryOperator<Terms> terms, FlowBody<U> code) {
    return fork(forkName, terms.apply(Terms.usual()), code, true);
  }

  @Override
  public <U extends @Nullable Object> Fork<U> fork(
      String forkName, UnaryOperator<Terms> terms, Callable<U> code) {
    return fork(forkName, terms.apply(Terms.usual()), _ -> code.call(), false);
  }

  private <U extends @Nullable Object> Fork<U> fork(
      String forkName, Terms terms, FlowBody<U> code, boolean waits) {
    checkThread("fork");
    Map<String, Long> needs = Attempt.needs(terms);
    run.engine.stock.check(forkName, needs, above);
    if (waits) {
      terms.checkWaiting(forkName);
    }
    int within = run.engine.stock.above(needs, above);
    Branch<U> fork = new Branch<>(this, forkName, code, within, here());
    add(fork);
    ForkAttempt attempt =
        new ForkAttempt(run, fork, Objects.requireNonNull(scope), above, terms, waits);
    fork.waiting = attempt.apart ? attempt : null;
    attempt.admit(worker);
    return fork;
  }

  private void add(Branch<?> fork) {
    fork.earlier = lastFork;
    lastFork = fork;
  }

  private @Nullable Context here() {
    List<ScopedValue<?>> keys = run.engine.config.carried();
    return keys.isEmpty() ? null : Context.here(keys, context);
  }

  @Override
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where the type allows it
  public <U extends @Nullable Object> U call(String callName, FlowBody<U> code) throws RunFailure {
    checkThread("call");
    Branch<U> one = new Branch<>(this, callName, code, above, context);
    one.depth = depth;
    one.execute(worker, worker);
    return (U) one.value;
  }

  @Override
  public Run run(Graph graph) throws RunFailure {
    checkThread("run a graph");
    Engine.Origin by = new Engine.Origin(run, id, Objects.requireNonNull(scope), above, worker);
    Run nested = run.engine.start(graph, run.trace, by);
    if (worker != null) {
      worker.help(nested);
      return nested.join();
    }
    String lent = lendPlace();
    try {
      return nested.await();
    } finally {
      run.engine.stock.takePlaceBack(lent);
    }
  }

  private String lendPlace() {
    String kind = Attempt.PLACE.get().kind();
    run.engine.stock.lendPlace(kind).forEach(Attempt::granted);
    return kind;
  }

  @Override
  public boolean cancelled() {
    Scope within = scope;
    return within == null || within.dead() || Thread.currentThread().isInterrupted();
  }

  @Override
  public String trace() {
    return run.trace;
  }

  @Override
  public boolean isDone() {
    return done;
  }

  @Override
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where the type allows it
  public T join() throws RunFailure {
    Branch<?> forker = parent;
    if (forker == null || forker.thread != Thread.currentThread()) {
      throw new IllegalStateException(
          "only the task that forked '" + name + "' may wait for it, while it runs itself");
    }
    await();
    joined = true;
    RunFailure failed = failure;
    if (failed != null) {
      throw failed;
    }
    return (T) value;
  }

  private void await() {
    if (done) {
      return;
    }
    waiter = Thread.currentThread();
    Branch<?> forker = parent;
    Worker helper = forker == null ? null : forker.worker;
    if (helper != null) {
      helper.help(this);
      return;
    }
    boolean interrupted = Thread.interrupted();
    Attempt mine = waiting;
    if (mine != null
        && forker != null
        && forker.depth < Limits.NESTED
        && run.engine.stock.withdraw(mine)) {
      depth = forker.depth + 1;
      mine.executeHere();
      interrupted |= forker.cancelled(); // what came meanwhile was not for it
    }
    if (!done) {
      String lent = lendPlace();
      while (!done) {
        LockSupport.park(this);
        interrupted |= Thread.interrupted();
      }
      run.engine.stock.takePlaceBack(lent);
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
