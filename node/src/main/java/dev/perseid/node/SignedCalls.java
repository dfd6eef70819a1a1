package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Rights;
import dev.perseid.settle.SignedRequest;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Requests that carry their caller's signature instead of a token: fresh, each counted once. Safe
/// for any thread.
///
/// What was signed before this process started is refused: it might have been used before, and that
/// is forgotten.
final class SignedCalls {
  private record Who(Address caller, Role role) {}

  private record Used(Address caller, Hash nonce, long untilMs) {}

  private final Looks looks =
      new Looks(PoolLimits.SIGNED_LOOKS_PER_S, PoolLimits.SIGNED_LOOKS_FROM_ONE_PER_S);
  private final Address pool;
  private final AccessTerms terms;
  private final long startedMs;
  private final LinkedHashMap<Who, Sessions.Session> known =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Who, Sessions.Session> eldest) {
          return size() > PoolLimits.SESSIONS;
        }
      };
  private final Map<Address, Set<Hash>> used = new HashMap<>();
  // In the order in which they end.
  private final ArrayDeque<Used> byEnd = new ArrayDeque<>();

  SignedCalls(Address pool, AccessTerms terms, long startedMs) {
    this.pool = pool;
    this.terms = terms;
    this.startedMs = startedMs;
  }

  private static final Entrance.Admission USED =
      new Entrance.Admission.Nobody("this nonce was used already: each request has its own");

  /// Who signed a request. The signature is looked at last, as that is what costs.
  ///
  /// @param from where the caller is, empty if that is not known
  Entrance.Admission admit(String header, String method, String target, String from, long nowMs) {
    SignedRequest r = SignedRequest.parse(header).orElse(null);
    if (r == null) {
      return new Entrance.Admission.Nobody(
          "the header of a signed request is malformed: see docs/authentication.md");
    }
    Role role = Role.of(r.role()).orElse(null);
    if (role == null) {
      return new Entrance.Admission.Nobody("there is no role '" + r.role() + "'");
    }
    if (r.timeMs() > nowMs + PoolLimits.CLOCK_SKEW_MS
        || r.timeMs() <= nowMs - PoolLimits.SIGNED_MS) {
      return new Entrance.Admission.Nobody(
          "the request was signed at "
              + r.timeMs()
              + " and our clock says "
              + nowMs
              + ": a signed request is good for "
              + PoolLimits.SIGNED_MS / 1_000
              + " s");
    }
    if (r.timeMs() < startedMs) {
      return new Entrance.Admission.Nobody("the pool has started since: sign the request again");
    }
    if (isUsed(r)) {
      return USED;
    }
    if (!looks.take(from, nowMs)) {
      return new Entrance.Admission.TooOften(
          "too many signed requests at the moment: log in and use the session");
    }
    if (!r.isSigned(pool, method, target)) {
      return new Entrance.Admission.Nobody(
          "the signature is not by the key of "
              + r.caller()
              + " over SignedRequest of this pool, "
              + method
              + ", this path and query, and the other fields (a smart account logs in instead)");
    }
    if (!terms.may(pool, r.caller(), role)) {
      return new Entrance.Admission.Nobody(r.caller() + " is no " + role.word() + " of this pool");
    }
    Sessions.Session session;
    synchronized (this) {
      forget(nowMs);
      session =
          known.computeIfAbsent(
              new Who(r.caller(), role),
              _ -> new Sessions.Session(r.caller(), role, Rights.ALL, List.of(), nowMs));
      Set<Hash> own = used.computeIfAbsent(r.caller(), _ -> new HashSet<>());
      if (own.contains(r.nonce())) {
        return USED;
      }
      if (own.size() >= PoolLimits.SIGNED_OF_ONE || byEnd.size() >= PoolLimits.SIGNED) {
        if (own.isEmpty()) {
          used.remove(r.caller());
        }
        return new Entrance.Admission.TooOften(
            "too many signed requests within "
                + PoolLimits.SIGNED_MS / 1_000
                + " s: log in and use the session");
      }
      own.add(r.nonce());
      byEnd.add(
          new Used(r.caller(), r.nonce(), nowMs + PoolLimits.SIGNED_MS + PoolLimits.CLOCK_SKEW_MS));
    }
    return session.take(nowMs)
        ? new Entrance.Admission.In(session, Optional.of(r.body()))
        : new Entrance.Admission.TooOften(Entrance.TOO_OFTEN);
  }

  private synchronized boolean isUsed(SignedRequest r) {
    return used.getOrDefault(r.caller(), Set.of()).contains(r.nonce());
  }

  private void forget(long nowMs) {
    for (Used first = byEnd.peek(); first != null && first.untilMs() <= nowMs; ) {
      byEnd.remove();
      Set<Hash> own = used.getOrDefault(first.caller(), Set.of());
      own.remove(first.nonce());
      if (own.isEmpty()) {
        used.remove(first.caller());
      }
      first = byEnd.peek();
    }
  }
}
