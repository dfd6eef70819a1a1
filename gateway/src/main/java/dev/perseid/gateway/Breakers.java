package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.inference.Failure;
import java.util.concurrent.ConcurrentHashMap;

/// Which offers failed of late and are left alone for a while. When the time is over one request
/// tries the offer again (half open); if it fails too, the time doubles. Safe for any thread.
final class Breakers {
  /// Whether an offer may be asked.
  enum State {
    /// It did well.
    CLOSED,
    /// It failed and the time is over: who asks first, tries it for all.
    HALF_OPEN,
    /// It failed just now, or somebody is trying it.
    OPEN
  }

  /// @param failures in a row
  /// @param untilMs when it may be tried again
  private record Broken(int failures, long untilMs) {}

  private final ConcurrentHashMap<Hash, Broken> broken = new ConcurrentHashMap<>();

  /// How an offer stands.
  State state(Hash offer, long nowMs) {
    if (broken.isEmpty()) {
      return State.CLOSED;
    }
    Broken b = broken.get(offer);
    return b == null ? State.CLOSED : nowMs >= b.untilMs ? State.HALF_OPEN : State.OPEN;
  }

  /// Somebody asks a half-open offer: the others leave it alone meanwhile.
  void trying(Hash offer, long nowMs) {
    broken.computeIfPresent(
        offer,
        (o, b) -> new Broken(b.failures, Math.max(b.untilMs, nowMs + wait(b.failures, false))));
  }

  /// It answered.
  void worked(Hash offer) {
    if (!broken.isEmpty()) {
      broken.remove(offer);
    }
  }

  /// It did not, and that was its own fault.
  void failed(Hash offer, Failure.Kind kind, long nowMs) {
    if (broken.size() >= GatewayLimits.BREAKERS) {
      broken.values().removeIf(b -> b.untilMs < nowMs);
      if (broken.size() >= GatewayLimits.BREAKERS) {
        return;
      }
    }
    boolean silent = kind == Failure.Kind.TIMEOUT;
    broken.compute(
        offer,
        (o, b) -> {
          int failures = b == null ? 1 : Math.min(30, b.failures + 1);
          return new Broken(failures, nowMs + wait(failures, silent));
        });
  }

  private static long wait(int failures, boolean silent) {
    return silent
        ? GatewayLimits.BREAK_SILENT_MS
        : Math.min(
            GatewayLimits.BREAK_MOST_MS,
            GatewayLimits.BREAK_FIRST_MS << Math.min(10, failures - 1));
  }
}
