package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.DataInput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RatisLogTest {
  @TempDir Path dir;

  /// Keeps what it was told, by content.
  private static final class Told implements RatisLog.Owner {
    final List<String> batches = new ArrayList<>();
    volatile String failure = "";

    @Override
    public synchronized void restore(DataInput in) throws IOException {
      batches.clear();
      int count = in.readInt();
      for (int i = 0; i < count; i++) {
        batches.add(in.readUTF());
      }
    }

    @Override
    public synchronized void replay(byte[] events) {
      batches.add(name(events));
    }

    @Override
    public void onLoop(Runnable r) {
      r.run();
    }

    @Override
    public void failed(String why) {
      failure = why;
    }
  }

  private static String name(byte[] events) {
    return events.length < 100
        ? new String(events, StandardCharsets.UTF_8)
        : events.length + "/" + Arrays.hashCode(events);
  }

  private static void append(RatisLog log, byte[] events) throws Exception {
    CountDownLatch durable = new CountDownLatch(1);
    log.append(events, durable::countDown);
    assertThat(durable.await(20, TimeUnit.SECONDS)).as("durable").isTrue();
  }

  private static byte[] utf8(String s) {
    return s.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void ReplaysEveryBatchOnceInOrder() throws Exception {
    List<String> expected = new ArrayList<>();
    for (int run = 0; run < 3; run++) {
      Told told = new Told();
      try (RatisLog log = RatisLog.open(dir, told)) {
        assertThat(told.batches).isEqualTo(expected);
        for (int i = 0; i < 20; i++) {
          append(log, utf8("run " + run + " batch " + i));
          expected.add("run " + run + " batch " + i);
        }
        assertThat(told.batches).as("own batches are not replayed").hasSize(run * 20);
      }
      assertThat(told.failure).isEmpty();
    }
  }

  @Test
  void WritesABatchLargerThanAnEntryInPieces() throws Exception {
    byte[] large = new byte[2 * PoolLimits.LOG_ENTRY_BYTES + 12_345];
    new Random(1).nextBytes(large);
    try (RatisLog log = RatisLog.open(dir, new Told())) {
      append(log, large);
      append(log, new byte[0]);
      append(log, utf8("after"));
    }
    Told told = new Told();
    try (RatisLog log = RatisLog.open(dir, told)) {
      assertThat(told.batches).containsExactly(name(large), "", "after");
    }
  }

  @Test
  void StartsFromASnapshotAndWhatFollowedIt() throws Exception {
    Told first = new Told();
    try (RatisLog log = RatisLog.open(dir, first)) {
      for (int i = 0; i < 5; i++) {
        append(log, utf8("b" + i));
      }
      log.snapshot(out -> {
        out.writeInt(1);
        out.writeUTF("first five");
      });
      append(log, utf8("b5"));
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (log.snapshots() == 0) {
        assertThat(System.nanoTime()).as("the snapshot is taken in time").isLessThan(deadline);
        Thread.onSpinWait();
      }
      append(log, utf8("b6"));
    }
    Told told = new Told();
    try (RatisLog log = RatisLog.open(dir, told)) {
      assertThat(told.batches).containsExactly("first five", "b5", "b6");
    }
  }

  @Test
  void IgnoresATornLastEntry() throws Exception {
    try (RatisLog log = RatisLog.open(dir, new Told())) {
      append(log, utf8("whole"));
    }
    Path last;
    try (Stream<Path> files = Files.walk(dir)) {
      last =
          files
              .filter(f -> f.getFileName().toString().startsWith("log_"))
              .max(Path::compareTo)
              .orElseThrow();
    }
    byte[] torn = new byte[3_000];
    Arrays.fill(torn, 0, 1_000, (byte) 0x55);
    Files.write(last, torn, StandardOpenOption.APPEND);
    Told told = new Told();
    try (RatisLog log = RatisLog.open(dir, told)) {
      assertThat(told.batches).containsExactly("whole");
      append(log, utf8("next"));
    }
    Told again = new Told();
    try (RatisLog log = RatisLog.open(dir, again)) {
      assertThat(again.batches).containsExactly("whole", "next");
    }
  }

  @Test
  void RefusesADamagedSnapshot() throws Exception {
    try (RatisLog log = RatisLog.open(dir, new Told())) {
      append(log, utf8("b"));
      log.snapshot(out -> {
        out.writeInt(1);
        out.writeUTF("state");
      });
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (log.snapshots() == 0) {
        assertThat(System.nanoTime()).as("the snapshot is taken in time").isLessThan(deadline);
        Thread.onSpinWait();
      }
    }
    Path snapshot;
    try (Stream<Path> files = Files.walk(dir)) {
      snapshot =
          files
              .filter(f -> f.getFileName().toString().matches("snapshot\\.\\d+_\\d+"))
              .findFirst()
              .orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(snapshot);
    bytes[bytes.length - 9] ^= 1;
    Files.write(snapshot, bytes);
    assertThatThrownBy(() -> RatisLog.open(dir, new Told()))
        .isInstanceOf(PoolStartException.class)
        .hasMessageContaining("damaged");
  }
}
