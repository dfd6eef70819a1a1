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
  private static final String SIGNED = "Perseid-Request ";

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
    return signed(in).isEmpty()
        && (key.isEmpty() || key.get().isEmpty() || key.get().equals(NO_KEY));
  }

  /// The header of a request that its caller signed.
  static Optional<String> signed(Inbound in) {
    return in.header("authorization")
        .filter(h -> h.length() > SIGNED.length())
        .filter(h -> h.regionMatches(true, 0, SIGNED, 0, SIGNED.length()));
  }

  /// Who asks.
  ///
  /// @param route what for
  /// @param address where from
  /// @throws Problem if nobody has this key, or its rights do not go so far, or the address guesses
  Market.Admission.In admit(Inbound in, Route route, String address, long nowMs) throws Problem {
    Optional<String> signed = signed(in);
    Optional<String> key = signed.isPresent() ? Optional.of("") : key(in);
    if (signed.isEmpty() && (key.isEmpty() || key.get().isEmpty())) {
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
    Market.Visit visit =
        new Market.Visit(
            route.method(),
            route.pattern(),
            in.target(),
            signed.isPresent() ? Optional.empty() : key,
            signed,
            address);
    Market.Admission.In admitted =
        switch (market.admit(visit)) {
          case Market.Admission.In known -> known;
          case Market.Admission.Nobody(String why) -> {
            missed(address, nowMs);
            throw unauthenticated(why);
          }
          case Market.Admission.Forbidden(String why) ->
              throw new Problem(Problem.Kind.FORBIDDEN, why, "insufficient_permissions");
          case Market.Admission.TooOften(String why) ->
              throw new Problem(
                  Problem.Kind.TOO_MANY, why, "", "rate_limit_exceeded", OptionalLong.of(1_000));
        };
    if (anyWrong && signed.isEmpty()) {
      synchronized (good) {
        good.put(hash(key.get()), true);
      }
    }
    return admitted;
  }

  private void missed(String address, long nowMs) {
    synchronized (wrong) {
      anyWrong = true;
      Wrong w = wrong.computeIfAbsent(address, a -> new Wrong());
      if (nowMs - w.sinceMs > MINUTE_MS) {
        w.sinceMs = nowMs;
        w.count = 0;
      }
      w.count++;
    }
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
