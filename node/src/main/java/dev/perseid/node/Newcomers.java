package dev.perseid.node;

import dev.perseid.core.Command;

/// Gives consumers that never had an account here their welcome credits.
record Newcomers(PoolMill mill, long microcredits) {
  void welcome(Sessions.Session session) throws PoolMill.Unavailable {
    if (microcredits > 0 && session.role == Role.CONSUMER) {
      // If it is refused (accounts are at their limit), the consumer is in all the same.
      mill.command(new Command.Welcome(session.caller, microcredits));
    }
  }
}
