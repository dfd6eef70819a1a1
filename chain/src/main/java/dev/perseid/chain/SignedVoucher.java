package dev.perseid.chain;

import dev.perseid.core.Address;

/// A consumer's word that it owes a pool so much in all.
///
/// @param cumulative units of the token
/// @param signature of [dev.perseid.settle.Digests#voucher], hexadecimal digits; a key's has 65
///   bytes, a contract's (ERC-1271) any number
/// @param byContract whether the consumer is a contract that checks signatures itself
public record SignedVoucher(
    Address consumer, long cumulative, String signature, boolean byContract) {
  public SignedVoucher {
    if (cumulative < 0) {
      throw new IllegalArgumentException("an amount must not be negative: " + cumulative);
    }
  }

  /// One that a key signed.
  public static SignedVoucher byKey(Address consumer, long cumulative, String signature) {
    return new SignedVoucher(consumer, cumulative, signature, false);
  }
}
