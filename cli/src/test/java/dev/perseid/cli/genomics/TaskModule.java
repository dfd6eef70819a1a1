package dev.perseid.cli.genomics;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import run.endive.compiler.InterpreterFallback;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.ByteArrayMemory;
import run.endive.runtime.HostFunction;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.Machine;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.ValType;

/// A portable task's module on the bare engine: no gas, no limits, no child process. What a task
/// computes does not depend on them, so the example is tested on its own here; the sandbox has its
/// own tests.
final class TaskModule {
  private static final int MORE = 0;
  private static final int DONE = 1;

  /// How a run ended.
  ///
  /// @param exit 1 when it is done, else its exit code
  /// @param outputs what it wrote
  /// @param log what it said
  record Run(int exit, List<byte[]> outputs, String log) {}

  private final WasmModule module;
  private final java.util.function.Function<Instance, Machine> machine;

  TaskModule(Path file) throws IOException {
    module = Parser.parse(Files.readAllBytes(file));
    machine =
        MachineFactoryCompiler.builder(module)
            .withInterpreterFallback(InterpreterFallback.FAIL)
            .compile();
  }

  Run run(String args, List<byte[]> inputs, int outputCount) {
    byte[] argBytes = args.getBytes(StandardCharsets.UTF_8);
    List<ByteArrayOutputStream> outputs = new ArrayList<>();
    for (int i = 0; i < outputCount; i++) {
      outputs.add(new ByteArrayOutputStream());
    }
    StringBuilder log = new StringBuilder();
    ImportValues imports =
        ImportValues.builder()
            .addFunction(
                host("args_size", 0, true, (in, a) -> new long[] {argBytes.length}),
                host("args_read", 3, true, (in, a) -> copy(in, argBytes, a[1], a[0], a[2])),
                host("input_count", 0, true, (in, a) -> new long[] {inputs.size()}),
                new HostFunction(
                    "perseid",
                    "input_size",
                    FunctionType.of(List.of(ValType.I32), List.of(ValType.I64)),
                    (in, a) ->
                        new long[] {
                          a[0] < inputs.size() ? inputs.get(Math.toIntExact(a[0])).length : -1
                        }),
                new HostFunction(
                    "perseid",
                    "input_read",
                    FunctionType.of(
                        List.of(ValType.I32, ValType.I64, ValType.I32, ValType.I32),
                        List.of(ValType.I32)),
                    (in, a) -> copy(in, inputs.get(Math.toIntExact(a[0])), a[1], a[2], a[3])),
                host(
                    "output_write",
                    3,
                    true,
                    (in, a) -> {
                      byte[] bytes = in.memory().readBytes((int) a[1], (int) a[2]);
                      outputs.get(Math.toIntExact(a[0])).writeBytes(bytes);
                      return new long[] {bytes.length};
                    }),
                host(
                    "log",
                    2,
                    false,
                    (in, a) -> {
                      byte[] bytes = in.memory().readBytes((int) a[0], (int) a[1]);
                      log.append(new String(bytes, StandardCharsets.UTF_8)).append('\n');
                      return new long[0];
                    }),
                host("progress", 1, false, (in, a) -> new long[0]))
            .build();
    Instance instance =
        Instance.builder(module)
            .withImportValues(imports)
            .withMemoryFactory(ByteArrayMemory::new)
            .withMachineFactory(machine)
            .build();
    int exit;
    do {
      exit = (int) instance.export("step").apply()[0];
    } while (exit == MORE);
    return new Run(
        exit, outputs.stream().map(ByteArrayOutputStream::toByteArray).toList(), log.toString());
  }

  static boolean isDone(Run run) {
    return run.exit() == DONE;
  }

  private static HostFunction host(
      String name, int params, boolean returns, WasmFunctionHandle handle) {
    List<ValType> types = new ArrayList<>();
    for (int i = 0; i < params; i++) {
      types.add(ValType.I32);
    }
    return new HostFunction(
        "perseid",
        name,
        FunctionType.of(types, returns ? List.of(ValType.I32) : List.of()),
        handle);
  }

  private static long[] copy(Instance in, byte[] from, long offset, long pointer, long length) {
    int start = (int) Math.min(offset, from.length);
    int count = (int) Math.min(length, from.length - start);
    in.memory().write((int) pointer, from, start, count);
    return new long[] {count};
  }
}
