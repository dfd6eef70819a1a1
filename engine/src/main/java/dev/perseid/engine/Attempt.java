package dev.perseid.engine;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// A task that asks for something, from when it is ready until it has ended, through all its
/// attempts.
abstract sealed class Attempt implements Work permits TaskAttempt, ForkAttempt {
  static final String BLOCKING = "blocking tasks";

  /// As many as workers: what computes below one that holds something, and would run on a worker
  /// elsewhere.
  static final String APART = "tasks below holders";

  /// A virtual thread that runs tasks.
  ///
  /// @param kind what it has of the stock for being there, [#BLOCKING] or [#APART]
  record Place(Engine engine, String kind) {}

  static final ScopedValue<Place> PLACE = ScopedValue.newInstance();
  private static final Map<String, Long> ONE_APART = Map.of(APART, 1L);

  final Run run;
  final long id;
  final Terms terms;

  /// The highest rank of what those hold who wait for it, or [Stock#NOTHING].
  final int above;

  /// What it has to get from the stock before it starts.
  final Map<String, Long> needs;

  /// How many workers it takes away from their work, its own included; 0: none but its own.
  final int seats;

  private final boolean startsOthers;

  /// Whether it is on a virtual thread only because of those that wait for it.
  final boolean apart;

  final long sequence;
  long passedBefore; // guarded by the stock
  boolean held; // whether it has its needs; belongs to the stock, or to whoever runs it
  private long readyNs;
  private int number = 1;
  private boolean running; // guarded by this
  private boolean timedOut; // guarded by this
  private @Nullable Scope scope; // guarded by this
  private @Nullable Thread thread; // guarded by this
  private @Nullable Future<?> resting; // guarded by this

  /// @param startsOthers whether it may fork or run something, and so wait; below one that holds
  ///   something it does so on a virtual thread, as on a worker others' tasks could lie on top of
  ///   it that wait for what is held
  Attempt(Run run, long id, Terms terms, int above, boolean startsOthers, long readyNs) {
    this.run = run;
    this.id = id;
    this.apart = startsOthers && above != Stock.NOTHING && !terms.blocking();
    this.terms = apart ? terms.onVirtualThread() : terms;
    this.above = above;
    this.startsOthers = startsOthers;
    this.readyNs = readyNs;
    this.sequence = run.engine.sequence.getAndIncrement();
    this.needs = apart ? ONE_APART : needs(terms); // nothing else, or it was refused
    this.seats = needs.getOrDefault(Terms.CORES, 0L).intValue();
  }

  /// What terms take from the stock.
  static Map<String, Long> needs(Terms terms) {
    if (terms.blocking()) {
      Map<String, Long> more = new TreeMap<>(terms.needs());
      more.put(BLOCKING, 1L);
      return Map.copyOf(more);
    }
    if (terms.needs().getOrDefault(Terms.CORES, 0L) == 1) { // it has the worker that runs it
      Map<String, Long> fewer = new TreeMap<>(terms.needs());
      fewer.remove(Terms.CORES);
      return Map.copyOf(fewer);
    }
    return terms.needs();
  }

  abstract String name();

  /// The task that made it ready, or that forked it; -1: none.
  abstract long cause();

  /// The name's number if its records must have one.
  abstract int nameNumber(@Nullable Worker recorder);

  /// Whether nobody wants its result any more.
  abstract boolean dead();

  /// How it ends without having run, or DONE if it may run.
  abstract Outcome unrun();

  abstract Scope newScope();

  abstract @Nullable Context context();

  abstract @Nullable Object perform(@Nullable Worker worker, Scope within) throws Exception;

  /// It has ended for good.
  abstract void settle(
      Outcome outcome,
      @Nullable Object value,
      @Nullable Throwable thrown,
      long endNs,
      @Nullable Worker worker);

  /// One try's place in a deque, where nothing may stand twice.
  private record Turn(Attempt attempt) implements Work {
    @Override
    public void execute(Worker worker) {
      attempt.execute(worker);
    }
  }

  long deadlineAtNs() {
    return terms.deadlineNs() == 0 ? Long.MAX_VALUE : run.startedNs + terms.deadlineNs();
  }

  /// Lets it wait for its turn, and then for what it needs; on a virtual thread it needs no turn.
  void admit(@Nullable Worker worker) {
    if (terms.blocking()) {
      run.engine.stock.take(this).forEach(Attempt::granted);
    } else if (terms.priority() > 0 || (terms.priority() == 0 && terms.deadlineNs() > 0)) {
      run.engine.urgent.add(this);
      run.engine.wakeAfterFence();
    } else if (terms.priority() < 0) {
      run.engine.patient.add(this);
      run.engine.wakeAfterFence();
    } else {
      run.engine.submit(new Turn(this), worker);
    }
  }

  /// Starts it as soon as there is a worker, before all others: it has what it needs, and holds it.
  void granted() {
    if (terms.blocking() && seats == 0 && held) {
      startVirtual(this::executeHere);
    } else {
      run.engine.granted.add(this);
      run.engine.wakeAfterFence();
    }
  }

  private void startVirtual(Runnable code) {
    Place place = new Place(run.engine, apart ? APART : BLOCKING);
    Thread started =
        Thread.ofVirtual()
            .name(name())
            .inheritInheritableThreadLocals(false)
            .start(() -> ScopedValue.where(PLACE, place).run(code));
    assert started.isVirtual();
  }

  /// It is its turn.
  @Override
  public void execute(Worker worker) {
    if (!held && !needs.isEmpty()) {
      boolean mine = false;
      for (Attempt one : run.engine.stock.take(this)) {
        if (one.equals(this)) {
          mine = true;
        } else {
          one.granted();
        }
      }
      if (!mine) {
        return;
      }
    }
    if (!held || seats == 0 || !run.engine.gangs.gather(this, worker)) {
      execute(worker, worker);
    }
  }

  /// All its workers sit.
  void gathered(Gang gang, Worker last) {
    if (terms.blocking()) {
      startVirtual(() -> {
        try {
          executeHere();
        } finally {
          gang.end();
        }
      });
    } else {
      try {
        execute(last, last);
      } finally {
        gang.end();
      }
    }
  }

  /// Runs it on this thread, which is virtual.
  void executeHere() {
    execute(null, null);
  }

  private void execute(@Nullable Worker worker, @Nullable Worker recorder) {
    long startNs = run.clock();
    Outcome outcome = unrun();
    Object value = null;
    Throwable thrown = null;
    int marks = 0;
    if (outcome == Outcome.DONE) {
      Scope within = newScope();
      if (worker != null) {
        worker.enter(within);
      }
      Future<?> timer = begin(within);
      try {
        value = inContext(worker, within);
      } catch (Throwable e) {
        thrown = e;
      }
      boolean late = end();
      if (timer != null) {
        timer.cancel(false);
      }
      if (late) {
        outcome = Outcome.TIMED_OUT;
        thrown =
            new TimeoutException(
                "it took longer than its timeout of "
                    + TimeUnit.NANOSECONDS.toMillis(terms.timeoutNs())
                    + " ms");
      } else if (thrown != null) {
        outcome = dead() ? Outcome.CANCELLED : run.outcomeOf(thrown);
      }
      marks = seats > 0 ? Marks.CORES : 0;
    }
    long endNs = run.clock();
    marks |= Marks.of(outcome, number);
    if (terms.deadlineNs() > 0 && endNs > deadlineAtNs()) {
      marks |= Marks.LATE;
    }
    int named = nameNumber(recorder);
    if (named > 0) {
      marks |= Marks.NAMED;
    }
    run.record(recorder, id, cause(), readyNs, startNs, endNs, marks, seats, named);
    if (held) {
      run.engine.stock.giveBack(this).forEach(Attempt::granted);
    }
    if ((outcome == Outcome.FAILED || outcome == Outcome.TIMED_OUT)
        && number < terms.attempts()
        && !dead()) {
      long waitNs = terms.backoffNs() << Math.min(Limits.DOUBLINGS, number - 1);
      number++;
      if (waitNs > 0) {
        rest(waitNs);
      } else {
        readyNs = endNs;
        admit(worker);
      }
      return;
    }
    settle(outcome, value, thrown, endNs, worker);
  }

  private @Nullable Object inContext(@Nullable Worker worker, Scope within) throws Exception {
    Context context = context();
    if (context == null) {
      return perform(worker, within);
    }
    return worker == null
        ? context.call(() -> perform(null, within))
        : worker.inContext(context, () -> perform(worker, within));
  }

  // ---- being interrupted

  private @Nullable Future<?> begin(Scope within) {
    synchronized (this) {
      running = true;
      timedOut = false;
      scope = within;
      thread = Thread.currentThread();
    }
    run.attempts.add(this);
    if (dead()) { // who made it so may not have seen it
      interrupt();
    }
    return terms.timeoutNs() == 0
        ? null
        : run.engine.timer.schedule(this::timeOut, terms.timeoutNs(), TimeUnit.NANOSECONDS);
  }

  /// Ends the time in which it can be interrupted; whether it was because of its timeout.
  private boolean end() {
    run.attempts.remove(this);
    synchronized (this) {
      running = false;
      thread = null;
      scope = null;
      Thread.interrupted(); // what interrupted this task is not for the next one
      return timedOut;
    }
  }

  private void timeOut() {
    synchronized (this) {
      if (!running || thread == null || scope == null) {
        return;
      }
      timedOut = true;
      scope.giveUp();
      thread.interrupt();
    }
    if (startsOthers) {
      run.engine.interruptDead(); // these too
    }
  }

  /// Interrupts it if it runs; does not let it wait any more for its next attempt.
  void interrupt() {
    synchronized (this) {
      if (running && thread != null) {
        thread.interrupt();
      }
    }
    rested();
  }

  private void rest(long waitNs) {
    run.attempts.add(this);
    synchronized (this) {
      resting = run.engine.timer.schedule(this::rested, waitNs, TimeUnit.NANOSECONDS);
    }
    if (dead()) {
      rested();
    }
  }

  private void rested() {
    synchronized (this) {
      if (resting == null) {
        return;
      }
      resting.cancel(false);
      resting = null;
    }
    run.attempts.remove(this);
    readyNs = run.clock();
    admit(null);
  }
}
