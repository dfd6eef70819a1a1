package dev.perseid.gateway;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;

/// Lets in who has no key and may pay: so many requests and so many wrong payments of each address
/// within a minute, and so much work for all of them together. Safe for any thread.
final class Turnstile {
  private static final long MINUTE_MS = 60_000;

  private static final class Visits {
    private long sinceMs;
    private int requests;
    private int wrong;

    Visits(long nowMs) {
      sinceMs = nowMs;
    }
  }

  private final LinkedHashMap<String, Visits> visits =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Visits> eldest) {
          return size() > GatewayLimits.UNPAID_ADDRESSES;
        }
      };
  private final AtomicLong bodies = new AtomicLong();
  private long countedSinceMs;
  private long counted;

  /// A request without a key has come.
  ///
  /// @throws Problem if its address has sent too many, or too many wrong payments
  void enter(String address, long nowMs) throws Problem {
    synchronized (visits) {
      Visits v = visits(address, nowMs);
      v.requests++;
      if (v.requests > GatewayLimits.UNPAID || v.wrong >= GatewayLimits.WRONG_PAYMENTS) {
        boolean wrong = v.wrong >= GatewayLimits.WRONG_PAYMENTS;
        throw new Problem(
            Problem.Kind.TOO_MANY,
            (wrong ? "Too many wrong payments" : "Too many requests without a key")
                + " from this address. Wait a minute, or use a key.",
            "",
            wrong ? "too_many_wrong_payments" : "rate_limit_exceeded",
            OptionalLong.of(Math.max(1, MINUTE_MS - (nowMs - v.sinceMs))));
      }
    }
  }

  /// A request from there has paid: it does not count.
  void paid(String address, long nowMs) {
    synchronized (visits) {
      Visits v = visits(address, nowMs);
      v.requests = Math.max(0, v.requests - 1);
    }
  }

  /// A payment from there was wrong.
  void wrong(String address, long nowMs) {
    synchronized (visits) {
      visits(address, nowMs).wrong++;
    }
  }

  private Visits visits(String address, long nowMs) {
    Visits v = visits.computeIfAbsent(network(address), a -> new Visits(nowMs));
    if (nowMs - v.sinceMs > MINUTE_MS) {
      v.sinceMs = nowMs;
      v.requests = 0;
      v.wrong = 0;
    }
    return v;
  }

  /// Of IPv6, where one host has as many addresses as it wants, the network of 64 bits.
  static String network(String address) {
    if (address.indexOf(':') < 0) {
      return address;
    }
    int at = -1;
    for (int i = 0; i < 4; i++) {
      int next = address.indexOf(':', at + 1);
      if (next < 0) {
        return address;
      }
      at = next;
    }
    return address.substring(0, at);
  }

  /// Whether there is time to count a prompt of so many bytes.
  boolean counts(int bytes, long nowMs) {
    synchronized (visits) {
      if (nowMs - countedSinceMs >= 1_000) {
        countedSinceMs = nowMs;
        counted = 0;
      }
      if (counted + bytes > GatewayLimits.UNPAID_COUNTED_BYTES) {
        return false;
      }
      counted += bytes;
      return true;
    }
  }

  /// Makes room for the body of a request without a key, if there is any.
  boolean room(int bytes) {
    if (bodies.addAndGet(bytes) > GatewayLimits.UNPAID_BODIES_BYTES) {
      bodies.addAndGet(-bytes);
      return false;
    }
    return true;
  }

  /// Such a body is gone.
  void free(int bytes) {
    bodies.addAndGet(-bytes);
  }
}
