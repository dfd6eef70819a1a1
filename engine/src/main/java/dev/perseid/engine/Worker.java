package dev.perseid.engine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// One thread of the engine. It runs what became ready by its own tasks first, then what comes from
/// outside, then what it can steal; when there is nothing it rests. Before all that comes what
/// presses: a place in a gang, tasks that hold what they need already, urgent ones.
final class Worker extends Thread {
  /// Stands for what a worker works for while somebody interrupts it.
  private static final Mortal INTERRUPTING = () -> true;

  private static final VarHandle PARKED;
  private static final VarHandle WORKS_FOR;

  static {
    try {
      MethodHandles.Lookup here = MethodHandles.lookup();
      PARKED = here.findVarHandle(Worker.class, "parked", int.class);
      WORKS_FOR = here.findVarHandle(Worker.class, "worksFor", Mortal.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  final Engine engine;
  final int index;
  final WorkDeque deque = new WorkDeque(1 << 10);
  private final @Nullable RecordRing ring;
  private final @Nullable Recorder recorder;
  private final @Nullable Meter meter;
  private final WorkDeque.Loot loot = new WorkDeque.Loot();
  private @Nullable Run counted;
  private int count;
  private volatile int parked;

  // What it works for, as others see it and as it knows itself.
  private volatile @Nullable Mortal worksFor;
  private @Nullable Mortal mine;

  // What is bound on its stack; null: nothing, or unknown.
  private @Nullable Context context;
  private int nested;
  private int tick;
  private int victim;
  private boolean measureNext;

  // Numbers for forked tasks, taken from their run in blocks.
  private @Nullable Run numbered;
  private long nextId;
  private long pastIds;

  // The last names that were looked up.
  private final String[] names = new String[16];
  private final int[] numbers = new int[16];

  Worker(Engine engine, int index) {
    super(null, null, "perseid-worker-" + index, Limits.STACK_BYTES);
    this.engine = engine;
    this.index = index;
    this.victim = index;
    this.recorder = engine.recorder;
    this.ring = recorder == null ? null : recorder.ring(index + 1, getName());
    this.meter = engine.config.measured() ? new Meter() : null;
    setDaemon(true);
    Arrays.fill(names, "");
  }

  @Override
  public void run() {
    while (find(loot, true) || seek(loot, null)) {
      execute(loot);
    }
  }

  private void execute(WorkDeque.Loot taken) {
    if (taken.entry == WorkDeque.OBJECT) {
      Work work = (Work) taken.work;
      taken.work = null;
      if (work != null) {
        work.execute(this);
      }
    } else {
      follow(engine.runAt((int) (taken.entry >>> 32)), (int) taken.entry, taken.readyNs);
    }
  }

  /// Runs others' tasks until something is done.
  void help(Awaited awaited) {
    Mortal waits = mine;
    Context bound = context;
    context = null; // who waits may have bound something else
    nested++;
    try {
      while (!awaited.isDone()) {
        boolean stealing = nested <= Limits.NESTED;
        if (find(loot, stealing) || (stealing && seek(loot, awaited))) {
          execute(loot);
        } else if (!stealing) {
          Thread.onSpinWait();
        }
      }
    } finally {
      nested--;
      context = bound;
      if (waits != null) {
        enter(waits);
        if (waits.dead()) {
          interrupt(); // what came meanwhile was not for it
        }
      }
    }
  }

  // ---- being interrupted

  /// Says what it works for from now on. What interrupted it for the sake of what it worked for
  /// before is not for this.
  void enter(Mortal next) {
    Mortal before = mine;
    if (next.equals(before)) {
      return;
    }
    while (!WORKS_FOR.compareAndSet(this, before, next)) {
      Thread.onSpinWait(); // it is being interrupted
    }
    mine = next;
    if (before != null && before.dead()) {
      interrupted();
    }
  }

  /// Interrupts it if nobody wants any more what it works for. Anybody's. It cannot turn to
  /// something else meanwhile.
  void interruptIfDead() {
    while (true) {
      Mortal now = worksFor;
      if (INTERRUPTING.equals(now)) {
        Thread.onSpinWait();
      } else if (now == null || !now.dead()) {
        return;
      } else if (WORKS_FOR.compareAndSet(this, now, INTERRUPTING)) {
        interrupt();
        worksFor = now;
        return;
      }
    }
  }

  // ---- what is bound

  <T extends @Nullable Object> T inContext(
      Context values, ScopedValue.CallableOp<T, Exception> code) throws Exception {
    Context before = context;
    context = values;
    try {
      return values.call(code);
    } finally {
      context = before;
    }
  }

  // ---- gangs

  /// Does nothing until a task that needs several workers has ended; or runs it, if this worker is
  /// the last that it lacked.
  void sit(Gang gang, boolean last) {
    tellCount();
    tellOthers(); // what is in its deque is for others now
    if (last) {
      gang.attempt.gathered(gang, this);
    }
    while (!gang.isOver()) {
      LockSupport.park(gang);
      interrupted(); // else it would not rest any more
    }
  }

  // ---- work

  private boolean find(WorkDeque.Loot into, boolean stealing) {
    if (engine.pressing.get() > 0
        && (engine.gangs.poll(into, this)
            || engine.granted.poll(into)
            || engine.urgent.poll(into))) {
      return true;
    }
    if (++tick >= Limits.OUTSIDE_EVERY) {
      tick = 0;
      if (engine.pollOutside(into)) {
        return true;
      }
    }
    if (deque.pop(into)) {
      return true;
    }
    tellCount();
    // What is in no worker's deque is taken at any depth: perhaps nobody else can.
    return engine.pollOutside(into)
        || (stealing && steal(into))
        || (engine.patience.get() > 0 && engine.patient.poll(into));
  }

  private boolean steal(WorkDeque.Loot into) {
    Worker[] all = engine.workers;
    for (int i = 0; i < all.length; i++) {
      victim = victim + 1 < all.length ? victim + 1 : 0;
      if (victim != index && all[victim].deque.steal(into)) {
        return true;
      }
    }
    return false;
  }

  /// Looks for work until there is some: true; or what is awaited is done or the engine closed:
  /// false.
  private boolean seek(WorkDeque.Loot into, @Nullable Awaited awaited) {
    while (true) {
      engine.searching.getAndIncrement();
      for (int round = 0; round < Limits.ROUNDS; round++) {
        if (awaited == null ? engine.ended : awaited.isDone()) {
          if (engine.searching.decrementAndGet() == 0 && engine.seemsFull()) {
            engine.wakeOne(); // it may have been woken for that, and goes away
          }
          return false;
        }
        if (find(into, true)) {
          if (engine.searching.decrementAndGet() == 0) {
            engine.wakeOne(); // where one task was there may be more
          }
          return true;
        }
        Thread.onSpinWait();
      }
      parked = 1;
      engine.idle.getAndIncrement();
      engine.searching.getAndDecrement();
      if ((awaited == null ? engine.ended : awaited.isDone()) || engine.seemsFull()) {
        if (PARKED.compareAndSet(this, 1, 0)) {
          engine.idle.getAndDecrement();
        } else {
          engine.searching.getAndDecrement(); // somebody has woken this one meanwhile
        }
        continue;
      }
      while (parked == 1) {
        LockSupport.park(this);
        interrupted(); // else it would not rest any more
      }
      engine.searching.getAndDecrement();
    }
  }

  /// Wakes it if it rests; it then counts as searching.
  boolean nudge() {
    if (parked == 1 && PARKED.compareAndSet(this, 1, 0)) {
      engine.searching.getAndIncrement();
      engine.idle.getAndDecrement();
      LockSupport.unpark(this);
      return true;
    }
    return false;
  }

  void push(Work work) {
    deque.push(WorkDeque.OBJECT, 0, work);
    tellOthers();
  }

  void pushQuietly(Run run, int id, long readyNs) {
    deque.push(((long) run.slot << 32) | id, readyNs, null);
  }

  void tellOthers() {
    VarHandle.fullFence();
    engine.wakeIfNeeded();
  }

  // ---- plain tasks

  /// Runs a task, and then whatever became ready by it first, and so on.
  void follow(Run run, int first, long firstReadyNs) {
    enter(run);
    Context values = run.context;
    if (values == null || values == context) {
      chain(run, first, firstReadyNs);
      return;
    }
    Context before = context;
    context = values;
    try {
      values.run(() -> chain(run, first, firstReadyNs));
    } finally {
      context = before;
    }
  }

  private void chain(Run run, int first, long firstReadyNs) {
    Graph graph = run.graph;
    Object[] bodies = graph.bodies;
    int[] offsets = graph.offsets;
    int[] targets = graph.targets;
    int[] state = run.state;
    @Nullable Object[] values = run.values;
    boolean unusual = run.unusual();
    boolean edges = offsets.length > 0;
    if (counted != run) {
      tellCount();
      counted = run;
    }
    int id = first;
    long readyNs = firstReadyNs;
    // What follows at once, with nothing between that may take long, starts when the one before
    // ended: the clock is half of a record's price.
    long startNs = run.clock();
    while (true) {
      int bits = state[2 * id] & Run.BITS;
      Outcome outcome = Outcome.DONE;
      Object value = null;
      long cpuNs = 0;
      long bytes = 0;
      int flags = 0;
      long endNs;
      if ((bits != 0 || run.stopped()) && (outcome = run.unrun(id, bits)) != Outcome.DONE) {
        endNs = startNs;
      } else {
        Meter m = meter;
        boolean measured = measureNext && m != null;
        if (measured && m != null) {
          cpuNs = m.cpuNs();
          bytes = m.bytes();
        }
        try {
          value = Code.perform(bodies[id], run, id, this);
          if (values != null) {
            values[id] = value;
          }
        } catch (Throwable e) {
          outcome = run.failed(id, e);
        }
        if (measured && m != null) {
          bytes = m.bytes() - bytes;
          cpuNs = m.cpuNs() - cpuNs;
          flags = Marks.MEASURED;
        }
        endNs = run.clock();
        measureNext = endNs - startNs >= Limits.MEASURED_FROM_NS;
      }
      boolean between =
          record(
              run.number,
              id,
              state[2 * id + 1],
              readyNs,
              startNs,
              endNs,
              Marks.of(outcome, 1) | flags,
              cpuNs,
              bytes);
      int next = -1;
      if (edges) {
        boolean pushed = false;
        for (int e = offsets[id], past = offsets[id + 1]; e < past; e++) {
          int s = targets[e];
          boolean ready =
              (outcome == Outcome.DONE && !unusual)
                  ? run.arrive(s)
                  : run.arrive(s, id, outcome, value);
          if (ready) {
            state[2 * s + 1] = id;
            if (unusual && run.admit(s, endNs, this)) {
              continue;
            }
            if (next < 0) {
              next = s;
            } else {
              pushQuietly(run, s, endNs);
              pushed = true;
            }
          }
        }
        if (pushed) {
          tellOthers();
          between = true;
        }
      }
      if (counted != run) { // it ran something of another run meanwhile
        tellCount();
        counted = run;
      }
      count++;
      if (next < 0) {
        return;
      }
      if (engine.pressing.get() > 0) {
        pushQuietly(run, next, endNs);
        return;
      }
      id = next;
      readyNs = endNs;
      // Of several that it waited for another may have ended later, and told so earlier.
      startNs = between || graph.needed[id] > 1 ? run.clock() : endNs;
    }
  }

  /// Counts a task that has ended.
  void count(Run run) {
    if (counted != run) {
      tellCount();
      counted = run;
    }
    count++;
  }

  private void tellCount() {
    Run run = counted;
    if (run != null) {
      int ended = count;
      count = 0;
      counted = null;
      if (ended > 0) {
        run.ended(ended);
      }
    }
  }

  // ---- records

  /// @return whether it may have taken long
  boolean record(
      long run,
      long id,
      long cause,
      long readyNs,
      long startNs,
      long endNs,
      int marks,
      long cpuNs,
      long bytes) {
    RecordRing r = ring;
    Recorder to = recorder;
    if (r == null || to == null) {
      return false;
    }
    boolean slow = to.put(r, run, id, cause, readyNs, startNs, endNs, marks, cpuNs, bytes);
    if (slow) {
      to.wake();
    }
    return slow;
  }

  long nextId(Run run) {
    if (numbered != run || nextId == pastIds) {
      numbered = run;
      nextId = run.takeIds(1_024);
      pastIds = nextId + 1_024;
    }
    return nextId++;
  }

  int name(String name) {
    Recorder to = recorder;
    if (to == null) {
      return 0;
    }
    int at = name.hashCode() & 15;
    if (!name.equals(names[at]) || numbers[at] == 0) {
      numbers[at] = to.name(name);
      names[at] = name;
    }
    return numbers[at];
  }
}
