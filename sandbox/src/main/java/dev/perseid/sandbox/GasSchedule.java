package dev.perseid.sandbox;

/// What things cost, in gas. Part of profile 1: a change of any number here is a new profile. One
/// unit is about one simple instruction. Explained in docs/portable-tasks.md.
final class GasSchedule {
  private GasSchedule() {}

  /// Before the first step: this, and [#PAGE] for each page of initial memory.
  static final long START = 1_000;

  /// Each call of `step` by the host.
  static final long STEP = 100;

  /// Each page of memory, initial or grown (when the growth succeeded).
  static final long PAGE = 4_096;

  /// Each call of a host function.
  static final long HOST_CALL = 100;

  /// Host functions that copy into memory: one unit for each 8 bytes copied, rounded down.
  static final int READ_SHIFT = 3;

  /// Host functions that copy out of memory: one unit for each 2 bytes, rounded down.
  static final int WRITE_SHIFT = 1;

  /// `memory.copy` and `memory.fill`: one unit for each 8 bytes, rounded down, above the
  /// instruction itself.
  static final int BULK_SHIFT = 3;

  /// A function that traps has spent at most this much, and one straight run of code, that is not
  /// yet in the account.
  static final long SLICE = 65_536;

  /// Entering a function with that many parameters and locals.
  static long entry(int locals) {
    return 2L + (locals >> 2);
  }

  /// Stack slots that an open call of a function takes.
  static int frameSlots(int locals, int maxOperands) {
    return 16 + locals + maxOperands;
  }

  /// One instruction.
  static long weight(int opcode) {
    return switch (opcode) {
      // nop, block, loop, else, end
      case 0x01, 0x02, 0x03, 0x05, 0x0b -> 0;
      case Opcode.CALL -> 3;
      case Opcode.CALL_INDIRECT -> 6;
      // div and rem of i32 and i64; div and sqrt of f32 and f64
      case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3 -> 8;
      case Opcode.MEMORY_GROW -> 100;
      default -> 1;
    };
  }
}
