package dev.perseid.core;

/// A consumer's purse for this pool as it stands in the contract.
///
/// @param funded all that was put in less what left again, microcredits; what exceeds 2^63 - 1 is
///   given as that
/// @param spent what of that the pool has redeemed
/// @param leavingAtUs when the rest may leave, microseconds since the epoch; 0 if nobody asked
public record ChainPurse(Address consumer, long funded, long spent, long leavingAtUs) {}
