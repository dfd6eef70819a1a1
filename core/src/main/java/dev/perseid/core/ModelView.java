package dev.perseid.core;

/// What can be seen of a published version of a model.
///
/// @param model what its author signed
/// @param modelHash EIP-712 digest of it
/// @param signature the author's signature, hexadecimal
/// @param publishedUs when the pool listed it, microseconds since the epoch by the pool's clock
/// @param withdrawn whether it is offered to nobody any more
public record ModelView(
    Model model, Hash modelHash, String signature, long publishedUs, boolean withdrawn) {}
