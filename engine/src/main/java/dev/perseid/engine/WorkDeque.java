package dev.perseid.engine;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/// A deque of work: its owner pushes and pops at the bottom, anybody steals at the top (Chase and
/// Lev, "Dynamic Circular Work-Stealing Deque", 2005; orderings after Lê and others, "Correct and
/// Efficient Work-Stealing for Weak Memory Models", 2013). Grows without a limit of its own.
///
/// An item is two words, and an object where the first word is [#OBJECT]: tasks of a graph are
/// numbers, so that no garbage is made and no barrier of the collector is paid for them.
final class WorkDeque {
  /// The first word of an item that is an object.
  static final long OBJECT = -1;

  /// Where what was taken is put.
  static final class Loot {
    long entry;
    long readyNs;
    @Nullable Object work;
  }

  private static final class Slots {
    final long[] words;
    final @Nullable Object[] works;
    final int mask;

    Slots(int capacity) {
      words = new long[2 * capacity];
      works = new @Nullable Object[capacity];
      mask = capacity - 1;
    }

    void put(long at, long entry, long readyNs, @Nullable Object work) {
      int i = (int) at & mask;
      WORDS.setOpaque(words, 2 * i, entry);
      WORDS.setOpaque(words, 2 * i + 1, readyNs);
      if (work != null || works[i] != null) { // what a thief left must not be held for ever
        WORKS.setOpaque(works, i, work);
      }
    }

    void get(long at, Loot into) {
      int i = (int) at & mask;
      into.entry = (long) WORDS.getOpaque(words, 2 * i);
      into.readyNs = (long) WORDS.getOpaque(words, 2 * i + 1);
      into.work = into.entry == OBJECT ? WORKS.getOpaque(works, i) : null;
    }
  }

  private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
  private static final VarHandle WORKS = MethodHandles.arrayElementVarHandle(Object[].class);
  private static final VarHandle TOP;
  private static final VarHandle BOTTOM;

  static {
    try {
      MethodHandles.Lookup here = MethodHandles.lookup();
      TOP = here.findVarHandle(WorkDeque.class, "top", long.class);
      BOTTOM = here.findVarHandle(WorkDeque.class, "bottom", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  // Far from each other: thieves write one, the owner the other.
  private long bottom;
  long p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15;
  private long top;
  long q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11, q12, q13, q14, q15;
  private volatile Slots slots;

  WorkDeque(int capacity) {
    slots = new Slots(Integer.highestOneBit(Math.max(2, capacity - 1)) << 1);
  }

  /// Puts an item at the bottom. The owner's.
  ///
  /// @param work never pushed before
  void push(long entry, long readyNs, @Nullable Object work) {
    long b = bottom;
    long t = (long) TOP.getAcquire(this);
    Slots s = slots;
    if (b - t > s.mask) {
      s = grow(s, t, b);
    }
    s.put(b, entry, readyNs, work);
    BOTTOM.setRelease(this, b + 1);
  }

  private Slots grow(Slots old, long t, long b) {
    Slots wider = new Slots(2 * (old.mask + 1));
    Loot one = new Loot();
    for (long i = t; i < b; i++) {
      old.get(i, one);
      wider.put(i, one.entry, one.readyNs, one.work);
    }
    slots = wider;
    return wider;
  }

  /// Takes the item that was pushed last. The owner's.
  boolean pop(Loot into) {
    long b = bottom - 1;
    if (b < (long) TOP.getOpaque(this)) {
      return false; // the top only grows: empty for sure
    }
    Slots s = slots;
    BOTTOM.setOpaque(this, b);
    VarHandle.fullFence();
    long t = (long) TOP.getOpaque(this);
    if (t > b) {
      BOTTOM.setOpaque(this, b + 1);
      return false;
    }
    s.get(b, into);
    if (t == b) {
      boolean mine = TOP.compareAndSet(this, t, t + 1);
      BOTTOM.setOpaque(this, b + 1);
      if (!mine) {
        return false;
      }
    }
    if (into.work != null) {
      WORKS.setOpaque(s.works, (int) b & s.mask, null);
    }
    return true;
  }

  /// Takes the oldest item. Anybody's; fails also if somebody else was faster.
  boolean steal(Loot into) {
    long t = (long) TOP.getAcquire(this);
    VarHandle.fullFence();
    long b = (long) BOTTOM.getAcquire(this);
    if (t >= b) {
      return false;
    }
    Slots s = slots;
    s.get(t, into);
    Object work = into.work;
    if (!TOP.compareAndSet(this, t, t + 1)) {
      into.work = null;
      return false;
    }
    if (work != null) {
      // Else the slot would hold it, and with it a whole run. If the owner has put another one
      // there
      // since, that stays: no object is pushed twice.
      WORKS.compareAndSet(s.works, (int) t & s.mask, work, null);
    }
    return true;
  }

  /// Whether there seems to be something. Anybody's.
  boolean seemsFull() {
    return (long) TOP.getAcquire(this) < (long) BOTTOM.getAcquire(this);
  }
}
