package dev.perseid.chain;

import dev.perseid.core.Hash;

/// Up to where was read.
///
/// @param hash of that block; zero at the very beginning
public record Cursor(long block, Hash hash) {}
