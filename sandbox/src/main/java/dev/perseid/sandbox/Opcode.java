package dev.perseid.sandbox;

/// The instructions of profile 1: WebAssembly 1.0, sign extension, saturating float-to-int,
/// `memory.copy` and `memory.fill`. Two-byte instructions are numbered `0xfc00 | second`.
final class Opcode {
  private Opcode() {}

  static final int UNREACHABLE = 0x00;
  static final int BLOCK = 0x02;
  static final int LOOP = 0x03;
  static final int IF = 0x04;
  static final int ELSE = 0x05;
  static final int END = 0x0b;
  static final int BR = 0x0c;
  static final int BR_IF = 0x0d;
  static final int BR_TABLE = 0x0e;
  static final int RETURN = 0x0f;
  static final int CALL = 0x10;
  static final int CALL_INDIRECT = 0x11;
  static final int DROP = 0x1a;
  static final int SELECT = 0x1b;
  static final int LOCAL_GET = 0x20;
  static final int LOCAL_SET = 0x21;
  static final int LOCAL_TEE = 0x22;
  static final int GLOBAL_GET = 0x23;
  static final int GLOBAL_SET = 0x24;
  static final int MEMORY_SIZE = 0x3f;
  static final int MEMORY_GROW = 0x40;
  static final int I32_CONST = 0x41;
  static final int I64_CONST = 0x42;
  static final int F32_CONST = 0x43;
  static final int F64_CONST = 0x44;
  static final int MEMORY_COPY = 0xfc0a;
  static final int MEMORY_FILL = 0xfc0b;

  static final int VOID = 0x40;
  static final int I32 = 0x7f;
  static final int I64 = 0x7e;
  static final int F32 = 0x7d;
  static final int F64 = 0x7c;

  static boolean isNumber(int type) {
    return type >= F64 && type <= I32;
  }

  /// Whether a new straight run of code starts after this instruction.
  static boolean endsRun(int opcode) {
    return switch (opcode) {
      case UNREACHABLE, LOOP, IF, ELSE, END, BR, BR_IF, BR_TABLE, RETURN -> true;
      default -> false;
    };
  }

  /// Results of these may be a NaN whose bits the specification leaves open: ceil, floor, trunc,
  /// nearest, sqrt, add, sub, mul, div, min, max, and the conversion from the other float type.
  /// (abs, neg and copysign are exact.)
  static boolean makesF32Nan(int opcode) {
    return (opcode >= 0x8d && opcode <= 0x97) || opcode == 0xb6;
  }

  static boolean makesF64Nan(int opcode) {
    return (opcode >= 0x9b && opcode <= 0xa5) || opcode == 0xbb;
  }

  /// How the operand stack grows or shrinks by an instruction without control flow, calls or
  /// constants.
  static int plainGrowth(int opcode) {
    if (opcode >= 0xfc00) {
      return opcode >= MEMORY_COPY ? -3 : 0;
    }
    if (opcode >= 0x28 && opcode <= 0x35) {
      return 0; // loads
    }
    if (opcode >= 0x36 && opcode <= 0x3e) {
      return -2; // stores
    }
    return switch (opcode) {
      case 0x01, MEMORY_GROW, LOCAL_TEE -> 0;
      case DROP, LOCAL_SET, GLOBAL_SET -> -1;
      case SELECT -> -2;
      case LOCAL_GET, GLOBAL_GET, MEMORY_SIZE, I32_CONST, I64_CONST, F32_CONST, F64_CONST -> 1;
      default -> isBinary(opcode) ? -1 : 0;
    };
  }

  private static boolean isBinary(int o) {
    return (o >= 0x46 && o <= 0x4f)
        || (o >= 0x51 && o <= 0x66)
        || (o >= 0x6a && o <= 0x78)
        || (o >= 0x7c && o <= 0x8a)
        || (o >= 0x92 && o <= 0x98)
        || (o >= 0xa0 && o <= 0xa6);
  }
}
