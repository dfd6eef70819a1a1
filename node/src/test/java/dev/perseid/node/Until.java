package dev.perseid.node;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/// Waits for what another thread or process brings about and nobody announces.
final class Until {
  private static final long LIMIT_S = 30;

  private Until() {}

  /// Returns when the condition holds; fails after half a minute.
  static void holds(BooleanSupplier condition) {
    holds(condition, LIMIT_S);
  }

  /// Likewise after so many seconds: for what takes a processor some time.
  static void holds(BooleanSupplier condition, long limitS) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitS);
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("it did not come true within " + limitS + " s");
      }
      LockSupport.parkNanos(1_000_000);
    }
  }
}
