package dev.perseid.bench;

import java.util.Arrays;

/// A list of numbers that does not box them.
final class Longs {
  private long[] values = new long[1 << 12];
  private int size;

  void add(long value) {
    if (size == values.length) {
      values = Arrays.copyOf(values, 2 * size);
    }
    values[size++] = value;
  }

  /// The value below which `percent` of the values lie (nearest rank), 0 if there are none.
  long percentile(double percent) {
    if (size == 0) {
      return 0;
    }
    Arrays.sort(values, 0, size);
    return values[Math.clamp((int) Math.ceil(percent / 100 * size) - 1, 0, size - 1)];
  }
}
