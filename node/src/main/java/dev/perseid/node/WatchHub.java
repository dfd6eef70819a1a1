package dev.perseid.node;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// Wakes those who watch something, say a job, when it changed. Safe for any thread; [#changed]
/// never blocks.
final class WatchHub<T> {
  /// One who watches.
  final class Watcher implements AutoCloseable {
    private final T what;
    private final Semaphore bell = new Semaphore(0);

    private Watcher(T what) {
      this.what = what;
    }

    /// Waits until it changed since the last call, or for `ms`.
    void await(long ms) throws InterruptedException {
      if (bell.tryAcquire(ms, TimeUnit.MILLISECONDS)) {
        bell.drainPermits();
      }
    }

    @Override
    public void close() {
      synchronized (WatchHub.this) {
        List<Watcher> all = watchers.get(what);
        if (all != null && all.remove(this)) {
          count--;
          if (all.isEmpty()) {
            watchers.remove(what);
          }
        }
      }
    }
  }

  private final Map<T, List<Watcher>> watchers = new HashMap<>();
  private int count;

  /// Begins to watch; empty if too many watch already.
  synchronized Optional<Watcher> watch(T what) {
    if (count >= PoolLimits.WATCHERS) {
      return Optional.empty();
    }
    count++;
    Watcher w = new Watcher(what);
    watchers.computeIfAbsent(what, _ -> new ArrayList<>()).add(w);
    return Optional.of(w);
  }

  /// It changed.
  synchronized void changed(T what) {
    List<Watcher> all = watchers.get(what);
    if (all != null) {
      for (Watcher w : all) {
        if (w.bell.availablePermits() == 0) {
          w.bell.release();
        }
      }
    }
  }
}
