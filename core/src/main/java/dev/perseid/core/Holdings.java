package dev.perseid.core;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Which providers are likely to have a blob at hand: those that made it, or ran a task that read
/// it, last. Of large blobs only: small ones are there at once. What a provider has forgotten since
/// is not known; then it fetches it again, and nothing is wrong but the estimate.
///
/// Bounded; O(1) for each blob.
final class Holdings {
  private static final int[] NOBODY = {};
  private static final Comparator<Blob> LARGEST_FIRST =
      Comparator.comparingLong(Blob::sizeBytes).reversed();

  /// By blob, the one that was touched longest ago first.
  private final LinkedHashMap<Hash, int[]> holders = new LinkedHashMap<>();

  /// What a task reads that is large, and who has it.
  ///
  /// @param bytes of each input that is looked at
  /// @param held by whom each is held, by their index
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Needs(long[] bytes, int[][] held) {
    static final Needs NOTHING = new Needs(new long[0], new int[0][]);

    boolean isEmpty() {
      return bytes.length == 0;
    }

    /// The bytes of it in all.
    long all() {
      return Arrays.stream(bytes).sum();
    }

    /// The bytes of it that a provider lacks.
    long lackedBy(Provider provider) {
      long lacked = 0;
      for (int i = 0; i < bytes.length; i++) {
        if (!OpenProviders.contains(held[i], provider.index)) {
          lacked += bytes[i];
        }
      }
      return lacked;
    }

    /// How long it takes a provider to get what it lacks.
    long transferNs(Provider provider) {
      return bytes.length == 0 ? 0 : provider.transferNs(lackedBy(provider));
    }
  }

  /// A provider has run a task: it has what that read and made.
  void saw(Provider provider, ExecutionRecord record) {
    for (Blob blob : record.inputs()) {
      add(blob, provider.index);
    }
    for (Blob blob : record.outputs()) {
      add(blob, provider.index);
    }
  }

  void add(Blob blob, int index) {
    if (blob.sizeBytes() < Limits.LARGE_BLOB_BYTES) {
      return;
    }
    int[] before = holders.remove(blob.hash());
    holders.put(blob.hash(), before == null ? new int[] {index} : latest(before, index));
    if (holders.size() > Limits.HELD_BLOBS) {
      holders.remove(holders.firstEntry().getKey());
    }
  }

  /// One comes last; the first goes if there are too many.
  private static int[] latest(int[] before, int index) {
    int[] out = new int[Limits.HOLDERS + 1];
    int n = 0;
    for (int one : before) {
      if (one != index) {
        out[n++] = one;
      }
    }
    out[n++] = index;
    return Arrays.copyOfRange(out, Math.max(0, n - Limits.HOLDERS), n);
  }

  /// Who has a blob, the last one last, by index.
  int[] holders(Hash blob) {
    return holders.getOrDefault(blob, NOBODY);
  }

  /// What a task whose dependencies are done reads that is large, the largest first. Of many inputs
  /// the first ones are looked at.
  Needs of(Graph graph, int task) {
    List<Input> inputs = graph.spec.tasks().get(task).inputs();
    if (inputs.isEmpty() || graph.knownBytesIn(task) < Limits.LARGE_BLOB_BYTES) {
      return Needs.NOTHING;
    }
    List<Blob> large = new ArrayList<>();
    for (int i = 0; i < Math.min(inputs.size(), Limits.INPUTS_LOOKED_AT); i++) {
      if (graph.size(inputs.get(i)) >= Limits.LARGE_BLOB_BYTES) {
        large.add(graph.blob(inputs.get(i)));
      }
    }
    large.sort(LARGEST_FIRST);
    List<Blob> first = large.stream().distinct().limit(Limits.HELD_INPUTS).toList();
    long[] bytes = new long[first.size()];
    int[][] held = new int[first.size()][];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = Math.min(first.get(i).sizeBytes(), Limits.BLOB_BYTES);
      held[i] = holders(first.get(i).hash());
    }
    return new Needs(bytes, held);
  }

  void write(Out out) throws IOException {
    out.number(holders.size());
    for (Map.Entry<Hash, int[]> e : holders.entrySet()) {
      out.hash(e.getKey());
      out.number(e.getValue().length);
      for (int index : e.getValue()) {
        out.number(index);
      }
      out.flushFull();
    }
  }

  void read(In in) {
    int count = in.count();
    for (int i = 0; i < count; i++) {
      Hash hash = in.hash();
      int[] of = new int[Math.min(in.count(), Limits.HOLDERS)];
      for (int k = 0; k < of.length; k++) {
        of[k] = in.integer();
      }
      holders.put(hash, of);
    }
  }
}
