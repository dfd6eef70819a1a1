package dev.perseid.core;

/// What an epoch says about one payee.
///
/// @param cumulative all that it is due from the start, microcredits
/// @param pushed whether it is sent with the settlement; else the payee claims it
public record Payout(Address payee, long cumulative, boolean pushed) {}
