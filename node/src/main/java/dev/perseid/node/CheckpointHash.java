package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.sandbox.Checkpoint;
import dev.perseid.sandbox.Verdict;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Keccak;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalLong;

/// What the chain sees of a task's run: a hash for each position (docs/disputes.md). At position 0
/// stands the task, at position p its state after p - 1 steps, or its end.
public final class CheckpointHash {
  private static final int WORD = 32;
  private static final Hash ORDER = tag("perseid order 1");
  private static final Hash STATE = tag("perseid state 1");
  private static final Hash END = tag("perseid end 1");

  private CheckpointHash() {}

  private static Hash tag(String name) {
    return Keccak.hash(name.getBytes(StandardCharsets.US_ASCII));
  }

  /// Position 0: what was to be computed, as the record names it.
  public static Hash order(ExecutionRecord record) {
    byte[] words = Digests.encodeData(record);
    ByteBuffer b = ByteBuffer.allocate(8 * WORD);
    b.put(ORDER.bytes());
    b.put(words, 11 * WORD, 4 * WORD); // module, arguments, inputs, their sizes
    b.put(words, 16 * WORD, 2 * WORD); // gas limit, memory
    number(b, record.outputs().size());
    return Keccak.hash(b.array());
  }

  /// Any later position.
  public static Hash of(Checkpoint checkpoint) {
    return switch (checkpoint) {
      case Checkpoint.Running r -> {
        ByteBuffer b = ByteBuffer.allocate(9 * WORD);
        b.put(STATE.bytes());
        number(b, r.steps());
        number(b, r.gasLeft());
        number(b, r.pages());
        number(b, r.growthRefused() ? 1 : 0);
        b.put(r.memory().bytes()).put(r.globals().bytes());
        blobs(b, r.outputs());
        yield Keccak.hash(b.array());
      }
      case Checkpoint.Ended e -> {
        ByteBuffer result = ByteBuffer.allocate(3 * WORD);
        number(result, e.gas());
        blobs(result, e.outputs());
        ByteBuffer b = ByteBuffer.allocate(4 * WORD);
        b.put(END.bytes());
        number(b, e.failure().map(CheckpointHash::number).orElse(1));
        number(b, e.steps());
        b.put(Keccak.hash(result.array()).bytes());
        yield Keccak.hash(b.array());
      }
    };
  }

  /// Whether a record says of a task what its end is.
  public static boolean agrees(ExecutionRecord record, Checkpoint.Ended end) {
    return end.failure().isEmpty()
        && record.usage().gas().equals(OptionalLong.of(end.gas()))
        && record.outputs().equals(end.outputs());
  }

  private static int number(Verdict.Kind failure) {
    return switch (failure) {
      case OUT_OF_GAS -> 2;
      case MEMORY_LIMIT -> 3;
      case RECURSION_LIMIT -> 4;
      case TRAP -> 5;
      case OUTPUT_LIMIT -> 6;
      case EXIT_CODE -> 7;
      case MODULE_REFUSED -> 8;
      case TIME_LIMIT, OUT_OF_TIME, CANCELLED, ENGINE_DIED, NOT_STARTED ->
          throw new IllegalArgumentException("a task does not end by itself with " + failure);
    };
  }

  private static void number(ByteBuffer to, long value) {
    to.putLong(0).putLong(0).putLong(0).putLong(value);
  }

  /// As EIP-712 hashes `bytes32[]` and `uint64[]`.
  private static void blobs(ByteBuffer to, List<Blob> blobs) {
    ByteBuffer hashes = ByteBuffer.allocate(blobs.size() * WORD);
    ByteBuffer sizes = ByteBuffer.allocate(blobs.size() * WORD);
    for (Blob b : blobs) {
      hashes.put(b.hash().bytes());
      number(sizes, b.sizeBytes());
    }
    to.put(Keccak.hash(hashes.array()).bytes()).put(Keccak.hash(sizes.array()).bytes());
  }
}
