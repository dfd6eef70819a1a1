package dev.perseid.core;

/// An operator says that a provider is its own, so that others check it first. Nobody can say it in
/// another's name: else a liar could say that those who would find it out are its own.
///
/// @param signature the operator's, over `Operated(address operator,address provider)` (EIP-712),
///   65 bytes in hexadecimal digits
public record Operated(Address operator, String signature) {}
