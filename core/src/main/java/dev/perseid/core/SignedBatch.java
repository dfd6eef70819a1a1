package dev.perseid.core;

import java.util.List;

/// What a provider signed: the RFC 6962 Merkle root over the EIP-712 digests of several records.
/// Signing one by one would cost 0.4 ms each.
///
/// @param number position among the pool's batches, from 0
/// @param provider who signed
/// @param digests the leaves, in order; reports that were refused included
/// @param signature 65 bytes r, s, v over the EIP-712 digest of `RecordBatch(root, count, pool)`,
///   as hexadecimal digits
public record SignedBatch(long number, Address provider, List<Hash> digests, String signature) {}
