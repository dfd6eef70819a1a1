package dev.perseid.inference;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/// A fixed number of threads that do the parts of one loop together with the thread that asks. One
/// loop at a time. Workers poll for a moment after a loop, as the next one mostly comes at once,
/// and then sleep.
final class Crew implements AutoCloseable {
  private static final class Loop {
    final int parts;
    final IntConsumer body;
    final AtomicInteger next = new AtomicInteger();
    final AtomicInteger left;
    final AtomicReference<@Nullable Throwable> broken = new AtomicReference<>();

    Loop(int parts, IntConsumer body) {
      this.parts = parts;
      this.body = body;
      this.left = new AtomicInteger(parts);
    }

    void work() {
      for (int part = next.getAndIncrement(); part < parts; part = next.getAndIncrement()) {
        try {
          body.accept(part);
        } catch (Throwable e) {
          broken.compareAndSet(null, e);
        } finally {
          left.decrementAndGet();
        }
      }
    }
  }

  private final Thread[] workers;
  private volatile @Nullable Loop loop;
  private volatile boolean closed;

  /// @param threads how many work, the asking one included
  Crew(int threads, String name) {
    workers = new Thread[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = Thread.ofPlatform().daemon().name(name + "-" + (i + 1)).unstarted(this::stand);
    }
    for (Thread worker : workers) {
      worker.start();
    }
  }

  int threads() {
    return workers.length + 1;
  }

  private void stand() {
    Loop last = null;
    int idle = 0;
    while (!closed) {
      Loop now = loop;
      if (now != null && now != last) {
        now.work();
        last = now;
        idle = 0;
      } else if (idle < EngineLimits.SPINS) {
        idle++;
        Thread.onSpinWait();
      } else {
        LockSupport.park(this);
      }
    }
  }

  /// Does all parts and returns when they are done.
  void each(int parts, IntConsumer body) {
    if (workers.length == 0 || parts == 1) {
      for (int part = 0; part < parts; part++) {
        body.accept(part);
      }
      return;
    }
    Loop now = new Loop(parts, body);
    loop = now;
    for (Thread worker : workers) {
      LockSupport.unpark(worker);
    }
    now.work();
    for (int spins = 0; now.left.get() > 0; spins++) {
      if (spins < EngineLimits.SPINS) {
        Thread.onSpinWait();
      } else {
        LockSupport.parkNanos(EngineLimits.NAP_NS);
      }
    }
    loop = null;
    Throwable broken = now.broken.get();
    if (broken != null) {
      throw new IllegalStateException("A part of a loop failed", broken);
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Thread worker : workers) {
      LockSupport.unpark(worker);
    }
  }
}
