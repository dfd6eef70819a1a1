package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.util.List;

/// What a pool commits itself to with a settlement.
///
/// @param payoutRoot of a [PayoutTree]
/// @param log the key that signs the log's tree heads
/// @param recordsSize entries in the log
/// @param recordsRoot RFC 6962 root over them
public record Commitment(Hash payoutRoot, Address log, long recordsSize, Hash recordsRoot) {
  Abi abi() {
    return Abi.tuple(
        Abi.word(payoutRoot), Abi.address(log), Abi.uint(recordsSize), Abi.word(recordsRoot));
  }

  /// What the escrow stores of it.
  public Hash hash() {
    return Keccak.hash(Abi.encode(List.of(abi())));
  }
}
