package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Comparison;
import dev.perseid.core.Effect;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Limits;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Output;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.sandbox.Verdict;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Compares results of native tasks: two at a time, consumers in turns, and of each its jobs in
/// turns. What a consumer's own module says is found in a sandbox. What cannot be compared for a
/// reason that lies here is tried again a few times, and then told to be unknown: it says nothing
/// about the result.
final class ResultComparer implements PoolLoop.Comparer, AutoCloseable {
  /// What is compared, how far that is, and who hears of it.
  private static final class Work {
    final Effect.Compare asked;
    final PoolLoop.Compared done;
    int compared;
    boolean isKnown;
    long like;
    String problem = "";

    /// How often it could not be compared, and why the last time, until it is tried again.
    int faults;

    @Nullable Throwable fault;
    long dueNs;
    boolean dropped;

    Work(Effect.Compare asked, PoolLoop.Compared done) {
      this.asked = asked;
      this.done = done;
    }

    long entry() {
      return asked.what().entry();
    }
  }

  /// The consumer's module did not do what it is for.
  private static final class ModuleFailed extends Exception {
    private static final long serialVersionUID = 1;

    ModuleFailed(String message) {
      super(message);
    }
  }

  private final Path scratch;
  private final Function<Hash, Optional<Path>> files;
  private final long retryNs;
  private final Object lock = new Object();

  // All below guarded by the lock.

  /// By consumer and job; who has waited longest comes first.
  private final LinkedHashMap<Address, LinkedHashMap<JobId, ArrayDeque<Work>>> waiting =
      new LinkedHashMap<>();

  /// What could not be compared and is tried again, the first to be due first.
  private final ArrayDeque<Work> later = new ArrayDeque<>();

  private final Map<Long, Work> byEntry = new HashMap<>();
  private @Nullable Thread thread;
  private @Nullable Sandbox sandbox;
  private boolean closed;

  /// Of the thread alone.
  private long runs;

  /// @param scratch folder for the sandbox, which is opened when it is first needed
  /// @param files where blobs are
  ResultComparer(Path scratch, Function<Hash, Optional<Path>> files) {
    this(scratch, files, PoolLimits.COMPARISON_RETRY_MS);
  }

  /// @param retryMs after how long what could not be compared is tried again
  ResultComparer(Path scratch, Function<Hash, Optional<Path>> files, long retryMs) {
    this.scratch = scratch;
    this.files = files;
    this.retryNs = TimeUnit.MILLISECONDS.toNanos(retryMs);
  }

  /// Compares when its turn comes; `done` hears of it on a thread of this, or never if it is closed
  /// before.
  @Override
  public void compare(Effect.Compare asked, PoolLoop.Compared done) {
    synchronized (lock) {
      if (closed) {
        return;
      }
      Work work = new Work(asked, done);
      byEntry.put(work.entry(), work);
      queue(asked).addLast(work);
      lock.notifyAll();
      if (thread == null) {
        thread = Thread.ofPlatform().name("pool-compares").daemon().start(this::run);
      }
    }
  }

  @Override
  public void drop(Effect.DropComparison what) {
    synchronized (lock) {
      Work work = byEntry.remove(what.entry());
      if (work != null) {
        work.dropped = true;
      }
    }
  }

  /// Where something waits. Holds the lock.
  private ArrayDeque<Work> queue(Effect.Compare of) {
    return waiting
        .computeIfAbsent(of.consumer(), _ -> new LinkedHashMap<>())
        .computeIfAbsent(of.job(), _ -> new ArrayDeque<>());
  }

  /// Whatever goes wrong with one, the next is compared.
  private void run() {
    Work work = null;
    while (true) {
      try {
        work = work == null ? next() : work;
        if (work == null) {
          break;
        }
        if (work.fault == null && !work.isKnown) {
          compareWithNext(work);
        }
        goOn(work);
        work = null;
      } catch (Throwable e) {
        // There may be no memory left: nothing is made here.
        if (work != null && ++work.faults <= 2 * PoolLimits.COMPARISON_ATTEMPTS) {
          work.fault = e;
        } else {
          work = null;
        }
      }
    }
    closeSandbox();
  }

  /// Whose turn it is; null once this is closed.
  private @Nullable Work next() {
    synchronized (lock) {
      while (!closed) {
        long nowNs = System.nanoTime();
        while (!later.isEmpty() && later.getFirst().dueNs - nowNs <= 0) {
          Work due = later.removeFirst();
          queue(due.asked).addLast(due);
        }
        Work work = poll();
        if (work != null && !work.dropped) {
          return work;
        }
        if (work != null) {
          continue;
        }
        try {
          if (later.isEmpty()) {
            lock.wait();
          } else {
            TimeUnit.NANOSECONDS.timedWait(lock, later.getFirst().dueNs - nowNs);
          }
        } catch (InterruptedException e) {
          return null; // Nobody does that but to end it.
        }
      }
      return null;
    }
  }

  /// Takes the one whose turn it is; its consumer and its job come last then. Holds the lock.
  private @Nullable Work poll() {
    Map.Entry<Address, LinkedHashMap<JobId, ArrayDeque<Work>>> consumer = waiting.pollFirstEntry();
    if (consumer == null) {
      return null;
    }
    LinkedHashMap<JobId, ArrayDeque<Work>> jobs = consumer.getValue();
    Map.Entry<JobId, ArrayDeque<Work>> job = jobs.pollFirstEntry();
    Work work = job.getValue().removeFirst();
    if (!job.getValue().isEmpty()) {
      jobs.put(job.getKey(), job.getValue());
    }
    if (!jobs.isEmpty()) {
      waiting.put(consumer.getKey(), jobs);
    }
    return work;
  }

  /// Compares with the first with which it was not yet.
  private void compareWithNext(Work work) throws IOException {
    Effect.Compare c = work.asked;
    Effect.Compared other = c.with().get(work.compared);
    boolean alike = false;
    try {
      alike = alike(c.comparison(), other.outputs(), c.what().outputs());
    } catch (ModuleFailed e) {
      work.problem = "it could not be compared: " + e.getMessage();
    }
    work.compared++;
    work.isKnown = alike || work.compared == c.with().size();
    work.like = alike ? other.entry() : work.entry();
  }

  /// Tells what is known, or has it wait for its next turn.
  private void goOn(Work work) {
    Throwable fault = work.fault;
    synchronized (lock) {
      if (closed || work.dropped) {
        return;
      }
      if (fault != null && work.faults < PoolLimits.COMPARISON_ATTEMPTS) {
        work.dueNs = System.nanoTime() + retryNs;
        later.addLast(work);
        work.fault = null;
        return;
      }
      if (fault == null && !work.isKnown) {
        queue(work.asked).addFirst(work);
        return;
      }
    }
    if (fault == null) {
      work.done.is(work.like, work.problem);
    } else {
      work.done.is(Command.RecordComparison.UNKNOWN, said(fault));
    }
    synchronized (lock) {
      byEntry.remove(work.entry(), work);
    }
  }

  private static String said(Throwable fault) {
    if (fault instanceof IOException || fault instanceof UncheckedIOException) {
      return String.valueOf(fault.getMessage());
    }
    System.getLogger(ResultComparer.class.getName())
        .log(System.Logger.Level.ERROR, "results could not be compared", fault);
    return fault instanceof OutOfMemoryError
        ? "it has not enough memory"
        : "an error of its own (" + fault.getClass().getSimpleName() + ")";
  }

  private boolean alike(Comparison comparison, List<Blob> as, List<Blob> bs)
      throws IOException, ModuleFailed {
    if (comparison instanceof Comparison.Module m) {
      return sayAlike(m.module(), as, bs);
    }
    if (as.size() != bs.size()) {
      return false;
    }
    for (int i = 0; i < as.size(); i++) {
      if (!as.get(i).equals(bs.get(i)) && !alike(comparison, as.get(i), bs.get(i))) {
        return false;
      }
    }
    return true;
  }

  private boolean alike(Comparison comparison, Blob a, Blob b) throws IOException {
    return switch (comparison) {
      case Comparison.Exact _, Comparison.Module _ -> false;
      case Comparison.Numeric near -> near.alike(bytes(a), bytes(b));
      case Comparison.Lines _ -> Comparison.Lines.alike(bytes(a), bytes(b));
    };
  }

  private Path file(Blob blob) throws IOException {
    return files
        .apply(blob.hash())
        .orElseThrow(() -> new IOException("sha256:" + blob.hash() + " is not here any more"));
  }

  private byte[] bytes(Blob blob) throws IOException {
    if (blob.sizeBytes() > Limits.COMPARED_BYTES) {
      throw new IOException(
          "an output has " + blob.sizeBytes() + " bytes, over " + Limits.COMPARED_BYTES);
    }
    return blob.sizeBytes() == 0 ? new byte[0] : Files.readAllBytes(file(blob));
  }

  private boolean sayAlike(Blob module, List<Blob> as, List<Blob> bs)
      throws IOException, ModuleFailed {
    List<Input> inputs = new ArrayList<>();
    for (List<Blob> outputs : List.of(as, bs)) {
      for (Blob blob : outputs) {
        inputs.add(
            blob.sizeBytes() == 0
                ? new Input.Inline(new byte[0])
                : new Input.File(file(blob), blob.sizeBytes()));
      }
    }
    Portable task =
        new Portable(
            ++runs,
            module.hash().hex(),
            file(module),
            module.hash().bytes(),
            new byte[0],
            inputs,
            1,
            new RunLimits(
                PoolLimits.COMPARISON_GAS,
                PoolLimits.COMPARISON_MEMORY_BYTES,
                1 << 10,
                PoolLimits.COMPARISON_WALL_MS));
    Execution execution = opened().run(task).join();
    return switch (execution.verdict()) {
      case Verdict.Failed f -> {
        String why = "the module that compares: " + f.message();
        // The time is one of its limits.
        if (f.kind().fault() == Verdict.Fault.TASK || f.kind() == Verdict.Kind.TIME_LIMIT) {
          throw new ModuleFailed(why);
        }
        // What this machine lacks may be there when it is tried again.
        closeSandbox();
        throw new IOException(why);
      }
      case Verdict.Done _ ->
          execution.outputs().getFirst() instanceof Output.Inline said
              && said.bytes().length > 0
              && said.bytes()[0] == '1';
    };
  }

  private Sandbox opened() throws IOException {
    synchronized (lock) {
      if (sandbox != null) {
        return sandbox;
      }
    }
    Sandbox fresh =
        Sandbox.open(
            SandboxConfig.in(scratch)
                .withSlots(1)
                .withMaxChildren(1)
                .withMemoryBytes(PoolLimits.COMPARISON_MEMORY_BYTES)
                .withDemand(SandboxConfig.Demand.REQUIRED));
    synchronized (lock) {
      if (!closed) {
        sandbox = fresh;
        return fresh;
      }
    }
    fresh.close();
    throw new IOException("the pool is stopping");
  }

  private void closeSandbox() {
    Sandbox opened;
    synchronized (lock) {
      opened = sandbox;
      sandbox = null;
    }
    if (opened != null) {
      opened.close();
    }
  }

  /// Stops; what waits is not answered. The thread is not interrupted, which would close the file
  /// that it reads: it ends after what it does, and a module that runs is stopped.
  @Override
  public void close() {
    Thread running;
    synchronized (lock) {
      closed = true;
      running = thread;
      lock.notifyAll();
    }
    closeSandbox();
    if (running != null) {
      try {
        running.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
