package dev.perseid.journal;

import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// Which entries belong to which key, say a job: a hash table of keys with open addressing, each of
/// which begins a chain through its entries. 4 bytes an entry and some 50 a key, no object for
/// either. One writer, any number of readers.
final class Chains {
  private static final int NONE = -1;

  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  /// For each entry the next of the same key.
  private int[] next = new int[1024];

  private int entries;

  /// For each slot the key, its first and its last entry; `first` is NONE in a free one.
  private long[] ids = new long[2048];

  private int[] first = new int[1024];
  private int[] last = new int[1024];
  private int keys;

  Chains() {
    Arrays.fill(first, NONE);
  }

  /// Appends the next entry.
  void add(long high, long low) {
    lock.writeLock().lock();
    try {
      if (entries == next.length) {
        next = Arrays.copyOf(next, (int) Math.min(Limits.ENTRIES, next.length * 2L));
      }
      int entry = entries++;
      next[entry] = NONE;
      int slot = slot(high, low);
      if (first[slot] == NONE) {
        ids[2 * slot] = high;
        ids[2 * slot + 1] = low;
        first[slot] = entry;
        last[slot] = entry;
        if (++keys * 2 > first.length) {
          grow();
        }
      } else {
        next[last[slot]] = entry;
        last[slot] = entry;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  /// The entries of a key, from the oldest. Those added while it is being read are found too.
  PrimitiveIterator.OfLong of(long high, long low) {
    return new Chain(high, low);
  }

  private int slot(long high, long low) {
    int mask = first.length - 1;
    long mixed = (high ^ Long.rotateLeft(low, 32)) * 0x9E3779B97F4A7C15L;
    int slot = (int) (mixed >>> 32) & mask;
    while (first[slot] != NONE && (ids[2 * slot] != high || ids[2 * slot + 1] != low)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private void grow() {
    long[] oldIds = ids;
    int[] oldFirst = first;
    int[] oldLast = last;
    ids = new long[oldIds.length * 2];
    first = new int[oldFirst.length * 2];
    last = new int[oldLast.length * 2];
    Arrays.fill(first, NONE);
    for (int i = 0; i < oldFirst.length; i++) {
      if (oldFirst[i] != NONE) {
        int slot = slot(oldIds[2 * i], oldIds[2 * i + 1]);
        ids[2 * slot] = oldIds[2 * i];
        ids[2 * slot + 1] = oldIds[2 * i + 1];
        first[slot] = oldFirst[i];
        last[slot] = oldLast[i];
      }
    }
  }

  /// Follows a chain, a piece at a time, so that the writer never waits for long.
  private final class Chain implements PrimitiveIterator.OfLong {
    private final long high;
    private final long low;
    private final int[] piece = new int[Limits.CHUNK];
    private int at;
    private int length;
    private int seen = NONE;

    Chain(long high, long low) {
      this.high = high;
      this.low = low;
    }

    @Override
    public boolean hasNext() {
      if (at < length) {
        return true;
      }
      at = 0;
      length = 0;
      lock.readLock().lock();
      try {
        int entry = seen == NONE ? first[slot(high, low)] : next[seen];
        while (entry != NONE && length < piece.length) {
          piece[length++] = entry;
          seen = entry;
          entry = next[entry];
        }
      } finally {
        lock.readLock().unlock();
      }
      return length > 0;
    }

    @Override
    public long nextLong() {
      if (!hasNext()) {
        throw new NoSuchElementException("no more entries of this key");
      }
      return piece[at++];
    }
  }
}
