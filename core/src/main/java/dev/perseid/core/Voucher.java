package dev.perseid.core;

/// A consumer's signed word: this is all that I owe this pool so far. A later one covers what an
/// earlier one did. For which pool, contract and chain it is signed follows from the pool's
/// [Money].
///
/// @param cumulative microcredits since the purse was opened
/// @param signature EIP-712, hexadecimal: 65 bytes of a key, or whatever a contract takes
public record Voucher(Address consumer, long cumulative, String signature) {}
