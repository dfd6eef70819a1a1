package dev.perseid.engine;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// A task that asks for something, from when it is ready until it has ended, through all its
/// attempts.
final class Attempt implements Work {
  static final String BLOCKING = "blocking tasks";

  final Run run;
  final int id;
  final Terms terms;
  final Map<String, Long> needs;
  final long sequence;
  int passed; // guarded by the stock
  private long readyNs;
  private int number = 1;
  private boolean running; // guarded by this
  private boolean timedOut; // guarded by this
  private @Nullable Thread thread; // guarded by this

  Attempt(Run run, int id, Terms terms, long readyNs) {
    this.run = run;
    this.id = id;
    this.terms = terms;
    this.readyNs = readyNs;
    this.sequence = run.engine.sequence.getAndIncrement();
    if (terms.blocking()) {
      Map<String, Long> more = new TreeMap<>(terms.needs());
      more.put(BLOCKING, 1L);
      this.needs = Map.copyOf(more);
    } else {
      this.needs = terms.needs();
    }
  }

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

  /// Starts it, or lets it wait for what it needs.
  void admit(@Nullable Worker worker) {
    if (needs.isEmpty() || run.engine.stock.take(this)) {
      dispatch(worker);
    }
  }

  void dispatch(@Nullable Worker worker) {
    if (terms.blocking()) {
      Thread.ofVirtual().name(run.graph.names[id]).start(() -> execute(null, null));
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

  @Override
  public void execute(Worker worker) {
    execute(worker, worker);
  }

  private void execute(@Nullable Worker worker, @Nullable Worker recorder) {
    long startNs = run.clock();
    Outcome outcome = Outcome.DONE;
    Object value = null;
    Throwable thrown = null;
    Outcome unrun = run.unrun(id, run.state[2 * id] & Run.BITS);
    if (unrun != Outcome.DONE) {
      outcome = unrun;
    } else {
      Future<?> timer = begin();
      try {
        value = Code.perform(run.graph.bodies[id], run, id, worker);
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
        outcome =
            thrown instanceof InterruptedException || run.stopped() || run.cancelled(id)
                ? Outcome.CANCELLED
                : run.outcomeOf(thrown);
      }
    }
    long endNs = run.clock();
    int marks = Marks.of(outcome, number);
    if (terms.deadlineNs() > 0 && endNs > deadlineAtNs()) {
      marks |= Marks.LATE;
    }
    run.record(recorder, id, run.state[2 * id + 1], readyNs, startNs, endNs, marks, 0, 0);
    if (!needs.isEmpty()) {
      for (Attempt next : run.engine.stock.giveBack(this)) {
        next.dispatch(worker);
      }
    }
    boolean again =
        (outcome == Outcome.FAILED || outcome == Outcome.TIMED_OUT)
            && number < terms.attempts()
            && !run.stopped()
            && !run.cancelled(id);
    if (again) {
      long waitNs = terms.backoffNs() << Math.min(20, number - 1);
      number++;
      if (waitNs > 0) {
        Future<?> later =
            run.engine.timer.schedule(
                () -> {
                  readyNs = run.clock();
                  admit(null);
                },
                waitNs,
                TimeUnit.NANOSECONDS);
        assert !later.isCancelled();
      } else {
        readyNs = endNs;
        admit(worker);
      }
      return;
    }
    if (outcome == Outcome.DONE) {
      run.set(id, value);
    } else if (thrown != null && outcome != Outcome.CANCELLED) {
      run.fail(id, thrown);
    }
    run.finish(id, outcome, value, endNs, worker);
  }

  private synchronized @Nullable Future<?> begin() {
    running = true;
    timedOut = false;
    thread = Thread.currentThread();
    run.running(this, true);
    return terms.timeoutNs() == 0
        ? null
        : run.engine.timer.schedule(this::timeOut, terms.timeoutNs(), TimeUnit.NANOSECONDS);
  }

  /// Ends the time in which it can be interrupted; whether it was because of its timeout.
  private synchronized boolean end() {
    running = false;
    thread = null;
    run.running(this, false);
    Thread.interrupted(); // what interrupted this task is not for the next one
    return timedOut;
  }

  private synchronized void timeOut() {
    if (running && thread != null) {
      timedOut = true;
      thread.interrupt();
    }
  }

  /// Interrupts it if it runs.
  synchronized void interrupt() {
    if (running && thread != null) {
      thread.interrupt();
    }
  }
}
