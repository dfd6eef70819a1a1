package dev.perseid.sandbox;

import dev.perseid.core.Hash;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.wasm.types.MutabilityType;
import run.endive.wasm.types.ValType;

/// The state of an instance between two steps, read from it and put into another one, and the file
/// that carries it (docs/disputes.md). A file is of somebody else's making: all of it is checked,
/// and what it says is believed only after its checkpoint was compared.
final class MachineState {
  private static final byte[] MAGIC = "PERSEID-STATE-1\n".getBytes(StandardCharsets.US_ASCII);

  private MachineState() {}

  /// What a file is not.
  static final class Damaged extends IOException {
    private static final long serialVersionUID = 1;

    Damaged(String message) {
      super("the state file " + message);
    }
  }

  /// The module's own globals: those that metering added come after them.
  private static int globals(Instance instance) {
    return instance.globalCount() - Meter.GLOBALS_ADDED;
  }

  private static long value(GlobalInstance global) {
    boolean narrow = global.getType().equals(ValType.I32) || global.getType().equals(ValType.F32);
    return narrow ? global.getValue() & 0xffff_ffffL : global.getValue();
  }

  /// SHA-256 of all globals, 8 bytes each, the highest first.
  static Hash globalsHash(Instance instance) {
    MessageDigest sha256 = MemoryTree.sha256();
    byte[] word = new byte[8];
    for (int k = 0; k < globals(instance); k++) {
      long value = value(instance.global(k));
      for (int i = 0; i < 8; i++) {
        word[i] = (byte) (value >>> (56 - 8 * i));
      }
      sha256.update(word);
    }
    return Hash.of(sha256.digest());
  }

  /// Writes a file.
  static void write(Instance instance, long steps, TraceOutputs outputs, OutputStream to)
      throws IOException {
    DataOutputStream out = new DataOutputStream(new BufferedOutputStream(to, 1 << 16));
    out.write(MAGIC);
    out.writeLong(steps);
    out.writeLong(instance.exports().global(Meter.GAS).getValue());
    out.writeByte(instance.exports().global(Meter.GROWTH_REFUSED).getValue() == 0 ? 0 : 1);
    out.writeInt(globals(instance));
    for (int k = 0; k < globals(instance); k++) {
      out.writeLong(value(instance.global(k)));
    }
    outputs.write(out);
    Memory memory = instance.memory();
    out.writeInt(memory.pages());
    int pages = memory.pages() * (Limits.PAGE_BYTES / MemoryTree.PAGE_BYTES);
    for (int k = 0; k < pages; k++) {
      byte[] page = memory.readBytes(k * MemoryTree.PAGE_BYTES, MemoryTree.PAGE_BYTES);
      if (!MemoryTree.isZero(page)) {
        out.writeInt(k);
        out.write(page);
      }
    }
    out.writeInt(-1);
    out.flush();
  }

  /// Puts what a file says into a fresh instance.
  ///
  /// @return how many steps were run before it
  static long read(DataInputStream in, Instance instance, TraceOutputs outputs, long gasLimit)
      throws IOException {
    if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
      throw new Damaged("is none of version 1");
    }
    long steps = in.readLong();
    long gas = in.readLong();
    int refused = in.readByte();
    if (steps < 0 || gas < 0 || gas > gasLimit || refused < 0 || refused > 1) {
      throw new Damaged("has a number that cannot be");
    }
    instance.exports().global(Meter.GAS).setValue(gas);
    instance.exports().global(Meter.GROWTH_REFUSED).setValue(refused);
    if (in.readInt() != globals(instance)) {
      throw new Damaged("is of another module");
    }
    for (int k = 0; k < globals(instance); k++) {
      long value = in.readLong();
      GlobalInstance global = instance.global(k);
      // A constant that differs would be another module.
      if (value != value(global)) {
        if (global.getMutabilityType() != MutabilityType.Var) {
          throw new Damaged("changes a constant");
        }
        global.setValue(value);
        if (value(global) != value) {
          throw new Damaged("has a global that is too large");
        }
      }
    }
    outputs.read(in);
    Memory memory = instance.memory();
    int pages = in.readInt();
    if (pages < memory.pages() || pages > memory.maximumPages()) {
      throw new Damaged("has " + pages + " pages of memory");
    }
    if (pages > memory.pages() && memory.grow(pages - memory.pages()) < 0) {
      throw new Damaged("has more memory than the task may");
    }
    memory.fill((byte) 0, 0, pages * Limits.PAGE_BYTES);
    int count = pages * (Limits.PAGE_BYTES / MemoryTree.PAGE_BYTES);
    int last = -1;
    for (int k = in.readInt(); k != -1; k = in.readInt()) {
      if (k <= last || k >= count) {
        throw new Damaged("has a page in the wrong place");
      }
      byte[] page = in.readNBytes(MemoryTree.PAGE_BYTES);
      if (page.length != MemoryTree.PAGE_BYTES) {
        throw new Damaged("is cut short");
      }
      memory.write(k * MemoryTree.PAGE_BYTES, page, 0, page.length);
      last = k;
    }
    return steps;
  }
}
