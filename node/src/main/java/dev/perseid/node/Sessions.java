package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Rights;
import dev.perseid.gateway.Market;
import dev.perseid.settle.Digests;
import dev.perseid.settle.SignIn;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Who is logged in: sessions by their token. In memory only: after a restart everybody proves its
/// key again. Safe for any thread.
final class Sessions {
  /// Somebody who has proved who it is: by a login, an API key, or with each request.
  static final class Session {
    final Address caller;
    final Role role;

    /// What it may do, as far as its role goes.
    final Rights rights;

    /// The API key that it shows and those above it; empty if it shows none.
    final List<Hash> keys;

    final long openedMs;
    private final Bucket bucket;
    private long usedMs;
    private volatile boolean over;

    Session(Address caller, Role role, Rights rights, List<Hash> keys, long nowMs) {
      this.caller = caller;
      this.role = role;
      this.rights = rights;
      this.keys = List.copyOf(keys);
      this.bucket = new Bucket(PoolLimits.CALLS_PER_S, PoolLimits.CALLS_BURST, nowMs);
      this.openedMs = nowMs;
      this.usedMs = nowMs;
    }

    /// Counts a call; false if there are too many.
    synchronized boolean take(long nowMs) {
      usedMs = Math.max(usedMs, nowMs);
      return bucket.take(nowMs);
    }

    synchronized long usedMs() {
      return usedMs;
    }

    /// It was revoked or has logged out: what runs in its name ends.
    void end() {
      over = true;
    }

    boolean isOver() {
      return over;
    }

    /// The API key that it shows.
    Optional<Hash> key() {
      return keys.isEmpty() ? Optional.empty() : Optional.of(keys.getFirst());
    }

    /// Who this is to a market.
    Market.Caller asCaller() {
      String name = keys.isEmpty() ? "session" : keys.getFirst().hex().substring(0, 16);
      return new Market.Caller(caller, name, rights, keys);
    }
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

  private final Address pool;
  private final AccessTerms terms;
  private final Signatures signatures;
  private final SecureRandom random = new SecureRandom();
  private final Nonces nonces = new Nonces();
  // Least recently used first. By the token's hash, so that a lookup's time tells nothing about it.
  private final LinkedHashMap<Hash, Session> sessions = new LinkedHashMap<>(16, 0.75f, true);
  private final Map<Address, ArrayDeque<Hash>> ofCaller = new HashMap<>();
  private final Looks looks = new Looks(PoolLimits.LOGINS_PER_S, PoolLimits.LOGINS_FROM_ONE_PER_S);

  Sessions(Address pool, AccessTerms terms, Signatures signatures) {
    this.pool = pool;
    this.terms = terms;
    this.signatures = signatures;
  }

  /// Whose sessions these are.
  Address pool() {
    return pool;
  }

  /// A fresh challenge. It costs nothing to give away: see [Nonces].
  Hash challenge(Address caller, long nowMs) {
    return nonces.make(caller, nowMs);
  }

  /// A fresh nonce for a message of EIP-4361, for whoever signs it.
  String nonce(long nowMs) {
    return nonces.make(Address.ZERO, nowMs).hex();
  }

  private static final Login LATER =
      new Login.Later("too many log in at the moment: try again in a few seconds");

  /// Opens a session for who signed the challenge. A challenge opens one.
  Login login(
      Address caller, Hash nonce, String roleWord, String signature, String from, long nowMs) {
    if (!nonces.isGood(nonce, caller, nowMs)) {
      return new Login.Out(
          "this nonce was not given to "
              + caller
              + ", was used already, or is older than 60 s: ask for a new challenge");
    }
    Optional<Role> role = Role.of(roleWord);
    if (role.isEmpty()) {
      return new Login.Out(
          "the role is not known: write consumer, provider, operator, owner or auditor");
    }
    if (!looks.take(from, nowMs)) {
      return LATER;
    }
    String what = ": it must be over Login(pool " + pool + ", caller, role, nonce)";
    Login refused = look(caller, Digests.login(pool, caller, roleWord, nonce), signature, what);
    if (refused != null) {
      return refused;
    }
    if (!terms.may(pool, caller, role.get())) {
      return new Login.Out(caller + " is no " + role.get().word() + " of this pool");
    }
    return open(caller, role.get(), Rights.ALL, nonce, nowMs);
  }

  private @Nullable Login look(Address caller, Hash digest, String signature, String what) {
    return switch (signatures.look(caller, digest, signature)) {
      case Signatures.Verdict.Signed _ -> null;
      case Signatures.Verdict.NotSigned(String why) -> new Login.Out("the signature " + why + what);
      case Signatures.Verdict.Unknown(String why) -> new Login.Later(why);
    };
  }

  /// Opens a session for who signed a message of EIP-4361.
  ///
  /// @param narrower what the session is to do at most, beyond what the message says
  Login signIn(
      String message,
      String signature,
      Optional<Rights> narrower,
      AccessTerms.Domains domains,
      String from,
      long nowMs) {
    SignIn in;
    SignInRights wanted;
    try {
      in = SignIn.parse(message);
      wanted = SignInRights.of(in);
    } catch (SignIn.Malformed e) {
      return new Login.Out(String.valueOf(e.getMessage()));
    }
    String wrong = domains.problem(in);
    if (wrong != null) {
      return new Login.Out(wrong);
    }
    long skewMs = PoolLimits.CLOCK_SKEW_MS;
    if (in.issuedAt().toEpochMilli() > nowMs + skewMs
        || in.notBefore().filter(t -> t.toEpochMilli() > nowMs).isPresent()) {
      return new Login.Out("the message is not valid yet: compare your clock with ours");
    }
    if (in.expiresAt().filter(t -> t.toEpochMilli() <= nowMs).isPresent()) {
      return new Login.Out("the message has expired: sign a new one");
    }
    Hash nonce;
    try {
      nonce = Hash.parse(in.nonce());
    } catch (IllegalArgumentException e) {
      return new Login.Out("this nonce is not ours: ask for one at /v1/auth/nonce");
    }
    if (!nonces.isGood(nonce, Address.ZERO, nowMs)) {
      return new Login.Out(
          "this nonce is not ours, was used already, or is older than 60 s: ask for one at"
              + " /v1/auth/nonce");
    }
    Rights rights = wanted.rights();
    if (in.expiresAt().isPresent()) {
      long untilUs = Math.multiplyExact(in.expiresAt().get().toEpochMilli(), 1_000L);
      rights = within(rights, OptionalLong.of(untilUs));
    }
    if (narrower.isPresent()) {
      // A request has no field for an end: what it asks for ends when the message does.
      Rights asked = within(narrower.get(), rights.untilUs());
      String beyond = asked.beyond(rights);
      if (beyond != null) {
        return new Login.Out("the request asks for " + beyond + ", which the message does not say");
      }
      rights = asked;
    }
    if (!looks.take(from, nowMs)) {
      return LATER;
    }
    Login refused = look(in.address(), SignIn.digest(message), signature, " over this message");
    if (refused != null) {
      return refused;
    }
    if (!terms.may(pool, in.address(), wanted.role())) {
      return new Login.Out(in.address() + " is no " + wanted.role().word() + " of this pool");
    }
    return open(in.address(), wanted.role(), rights, nonce, nowMs);
  }

  private static Rights within(Rights rights, OptionalLong untilUs) {
    if (untilUs.isEmpty()) {
      return rights;
    }
    long end = Math.min(untilUs.getAsLong(), rights.untilUs().orElse(Long.MAX_VALUE));
    return new Rights(rights.scopes(), rights.models(), rights.spendLimit(), OptionalLong.of(end));
  }

  private Login open(Address caller, Role role, Rights rights, Hash nonce, long nowMs) {
    if (!nonces.spend(nonce, nowMs)) {
      return new Login.Out("this nonce was used already: ask for a new one");
    }
    byte[] secret = new byte[32];
    random.nextBytes(secret);
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
    Session session = new Session(caller, role, rights, List.of(), nowMs);
    synchronized (this) {
      Hash name = name(token);
      ArrayDeque<Hash> own = ofCaller.computeIfAbsent(caller, _ -> new ArrayDeque<>());
      while (own.size() >= PoolLimits.SESSIONS_OF_ONE) {
        end(sessions.remove(own.removeFirst()));
      }
      own.addLast(name);
      while (sessions.size() >= PoolLimits.SESSIONS) {
        forget(sessions.firstEntry().getKey());
      }
      sessions.put(name, session);
    }
    return new Login.In(token, nowMs + PoolLimits.SESSION_MS, session);
  }

  private static void end(@Nullable Session session) {
    if (session != null) {
      session.end();
    }
  }

  /// Uses a token.
  synchronized Found use(String token, long nowMs) {
    Hash name = name(token);
    Session s = sessions.get(name);
    if (s == null) {
      return new Found.Unknown();
    }
    if (nowMs - s.usedMs() > PoolLimits.SESSION_MS || s.rights.isOver(nowMs * 1_000)) {
      forget(name);
      return new Found.Unknown();
    }
    return s.take(nowMs) ? new Found.Good(s) : new Found.TooOften();
  }

  /// Ends the session of a token.
  synchronized void logOut(String token) {
    forget(name(token));
  }

  /// Counts a message of a session's stream, which also keeps the session open; false if it sends
  /// too many.
  boolean message(Session s, long nowMs) {
    return s.take(nowMs);
  }

  private void forget(Hash name) {
    Session s = sessions.remove(name);
    if (s != null) {
      s.end();
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
