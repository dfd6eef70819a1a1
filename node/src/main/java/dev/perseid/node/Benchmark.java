package dev.perseid.node;

import dev.perseid.core.Capability;
import dev.perseid.core.Hash;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.Verdict;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Measures what this machine can do, in less than [ProviderLimits#BENCHMARK_MS]. What does not
/// work, or is not ready in time, is absent from the result.
final class Benchmark {
  private static final long CPU_NS = 150_000_000;
  private static final long MEMORY_NS = 150_000_000;
  private static final int MEMORY_BYTES = 64 << 20;
  private static final int MIX_ROUNDS = 100_000;

  /// Integer operations of one round of [#mix]: three shifts, three exclusive ors, a multiplication
  /// and an addition.
  private static final int MIX_OPS = 8;

  private static final String BURN = "burn.wasm";
  private static final long BURN_GAS = 1_000_000_000_000L;
  private static final long BURN_MEMORY_BYTES = 16L << 20;

  /// Iterations of the first, short run, in which the module is compiled.
  private static final String WARM = "20000";

  private static final String TIMED = "2000000";

  private Benchmark() {}

  /// Runs the benchmark.
  ///
  /// @param scratch folder in which a module's file may lie while it runs
  static Capability run(Sandbox sandbox, String self, Path scratch) throws InterruptedException {
    long deadlineNs =
        System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ProviderLimits.BENCHMARK_MS);
    // The engine starts while the processor is measured; on one core both are slower, which is
    // what a task would see too.
    Path module = scratch.resolve(BURN);
    CompletableFuture<Execution> warm = new CompletableFuture<>();
    byte[] hash = new byte[0];
    boolean written = false;
    try (InputStream in = Benchmark.class.getResourceAsStream(BURN)) {
      if (in != null) {
        byte[] bytes = in.readAllBytes();
        Files.write(module, bytes);
        hash = Hash.sha256(bytes).bytes();
        warm = sandbox.run(burn(self, module, hash, 1, WARM));
        written = true;
      }
    } catch (IOException e) {
      // Without its module the speed of the sandbox stays unmeasured.
    }
    OptionalLong cpu = OptionalLong.of(cpuOpsPerS());
    OptionalLong memory = memoryBytesPerS();
    OptionalLong gas = OptionalLong.empty();
    if (written && gasPerS(warm, deadlineNs).isPresent()) {
      gas = gasPerS(sandbox.run(burn(self, module, hash, 2, TIMED)), deadlineNs);
      sandbox.cancel(-2);
    }
    sandbox.cancel(-1);
    return new Capability(cpu, memory, gas);
  }

  private static Portable burn(String self, Path module, byte[] hash, int run, String args) {
    return new Portable(
        -run,
        self,
        module,
        hash,
        args.getBytes(StandardCharsets.US_ASCII),
        List.of(),
        0,
        new RunLimits(BURN_GAS, BURN_MEMORY_BYTES, 0, ProviderLimits.BENCHMARK_MS));
  }

  private static OptionalLong gasPerS(CompletableFuture<Execution> run, long deadlineNs)
      throws InterruptedException {
    try {
      Execution e = run.get(Math.max(0, deadlineNs - System.nanoTime()), TimeUnit.NANOSECONDS);
      long ns = e.usage().wallNs().orElse(0);
      long gas = e.usage().gas().orElse(0);
      return e.verdict() instanceof Verdict.Done && ns > 0 && gas > 0
          ? OptionalLong.of((long) (gas * 1e9 / ns))
          : OptionalLong.empty();
    } catch (TimeoutException | ExecutionException e) {
      return OptionalLong.empty();
    }
  }

  private static long cpuOpsPerS() {
    long seed = 1;
    long best = 0;
    long end = System.nanoTime() + CPU_NS;
    while (System.nanoTime() < end) {
      long start = System.nanoTime();
      seed = mix(seed);
      long ns = Math.max(1, System.nanoTime() - start);
      best = Math.max(best, (long) (1e9 * MIX_ROUNDS * MIX_OPS / ns));
    }
    return seed == 0 ? 1 : best; // the seed is used, so the loop is not removed
  }

  /// Steps of which each needs the one before it.
  private static long mix(long seed) {
    long x = seed;
    for (int i = 0; i < MIX_ROUNDS; i++) {
      x = Exertion.step(x, i);
    }
    return x;
  }

  /// Bytes read and written by copying.
  private static OptionalLong memoryBytesPerS() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocate(MEMORY_BYTES).fill((byte) 1);
      MemorySegment to = arena.allocate(MEMORY_BYTES).fill((byte) 2);
      long best = 0;
      long end = System.nanoTime() + MEMORY_NS;
      while (System.nanoTime() < end) {
        long start = System.nanoTime();
        to.copyFrom(from);
        long ns = Math.max(1, System.nanoTime() - start);
        best = Math.max(best, (long) (2e9 * MEMORY_BYTES / ns));
      }
      return OptionalLong.of(best);
    } catch (OutOfMemoryError e) {
      return OptionalLong.empty();
    }
  }
}
