package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.List;
import java.util.Optional;

/// That a transaction stands in a block, and what came of it.
///
/// @param succeeded whether it did what it was to do; else it only cost its gas
/// @param created the contract that it made
/// @param gasUsed with all that a transaction costs in itself
/// @param gasPriceWei what a unit of gas cost; absent if the node does not say
public record Receipt(
    Hash transaction,
    long block,
    Hash blockHash,
    boolean succeeded,
    Optional<Address> created,
    long gasUsed,
    Optional<BigInteger> gasPriceWei,
    List<Log> logs) {
  /// What its gas cost in all; absent if the node does not say.
  public Optional<BigInteger> costWei() {
    return gasPriceWei.map(price -> price.multiply(BigInteger.valueOf(gasUsed)));
  }
}
