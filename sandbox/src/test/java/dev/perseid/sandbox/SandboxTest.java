package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tasks through real child processes.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SandboxTest {
  private static final RunLimits ROOMY = new RunLimits(1L << 40, 32L << 20, 4L << 20, 60_000);

  private Path folder;
  private Sandbox sandbox;
  private long nextRun = 1;

  @BeforeAll
  void open(@TempDir Path shared) {
    folder = shared;
    sandbox =
        Sandbox.open(
            SandboxConfig.in(folder.resolve("shared")).withSlots(2).withMemoryBytes(64 << 20));
  }

  @AfterAll
  void close() {
    sandbox.close();
    assertThat(folder.resolve("shared/children")).doesNotExist();
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private synchronized long runId() {
    return nextRun++;
  }

  private Portable task(
      String consumer,
      byte[] wasm,
      String args,
      List<Input> inputs,
      int outputs,
      RunLimits limits) {
    byte[] hash = sha256(wasm);
    Path file = folder.resolve(java.util.HexFormat.of().formatHex(hash) + ".wasm");
    try {
      if (!Files.exists(file)) {
        Files.write(file, wasm);
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return new Portable(
        runId(),
        consumer,
        file,
        hash,
        args.getBytes(StandardCharsets.US_ASCII),
        inputs,
        outputs,
        limits);
  }

  private static Execution await(CompletableFuture<Execution> future) throws Exception {
    return future.get(60, TimeUnit.SECONDS);
  }

  private static Verdict.Kind kind(Execution e) {
    return e.verdict() instanceof Verdict.Failed(Verdict.Kind kind, String message) ? kind : null;
  }

  @ParameterizedTest
  @CsvSource({
    "spin, OUT_OF_GAS",
    "recurse, RECURSION_LIMIT",
    "grow, MEMORY_LIMIT",
    "exit7, EXIT_CODE",
    "overrun_write, TRAP",
    "flood, OUTPUT_LIMIT",
    "evil_gas, MODULE_REFUSED",
    "import_wasi, MODULE_REFUSED",
  })
  void failuresAreValues(String module, Verdict.Kind kind) throws Exception {
    RunLimits limits = new RunLimits(50_000_000, 32L << 20, 200_000, 30_000);
    Execution e = await(sandbox.run(task("a", Modules.wasm(module), "", List.of(), 1, limits)));
    assertThat(kind(e)).as(e.toString()).isEqualTo(kind);
    assertThat(kind.fault()).isEqualTo(Verdict.Fault.TASK);
    assertThat(e.outputs()).isEmpty();
    if (kind != Verdict.Kind.MODULE_REFUSED) {
      assertThat(e.usage().gas().getAsLong()).isBetween(1L, limits.gas());
    } else {
      assertThat(e.usage().gas()).isEmpty();
    }
  }

  @Test
  void smallAndLargeInputsAndOutputsArriveWhole() throws Exception {
    byte[] large = new byte[1_000_000];
    new Random(7).nextBytes(large);
    Path file = Files.write(folder.resolve("large-input"), large);
    List<Input> inputs = new ArrayList<>();
    inputs.add(new Input.File(file, large.length));
    for (int k = 0; k < 6; k++) {
      inputs.add(new Input.Inline(new byte[60_000])); // together over what a frame takes inline
    }
    Execution e = await(sandbox.run(task("a", Modules.wasm("echo"), "args", inputs, 2, ROOMY)));
    assertThat(e.verdict()).isEqualTo(new Verdict.Done());
    byte[] expected = new byte[4 + large.length + 360_000];
    System.arraycopy("args".getBytes(StandardCharsets.US_ASCII), 0, expected, 0, 4);
    System.arraycopy(large, 0, expected, 4, large.length);
    assertThat(e.outputs().getFirst())
        .isInstanceOfSatisfying(
            Output.File.class,
            o -> {
              assertThat(o.path()).hasBinaryContent(expected);
              assertThat(o.size()).isEqualTo(expected.length);
              assertThat(o.sha256()).isEqualTo(sha256(expected));
            });
    assertThat(e.outputs().get(1).size()).isZero();
    assertThat(e.outputs().get(1).sha256()).isEqualTo(sha256(new byte[0]));
    assertThat(e.log()).isEqualTo("hi\n");
    assertThat(e.usage().bytesIn()).isEqualTo(expected.length);
    assertThat(e.usage().bytesOut()).isEqualTo(expected.length);
    assertThat(e.usage().peakMemoryBytes()).hasValue(2 * 65_536);
    assertThat(e.usage().cpuNs().getAsLong()).isPositive();
    assertThat(file).as("the caller's file").hasBinaryContent(large);
  }

  @Test
  void theChildCountsTheSameGasAsThisProcess() throws Exception {
    Modules.Seen here =
        Modules.run(Modules.wasm("mixed"), false, new byte[0], List.of(), Modules.ROOMY);
    List<CompletableFuture<Execution>> runs = new ArrayList<>();
    for (int k = 0; k < 50; k++) {
      runs.add(sandbox.run(task("a", Modules.wasm("mixed"), "", List.of(), 3, ROOMY)));
    }
    for (CompletableFuture<Execution> run : runs) {
      assertThat(await(run).usage().gas()).hasValue(here.gas());
    }
  }

  @Test
  void whatTheCallerGotWrongIsSaid() throws Exception {
    Portable good = task("a", Modules.wasm("exit7"), "", List.of(), 1, ROOMY);
    Path file = Files.write(folder.resolve("ten-bytes"), new byte[10]);
    List<Portable> wrong =
        List.of(
            new Portable(
                runId(),
                "a",
                folder.resolve("none.wasm"),
                sha256(new byte[] {1}),
                new byte[0],
                List.of(),
                1,
                ROOMY),
            new Portable(
                runId(), "a", file, sha256(new byte[] {2}), new byte[0], List.of(), 1, ROOMY),
            new Portable(
                runId(), "a", good.module(), new byte[3], new byte[0], List.of(), 1, ROOMY),
            task("a", Modules.wasm("exit7"), "", List.of(new Input.File(file, 11)), 1, ROOMY),
            task("a", Modules.wasm("exit7"), "", List.of(), 5_000, ROOMY),
            task("a", Modules.wasm("exit7"), "", List.of(), 1, new RunLimits(1, 1L << 40, 1, 1)));
    for (Portable p : wrong) {
      Execution e = await(sandbox.run(p));
      assertThat(kind(e)).as(e.toString()).isEqualTo(Verdict.Kind.NOT_STARTED);
    }
  }

  @Test
  void theWallLimitStopsATask() throws Exception {
    for (String module : List.of("spin", "forever")) {
      Execution e =
          await(
              sandbox.run(
                  task(
                      "wall",
                      Modules.wasm(module),
                      "",
                      List.of(),
                      0,
                      new RunLimits(1L << 60, 1 << 20, 0, 300))));
      assertThat(kind(e)).as(module).isEqualTo(Verdict.Kind.TIME_LIMIT);
    }
  }

  @Test
  void aCancelledTaskStops() throws Exception {
    RunLimits endless = new RunLimits(1L << 60, 1 << 20, 0, 600_000);
    List<Portable> tasks = new ArrayList<>();
    List<CompletableFuture<Execution>> runs = new ArrayList<>();
    for (int k = 0; k < 5; k++) { // two run, three wait
      tasks.add(task("cancel", Modules.wasm("spin"), "", List.of(), 0, endless));
      runs.add(sandbox.run(tasks.getLast()));
    }
    for (Portable t : tasks.reversed()) {
      sandbox.cancel(t.runId());
    }
    for (CompletableFuture<Execution> run : runs) {
      assertThat(kind(await(run))).isEqualTo(Verdict.Kind.CANCELLED);
    }
    sandbox.cancel(-1);
  }

  @Test
  void consumersNeverShareAProcess() throws Exception {
    await(sandbox.run(task("one", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)));
    await(sandbox.run(task("two", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)));
    Map<String, Long> pids = sandbox.pids();
    assertThat(pids.get("one")).isNotNull().isNotEqualTo(pids.get("two"));
    long before = pids.get("one");
    await(sandbox.run(task("one", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)));
    assertThat(sandbox.pids().get("one")).as("kept warm").isEqualTo(before);
  }

  @Test
  void anIdleChildMakesRoomAndABusyOneTakesTurns() throws Exception {
    try (Sandbox small =
        Sandbox.open(
            SandboxConfig.in(folder.resolve("small"))
                .withSlots(1)
                .withMaxChildren(1)
                .withMemoryBytes(32 << 20))) {
      List<CompletableFuture<Execution>> busy = new ArrayList<>();
      for (int k = 0; k < 2_000; k++) {
        busy.add(
            small.run(task("busy", Modules.exampleBytes("burn"), "3000000", List.of(), 0, ROOMY)));
      }
      CompletableFuture<Execution> other =
          small.run(task("other", Modules.wasm("mixed"), "", List.of(), 1, ROOMY));
      assertThat(await(other).verdict()).isEqualTo(new Verdict.Done());
      assertThat(busy.getLast()).as("the other's turn came before the end").isNotDone();
    }
  }

  @Test
  void aKilledChildFailsItsTasksAndTheNextOneWorks() throws Exception {
    RunLimits endless = new RunLimits(1L << 60, 1 << 20, 0, 600_000);
    await(sandbox.run(task("killed", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)));
    CompletableFuture<Execution> first =
        sandbox.run(task("killed", Modules.wasm("spin"), "", List.of(), 0, endless));
    CompletableFuture<Execution> second =
        sandbox.run(task("killed", Modules.wasm("spin"), "", List.of(), 0, endless));
    CompletableFuture<Execution> waiting =
        sandbox.run(task("killed", Modules.wasm("mixed"), "", List.of(), 1, ROOMY));
    Process kill =
        new ProcessBuilder("kill", "-9", sandbox.pids().get("killed").toString()).start();
    assertThat(kill.waitFor()).isZero();
    assertThat(kind(await(first))).isEqualTo(Verdict.Kind.ENGINE_DIED);
    assertThat(kind(await(second))).isEqualTo(Verdict.Kind.ENGINE_DIED);
    assertThat(await(waiting).verdict()).as("had no slot yet").isEqualTo(new Verdict.Done());
    assertThat(
            await(sandbox.run(task("killed", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)))
                .verdict())
        .isEqualTo(new Verdict.Done());
  }

  @Test
  void aStoppedChildIsKilledAndItsTaskEndsByTime() throws Exception {
    RunLimits brief = new RunLimits(1L << 60, 1 << 20, 0, 200);
    await(sandbox.run(task("stopped", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)));
    long pid = sandbox.pids().get("stopped");
    for (long p : descendants(pid)) {
      assertThat(new ProcessBuilder("kill", "-STOP", Long.toString(p)).start().waitFor()).isZero();
    }
    Execution e =
        await(sandbox.run(task("stopped", Modules.wasm("mixed"), "", List.of(), 1, brief)));
    assertThat(kind(e)).isEqualTo(Verdict.Kind.TIME_LIMIT);
    assertThat(
            await(sandbox.run(task("stopped", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)))
                .verdict())
        .isEqualTo(new Verdict.Done());
  }

  private static List<Long> descendants(long pid) {
    List<Long> out = new ArrayList<>(List.of(pid));
    ProcessHandle.of(pid).orElseThrow().descendants().forEach(p -> out.add(p.pid()));
    return out;
  }

  /// At every stage of a child's start: before there is a process, while bubblewrap sets up, while
  /// the JVM starts, while it runs.
  @Test
  void closingEndsEverything() throws Exception {
    for (int delayMs : new int[] {0, 3, 6, 12, 25, 100, 1_000}) {
      Path place = folder.resolve("brief" + delayMs);
      Sandbox brief = Sandbox.open(SandboxConfig.in(place).withMemoryBytes(32 << 20));
      RunLimits endless = new RunLimits(1L << 60, 1 << 20, 0, 600_000);
      CompletableFuture<Execution> run =
          brief.run(task("a", Modules.wasm("spin"), "", List.of(), 0, endless));
      assertThat(run.orTimeout(delayMs, TimeUnit.MILLISECONDS).handle((e, late) -> late).get())
          .isNotNull();
      brief.close();
      assertThat(brief.pids()).isEmpty();
      assertThat(mentioning(place)).as("processes after closing at %d ms", delayMs).isEmpty();
      assertThat(kind(await(brief.run(task("a", Modules.wasm("mixed"), "", List.of(), 1, ROOMY)))))
          .isEqualTo(Verdict.Kind.NOT_STARTED);
    }
  }

  @Test
  void aRunEndsAsCancelledWhenTheSandboxCloses() throws Exception {
    Sandbox brief =
        Sandbox.open(SandboxConfig.in(folder.resolve("ends")).withMemoryBytes(32 << 20));
    RunLimits endless = new RunLimits(1L << 60, 1 << 20, 0, 600_000);
    CompletableFuture<Execution> run =
        brief.run(task("a", Modules.wasm("spin"), "", List.of(), 0, endless));
    brief.close();
    assertThat(kind(await(run))).isEqualTo(Verdict.Kind.CANCELLED);
  }

  /// Living processes with that folder on their command line.
  private static List<String> mentioning(Path place) {
    return ProcessHandle.allProcesses()
        .map(p -> p.info().commandLine().orElse(""))
        .filter(line -> line.contains(place + "/"))
        .toList();
  }
}
