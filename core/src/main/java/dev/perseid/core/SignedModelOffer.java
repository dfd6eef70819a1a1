package dev.perseid.core;

/// A model offer with its name and who stands for it.
///
/// @param offer the terms
/// @param hash EIP-712 digest of the offer
/// @param signature the provider's signature of it, hexadecimal
public record SignedModelOffer(ModelOffer offer, Hash hash, String signature) {}
