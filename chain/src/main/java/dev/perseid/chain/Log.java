package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.util.List;

/// What a contract said of itself in a transaction.
///
/// @param topics the event's hash and its indexed arguments
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Log(
    Address contract,
    List<Hash> topics,
    byte[] data,
    long block,
    Hash blockHash,
    Hash transaction,
    long index) {
  /// An indexed argument that is an address.
  Address address(int topic) throws ChainException {
    return new AbiReader(topics.get(topic).bytes()).address(0);
  }
}
