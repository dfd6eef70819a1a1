package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufTest {
  private static final long SEED = 20_261_125;

  @TempDir private Path folder;

  /// Loads everything that a file has.
  ///
  /// @return whether it was accepted
  private boolean load(byte[] bytes) throws Exception {
    Path path = folder.resolve("broken.gguf");
    Files.write(path, bytes);
    try (Gguf file = Gguf.open(path)) {
      Tokenizer tokenizer = new Tokenizer(file);
      ChatTemplate.of(file, tokenizer);
      new Llama(file);
      return true;
    } catch (ModelFileException e) {
      assertThat(e.getMessage()).isNotBlank();
      return false;
    }
  }

  @Test
  void aTruncatedFileIsRefused() throws Exception {
    byte[] whole = new GgufWriter().randomModel("llama", 1).bytes();
    assertThat(load(whole)).isTrue();
    Random dice = new Random(SEED);
    for (int i = 0; i < 150; i++) {
      int length = dice.nextInt(whole.length - 32);
      assertThat(load(Arrays.copyOf(whole, length)))
          .as("seed %d, %d bytes", SEED, length)
          .isFalse();
    }
  }

  @Test
  void flippedBitsAreRefusedOrHarmless() throws Exception {
    byte[] whole = new GgufWriter().randomModel("qwen3", 2).bytes();
    Random dice = new Random(SEED);
    int refused = 0;
    for (int i = 0; i < 500; i++) {
      byte[] broken = whole.clone();
      // The first part is metadata, where it matters.
      int at = dice.nextInt(i % 5 == 0 ? whole.length : 9_000);
      broken[at] ^= (byte) (1 << dice.nextInt(8));
      try {
        refused += load(broken) ? 0 : 1;
      } catch (RuntimeException | Error e) {
        throw new AssertionError("seed " + SEED + ", byte " + at, e);
      }
    }
    assertThat(refused).isGreaterThan(20);
  }

  @Test
  void hugeCountsAreRefusedBeforeAnythingIsReserved() throws Exception {
    byte[] whole = new GgufWriter().randomModel("llama", 1).bytes();
    for (int at : new int[] {8, 16, 24}) {
      byte[] broken = whole.clone();
      Arrays.fill(broken, at, at + 8, (byte) 0x7f);
      assertThat(load(broken)).isFalse();
      Arrays.fill(broken, at, at + 8, (byte) 0xff);
      assertThat(load(broken)).isFalse();
    }
  }

  @Test
  void anUnknownTypeOfTensorIsNamed() throws Exception {
    Path path = folder.resolve("m.gguf");
    new GgufWriter().tensor("x", 99, 32, 1, new byte[32]).write(path);
    assertThatThrownBy(() -> Gguf.open(path))
        .isInstanceOf(ModelFileException.class)
        .hasMessageContaining("99");
  }

  @Test
  void aMissingFileIsSaidToBeMissing() {
    assertThatThrownBy(() -> Gguf.open(folder.resolve("nothing.gguf")))
        .isInstanceOf(ModelFileException.class)
        .hasMessageContaining("nothing.gguf");
  }
}
