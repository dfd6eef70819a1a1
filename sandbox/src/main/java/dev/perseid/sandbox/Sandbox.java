package dev.perseid.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.BufferUnderflowException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// Runs portable tasks under limits, in child processes that are isolated as well as this machine
/// allows and never shared by two consumers. A child is kept warm for its consumer; the one idle
/// longest makes room when another consumer needs one and no more may be started.
///
/// Thread safe. What a task does wrong is a [Verdict], never an exception. [#run] costs
/// microseconds on the calling thread; futures complete on a thread of the sandbox, so what hangs
/// on them must not block.
public final class Sandbox implements AutoCloseable {
  /// A consumer's tasks, and its child if it has one.
  private static final class Lane {
    final String consumer;
    final Deque<Run> waiting = new ArrayDeque<>();
    @Nullable EngineChild child;
    long childSinceNs;
    long usedNs;
    int failedStarts;

    /// Others wait: its child ends once it is idle.
    boolean yielding;

    Lane(String consumer) {
      this.consumer = consumer;
    }
  }

  private final SandboxConfig config;
  private final EngineChild.Starter starter;
  private final Isolation isolation;
  private final Path children;
  private final Path results;
  private final Object lock = new Object();

  // All below guarded by the lock.
  private final LinkedHashMap<String, Lane> lanes = new LinkedHashMap<>();
  private final Map<Long, Run> byRunId = new HashMap<>();
  private int childCount;
  private int waitingCount;
  private long nextKey = 1;
  private long nextChild = 1;
  private boolean closed;
  private final List<EngineChild> living = new ArrayList<>();

  private final EngineChild.Owner owner =
      new EngineChild.Owner() {
        @Override
        public void ready(EngineChild child) {
          synchronized (lock) {
            child.isReady = true;
            Lane lane = lanes.get(child.consumer);
            if (lane != null) {
              lane.failedStarts = 0;
            }
          }
        }

        @Override
        public @Nullable Run take(EngineChild child, long key) {
          synchronized (lock) {
            return child.outstanding.remove(key);
          }
        }

        @Override
        public void finished(EngineChild child, Run run, Execution execution) {
          synchronized (lock) {
            byRunId.remove(run.task.runId(), run);
            Lane lane = lanes.get(child.consumer);
            if (lane != null && lane.child == child) {
              lane.usedNs = System.nanoTime();
              child.noteAnswer(lane.usedNs);
              feed(lane);
            }
          }
          run.future.complete(execution);
        }

        @Override
        public void ended(EngineChild child, String why) {
          childEnded(child, why);
        }
      };

  private Sandbox(SandboxConfig config, EngineChild.Starter starter, Isolation isolation)
      throws IOException {
    this.config = config;
    this.starter = starter;
    this.isolation = isolation;
    this.children = Files.createDirectories(config.directory().resolve("children"));
    this.results = Files.createDirectories(config.directory().resolve("results"));
  }

  /// Opens a sandbox: empties its folder, tests the isolation (the time of one JVM start), and
  /// makes the start-up cache in the background when one is asked for.
  ///
  /// @throws UncheckedIOException when the folder cannot be used
  public static Sandbox open(SandboxConfig config) {
    try {
      Files.createDirectories(config.directory());
      Launcher launcher = Launcher.probe(config);
      Sandbox sandbox = with(config, launcher, launcher.isolation());
      if (config.aotCache().isPresent()) {
        Thread.ofPlatform().daemon().name("sandbox-aot").start(launcher::makeCache);
      }
      return sandbox;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// A sandbox whose children are started like this.
  static Sandbox with(SandboxConfig config, EngineChild.Starter starter, Isolation isolation)
      throws IOException {
    for (String old : List.of("children", "results", "training")) {
      Folders.delete(config.directory().resolve(old));
    }
    Sandbox sandbox = new Sandbox(config, starter, isolation);
    Thread.ofPlatform().daemon().name("sandbox-clock").start(sandbox::watch);
    return sandbox;
  }

  /// What stands between a task and this machine, as tested at the opening.
  public Isolation isolation() {
    return isolation;
  }

  /// Runs a task. The future never fails: how the task ended is its value. Tasks of one consumer
  /// start in the order of the calls.
  public CompletableFuture<Execution> run(Portable task) {
    return run(task, NO_TRACE);
  }

  private static final byte[] NO_TRACE = {};

  /// Runs a portable task again and tells of its state between steps, until the last one asked for.
  /// Its output limit plays no part. The future never fails.
  public CompletableFuture<Trace> trace(Portable task, TracePlan plan) {
    RunLimits limits = task.limits();
    List<Input> inputs = new ArrayList<>(task.inputs());
    plan.from().ifPresent(inputs::add);
    Portable looked =
        new Portable(
            task.runId(),
            task.consumer(),
            task.module(),
            task.moduleSha256(),
            task.args(),
            inputs,
            1 + plan.keep().size(),
            new RunLimits(limits.gas(), limits.memoryBytes(), Limits.TRACE_BYTES, limits.wallMs()));
    if (task.outputs() < 0 || task.outputs() > Limits.OUTPUTS) {
      return CompletableFuture.completedFuture(
          new Trace.Untold("a task may have " + Limits.OUTPUTS + " outputs: " + task.outputs()));
    }
    return run(looked, Tracer.encode(plan, task.outputs()))
        .thenApply(execution -> told(execution, plan));
  }

  private Trace told(Execution execution, TracePlan plan) {
    return switch (execution.verdict()) {
      case Verdict.Failed f -> new Trace.Untold(f.message());
      case Verdict.Done d -> {
        List<Output> outputs = execution.outputs();
        Set<Path> given = new HashSet<>();
        try {
          Tracer.Said said =
              Tracer.said(
                  switch (outputs.getFirst()) {
                    case Output.Inline o -> o.bytes();
                    case Output.File o -> Files.readAllBytes(o.path());
                  });
          if (said.checkpoints().size() != plan.steps().size()
              || !plan.keep().containsAll(said.kept())) {
            throw new Frames.Garbage("a trace that was not asked for");
          }
          Map<Long, Path> kept = new HashMap<>();
          for (long step : said.kept()) {
            Path path =
                switch (outputs.get(1 + plan.keep().indexOf(step))) {
                  case Output.Inline o ->
                      Files.write(Files.createTempFile(results, "state", ".bin"), o.bytes());
                  case Output.File o -> o.path();
                };
            given.add(path);
            kept.put(step, path);
          }
          yield new Trace.Told(said.checkpoints(), kept, said.stepsRun());
        } catch (IOException | BufferUnderflowException e) {
          given.clear();
          yield new Trace.Untold("the engine answered nonsense: " + e.getMessage());
        } finally {
          for (Output o : outputs) {
            if (o instanceof Output.File file && !given.contains(file.path())) {
              Folders.deleteQuietly(file.path());
            }
          }
        }
      }
    };
  }

  private CompletableFuture<Execution> run(Portable task, byte[] trace) {
    Run run;
    Optional<String> refusal = refusal(task);
    synchronized (lock) {
      run = new Run(nextKey++, task, trace);
      if (refusal.isEmpty() && closed) {
        refusal = Optional.of("the sandbox is closed");
      }
      if (refusal.isEmpty() && waitingCount >= Limits.WAITING) {
        refusal = Optional.of(Limits.WAITING + " tasks wait already; send it again later");
      }
      if (refusal.isEmpty()) {
        byRunId.put(task.runId(), run);
        Lane lane = lanes.computeIfAbsent(task.consumer(), Lane::new);
        lane.waiting.add(run);
        waitingCount++;
        feed(lane);
      }
    }
    refusal.ifPresent(why -> run.future.complete(run.failed(Verdict.Kind.NOT_STARTED, why)));
    return run.future;
  }

  private Optional<String> refusal(Portable task) {
    if (config.demand() == SandboxConfig.Demand.REQUIRED
        && isolation().kind() == Isolation.Kind.NONE) {
      return Optional.of("isolation is required and there is none: " + isolation().reason());
    }
    if (task.moduleSha256().length != 32) {
      return Optional.of("moduleSha256 must be 32 bytes");
    }
    if (task.args().length > Limits.ARGS_BYTES) {
      return Optional.of(
          "the arguments have "
              + task.args().length
              + " bytes, over the limit of "
              + Limits.ARGS_BYTES);
    }
    if (task.inputs().size() > Limits.INPUTS
        || task.outputs() < 0
        || task.outputs() > Limits.OUTPUTS) {
      return Optional.of(
          "a task may have "
              + Limits.INPUTS
              + " inputs and "
              + Limits.OUTPUTS
              + " outputs: "
              + task.inputs().size()
              + ", "
              + task.outputs());
    }
    for (Input input : task.inputs()) {
      if (input instanceof Input.Inline(byte[] bytes) && bytes.length > Limits.INLINE_BYTES) {
        return Optional.of(
            "an inline input has at most " + Limits.INLINE_BYTES + " bytes: " + bytes.length);
      }
    }
    if (task.limits().memoryBytes() > config.memoryBytes()) {
      return Optional.of(
          "the task may use "
              + task.limits().memoryBytes()
              + " bytes of memory, this sandbox gives "
              + config.memoryBytes());
    }
    return Optional.empty();
  }

  /// Stops a run, whether it waits or runs; nothing happens when there is none of that number. It
  /// ends as [Verdict.Kind#CANCELLED], unless it ended before.
  public void cancel(long runId) {
    Run waiting = null;
    synchronized (lock) {
      Run run = byRunId.get(runId);
      if (run == null || run.cancelledNs != 0) {
        return;
      }
      run.cancelledNs = System.nanoTime();
      Lane lane = lanes.get(run.task.consumer());
      if (lane != null && lane.waiting.remove(run)) {
        waitingCount--;
        byRunId.remove(runId, run);
        waiting = run;
      } else if (lane != null && lane.child != null) {
        lane.child.cancel(run.key);
      }
    }
    if (waiting != null) {
      waiting.future.complete(waiting.failed(Verdict.Kind.CANCELLED, "cancelled before it ran"));
    }
  }

  /// Process ids of the living children by consumer, for people and tests.
  Map<String, Long> pids() {
    synchronized (lock) {
      Map<String, Long> out = new LinkedHashMap<>();
      for (EngineChild c : living) {
        c.pid().ifPresent(pid -> out.put(c.consumer, pid));
      }
      return out;
    }
  }

  /// Moves tasks to the lane's child, getting one if need be. Holds the lock.
  private void feed(Lane lane) {
    EngineChild child = lane.child;
    if (child == null && !lane.waiting.isEmpty() && !closed) {
      child = acquire(lane);
    }
    if (child == null) {
      return;
    }
    if (lane.yielding && child.outstanding.isEmpty()) {
      release(lane);
      feedOthers(lane);
      return;
    }
    int window = child.window(config.slots());
    while (!lane.yielding && child.outstanding.size() < window && !lane.waiting.isEmpty()) {
      Run run = lane.waiting.remove();
      waitingCount--;
      child.outstanding.put(run.key, run);
      child.send(run);
    }
  }

  private void feedOthers(Lane after) {
    for (Lane other : List.copyOf(lanes.values())) {
      if (other != after && other.child == null && !other.waiting.isEmpty()) {
        feed(other);
      }
    }
    if (after.child == null && !after.waiting.isEmpty()) {
      feed(after);
    }
  }

  private @Nullable EngineChild acquire(Lane lane) {
    if (childCount >= config.maxChildren()) {
      Lane idlest = null;
      for (Lane other : lanes.values()) {
        EngineChild c = other.child;
        if (c != null
            && c.outstanding.isEmpty()
            && other.waiting.isEmpty()
            && (idlest == null || other.usedNs - idlest.usedNs < 0)) {
          idlest = other;
        }
      }
      if (idlest == null) {
        return null;
      }
      release(idlest);
      if (idlest.waiting.isEmpty()) {
        lanes.remove(idlest.consumer);
      }
    }
    long number = nextChild++;
    EngineChild child =
        new EngineChild(owner, starter, lane.consumer, children.resolve("c" + number), results);
    childCount++;
    living.add(child);
    lane.child = child;
    lane.childSinceNs = System.nanoTime();
    lane.usedNs = lane.childSinceNs;
    child.start("child-" + number);
    return child;
  }

  private void release(Lane lane) {
    EngineChild child = lane.child;
    if (child != null) {
      lane.child = null;
      lane.yielding = false;
      childCount--;
      child.retire();
    }
  }

  private void childEnded(EngineChild child, String why) {
    List<Run> failed = new ArrayList<>();
    List<Execution> ends = new ArrayList<>();
    synchronized (lock) {
      living.remove(child);
      Lane lane = lanes.get(child.consumer);
      if (lane == null || lane.child != child) {
        return; // it was released; nothing was outstanding
      }
      lane.child = null;
      lane.yielding = false;
      childCount--;
      List<Run> back = new ArrayList<>();
      int place = 0;
      for (Run run : child.outstanding.values()) {
        boolean ran = child.isReady && place++ < config.slots();
        if (run.cancelledNs != 0) {
          failed.add(run);
          ends.add(run.failed(Verdict.Kind.CANCELLED, "cancelled; its engine had to be killed"));
        } else if (run == child.overdue) {
          failed.add(run);
          ends.add(
              run.failed(
                  Verdict.Kind.TIME_LIMIT,
                  "it ran longer than its "
                      + run.task.limits().wallMs()
                      + " ms and its engine had to be killed"));
        } else if (ran && !(child.killedForOne && run.disturbed++ < 1)) {
          failed.add(run);
          ends.add(run.failed(Verdict.Kind.ENGINE_DIED, "the engine died: " + why));
        } else {
          run.startedNs = 0;
          back.add(run);
        }
      }
      child.outstanding.clear();
      for (Run run : back.reversed()) {
        lane.waiting.addFirst(run);
        waitingCount++;
      }
      if (!child.isReady && ++lane.failedStarts >= 2) {
        for (Run run : lane.waiting) {
          failed.add(run);
          ends.add(run.failed(Verdict.Kind.NOT_STARTED, "the engine did not start: " + why));
        }
        waitingCount -= lane.waiting.size();
        lane.waiting.clear();
        lane.failedStarts = 0;
      }
      for (Run run : failed) {
        byRunId.remove(run.task.runId(), run);
      }
      if (!closed) {
        feed(lane);
        feedOthers(lane);
      }
    }
    for (int k = 0; k < failed.size(); k++) {
      failed.get(k).future.complete(ends.get(k));
    }
  }

  /// Every tick: starts the wall clock of tasks that got a slot, kills children whose tasks do not
  /// stop, and ends the turn of a consumer that others wait for.
  private void watch() {
    while (true) {
      LockSupport.parkNanos(Limits.TICK_MS * 1_000_000);
      synchronized (lock) {
        if (closed) {
          return;
        }
        long now = System.nanoTime();
        boolean someWait = false;
        Lane longest = null;
        for (Lane lane : lanes.values()) {
          EngineChild child = lane.child;
          if (child == null) {
            someWait |= !lane.waiting.isEmpty();
            continue;
          }
          if (longest == null || lane.childSinceNs - longest.childSinceNs < 0) {
            longest = lane;
          }
          check(child, now, now - lane.childSinceNs);
        }
        if (someWait
            && longest != null
            && now - longest.childSinceNs > Limits.TURN_MS * 1_000_000) {
          longest.yielding = true;
          feed(longest);
        }
      }
    }
  }

  private void check(EngineChild child, long now, long ageNs) {
    if (!child.isReady) {
      if (ageNs > Limits.CHILD_START_MS * 1_000_000) {
        child.kill("it did not start within " + Limits.CHILD_START_MS + " ms");
      }
      return;
    }
    long graceNs = Limits.KILL_GRACE_MS * 1_000_000;
    int place = 0;
    for (Run run : child.outstanding.values()) {
      if (place++ == config.slots()) {
        return;
      }
      if (run.startedNs == 0) {
        run.startedNs = now;
      }
      boolean late =
          now - run.startedNs - graceNs
              > Math.min(run.task.limits().wallMs(), 1L << 40) * 1_000_000;
      boolean deaf = run.cancelledNs != 0 && now - run.cancelledNs > graceNs;
      if (late || deaf) {
        child.killedForOne = true;
        child.overdue = late ? run : null;
        child.kill("a task of it did not stop");
        return;
      }
    }
  }

  /// Ends all children; tasks that have not ended end as [Verdict.Kind#CANCELLED]. Deletes the
  /// sandbox's folders, and outputs in them that nobody took.
  @Override
  public void close() {
    List<Run> left = new ArrayList<>();
    List<EngineChild> ending;
    synchronized (lock) {
      if (closed) {
        return;
      }
      closed = true;
      ending = List.copyOf(living);
      left.addAll(byRunId.values());
      left.sort(Comparator.comparingLong(r -> r.key));
      byRunId.clear();
      for (Lane lane : lanes.values()) {
        lane.waiting.clear();
        if (lane.child != null) {
          lane.child.outstanding.clear();
        }
      }
      lanes.clear();
    }
    for (EngineChild child : ending) {
      child.kill("the sandbox was closed");
    }
    for (Run run : left) {
      run.future.complete(run.failed(Verdict.Kind.CANCELLED, "the sandbox was closed"));
    }
    for (EngineChild child : ending) {
      child.awaitEnd(Limits.CLOSE_MS);
    }
    Folders.delete(children);
    Folders.delete(results);
  }
}
