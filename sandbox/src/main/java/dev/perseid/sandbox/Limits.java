package dev.perseid.sandbox;

/// Every limit of the sandbox, in one place. The ones under "profile" are part of profile 1: the
/// same on every engine (docs/portable-tasks.md); the others are this provider's own.
final class Limits {
  private Limits() {}

  // Profile 1: what a module may be.
  static final int MODULE_BYTES = 8 << 20;
  static final int TYPES = 10_000;
  static final int FUNCTIONS = 20_000;
  static final int GLOBALS = 10_000;
  static final int EXPORTS = 10_000;
  static final int IMPORTS = 64;
  static final int TABLE_ENTRIES = 65_536;
  static final int SEGMENTS = 10_000;
  static final int PARAMS = 64;

  /// Parameters and locals of one function together.
  static final int LOCALS = 2_000;

  static final int FUNCTION_BYTES = 512 << 10;
  static final int NESTING = 256;
  static final int OPERANDS = 1_000;
  static final int BR_TABLE_TARGETS = 10_000;

  /// 2 GiB less one page: what an engine with 31-bit array indices can hold.
  static final int MEMORY_PAGES = 32_767;

  // Profile 1: what a run may do.
  /// Stack slots of all open calls together; a call takes [GasSchedule#frameSlots]. A slot is at
  /// most 8 bytes in the engines tried, so that this many fit the smallest stack among them, a
  /// browser worker's (984 KiB).
  static final int STACK_SLOTS = 98_304;

  static final long GAS = 1L << 60;
  static final int ARGS_BYTES = 1 << 20;
  static final int INPUTS = 4_096;
  static final int OUTPUTS = 4_096;
  static final int LOG_BYTES = 4_096;

  // This provider: the child process and the conversation with it.
  static final int PAGE_BYTES = 65_536;

  /// Inputs and outputs up to this size travel inside a frame.
  static final int INLINE_BYTES = 65_536;

  /// All inline inputs, or all inline outputs, of one frame together.
  static final int INLINE_TOTAL_BYTES = 262_144;

  /// Checkpoints of one trace.
  static final int TRACE_STEPS = 256;

  static final int TRACE_PLAN_BYTES = 4_096;

  /// All outputs that a kept state may carry.
  static final int TRACE_OUTPUT_BYTES = 64 << 20;

  /// All that a trace may hand over.
  static final long TRACE_BYTES = 1L << 40;

  static final int FRAME_BYTES = 2 << 20;
  static final int MESSAGE_BYTES = 2_048;

  /// Tasks handed to one child and not answered.
  static final int CHILD_WINDOW = 512;

  /// How much work, measured in its own time, a child may hold beyond what its slots run.
  static final long CHILD_AHEAD_NS = 50_000_000;

  /// Tasks that wait in the sandbox, of all consumers together.
  static final int WAITING = 200_000;

  /// Module files kept in a child's folder; more than CHILD_WINDOW, so that no waiting task loses
  /// its module.
  static final int CHILD_MODULE_FILES = 1_024;

  /// Compiled modules kept by a child.
  static final int COMPILED_MODULES = 64;

  static final int STDERR_BYTES = 4_096;
  static final long CHILD_START_MS = 60_000;
  static final long PROBE_MS = 20_000;
  static final long AOT_TRAINING_MS = 60_000;

  /// How long after a task's wall limit, or its cancellation, the child may take to answer before
  /// it is killed.
  static final long KILL_GRACE_MS = 3_000;

  static final long TICK_MS = 50;

  /// Processes and threads that one native program may have at once.
  static final int NATIVE_PROCESSES = 512;

  /// How many looks in a row a native program may keep something from being looked at.
  static final int NATIVE_HIDDEN_LOOKS = 5;

  /// Files and folders of one native program, outputs included; also how many it may have open,
  /// counted for each thread.
  static final int NATIVE_FILES = 20_000;

  /// How deep a native program's folders may be nested; looking at them keeps one open per level.
  static final int NATIVE_DEPTH = 64;

  /// How long a consumer keeps its child while others wait for one.
  static final long TURN_MS = 2_000;

  static final long CLOSE_MS = 2_000;

  /// How long closing waits for native programs to be gone: about as long as ending one takes.
  static final long NATIVE_CLOSE_MS = CLOSE_MS + KILL_GRACE_MS;

  /// Devices of one machine; more are not looked at.
  static final int GPUS = 64;

  /// Files of `/dev` that one GPU needs.
  static final int GPU_FILES = 16;

  /// Links, or steps of a walk, of one call.
  static final int GPU_DIGESTS = 1 << 22;

  /// How long looking for GPUs, or getting ready to use them, may take: drivers wake the hardware,
  /// and compile.
  static final long GPU_START_MS = 120_000;

  /// How long one piece of work on GPUs may take.
  static final long GPU_CALL_MS = 240_000;

  /// Steps of a link for each start of a kernel, and words of a chunk: far less than the two
  /// seconds after which drivers end what keeps a display waiting. Fewer for more than
  /// GPU_SLICE_ITEMS lanes or chunks, as a device may do them in turns.
  static final int GPU_SLICE_STEPS = 1 << 13;

  static final int GPU_SLICE_WORDS = 1 << 14;
  static final int GPU_SLICE_ITEMS = 4_096;

  static final int GPU_HEAP_MIB = 256;

  static final long WORKER_STACK_BYTES = 64L << 20;
  static final long HEAP_BASE_BYTES = 160L << 20;
}
