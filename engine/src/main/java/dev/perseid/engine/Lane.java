package dev.perseid.engine;

import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/// Tasks that wait in an order: highest priority first, then the earliest deadline, then who came
/// first.
final class Lane {
  static final Comparator<Attempt> URGENCY =
      Comparator.comparingInt((Attempt a) -> -a.terms.priority())
          .thenComparingLong(Attempt::deadlineAtNs);
  private static final Comparator<Attempt> ORDER = URGENCY.thenComparingLong(a -> a.sequence);

  private final ReentrantLock lock = new ReentrantLock();
  private final PriorityQueue<Attempt> waiting = new PriorityQueue<>(ORDER);
  private final AtomicInteger size;

  /// @param size counts who waits, here and wherever else it is given
  Lane(AtomicInteger size) {
    this.size = size;
  }

  void add(Attempt attempt) {
    lock.lock();
    try {
      waiting.add(attempt);
      size.getAndIncrement();
    } finally {
      lock.unlock();
    }
  }

  boolean poll(WorkDeque.Loot into) {
    lock.lock();
    try {
      Attempt first = waiting.poll();
      if (first == null) {
        return false;
      }
      size.getAndDecrement();
      into.entry = WorkDeque.OBJECT;
      into.work = first;
      return true;
    } finally {
      lock.unlock();
    }
  }
}
