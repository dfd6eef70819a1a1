package dev.perseid.sandbox;

import java.io.ByteArrayOutputStream;
import java.util.List;
import org.jspecify.annotations.Nullable;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.HostFunction;
import run.endive.runtime.ImportFunction;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.ValType;

/// The functions of import module "perseid", for one run. Each first charges gas, then checks its
/// arguments, then acts, so that what a task sees depends on its module, arguments, inputs and
/// limits only.
final class HostCalls {
  /// Where inputs come from.
  interface Inputs {
    int count();

    long size(int index);

    /// Copies `n` bytes at `offset`, all of which exist.
    void read(int index, long offset, byte[] to, int n);
  }

  /// Where outputs go.
  interface Outputs {
    void append(int index, byte[] from, int n);
  }

  /// Ends the run from within a host call.
  static final class Stop extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final Verdict.Kind kind;

    Stop(Verdict.Kind kind, String message) {
      super(message, null, false, false);
      this.kind = kind;
    }

    Verdict.Kind kind() {
      return kind;
    }
  }

  private static final FunctionType NONE_I32 = type(List.of(), List.of(ValType.I32));
  private static final FunctionType I32X3_I32 =
      type(List.of(ValType.I32, ValType.I32, ValType.I32), List.of(ValType.I32));
  private static final FunctionType I32_I64 = type(List.of(ValType.I32), List.of(ValType.I64));
  private static final FunctionType INPUT_READ =
      type(List.of(ValType.I32, ValType.I64, ValType.I32, ValType.I32), List.of(ValType.I32));
  private static final FunctionType LOG = type(List.of(ValType.I32, ValType.I32), List.of());
  private static final FunctionType PROGRESS = type(List.of(ValType.I32), List.of());

  private static final long[] NOTHING = {};
  private static final int CHUNK = 65_536;

  private final byte[] args;
  private final Inputs inputs;
  private final Outputs outputs;
  private final int outputCount;
  private final long outputLimit;
  private long written;
  private final ByteArrayOutputStream log = new ByteArrayOutputStream(0);
  private byte @Nullable [] chunk;
  private @Nullable Memory memory;
  private @Nullable GlobalInstance gas;
  private Engine.@Nullable Brake brake;
  private @Nullable Stop stop;

  HostCalls(byte[] args, Inputs inputs, Outputs outputs, int outputCount, long outputLimit) {
    this.args = args;
    this.inputs = inputs;
    this.outputs = outputs;
    this.outputCount = outputCount;
    this.outputLimit = outputLimit;
  }

  private static FunctionType type(List<ValType> params, List<ValType> results) {
    return FunctionType.of(params, results);
  }

  void attach(Memory memoryOfRun, GlobalInstance gasOfRun, Engine.Brake brakeOfRun) {
    memory = memoryOfRun;
    gas = gasOfRun;
    brake = brakeOfRun;
  }

  @Nullable Stop stop() {
    return stop;
  }

  byte[] log() {
    return log.toByteArray();
  }

  ImportFunction[] functions() {
    return new ImportFunction[] {
      function("args_size", NONE_I32, (i, a) -> new long[] {args.length}),
      function("args_read", I32X3_I32, this::argsRead),
      function("input_count", NONE_I32, (i, a) -> new long[] {inputs.count()}),
      function("input_size", I32_I64, (i, a) -> new long[] {inputSize((int) a[0])}),
      function("input_read", INPUT_READ, this::inputRead),
      function("output_write", I32X3_I32, this::outputWrite),
      function("log", LOG, this::logLine),
      function("progress", PROGRESS, (i, a) -> NOTHING),
    };
  }

  private HostFunction function(String name, FunctionType type, WasmFunctionHandle body) {
    return new HostFunction(
        "perseid",
        name,
        type,
        (instance, a) -> {
          charge(GasSchedule.HOST_CALL);
          Verdict.Kind pressed = brake == null ? null : brake.pressed();
          if (pressed != null) {
            throw halt(pressed, "stopped at a host call");
          }
          return body.apply(instance, a);
        });
  }

  private Stop halt(Verdict.Kind kind, String message) {
    Stop s = new Stop(kind, message);
    stop = s;
    return s;
  }

  private Stop trap(String message) {
    return halt(Verdict.Kind.TRAP, message);
  }

  private Memory memory() {
    if (memory == null) {
      throw new IllegalStateException("a host call before the run began");
    }
    return memory;
  }

  private void charge(long cost) {
    GlobalInstance g = gas;
    if (g == null) {
      throw new IllegalStateException("a host call before the run began");
    }
    long left = g.getValue() - cost;
    g.setValue(left);
    if (left < 0) {
      throw halt(Verdict.Kind.OUT_OF_GAS, "");
    }
  }

  private byte[] chunk() {
    byte[] c = chunk;
    if (c == null) {
      c = new byte[CHUNK];
      chunk = c;
    }
    return c;
  }

  private void checkRange(String function, long ptr, long len) {
    long end = Integer.toUnsignedLong((int) ptr) + len;
    long size = (long) memory().pages() * Limits.PAGE_BYTES;
    if (len < 0 || end > size) {
      throw trap(
          function
              + ": "
              + len
              + " bytes at "
              + Integer.toUnsignedLong((int) ptr)
              + " are not within the memory of "
              + size
              + " bytes");
    }
  }

  private long[] argsRead(Instance instance, long... a) {
    int offset = (int) a[1];
    int len = (int) a[2];
    checkRange("args_read", a[0], len);
    if (offset < 0) {
      throw trap("args_read: the offset is negative");
    }
    int n = Math.max(0, Math.min(len, args.length - offset));
    charge(n >> GasSchedule.READ_SHIFT);
    if (n > 0) {
      memory().write((int) a[0], args, offset, n);
    }
    return new long[] {n};
  }

  private long inputSize(int index) {
    return index < 0 || index >= inputs.count() ? -1 : inputs.size(index);
  }

  private long[] inputRead(Instance instance, long... a) {
    int index = (int) a[0];
    long offset = a[1];
    int ptr = (int) a[2];
    int len = (int) a[3];
    checkRange("input_read", ptr, len);
    long size = inputSize(index);
    if (size < 0) {
      throw trap("input_read: there is no input " + index);
    }
    if (offset < 0) {
      throw trap("input_read: the offset is negative");
    }
    int n = (int) Math.max(0, Math.min(len, size - offset));
    charge(n >> GasSchedule.READ_SHIFT);
    byte[] c = n > 0 ? chunk() : NO_BYTES;
    for (int done = 0; done < n; ) {
      int some = Math.min(CHUNK, n - done);
      inputs.read(index, offset + done, c, some);
      memory().write(ptr + done, c, 0, some);
      done += some;
    }
    return new long[] {n};
  }

  private static final byte[] NO_BYTES = {};

  private long[] outputWrite(Instance instance, long... a) {
    int index = (int) a[0];
    int ptr = (int) a[1];
    int len = (int) a[2];
    checkRange("output_write", ptr, len);
    if (index < 0 || index >= outputCount) {
      throw trap(
          "output_write: there is no output " + index + "; the task declares " + outputCount);
    }
    charge(len >> GasSchedule.WRITE_SHIFT);
    if (len > outputLimit - written) {
      throw halt(
          Verdict.Kind.OUTPUT_LIMIT,
          "the outputs are larger than the limit of " + outputLimit + " bytes");
    }
    written += len;
    for (int done = 0; done < len; ) {
      int some = Math.min(CHUNK, len - done);
      outputs.append(index, memory().readBytes(ptr + done, some), some);
      done += some;
    }
    return new long[] {len};
  }

  private long[] logLine(Instance instance, long... a) {
    int ptr = (int) a[0];
    int len = (int) a[1];
    checkRange("log", ptr, len);
    charge(len >> GasSchedule.WRITE_SHIFT);
    int room = Limits.LOG_BYTES - log.size() - 1;
    if (room > 0) {
      int n = Math.min(len, room);
      log.write(memory().readBytes(ptr, n), 0, n);
      log.write('\n');
    }
    return NOTHING;
  }
}
