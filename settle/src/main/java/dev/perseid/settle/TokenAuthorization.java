package dev.perseid.settle;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.nio.ByteBuffer;

/// What EIP-3009 lets the holder of a token sign: that an amount may move, once, within a time.
///
/// @param value units of the token
/// @param validAfterS it counts only later than this, seconds since the epoch
/// @param validBeforeS it counts only before this
/// @param nonce any that this holder has not used at this token
public record TokenAuthorization(
    Address from, Address to, long value, long validAfterS, long validBeforeS, Hash nonce) {
  public TokenAuthorization {
    if (value < 0 || validAfterS < 0 || validBeforeS < 0) {
      throw new IllegalArgumentException("amounts and times must not be negative");
    }
  }

  /// The nonce of a deposit: it names the pool, so that no other can take the deposit
  /// (`docs/contracts.md`).
  public static Hash depositNonce(Address pool, Hash salt) {
    return Keccak.hash(
        ByteBuffer.allocate(64).put(new byte[12]).put(pool.bytes()).put(salt.bytes()).array());
  }
}
