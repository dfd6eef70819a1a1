package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import java.util.concurrent.ConcurrentHashMap;

/// How much of what can be asked of each model at once is in use, in thousandths, as a moving
/// average over some seconds: above 1000, requests wait. A signal for consumers to come later and
/// for providers to offer more. Safe for any thread.
final class Congestion {
  private static final long SPAN_MS = 5_000;

  private static final class Gauge {
    private long atMs;
    private long microPermille;
    private long running;

    synchronized void add(int by) {
      running += by;
    }

    synchronized int permille(long used, long capacity, long nowMs) {
      long now = capacity == 0 ? 0 : Math.max(used, running) * 1_000_000_000 / capacity;
      long passed = Math.clamp(nowMs - atMs, 0, SPAN_MS);
      microPermille += (now - microPermille) / SPAN_MS * passed;
      atMs = nowMs;
      return (int) Math.min(1_000_000, microPermille / 1_000_000);
    }
  }

  private final ConcurrentHashMap<Hash, Gauge> gauges = new ConcurrentHashMap<>();

  /// A request to a model begins (1) or ends (-1).
  void add(Hash model, int by) {
    gauge(model).add(by);
  }

  private Gauge gauge(Hash model) {
    Gauge known = gauges.get(model);
    return known != null ? known : gauges.computeIfAbsent(model, m -> new Gauge());
  }

  /// The average now.
  ///
  /// @param waiting requests that wait at the gateway
  int permille(Shelf shelf, Model model, int waiting, long nowMs) {
    long capacity = 0;
    long used = waiting;
    for (Market.Listing listing : shelf.listings(model)) {
      if (listing.live().reachable()) {
        capacity += listing.offer().parallel();
        used += listing.live().running() + listing.live().waiting();
      }
    }
    return gauge(model.manifest()).permille(used, capacity, nowMs);
  }
}
