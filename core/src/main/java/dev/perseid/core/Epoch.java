package dev.perseid.core;

import java.util.List;

/// One settlement: exactly what is redeemed, paid and committed to.
///
/// @param number 1 for the first
/// @param vouchers what is redeemed, in this order: leaving consumers first, then by what it brings
/// @param payouts everybody who is due anything, ordered by address: the leaves of the tree
/// @param recordsSize,recordsRoot of a tree head of the pool's records
/// @param leastEarned what the pool has earned in all once the vouchers are redeemed
public record Epoch(
    long number,
    List<Voucher> vouchers,
    List<Payout> payouts,
    long recordsSize,
    Hash recordsRoot,
    long leastEarned,
    long closedUs) {}
