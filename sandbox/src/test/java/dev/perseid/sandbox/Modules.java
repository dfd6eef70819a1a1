package dev.perseid.sandbox;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// Test modules, and runs of them in this process by the compiler or the interpreter.
final class Modules {
  private Modules() {}

  /// A module built from the `.wat` of that name.
  static byte[] wasm(String name) {
    try (InputStream in = Modules.class.getResourceAsStream(name + ".wasm")) {
      if (in == null) {
        throw new IllegalArgumentException("no module " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Path example(String name) {
    return Path.of("..", "examples", "modules", name + ".wasm");
  }

  static byte[] exampleBytes(String name) {
    try {
      return Files.readAllBytes(example(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// How a run ended, in a form that can be compared.
  record Seen(
      Verdict.@Nullable Kind kind, long gas, long peakBytes, List<String> outputs, String log) {}

  /// Runs a module that must be within the profile.
  static Seen run(
      byte[] wasm, boolean compiled, byte[] args, List<byte[]> inputs, RunLimits limits) {
    try {
      Profile.Metered metered = Profile.prepare(wasm);
      return run(
          compiled ? Engine.compiled(metered) : Engine.interpreted(metered), args, inputs, limits);
    } catch (Refused e) {
      throw new AssertionError(e.getMessage(), e);
    }
  }

  static Seen run(Engine engine, byte[] args, List<byte[]> inputs, RunLimits limits) {
    List<ByteArrayOutputStream> outputs = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      outputs.add(new ByteArrayOutputStream());
    }
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
    HostCalls host =
        new HostCalls(
            args, in, (k, from, n) -> outputs.get(k).write(from, 0, n), 3, limits.outputBytes());
    long deadline = System.nanoTime() + limits.wallMs() * 1_000_000;
    FutureTask<Engine.Ending> running =
        new FutureTask<>(() ->
            engine.run(
                host,
                limits.gas(),
                (int) (limits.memoryBytes() / Limits.PAGE_BYTES),
                () -> System.nanoTime() - deadline > 0 ? Verdict.Kind.TIME_LIMIT : null));
    new Thread(null, running, "run", Limits.WORKER_STACK_BYTES).start();
    Engine.Ending ending;
    try {
      ending = running.get();
    } catch (InterruptedException | ExecutionException e) {
      throw new AssertionError(e);
    }
    List<String> hex = new ArrayList<>();
    outputs.forEach(o -> hex.add(HexFormat.of().formatHex(o.toByteArray())));
    return new Seen(
        ending.kind(),
        ending.gasUsed(),
        ending.peakBytes(),
        hex,
        new String(host.log(), java.nio.charset.StandardCharsets.UTF_8));
  }

  static final RunLimits ROOMY = new RunLimits(2_000_000_000L, 64L << 20, 1L << 20, 60_000);

  /// A module whose `step` is one straight run of that many additions: too large for a JVM method.
  static byte[] straight(int additions) {
    WasmBytes body = new WasmBytes(additions * 10);
    body.u(1).u(1).op(Opcode.I32);
    for (int k = 0; k < additions; k++) {
      body.op(Opcode.LOCAL_GET).u(0).op(Opcode.I32_CONST).s(k).op(0x6a, Opcode.LOCAL_SET).u(0);
    }
    body.op(Opcode.I32_CONST).s(1).op(Opcode.END);
    return module(body);
  }

  /// A module with one page of memory and this body as its `step`.
  static byte[] module(WasmBytes body) {
    WasmBytes out = new WasmBytes(body.size() + 64);
    out.op(0, 'a', 's', 'm', 1, 0, 0, 0);
    out.section(1, new WasmBytes(8).u(1).op(0x60).u(0).u(1).op(Opcode.I32));
    out.section(3, new WasmBytes(8).u(1).u(0));
    out.section(5, new WasmBytes(8).u(1).u(0).u(1));
    out.section(7, new WasmBytes(32).u(2).name("memory").op(2).u(0).name("step").op(0).u(0));
    byte[] code = body.toByteArray();
    out.section(10, new WasmBytes(code.length + 16).u(1).u(code.length).copy(code, 0, code.length));
    return out.toByteArray();
  }
}
