package dev.perseid.sandbox;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import run.endive.runtime.Instance;

/// Looks at a run between its steps, and stops it after the last one that is wanted.
final class Tracer implements Engine.Watch {
  /// Where states go.
  interface Keeper {
    OutputStream keep(long step) throws IOException;
  }

  private final TracePlan plan;
  private final TraceOutputs outputs;
  private final long gasLimit;
  private final @Nullable InputStream from;
  private final Keeper keeper;
  private final List<Checkpoint> told = new ArrayList<>();
  private final List<Long> kept = new ArrayList<>();
  private long before;
  private long now;
  private boolean began;
  private boolean stopped;

  /// @param from the state to begin with; null to begin at the beginning
  Tracer(
      TracePlan plan,
      TraceOutputs outputs,
      long gasLimit,
      @Nullable InputStream from,
      Keeper keeper) {
    this.plan = plan;
    this.outputs = outputs;
    this.gasLimit = gasLimit;
    this.from = from;
    this.keeper = keeper;
  }

  @Override
  public void begin(Instance instance) {
    if (from == null) {
      return;
    }
    try {
      before =
          MachineState.read(
              new DataInputStream(new BufferedInputStream(from, 1 << 16)),
              instance,
              outputs,
              gasLimit);
    } catch (IOException e) {
      throw new Engine.WatchFailed(e);
    }
    if (before > plan.steps().getFirst()) {
      throw new Engine.WatchFailed(
          new MachineState.Damaged("stands at step " + before + ", after what is asked"));
    }
  }

  @Override
  public boolean goesOn(Instance instance, long steps) {
    began = true;
    now = before + steps;
    if (told.size() < plan.steps().size() && plan.steps().get(told.size()) == now) {
      told.add(
          new Checkpoint.Running(
              now,
              instance.exports().global(Meter.GAS).getValue(),
              instance.memory().pages(),
              instance.exports().global(Meter.GROWTH_REFUSED).getValue() != 0,
              MemoryTree.root(instance.memory()),
              MachineState.globalsHash(instance),
              outputs.blobs()));
      if (plan.keep().contains(now) && outputs.areWhole()) {
        try (OutputStream to = keeper.keep(now)) {
          MachineState.write(instance, now, outputs, to);
        } catch (IOException e) {
          throw new Engine.WatchFailed(e);
        }
        kept.add(now);
      }
    }
    stopped = told.size() == plan.steps().size();
    return !stopped;
  }

  /// All that was asked for, once the run has ended or was stopped.
  List<Checkpoint> told(Engine.Ending ending) {
    if (!stopped) {
      boolean done = ending.kind() == null;
      Checkpoint end =
          new Checkpoint.Ended(
              began ? now + 1 : 0,
              Optional.ofNullable(ending.kind()),
              ending.gasUsed(),
              done ? outputs.blobs() : List.of());
      while (told.size() < plan.steps().size()) {
        told.add(end);
      }
    }
    return told;
  }

  /// The steps whose states were kept.
  List<Long> kept() {
    return kept;
  }

  /// How many times `step` was called.
  long stepsRun() {
    return now - before + (began && !stopped ? 1 : 0);
  }

  // ---- the plan and what was told, on their way between the sandbox and its child ---------------

  static byte[] encode(TracePlan plan, int outputs) {
    ByteBuffer b = ByteBuffer.allocate(16 + 9 * plan.steps().size());
    b.putInt(outputs).put((byte) (plan.from().isPresent() ? 1 : 0)).putInt(plan.steps().size());
    for (long step : plan.steps()) {
      b.putLong(step).put((byte) (plan.keep().contains(step) ? 1 : 0));
    }
    return Arrays.copyOf(b.array(), b.position());
  }

  /// A plan as the child gets it.
  ///
  /// @param outputs how many the module may write
  /// @param resumed whether the last input is the state to begin with
  record Wanted(TracePlan plan, int outputs, boolean resumed) {}

  static Wanted decode(byte[] bytes) {
    ByteBuffer b = ByteBuffer.wrap(bytes);
    int outputs = b.getInt();
    boolean resumed = b.get() == 1;
    int count = b.getInt();
    List<Long> steps = new ArrayList<>();
    List<Long> keep = new ArrayList<>();
    for (int k = 0; k < count; k++) {
      long step = b.getLong();
      steps.add(step);
      if (b.get() == 1) {
        keep.add(step);
      }
    }
    return new Wanted(new TracePlan(steps, keep, Optional.empty()), outputs, resumed);
  }

  static byte[] encode(List<Checkpoint> told, List<Long> kept, long stepsRun) {
    ByteSink out = new ByteSink();
    out.i64(stepsRun).i32(kept.size());
    kept.forEach(out::i64);
    out.i32(told.size());
    for (Checkpoint one : told) {
      switch (one) {
        case Checkpoint.Running r -> {
          out.u8(0).i64(r.steps()).i64(r.gasLeft()).i32(r.pages()).u8(r.growthRefused() ? 1 : 0);
          out.blob(r.memory().bytes()).blob(r.globals().bytes());
          blobs(out, r.outputs());
        }
        case Checkpoint.Ended e -> {
          out.u8(1).i64(e.steps()).u8(e.failure().map(Frames::number).orElse(0xff)).i64(e.gas());
          blobs(out, e.outputs());
        }
      }
    }
    return out.toByteArray();
  }

  private static void blobs(ByteSink out, List<Blob> blobs) {
    out.i32(blobs.size());
    for (Blob b : blobs) {
      out.blob(b.hash().bytes()).i64(b.sizeBytes());
    }
  }

  /// What a child told.
  record Said(List<Checkpoint> checkpoints, List<Long> kept, long stepsRun) {}

  /// @throws Frames.Garbage or a [java.nio.BufferUnderflowException] if it is nonsense
  static Said said(byte[] bytes) throws Frames.Garbage {
    ByteBuffer b = ByteBuffer.wrap(bytes);
    long stepsRun = b.getLong();
    List<Long> kept = new ArrayList<>();
    for (int k = count(b); k > 0; k--) {
      kept.add(b.getLong());
    }
    List<Checkpoint> told = new ArrayList<>();
    for (int k = count(b); k > 0; k--) {
      if (b.get() == 0) {
        told.add(
            new Checkpoint.Running(
                b.getLong(), b.getLong(), b.getInt(), b.get() != 0, hash(b), hash(b), blobs(b)));
      } else {
        long steps = b.getLong();
        byte kind = b.get();
        told.add(
            new Checkpoint.Ended(
                steps, Optional.ofNullable(Frames.kind(kind)), b.getLong(), blobs(b)));
      }
    }
    if (b.hasRemaining()) {
      throw new Frames.Garbage("a trace with bytes after its end");
    }
    return new Said(told, kept, stepsRun);
  }

  private static int count(ByteBuffer b) throws Frames.Garbage {
    int n = b.getInt();
    if (n < 0 || n > Limits.OUTPUTS) {
      throw new Frames.Garbage("a trace with " + n + " parts");
    }
    return n;
  }

  private static Hash hash(ByteBuffer b) throws Frames.Garbage {
    byte[] bytes = new byte[32];
    if (b.getInt() != 32) {
      throw new Frames.Garbage("a hash that is none");
    }
    b.get(bytes);
    return Hash.of(bytes);
  }

  private static List<Blob> blobs(ByteBuffer b) throws Frames.Garbage {
    List<Blob> all = new ArrayList<>();
    for (int k = count(b); k > 0; k--) {
      Hash hash = hash(b);
      long size = b.getLong();
      if (size < 0) {
        throw new Frames.Garbage("a size below zero");
      }
      all.add(new Blob(hash, size));
    }
    return all;
  }
}
