package dev.perseid.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A forged model must be what its row in the table says, or the table says nothing.
final class ForgeryTest {
  private static final int F16 = 1;
  private static final int Q8_0 = 8;
  private static final int WIDTH = 32;
  private static final int HIDDEN = 96;

  @TempDir Path dir;

  @ParameterizedTest
  @ValueSource(ints = {F16, Q8_0})
  void aReorderedModelComputesTheSame(int type) throws Exception {
    Path file = model(type);
    Forgery before = Forgery.of(file);
    Forgery after = Forgery.of(Forgery.of(file).reordered().write(dir.resolve("r.gguf")));
    assertThat(after.weight("blk.0.ffn_gate.weight", 0, 5))
        .isEqualTo(before.weight("blk.0.ffn_gate.weight", HIDDEN - 32, 5));
    double[] x = new Random(1).doubles(WIDTH).toArray();
    double[] a = feedForward(before, x);
    double[] b = feedForward(after, x);
    for (int i = 0; i < WIDTH; i++) {
      assertThat(b[i]).isCloseTo(a[i], within(1e-12 + 1e-9 * Math.abs(a[i])));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {F16, Q8_0})
  void aRoundedModelHasFewLevels(int type) throws Exception {
    Path file = model(type);
    Forgery exact = Forgery.of(file);
    Forgery four = Forgery.of(file).rounded(4);
    double error = 0;
    double size = 0;
    for (int row = 0; row < HIDDEN; row++) {
      for (int column = 0; column < WIDTH; column++) {
        float w = exact.weight("blk.0.ffn_up.weight", row, column);
        error += Math.pow(four.weight("blk.0.ffn_up.weight", row, column) - w, 2);
        size += w * w;
      }
      long levels =
          java.util.stream.IntStream.range(0, WIDTH)
              .mapToObj(rowOf(four, row)::apply)
              .distinct()
              .count();
      assertThat(levels).isLessThanOrEqualTo(15);
    }
    assertThat(Math.sqrt(error / size)).isBetween(0.02, 0.15);
    // Vectors stay as they are.
    assertThat(four.weight("norm.weight", 0, 3)).isEqualTo(exact.weight("norm.weight", 0, 3));
  }

  private static java.util.function.IntFunction<Float> rowOf(Forgery model, int row) {
    return column -> model.weight("blk.0.ffn_up.weight", row, column);
  }

  @Test
  void aShorterModelNamesFewerLayers() throws Exception {
    assertThat(Forgery.of(model(F16)).shorter(1).number("llama.block_count")).isEqualTo(2);
  }

  @Test
  void otherFilesAreRefused() throws Exception {
    Path file = Files.write(dir.resolve("x"), new byte[64]);
    assertThatThrownBy(() -> Forgery.of(file)).isInstanceOf(IOException.class);
    Path odd = model(2);
    assertThatThrownBy(() -> Forgery.of(odd)).hasMessageContaining("type 2");
  }

  @Test
  void ratesHaveIntervals() {
    assertThat(Detection.rate(0, 40)).isEqualTo("0 % [0-9]");
    assertThat(Detection.rate(40, 40)).isEqualTo("100 % [91-100]");
    assertThat(Detection.rate(20, 40)).isEqualTo("50 % [35-65]");
  }

  private static double[] feedForward(Forgery m, double[] x) {
    double[] hidden = new double[HIDDEN];
    for (int h = 0; h < HIDDEN; h++) {
      double gate = 0;
      double up = 0;
      for (int i = 0; i < WIDTH; i++) {
        gate += m.weight("blk.0.ffn_gate.weight", h, i) * x[i];
        up += m.weight("blk.0.ffn_up.weight", h, i) * x[i];
      }
      hidden[h] = gate / (1 + Math.exp(-gate)) * up;
    }
    double[] out = new double[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
      for (int h = 0; h < HIDDEN; h++) {
        out[i] += m.weight("blk.0.ffn_down.weight", i, h) * hidden[h];
      }
    }
    return out;
  }

  private record Shape(String name, int columns, int rows, int type) {
    int bytes() {
      return switch (type) {
        case F16 -> columns * rows * 2;
        case Q8_0 -> columns * rows / 32 * 34;
        default -> columns * rows * 4;
      };
    }
  }

  /// The smallest GGUF file with one feed-forward layer.
  private Path model(int type) throws IOException {
    Shape[] shapes = {
      new Shape("norm.weight", WIDTH, 1, 0),
      new Shape("blk.0.ffn_gate.weight", WIDTH, HIDDEN, type),
      new Shape("blk.0.ffn_up.weight", WIDTH, HIDDEN, type),
      new Shape("blk.0.ffn_down.weight", HIDDEN, WIDTH, type)
    };
    ByteBuffer b = ByteBuffer.allocate(1 << 18).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x46554747).putInt(3).putLong(shapes.length).putLong(3);
    text(b, "general.name");
    b.putInt(8);
    text(b, "made up");
    text(b, "tokens");
    b.putInt(9).putInt(8).putLong(2);
    text(b, "a");
    text(b, "b");
    text(b, "llama.block_count");
    b.putInt(4).putInt(3);
    long offset = 0;
    for (Shape s : shapes) {
      text(b, s.name);
      b.putInt(2).putLong(s.columns).putLong(s.rows).putInt(s.type).putLong(offset);
      offset += (s.bytes() + 31) / 32 * 32;
    }
    int data = (b.position() + 31) / 32 * 32;
    Random random = new Random(7);
    int at = data;
    for (Shape s : shapes) {
      b.position(at);
      for (int i = 0; i < s.columns * s.rows; i++) {
        switch (s.type) {
          case F16 -> b.putShort(Float.floatToFloat16((float) random.nextGaussian()));
          case Q8_0 -> {
            if (i % 32 == 0) {
              b.putShort(Float.floatToFloat16(0.01f + random.nextFloat() / 100));
            }
            b.put((byte) (random.nextInt(255) - 127));
          }
          default -> b.putFloat((float) random.nextGaussian());
        }
      }
      at += (s.bytes() + 31) / 32 * 32;
    }
    byte[] file = new byte[at];
    b.get(0, file);
    return Files.write(dir.resolve("m" + type + ".gguf"), file);
  }

  private static void text(ByteBuffer b, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    b.putLong(bytes.length).put(bytes);
  }
}
