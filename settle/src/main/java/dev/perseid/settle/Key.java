package dev.perseid.settle;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.ec.CustomNamedCurves;
import org.bouncycastle.crypto.signers.HMacDSAKCalculator;
import org.bouncycastle.math.ec.ECAlgorithms;
import org.bouncycastle.math.ec.ECCurve;
import org.bouncycastle.math.ec.ECPoint;
import org.bouncycastle.math.ec.FixedPointCombMultiplier;
import org.bouncycastle.util.BigIntegers;

/// A participant's secp256k1 private key. Its address is the participant's name, and an account on
/// any EVM chain. Safe for any thread. Never printed, and on disk only in a [KeyFile].
public final class Key {
  private static final X9ECParameters CURVE = CustomNamedCurves.getByName("secp256k1");
  private static final ECCurve SECP256K1 = CURVE.getCurve();
  private static final ECPoint G = CURVE.getG();
  private static final BigInteger N = CURVE.getN();
  private static final BigInteger HALF_N = N.shiftRight(1);

  private final BigInteger secret;
  private final Address address;

  private Key(BigInteger secret) {
    this.secret = secret;
    this.address = addressOf(new FixedPointCombMultiplier().multiply(G, secret));
  }

  /// A new key out of the operating system's randomness.
  public static Key generate() {
    SecureRandom random = new SecureRandom();
    return new Key(
        BigIntegers.createRandomInRange(BigInteger.ONE, N.subtract(BigInteger.ONE), random));
  }

  /// The key of which these are the 32 secret bytes, big-endian.
  ///
  /// @throws IllegalArgumentException if they are not between 1 and the group's order
  public static Key of(byte[] secret) {
    if (secret.length != 32) {
      throw new IllegalArgumentException("a secret key has 32 bytes, not " + secret.length);
    }
    BigInteger d = new BigInteger(1, secret);
    if (d.signum() == 0 || d.compareTo(N) >= 0) {
      throw new IllegalArgumentException("this is no secret key: it must be from 1 to n - 1");
    }
    return new Key(d);
  }

  /// The key kept in `dir`, made there first if there is none. See [KeyFile] for the files.
  ///
  /// @throws KeyFileException if a file is damaged, readable by others, or the password is wrong;
  ///   the message says which and what to do
  public static Key loadOrCreate(Path dir, PasswordSource password) throws IOException {
    return KeyFile.loadOrCreate(dir, password);
  }

  /// The participant's name.
  public Address address() {
    return address;
  }

  /// The 32 secret bytes, a fresh array: for [KeyFile] only.
  byte[] secretBytes() {
    return BigIntegers.asUnsignedByteArray(32, secret);
  }

  /// Signs a digest (ECDSA; deterministic, RFC 6979; low s, EIP-2).
  ///
  /// @return 65 bytes r, s, v as 130 lower-case hexadecimal digits; v is 27 or 28
  public String sign(Hash digest) {
    byte[] message = digest.bytes();
    BigInteger e = new BigInteger(1, message);
    HMacDSAKCalculator nonces = new HMacDSAKCalculator(new SHA256Digest());
    nonces.init(N, secret, message);
    while (true) {
      BigInteger k = nonces.nextK();
      ECPoint point = new FixedPointCombMultiplier().multiply(G, k).normalize();
      BigInteger r = point.getAffineXCoord().toBigInteger();
      // An x of n or more (one in 2^128) could not be told from x - n by v of 27 or 28.
      if (r.signum() == 0 || r.compareTo(N) >= 0) {
        continue;
      }
      BigInteger s =
          BigIntegers.modOddInverse(N, k).multiply(e.add(secret.multiply(r)).mod(N)).mod(N);
      if (s.signum() == 0) {
        continue;
      }
      boolean odd = point.getAffineYCoord().testBitZero();
      if (s.compareTo(HALF_N) > 0) {
        s = N.subtract(s);
        odd = !odd;
      }
      byte[] out = new byte[65];
      BigIntegers.asUnsignedByteArray(r, out, 0, 32);
      BigIntegers.asUnsignedByteArray(s, out, 32, 32);
      out[64] = (byte) (odd ? 28 : 27);
      return HexFormat.of().formatHex(out);
    }
  }

  /// Who signed the digest; nobody if the signature is malformed: not 130 hexadecimal digits (`0x`
  /// before them is allowed), r or s out of range, a high s (EIP-2), v other than 27 or 28. Some
  /// 0.2 ms.
  public static Optional<Address> recover(Hash digest, String signature) {
    String hex = signature.startsWith("0x") ? signature.substring(2) : signature;
    if (hex.length() != 130) {
      return Optional.empty();
    }
    byte[] bytes;
    try {
      bytes = HexFormat.of().parseHex(hex);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
    BigInteger r = new BigInteger(1, bytes, 0, 32);
    BigInteger s = new BigInteger(1, bytes, 32, 32);
    int v = bytes[64];
    if ((v != 27 && v != 28)
        || r.signum() == 0
        || r.compareTo(N) >= 0
        || s.signum() == 0
        || s.compareTo(HALF_N) > 0) {
      return Optional.empty();
    }
    byte[] compressed = new byte[33];
    compressed[0] = (byte) (v - 25); // 2: y is even, 3: odd
    System.arraycopy(bytes, 0, compressed, 1, 32);
    ECPoint nonce;
    try {
      nonce = SECP256K1.decodePoint(compressed);
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // r is the x of no point
    }
    BigInteger inverse = BigIntegers.modOddInverseVar(N, r);
    BigInteger ofG = N.subtract(new BigInteger(1, digest.bytes()).mod(N)).multiply(inverse).mod(N);
    BigInteger ofNonce = s.multiply(inverse).mod(N);
    ECPoint signer = ECAlgorithms.sumOfTwoMultiplies(G, ofG, nonce, ofNonce);
    return signer.isInfinity() ? Optional.empty() : Optional.of(addressOf(signer));
  }

  /// Whether `signer` signed the digest.
  public static boolean verify(Hash digest, String signature, Address signer) {
    return recover(digest, signature).filter(signer::equals).isPresent();
  }

  private static Address addressOf(ECPoint point) {
    byte[] uncompressed = point.getEncoded(false);
    byte[] hash = Keccak.hash(uncompressed, 1, 64).bytes();
    return Address.of(Arrays.copyOfRange(hash, 12, 32));
  }

  /// The address; never the secret.
  @Override
  public String toString() {
    return "Key[" + address + "]";
  }
}
