package dev.perseid.node;

import dev.perseid.core.Address;
import java.util.LinkedHashMap;
import java.util.Map;

/// Which payers must wait, because a payment of theirs failed on the chain and cost the pool its
/// gas. Forgotten by a restart. Safe for any thread.
final class PayerMarks {
  private record Mark(int failures, long untilMs) {}

  private final LinkedHashMap<Address, Mark> marks =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Address, Mark> eldest) {
          return size() > MarketLimits.PAYERS;
        }
      };

  /// A payment failed: the payer waits, twice as long each time.
  synchronized void failed(Address payer, long nowMs) {
    Mark before = marks.get(payer);
    int failures = before == null ? 1 : Math.min(before.failures + 1, 62);
    long pauseMs = MarketLimits.PAYER_PAUSE_MS;
    for (int i = 1; i < failures && pauseMs < MarketLimits.LONGEST_PAYER_PAUSE_MS; i++) {
      pauseMs *= 2;
    }
    pauseMs = Math.min(pauseMs, MarketLimits.LONGEST_PAYER_PAUSE_MS);
    marks.put(payer, new Mark(failures, nowMs + pauseMs));
  }

  /// A payment is there for good: nothing is held against the payer any more.
  synchronized void paid(Address payer) {
    marks.remove(payer);
  }

  /// For how long the payer must wait yet; 0 if it need not.
  synchronized long leftMs(Address payer, long nowMs) {
    Mark mark = marks.get(payer);
    return mark == null ? 0 : Math.max(0, mark.untilMs - nowMs);
  }
}
