package dev.perseid.core;

import org.jspecify.annotations.Nullable;

/// One side of every movement of money. Only a [Ledger] and the [Treasury] change it.
final class Account {
  /// Microcredits; negative for issuance only.
  long balance;

  /// What reservations of its jobs and its tab hold together; follows from them.
  long reserved;

  /// Earned and not paid out yet.
  long due;

  /// Paid out, in all.
  long paid;

  /// What the last confirmed epoch says it is due in all.
  long committed;

  /// There if vouchers are asked for and it has or had something to spend.
  @Nullable Purse purse;

  Movement.Holding holding() {
    return new Movement.Holding(balance, reserved, due);
  }
}
