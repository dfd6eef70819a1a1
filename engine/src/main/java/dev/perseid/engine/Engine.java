package dev.perseid.engine;

import java.io.IOException;
import java.lang.invoke.VarHandle;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Runs graphs of tasks on threads of its own. Any thread may start runs; close it when all have
/// ended.
public final class Engine implements AutoCloseable {
  final EngineConfig config;
  final @Nullable Recorder recorder;
  final Worker[] workers;

  /// How many there are of what comes before all else: [#gangs] that call, [#granted], [#urgent].
  final AtomicInteger pressing = new AtomicInteger();

  final AtomicInteger patience = new AtomicInteger();
  final Gangs gangs = new Gangs(pressing);

  /// Tasks that hold what they need and lack a worker only.
  final Lane granted = new Lane(pressing);

  final Lane urgent = new Lane(pressing);
  final Lane patient = new Lane(patience);
  final Stock stock;
  final ScheduledThreadPoolExecutor timer;
  final AtomicInteger searching = new AtomicInteger();
  final AtomicInteger idle = new AtomicInteger();
  final AtomicLong sequence = new AtomicLong();
  volatile boolean ended;
  private final boolean timed;
  private final long originNs = System.nanoTime();
  private final ConcurrentLinkedQueue<Work> outside = new ConcurrentLinkedQueue<>();
  private final ReentrantLock guests = new ReentrantLock();
  private final @Nullable RecordRing guestRing;
  private final AtomicLong lastRun = new AtomicLong();
  private final Object slots = new Object();
  private volatile @Nullable Run[] runs = new @Nullable Run[16]; // changed under slots
  private final ArrayDeque<Integer> freeSlots = new ArrayDeque<>(); // guarded by slots
  private int usedSlots; // guarded by slots
  private int open; // guarded by slots
  private boolean closing; // guarded by slots

  /// The task that starts a run.
  ///
  /// @param scope with which the run is given up
  /// @param above the highest rank of what the task holds, or those that wait for it
  /// @param worker that waits for it, if a worker does
  record Origin(Run run, long task, Scope scope, int above, @Nullable Worker worker) {}

  private Engine(EngineConfig config) throws RecordFailure {
    this.config = config;
    Instant now = Instant.now();
    this.recorder =
        config.records().isEmpty() && config.memoryBytes() == 0
            ? null
            : new Recorder(
                sink(config),
                config.lossless(),
                config.ringRecords(),
                now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000,
                this::recordsBroke);
    this.timed = recorder != null;
    this.guestRing = recorder == null ? null : recorder.ring(0, "virtual threads");
    Map<String, Long> all = new HashMap<>(config.resources());
    all.put(Attempt.BLOCKING, (long) config.blocking());
    all.put(Attempt.APART, (long) config.workers());
    all.put(Terms.CORES, (long) config.workers());
    List<String> ranked = new ArrayList<>(config.resources().keySet());
    ranked.add(Terms.CORES);
    this.stock = new Stock(all, ranked);
    this.timer =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().name("perseid-timer").daemon(true).factory());
    timer.setRemoveOnCancelPolicy(true);
    this.workers = new Worker[config.workers()];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(this, i);
    }
  }

  private static Sink sink(EngineConfig config) throws RecordFailure {
    if (config.records().isEmpty()) {
      return new Sink.Memory(config.memoryBytes());
    }
    try {
      return new Sink.Disk(config.records().get());
    } catch (IOException e) {
      throw new RecordFailure(
          "cannot make the file of records " + config.records().get() + ": " + e, e);
    }
  }

  /// What runs unrecorded does not go on, unless the user agreed to lose records.
  private void recordsBroke() {
    if (config.lossless()) {
      for (Run run : runs) {
        if (run != null) {
          run.halt();
        }
      }
    }
  }

  /// Opens an engine.
  ///
  /// @throws RecordFailure if the file of records cannot be made
  public static Engine open(EngineConfig config) throws RecordFailure {
    Engine engine = new Engine(config);
    for (Worker worker : engine.workers) {
      worker.start();
    }
    return engine;
  }

  /// Starts a run and returns at once.
  ///
  /// @throws IllegalArgumentException if the graph has a circle, or a task needs what the engine
  ///   lacks, or one that may wait for others holds something on a worker
  /// @throws IllegalStateException if the engine is closed
  public Run start(Graph graph) {
    return start(graph, "");
  }

  /// Starts a run that belongs to a trace, which its record names, and those of the runs that it
  /// starts.
  ///
  /// @param trace any text of at most 1,000 characters; exports understand W3C's `traceparent`
  public Run start(Graph graph, String trace) {
    if (trace.length() > Limits.NAME_CHARS) {
      throw new IllegalArgumentException(
          "a trace has at most " + Limits.NAME_CHARS + " characters, not " + trace.length());
    }
    return start(graph, trace, null);
  }

  /// Runs a graph and waits until it has ended.
  ///
  /// @throws RunFailure if a task failed or it was cancelled
  /// @throws IllegalStateException if one of its tasks asks: they use [Flow#run]
  public Run run(Graph graph) throws RunFailure {
    checkOutside();
    return start(graph).await();
  }

  /// Refuses to let one of its tasks wait for a run that may need the task's thread or place.
  void checkOutside() {
    boolean inside =
        Thread.currentThread() instanceof Worker w
            ? w.engine == this
            : Attempt.PLACE.isBound() && Attempt.PLACE.get().engine() == this;
    if (inside) {
      throw new IllegalStateException("inside of a task, use flow.run: it helps while it waits");
    }
  }

  Run start(Graph graph, String trace, @Nullable Origin by) {
    graph.freeze();
    if (graph.special) {
      for (int i = 0; i < graph.size(); i++) {
        if (graph.bodies[i] instanceof Code.Special s) {
          stock.check(
              graph.names[i], Attempt.needs(s.terms), by == null ? Stock.NOTHING : by.above);
          if (s.body instanceof Code.Flowing) {
            s.terms.checkWaiting(graph.names[i]);
          }
        }
      }
    }
    Run run = new Run(this, graph, lastRun.incrementAndGet(), trace, by);
    Worker worker = run.waiter;
    synchronized (slots) {
      if (closing) {
        throw new IllegalStateException("the engine is closed");
      }
      open++;
      Integer free = freeSlots.poll();
      int slot = free != null ? free : usedSlots++;
      if (slot >= Limits.RUNS) {
        throw new IllegalStateException("an engine has at most " + Limits.RUNS + " runs at once");
      }
      @Nullable Run[] now = runs;
      if (slot == now.length) {
        now = Arrays.copyOf(now, 2 * slot);
      }
      now[slot] = run;
      run.slot = slot;
      runs = now;
    }
    run.startedNs = clock();
    if (recorder != null) {
      recorder.runStarted(run);
      if (recorder.losing()) {
        run.halt();
      }
    }
    if (graph.size() == 0) {
      run.complete();
      return run;
    }
    int plain = graph.allRoots ? graph.size() : graph.roots.length;
    if (run.apart) {
      plain -= graph.flowRoots;
      for (int i = plain; i < graph.roots.length; i++) {
        run.admit(graph.roots[i], run.startedNs, worker);
      }
    }
    if (plain > 0) {
      submit(new Range(run, 0, plain, run.startedNs), worker);
    }
    for (int id : graph.specialRoots) {
      run.admit(id, run.startedNs, worker);
    }
    return run;
  }

  /// Makes sure that the records of all tasks that have ended are in the file and survive a loss of
  /// power. Does nothing without a file.
  public void sync() throws RecordFailure {
    if (recorder != null) {
      recorder.sync(true);
    }
  }

  /// The records of all tasks that have ended, also after [#close]. O(what was recorded); memory:
  /// names and graphs, not records.
  ///
  /// @throws RecordFailure if the engine keeps none, or they cannot be written or read
  public RecordFile records() throws RecordFailure {
    Recorder from = recorder;
    if (from == null) {
      throw new RecordFailure(
          "this engine keeps no records: say EngineConfig.records or recordsInMemory");
    }
    from.sync(false);
    return RecordFile.read(from.sink());
  }

  /// Waits until all runs have ended, and closes the file of records.
  ///
  /// @throws RecordFailure if records cannot be written
  @Override
  public void close() throws RecordFailure {
    boolean interrupted = false;
    synchronized (slots) {
      closing = true;
      while (open > 0) {
        try {
          slots.wait();
        } catch (InterruptedException e) {
          interrupted = true; // who waits wants to go: the runs are told to end
          for (Run run : runs) {
            if (run != null) {
              run.cancel();
            }
          }
        }
      }
    }
    ended = true;
    for (Worker worker : workers) {
      worker.nudge();
    }
    for (Worker worker : workers) {
      while (worker.isAlive()) {
        try {
          worker.nudge();
          worker.join(1);
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    timer.shutdownNow();
    if (recorder != null) {
      recorder.close();
    }
  }

  /// Interrupts all that nobody wants any more, and lets end what of it still waits. After
  /// something has been given up; costs a look at every run and worker.
  void interruptDead() {
    for (Run run : runs) {
      if (run != null) {
        run.interruptDead();
      }
    }
    for (Worker worker : workers) {
      worker.interruptIfDead();
    }
    stock.sweep().forEach(Attempt::granted);
    gangs.sweep().forEach(Attempt::granted);
  }

  // ---- for workers

  long clock() {
    return timed ? System.nanoTime() - originNs : 0;
  }

  Run runAt(int slot) {
    Run run = runs[slot];
    if (run == null) {
      throw new IllegalStateException("no run in slot " + slot);
    }
    return run;
  }

  void submit(Work work, @Nullable Worker worker) {
    if (worker != null) {
      worker.push(work);
    } else {
      outside.add(work);
      wakeAfterFence();
    }
  }

  boolean pollOutside(WorkDeque.Loot into) {
    Work work = outside.poll();
    into.entry = WorkDeque.OBJECT;
    into.work = work;
    return work != null;
  }

  boolean seemsFull() {
    if (!outside.isEmpty() || pressing.get() > 0 || patience.get() > 0) {
      return true;
    }
    for (Worker worker : workers) {
      if (worker.deque.seemsFull()) {
        return true;
      }
    }
    return false;
  }

  void wakeAfterFence() {
    VarHandle.fullFence();
    wakeIfNeeded();
  }

  void wakeIfNeeded() {
    if (idle.get() > 0 && searching.get() == 0) {
      wakeOne();
    }
  }

  void wakeOne() {
    if (idle.get() > 0) {
      for (Worker worker : workers) {
        if (worker.nudge()) {
          return;
        }
      }
    }
  }

  void recordOutside(
      long run,
      long id,
      long cause,
      long readyNs,
      long startNs,
      long endNs,
      int marks,
      long cpuNs,
      long bytes) {
    RecordRing ring = guestRing;
    Recorder to = recorder;
    if (ring == null || to == null) {
      return;
    }
    guests.lock();
    try {
      to.put(ring, run, id, cause, readyNs, startNs, endNs, marks, cpuNs, bytes);
    } finally {
      guests.unlock();
    }
  }

  int name(String name) {
    return recorder == null ? 0 : recorder.name(name);
  }

  void runEnded(Run run, Outcome outcome) {
    if (recorder != null) {
      recorder.runEnded(run, clock(), outcome);
    }
    synchronized (slots) {
      @Nullable Run[] now = runs;
      now[run.slot] = null;
      freeSlots.push(run.slot);
      open--;
      slots.notifyAll();
    }
  }

  /// What was configured.
  public EngineConfig config() {
    return config;
  }

  /// Why records cannot be written, if so.
  public Optional<RecordFailure> broken() {
    return recorder == null ? Optional.empty() : Optional.ofNullable(recorder.failure());
  }
}
