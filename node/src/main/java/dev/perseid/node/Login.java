package dev.perseid.node;

/// What came of a login.
sealed interface Login {
  /// The caller is in.
  ///
  /// @param session who that is
  record In(String token, long expiresMs, Sessions.Session session) implements Login {}

  /// It is not.
  record Out(String why) implements Login {}

  /// Later: too many come at the moment, or the chain does not answer.
  record Later(String why) implements Login {}
}
