package dev.perseid.chain;

import dev.perseid.core.Address;
import java.math.BigInteger;
import java.util.Optional;

/// What a transaction is to do: call a contract, or create one.
///
/// @param what for people, e.g. `settle epoch 7`
/// @param to the contract; none to create one
/// @param valueWei money of the chain that goes along
/// @param data what the contract is told
@SuppressWarnings("ArrayRecordComponent") // never compared
public record Call(String what, Optional<Address> to, BigInteger valueWei, byte[] data) {
  /// A call without money.
  public static Call to(Address contract, String what, byte[] data) {
    return new Call(what, Optional.of(contract), BigInteger.ZERO, data);
  }

  /// A new contract.
  public static Call create(String what, byte[] code) {
    return new Call(what, Optional.empty(), BigInteger.ZERO, code);
  }
}
