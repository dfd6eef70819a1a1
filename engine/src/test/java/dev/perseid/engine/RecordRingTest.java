package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/// One writer and one reader: every record arrives once, whole and in order, or is counted as lost.
class RecordRingTest {
  @Test
  void everyRecordArrivesWholeOrIsCounted() throws InterruptedException {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 20; round++) {
      RecordRing ring = new RecordRing(1, 2 << random.nextInt(8));
      int records = 1 + random.nextInt(200_000);
      boolean waits = random.nextBoolean();
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                for (int i = 0; i < records; i++) {
                  int at = ring.claim();
                  while (at < 0 && waits) {
                    Thread.onSpinWait();
                    at = ring.claim();
                  }
                  if (at < 0) {
                    ring.lose();
                    continue;
                  }
                  for (int w = 0; w < RecordRing.WORDS; w++) {
                    ring.words[at + w] = i * 31L + w;
                  }
                  ring.publish();
                }
              });
      long arrived = 0;
      long last = -1;
      while (arrived + ring.lost() < records) {
        long to = ring.written();
        long from = ring.read();
        for (long r = from; r < to; r++) {
          int at = ((int) r & ring.mask) * RecordRing.WORDS;
          long first = ring.words[at];
          assertThat(first).as("order, seed %d", seed).isGreaterThan(last);
          for (int w = 1; w < RecordRing.WORDS; w++) {
            assertThat(ring.words[at + w]).as("whole, seed %d", seed).isEqualTo(first + w);
          }
          last = first;
          arrived++;
        }
        ring.free(to);
      }
      writer.join();
      assertThat(arrived + ring.lost()).as("seed %d", seed).isEqualTo(records);
      assertThat(waits && ring.lost() > 0).as("seed %d", seed).isFalse();
    }
  }
}
