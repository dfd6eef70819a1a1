package dev.perseid.node;

import java.util.Locale;
import java.util.Optional;

/// As what somebody comes. One address may come as several, one at a time.
enum Role {
  /// The pool's own key. It may do all that operators may.
  OWNER,
  /// Whom the pool's configuration names.
  OPERATOR,
  /// Who pays for jobs and requests; anybody.
  CONSUMER,
  /// Who runs tasks and serves models; anybody.
  PROVIDER,
  /// Who sees the records, receipts and accounts of everybody and changes nothing; whom the pool's
  /// configuration names.
  AUDITOR;

  /// Its name in protocols, for ever.
  String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// Its name with its article.
  String article() {
    return switch (this) {
      case CONSUMER, PROVIDER -> "a " + word();
      case OWNER, OPERATOR, AUDITOR -> "an " + word();
    };
  }

  static Optional<Role> of(String word) {
    for (Role role : values()) {
      if (role.word().equals(word)) {
        return Optional.of(role);
      }
    }
    return Optional.empty();
  }

  /// Whether it runs the pool.
  boolean operates() {
    return this == OPERATOR || this == OWNER;
  }

  /// Whether it sees what is everybody's.
  boolean seesAll() {
    return operates() || this == AUDITOR;
  }
}
