package dev.perseid.chain;

import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.Optional;

/// A block, as far as we look at it.
///
/// @param number its height
/// @param timeS when it was made, seconds since the epoch, by who made it
/// @param baseFeeWei what a unit of gas costs at least; absent on chains without a base fee
/// @param gasLimit of all its transactions together
public record Head(
    long number,
    Hash hash,
    Hash parent,
    long timeS,
    Optional<BigInteger> baseFeeWei,
    long gasLimit) {}
