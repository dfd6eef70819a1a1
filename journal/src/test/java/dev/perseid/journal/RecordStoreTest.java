package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Entry;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.PrimitiveIterator;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecordStoreTest {
  @TempDir Path dir;

  private static Entry entry(long index) {
    return Entries.done(index, (int) (index % 7), (int) index, "align", 1, index, 5);
  }

  private static void append(RecordStore store, long index) throws StoreException {
    store.appendEntry(entry(index), Entries.canonical(entry(index)));
  }

  private static List<Long> list(PrimitiveIterator.OfLong indices) {
    List<Long> out = new ArrayList<>();
    indices.forEachRemaining((long i) -> out.add(i));
    return out;
  }

  /// The store holds exactly the first `n` entries of the test's log.
  private static void holds(RecordStore store, long n, String why) {
    assertThat(store.count()).as(why).isEqualTo(n);
    List<Hash> leaves = new ArrayList<>();
    List<List<Long>> jobs = new ArrayList<>();
    for (int j = 0; j < 7; j++) {
      jobs.add(new ArrayList<>());
    }
    for (long i = 0; i < n; i++) {
      byte[] expected = Entries.canonical(entry(i));
      assertThat(store.entry(i)).as(why).isEqualTo(expected);
      leaves.add(Merkle.leafHash(expected));
      jobs.get((int) (i % 7)).add(i);
    }
    assertThat(store.tree().size()).as(why).isEqualTo(n);
    assertThat(store.tree().root()).as(why).isEqualTo(Merkle.root(leaves));
    for (int j = 0; j < 7; j++) {
      assertThat(list(store.entriesOf(Entries.job(j)))).as(why).isEqualTo(jobs.get(j));
    }
    assertThatThrownBy(() -> store.entry(n)).isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void keepsWhatItWasGiven() throws Exception {
    try (RecordStore store = RecordStore.open(dir)) {
      holds(store, 0, "new");
      for (int i = 0; i < 1000; i++) {
        append(store, i);
      }
      store.appendBatch(Entries.batch(0, 3));
      store.appendBatch(Entries.batch(1, 1024));
      holds(store, 1000, "before flush");
      store.flush();
      holds(store, 1000, "after flush");
      for (int i = 1000; i < 1100; i++) {
        append(store, i);
      }
      holds(store, 1100, "half in the buffer");
    }
    try (RecordStore store = RecordStore.open(dir)) {
      holds(store, 1100, "reopened");
      assertThat(store.batchCount()).isEqualTo(2);
      assertThat(store.batch(0)).isEqualTo(Entries.batch(0, 3));
      assertThat(store.batch(1)).isEqualTo(Entries.batch(1, 1024));
      assertThat(list(store.entriesOf(Entries.job(99)))).isEmpty();
      assertThatThrownBy(() -> store.batch(2)).isInstanceOf(IndexOutOfBoundsException.class);
    }
  }

  @Test
  void replayIsRecognised() throws Exception {
    try (RecordStore store = RecordStore.open(dir)) {
      for (int i = 0; i < 50; i++) {
        append(store, i);
        store.appendBatch(Entries.batch(i, 2));
      }
      for (int i = 0; i < 50; i++) {
        append(store, i);
        store.appendBatch(Entries.batch(i, 2));
      }
      holds(store, 50, "replayed");
      assertThat(store.batchCount()).isEqualTo(50);
      assertThatThrownBy(() -> append(store, 51))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("cannot follow the 50 entries");
      assertThatThrownBy(() -> store.appendEntry(entry(3), new byte[] {1}))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("another log's store");
      assertThatThrownBy(() -> store.appendBatch(Entries.batch(3, 1)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("another log's store");
      assertThatThrownBy(() -> store.appendBatch(Entries.batch(52, 1)))
          .isInstanceOf(IllegalStateException.class);
      assertThatThrownBy(() -> store.appendEntry(entry(50), new byte[Limits.ENTRY_BYTES + 1]))
          .isInstanceOf(IllegalArgumentException.class);
      holds(store, 50, "after refusals");
    }
  }

  /// Whatever a crash leaves of each file, the store opens with a prefix of the log and goes on.
  @Test
  void tornEndsAreCutOff() throws Exception {
    long seed = 1_020;
    Random random = new Random(seed);
    Path whole = dir.resolve("whole");
    long synced;
    try (RecordStore store = RecordStore.open(whole)) {
      for (int i = 0; i < 60; i++) {
        append(store, i);
      }
      store.sync();
      synced = store.count();
      for (int i = 60; i < 120; i++) {
        append(store, i);
      }
    }
    // As if it had been killed before its last sync.
    Files.writeString(whole.resolve("synced"), "perseid record store 1\nentries 60\nbatches 0\n");
    for (int round = 0; round < 40; round++) {
      Path torn = dir.resolve("torn" + round);
      Files.createDirectory(torn);
      try (Stream<Path> files = Files.list(whole)) {
        for (Path file : files.toList()) {
          Files.copy(file, torn.resolve(file.getFileName()));
        }
      }
      String why = "seed " + seed + ", round " + round;
      for (String name : List.of("entries", "entries.index", "tree")) {
        tear(torn.resolve(name), name, random, synced);
      }
      long kept;
      try (RecordStore store = RecordStore.open(torn)) {
        kept = store.count();
        assertThat(kept).as(why).isBetween(synced, 120L);
        holds(store, kept, why);
        for (long i = 0; i < 130; i++) {
          append(store, i);
        }
        holds(store, 130, why);
      }
      try (RecordStore store = RecordStore.open(torn)) {
        holds(store, 130, why);
      }
    }
  }

  /// Cuts a file somewhere after what was synced, or writes garbage or zeros there.
  private static void tear(Path file, String name, Random random, long synced) throws IOException {
    try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
      long from =
          switch (name) {
            case "entries" -> {
              long at = 0;
              for (long i = 0; i < synced; i++) {
                at += 8 + Entries.canonical(entry(i)).length;
              }
              yield at;
            }
            case "entries.index" -> synced * 32;
            default -> MerkleTree.nodesOf(synced) * 32;
          };
      long at = from + random.nextLong(f.length() - from + 1);
      switch (random.nextInt(4)) {
        case 0 -> f.setLength(at);
        case 1 -> {
          f.seek(at);
          byte[] garbage = new byte[random.nextInt(200)];
          random.nextBytes(garbage);
          f.write(garbage);
        }
        case 2 -> {
          f.seek(at);
          f.write(new byte[(int) (f.length() - at)]);
        }
        default -> {}
      }
    }
  }

  @Test
  void filesThatWereCutByHandStillOpen() throws Exception {
    for (String name : List.of("entries", "entries.index", "tree", "synced")) {
      Path own = dir.resolve(name);
      try (RecordStore store = RecordStore.open(own)) {
        for (int i = 0; i < 40; i++) {
          append(store, i);
        }
      }
      try (RandomAccessFile f = new RandomAccessFile(own.resolve(name).toFile(), "rw")) {
        f.setLength(f.length() / 2 + 3);
      }
      try (RecordStore store = RecordStore.open(own)) {
        holds(store, store.count(), name);
        // The tree and the mark can be made again from the entries.
        if (name.equals("tree") || name.equals("synced")) {
          assertThat(store.count()).isEqualTo(40);
        } else {
          assertThat(store.count()).isBetween(10L, 25L);
        }
      }
    }
  }

  @Test
  void damageInTheMiddleIsFoundWhenItIsRead() throws Exception {
    try (RecordStore store = RecordStore.open(dir)) {
      for (int i = 0; i < 40; i++) {
        append(store, i);
      }
    }
    try (RandomAccessFile f = new RandomAccessFile(dir.resolve("entries").toFile(), "rw")) {
      f.seek(20);
      f.write('!');
    }
    try (RecordStore store = RecordStore.open(dir)) {
      assertThat(store.entry(1)).isEqualTo(Entries.canonical(entry(1)));
      assertThatThrownBy(() -> store.entry(0))
          .isInstanceOf(UncheckedIOException.class)
          .hasMessageContaining("number 0 in " + dir.resolve("entries") + " is damaged");
    }
  }

  @Test
  void aFullDiskChangesNothing() throws Exception {
    AtomicLong room = new AtomicLong(1_000_000);
    AppendFile.Disk small =
        (channel, bytes, position) -> {
          // Like a real one it takes a part of what no longer fits.
          int part = (int) Math.min(bytes.remaining(), room.get());
          if (part == 0) {
            throw new IOException("No space left on device");
          }
          room.addAndGet(-part);
          int limit = bytes.limit();
          bytes.limit(bytes.position() + part);
          int n = channel.write(bytes, position);
          bytes.limit(limit);
          return n;
        };
    long full;
    try (RecordStore store = RecordStore.open(dir, small)) {
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 100_000; i++) {
                  append(store, i);
                }
              })
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("No space left on device")
          .hasMessageContaining("free some space");
      full = store.count();
      assertThat(full).isGreaterThan(500);
      holds(store, full, "full");
      assertThatThrownBy(store::sync).isInstanceOf(StoreException.class);
      assertThatThrownBy(() -> append(store, full)).isInstanceOf(StoreException.class);
      holds(store, full, "still full");
      room.set(1L << 30);
      for (long i = full; i < full + 500; i++) {
        append(store, i);
      }
      holds(store, full + 500, "room again");
    }
    try (RecordStore store = RecordStore.open(dir)) {
      holds(store, full + 500, "reopened");
    }
  }

  @Test
  void aProcessThatDiesOnAFullDiskLeavesAPrefix() throws Exception {
    AtomicLong room = new AtomicLong(700_000);
    AppendFile.Disk small =
        (channel, bytes, position) -> {
          int part = (int) Math.min(bytes.remaining(), room.get());
          if (part == 0) {
            throw new IOException("No space left on device");
          }
          room.addAndGet(-part);
          byte[] some = new byte[part];
          bytes.get(some);
          return channel.write(java.nio.ByteBuffer.wrap(some), position);
        };
    RecordStore store = RecordStore.open(dir, small);
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 100_000; i++) {
                append(store, i);
                if (i == 200) {
                  store.flush();
                }
              }
            })
        .isInstanceOf(StoreException.class);
    // Closing cannot save the buffers, but says so and lets go of the lock.
    assertThatThrownBy(store::close).isInstanceOf(IOException.class);
    try (RecordStore again = RecordStore.open(dir)) {
      assertThat(again.count()).isGreaterThan(200);
      holds(again, again.count(), "after death");
    }
  }

  @Test
  void oneProcessAtATime() throws Exception {
    try (RecordStore store = RecordStore.open(dir)) {
      append(store, 0);
      assertThatThrownBy(() -> RecordStore.open(dir))
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("in use");
    }
    RecordStore.open(dir).close();
  }

  @Test
  void manyReadWhileOneWrites() throws Exception {
    int n = 20_000;
    AtomicBoolean written = new AtomicBoolean();
    try (RecordStore store = RecordStore.open(dir);
        ExecutorService readers = Executors.newFixedThreadPool(3)) {
      List<Future<Long>> reads = new ArrayList<>();
      for (int t = 0; t < 3; t++) {
        long seed = 100 + t;
        reads.add(
            readers.submit(() -> {
              Random random = new Random(seed);
              long checked = 0;
              while (!written.get() || checked == 0) {
                long count = store.count();
                if (count == 0) {
                  Thread.onSpinWait();
                  continue;
                }
                // The newest are in the buffers, the older in the files.
                long i =
                    random.nextBoolean()
                        ? count - 1 - random.nextLong(Math.min(count, 20))
                        : random.nextLong(count);
                byte[] bytes = store.entry(i);
                assertThat(bytes).isEqualTo(Entries.canonical(entry(i)));
                assertThat(
                        Merkle.verify(
                            Merkle.leafHash(bytes),
                            i,
                            count,
                            store.tree().path(i, count),
                            store.tree().root(count)))
                    .isTrue();
                JobId job = Entries.job((int) (i % 7));
                assertThat(store.entriesOf(job).nextLong()).isEqualTo(i % 7);
                checked++;
              }
              return checked;
            }));
      }
      for (int i = 0; i < n; i++) {
        append(store, i);
      }
      written.set(true);
      for (Future<Long> read : reads) {
        assertThat(read.get()).isPositive();
      }
      assertThat(list(store.entriesOf(Entries.job(3)))).hasSize(n / 7 + (3 < n % 7 ? 1 : 0));
    }
  }

  @Test
  void opensWithTheRealDisk() throws Exception {
    AppendFile.Disk real = FileChannel::write;
    try (RecordStore store = RecordStore.open(dir, real)) {
      append(store, 0);
    }
    try (Stream<Path> files = Files.list(dir)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "entries", "entries.index", "batches", "batches.index", "tree", "synced", "lock");
    }
  }
}
