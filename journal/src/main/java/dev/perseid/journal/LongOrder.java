package dev.perseid.journal;

import java.util.Arrays;

/// Sorts numbers by keys that stand elsewhere, without an object for any of them.
final class LongOrder {
  private LongOrder() {}

  /// The numbers from 0 so that their keys ascend; equal keys keep their order.
  static int[] by(long[] keys, int count) {
    int[] order = new int[count];
    Arrays.setAll(order, i -> i);
    return by(keys, order);
  }

  /// Some numbers so that their keys ascend; equal keys keep their order. Merge sort, bottom up.
  static int[] by(long[] keys, int[] of) {
    int count = of.length;
    int[] from = of.clone();
    int[] to = new int[count];
    for (int width = 1; width < count; width *= 2) {
      for (int left = 0; left < count; left += 2 * width) {
        int middle = Math.min(count, left + width);
        int right = Math.min(count, middle + width);
        int a = left;
        int b = middle;
        for (int k = left; k < right; k++) {
          to[k] =
              a < middle && (b >= right || keys[from[a]] <= keys[from[b]]) ? from[a++] : from[b++];
        }
      }
      int[] swap = from;
      from = to;
      to = swap;
    }
    return from;
  }
}
