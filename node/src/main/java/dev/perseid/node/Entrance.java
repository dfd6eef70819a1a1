package dev.perseid.node;

import dev.perseid.core.Hash;
import dev.perseid.core.Scope;
import dev.perseid.settle.SignedRequest;
import java.time.InstantSource;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// The one door behind every port: who shows what may go where. What may is in [Access]. Safe for
/// any thread; nothing blocks.
final class Entrance {
  static final String TOO_OFTEN =
      "this caller comes more than " + PoolLimits.CALLS_PER_S + " times a second: wait a little";

  /// What is said at the door.
  sealed interface Admission {
    /// It may come in.
    ///
    /// @param body SHA-256 that the body must have, if that was signed
    record In(Sessions.Session session, Optional<Hash> body) implements Admission {}

    /// Nobody is known by that.
    record Nobody(String why) implements Admission {}

    /// Who it is is known, but it may not do this.
    record Forbidden(String why) implements Admission {}

    /// It comes too often.
    record TooOften(String why) implements Admission {}
  }

  private final Sessions sessions;
  private final KeyBook keys;
  private final SignedCalls signed;
  private final InstantSource clock;

  Entrance(Sessions sessions, KeyBook keys, SignedCalls signed, InstantSource clock) {
    this.sessions = sessions;
    this.keys = keys;
    this.signed = signed;
    this.clock = clock;
  }

  /// The token in an `Authorization` header, if there is one.
  static Optional<String> token(String header) {
    return header.length() > 7 && header.substring(0, 7).toLowerCase(Locale.ROOT).equals("bearer ")
        ? Optional.of(header.substring(7).strip())
        : Optional.empty();
  }

  /// Looks at a request.
  ///
  /// @param rule of the route
  /// @param authorization the header; empty if there is none
  /// @param method as in HTTP
  /// @param target path and query, exactly as they came
  /// @param from where the caller is, empty if that is not known
  Admission admit(
      Access.Rule rule, String authorization, String method, String target, String from) {
    Admission who = who(authorization, method, target, from);
    if (!(who instanceof Admission.In in)) {
      return who;
    }
    Sessions.Session session = in.session();
    if (!rule.roles().contains(session.role)) {
      return new Admission.Forbidden(session.role.article() + " may not call " + rule.route());
    }
    if (!rule.allows(session.rights.scopes())) {
      return new Admission.Forbidden(
          "this needs the scope "
              + rule.scopes().stream().map(Scope::word).collect(Collectors.joining(" or "))
              + ", which this key or session does not have");
    }
    return in;
  }

  private Admission who(String authorization, String method, String target, String from) {
    long nowMs = clock.millis();
    if (SignedRequest.isMeant(authorization)) {
      return signed.admit(authorization, method, target, from, nowMs);
    }
    Optional<String> token = token(authorization);
    if (token.isEmpty()) {
      return new Admission.Nobody(
          "log in first: this needs `authorization: Bearer TOKEN` with a session's token or an API"
              + " key (perseid key make), or a signed request");
    }
    return switch (sessions.use(token.get(), nowMs)) {
      case Sessions.Found.Good(Sessions.Session s) -> new Admission.In(s, Optional.empty());
      case Sessions.Found.TooOften _ -> new Admission.TooOften(TOO_OFTEN);
      case Sessions.Found.Unknown _ -> {
        Optional<Sessions.Session> key = keys.find(token.get(), nowMs);
        if (key.isEmpty()) {
          yield new Admission.Nobody(
              "the session or key is not known, has expired or was revoked: log in again");
        }
        yield key.get().take(nowMs)
            ? new Admission.In(key.get(), Optional.empty())
            : new Admission.TooOften(TOO_OFTEN);
      }
    };
  }
}
