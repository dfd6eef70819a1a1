package dev.perseid.sandbox;

/// Rewrites a module that was validated before: the result counts its own gas and stack, cannot
/// hold other NaN bits than the canonical ones, and exports `memory`, `step`, [#GAS], [#STACK] and
/// [#GROWTH_REFUSED] and nothing else. The count is part of the module, so it is the same on every
/// engine. The rules are written down in docs/portable-tasks.md.
///
/// Why the added globals are safe: every index in the original was checked against what the
/// original defines, the added globals and locals come after those, and none of the original's
/// exports but two survives.
final class Meter {
  /// Gas left, i64. The host sets it before the first step. Below zero: the task ran out.
  static final String GAS = "gas";

  /// Stack slots left, i32. Below zero: the task called too deep.
  static final String STACK = "stack";

  /// 1 when the memory limit refused a growth, i32.
  static final String GROWTH_REFUSED = "growth_refused";

  static final int GLOBALS_ADDED = 3;
  private static final int VOID = Opcode.VOID;

  private final Anatomy module;
  private final int gasGlobal;
  private final int stackGlobal;
  private final int refusedGlobal;

  private Meter(Anatomy module) {
    this.module = module;
    this.gasGlobal = module.globals;
    this.stackGlobal = module.globals + 1;
    this.refusedGlobal = module.globals + 2;
  }

  /// The metered module. Linear in the size of the module.
  static byte[] rewrite(Anatomy module) throws Refused {
    return new Meter(module).rewrite();
  }

  private byte[] rewrite() throws Refused {
    WasmBytes out = new WasmBytes(module.bytes.length * 2 + 256);
    out.copy(module.bytes, 0, 8);
    // Custom sections and the data count have no place here; everything else keeps its order.
    for (int id = 1; id <= 11; id++) {
      switch (id) {
        case 6 -> out.section(6, globals());
        case 7 -> out.section(7, exports());
        case 10 -> out.section(10, code());
        default -> {
          Anatomy.Range range = module.sections[id];
          if (range != null) {
            WasmBytes body = new WasmBytes(range.end() - range.start());
            body.copy(module.bytes, range.start(), range.end());
            out.section(id, body);
          }
        }
      }
    }
    return out.toByteArray();
  }

  private WasmBytes globals() throws Refused {
    WasmBytes body = new WasmBytes(64);
    body.u(module.globals + GLOBALS_ADDED);
    Anatomy.Range range = module.sections[6];
    if (range != null) {
      Cursor c = new Cursor(module.bytes, range.start(), range.end());
      c.u32();
      body.copy(module.bytes, c.at, range.end());
    }
    body.op(Opcode.I64, 1, Opcode.I64_CONST).s(0).op(Opcode.END);
    body.op(Opcode.I32, 1, Opcode.I32_CONST).s(Limits.STACK_SLOTS).op(Opcode.END);
    body.op(Opcode.I32, 1, Opcode.I32_CONST).s(0).op(Opcode.END);
    return body;
  }

  private WasmBytes exports() {
    WasmBytes body = new WasmBytes(64);
    body.u(5);
    body.name("memory").op(2).u(0);
    body.name("step").op(0).u(module.stepFunction);
    body.name(GAS).op(3).u(gasGlobal);
    body.name(STACK).op(3).u(stackGlobal);
    body.name(GROWTH_REFUSED).op(3).u(refusedGlobal);
    return body;
  }

  private WasmBytes code() throws Refused {
    WasmBytes section = new WasmBytes(module.bytes.length * 2);
    section.u(module.bodies.size());
    for (int k = 0; k < module.bodies.size(); k++) {
      byte[] body;
      try {
        body = new Function(module.bodies.get(k)).rewrite();
      } catch (Refused e) {
        throw new Refused("function " + (module.imports.size() + k) + ": " + e.getMessage());
      }
      section.u(body.length).copy(body, 0, body.length);
    }
    return section;
  }

  /// One function being rewritten. Gas is held in a local and written to the global before calls,
  /// at the end, and at loop heads once every [GasSchedule#SLICE], so that a trap leaves at most
  /// that much unaccounted.
  private final class Function {
    private final Anatomy.Body body;
    private final Instructions code;
    private final WasmBytes out;

    // Added locals: gas left (i64), the gas at which the next loop head writes it back (i64), two
    // i32, one f32, one f64.
    private final int gas;
    private final int slice;
    private final int i32A;
    private final int i32B;
    private final int f32;
    private final int f64;

    Function(Anatomy.Body body) throws Refused {
      this.body = body;
      this.code = Instructions.read(module, body);
      this.out = new WasmBytes((body.end() - body.code()) * 2 + 64);
      this.gas = body.localCount();
      this.slice = gas + 1;
      this.i32A = gas + 2;
      this.i32B = gas + 3;
      this.f32 = gas + 4;
      this.f64 = gas + 5;
    }

    byte[] rewrite() {
      out.u(body.localGroups() + 4L).copy(module.bytes, body.locals(), body.code());
      out.u(2).op(Opcode.I64).u(2).op(Opcode.I32).u(1).op(Opcode.F32).u(1).op(Opcode.F64);
      int frame = GasSchedule.frameSlots(body.localCount(), code.maxOperands);
      if (code.calls) {
        takeFrame(frame);
      }
      loadGas();
      if (code.loops) {
        startSlice();
      }
      // The original body becomes a block, so that every way out of it passes the closing lines.
      out.op(Opcode.BLOCK)
          .op(body.signature().results().isEmpty() ? VOID : body.signature().results().getFirst());
      long[] cost = costs();
      int depth = 0;
      for (int k = 0; k < code.count - 1; k++) {
        if (k == 0) {
          spend(cost[0]);
          trapWhenSpent();
        } else if (code.opcode[k - 1] == Opcode.LOOP) {
          loopHead(cost[k]);
        } else if (cost[k] > 0) {
          spend(cost[k]);
        }
        int op = code.opcode[k];
        switch (op) {
          case Opcode.BLOCK, Opcode.LOOP, Opcode.IF -> {
            depth++;
            original(k);
          }
          case Opcode.END -> {
            depth--;
            original(k);
          }
          case Opcode.RETURN -> out.op(Opcode.BR).u(depth);
          case Opcode.CALL, Opcode.CALL_INDIRECT -> {
            storeGas();
            original(k);
            loadGas();
          }
          case Opcode.MEMORY_GROW -> grow(k);
          case Opcode.MEMORY_COPY, Opcode.MEMORY_FILL -> {
            chargeLength();
            original(k);
          }
          default -> {
            original(k);
            if (Opcode.makesF32Nan(op)) {
              canonical(f32, Opcode.F32);
            } else if (Opcode.makesF64Nan(op)) {
              canonical(f64, Opcode.F64);
            }
          }
        }
      }
      if (code.count == 1) { // an empty body: nothing but its end
        spend(cost[0]);
        trapWhenSpent();
      }
      out.op(Opcode.END);
      storeGas();
      if (code.calls) {
        out.op(Opcode.GLOBAL_GET).u(stackGlobal).op(Opcode.I32_CONST).s(frame).op(0x6a);
        out.op(Opcode.GLOBAL_SET).u(stackGlobal);
      }
      out.op(Opcode.END);
      return out.toByteArray();
    }

    /// What is spent before each instruction: the sum over the straight run of code that it starts,
    /// else 0.
    private long[] costs() {
      long[] cost = new long[code.count];
      cost[0] = GasSchedule.entry(body.localCount());
      int run = 0;
      for (int k = 0; k < code.count; k++) {
        cost[run] += GasSchedule.weight(code.opcode[k]);
        if (Opcode.endsRun(code.opcode[k])) {
          run = k + 1;
        }
      }
      return cost;
    }

    private void original(int k) {
      out.copy(module.bytes, code.at[k], code.at[k + 1]);
    }

    private void takeFrame(int frame) {
      out.op(Opcode.GLOBAL_GET).u(stackGlobal).op(Opcode.I32_CONST).s(frame).op(0x6b);
      out.op(Opcode.LOCAL_TEE).u(i32A).op(Opcode.GLOBAL_SET).u(stackGlobal);
      out.op(Opcode.LOCAL_GET).u(i32A).op(Opcode.I32_CONST).s(0).op(0x48);
      out.op(Opcode.IF, VOID, Opcode.UNREACHABLE, Opcode.END);
    }

    private void loadGas() {
      out.op(Opcode.GLOBAL_GET).u(gasGlobal).op(Opcode.LOCAL_SET).u(gas);
    }

    private void storeGas() {
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.GLOBAL_SET).u(gasGlobal);
    }

    private void spend(long cost) {
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.I64_CONST).s(cost).op(0x7d);
      out.op(Opcode.LOCAL_SET).u(gas);
    }

    private void trapWhenSpent() {
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.I64_CONST).s(0).op(0x53);
      out.op(Opcode.IF, VOID);
      storeGas();
      out.op(Opcode.UNREACHABLE, Opcode.END);
    }

    /// slice = max(0, gas - SLICE)
    private void startSlice() {
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.I64_CONST).s(GasSchedule.SLICE).op(0x7d);
      out.op(Opcode.LOCAL_TEE).u(slice).op(Opcode.I64_CONST).s(0);
      out.op(Opcode.LOCAL_GET).u(slice).op(Opcode.I64_CONST).s(0).op(0x55);
      out.op(Opcode.SELECT).op(Opcode.LOCAL_SET).u(slice);
    }

    private void loopHead(long cost) {
      out.op(Opcode.LOCAL_GET).u(gas);
      if (cost > 0) {
        out.op(Opcode.I64_CONST).s(cost).op(0x7d).op(Opcode.LOCAL_TEE).u(gas);
      }
      out.op(Opcode.LOCAL_GET).u(slice).op(0x53).op(Opcode.IF, VOID);
      storeGas();
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.I64_CONST).s(0).op(0x53);
      out.op(Opcode.IF, VOID, Opcode.UNREACHABLE, Opcode.END);
      startSlice();
      out.op(Opcode.END);
    }

    /// The length is on top of the operands. Checked at once: one instruction may move a whole
    /// memory.
    private void chargeLength() {
      out.op(Opcode.LOCAL_TEE).u(i32A);
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.LOCAL_GET).u(i32A).op(0xad);
      out.op(Opcode.I64_CONST).s(GasSchedule.BULK_SHIFT).op(0x88, 0x7d);
      out.op(Opcode.LOCAL_SET).u(gas);
      trapWhenSpent();
    }

    /// Charged after it succeeded: the memory limit bounds the work, and asking for too much stays
    /// cheap.
    private void grow(int k) {
      out.op(Opcode.LOCAL_TEE).u(i32A);
      original(k);
      out.op(Opcode.LOCAL_TEE).u(i32B).op(Opcode.I32_CONST).s(-1).op(0x46);
      out.op(Opcode.IF, VOID);
      out.op(Opcode.I32_CONST).s(1).op(Opcode.GLOBAL_SET).u(refusedGlobal);
      out.op(Opcode.ELSE);
      out.op(Opcode.LOCAL_GET).u(gas).op(Opcode.LOCAL_GET).u(i32A).op(0xad);
      out.op(Opcode.I64_CONST).s(GasSchedule.PAGE).op(0x7e, 0x7d);
      out.op(Opcode.LOCAL_SET).u(gas);
      out.op(Opcode.END);
      out.op(Opcode.LOCAL_GET).u(i32B);
    }

    /// x == x ? x : the canonical NaN
    private void canonical(int local, int type) {
      out.op(Opcode.LOCAL_TEE).u(local);
      if (type == Opcode.F32) {
        out.op(Opcode.F32_CONST, 0, 0, 0xc0, 0x7f);
      } else {
        out.op(Opcode.F64_CONST, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f);
      }
      out.op(Opcode.LOCAL_GET).u(local).op(Opcode.LOCAL_GET).u(local);
      out.op(type == Opcode.F32 ? 0x5b : 0x61, Opcode.SELECT);
    }
  }
}
