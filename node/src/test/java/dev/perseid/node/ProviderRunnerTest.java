package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Comparison;
import dev.perseid.core.Form;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.TaskKind;
import dev.perseid.sandbox.Natives;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Leases through the real sandbox, with blobs from a host on loopback.
@Timeout(60)
final class ProviderRunnerTest {
  private static final Address CONSUMER = Address.parse("0x" + "33".repeat(20));
  private static final long MIB = 1 << 20;
  private static final Electricity ELECTRICITY =
      new Electricity(OptionalLong.of(10_000), OptionalLong.empty(), OptionalInt.empty());
  private static final Path MODULES = Path.of("../examples/modules");

  @TempDir static Path folder;
  private static Sandbox sandbox;
  private static Natives natives;

  private final Map<Long, CompletableFuture<Attempt>> ends = new ConcurrentHashMap<>();
  private BlobHost host;
  private ProviderBlobs blobs;
  private ProviderRunner runner;
  private long nextLease = 1;

  @BeforeAll
  static void openSandbox() {
    sandbox =
        Sandbox.open(
            SandboxConfig.in(folder.resolve("sandbox"))
                .withSlots(2)
                .withMaxChildren(1)
                .withMemoryBytes(32 * MIB));
    natives = Natives.open(folder.resolve("natives"));
  }

  @AfterAll
  static void closeSandbox() {
    natives.close();
    sandbox.close();
  }

  @BeforeEach
  void open(@TempDir Path cache) throws Exception {
    host = new BlobHost();
    ProviderTransfer transfer =
        new ProviderTransfer(
            host.uri(),
            Optional.empty(),
            () -> Optional.of("good"),
            new ProviderTransfer.Patience(300, 1, 10, 5_000));
    blobs = ProviderBlobs.open(cache, 8 * MIB, 1_000, transfer);
    runner =
        new ProviderRunner(
            ELECTRICITY,
            sandbox,
            Optional.of(natives),
            new GpuRack(List.of(), cache.resolve("gpus"), () -> {}),
            32 * MIB,
            blobs,
            transfer,
            (lease, attempt) -> end(lease).complete(attempt),
            probed::complete);
  }

  @AfterEach
  void close() {
    runner.close();
    host.close();
  }

  private final CompletableFuture<ProbeAnswer> probed = new CompletableFuture<>();

  @Test
  void aProbeIsDoneOnThisMachine() throws Exception {
    Probe probe = new Probe(3, Probe.Part.MEMORY, 5, 2, 4, 1 << 10);
    runner.probe(probe);
    ProbeAnswer answer = probed.get(20, TimeUnit.SECONDS);
    assertThat(answer.digests()).hasSize(4);
    assertThat(Exertion.wrong(probe, answer, 4, new Random(1))).isEmpty();
  }

  private CompletableFuture<Attempt> end(long lease) {
    return ends.computeIfAbsent(lease, id -> new CompletableFuture<>());
  }

  private Blob module(String name) throws Exception {
    return host.add(Files.readAllBytes(MODULES.resolve(name)));
  }

  private Lease lease(Blob module, String args, List<Blob> inputs, int outputs, long gas) {
    return lease(
        new TaskKind("k", module, gas, 16 * MIB, 4 * MIB, 30_000, 1, 3), args, inputs, outputs);
  }

  private Lease lease(TaskKind kind, String args, List<Blob> inputs, int outputs) {
    return new Lease(
        nextLease++,
        JobId.of(CONSUMER, 1),
        0,
        "k",
        CONSUMER,
        Address.ZERO,
        Hash.ZERO,
        1,
        kind,
        args,
        inputs,
        List.of(),
        outputs,
        1,
        2,
        3,
        4);
  }

  private Attempt run(Lease lease) throws Exception {
    runner.start(lease);
    return end(lease.id()).get(30, TimeUnit.SECONDS);
  }

  @Test
  void anEmptyTaskMovesNothingButItsModuleAndThatOnce() throws Exception {
    Blob module = module("empty.wasm");
    Attempt first = run(lease(module, "", List.of(), 1, 1_000_000));
    assertThat(first.outcome()).as(first.reason()).isEqualTo(Outcome.DONE);
    assertThat(first.outputs()).containsExactly(Blob.EMPTY);
    assertThat(first.usage().fetchedBytes()).hasValue(module.sizeBytes());
    assertThat(first.usage().gas().orElseThrow()).isPositive();
    assertThat(first.usage().wallNs().orElseThrow()).isPositive();
    assertThat(first.usage().gpuNs()).isEmpty();
    assertThat(first.usage().energyUj())
        .as("10 W")
        .hasValue(first.usage().cpuNs().orElseThrow() / 100);
    assertThat(first.usage().energyBy()).isEqualTo("declared: 10 W a core in use");
    assertThat(first.startedUs().orElseThrow()).isLessThanOrEqualTo(first.endedUs().orElseThrow());
    assertThat(first.isolation()).isIn("bubblewrap", "none");
    Attempt second = run(lease(module, "", List.of(), 0, 1_000_000));
    assertThat(second.outcome()).isEqualTo(Outcome.DONE);
    assertThat(second.usage().fetchedBytes()).hasValue(0);
    assertThat(second.usage().gas()).isEqualTo(first.usage().gas());
    assertThat(host.requests).containsExactly("GET ");
  }

  @Test
  void outputsAreInThePoolBeforeTheAttemptEndsAndInTheCacheForTheNextTask() throws Exception {
    Blob module = module("burn.wasm");
    byte[] input = new byte[300_000];
    new Random(1).nextBytes(input);
    Lease lease =
        lease(module, "1000 100 200000 0", List.of(host.add(input), Blob.EMPTY), 3, 1L << 40);
    Attempt a = run(lease);
    assertThat(a.outcome()).as(a.reason()).isEqualTo(Outcome.DONE);
    assertThat(a.outputs()).extracting(Blob::sizeBytes).containsExactly(100L, 200_000L, 0L);
    for (Blob b : a.outputs().subList(0, 2)) {
      assertThat(Hash.sha256(host.blobs.get(b.hash()))).isEqualTo(b.hash());
    }
    assertThat(a.usage().fetchedBytes()).hasValue(module.sizeBytes() + input.length);
    assertThat(a.usage().bytesOut()).hasValue(200_100);
    assertThat(blobs.borrowPresent(a.outputs())).isPresent();
    Attempt again = run(lease(module, lease.args(), lease.inputs(), 3, 1L << 40));
    assertThat(again.outputs()).isEqualTo(a.outputs());
    assertThat(again.usage().gas()).isEqualTo(a.usage().gas());
  }

  @Test
  void whatTheTaskDoesWrongIsItsOwnFault() throws Exception {
    Attempt poor = run(lease(module("burn.wasm"), "100000000", List.of(), 0, 1_000_000));
    assertThat(poor.outcome()).isEqualTo(Outcome.TASK_FAILED);
    assertThat(poor.reason()).isNotEmpty();
    assertThat(poor.outputs()).isEmpty();
    assertThat(poor.startedUs()).isPresent();
    Attempt exit = run(lease(module("burn.wasm"), "not a number", List.of(), 0, 1_000_000));
    assertThat(exit.outcome()).isEqualTo(Outcome.TASK_FAILED);
    Blob garbage = host.add(new byte[] {0, 'a', 's', 'm', 9});
    Attempt refused = run(lease(garbage, "", List.of(), 0, 1_000_000));
    assertThat(refused.outcome()).isEqualTo(Outcome.TASK_FAILED);
  }

  @Test
  void aProgramThatRunsOutOfTimeHasFailedItself() throws Exception {
    Blob program = host.add("#!/bin/sh\nsleep 600\n".getBytes(StandardCharsets.UTF_8));
    Form form = new Form.Native(Natives.platform().orElseThrow(), new Comparison.Exact());
    TaskKind kind = new TaskKind("k", program, 0, 64 * MIB, MIB, 2_000, 1, 3, form);
    Attempt a = run(lease(kind, "", List.of(), 0));
    assertThat(a.outcome()).isEqualTo(Outcome.TASK_FAILED);
    assertThat(a.reason()).isEqualTo("it ran longer than 2000 ms");
    assertThat(a.usage().wallNs().orElseThrow()).isGreaterThan(2_000_000_000L);
  }

  @Test
  void whatCannotBeFetchedIsTheProvidersFault() throws Exception {
    Blob missing = new Blob(Hash.sha256(new byte[7]), 7);
    Attempt a = run(lease(module("empty.wasm"), "", List.of(missing), 0, 1_000_000));
    assertThat(a.outcome()).isEqualTo(Outcome.PROVIDER_FAILED);
    assertThat(a.reason()).contains(missing.hash().toString()).contains("404");
    assertThat(a.startedUs()).isEmpty();
    assertThat(a.usage().wallNs()).isEmpty();
  }

  @Test
  void whatCannotBeStoredIsTheProvidersFault() throws Exception {
    BlobHost.Fault[] busy = new BlobHost.Fault[1_000];
    java.util.Arrays.fill(busy, BlobHost.Fault.BUSY);
    Blob module = module("burn.wasm");
    run(lease(module, "1", List.of(), 0, 1L << 40));
    host.misbehave(busy);
    Attempt a = run(lease(module, "1 10", List.of(), 1, 1L << 40));
    assertThat(a.outcome()).isEqualTo(Outcome.PROVIDER_FAILED);
    assertThat(a.reason()).contains("could not be stored").contains("503");
    assertThat(a.outputs()).isEmpty();
  }

  @Test
  void aDamagedCacheFileIsFetchedAgainForTheNextTask() throws Exception {
    Blob module = module("empty.wasm");
    run(lease(module, "", List.of(), 0, 1_000_000));
    byte[] input = new byte[100_000];
    Blob blob = host.add(input);
    run(lease(module, "", List.of(blob), 0, 1_000_000));
    try (ProviderBlobs.Loan l = blobs.borrow(List.of(blob))) {
      Files.delete(l.path(blob));
    }
    Attempt a = run(lease(module, "", List.of(blob), 0, 1_000_000));
    assertThat(a.outcome()).isEqualTo(Outcome.PROVIDER_FAILED);
    Attempt b = run(lease(module, "", List.of(blob), 0, 1_000_000));
    assertThat(b.outcome()).as(b.reason()).isEqualTo(Outcome.DONE);
  }

  @Test
  void aStopEndsAFetchAndARun() throws Exception {
    Blob module = module("burn.wasm");
    host.gate = new CountDownLatch(1);
    Lease fetching = lease(module, "1", List.of(), 0, 1L << 40);
    runner.start(fetching);
    Until.holds(() -> !host.requests.isEmpty());
    runner.stop(fetching.id());
    Attempt a = end(fetching.id()).get(10, TimeUnit.SECONDS);
    assertThat(a.outcome()).isEqualTo(Outcome.CANCELLED);
    assertThat(a.startedUs()).isEmpty();
    host.gate.countDown();
    run(lease(module, "1", List.of(), 0, 1L << 40));
    Lease running = lease(module, "900000000000000000", List.of(), 0, 1L << 59);
    runner.start(running);
    runner.stop(running.id());
    runner.stop(running.id());
    runner.stop(12345);
    assertThat(end(running.id()).get(10, TimeUnit.SECONDS).outcome()).isEqualTo(Outcome.CANCELLED);
  }

  @Test
  void theBenchmarkMeasuresWithinItsTime(@TempDir Path scratch) throws Exception {
    long began = System.nanoTime();
    Capability c = Benchmark.run(sandbox, "0xbench", scratch);
    long tookMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    assertThat(tookMs).isLessThan(ProviderLimits.BENCHMARK_MS + 500);
    assertThat(c.cpuOpsPerS().orElseThrow()).isGreaterThan(10_000_000);
    assertThat(c.memoryBytesPerS().orElseThrow()).isGreaterThan(10_000_000);
    c.gasPerS().ifPresent(g -> assertThat(g).isGreaterThan(100_000));
    assertThat(Machine.description())
        .hasSizeLessThanOrEqualTo(256)
        .contains(System.getProperty("os.arch"));
  }
}
