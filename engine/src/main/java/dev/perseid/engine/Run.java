package dev.perseid.engine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.channels.ClosedByInterruptException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One run of a [Graph]. It has ended when all its tasks, and all that they started, have ended;
/// every one of them has left its record by then.
public final class Run implements Awaited, Mortal {
  /// In a task's state: how many it still waits for, and what is known of those that ended.
  static final int COUNT = (1 << 27) - 1;

  static final int CANCELLED = 1 << 27;
  static final int MET = 1 << 28;
  static final int LEFT_OUT = 1 << 29;
  static final int POISONED = 1 << 30;
  static final int BITS = CANCELLED | MET | LEFT_OUT | POISONED;
  private static final VarHandle STATE = MethodHandles.arrayElementVarHandle(int[].class);

  final Engine engine;
  final Graph graph;
  final long number;
  final String trace;
  final long parentRun;
  final long parentTask;
  private final @Nullable Scope under;

  /// The highest rank of what those hold who wait for it, or [Stock#NOTHING].
  final int above;

  /// Whether its flows have threads of their own, because somebody who waits for it holds
  /// something.
  final boolean apart;

  final @Nullable Context context;
  int slot;
  long startedNs;

  /// Two words a task: its state, and which task's end made it ready (-1: none).
  final int[] state;

  final @Nullable Object @Nullable [] values;
  private final AtomicInteger left;
  private final AtomicLong ids;
  private final AtomicInteger failureCount = new AtomicInteger();
  private final List<Failure> failures = new ArrayList<>(); // guarded by itself
  final Set<Attempt> attempts = ConcurrentHashMap.newKeySet();
  private final CountDownLatch ended = new CountDownLatch(1);
  private @Nullable RecordFailure unrecorded; // set before it ends
  private volatile boolean stop;
  private volatile boolean cancelledByUser;
  private volatile boolean done;
  final @Nullable Worker waiter;

  /// @param by the task that starts it, if one does
  Run(Engine engine, Graph graph, long number, String trace, Engine.@Nullable Origin by) {
    this.engine = engine;
    this.graph = graph;
    this.number = number;
    this.trace = trace;
    this.parentRun = by == null ? 0 : by.run().number;
    this.parentTask = by == null ? -1 : by.task();
    this.under = by == null ? null : by.scope();
    this.above = by == null ? Stock.NOTHING : by.above();
    this.apart = graph.flows && above != Stock.NOTHING;
    this.waiter = by == null ? null : by.worker();
    this.context = Context.here(engine.config.carried(), null);
    int n = graph.size();
    this.state = new int[2 * n];
    for (int i = 0; i < n; i++) {
      state[2 * i] = graph.needed[i];
      state[2 * i + 1] = -1;
    }
    this.values = graph.valued ? new @Nullable Object[n] : null;
    this.left = new AtomicInteger(n);
    this.ids = new AtomicLong(n);
  }

  /// Its number in the engine's records.
  public long number() {
    return number;
  }

  /// Waits until it has ended.
  ///
  /// @return itself
  /// @throws RunFailure if a task failed or it was cancelled
  /// @throws IllegalStateException if it has not ended and a task of its engine asks, whose thread
  ///   the run may need: [Flow#run] helps while it waits
  public Run join() throws RunFailure {
    if (!done) {
      engine.checkOutside();
    }
    return await();
  }

  /// The same, on a thread that the run does not need.
  Run await() throws RunFailure {
    boolean interrupted = false;
    while (!done) {
      try {
        ended.await();
      } catch (InterruptedException e) {
        // The caller wants to go, but what it started must end first: it is told to.
        interrupted = true;
        cancel();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    synchronized (failures) {
      if (unrecorded != null) {
        throw new RunFailure(
            "run " + number + " of '" + graph.name + "' was stopped: " + unrecorded.getMessage(),
            failures,
            unrecorded);
      }
      if (!failures.isEmpty()) {
        int more = failureCount.get() - 1;
        throw new RunFailure(
            "run "
                + number
                + " of '"
                + graph.name
                + "': "
                + failures.getFirst()
                + (more > 0 ? "; " + more + " more failed" : ""),
            failures);
      }
    }
    if (cancelledByUser) {
      throw new RunFailure("run " + number + " of '" + graph.name + "' was cancelled", List.of());
    }
    return this;
  }

  /// The value of a task that ended well; null of one that did not run. After [#join].
  ///
  /// @throws IllegalStateException if the run has not ended
  @SuppressWarnings({"unchecked", "NullAway"}) // null only where T allows it, or it did not run
  public <T extends @Nullable Object> T value(Task<T> task) {
    graph.checkMine(task);
    if (!done) {
      throw new IllegalStateException("the run has not ended: join it first");
    }
    return (T) value(task.id);
  }

  /// Cancels it: what has not begun does not begin, and what runs is interrupted. Returns at once;
  /// [#join] waits for the end.
  public void cancel() {
    cancelledByUser = true;
    halt();
  }

  /// Cancels a task, with all that it forked and runs, and all that depends on it. If it runs it is
  /// interrupted, provided that it has terms ([Task#with]) or a flow; another one runs on. A task
  /// that has ended stays as it is.
  public void cancel(Task<?> task) {
    graph.checkMine(task);
    STATE.getAndBitwiseOr(state, 2 * task.id, CANCELLED);
    engine.interruptDead();
  }

  void halt() {
    if (!stop) {
      stop = true;
      engine.interruptDead();
    }
  }

  /// Interrupts its tasks with terms that nobody wants any more.
  void interruptDead() {
    for (Attempt attempt : attempts) {
      if (attempt.dead()) {
        attempt.interrupt();
      }
    }
  }

  @Override
  public boolean isDone() {
    return done;
  }

  // ---- for workers

  boolean stopped() {
    return stop || (under != null && under.dead());
  }

  @Override
  public boolean dead() {
    return stopped();
  }

  boolean cancelled(int id) {
    return ((int) STATE.getAcquire(state, 2 * id) & CANCELLED) != 0;
  }

  long clock() {
    return engine.clock();
  }

  @Nullable Object value(int id) {
    return values == null ? null : values[id];
  }

  void set(int id, @Nullable Object value) {
    if (values != null) {
      values[id] = value;
    }
  }

  /// Counts one dependency of a task as ended well; whether it was the last.
  boolean arrive(int id) {
    int at = 2 * id;
    // Whoever sees 1 is the last: nobody else can count it down any more.
    return ((int) STATE.getAcquire(state, at) & COUNT) == 1
        || ((int) STATE.getAndAdd(state, at, -1) & COUNT) == 1;
  }

  /// The same where something unusual may be told to it.
  boolean arrive(int id, int from, Outcome outcome, @Nullable Object value) {
    int bit =
        switch (outcome) {
          case DONE -> 0;
          case FAILED, TIMED_OUT, CANCELLED, SKIPPED -> POISONED;
          case NOT_CHOSEN -> LEFT_OUT;
        };
    if (outcome == Outcome.DONE
        && graph.bodies[from] instanceof Code.Choice choice
        && value instanceof Integer chosen
        && choice.leaves(id, chosen)) {
      bit = LEFT_OUT;
    }
    if (bit == 0 && graph.any != null && graph.any.get(id)) {
      bit = MET;
    }
    if (bit != 0) {
      STATE.getAndBitwiseOr(state, 2 * id, bit);
    }
    return arrive(id);
  }

  /// How a task ends that must not run, or DONE if it may.
  Outcome unrun(int id, int bits) {
    if (stopped() || (bits & CANCELLED) != 0) {
      return Outcome.CANCELLED;
    }
    if (graph.any != null && graph.any.get(id) && (bits & MET) != 0) {
      return Outcome.DONE;
    }
    if ((bits & POISONED) != 0) {
      return Outcome.SKIPPED;
    }
    return (bits & LEFT_OUT) != 0 ? Outcome.NOT_CHOSEN : Outcome.DONE;
  }

  /// Whether more is to be done when a task ends than to count for those that depend on it.
  boolean unusual() {
    return graph.special || apart || graph.choices || graph.any != null;
  }

  /// Starts a ready task that asks for something; false if it is a plain one.
  boolean admit(int id, long readyNs, @Nullable Worker worker) {
    if (graph.special && graph.bodies[id] instanceof Code.Special special) {
      new TaskAttempt(this, id, special.body, special.terms, readyNs).admit(worker);
      return true;
    }
    if (apart && graph.bodies[id] instanceof Code.Flowing flow) {
      new TaskAttempt(this, id, flow, Terms.usual(), readyNs).admit(worker);
      return true;
    }
    return false;
  }

  Outcome outcomeOf(Throwable thrown) {
    return stopped() && isInterrupt(thrown) ? Outcome.CANCELLED : Outcome.FAILED;
  }

  /// Whether something was thrown because of an interrupt, or because what it waited for was given
  /// up.
  static boolean isInterrupt(Throwable thrown) {
    Throwable at = thrown;
    for (int i = 0; at != null && i < Limits.CAUSES; i++) {
      if (at instanceof InterruptedException
          || at instanceof ClosedByInterruptException
          || at instanceof RunFailure) {
        return true;
      }
      at = at.getCause();
    }
    return false;
  }

  /// Notes what a task threw; how it ended.
  Outcome failed(int id, Throwable thrown) {
    Outcome outcome = cancelled(id) && isInterrupt(thrown) ? Outcome.CANCELLED : outcomeOf(thrown);
    if (outcome == Outcome.FAILED) {
      fail(id, thrown);
    }
    return outcome;
  }

  void fail(int id, Throwable thrown) {
    List<Failure> told = new ArrayList<>();
    if (thrown instanceof RunFailure forked && !forked.failures().isEmpty()) {
      told.addAll(forked.failures());
    } else {
      told.add(new Failure(graph.names[id], id, path(id), thrown));
    }
    synchronized (failures) {
      for (Failure one : told) {
        failureCount.getAndIncrement();
        if (failures.size() < Limits.FAILURES) {
          failures.add(one);
        }
      }
    }
    if (!engine.config.keepGoing()) {
      halt();
    }
  }

  /// Names of the tasks whose ends made this one ready, the first one first.
  List<String> path(int id) {
    List<String> names = new ArrayList<>();
    for (int at = id; at >= 0 && names.size() < Limits.PATH; at = state[2 * at + 1]) {
      names.add(graph.names[at]);
    }
    Collections.reverse(names);
    return names;
  }

  /// Tells those that depend on a task that it has ended.
  void finish(
      int id, Outcome outcome, @Nullable Object value, long endNs, @Nullable Worker worker) {
    if (graph.offsets.length > 0) {
      for (int e = graph.offsets[id]; e < graph.offsets[id + 1]; e++) {
        int s = graph.targets[e];
        if (arrive(s, id, outcome, value)) {
          state[2 * s + 1] = id;
          if (!admit(s, endNs, worker)) {
            engine.submit(new Step(this, s, endNs), worker);
          }
        }
      }
    }
    if (worker == null) {
      ended(1);
    } else {
      worker.count(this);
    }
  }

  /// @param cores that it had, where its marks say that this is told
  /// @param bytes the number of its name, where its marks say that it has one
  void record(
      @Nullable Worker worker,
      long id,
      long cause,
      long readyNs,
      long startNs,
      long endNs,
      int marks,
      long cores,
      long bytes) {
    if (worker != null) {
      worker.record(
          number,
          id,
          cause,
          readyNs,
          startNs,
          endNs,
          marks,
          cores << RecordRing.CORES_SHIFT,
          bytes);
    } else {
      engine.recordOutside(
          number,
          id,
          cause,
          readyNs,
          startNs,
          endNs,
          marks | Marks.VIRTUAL,
          Thread.currentThread().threadId() | (cores << RecordRing.CORES_SHIFT),
          bytes);
    }
  }

  int name(@Nullable Worker worker, String name) {
    return worker != null ? worker.name(name) : engine.name(name);
  }

  long nextId(@Nullable Worker worker) {
    return worker != null ? worker.nextId(this) : takeIds(1);
  }

  long takeIds(int count) {
    return ids.getAndAdd(count);
  }

  /// Counts tasks of the graph that have ended.
  void ended(int count) {
    if (left.addAndGet(-count) == 0) {
      complete();
    }
  }

  void complete() {
    Recorder recorder = engine.recorder;
    if (recorder != null && recorder.losing()) {
      unrecorded = recorder.failure();
    }
    Outcome outcome =
        unrecorded != null || failureCount.get() > 0
            ? Outcome.FAILED
            : cancelledByUser ? Outcome.CANCELLED : Outcome.DONE;
    engine.runEnded(this, outcome);
    done = true;
    ended.countDown();
    Worker waits = waiter;
    if (waits != null) {
      waits.nudge();
    }
  }
}
