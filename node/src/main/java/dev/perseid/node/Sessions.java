package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Who is logged in: challenges, and sessions by their token. In memory only: after a restart
/// everybody proves its key again. Safe for any thread.
final class Sessions {
  /// As what somebody comes.
  enum Role {
    CONSUMER,
    PROVIDER,
    OPERATOR;

    String word() {
      return switch (this) {
        case CONSUMER -> "consumer";
        case PROVIDER -> "provider";
        case OPERATOR -> "operator";
      };
    }

    static @Nullable Role of(String word) {
      for (Role r : values()) {
        if (r.word().equals(word)) {
          return r;
        }
      }
      return null;
    }
  }

  /// Somebody who has proved a key.
  static final class Session {
    final Address caller;
    final Role role;
    private final Bucket bucket;
    private long usedMs;

    private Session(Address caller, Role role, long nowMs) {
      this.caller = caller;
      this.role = role;
      this.bucket = new Bucket(PoolLimits.CALLS_PER_S, PoolLimits.CALLS_BURST, nowMs);
      this.usedMs = nowMs;
    }
  }

  /// What came of a login.
  sealed interface Login {
    /// The caller is in.
    record In(String token, long expiresMs) implements Login {}

    /// It is not.
    record Out(String why) implements Login {}
  }

  /// What a token is worth.
  sealed interface Found {
    /// The session is good.
    record Good(Session session) implements Found {}

    /// There is no such session, or it has expired.
    record Unknown() implements Found {}

    /// The session is good but calls too often.
    record TooOften() implements Found {}
  }

  /// A token bucket.
  private static final class Bucket {
    private final int perS;
    private final int burst;
    private double level;
    private long filledMs;

    Bucket(int perS, int burst, long nowMs) {
      this.perS = perS;
      this.burst = burst;
      this.level = burst;
      this.filledMs = nowMs;
    }

    boolean take(long nowMs) {
      level = Math.min(burst, level + Math.max(0, nowMs - filledMs) * perS / 1_000.0);
      filledMs = Math.max(filledMs, nowMs);
      if (level < 1) {
        return false;
      }
      level--;
      return true;
    }
  }

  private record Challenge(Address caller, long untilMs) {}

  private final Address pool;
  private final Set<Address> operators;
  private final SecureRandom random = new SecureRandom();
  private final LinkedHashMap<Hash, Challenge> challenges = new LinkedHashMap<>();
  // Least recently used first. By the token's hash, so that a lookup's time tells nothing about it.
  private final LinkedHashMap<Hash, Session> sessions = new LinkedHashMap<>(16, 0.75f, true);
  private final Map<Address, ArrayDeque<Hash>> ofCaller = new HashMap<>();
  private @Nullable Bucket logins;

  Sessions(Address pool, Set<Address> operators) {
    this.pool = pool;
    this.operators = operators;
  }

  /// A fresh challenge; empty if too many are asked for at the moment.
  synchronized Optional<Hash> challenge(Address caller, long nowMs) {
    if (logins == null) {
      logins = new Bucket(PoolLimits.LOGINS_PER_S, 4 * PoolLimits.LOGINS_PER_S, nowMs);
    }
    if (!logins.take(nowMs)) {
      return Optional.empty();
    }
    // They are in the order in which they end.
    while (!challenges.isEmpty() && challenges.firstEntry().getValue().untilMs() <= nowMs) {
      challenges.pollFirstEntry();
    }
    if (challenges.size() >= PoolLimits.CHALLENGES) {
      return Optional.empty();
    }
    byte[] bytes = new byte[32];
    random.nextBytes(bytes);
    Hash nonce = Hash.of(bytes);
    challenges.put(nonce, new Challenge(caller, nowMs + PoolLimits.CHALLENGE_MS));
    return Optional.of(nonce);
  }

  /// Opens a session for who signed the challenge. A challenge is good for one try.
  Login login(Address caller, Hash nonce, String roleWord, String signature, long nowMs) {
    Challenge challenge;
    synchronized (this) {
      challenge = challenges.remove(nonce);
    }
    if (challenge == null || challenge.untilMs() <= nowMs || !challenge.caller().equals(caller)) {
      return new Login.Out(
          "this nonce was not given to "
              + caller
              + ", was used already, or is older than 60 s:"
              + " ask for a new challenge");
    }
    Role role = Role.of(roleWord);
    if (role == null) {
      return new Login.Out("the role is not known: write consumer, provider or operator");
    }
    Hash digest = Digests.login(pool, caller, roleWord, nonce);
    if (!Key.recover(digest, signature).equals(Optional.of(caller))) {
      return new Login.Out(
          "the signature is not "
              + caller
              + "'s over Login(pool "
              + pool
              + ", caller, role, nonce)");
    }
    if (role == Role.OPERATOR && !operators.contains(caller)) {
      return new Login.Out(caller + " is no operator of this pool");
    }
    byte[] secret = new byte[32];
    random.nextBytes(secret);
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
    synchronized (this) {
      Hash name = name(token);
      ArrayDeque<Hash> own = ofCaller.computeIfAbsent(caller, _ -> new ArrayDeque<>());
      while (own.size() >= PoolLimits.SESSIONS_OF_ONE) {
        sessions.remove(own.removeFirst());
      }
      own.addLast(name);
      while (sessions.size() >= PoolLimits.SESSIONS) {
        forget(sessions.firstEntry().getKey());
      }
      sessions.put(name, new Session(caller, role, nowMs));
    }
    return new Login.In(token, nowMs + PoolLimits.SESSION_MS);
  }

  /// Uses a token.
  synchronized Found use(String token, long nowMs) {
    Hash name = name(token);
    Session s = sessions.get(name);
    if (s == null) {
      return new Found.Unknown();
    }
    if (nowMs - s.usedMs > PoolLimits.SESSION_MS) {
      forget(name);
      return new Found.Unknown();
    }
    s.usedMs = Math.max(s.usedMs, nowMs);
    return s.bucket.take(nowMs) ? new Found.Good(s) : new Found.TooOften();
  }

  /// Counts a message of a session's stream, which also keeps the session open; false if it sends
  /// too many.
  synchronized boolean message(Session s, long nowMs) {
    s.usedMs = Math.max(s.usedMs, nowMs);
    return s.bucket.take(nowMs);
  }

  private void forget(Hash name) {
    Session s = sessions.remove(name);
    if (s != null) {
      ArrayDeque<Hash> own = ofCaller.get(s.caller);
      if (own != null) {
        own.remove(name);
        if (own.isEmpty()) {
          ofCaller.remove(s.caller);
        }
      }
    }
  }

  private static Hash name(String token) {
    return Hash.sha256(token.getBytes(StandardCharsets.UTF_8));
  }
}
