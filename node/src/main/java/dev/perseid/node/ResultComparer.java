package dev.perseid.node;

import dev.perseid.core.Blob;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Compares results of native tasks: one at a time with all that it may be like, of the jobs that
/// wait in turns. What a consumer's own module says is found in a sandbox.
final class ResultComparer implements AutoCloseable {
  /// What is compared, and who hears of it.
  private record Asked(Effect.Compare compare, PoolLoop.Compared done) {}

  private final Path scratch;
  private final Function<Hash, Optional<Path>> files;

  /// By job, the one that has waited longest first.
  private final LinkedHashMap<JobId, ArrayDeque<Asked>> waiting = new LinkedHashMap<>();

  private @Nullable Thread thread;
  private boolean closed;
  private @Nullable Sandbox sandbox;
  private long runs;

  /// @param scratch folder for the sandbox, which is opened when it is first needed
  /// @param files where blobs are
  ResultComparer(Path scratch, Function<Hash, Optional<Path>> files) {
    this.scratch = scratch;
    this.files = files;
  }

  /// Compares when its turn comes; `done` hears of it on a thread of this, or never if it is closed
  /// before.
  void compare(Effect.Compare compare, PoolLoop.Compared done) {
    synchronized (waiting) {
      if (closed) {
        return;
      }
      waiting.computeIfAbsent(compare.job(), _ -> new ArrayDeque<>()).add(new Asked(compare, done));
      waiting.notifyAll();
      if (thread == null) {
        thread = Thread.ofPlatform().name("pool-compares").daemon().start(this::run);
      }
    }
  }

  private void run() {
    try {
      while (true) {
        Asked next = next();
        answer(next);
      }
    } catch (InterruptedException e) {
      // closed
    } finally {
      Sandbox opened = sandbox;
      if (opened != null) {
        opened.close();
      }
    }
  }

  private Asked next() throws InterruptedException {
    synchronized (waiting) {
      while (waiting.isEmpty()) {
        waiting.wait();
      }
      Map.Entry<JobId, ArrayDeque<Asked>> first = waiting.pollFirstEntry();
      Asked asked = first.getValue().remove();
      if (!first.getValue().isEmpty()) {
        waiting.put(first.getKey(), first.getValue());
      }
      return asked;
    }
  }

  private void answer(Asked asked) throws InterruptedException {
    Effect.Compare c = asked.compare();
    String problem = "";
    for (Effect.Compared other : c.with()) {
      try {
        if (alike(c.comparison(), other.outputs(), c.what().outputs())) {
          asked.done().is(other.entry(), problem);
          return;
        }
      } catch (IOException | UncheckedIOException e) {
        problem = "it could not be compared: " + e.getMessage();
      } catch (RuntimeException | OutOfMemoryError e) {
        problem = "the pool could not compare it";
        System.getLogger(ResultComparer.class.getName()).log(System.Logger.Level.ERROR, "bug", e);
      }
    }
    asked.done().is(c.what().entry(), problem);
  }

  private boolean alike(Comparison comparison, List<Blob> as, List<Blob> bs)
      throws IOException, InterruptedException {
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
      throws IOException, InterruptedException {
    Sandbox in = sandbox;
    if (in == null) {
      in =
          Sandbox.open(
              SandboxConfig.in(scratch)
                  .withSlots(1)
                  .withMaxChildren(1)
                  .withMemoryBytes(PoolLimits.COMPARISON_MEMORY_BYTES)
                  .withDemand(SandboxConfig.Demand.REQUIRED));
      sandbox = in;
    }
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
    Execution execution;
    try {
      execution = in.run(task).get();
    } catch (ExecutionException e) {
      throw new IOException("the sandbox failed: " + e.getCause());
    }
    return switch (execution.verdict()) {
      case Verdict.Failed f -> throw new IOException("the module that compares: " + f.message());
      case Verdict.Done _ ->
          execution.outputs().getFirst() instanceof Output.Inline said
              && said.bytes().length > 0
              && said.bytes()[0] == '1';
    };
  }

  /// Stops; what waits is not answered.
  @Override
  public void close() {
    Thread running;
    synchronized (waiting) {
      closed = true;
      running = thread;
    }
    if (running != null) {
      running.interrupt();
      try {
        running.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
