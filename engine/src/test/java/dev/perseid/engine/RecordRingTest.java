package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/// One writer and one reader: every record arrives once, whole and in order, or is counted as lost.
class RecordRingTest {
  /// How often writer and reader go round a ring at most: each time round one of them may have to
  /// wait until the other gets a core.
  private static final int TURNS = 1_000;

  private static final int SPINS = 100;

  /// Waits a little for the other thread: at first as one that will not wait long, so that both
  /// really run at once; then without its core, which the other one may need.
  private static int await(int spins) {
    if (spins < SPINS) {
      Thread.onSpinWait();
    } else {
      LockSupport.parkNanos(1_000);
    }
    return spins + 1;
  }

  @Test
  void everyRecordArrivesWholeOrIsCounted() throws InterruptedException {
    long seed = 1_009;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 40; round++) {
      RecordRing ring = new RecordRing(1, 2 << random.nextInt(8));
      int records = 1 + random.nextInt(Math.min(200_000, TURNS * (ring.mask + 1)));
      boolean waits = random.nextBoolean();
      Thread writer =
          Thread.ofPlatform()
              .start(() -> {
                for (int i = 0; i < records; i++) {
                  int at = ring.claim();
                  int spins = 0;
                  while (at < 0 && waits) {
                    spins = await(spins);
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
      int spins = 0;
      while (arrived + ring.lost() < records) {
        long to = ring.written();
        long from = ring.read();
        spins = from == to ? await(spins) : 0;
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
