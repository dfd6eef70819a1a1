package dev.perseid.core;

/// An API key, without the key.
///
/// @param account for whom it stands
/// @param keyHash SHA-256 of the key
/// @param name what its owner calls it
/// @param madeUs when it was made, microseconds since the epoch by the pool's clock
public record ApiKeyView(Address account, Hash keyHash, String name, long madeUs) {}
