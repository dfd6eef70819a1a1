package dev.perseid.sandbox;

import java.util.Arrays;

/// The instructions of one function, decoded: where each starts, which it is, how deep the operand
/// stack gets. Every index is checked against what the original module defines.
final class Instructions {
  int count;
  int[] at = new int[64];
  int[] opcode = new int[64];
  int maxOperands;
  boolean calls;
  boolean loops;

  private final Anatomy module;
  private final Anatomy.Body body;

  // The open blocks: operand height outside, results, whether an else may come.
  private final int[] outside = new int[Limits.NESTING + 1];
  private final int[] results = new int[Limits.NESTING + 1];
  private final boolean[] isIf = new boolean[Limits.NESTING + 1];
  private int open;
  private int height;

  private Instructions(Anatomy module, Anatomy.Body body) {
    this.module = module;
    this.body = body;
  }

  static Instructions read(Anatomy module, Anatomy.Body body) throws Refused {
    Instructions i = new Instructions(module, body);
    i.readAll();
    return i;
  }

  private void readAll() throws Refused {
    Cursor c = new Cursor(module.bytes, body.code(), body.end());
    results[0] = body.signature().results().size();
    open = 1;
    while (open > 0) {
      if (count + 1 >= at.length) {
        at = Arrays.copyOf(at, at.length * 2);
        opcode = Arrays.copyOf(opcode, opcode.length * 2);
      }
      at[count] = c.at;
      opcode[count] = one(c);
      count++;
      maxOperands = Math.max(maxOperands, height);
      if (maxOperands > Limits.OPERANDS) {
        throw new Refused(
            "a function needs more than " + Limits.OPERANDS + " operands at byte " + c.at);
      }
    }
    at[count] = c.at;
    if (c.more()) {
      throw new Refused("a function has bytes after its end, at byte " + c.at);
    }
  }

  /// Reads one instruction, follows its effect on the height, and returns which it is.
  private int one(Cursor c) throws Refused {
    int first = c.u8();
    int op = first == 0xfc ? 0xfc00 | c.count(0xff, "instruction 0xfc") : first;
    switch (op) {
      case Opcode.UNREACHABLE, Opcode.RETURN -> height = outside[open - 1];
      case Opcode.BLOCK, Opcode.LOOP, Opcode.IF -> {
        int type = c.u8();
        if (type != Opcode.VOID && !Opcode.isNumber(type)) {
          throw new Refused(
              "a block with several values at byte " + (c.at - 1) + " is not in profile 1");
        }
        grow(op == Opcode.IF ? -1 : 0);
        if (open > Limits.NESTING) {
          throw new Refused("blocks are nested deeper than " + Limits.NESTING + " at byte " + c.at);
        }
        loops |= op == Opcode.LOOP;
        outside[open] = height;
        results[open] = type == Opcode.VOID ? 0 : 1;
        isIf[open] = op == Opcode.IF;
        open++;
      }
      case Opcode.ELSE -> {
        if (!isIf[open - 1]) {
          throw new Refused("an else without an if at byte " + (c.at - 1));
        }
        isIf[open - 1] = false;
        height = outside[open - 1];
      }
      case Opcode.END -> {
        open--;
        height = outside[open] + results[open];
      }
      case Opcode.BR -> {
        c.index(open, "label");
        height = outside[open - 1];
      }
      case Opcode.BR_IF -> {
        c.index(open, "label");
        grow(-1);
      }
      case Opcode.BR_TABLE -> {
        int targets = c.count(Limits.BR_TABLE_TARGETS, "targets of a br_table");
        for (int k = 0; k <= targets; k++) {
          c.index(open, "label");
        }
        height = outside[open - 1];
      }
      case Opcode.CALL -> call(module.signatureOf(c.index(module.functions(), "function")), 0);
      case Opcode.CALL_INDIRECT -> {
        int type = c.index(module.types.size(), "type");
        c.index(module.hasTable ? 1 : 0, "table");
        call(module.types.get(type), 1);
      }
      case Opcode.LOCAL_GET, Opcode.LOCAL_SET, Opcode.LOCAL_TEE -> {
        c.index(body.localCount(), "local");
        grow(Opcode.plainGrowth(op));
      }
      case Opcode.GLOBAL_GET, Opcode.GLOBAL_SET -> {
        c.index(module.globals, "global");
        grow(Opcode.plainGrowth(op));
      }
      case Opcode.MEMORY_SIZE, Opcode.MEMORY_GROW, Opcode.MEMORY_FILL -> {
        zero(c);
        grow(Opcode.plainGrowth(op));
      }
      case Opcode.MEMORY_COPY -> {
        zero(c);
        zero(c);
        grow(Opcode.plainGrowth(op));
      }
      case Opcode.I32_CONST -> {
        c.signed(32);
        grow(1);
      }
      case Opcode.I64_CONST -> {
        c.signed(64);
        grow(1);
      }
      case Opcode.F32_CONST -> {
        c.skip(4);
        grow(1);
      }
      case Opcode.F64_CONST -> {
        c.skip(8);
        grow(1);
      }
      default -> {
        if (op >= 0x28 && op <= 0x3e) {
          c.count(3, "alignment of a memory access");
          c.u32();
        } else if (!isPlain(op)) {
          throw new Refused(
              "instruction 0x"
                  + Integer.toHexString(op)
                  + " at byte "
                  + at[count]
                  + " is not in profile 1"
                  + " (WebAssembly 1.0, sign extension, saturating conversions, memory.copy, memory.fill)");
        }
        grow(Opcode.plainGrowth(op));
      }
    }
    return op;
  }

  private static boolean isPlain(int op) {
    return op == 0x01
        || op == Opcode.DROP
        || op == Opcode.SELECT
        || (op >= 0x45 && op <= 0xc4)
        || (op >= 0xfc00 && op <= 0xfc07);
  }

  private static void zero(Cursor c) throws Refused {
    if (c.u8() != 0) {
      throw new Refused("there is only memory 0, at byte " + (c.at - 1));
    }
  }

  private void call(Anatomy.Signature callee, int extra) {
    calls = true;
    grow(-callee.params().size() - extra);
    grow(callee.results().size());
  }

  /// In code that is never reached the specification lets operands come from nowhere; the height
  /// stays at the block's.
  private void grow(int by) {
    height = Math.max(outside[open - 1], height + by);
  }
}
