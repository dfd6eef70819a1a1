package dev.perseid.settle;

import dev.perseid.core.Hash;
import org.bouncycastle.crypto.digests.KeccakDigest;

/// Keccak-256 as Ethereum uses it: the submission to the SHA-3 contest, with its original padding,
/// not FIPS 202.
public final class Keccak {
  private Keccak() {}

  /// Keccak-256 of the bytes.
  public static Hash hash(byte[] bytes) {
    return hash(bytes, 0, bytes.length);
  }

  /// Keccak-256 of `length` bytes from `offset`.
  public static Hash hash(byte[] bytes, int offset, int length) {
    KeccakDigest keccak = new KeccakDigest(256);
    keccak.update(bytes, offset, length);
    byte[] out = new byte[32];
    keccak.doFinal(out, 0);
    return Hash.of(out);
  }
}
