package dev.perseid.node;

import java.util.LinkedHashMap;
import java.util.Map;

/// How often signatures of strangers may be looked at: each costs a part of a core, so one place
/// cannot make all others wait, and all together cannot take the pool's time. Safe for any thread.
final class Looks {
  private final int fromOnePerS;
  private final LinkedHashMap<String, Bucket> byPlace =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Bucket> eldest) {
          return size() > PoolLimits.LOGIN_SOURCES;
        }
      };
  private final Bucket all;

  /// @param perS looks a second of everybody together, on average
  /// @param fromOnePerS of one network address
  Looks(int perS, int fromOnePerS) {
    this.fromOnePerS = fromOnePerS;
    this.all = new Bucket(perS, 4 * perS, 0);
  }

  /// Whether a signature may be looked at now.
  ///
  /// @param from where the caller is, empty if that is not known
  synchronized boolean take(String from, long nowMs) {
    boolean mine =
        from.isEmpty()
            || byPlace
                .computeIfAbsent(from, _ -> new Bucket(fromOnePerS, 4 * fromOnePerS, nowMs))
                .take(nowMs);
    return mine && all.take(nowMs);
  }
}
