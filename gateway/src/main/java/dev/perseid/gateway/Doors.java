package dev.perseid.gateway;

import dev.perseid.core.Hash;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/// Knows callers by their keys and stops who guesses: after too many wrong keys an address gets
/// nothing looked up for a minute, except keys that were good before. Safe for any thread.
final class Doors {
  private static final long MINUTE_MS = 60_000;

  private static final class Wrong {
    private long sinceMs;
    private int count;
  }

  private static final class Bounded<K, V> extends LinkedHashMap<K, V> {
    private final int most;

    Bounded(int most) {
      super(16, 0.75f, true);
      this.most = most;
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
      return size() > most;
    }
  }

  private final Market market;
  private final Bounded<String, Wrong> wrong = new Bounded<>(GatewayLimits.WRONG_KEY_ADDRESSES);
  private final Bounded<Hash, Boolean> good = new Bounded<>(GatewayLimits.GOOD_KEYS);
  private volatile boolean anyWrong;

  Doors(Market market) {
    this.market = market;
  }

  /// The key in a request, wherever its protocol puts it.
  static Optional<String> key(Inbound in) {
    Optional<String> bearer = in.header("authorization");
    if (bearer.isPresent()
        && bearer.get().length() > 7
        && bearer.get().regionMatches(true, 0, "Bearer ", 0, 7)) {
      return Optional.of(bearer.get().substring(7).strip());
    }
    Optional<String> key = in.header("x-api-key");
    return key.isPresent() ? key : in.header("api-key");
  }

  /// What clients that must have a key send as one when they pay request by request.
  static final String NO_KEY = "x402";

  /// Whether a request shows no key: it may pay for itself.
  static boolean isKeyless(Inbound in) {
    Optional<String> key = key(in);
    return key.isEmpty() || key.get().isEmpty() || key.get().equals(NO_KEY);
  }

  /// Who asks.
  ///
  /// @param address where from
  /// @throws Problem if nobody has this key, or the address guesses
  Market.Caller caller(Inbound in, String address, long nowMs) throws Problem {
    Optional<String> key = key(in);
    if (key.isEmpty() || key.get().isEmpty()) {
      throw unauthenticated(
          "There is no key in the request: send 'Authorization: Bearer <key>' (or 'x-api-key').");
    }
    if (key.get().length() > GatewayLimits.KEY_CHARS) {
      throw unauthenticated("The key is not one of ours.");
    }
    if (anyWrong && guesses(address, nowMs) && !wasGood(key.get())) {
      throw new Problem(
          Problem.Kind.TOO_MANY,
          "Too many wrong keys from this address. Wait a minute.",
          "",
          "too_many_wrong_keys",
          OptionalLong.of(MINUTE_MS));
    }
    Optional<Market.Caller> caller = market.caller(key.get());
    if (caller.isEmpty()) {
      synchronized (wrong) {
        anyWrong = true;
        Wrong w = wrong.computeIfAbsent(address, a -> new Wrong());
        if (nowMs - w.sinceMs > MINUTE_MS) {
          w.sinceMs = nowMs;
          w.count = 0;
        }
        w.count++;
      }
      throw unauthenticated("The key is not one of ours. Check it, or make a new one.");
    }
    if (anyWrong) {
      synchronized (good) {
        good.put(hash(key.get()), true);
      }
    }
    return caller.get();
  }

  private boolean guesses(String address, long nowMs) {
    synchronized (wrong) {
      Wrong w = wrong.get(address);
      return w != null && w.count >= GatewayLimits.WRONG_KEYS && nowMs - w.sinceMs <= MINUTE_MS;
    }
  }

  private boolean wasGood(String key) {
    synchronized (good) {
      return good.containsKey(hash(key));
    }
  }

  private static Hash hash(String key) {
    return Hash.sha256(key.getBytes(StandardCharsets.UTF_8));
  }

  private static Problem unauthenticated(String text) {
    return new Problem(Problem.Kind.UNAUTHENTICATED, text, "invalid_api_key");
  }
}
