package dev.perseid.settle;

import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// Messages whose hashes are wanted together, each at a place in a buffer. Those of as many blocks
/// are hashed side by side ([KeccakLanes]) where this Java and this CPU can; else one by one. For
/// one thread.
final class KeccakBatch {
  private static final boolean LANES =
      ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent() && KeccakLanes.fits();

  /// Bytes of a block: what one permutation takes in.
  static final int BLOCK_BYTES = 136;

  private static final class Wanted {
    final byte[] message;
    final byte[] into;
    final int at;

    Wanted(byte[] message, byte[] into, int at) {
      this.message = message;
      this.into = into;
      this.at = at;
    }
  }

  private final boolean lanes;
  private final List<Wanted> wanted = new ArrayList<>();

  KeccakBatch() {
    this(LANES);
  }

  /// @param lanes whether to hash side by side
  KeccakBatch(boolean lanes) {
    this.lanes = lanes;
  }

  /// Blocks of a message of so many bytes, with its padding.
  static int blocks(int bytes) {
    return bytes / BLOCK_BYTES + 1;
  }

  /// Wants the hash of a message, which must not change until [#run], at a place in a buffer.
  void add(byte[] message, byte[] into, int at) {
    wanted.add(new Wanted(message, into, at));
  }

  /// Hashes what was added since the last time.
  void run() {
    // Those of a group must be as many blocks long; the sort is stable and the order is no matter.
    wanted.sort(Comparator.comparingInt(w -> blocks(w.message.length)));
    int n = wanted.size();
    byte[][] messages = new byte[n][];
    Hash[] hashes = new Hash[n];
    for (int i = 0; i < n; i++) {
      messages[i] = wanted.get(i).message;
    }
    for (int from = 0; from < n; ) {
      int blocks = blocks(messages[from].length);
      int to = from + 1;
      while (lanes
          && to < n
          && to - from < KeccakLanes.LANES
          && blocks(messages[to].length) == blocks) {
        to++;
      }
      if (to - from == 1) {
        hashes[from] = Keccak.hash(messages[from]);
      } else {
        KeccakLanes.hash(messages, from, to - from, hashes);
      }
      from = to;
    }
    for (int i = 0; i < n; i++) {
      hashes[i].write(wanted.get(i).into, wanted.get(i).at);
    }
    wanted.clear();
  }
}
