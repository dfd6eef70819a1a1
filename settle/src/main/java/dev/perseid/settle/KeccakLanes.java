package dev.perseid.settle;

import static jdk.incubator.vector.VectorOperators.AND_NOT;
import static jdk.incubator.vector.VectorOperators.ROL;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.perseid.core.Hash;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorSpecies;

/// Keccak-256 of as many messages at once as the CPU has lanes of 64 bits: one instruction does the
/// same step of all of them. With eight lanes (AVX-512) a message costs a fourteenth, with four
/// (AVX2) a fourth of what it costs alone (`docs/performance.md`).
///
/// Needs the module `jdk.incubator.vector`: not to be touched without it.
///
/// Source: Bertoni, Daemen, Peeters, Van Assche, The Keccak reference, version 3.0.
final class KeccakLanes {
  private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;

  /// Messages at once.
  static final int LANES = LONGS.length();

  private static final int BLOCK_BYTES = KeccakBatch.BLOCK_BYTES;
  private static final int BLOCK_LONGS = BLOCK_BYTES / 8;
  private static final int STATE_LONGS = 25;
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final long[] ROUNDS = {
    0x0000000000000001L, 0x0000000000008082L, 0x800000000000808aL, 0x8000000080008000L,
    0x000000000000808bL, 0x0000000080000001L, 0x8000000080008081L, 0x8000000000008009L,
    0x000000000000008aL, 0x0000000000000088L, 0x0000000080008009L, 0x000000008000000aL,
    0x000000008000808bL, 0x800000000000008bL, 0x8000000000008089L, 0x8000000000008003L,
    0x8000000000008002L, 0x8000000000000080L, 0x000000000000800aL, 0x800000008000000aL,
    0x8000000080008081L, 0x8000000000008080L, 0x0000000080000001L, 0x8000000080008008L
  };

  private KeccakLanes() {}

  /// Whether this CPU has enough lanes for it to be worth while.
  static boolean fits() {
    return LANES >= 4;
  }

  /// Hashes messages that have the same number of blocks.
  ///
  /// @param from the first of them
  /// @param count at most [#LANES]
  /// @param out where the hashes go, at the same places
  static void hash(byte[][] messages, int from, int count, Hash[] out) {
    int blocks = KeccakBatch.blocks(messages[from].length);
    long[] state = new long[STATE_LONGS * LANES];
    byte[] last = new byte[BLOCK_BYTES];
    for (int block = 0; block < blocks; block++) {
      for (int lane = 0; lane < count; lane++) {
        byte[] message = messages[from + lane];
        int at = block * BLOCK_BYTES;
        if (block == blocks - 1) {
          int rest = message.length - at;
          System.arraycopy(message, at, last, 0, rest);
          Arrays.fill(last, rest, BLOCK_BYTES, (byte) 0);
          last[rest] = 0x01;
          last[BLOCK_BYTES - 1] |= (byte) 0x80;
          message = last;
          at = 0;
        }
        for (int i = 0; i < BLOCK_LONGS; i++) {
          state[i * LANES + lane] ^= (long) LONG.get(message, at + 8 * i);
        }
      }
      permute(state);
    }
    for (int lane = 0; lane < count; lane++) {
      byte[] hash = new byte[32];
      for (int i = 0; i < 4; i++) {
        LONG.set(hash, 8 * i, state[i * LANES + lane]);
      }
      out[from + lane] = Hash.of(hash);
    }
  }

  /// Keccak-f[1600] of each lane. Word (x, y) of all lanes stands at (x + 5 y) * LANES.
  private static void permute(long[] state) {
    LongVector a0 = LongVector.fromArray(LONGS, state, 0);
    LongVector a1 = LongVector.fromArray(LONGS, state, LANES);
    LongVector a2 = LongVector.fromArray(LONGS, state, 2 * LANES);
    LongVector a3 = LongVector.fromArray(LONGS, state, 3 * LANES);
    LongVector a4 = LongVector.fromArray(LONGS, state, 4 * LANES);
    LongVector a5 = LongVector.fromArray(LONGS, state, 5 * LANES);
    LongVector a6 = LongVector.fromArray(LONGS, state, 6 * LANES);
    LongVector a7 = LongVector.fromArray(LONGS, state, 7 * LANES);
    LongVector a8 = LongVector.fromArray(LONGS, state, 8 * LANES);
    LongVector a9 = LongVector.fromArray(LONGS, state, 9 * LANES);
    LongVector a10 = LongVector.fromArray(LONGS, state, 10 * LANES);
    LongVector a11 = LongVector.fromArray(LONGS, state, 11 * LANES);
    LongVector a12 = LongVector.fromArray(LONGS, state, 12 * LANES);
    LongVector a13 = LongVector.fromArray(LONGS, state, 13 * LANES);
    LongVector a14 = LongVector.fromArray(LONGS, state, 14 * LANES);
    LongVector a15 = LongVector.fromArray(LONGS, state, 15 * LANES);
    LongVector a16 = LongVector.fromArray(LONGS, state, 16 * LANES);
    LongVector a17 = LongVector.fromArray(LONGS, state, 17 * LANES);
    LongVector a18 = LongVector.fromArray(LONGS, state, 18 * LANES);
    LongVector a19 = LongVector.fromArray(LONGS, state, 19 * LANES);
    LongVector a20 = LongVector.fromArray(LONGS, state, 20 * LANES);
    LongVector a21 = LongVector.fromArray(LONGS, state, 21 * LANES);
    LongVector a22 = LongVector.fromArray(LONGS, state, 22 * LANES);
    LongVector a23 = LongVector.fromArray(LONGS, state, 23 * LANES);
    LongVector a24 = LongVector.fromArray(LONGS, state, 24 * LANES);
    for (long constant : ROUNDS) {
      LongVector c0 = xor(a0, a5, a10, a15, a20);
      LongVector c1 = xor(a1, a6, a11, a16, a21);
      LongVector c2 = xor(a2, a7, a12, a17, a22);
      LongVector c3 = xor(a3, a8, a13, a18, a23);
      LongVector c4 = xor(a4, a9, a14, a19, a24);
      LongVector d0 = c4.lanewise(XOR, c1.lanewise(ROL, 1));
      LongVector d1 = c0.lanewise(XOR, c2.lanewise(ROL, 1));
      LongVector d2 = c1.lanewise(XOR, c3.lanewise(ROL, 1));
      LongVector d3 = c2.lanewise(XOR, c4.lanewise(ROL, 1));
      LongVector d4 = c3.lanewise(XOR, c0.lanewise(ROL, 1));
      LongVector b0 = a0.lanewise(XOR, d0);
      LongVector b1 = a6.lanewise(XOR, d1).lanewise(ROL, 44);
      LongVector b2 = a12.lanewise(XOR, d2).lanewise(ROL, 43);
      LongVector b3 = a18.lanewise(XOR, d3).lanewise(ROL, 21);
      LongVector b4 = a24.lanewise(XOR, d4).lanewise(ROL, 14);
      LongVector b5 = a3.lanewise(XOR, d3).lanewise(ROL, 28);
      LongVector b6 = a9.lanewise(XOR, d4).lanewise(ROL, 20);
      LongVector b7 = a10.lanewise(XOR, d0).lanewise(ROL, 3);
      LongVector b8 = a16.lanewise(XOR, d1).lanewise(ROL, 45);
      LongVector b9 = a22.lanewise(XOR, d2).lanewise(ROL, 61);
      LongVector b10 = a1.lanewise(XOR, d1).lanewise(ROL, 1);
      LongVector b11 = a7.lanewise(XOR, d2).lanewise(ROL, 6);
      LongVector b12 = a13.lanewise(XOR, d3).lanewise(ROL, 25);
      LongVector b13 = a19.lanewise(XOR, d4).lanewise(ROL, 8);
      LongVector b14 = a20.lanewise(XOR, d0).lanewise(ROL, 18);
      LongVector b15 = a4.lanewise(XOR, d4).lanewise(ROL, 27);
      LongVector b16 = a5.lanewise(XOR, d0).lanewise(ROL, 36);
      LongVector b17 = a11.lanewise(XOR, d1).lanewise(ROL, 10);
      LongVector b18 = a17.lanewise(XOR, d2).lanewise(ROL, 15);
      LongVector b19 = a23.lanewise(XOR, d3).lanewise(ROL, 56);
      LongVector b20 = a2.lanewise(XOR, d2).lanewise(ROL, 62);
      LongVector b21 = a8.lanewise(XOR, d3).lanewise(ROL, 55);
      LongVector b22 = a14.lanewise(XOR, d4).lanewise(ROL, 39);
      LongVector b23 = a15.lanewise(XOR, d0).lanewise(ROL, 41);
      LongVector b24 = a21.lanewise(XOR, d1).lanewise(ROL, 2);
      a0 = b0.lanewise(XOR, b2.lanewise(AND_NOT, b1));
      a1 = b1.lanewise(XOR, b3.lanewise(AND_NOT, b2));
      a2 = b2.lanewise(XOR, b4.lanewise(AND_NOT, b3));
      a3 = b3.lanewise(XOR, b0.lanewise(AND_NOT, b4));
      a4 = b4.lanewise(XOR, b1.lanewise(AND_NOT, b0));
      a5 = b5.lanewise(XOR, b7.lanewise(AND_NOT, b6));
      a6 = b6.lanewise(XOR, b8.lanewise(AND_NOT, b7));
      a7 = b7.lanewise(XOR, b9.lanewise(AND_NOT, b8));
      a8 = b8.lanewise(XOR, b5.lanewise(AND_NOT, b9));
      a9 = b9.lanewise(XOR, b6.lanewise(AND_NOT, b5));
      a10 = b10.lanewise(XOR, b12.lanewise(AND_NOT, b11));
      a11 = b11.lanewise(XOR, b13.lanewise(AND_NOT, b12));
      a12 = b12.lanewise(XOR, b14.lanewise(AND_NOT, b13));
      a13 = b13.lanewise(XOR, b10.lanewise(AND_NOT, b14));
      a14 = b14.lanewise(XOR, b11.lanewise(AND_NOT, b10));
      a15 = b15.lanewise(XOR, b17.lanewise(AND_NOT, b16));
      a16 = b16.lanewise(XOR, b18.lanewise(AND_NOT, b17));
      a17 = b17.lanewise(XOR, b19.lanewise(AND_NOT, b18));
      a18 = b18.lanewise(XOR, b15.lanewise(AND_NOT, b19));
      a19 = b19.lanewise(XOR, b16.lanewise(AND_NOT, b15));
      a20 = b20.lanewise(XOR, b22.lanewise(AND_NOT, b21));
      a21 = b21.lanewise(XOR, b23.lanewise(AND_NOT, b22));
      a22 = b22.lanewise(XOR, b24.lanewise(AND_NOT, b23));
      a23 = b23.lanewise(XOR, b20.lanewise(AND_NOT, b24));
      a24 = b24.lanewise(XOR, b21.lanewise(AND_NOT, b20));
      a0 = a0.lanewise(XOR, constant);
    }
    a0.intoArray(state, 0);
    a1.intoArray(state, LANES);
    a2.intoArray(state, 2 * LANES);
    a3.intoArray(state, 3 * LANES);
    a4.intoArray(state, 4 * LANES);
    a5.intoArray(state, 5 * LANES);
    a6.intoArray(state, 6 * LANES);
    a7.intoArray(state, 7 * LANES);
    a8.intoArray(state, 8 * LANES);
    a9.intoArray(state, 9 * LANES);
    a10.intoArray(state, 10 * LANES);
    a11.intoArray(state, 11 * LANES);
    a12.intoArray(state, 12 * LANES);
    a13.intoArray(state, 13 * LANES);
    a14.intoArray(state, 14 * LANES);
    a15.intoArray(state, 15 * LANES);
    a16.intoArray(state, 16 * LANES);
    a17.intoArray(state, 17 * LANES);
    a18.intoArray(state, 18 * LANES);
    a19.intoArray(state, 19 * LANES);
    a20.intoArray(state, 20 * LANES);
    a21.intoArray(state, 21 * LANES);
    a22.intoArray(state, 22 * LANES);
    a23.intoArray(state, 23 * LANES);
    a24.intoArray(state, 24 * LANES);
  }

  private static LongVector xor(
      LongVector a, LongVector b, LongVector c, LongVector d, LongVector e) {
    return a.lanewise(XOR, b).lanewise(XOR, c).lanewise(XOR, d).lanewise(XOR, e);
  }
}
