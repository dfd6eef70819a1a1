package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.sandbox.Checkpoint;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.Trace;
import dev.perseid.sandbox.TracePlan;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/// Runs a task again in the sandbox. States at the positions that were asked for are kept, so that
/// the next question, which lies between two of them, is answered from the nearer one: all
/// questions of a dispute together take little more than one run. One thread at a time.
public final class SandboxReplay implements Replay, AutoCloseable {
  /// A position after every end: a step costs 100 of at most 2^60 gas.
  private static final long FAR = 1L << 60;

  private final Sandbox sandbox;
  private final Portable task;
  private final Hash order;
  private final TreeMap<Long, Path> states = new TreeMap<>();
  private Checkpoint.@Nullable Ended end;
  private long stepsRun;

  /// @param task what the record names: module, arguments, inputs and limits
  /// @throws Impossible if the task is not the record's: who runs another one loses
  public SandboxReplay(Sandbox sandbox, Portable task, ExecutionRecord record) throws Impossible {
    if (!record.isReplayable()) {
      throw new Impossible("the record is of a native task, which nobody can run again to the bit");
    }
    List<Blob> inputs = new ArrayList<>();
    try {
      for (Input input : task.inputs()) {
        inputs.add(blob(input));
      }
    } catch (IOException e) {
      throw new Impossible("an input cannot be read: " + e.getMessage());
    }
    String other =
        !record.module().equals(Hash.of(task.moduleSha256()))
            ? "module " + record.module()
            : !record.argsHash().equals(Hash.sha256(task.args()))
                ? "arguments, of SHA-256 " + record.argsHash()
                : !record.inputs().equals(inputs)
                    ? "inputs: " + record.inputs()
                    : record.outputs().size() != task.outputs()
                        ? "number of outputs: " + record.outputs().size()
                        : record.gasLimit() != task.limits().gas()
                                || record.memoryBytes() != task.limits().memoryBytes()
                            ? "limits"
                            : "";
    if (!other.isEmpty()) {
      throw new Impossible("this is not the record's task: that has another " + other);
    }
    this.sandbox = sandbox;
    this.task = task;
    this.order = CheckpointHash.order(record);
  }

  private static Blob blob(Input input) throws IOException {
    return switch (input) {
      case Input.Inline(byte[] bytes) -> new Blob(Hash.sha256(bytes), bytes.length);
      case Input.File(Path path, long size) -> {
        MessageDigest sha256 = sha256();
        try (InputStream in = new DigestInputStream(Files.newInputStream(path), sha256)) {
          if (in.transferTo(OutputStream.nullOutputStream()) != size) {
            throw new IOException(path + " has changed");
          }
        }
        yield new Blob(Hash.of(sha256.digest()), size);
      }
    };
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /// How many calls of `step` all questions took so far.
  public long stepsRun() {
    return stepsRun;
  }

  /// The task's end.
  public Checkpoint.Ended end() throws Impossible, InterruptedException {
    Checkpoint.Ended known = end;
    if (known == null) {
      known =
          switch (run(List.of(FAR), false).getFirst()) {
            case Checkpoint.Ended e -> e;
            case Checkpoint.Running r -> throw new Impossible("the task has not ended by itself");
          };
      end = known;
    }
    return known;
  }

  @Override
  public long steps() throws Impossible, InterruptedException {
    return end().steps();
  }

  @Override
  public List<Hash> at(List<Long> positions) throws Impossible, InterruptedException {
    List<Hash> all = new ArrayList<>();
    List<Long> wanted = new ArrayList<>();
    for (long position : positions) {
      if (position == 0) {
        all.add(order);
      } else {
        wanted.add(position - 1);
      }
    }
    if (!wanted.isEmpty()) {
      for (Checkpoint one : run(wanted, true)) {
        all.add(CheckpointHash.of(one));
      }
    }
    return all;
  }

  /// Takes a state that somebody else kept, so that what follows it can be run without what was
  /// before. It is believed only if its hash is the one on which the parties agree.
  ///
  /// @param position where it is to stand, at least 1
  /// @param state a file; this replay makes a copy of it
  /// @throws Impossible if it is another state, or damaged
  public void accept(long position, Path state, Hash agreed)
      throws Impossible, InterruptedException {
    long step = position - 1;
    try {
      TracePlan plan =
          new TracePlan(
              List.of(step), List.of(step), Optional.of(new Input.File(state, Files.size(state))));
      switch (sandbox.trace(task, plan).get()) {
        case Trace.Untold(String why) -> throw new Impossible(why);
        case Trace.Told t -> {
          boolean right =
              CheckpointHash.of(t.checkpoints().getFirst()).equals(agreed) && t.stepsRun() == 0;
          if (!right) {
            for (Path kept : t.kept().values()) {
              Files.deleteIfExists(kept);
            }
            throw new Impossible("this is not the state on which the parties agree");
          }
          states.putAll(t.kept());
        }
      }
    } catch (IOException | ExecutionException e) {
      throw new Impossible("the state cannot be read: " + e.getMessage());
    }
  }

  /// The file of the state at a position that was asked for, to hand to arbiters; it goes when this
  /// replay closes.
  public Optional<Path> state(long position) {
    return Optional.ofNullable(states.get(position - 1));
  }

  private List<Checkpoint> run(List<Long> wanted, boolean keep)
      throws Impossible, InterruptedException {
    Map.Entry<Long, Path> nearest = states.floorEntry(wanted.getFirst());
    try {
      Optional<Input> from =
          nearest == null
              ? Optional.empty()
              : Optional.of(new Input.File(nearest.getValue(), Files.size(nearest.getValue())));
      List<Long> fresh = wanted.stream().filter(s -> keep && !states.containsKey(s)).toList();
      return switch (sandbox.trace(task, new TracePlan(wanted, fresh, from)).get()) {
        case Trace.Untold(String why) -> throw new Impossible(why);
        case Trace.Told t -> {
          if (keep) {
            // Questions only ever narrow: of the old states only the nearest can be of use.
            drop(nearest == null ? -1 : nearest.getKey());
          }
          states.putAll(t.kept());
          stepsRun += t.stepsRun();
          yield t.checkpoints();
        }
      };
    } catch (IOException | ExecutionException e) {
      throw new Impossible("the task could not be run again: " + e.getMessage());
    }
  }

  private void drop(long but) throws IOException {
    for (Map.Entry<Long, Path> old : states.entrySet()) {
      if (old.getKey() != but) {
        Files.deleteIfExists(old.getValue());
      }
    }
    states.keySet().removeIf(step -> step != but);
  }

  /// Deletes what was kept.
  @Override
  public void close() throws IOException {
    drop(-1);
  }
}
