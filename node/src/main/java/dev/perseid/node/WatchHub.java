package dev.perseid.node;

import dev.perseid.core.JobId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// Wakes those who watch a job when it changed. Safe for any thread; [#changed] never blocks.
final class WatchHub {
  /// One who watches.
  final class Watcher implements AutoCloseable {
    private final JobId job;
    private final Semaphore bell = new Semaphore(0);

    private Watcher(JobId job) {
      this.job = job;
    }

    /// Waits until the job changed since the last call, or for `ms`.
    void await(long ms) throws InterruptedException {
      if (bell.tryAcquire(ms, TimeUnit.MILLISECONDS)) {
        bell.drainPermits();
      }
    }

    @Override
    public void close() {
      synchronized (WatchHub.this) {
        List<Watcher> all = watchers.get(job);
        if (all != null && all.remove(this)) {
          count--;
          if (all.isEmpty()) {
            watchers.remove(job);
          }
        }
      }
    }
  }

  private final Map<JobId, List<Watcher>> watchers = new HashMap<>();
  private int count;

  /// Begins to watch; empty if too many watch already.
  synchronized Optional<Watcher> watch(JobId job) {
    if (count >= PoolLimits.WATCHERS) {
      return Optional.empty();
    }
    count++;
    Watcher w = new Watcher(job);
    watchers.computeIfAbsent(job, _ -> new ArrayList<>()).add(w);
    return Optional.of(w);
  }

  /// The job changed.
  synchronized void changed(JobId job) {
    List<Watcher> all = watchers.get(job);
    if (all != null) {
      for (Watcher w : all) {
        if (w.bell.availablePermits() == 0) {
          w.bell.release();
        }
      }
    }
  }
}
