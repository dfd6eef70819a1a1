package dev.perseid.core;

import java.util.Locale;
import java.util.Optional;

/// One kind of thing that a consumer's API key, session or signed request may do.
public enum Scope {
  /// See: the account, its jobs, records, receipts, and what the pool lists.
  READ,
  /// Ask models, which costs.
  INFERENCE,
  /// Store blobs, hand in signed orders of jobs, cancel jobs.
  JOBS,
  /// Publish and withdraw models.
  MODELS,
  /// Make API keys that may do no more, list and revoke them.
  KEYS,
  /// Hand in vouchers, pay in, ask to leave.
  MONEY;

  /// Its name in protocols: lower case, for ever.
  public String word() {
    return name().toLowerCase(Locale.ROOT);
  }

  /// The scope of that name.
  public static Optional<Scope> of(String word) {
    for (Scope scope : values()) {
      if (scope.word().equals(word)) {
        return Optional.of(scope);
      }
    }
    return Optional.empty();
  }
}
