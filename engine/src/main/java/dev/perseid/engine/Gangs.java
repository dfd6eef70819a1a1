package dev.perseid.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/// Tasks that call for several workers. All of them have their cores from the [Stock], so there are
/// never more places than workers, and every worker that ends what it does takes one before
/// anything else: no two tasks can wait for each other's workers.
final class Gangs {
  private final ReentrantLock lock = new ReentrantLock();
  private final ArrayDeque<Gang> calling = new ArrayDeque<>(); // guarded by lock
  private final AtomicInteger pressing;

  /// @param pressing counts tasks that call
  Gangs(AtomicInteger pressing) {
    this.pressing = pressing;
  }

  /// Calls workers for a task, takes the first place, and returns when it has ended.
  ///
  /// @return false if nobody is called because the task is to end without running
  boolean gather(Attempt attempt, Worker first) {
    Gang gang = new Gang(attempt);
    Gang.Seat seat;
    lock.lock();
    try {
      if (attempt.dead()) {
        return false;
      }
      seat = gang.seat(first);
      if (!seat.last()) {
        calling.add(gang);
        pressing.getAndIncrement();
      }
    } finally {
      lock.unlock();
    }
    for (int i = 1; i < attempt.seats; i++) {
      first.engine.wakeOne();
    }
    seat.execute(first);
    return true;
  }

  /// Finds a place for a worker.
  boolean poll(WorkDeque.Loot into, Worker worker) {
    lock.lock();
    try {
      Gang gang = calling.peek();
      if (gang == null) {
        return false;
      }
      Gang.Seat seat = gang.seat(worker);
      if (seat.last()) {
        calling.remove();
        pressing.getAndDecrement();
      }
      into.entry = WorkDeque.OBJECT;
      into.work = seat;
      return true;
    } finally {
      lock.unlock();
    }
  }

  /// Lets those go who sit for tasks that are to end without running; returns these.
  List<Attempt> sweep() {
    List<Attempt> dead = new ArrayList<>();
    lock.lock();
    try {
      calling.removeIf(gang -> {
        boolean gone = gang.attempt.dead();
        if (gone) {
          dead.add(gang.attempt);
          pressing.getAndDecrement();
          gang.end();
        }
        return gone;
      });
    } finally {
      lock.unlock();
    }
    return dead;
  }
}
