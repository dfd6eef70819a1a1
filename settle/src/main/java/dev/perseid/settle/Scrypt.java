package dev.perseid.settle;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.engines.Salsa20Engine;
import org.bouncycastle.crypto.generators.PKCS5S2ParametersGenerator;
import org.bouncycastle.crypto.params.KeyParameter;

/// scrypt (RFC 7914). BouncyCastle's own refuses n >= 2^16 with r = 1, as the RFC says it should,
/// but the published keystores of Ethereum have n = 2^18 with r = 1.
final class Scrypt {
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

  private Scrypt() {}

  /// Derives 32 bytes; takes 128 * n * r bytes of memory.
  ///
  /// @param n cost, a power of two above 1
  /// @param r block size
  /// @param p how often
  static byte[] derive(byte[] password, byte[] salt, int n, int r, int p) {
    int blockBytes = 128 * r;
    byte[] blocks = pbkdf2(password, salt, p * blockBytes);
    int[] x = new int[32 * r];
    int[][] memory = new int[n][];
    for (int i = 0; i < p; i++) {
      int at = i * blockBytes;
      for (int k = 0; k < x.length; k++) {
        x[k] = (int) INT.get(blocks, at + 4 * k);
      }
      mix(x, memory);
      for (int k = 0; k < x.length; k++) {
        INT.set(blocks, at + 4 * k, x[k]);
      }
    }
    return pbkdf2(password, blocks, 32);
  }

  /// scryptROMix, in place.
  private static void mix(int[] x, int[][] memory) {
    int[] y = new int[x.length];
    int[] t = new int[16];
    for (int i = 0; i < memory.length; i++) {
      memory[i] = x.clone();
      blockMix(x, y, t);
    }
    for (int i = 0; i < memory.length; i++) {
      int[] v = memory[x[x.length - 16] & (memory.length - 1)];
      for (int k = 0; k < x.length; k++) {
        x[k] ^= v[k];
      }
      blockMix(x, y, t);
    }
  }

  /// scryptBlockMix, in place.
  ///
  /// @param y room for a block
  /// @param t room for a 64-byte piece of one
  private static void blockMix(int[] x, int[] y, int[] t) {
    System.arraycopy(x, x.length - 16, t, 0, 16);
    int half = x.length / 2;
    for (int at = 0; at < x.length; at += 16) {
      for (int k = 0; k < 16; k++) {
        t[k] ^= x[at + k];
      }
      Salsa20Engine.salsaCore(8, t, t);
      // The even pieces come first, then the odd ones.
      System.arraycopy(t, 0, y, (at & 16) == 0 ? at / 2 : half + (at - 16) / 2, 16);
    }
    System.arraycopy(y, 0, x, 0, x.length);
  }

  private static byte[] pbkdf2(byte[] password, byte[] salt, int length) {
    PKCS5S2ParametersGenerator generator = new PKCS5S2ParametersGenerator(new SHA256Digest());
    generator.init(password, salt, 1);
    return ((KeyParameter) generator.generateDerivedParameters(length * 8)).getKey();
  }
}
