package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Comparison;
import dev.perseid.core.Effect;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The comparer by itself, with files that come, go and misbehave.
@Timeout(60)
final class ResultComparerTest {
  private static final long UNKNOWN = Command.RecordComparison.UNKNOWN;
  private static final Address ALICE = new Address(1, 1, 1);
  private static final Address BOB = new Address(2, 2, 2);

  private record Said(long entry, long like, String problem) {}

  @TempDir Path folder;

  /// What happens when a blob's file is asked for, if not that it is there.
  private final Map<Hash, Supplier<Optional<Path>>> odd = new ConcurrentHashMap<>();

  private final BlockingQueue<Said> said = new LinkedBlockingQueue<>();
  private final CountDownLatch open = new CountDownLatch(1);
  private ResultComparer comparer;
  private long nextEntry = 1;

  private void start() {
    comparer =
        new ResultComparer(
            folder.resolve("scratch"),
            hash -> odd.getOrDefault(hash, () -> Optional.of(folder.resolve(hash.hex()))).get(),
            0);
  }

  @AfterEach
  void close() {
    open.countDown();
    comparer.close();
  }

  private Blob stored(String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    Blob blob = new Blob(Hash.sha256(bytes), bytes.length);
    Files.write(folder.resolve(blob.hash().hex()), bytes);
    return blob;
  }

  private Effect.Compared result(Blob blob) {
    return new Effect.Compared(nextEntry++, List.of(blob));
  }

  /// Has the last of some results compared with the others; its record's index.
  private long compare(Address consumer, long job, Comparison how, Blob... blobs) {
    List<Effect.Compared> all = List.of(blobs).stream().map(this::result).toList();
    Effect.Compared what = all.getLast();
    comparer.compare(
        new Effect.Compare(
            new JobId(job, job), consumer, 0, how, what, all.subList(0, all.size() - 1)),
        (like, problem) -> said.add(new Said(what.entry(), like, problem)));
    return what.entry();
  }

  private long compare(Address consumer, long job, Blob... blobs) {
    return compare(consumer, job, new Comparison.Numeric(0.1, 0), blobs);
  }

  /// Keeps the thread busy until the gate is opened.
  private void occupy() throws Exception {
    Blob gate = stored("gate");
    CountDownLatch entered = new CountDownLatch(1);
    odd.put(
        gate.hash(),
        () -> {
          entered.countDown();
          try {
            open.await();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          return Optional.of(folder.resolve(gate.hash().hex()));
        });
    compare(new Address(9, 9, 9), 999, gate, stored("other gate"));
    entered.await();
  }

  @Test
  void theFirstThatIsAlikeIsSaid() throws Exception {
    start();
    long what = compare(ALICE, 1, stored("1"), stored("10"), stored("10.5"), stored("10.1"));
    assertThat(said.take()).isEqualTo(new Said(what, what - 2, ""));
    what = compare(ALICE, 1, stored("1"), stored("10"), stored("100"));
    assertThat(said.take()).isEqualTo(new Said(what, what, ""));
  }

  @Test
  void noErrorEndsIt() throws Exception {
    start();
    List<Supplier<Error>> errors =
        List.of(OutOfMemoryError::new, StackOverflowError::new, AssertionError::new);
    for (Supplier<Error> error : errors) {
      Blob bad = stored("bad");
      odd.put(
          bad.hash(),
          () -> {
            throw error.get();
          });
      long what = compare(ALICE, 1, bad, stored("1"));
      Said unknown = said.take();
      assertThat(unknown.entry()).isEqualTo(what);
      assertThat(unknown.like()).isEqualTo(UNKNOWN);
      assertThat(unknown.problem()).isNotBlank();
      odd.clear();
      what = compare(ALICE, 1, stored("1"), stored("1.01"));
      assertThat(said.take()).isEqualTo(new Said(what, what - 1, ""));
    }
  }

  @Test
  void whoHearsOfItCannotEndIt() throws Exception {
    start();
    Effect.Compared a = result(stored("1"));
    Effect.Compared b = result(stored("1.01"));
    comparer.compare(
        new Effect.Compare(
            new JobId(1, 1), ALICE, 0, new Comparison.Numeric(0.1, 0), b, List.of(a)),
        (_, _) -> {
          throw new IllegalStateException("nobody listens");
        });
    long what = compare(ALICE, 1, stored("1"), stored("1.01"));
    assertThat(said.take()).isEqualTo(new Said(what, what - 1, ""));
  }

  @Test
  void whatIsGoneIsUnknownAndNotDifferent() throws Exception {
    start();
    Blob gone = stored("1");
    odd.put(gone.hash(), Optional::empty);
    long what = compare(ALICE, 1, gone, stored("1.01"));
    assertThat(said.take())
        .isEqualTo(new Said(what, UNKNOWN, "sha256:" + gone.hash() + " is not here any more"));
    odd.clear();
    Files.delete(folder.resolve(gone.hash().hex()));
    what = compare(ALICE, 1, gone, stored("1.01"));
    assertThat(said.take().like()).isEqualTo(UNKNOWN);
  }

  @Test
  void itIsTriedAgain() throws Exception {
    start();
    Blob late = stored("1");
    AtomicInteger asked = new AtomicInteger();
    odd.put(
        late.hash(),
        () -> {
          if (asked.incrementAndGet() < PoolLimits.COMPARISON_ATTEMPTS) {
            throw new UncheckedIOException(new IOException("too many open files"));
          }
          return Optional.of(folder.resolve(late.hash().hex()));
        });
    long what = compare(ALICE, 1, late, stored("1.01"));
    assertThat(said.take()).isEqualTo(new Said(what, what - 1, ""));
  }

  @Test
  void aModuleThatIsNoneIsItsConsumersFault() throws Exception {
    start();
    Comparison byModule = new Comparison.Module(stored("no module"));
    long what = compare(ALICE, 1, byModule, stored("1"), stored("1.01"));
    Said none = said.take();
    assertThat(none.like()).isEqualTo(what);
    assertThat(none.problem()).startsWith("it could not be compared: the module that compares: ");
  }

  @Test
  void consumersTakeTurns() throws Exception {
    start();
    occupy();
    long first = nextEntry;
    for (int job = 0; job < 1_000; job++) {
      compare(ALICE, job, stored("1"), stored("10"));
    }
    long bobs = compare(BOB, 5_000, stored("1"), stored("1.01"));
    open.countDown();
    said.take(); // what kept it busy
    assertThat(said.take().entry()).as("one of a thousand jobs").isEqualTo(first + 1);
    assertThat(said.take()).isEqualTo(new Said(bobs, bobs - 1, ""));
    for (int job = 1; job < 1_000; job++) {
      assertThat(said.take().entry()).isBetween(first, bobs);
    }
  }

  @Test
  void aTurnIsOnePair() throws Exception {
    start();
    occupy();
    long alices = compare(ALICE, 1, stored("1"), stored("10"), stored("100"));
    long bobs = compare(BOB, 2, stored("1"), stored("1.01"));
    open.countDown();
    said.take(); // what kept it busy
    assertThat(said.take().entry()).isEqualTo(bobs);
    assertThat(said.take()).isEqualTo(new Said(alices, alices, ""));
  }

  @Test
  void jobsOfAConsumerTakeTurns() throws Exception {
    start();
    occupy();
    for (int i = 0; i < 100; i++) {
      compare(ALICE, 1, stored("1"), stored("10"));
    }
    long other = compare(ALICE, 2, stored("1"), stored("1.01"));
    open.countDown();
    said.take();
    said.take();
    assertThat(said.take().entry()).isEqualTo(other);
  }

  @Test
  void whatIsDroppedIsNotCompared() throws Exception {
    start();
    occupy();
    Blob untouched = stored("7");
    AtomicBoolean read = new AtomicBoolean();
    odd.put(
        untouched.hash(),
        () -> {
          read.set(true);
          return Optional.empty();
        });
    long dropped = compare(ALICE, 1, untouched, stored("8"));
    long wanted = compare(ALICE, 1, stored("1"), stored("1.01"));
    comparer.drop(new Effect.DropComparison(new JobId(1, 1), 0, dropped));
    open.countDown();
    said.take();
    assertThat(said.take().entry()).isEqualTo(wanted);
    assertThat(read).isFalse();
  }

  @Test
  void closingInterruptsNoReading() throws Exception {
    start();
    Blob blob = stored("1");
    try (FileChannel shared = FileChannel.open(folder.resolve(blob.hash().hex()))) {
      CountDownLatch over = new CountDownLatch(1);
      odd.put(
          blob.hash(),
          () -> {
            Thread closer = Thread.ofPlatform().start(comparer::close);
            while (closer.getState() != Thread.State.WAITING) {
              Thread.onSpinWait(); // until it waits for this thread
            }
            try {
              shared.size();
              return Optional.of(folder.resolve(blob.hash().hex()));
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            } finally {
              over.countDown();
            }
          });
      compare(ALICE, 1, blob, stored("1.01"));
      over.await();
      comparer.close();
      assertThat(shared.isOpen()).isTrue();
      assertThat(said).as("nobody hears of it after that").isEmpty();
    }
  }
}
