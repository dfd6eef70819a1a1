package dev.perseid.inference;

import java.util.Optional;

/// How the weights of a tensor are written in a file. Every quantised type is read into the same
/// form: a weight is `scale * q - min` with a signed byte q and one scale and min for each run of
/// [#run] weights.
///
/// Source: the block structures of ggml's quantised types.
enum TensorType {
  F32(0, 1, 4, 0),
  F16(1, 1, 2, 0),
  Q4_0(2, 32, 18, 32),
  Q4_1(3, 32, 20, 32),
  Q5_0(6, 32, 22, 32),
  Q5_1(7, 32, 24, 32),
  Q8_0(8, 32, 34, 32),
  Q4_K(12, 256, 144, 32),
  Q5_K(13, 256, 176, 32),
  Q6_K(14, 256, 210, 16),
  BF16(30, 1, 2, 0);

  private final int word;
  private final int groupWeights;
  private final int groupBytes;
  private final int run;

  TensorType(int word, int groupWeights, int groupBytes, int run) {
    this.word = word;
    this.groupWeights = groupWeights;
    this.groupBytes = groupBytes;
    this.run = run;
  }

  static Optional<TensorType> of(int word) {
    for (TensorType type : values()) {
      if (type.word == word) {
        return Optional.of(type);
      }
    }
    return Optional.empty();
  }

  /// Weights of one block.
  int groupWeights() {
    return groupWeights;
  }

  /// Bytes of one block.
  int groupBytes() {
    return groupBytes;
  }

  /// Weights that share a scale; 0 for types that are not quantised.
  int run() {
    return run;
  }

  private static float half(byte[] b, int at) {
    return Float.float16ToFloat((short) ((b[at] & 0xff) | b[at + 1] << 8));
  }

  private static int word(byte[] b, int at) {
    return (b[at] & 0xff)
        | (b[at + 1] & 0xff) << 8
        | (b[at + 2] & 0xff) << 16
        | (b[at + 3] & 0xff) << 24;
  }

  /// Reads a row into floats.
  ///
  /// @param bytes the row as it stands in the file
  void floats(byte[] bytes, int n, float[] out) {
    switch (this) {
      case F32 -> {
        for (int i = 0; i < n; i++) {
          out[i] = Float.intBitsToFloat(word(bytes, 4 * i));
        }
      }
      case F16 -> {
        for (int i = 0; i < n; i++) {
          out[i] = half(bytes, 2 * i);
        }
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          out[i] =
              Float.intBitsToFloat((bytes[2 * i] & 0xff) << 16 | (bytes[2 * i + 1] & 0xff) << 24);
        }
      }
      case Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K -> {
        byte[] q = new byte[n];
        float[] scale = new float[n / run];
        float[] min = new float[n / run];
        bytes(bytes, n, q, scale, min);
        for (int i = 0; i < n; i++) {
          out[i] = scale[i / run] * q[i] - min[i / run];
        }
      }
    }
  }

  /// Reads a row of a quantised type.
  void bytes(byte[] b, int n, byte[] q, float[] scale, float[] min) {
    for (int g = 0; g < n / groupWeights; g++) {
      int at = g * groupBytes;
      int o = g * groupWeights;
      int r = o / run;
      switch (this) {
        case Q8_0 -> {
          scale[r] = half(b, at);
          System.arraycopy(b, at + 2, q, o, 32);
        }
        case Q4_0 -> {
          scale[r] = half(b, at);
          nibbles(b, at + 2, 0, 8, q, o);
        }
        case Q4_1 -> {
          scale[r] = half(b, at);
          min[r] = -half(b, at + 2);
          nibbles(b, at + 4, 0, 0, q, o);
        }
        case Q5_0 -> {
          scale[r] = half(b, at);
          nibbles(b, at + 6, word(b, at + 2), 16, q, o);
        }
        case Q5_1 -> {
          scale[r] = half(b, at);
          min[r] = -half(b, at + 2);
          nibbles(b, at + 8, word(b, at + 4), 0, q, o);
        }
        case Q4_K, Q5_K -> kBlock(b, at, q, o, scale, min, r);
        case Q6_K -> {
          float d = half(b, at + 208);
          for (int i = 0; i < 16; i++) {
            scale[r + i] = d * b[at + 192 + i];
          }
          for (int h = 0; h < 2; h++) {
            for (int l = 0; l < 32; l++) {
              int low = b[at + 64 * h + l] & 0xff;
              int next = b[at + 64 * h + 32 + l] & 0xff;
              int high = b[at + 128 + 32 * h + l] & 0xff;
              int to = o + 128 * h + l;
              q[to] = (byte) (((low & 15) | (high & 3) << 4) - 32);
              q[to + 32] = (byte) (((next & 15) | (high >> 2 & 3) << 4) - 32);
              q[to + 64] = (byte) ((low >> 4 | (high >> 4 & 3) << 4) - 32);
              q[to + 96] = (byte) ((next >> 4 | (high >> 6 & 3) << 4) - 32);
            }
          }
        }
        case F32, F16, BF16 -> throw new IllegalStateException(this + " is not quantised");
      }
    }
  }

  private static void nibbles(byte[] b, int at, int high, int minus, byte[] q, int o) {
    for (int j = 0; j < 16; j++) {
      int both = b[at + j] & 0xff;
      q[o + j] = (byte) (((both & 15) | (high >>> j & 1) << 4) - minus);
      q[o + j + 16] = (byte) ((both >> 4 | (high >>> (j + 16) & 1) << 4) - minus);
    }
  }

  private void kBlock(byte[] b, int at, byte[] q, int o, float[] scale, float[] min, int r) {
    float d = half(b, at);
    float dmin = half(b, at + 2);
    int s = at + 4;
    for (int j = 0; j < 8; j++) {
      int sc;
      int m;
      if (j < 4) {
        sc = b[s + j] & 63;
        m = b[s + j + 4] & 63;
      } else {
        sc = (b[s + j + 4] & 15) | (b[s + j - 4] & 0xff) >> 6 << 4;
        m = (b[s + j + 4] & 0xff) >> 4 | (b[s + j] & 0xff) >> 6 << 4;
      }
      scale[r + j] = d * sc;
      min[r + j] = dmin * m;
    }
    boolean five = this == Q5_K;
    int low = five ? at + 48 : at + 16;
    for (int j = 0; j < 4; j++) {
      for (int l = 0; l < 32; l++) {
        int both = b[low + 32 * j + l] & 0xff;
        int high = five ? (b[at + 16 + l] & 0xff) >> (2 * j) & 3 : 0;
        q[o + 64 * j + l] = (byte) ((both & 15) | (high & 1) << 4);
        q[o + 64 * j + 32 + l] = (byte) (both >> 4 | high >> 1 << 4);
      }
    }
  }
}
