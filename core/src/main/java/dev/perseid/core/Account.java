package dev.perseid.core;

/// One side of every movement of credits. Only a [Ledger] changes it.
final class Account {
  /// Microcredits; negative for issuance only.
  long balance;
}
