package dev.perseid.core;

/// What an account holds, microcredits.
///
/// @param balance what it may spend
/// @param reserved for its jobs and on its tab
/// @param due what it earned and was not paid out yet, where earnings are paid out
/// @param paid all that was ever paid out to it
public record AccountView(Address account, long balance, long reserved, long due, long paid) {
  /// All that it was ever due: what a payout names.
  public long cumulativeDue() {
    return paid + due;
  }
}
