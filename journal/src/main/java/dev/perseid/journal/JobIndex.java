package dev.perseid.journal;

import dev.perseid.core.JobId;
import java.util.Arrays;
import java.util.NoSuchElementException;
import java.util.PrimitiveIterator;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// Which entries belong to which job: a hash table of jobs with open addressing, each of which
/// begins a chain through its entries. 4 bytes an entry and some 50 a job, no object for either.
/// One writer, any number of readers.
final class JobIndex {
  private static final int NONE = -1;

  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  /// For each entry the next of the same job.
  private int[] next = new int[1024];

  private int entries;

  /// For each slot the job's id, first and last entry; `first` is NONE in a free one.
  private long[] ids = new long[2048];

  private int[] first = new int[1024];
  private int[] last = new int[1024];
  private int jobs;

  JobIndex() {
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
        if (++jobs * 2 > first.length) {
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

  /// The entries of a job, from the oldest. Those added while it is being read are found too.
  PrimitiveIterator.OfLong of(JobId job) {
    return new Chain(job);
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
    private final JobId job;
    private final int[] piece = new int[Limits.CHUNK];
    private int at;
    private int length;
    private int seen = NONE;

    Chain(JobId job) {
      this.job = job;
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
        int entry = seen == NONE ? first[slot(job.a(), job.b())] : next[seen];
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
        throw new NoSuchElementException("no more entries of job " + job);
      }
      return piece[at++];
    }
  }
}
