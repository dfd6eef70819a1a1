package dev.perseid.journal;

import java.util.Arrays;

/// How much each kind has run until a moment. O(kinds log pieces) a question.
final class KindWork {
  private final long[][] starts;
  private final long[][] startCores;
  private final long[][] startSums;
  private final long[][] ends;
  private final long[][] endCores;
  private final long[][] endSums;

  KindWork(Pieces pieces) {
    int kinds = pieces.trace.kinds().size();
    int[] size = new int[kinds];
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] >= 0) {
        size[pieces.trace.kindOf(pieces.task[p])]++;
      }
    }
    int[][] which = new int[kinds][];
    for (int k = 0; k < kinds; k++) {
      which[k] = new int[size[k]];
    }
    int[] at = new int[kinds];
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] >= 0) {
        int k = pieces.trace.kindOf(pieces.task[p]);
        which[k][at[k]++] = p;
      }
    }
    starts = new long[kinds][];
    startCores = new long[kinds][];
    startSums = new long[kinds][];
    ends = new long[kinds][];
    endCores = new long[kinds][];
    endSums = new long[kinds][];
    for (int k = 0; k < kinds; k++) {
      starts[k] = new long[size[k]];
      startCores[k] = new long[size[k] + 1];
      startSums[k] = new long[size[k] + 1];
      ends[k] = new long[size[k]];
      endCores[k] = new long[size[k] + 1];
      endSums[k] = new long[size[k] + 1];
      sums(pieces, pieces.start, which[k], starts[k], startCores[k], startSums[k]);
      sums(pieces, pieces.end, which[k], ends[k], endCores[k], endSums[k]);
    }
  }

  private static void sums(
      Pieces pieces, long[] times, int[] which, long[] sorted, long[] cores, long[] sums) {
    int[] order = LongOrder.by(times, which);
    for (int i = 0; i < order.length; i++) {
      int c = pieces.cores[order[i]];
      sorted[i] = times[order[i]] - pieces.begin;
      cores[i + 1] = cores[i] + c;
      sums[i + 1] = sums[i] + c * sorted[i];
    }
  }

  /// Divides a time among the kinds by how much each ran in it.
  ///
  /// @param from,to nanoseconds since the span's beginning
  /// @param shares to which each kind's part is added; what no kind has is left out
  void divide(long from, long to, double[] shares) {
    double[] ran = new double[starts.length];
    double all = 0;
    for (int k = 0; k < ran.length; k++) {
      ran[k] = until(k, to) - until(k, from);
      all += ran[k];
    }
    for (int k = 0; k < ran.length && all > 0; k++) {
      shares[k] += (to - from) * (ran[k] / all);
    }
  }

  private double until(int kind, long time) {
    return part(starts[kind], startCores[kind], startSums[kind], time)
        - part(ends[kind], endCores[kind], endSums[kind], time);
  }

  private static double part(long[] times, long[] cores, long[] sums, long time) {
    int at = Arrays.binarySearch(times, time);
    int n = at >= 0 ? at : -at - 1;
    // Those of this very moment add nothing, whichever of them was found.
    return (double) cores[n] * time - sums[n];
  }
}
