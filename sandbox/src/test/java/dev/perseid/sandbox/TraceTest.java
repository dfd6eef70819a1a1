package dev.perseid.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Checkpoints of tasks, through real child processes and beside the interpreter.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TraceTest {
  private static final RunLimits ROOMY = new RunLimits(1L << 40, 32L << 20, 4L << 20, 60_000);
  private static final long FAR = 1L << 39;

  private Path folder;
  private Sandbox sandbox;
  private long nextRun = 1;

  @BeforeAll
  void open(@TempDir Path shared) {
    folder = shared;
    sandbox =
        Sandbox.open(
            SandboxConfig.in(folder.resolve("shared")).withSlots(1).withMemoryBytes(64 << 20));
  }

  @AfterAll
  void close() {
    sandbox.close();
  }

  private Portable task(byte[] wasm, String args, List<byte[]> inputs, int outputs, RunLimits l)
      throws IOException {
    Hash hash = Hash.sha256(wasm);
    Path file = folder.resolve(hash + ".wasm");
    Files.write(file, wasm);
    return new Portable(
        nextRun++,
        "consumer",
        file,
        hash.bytes(),
        args.getBytes(StandardCharsets.UTF_8),
        inputs.stream().<Input>map(Input.Inline::new).toList(),
        outputs,
        l);
  }

  private Trace.Told told(Portable task, TracePlan plan) throws Exception {
    return switch (sandbox.trace(task, plan).get(60, TimeUnit.SECONDS)) {
      case Trace.Told t -> t;
      case Trace.Untold(String why) -> throw new AssertionError(why);
    };
  }

  private static TracePlan resume(Path state, Long... steps) throws IOException {
    return new TracePlan(
        List.of(steps), List.of(), Optional.of(new Input.File(state, Files.size(state))));
  }

  static Stream<Path> examples() throws IOException {
    List<Path> all = new ArrayList<>();
    for (String where : List.of("modules", "genomics")) {
      try (Stream<Path> files = Files.list(Path.of("..", "examples", where))) {
        files.filter(f -> f.toString().endsWith(".wasm")).sorted().forEach(all::add);
      }
    }
    assertThat(all).hasSizeGreaterThanOrEqualTo(9);
    return all.stream();
  }

  /// Whatever a module makes of these arguments and inputs, also a failure: whole, resumed and
  /// interpreted runs agree at each step.
  @ParameterizedTest
  @MethodSource("examples")
  void everyExampleHasTheSameCheckpointsWholeResumedAndInterpreted(Path module) throws Exception {
    List<byte[]> inputs =
        List.of(
            ">ref\nACGTACGTTTGACCA\n".repeat(40).getBytes(StandardCharsets.US_ASCII),
            "@r1\nACGTACGTTTGACCA\n+\nIIIIIIIIIIIIIII\n".getBytes(StandardCharsets.US_ASCII));
    Portable task = task(Files.readAllBytes(module), "4 10 3000", inputs, 4, ROOMY);
    List<Long> steps = List.of(0L, 1L, 2L, 3L, 4L, 5L, 6L, FAR);
    Trace.Told whole = told(task, new TracePlan(steps, List.of(0L, 1L, 3L, 5L), Optional.empty()));
    assertThat(whole.checkpoints().getFirst()).isInstanceOf(Checkpoint.Running.class);
    Checkpoint.Ended end = (Checkpoint.Ended) whole.checkpoints().getLast();
    assertThat(whole.stepsRun()).isEqualTo(end.steps());
    assertThat(whole.kept()).containsKey(0L);
    for (Map.Entry<Long, Path> kept : whole.kept().entrySet()) {
      long from = kept.getKey();
      List<Long> later = steps.stream().filter(s -> s >= from).toList();
      Trace.Told resumed =
          told(
              task,
              new TracePlan(
                  later,
                  List.of(),
                  Optional.of(new Input.File(kept.getValue(), Files.size(kept.getValue())))));
      assertThat(resumed.checkpoints())
          .as("from step %d", from)
          .isEqualTo(whole.checkpoints().subList(steps.indexOf(from), steps.size()));
      assertThat(resumed.stepsRun()).isEqualTo(end.steps() - from);
    }
    assertThat(interpreted(Files.readAllBytes(module), task, inputs, steps))
        .isEqualTo(whole.checkpoints());
    Execution run = sandbox.run(task).get(60, TimeUnit.SECONDS);
    same(end, run);
  }

  /// The end is what a plain run reports.
  private static void same(Checkpoint.Ended end, Execution run) {
    assertThat(end.gas()).isEqualTo(run.usage().gas().orElseThrow());
    switch (run.verdict()) {
      case Verdict.Done d -> {
        assertThat(end.failure()).isEmpty();
        assertThat(end.outputs())
            .isEqualTo(
                run.outputs().stream().map(o -> new Blob(Hash.of(o.sha256()), o.size())).toList());
      }
      case Verdict.Failed f -> {
        assertThat(end.failure()).contains(f.kind());
        assertThat(end.outputs()).isEmpty();
      }
    }
  }

  private static List<Checkpoint> interpreted(
      byte[] wasm, Portable task, List<byte[]> inputs, List<Long> steps)
      throws Refused, InterruptedException, ExecutionException {
    Engine engine = Engine.interpreted(Profile.prepare(wasm));
    TraceOutputs outputs = new TraceOutputs(task.outputs(), false);
    HostCalls.Inputs in =
        new HostCalls.Inputs() {
          @Override
          public int count() {
            return inputs.size();
          }

          @Override
          public long size(int index) {
            return inputs.get(index).length;
          }

          @Override
          public void read(int index, long offset, byte[] to, int n) {
            System.arraycopy(inputs.get(index), (int) offset, to, 0, n);
          }
        };
    HostCalls host = new HostCalls(task.args(), in, outputs, task.outputs(), Long.MAX_VALUE);
    long gas = task.limits().gas();
    Tracer tracer =
        new Tracer(
            new TracePlan(steps, List.of(), Optional.empty()),
            outputs,
            gas,
            null,
            step -> {
              throw new AssertionError("nothing is to be kept");
            });
    FutureTask<List<Checkpoint>> running =
        new FutureTask<>(() ->
            tracer.told(
                engine.run(
                    host,
                    gas,
                    (int) (task.limits().memoryBytes() / Limits.PAGE_BYTES),
                    () -> null,
                    tracer)));
    new Thread(null, running, "run", Limits.WORKER_STACK_BYTES).start();
    return running.get();
  }

  @Test
  void oneStepFromACheckpointGivesTheNext() throws Exception {
    long seed = 7;
    Random random = new Random(seed);
    Portable task = task(Modules.exampleBytes("burn"), "40000000 3 0", List.of(), 1, ROOMY);
    Checkpoint.Ended end =
        (Checkpoint.Ended) told(task, TracePlan.of(FAR)).checkpoints().getFirst();
    assertThat(end.steps()).isGreaterThan(30);
    for (int k = 0; k < 5; k++) {
      long step = random.nextLong(end.steps() - 1);
      Trace.Told one =
          told(task, new TracePlan(List.of(step, step + 1), List.of(step), Optional.empty()));
      Trace.Told again = told(task, resume(one.kept().get(step), step, step + 1));
      assertThat(again.checkpoints())
          .as("seed %d, step %d", seed, step)
          .isEqualTo(one.checkpoints());
      assertThat(again.stepsRun()).isEqualTo(1);
      assertThat(one.checkpoints().get(0)).isNotEqualTo(one.checkpoints().get(1));
    }
    long last = end.steps() - 1;
    Trace.Told before = told(task, new TracePlan(List.of(last), List.of(last), Optional.empty()));
    assertThat(told(task, resume(before.kept().get(last), last + 1, FAR)).checkpoints())
        .containsExactly(end, end);
  }

  @ParameterizedTest
  @CsvSource({
    "spin, OUT_OF_GAS",
    "forever, OUT_OF_GAS",
    "recurse, RECURSION_LIMIT",
    "grow, MEMORY_LIMIT",
    "exit7, EXIT_CODE",
    "trap_late, TRAP",
    "data_outside, TRAP",
    "evil_gas, MODULE_REFUSED",
    "big, MEMORY_LIMIT",
  })
  void failuresAreEndsToo(String module, Verdict.Kind kind) throws Exception {
    RunLimits limits = new RunLimits(20_000_000, 640L << 10, 200_000, 30_000);
    Portable task = task(Modules.wasm(module), "", List.of(), 1, limits);
    Checkpoint.Ended end =
        (Checkpoint.Ended) told(task, TracePlan.of(FAR)).checkpoints().getFirst();
    assertThat(end.failure()).contains(kind);
    assertThat(end.outputs()).isEmpty();
    Execution run = sandbox.run(task).get(60, TimeUnit.SECONDS);
    assertThat(end.gas()).isEqualTo(run.usage().gas().orElse(0));
    boolean begun = !List.of("data_outside", "evil_gas", "big").contains(module);
    assertThat(end.steps() > 0).isEqualTo(begun);
  }

  @Test
  void theTreeIsTheOneThatIsWrittenDown() throws Exception {
    // The example that does nothing has one page of memory, all zero: a tree over zeros.
    Portable task = task(Modules.exampleBytes("empty"), "", List.of(), 0, ROOMY);
    Checkpoint.Running start =
        (Checkpoint.Running) told(task, TracePlan.of(0L)).checkpoints().getFirst();
    byte[] node = Hash.sha256(new byte[4_097]).bytes();
    for (int height = 0; height < 19; height++) {
      byte[] both = new byte[65];
      both[0] = 1;
      System.arraycopy(node, 0, both, 1, 32);
      System.arraycopy(node, 0, both, 33, 32);
      node = Hash.sha256(both).bytes();
    }
    assertThat(start.memory()).isEqualTo(Hash.of(node));
    assertThat(start.pages()).isEqualTo(1);
    assertThat(start.gasLeft()).isEqualTo((1L << 40) - 1_000 - 4_096);
  }

  /// A state comes from the other party: whatever is wrong with it is told or changes the
  /// checkpoint, and never passes for the true one.
  @Test
  void aStateThatWasChangedIsFoundOut() throws Exception {
    long seed = 11;
    Random random = new Random(seed);
    Portable task = task(Modules.exampleBytes("burn"), "30000000 3 9000", List.of(), 1, ROOMY);
    Trace.Told one = told(task, new TracePlan(List.of(20L), List.of(20L), Optional.empty()));
    byte[] state = Files.readAllBytes(one.kept().get(20L));
    int told = 0;
    for (int k = 0; k < 60; k++) {
      byte[] changed = state.clone();
      String what;
      if (k % 4 == 3) {
        changed = java.util.Arrays.copyOf(changed, random.nextInt(changed.length));
        what = "cut to " + changed.length;
      } else {
        int at = random.nextInt(k % 4 == 0 ? 80 : changed.length);
        changed[at] ^= (byte) (1 << random.nextInt(8));
        what = "changed at " + at;
      }
      Path file = folder.resolve("changed");
      Files.write(file, changed);
      Trace trace = sandbox.trace(task, resume(file, 20L)).get(60, TimeUnit.SECONDS);
      if (trace instanceof Trace.Told t) {
        told++;
        assertThat(t.checkpoints()).as("seed %d, %s", seed, what).isNotEqualTo(one.checkpoints());
      }
    }
    assertThat(told).isBetween(1, 59);
    // The engine lives on.
    assertThat(told(task, TracePlan.of(20L)).checkpoints()).isEqualTo(one.checkpoints());
  }

  @Test
  void outputsAreCarriedOver() throws Exception {
    byte[] hello = "hello".getBytes(StandardCharsets.US_ASCII);
    Portable task = task(writer(), "", List.of(), 1, ROOMY);
    Trace.Told whole = told(task, new TracePlan(List.of(2L, FAR), List.of(2L), Optional.empty()));
    Checkpoint.Running two = (Checkpoint.Running) whole.checkpoints().getFirst();
    assertThat(two.outputs())
        .containsExactly(
            new Blob(Hash.sha256("hellohello".getBytes(StandardCharsets.US_ASCII)), 10));
    assertThat(told(task, resume(whole.kept().get(2L), 2L, FAR)).checkpoints())
        .isEqualTo(whole.checkpoints());
    Checkpoint.Ended end = (Checkpoint.Ended) whole.checkpoints().getLast();
    assertThat(end.outputs().getFirst().sizeBytes()).isEqualTo(5L * hello.length);
    assertThat(end.steps()).isEqualTo(5);
  }

  /// Writes "hello" in each of five steps; a global counts them.
  private static byte[] writer() {
    WasmBytes out = new WasmBytes(256);
    out.op(0, 'a', 's', 'm', 1, 0, 0, 0);
    int i = Opcode.I32;
    out.section(
        1, new WasmBytes(32).u(2).op(0x60).u(0).u(1).op(i).op(0x60).u(3).op(i, i, i).u(1).op(i));
    out.section(2, new WasmBytes(64).u(1).name("perseid").name("output_write").op(0).u(1));
    out.section(3, new WasmBytes(8).u(1).u(0));
    out.section(5, new WasmBytes(8).u(1).u(0).u(1));
    out.section(6, new WasmBytes(16).u(1).op(i, 1, Opcode.I32_CONST).s(0).op(Opcode.END));
    out.section(7, new WasmBytes(32).u(2).name("memory").op(2).u(0).name("step").op(0).u(1));
    WasmBytes body = new WasmBytes(64);
    body.u(0);
    body.op(Opcode.I32_CONST).s(0).op(Opcode.I32_CONST).s(8).op(Opcode.I32_CONST).s(5);
    body.op(Opcode.CALL).u(0).op(0x1a);
    body.op(Opcode.GLOBAL_GET).u(0).op(Opcode.I32_CONST).s(1).op(0x6a);
    body.op(Opcode.GLOBAL_SET).u(0);
    body.op(Opcode.GLOBAL_GET).u(0).op(Opcode.I32_CONST).s(5).op(0x4e, Opcode.END);
    byte[] code = body.toByteArray();
    out.section(10, new WasmBytes(96).u(1).u(code.length).copy(code, 0, code.length));
    out.section(
        11,
        new WasmBytes(32)
            .u(1)
            .u(0)
            .op(Opcode.I32_CONST)
            .s(8)
            .op(Opcode.END)
            .u(5)
            .op('h', 'e', 'l', 'l', 'o'));
    return out.toByteArray();
  }

  /// A state carries its outputs; where these are too large it is not kept, and the run goes on.
  @Test
  void aStateWithTooMuchOutputIsNotKept() {
    TraceOutputs outputs = new TraceOutputs(1, true);
    byte[] some = new byte[1 << 20];
    for (int k = 0; k < Limits.TRACE_OUTPUT_BYTES / some.length; k++) {
      outputs.append(0, some, some.length);
    }
    assertThat(outputs.areWhole()).isTrue();
    outputs.append(0, some, 1);
    assertThat(outputs.areWhole()).isFalse();
    assertThat(outputs.blobs().getFirst().sizeBytes()).isEqualTo(Limits.TRACE_OUTPUT_BYTES + 1);
  }

  @Test
  void aTraceIsBraked() throws Exception {
    RunLimits briefly = new RunLimits(1L << 50, 8L << 20, 0, 200);
    Portable task = task(Modules.wasm("forever"), "", List.of(), 1, briefly);
    assertThat(sandbox.trace(task, TracePlan.of(FAR)).get(60, TimeUnit.SECONDS))
        .isInstanceOf(Trace.Untold.class);
  }
}
