package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.Usage;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Isolation;
import dev.perseid.sandbox.Natives;
import dev.perseid.sandbox.Output;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.Program;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.Verdict;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Runs leases: fetches what the task needs, runs it in the sandbox, stores its outputs in the
/// pool, and only then says that it ended.
///
/// A task whose blobs are all here and whose outputs are empty costs no thread of its own; all
/// others get a virtual one while they wait for the network.
final class ProviderRunner implements ProviderLoop.Runner, AutoCloseable {
  /// Where ends are told; called on any thread, exactly once for each start.
  interface Ends {
    /// An attempt ended.
    void ended(long lease, Attempt attempt);
  }

  /// What runs the modules.
  private static final String ENGINE = "endive";

  /// Native programs are run with this or not at all.
  private static final String NATIVE_ISOLATION =
      Isolation.Kind.BUBBLEWRAP.name().toLowerCase(Locale.ROOT);

  private static final class Run {
    final Lease lease;
    @Nullable Thread waiting;
    boolean inSandbox;
    boolean stopped;

    Run(Lease lease) {
      this.lease = lease;
    }
  }

  private final Electricity electricity;
  private final Sandbox sandbox;
  private final Optional<Natives> natives;
  private final GpuRack gpus;
  private final long memoryBytes;
  private final ProviderBlobs blobs;
  private final ProviderTransfer transfer;
  private final Ends ends;
  private final Consumer<ProbeAnswer> probed;
  private final String isolation;
  private volatile @Nullable Thread prober;
  private final ConcurrentHashMap<Long, Run> runs = new ConcurrentHashMap<>();

  /// @param electricity what is said of the power that this machine takes
  /// @param natives runs native programs, where that is lent
  /// @param gpus that native programs may use
  /// @param memoryBytes the largest memory limit that the sandbox takes
  /// @param probed hears what probes asked for, on any thread
  ProviderRunner(
      Electricity electricity,
      Sandbox sandbox,
      Optional<Natives> natives,
      GpuRack gpus,
      long memoryBytes,
      ProviderBlobs blobs,
      ProviderTransfer transfer,
      Ends ends,
      Consumer<ProbeAnswer> probed) {
    this.electricity = electricity;
    this.sandbox = sandbox;
    this.natives = natives;
    this.gpus = gpus;
    this.memoryBytes = memoryBytes;
    this.blobs = blobs;
    this.transfer = transfer;
    this.ends = ends;
    this.probed = probed;
    isolation = sandbox.isolation().kind().name().toLowerCase(Locale.ROOT);
  }

  @Override
  public void start(Lease lease) {
    Run run = new Run(lease);
    runs.put(lease.id(), run);
    Optional<ProviderBlobs.Loan> here = blobs.borrowPresent(needed(lease));
    if (here.isPresent()) {
      execute(run, here.get());
    } else {
      waitIn(run, () -> fetch(run));
    }
  }

  @Override
  public void stop(long lease) {
    Run run = runs.get(lease);
    if (run == null) {
      return;
    }
    synchronized (run) {
      run.stopped = true;
      if (run.waiting != null) {
        run.waiting.interrupt();
      }
      if (run.inSandbox) {
        cancel(run);
      }
    }
  }

  @Override
  public void probe(Probe probe) {
    Thread before = prober;
    if (before != null) {
      before.interrupt();
    }
    Thread thread =
        Thread.ofPlatform()
            .name("probe")
            .daemon()
            .unstarted(() -> {
              try {
                probed.accept(
                    probe.part().isOfGpus()
                        ? gpus.show(probe)
                        : Exertion.exert(probe, new FreeMemory()::has));
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              } catch (RuntimeException | OutOfMemoryError e) {
                // No threads or no memory: nothing is shown, and the pool says so.
                probed.accept(new ProbeAnswer(probe.id(), probe.part(), List.of(), List.of()));
              }
            });
    prober = thread;
    thread.start();
  }

  /// Stops everything; nobody hears of the ends.
  @Override
  public void close() {
    Thread thread = prober;
    if (thread != null) {
      thread.interrupt();
    }
    for (long lease : runs.keySet().stream().sorted().toList()) {
      stop(lease);
    }
  }

  private static List<Blob> needed(Lease lease) {
    List<Blob> needed = new ArrayList<>(lease.inputs().size() + 1);
    needed.add(lease.kind().module());
    needed.addAll(lease.inputs());
    return needed;
  }

  private void waitIn(Run run, Runnable body) {
    Thread thread = Thread.ofVirtual().name("lease-" + run.lease.id()).unstarted(body);
    synchronized (run) {
      run.waiting = thread;
      if (run.stopped) {
        thread.interrupt();
      }
    }
    thread.start();
  }

  private void fetch(Run run) {
    try {
      execute(run, blobs.borrow(needed(run.lease)));
    } catch (TransferFailed e) {
      end(run, Attempt.unstarted(Outcome.PROVIDER_FAILED, e.getMessage()));
    } catch (InterruptedException e) {
      end(run, Attempt.unstarted(Outcome.CANCELLED, "stopped before it began"));
    }
  }

  private void execute(Run run, ProviderBlobs.Loan loan) {
    Supplier<CompletableFuture<Execution>> task;
    try {
      task = task(run.lease, loan);
    } catch (IOException e) {
      loan.doubt();
      loan.close();
      end(run, Attempt.unstarted(Outcome.PROVIDER_FAILED, "a blob cannot be read: " + e));
      return;
    } catch (IllegalStateException e) {
      loan.close();
      end(run, Attempt.unstarted(Outcome.PROVIDER_FAILED, String.valueOf(e.getMessage())));
      return;
    }
    synchronized (run) {
      run.waiting = null;
      if (run.stopped) {
        loan.close();
        end(run, Attempt.unstarted(Outcome.CANCELLED, "stopped before it began"));
        return;
      }
      run.inSandbox = true;
    }
    long startedUs = wallUs();
    var _ =
        task.get()
            .whenComplete((execution, bug) -> {
              long endedUs = wallUs();
              synchronized (run) {
                run.inSandbox = false;
              }
              if (execution == null) {
                loan.close();
                end(run, Attempt.unstarted(Outcome.PROVIDER_FAILED, "the sandbox failed: " + bug));
              } else {
                executed(run, loan, execution, startedUs, Math.max(startedUs, endedUs));
              }
            });
    boolean stopped;
    synchronized (run) {
      stopped = run.stopped && run.inSandbox;
    }
    if (stopped) {
      cancel(run); // the stop came before the sandbox knew the run
    }
  }

  private void cancel(Run run) {
    if (run.lease.kind().isNative()) {
      natives.ifPresent(n -> n.cancel(run.lease.id()));
    } else {
      sandbox.cancel(run.lease.id());
    }
  }

  private Supplier<CompletableFuture<Execution>> task(Lease lease, ProviderBlobs.Loan loan)
      throws IOException {
    TaskKind kind = lease.kind();
    List<Input> inputs = new ArrayList<>(lease.inputs().size());
    long inlineBytes = 0;
    for (Blob b : lease.inputs()) {
      if (b.sizeBytes() == 0) {
        inputs.add(new Input.Inline(new byte[0]));
      } else if (b.sizeBytes() <= ProviderLimits.INLINE_INPUT_BYTES
          && inlineBytes + b.sizeBytes() <= ProviderLimits.INLINE_INPUTS_BYTES) {
        inputs.add(new Input.Inline(Files.readAllBytes(loan.path(b))));
        inlineBytes += b.sizeBytes();
      } else {
        inputs.add(new Input.File(loan.path(b), b.sizeBytes()));
      }
    }
    if (kind.isNative()) {
      Natives of =
          natives.orElseThrow(() -> new IllegalStateException("no native programs are run here"));
      String args = lease.args().strip();
      Program program =
          new Program(
              lease.id(),
              loan.path(kind.module()),
              kind.module().hash().bytes(),
              args.isEmpty() ? List.of() : List.of(args.split("\\s+", -1)),
              inputs,
              lease.outputs(),
              kind.cores(),
              new RunLimits(0, kind.memoryBytes(), kind.outputBytesLimit(), kind.wallLimitMs()),
              gpus.take(lease.id(), kind.gpus().count()));
      return () -> of.run(program);
    }
    Portable portable =
        new Portable(
            lease.id(),
            lease.consumer().toString(),
            loan.path(kind.module()),
            kind.module().hash().bytes(),
            lease.args().getBytes(StandardCharsets.UTF_8),
            inputs,
            lease.outputs(),
            new RunLimits(
                kind.gasLimit(),
                Math.min(memoryBytes, kind.memoryBytes()),
                kind.outputBytesLimit(),
                kind.wallLimitMs()));
    return () -> sandbox.run(portable);
  }

  /// On the sandbox's thread: must not block.
  private void executed(
      Run run, ProviderBlobs.Loan loan, Execution execution, long startedUs, long endedUs) {
    Usage usage = usage(execution, loan.fetchedBytes(), run.lease.kind().gpus().count());
    switch (execution.verdict()) {
      case Verdict.Done d -> {
        loan.close();
        List<Blob> outputs = new ArrayList<>(execution.outputs().size());
        boolean nothing = true;
        for (Output o : execution.outputs()) {
          outputs.add(new Blob(Hash.of(o.sha256()), o.size()));
          nothing &= o.size() == 0;
        }
        Attempt done = attempt(run, Outcome.DONE, "", startedUs, endedUs, usage, outputs);
        if (nothing) {
          end(run, done);
        } else {
          waitIn(run, () -> deliver(run, execution.outputs(), done));
        }
      }
      case Verdict.Failed f -> {
        if (f.kind() == Verdict.Kind.NOT_STARTED) {
          loan.doubt(); // one of the files may be why
        }
        loan.close();
        Outcome outcome =
            switch (f.kind().fault()) {
              case TASK -> Outcome.TASK_FAILED;
              case PROVIDER -> Outcome.PROVIDER_FAILED;
              case NOBODY -> Outcome.CANCELLED;
            };
        end(
            run,
            f.kind() == Verdict.Kind.NOT_STARTED
                ? Attempt.unstarted(outcome, f.message())
                : attempt(run, outcome, f.message(), startedUs, endedUs, usage, List.of()));
      }
    }
  }

  private void deliver(Run run, List<Output> outputs, Attempt done) {
    Attempt result = done;
    try {
      for (int i = 0; i < outputs.size(); i++) {
        Blob blob = done.outputs().get(i);
        switch (outputs.get(i)) {
          case Output.Inline o -> {
            transfer.store(blob, new ProviderTransfer.Content.Bytes(o.bytes()));
            blobs.keep(blob, o.bytes());
          }
          case Output.File o -> {
            transfer.store(blob, new ProviderTransfer.Content.File(o.path()));
            blobs.keep(blob, o.path());
          }
        }
      }
    } catch (TransferFailed e) {
      result = instead(done, Outcome.PROVIDER_FAILED, e.getMessage());
    } catch (InterruptedException e) {
      result = instead(done, Outcome.CANCELLED, "stopped while its outputs were being stored");
    } finally {
      for (Output o : outputs) {
        if (o instanceof Output.File f) {
          discard(f.path());
        }
      }
    }
    end(run, result);
  }

  private static void discard(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException ignored) {
      // The sandbox empties its folder when it closes.
    }
  }

  private Attempt attempt(
      Run run,
      Outcome outcome,
      String reason,
      long startedUs,
      long endedUs,
      Usage usage,
      List<Blob> outputs) {
    return new Attempt(
        outcome,
        reason,
        OptionalLong.of(startedUs),
        OptionalLong.of(endedUs),
        usage,
        outputs,
        run.lease.kind().isNative() ? Report.NATIVE : ENGINE,
        run.lease.kind().isNative() ? NATIVE_ISOLATION : isolation);
  }

  private static Attempt instead(Attempt a, Outcome outcome, String reason) {
    return new Attempt(
        outcome,
        reason,
        a.startedUs(),
        a.endedUs(),
        a.usage(),
        List.of(),
        a.engine(),
        a.isolation());
  }

  private Usage usage(Execution execution, long fetchedBytes, int gpus) {
    dev.perseid.sandbox.Usage u = execution.usage();
    OptionalLong energyUj = electricity.energyUj(u.cpuNs(), u.wallNs(), gpus);
    return new Usage(
        u.gas(),
        u.cpuNs(),
        u.wallNs(),
        u.peakMemoryBytes(),
        OptionalLong.of(u.bytesIn()),
        OptionalLong.of(u.bytesOut()),
        OptionalLong.of(fetchedBytes),
        OptionalLong.empty(),
        energyUj,
        energyUj.isPresent() ? electricity.by(gpus) : "");
  }

  private void end(Run run, Attempt attempt) {
    long lease = run.lease.id();
    if (natives.isPresent() && natives.get().isStuck(lease)) {
      gpus.lose(lease);
    } else {
      gpus.giveBack(lease);
    }
    runs.remove(run.lease.id());
    ends.ended(run.lease.id(), attempt);
  }

  private static long wallUs() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }
}
