package dev.perseid.core;

import java.util.Optional;

/// An API key, without the key.
///
/// @param account for whom it stands
/// @param keyHash SHA-256 of the key
/// @param name what its owner calls it
/// @param madeUs when it was made, microseconds since the epoch by the pool's clock
/// @param rights what it may do
/// @param parent the key with which it was made, if it was
/// @param spent what requests with it, and with keys that it made, have cost, microcredits; counted
///   only where it or one above it has a limit
public record ApiKeyView(
    Address account,
    Hash keyHash,
    String name,
    long madeUs,
    Rights rights,
    Optional<Hash> parent,
    long spent) {}
