package dev.perseid.engine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/// Records on their way from one thread to the drain: a ring of fixed size with one writer and one
/// reader. A record is [#WORDS] words, one line of the cache.
final class RecordRing {
  static final int WORDS = 8;

  // Where a word of a record stands.
  static final int ID = 0;
  static final int CAUSE = 1;
  static final int READY = 2;
  static final int START = 3;
  static final int END = 4;

  /// The run's number, then attempt, flags and outcome ([Marks]).
  static final int MARKS = 5;

  /// CPU nanoseconds where they were measured; else the number of a virtual thread, and from bit
  /// [#CORES_SHIFT] on how many cores it had, where that is told.
  static final int CPU = 6;

  static final int CORES_SHIFT = 48;

  static final long THREAD = (1L << CORES_SHIFT) - 1;

  /// Allocated bytes where they were measured, or the name's number: never both.
  static final int BYTES = 7;

  private static final VarHandle HEAD;
  private static final VarHandle TAIL;
  private static final VarHandle LOST;

  static {
    try {
      MethodHandles.Lookup here = MethodHandles.lookup();
      HEAD = here.findVarHandle(RecordRing.class, "head", long.class);
      TAIL = here.findVarHandle(RecordRing.class, "tail", long.class);
      LOST = here.findVarHandle(RecordRing.class, "lost", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  final int thread;
  final long[] words;
  final int mask;

  // The writer's.
  private long tail;
  private long headSeen;
  private long lost;
  long p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15;
  // The reader's.
  private long head;
  long lostTold;

  RecordRing(int thread, int records) {
    this.thread = thread;
    int capacity = Integer.highestOneBit(Math.max(2, records - 1)) << 1;
    words = new long[capacity * WORDS];
    mask = capacity - 1;
  }

  /// Where the next record goes in [#words], or -1 if the ring is full. The writer's.
  int claim() {
    long t = tail;
    if (t - headSeen > mask) {
      headSeen = (long) HEAD.getAcquire(this);
      if (t - headSeen > mask) {
        return -1;
      }
    }
    return ((int) t & mask) * WORDS;
  }

  /// Hands over what was written where [#claim] said; true each time a quarter is full.
  boolean publish() {
    long t = tail + 1;
    TAIL.setRelease(this, t);
    return (t & (mask >>> 2)) == 0;
  }

  /// Counts a record for which there was no room. The writer's.
  void lose() {
    LOST.setRelease(this, lost + 1);
  }

  /// How many found no room so far. Anybody's.
  long lost() {
    return (long) LOST.getAcquire(this);
  }

  /// Up to where there are records. The reader's.
  long written() {
    return (long) TAIL.getAcquire(this);
  }

  /// From where there are records. The reader's.
  long read() {
    return head;
  }

  /// Gives the room before `upTo` back. The reader's.
  void free(long upTo) {
    HEAD.setRelease(this, upTo);
  }
}
