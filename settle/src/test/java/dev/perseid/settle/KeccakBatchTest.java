package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KeccakBatchTest {
  /// Lengths around the ends of blocks of 136 bytes.
  private static final int[] LENGTHS = {0, 1, 32, 66, 134, 135, 136, 137, 271, 272, 273, 1_344};

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void manyAtOnceAreAsOneByOne(boolean lanes) {
    long seed = 1_029;
    Random random = new Random(seed);
    for (int round = 0; round < 200; round++) {
      KeccakBatch batch = new KeccakBatch(lanes);
      List<byte[]> messages = new ArrayList<>();
      int n = random.nextInt(40);
      byte[] out = new byte[32 * n];
      for (int i = 0; i < n; i++) {
        byte[] message =
            new byte
                [random.nextInt(4) == 0
                    ? random.nextInt(500)
                    : LENGTHS[random.nextInt(LENGTHS.length)]];
        random.nextBytes(message);
        messages.add(message);
        batch.add(message, out, 32 * i);
      }
      batch.run();
      for (int i = 0; i < n; i++) {
        assertThat(Hash.of(out, 32 * i))
            .as("seed %d, round %d, %d bytes", seed, round, messages.get(i).length)
            .isEqualTo(Keccak.hash(messages.get(i)));
      }
    }
  }
}
