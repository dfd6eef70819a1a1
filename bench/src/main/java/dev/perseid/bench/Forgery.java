package dev.perseid.bench;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// A copy of a GGUF model with something changed: what a cheating provider would serve, or an
/// honest one whose sums come in another order. Knows tensors in F32, F16 and Q8_0.
final class Forgery {
  private static final int MAGIC = 0x46554747;
  private static final int F32 = 0;
  private static final int F16 = 1;
  private static final int Q8_0 = 8;
  private static final int BLOCK = 32;
  private static final int Q8_BYTES = 2 + BLOCK;

  private record Tensor(int type, long columns, long rows, int at) {
    int rowBytes() {
      return Math.toIntExact(
          switch (type) {
            case F32 -> columns * 4;
            case F16 -> columns * 2;
            default -> columns / BLOCK * Q8_BYTES;
          });
    }
  }

  private final ByteBuffer bytes;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Map<String, Integer> numbersAt = new LinkedHashMap<>();

  private Forgery(ByteBuffer bytes) throws IOException {
    this.bytes = bytes;
    int alignment = BLOCK;
    if (bytes.getInt() != MAGIC) {
      throw new IOException("not a GGUF file");
    }
    bytes.getInt();
    int tensorCount = Math.toIntExact(bytes.getLong());
    int pairs = Math.toIntExact(bytes.getLong());
    for (int i = 0; i < pairs; i++) {
      String name = text();
      int type = bytes.getInt();
      if (type == 4 || type == 5) {
        numbersAt.put(name, bytes.position());
      }
      skip(type);
    }
    if (numbersAt.containsKey("general.alignment")) {
      alignment = bytes.getInt(numbersAt.get("general.alignment"));
    }
    record Place(int type, long columns, long rows, long offset) {}
    Map<String, Place> places = new LinkedHashMap<>();
    for (int i = 0; i < tensorCount; i++) {
      String name = text();
      int dimensions = bytes.getInt();
      long columns = bytes.getLong();
      long rows = 1;
      for (int d = 1; d < dimensions; d++) {
        rows *= bytes.getLong();
      }
      int type = bytes.getInt();
      if (type != F32 && type != F16 && type != Q8_0) {
        throw new IOException("tensor " + name + " has type " + type + ": use an F16 or Q8_0 file");
      }
      places.put(name, new Place(type, columns, rows, bytes.getLong()));
    }
    int data = (bytes.position() + alignment - 1) / alignment * alignment;
    places.forEach((name, p) ->
        tensors.put(name, new Tensor(p.type, p.columns, p.rows, data + Math.toIntExact(p.offset))));
  }

  static Forgery of(Path model) throws IOException {
    return new Forgery(ByteBuffer.wrap(Files.readAllBytes(model)).order(ByteOrder.LITTLE_ENDIAN));
  }

  Path write(Path file) throws IOException {
    byte[] all = new byte[bytes.capacity()];
    bytes.get(0, all);
    return Files.write(file, all);
  }

  /// Rounds all matrices to so many bits, each block of 32 weights with a scale of its own, as the
  /// usual formats do.
  Forgery rounded(int bits) {
    int most = (1 << (bits - 1)) - 1;
    for (Tensor t : tensors.values()) {
      if (t.rows == 1) {
        continue;
      }
      for (long block = 0; block < t.columns / BLOCK * t.rows; block++) {
        float[] w = new float[BLOCK];
        float top = 0;
        for (int i = 0; i < BLOCK; i++) {
          w[i] = weight(t, block, i);
          top = Math.max(top, Math.abs(w[i]));
        }
        float scale = Float.float16ToFloat(Float.floatToFloat16(top / most));
        int at = blockAt(t, block);
        if (t.type == Q8_0) {
          bytes.putShort(at, Float.floatToFloat16(scale));
        }
        for (int i = 0; i < BLOCK; i++) {
          int q = scale == 0 ? 0 : Math.clamp(Math.round(w[i] / scale), -most, most);
          switch (t.type) {
            case F32 -> bytes.putFloat(at + 4 * i, q * scale);
            case F16 -> bytes.putShort(at + 2 * i, Float.floatToFloat16(q * scale));
            default -> bytes.put(at + 2 + i, (byte) q);
          }
        }
      }
    }
    return this;
  }

  private float weight(Tensor t, long block, int i) {
    int at = blockAt(t, block);
    return switch (t.type) {
      case F32 -> bytes.getFloat(at + 4 * i);
      case F16 -> Float.float16ToFloat(bytes.getShort(at + 2 * i));
      default -> Float.float16ToFloat(bytes.getShort(at)) * bytes.get(at + 2 + i);
    };
  }

  /// One weight of a tensor.
  float weight(String tensor, long row, int column) {
    Tensor t = named(tensor);
    return weight(t, row * (t.columns / BLOCK) + column / BLOCK, column % BLOCK);
  }

  private Tensor named(String tensor) {
    return Optional.ofNullable(tensors.get(tensor))
        .orElseThrow(() -> new IllegalArgumentException("there is no tensor " + tensor));
  }

  /// A whole number of the model's description.
  int number(String name) {
    return bytes.getInt(
        Optional.ofNullable(numbersAt.get(name))
            .orElseThrow(() -> new IllegalArgumentException("there is no number " + name)));
  }

  private static int blockAt(Tensor t, long block) {
    return t.at + Math.toIntExact(block * blockBytes(t));
  }

  private static int blockBytes(Tensor t) {
    return switch (t.type) {
      case F32 -> 4 * BLOCK;
      case F16 -> 2 * BLOCK;
      default -> Q8_BYTES;
    };
  }

  /// Leaves the last layers out.
  Forgery shorter(int layers) {
    int at =
        numbersAt.entrySet().stream()
            .filter(e -> e.getKey().endsWith(".block_count"))
            .mapToInt(Map.Entry::getValue)
            .findFirst()
            .orElseThrow(() -> new IllegalStateException("the model names no block_count"));
    bytes.putInt(at, bytes.getInt(at) - layers);
    return this;
  }

  /// The same function in another order: the hidden units of each feed-forward layer are turned
  /// round, in blocks of 32. Every product is the same; sums come out a little different.
  Forgery reordered() {
    for (int layer = 0; tensors.containsKey("blk." + layer + ".ffn_down.weight"); layer++) {
      String prefix = "blk." + layer + ".ffn_";
      for (String name : new String[] {"gate", "up"}) {
        Optional.ofNullable(tensors.get(prefix + name + ".weight"))
            .ifPresent(t -> turn(t.at, BLOCK * t.rowBytes(), Math.toIntExact(t.rows / BLOCK)));
      }
      Tensor down = named(prefix + "down.weight");
      for (int row = 0; row < down.rows; row++) {
        turn(
            down.at + row * down.rowBytes(),
            blockBytes(down),
            Math.toIntExact(down.columns / BLOCK));
      }
    }
    return this;
  }

  private void turn(int at, int pieceBytes, int pieces) {
    byte[] old = new byte[pieceBytes * pieces];
    bytes.get(at, old);
    for (int i = 0; i < pieces; i++) {
      bytes.put(at + i * pieceBytes, old, (pieces - 1 - i) * pieceBytes, pieceBytes);
    }
  }

  private String text() throws IOException {
    long length = bytes.getLong();
    if (length < 0 || length > bytes.remaining()) {
      throw new IOException("a name of " + length + " bytes: the GGUF file is damaged");
    }
    byte[] text = new byte[(int) length];
    bytes.get(text);
    return new String(text, StandardCharsets.UTF_8);
  }

  private void skip(int type) throws IOException {
    switch (type) {
      case 0, 1, 7 -> bytes.get();
      case 2, 3 -> bytes.getShort();
      case 4, 5, 6 -> bytes.getInt();
      case 10, 11, 12 -> bytes.getLong();
      case 8 -> text();
      case 9 -> {
        int element = bytes.getInt();
        long count = bytes.getLong();
        for (long i = 0; i < count; i++) {
          skip(element);
        }
      }
      default -> throw new IOException("GGUF value of type " + type + " is unknown");
    }
  }
}
