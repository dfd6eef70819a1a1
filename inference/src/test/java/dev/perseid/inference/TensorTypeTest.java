package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Blocks written here, value by value, are read back.
class TensorTypeTest {
  private static final long SEED = 7;
  private final Random dice = new Random(SEED);
  private final short half = Float.floatToFloat16(0.0125f);
  private final float d = Float.float16ToFloat(half);
  private final short halfMin = Float.floatToFloat16(0.25f);
  private final float m = Float.float16ToFloat(halfMin);

  private int bit(int value, int index) {
    return value >> index & 1;
  }

  private byte[] block(TensorType type, float[] right) {
    ByteBuffer b = ByteBuffer.allocate(type.groupBytes()).order(ByteOrder.LITTLE_ENDIAN);
    switch (type) {
      case F32 -> {
        right[0] = (float) dice.nextGaussian();
        b.putFloat(right[0]);
      }
      case F16 -> {
        right[0] = d;
        b.putShort(half);
      }
      case BF16 -> {
        right[0] = -1.5f;
        b.putShort((short) (Float.floatToIntBits(-1.5f) >>> 16));
      }
      case Q8_0 -> {
        b.putShort(half);
        for (int i = 0; i < 32; i++) {
          int q = dice.nextInt(-128, 128);
          b.put((byte) q);
          right[i] = d * q;
        }
      }
      case Q4_0, Q4_1, Q5_0, Q5_1 -> {
        boolean five = type == TensorType.Q5_0 || type == TensorType.Q5_1;
        boolean min = type == TensorType.Q4_1 || type == TensorType.Q5_1;
        int[] q = dice.ints(32, 0, five ? 32 : 16).toArray();
        b.putShort(half);
        if (min) {
          b.putShort(halfMin);
        }
        if (five) {
          int high = 0;
          for (int i = 0; i < 32; i++) {
            high |= bit(q[i], 4) << i;
          }
          b.putInt(high);
        }
        for (int i = 0; i < 16; i++) {
          b.put((byte) (q[i] & 15 | (q[i + 16] & 15) << 4));
        }
        for (int i = 0; i < 32; i++) {
          right[i] = min ? d * q[i] + m : d * (q[i] - (five ? 16 : 8));
        }
      }
      case Q4_K, Q5_K -> {
        boolean five = type == TensorType.Q5_K;
        int[] q = dice.ints(256, 0, five ? 32 : 16).toArray();
        int[] scale = dice.ints(8, 0, 64).toArray();
        int[] min = dice.ints(8, 0, 64).toArray();
        b.putShort(half).putShort(halfMin);
        byte[] packed = new byte[12];
        for (int j = 0; j < 4; j++) {
          packed[j] = (byte) (scale[j] | scale[j + 4] >> 4 << 6);
          packed[j + 4] = (byte) (min[j] | min[j + 4] >> 4 << 6);
          packed[j + 8] = (byte) (scale[j + 4] & 15 | (min[j + 4] & 15) << 4);
        }
        b.put(packed);
        if (five) {
          for (int l = 0; l < 32; l++) {
            int high = 0;
            for (int run = 0; run < 8; run++) {
              high |= bit(q[32 * run + l], 4) << run;
            }
            b.put((byte) high);
          }
        }
        for (int j = 0; j < 4; j++) {
          for (int l = 0; l < 32; l++) {
            b.put((byte) (q[64 * j + l] & 15 | (q[64 * j + 32 + l] & 15) << 4));
          }
        }
        for (int i = 0; i < 256; i++) {
          right[i] = d * scale[i / 32] * q[i] - m * min[i / 32];
        }
      }
      case Q6_K -> {
        int[] q = dice.ints(256, 0, 64).toArray();
        int[] scale = dice.ints(16, -128, 128).toArray();
        for (int i = 0; i < 128; i++) {
          int low = 128 * (i / 64) + i % 64;
          b.put((byte) (q[low] & 15 | (q[low + 64] & 15) << 4));
        }
        for (int i = 0; i < 64; i++) {
          int at = 128 * (i / 32) + i % 32;
          b.put(
              (byte)
                  (q[at] >> 4
                      | q[at + 32] >> 4 << 2
                      | q[at + 64] >> 4 << 4
                      | q[at + 96] >> 4 << 6));
        }
        for (int s : scale) {
          b.put((byte) s);
        }
        b.putShort(half);
        for (int i = 0; i < 256; i++) {
          right[i] = d * scale[i / 16] * (q[i] - 32);
        }
      }
    }
    assertThat(b.remaining()).isZero();
    return b.array();
  }

  @ParameterizedTest
  @EnumSource
  void blocksAreReadAsTheyWereWritten(TensorType type) {
    int blocks = 20;
    int n = type.groupWeights();
    float[] right = new float[blocks * n];
    ByteBuffer all = ByteBuffer.allocate(blocks * type.groupBytes());
    for (int g = 0; g < blocks; g++) {
      float[] one = new float[n];
      all.put(block(type, one));
      System.arraycopy(one, 0, right, g * n, n);
    }
    float[] out = new float[blocks * n];
    type.floats(all.array(), out.length, out);
    for (int i = 0; i < out.length; i++) {
      assertThat(out[i])
          .as("seed %d, weight %d", SEED, i)
          .isCloseTo(right[i], org.assertj.core.data.Offset.offset(1e-4f));
    }
  }
}
