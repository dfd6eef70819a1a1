package dev.perseid.core;

/// A set of whole numbers below a fixed bound that knows its lowest: bits, and above them bits that
/// say which words are not empty. Every operation takes O(log64 n); n bits of memory and 2 % more.
final class LowestFirst {
  private final long[][] levels;

  LowestFirst(int bound) {
    int depth = 1;
    for (long words = words(bound); words > 1; words = words(words)) {
      depth++;
    }
    levels = new long[depth][];
    long size = bound;
    for (int level = 0; level < depth; level++) {
      size = words(size);
      levels[level] = new long[(int) Math.max(1, size)];
    }
  }

  private static long words(long bits) {
    return (bits + 63) >>> 6;
  }

  boolean isEmpty() {
    return levels[levels.length - 1][0] == 0;
  }

  /// The lowest number; the set must not be empty.
  int first() {
    int place = 0;
    for (int level = levels.length - 1; level >= 0; level--) {
      place = place << 6 | Long.numberOfTrailingZeros(levels[level][place]);
    }
    return place;
  }

  /// The lowest number above another; -1 if there is none.
  int next(int number) {
    int place = number;
    for (int level = 0; level < levels.length; level++) {
      long above = levels[level][place >>> 6] & (-2L << place);
      if (above != 0) {
        place = (place & ~63) | Long.numberOfTrailingZeros(above);
        while (level-- > 0) {
          place = place << 6 | Long.numberOfTrailingZeros(levels[level][place]);
        }
        return place;
      }
      place >>>= 6;
    }
    return -1;
  }

  void add(int number) {
    int place = number;
    for (long[] level : levels) {
      level[place >>> 6] |= 1L << place;
      place >>>= 6;
    }
  }

  void remove(int number) {
    int place = number;
    for (long[] level : levels) {
      level[place >>> 6] &= ~(1L << place);
      if (level[place >>> 6] != 0) {
        return;
      }
      place >>>= 6;
    }
  }
}
