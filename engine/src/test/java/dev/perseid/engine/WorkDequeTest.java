package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

/// One owner and some thieves: every item is taken exactly once, whoever takes it.
class WorkDequeTest {
  @Test
  void everyItemIsTakenExactlyOnce() throws InterruptedException {
    long seed = 1_010;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 50; round++) {
      int items = 1 + random.nextInt(40_000);
      WorkDeque deque = new WorkDeque(2); // grows under the thieves' eyes
      AtomicIntegerArray taken = new AtomicIntegerArray(items);
      boolean[] over = new boolean[1];
      List<Thread> thieves = new ArrayList<>();
      for (int t = 0; t < 2; t++) {
        thieves.add(
            Thread.ofPlatform()
                .start(() -> {
                  WorkDeque.Loot loot = new WorkDeque.Loot();
                  while (true) {
                    boolean last;
                    synchronized (over) {
                      last = over[0];
                    }
                    if (deque.steal(loot)) {
                      count(taken, loot);
                    } else if (last && !deque.seemsFull()) {
                      return;
                    }
                  }
                }));
      }
      WorkDeque.Loot loot = new WorkDeque.Loot();
      for (int i = 0; i < items; ) {
        if (random.nextInt(3) > 0) {
          if (random.nextBoolean()) {
            deque.push(i, ~(long) i, null);
          } else {
            deque.push(WorkDeque.OBJECT, ~(long) i, i);
          }
          i++;
        } else if (deque.pop(loot)) {
          count(taken, loot);
        }
      }
      while (deque.pop(loot)) {
        count(taken, loot);
      }
      synchronized (over) {
        over[0] = true;
      }
      for (Thread thief : thieves) {
        thief.join();
      }
      for (int i = 0; i < items; i++) {
        assertThat(taken.get(i)).as("item %d of round %d, seed %d", i, round, seed).isEqualTo(1);
      }
    }
  }

  /// Counts an item; its words and its object must belong together.
  private static void count(AtomicIntegerArray taken, WorkDeque.Loot loot) {
    int item = (int) ~loot.readyNs;
    long told = loot.entry == WorkDeque.OBJECT ? (Integer) loot.work : loot.entry;
    if (told != item) {
      taken.getAndAdd(item, 1_000);
    }
    taken.getAndIncrement(item);
  }
}
