package dev.perseid.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// A task with a flow: one of a graph, or one that was forked.
final class Branch<T extends @Nullable Object> implements Flow, Fork<T>, Work, Awaited {
  private final Run run;
  private final @Nullable Branch<?> parent;
  private final long id;
  private final String name;
  private final @Nullable FlowBody<T> body;
  long readyNs;

  // The thread on which it runs, while it does.
  private @Nullable Worker worker;
  private @Nullable Thread thread;
  private @Nullable Branch<?> lastFork;
  // Siblings: the one that was forked before, while its end was not seen.
  private @Nullable Branch<?> earlier;
  private boolean joined;

  private @Nullable Object value;
  private @Nullable RunFailure failure;
  private volatile boolean done;
  private volatile @Nullable Thread waiter;

  Branch(Run run, @Nullable Branch<?> parent, long id, String name, @Nullable FlowBody<T> body) {
    this.run = run;
    this.parent = parent;
    this.id = id;
    this.name = name;
    this.body = body;
  }

  /// Runs code with this as its flow; returns when all that was forked has ended.
  @Nullable Object perform(FlowBody<?> code, @Nullable Worker here) throws Exception {
    worker = here;
    thread = Thread.currentThread();
    Throwable thrown = null;
    Object result = null;
    try {
      result = code.run(this);
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
    try {
      execute(here, here);
    } catch (RunFailure e) {
      failure = e;
    }
    finish();
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
    FlowBody<T> code = body;
    if (code == null) {
      throw new IllegalStateException("a task of a graph is not forked");
    }
    long parentId = parent == null ? -1 : parent.id;
    long startNs = run.clock();
    Outcome outcome = Outcome.DONE;
    RunFailure thrown = null;
    if (run.stopped()) {
      outcome = Outcome.CANCELLED;
      thrown = new RunFailure("task '" + name + "' was cancelled before it began", List.of());
    } else {
      try {
        value = perform(code, here);
      } catch (Throwable e) {
        outcome = run.outcomeOf(e);
        thrown = failure(e);
      }
    }
    int marks = Marks.of(outcome, 1) | Marks.NAMED;
    run.record(
        recorder, id, parentId, readyNs, startNs, run.clock(), marks, 0, run.name(recorder, name));
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
    checkThread("fork");
    Branch<U> fork = new Branch<>(run, this, run.nextId(worker), forkName, code);
    fork.readyNs = run.clock();
    fork.earlier = lastFork;
    lastFork = fork;
    run.engine.submit(fork, worker);
    return fork;
  }

  @Override
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where the type allows it
  public <U extends @Nullable Object> U call(String callName, FlowBody<U> code) throws RunFailure {
    checkThread("call");
    Branch<U> one = new Branch<>(run, this, run.nextId(worker), callName, code);
    one.readyNs = run.clock();
    one.execute(worker, worker);
    return (U) one.value;
  }

  @Override
  public Run run(Graph graph) throws RunFailure {
    checkThread("run a graph");
    Run nested = run.engine.start(graph, run.trace, run, id, worker);
    if (worker != null) {
      worker.help(nested);
    }
    nested.join();
    return nested;
  }

  @Override
  public boolean cancelled() {
    return run.stopped() || Thread.currentThread().isInterrupted();
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
    boolean interrupted = false;
    while (!done) {
      LockSupport.park(this);
      interrupted |= Thread.interrupted();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
