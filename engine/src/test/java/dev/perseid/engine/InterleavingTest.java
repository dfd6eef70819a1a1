package dev.perseid.engine;

import java.util.ArrayDeque;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.jetbrains.lincheck.datastructures.StressOptions;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// How threads may interleave in the deque of work and in the ring of records, explored by
/// Lincheck: thousands of interleavings of small random programs, and the same programs on real
/// threads. What comes out must also come out of the same structure in which everything happens at
/// once.
class InterleavingTest {
  /// What a deque promises.
  public static class PlainDeque {
    private final ArrayDeque<Integer> items = new ArrayDeque<>();

    public void push(int value) {
      items.addLast(value);
    }

    public @Nullable Integer pop() {
      return items.pollLast();
    }

    public @Nullable Integer steal() {
      return items.pollFirst();
    }
  }

  /// The owner pushes and pops, others steal. It grows at once.
  public static class Deque {
    private final WorkDeque deque = new WorkDeque(2);

    @Operation(nonParallelGroup = "owner")
    public void push(int value) {
      if (value % 2 == 0) {
        deque.push(WorkDeque.OBJECT, value, new Integer[] {value});
      } else {
        deque.push(value, value, null);
      }
    }

    @Operation(nonParallelGroup = "owner")
    public @Nullable Integer pop() {
      WorkDeque.Loot loot = new WorkDeque.Loot();
      return deque.pop(loot) ? value(loot) : null;
    }

    /// Who was too slow tries again: only then does nothing mean that there was nothing.
    @Operation
    public @Nullable Integer steal() {
      WorkDeque.Loot loot = new WorkDeque.Loot();
      while (!deque.steal(loot)) {
        if (!deque.seemsFull()) {
          return null;
        }
      }
      return value(loot);
    }

    private static int value(WorkDeque.Loot loot) {
      int value = (int) loot.readyNs;
      boolean whole =
          value % 2 == 0
              ? loot.entry == WorkDeque.OBJECT
                  && loot.work instanceof Integer[] work
                  && work[0] == value
              : loot.entry == value;
      return whole ? value : -1;
    }
  }

  /// What a ring promises: records come out in order, and there is room or there is not.
  public static class PlainRing {
    private final ArrayDeque<Integer> records = new ArrayDeque<>();

    public boolean put(int value) {
      return records.size() < 4 && records.add(value);
    }

    public @Nullable Integer take() {
      return records.poll();
    }
  }

  /// One thread writes, another one reads.
  public static class Ring {
    private final RecordRing ring = new RecordRing(1, 4);

    @Operation(nonParallelGroup = "writer")
    public boolean put(int value) {
      int at = ring.claim();
      if (at < 0) {
        return false;
      }
      for (int w = 0; w < RecordRing.WORDS; w++) {
        ring.words[at + w] = value;
      }
      ring.publish();
      return true;
    }

    @Operation(nonParallelGroup = "reader")
    public @Nullable Integer take() {
      long from = ring.read();
      if (from == ring.written()) {
        return null;
      }
      int at = ((int) from & ring.mask) * RecordRing.WORDS;
      int value = (int) ring.words[at];
      for (int w = 1; w < RecordRing.WORDS; w++) {
        if (ring.words[at + w] != value) {
          return -1;
        }
      }
      ring.free(from + 1);
      return value;
    }
  }

  private static void explore(Class<?> what, Class<?> oracle, int threads) {
    new ModelCheckingOptions()
        .iterations(8)
        .invocationsPerIteration(300)
        .threads(threads)
        .actorsPerThread(4)
        .sequentialSpecification(oracle)
        .check(what);
  }

  private static void stress(Class<?> what, Class<?> oracle, int threads) {
    new StressOptions()
        .iterations(8)
        .invocationsPerIteration(500)
        .threads(threads)
        .actorsPerThread(4)
        .sequentialSpecification(oracle)
        .check(what);
  }

  @Test
  void theDequeOnEveryPath() {
    explore(Deque.class, PlainDeque.class, 3);
  }

  @Test
  void theDequeOnRealThreads() {
    stress(Deque.class, PlainDeque.class, 3);
  }

  @Test
  void theRingOnEveryPath() {
    explore(Ring.class, PlainRing.class, 2);
  }

  @Test
  void theRingOnRealThreads() {
    stress(Ring.class, PlainRing.class, 2);
  }
}
