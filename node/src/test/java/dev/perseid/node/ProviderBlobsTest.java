package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Cache and transfers against a blob host that cuts, corrupts and refuses.
@Timeout(30)
final class ProviderBlobsTest {
  private static final int KIB = 1 << 10;
  private static final ProviderTransfer.Patience QUICK =
      new ProviderTransfer.Patience(300, 1, 10, 5_000);

  @TempDir Path folder;
  private BlobHost host;
  private ProviderTransfer transfer;
  private final AtomicReference<Optional<String>> token =
      new AtomicReference<>(Optional.of("good"));

  @BeforeEach
  void open() throws Exception {
    host = new BlobHost();
    transfer = new ProviderTransfer(host.uri(), Optional.empty(), token::get, QUICK);
  }

  @AfterEach
  void close() {
    host.close();
  }

  private ProviderBlobs cache(long limitBytes, long roomMs) throws Exception {
    return ProviderBlobs.open(folder.resolve("blobs"), limitBytes, roomMs, transfer);
  }

  private static byte[] bytes(int seed, int size) {
    byte[] b = new byte[size];
    new Random(seed).nextBytes(b);
    return b;
  }

  private static void fetch(ProviderBlobs cache, Blob... blobs) throws Exception {
    cache.borrow(List.of(blobs)).close();
  }

  private long gets() {
    return host.requests.stream().filter(r -> r.startsWith("GET")).count();
  }

  @Test
  void fetchesOnceAndThenLends() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    byte[] content = bytes(1, 200 * KIB);
    Blob blob = host.add(content);
    assertThat(cache.borrowPresent(List.of(blob))).isEmpty();
    try (ProviderBlobs.Loan loan = cache.borrow(List.of(blob, blob, Blob.EMPTY))) {
      assertThat(Files.readAllBytes(loan.path(blob))).isEqualTo(content);
      assertThat(loan.fetchedBytes()).isEqualTo(content.length);
    }
    try (ProviderBlobs.Loan again = cache.borrow(List.of(blob))) {
      assertThat(again.fetchedBytes()).isZero();
    }
    assertThat(cache.borrowPresent(List.of(blob, Blob.EMPTY))).isPresent();
    assertThat(host.requests).containsExactly("GET ");
  }

  @Test
  void aBrokenTransferGoesOnWhereItBroke() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    byte[] content = bytes(2, 512 * KIB);
    Blob blob = host.add(content);
    host.misbehave(BlobHost.Fault.CUT, BlobHost.Fault.BUSY, BlobHost.Fault.CUT);
    try (ProviderBlobs.Loan loan = cache.borrow(List.of(blob))) {
      assertThat(Files.readAllBytes(loan.path(blob))).isEqualTo(content);
    }
    assertThat(host.requests).hasSize(4).first().isEqualTo("GET ");
    assertThat(host.requests.subList(1, 4)).allMatch(r -> r.matches("GET bytes=[1-9]\\d*-"));
  }

  @Test
  void aHostThatIgnoresRangesIsReadFromTheBeginning() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    byte[] content = bytes(3, 300 * KIB);
    Blob blob = host.add(content);
    host.misbehave(BlobHost.Fault.CUT, BlobHost.Fault.WHOLE);
    try (ProviderBlobs.Loan loan = cache.borrow(List.of(blob))) {
      assertThat(Files.readAllBytes(loan.path(blob))).isEqualTo(content);
    }
  }

  @Test
  void corruptContentIsFetchedAgainAndNeverKept() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    byte[] content = bytes(4, 100 * KIB);
    Blob blob = host.add(content);
    host.misbehave(BlobHost.Fault.CORRUPT);
    try (ProviderBlobs.Loan loan = cache.borrow(List.of(blob))) {
      assertThat(Files.readAllBytes(loan.path(blob))).isEqualTo(content);
    }
    Blob bad = host.add(bytes(5, 10 * KIB));
    host.misbehave(BlobHost.Fault.CORRUPT, BlobHost.Fault.CORRUPT);
    assertThatThrownBy(() -> fetch(cache, bad))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("another content");
    assertThat(cache.usedBytes()).isEqualTo(blob.sizeBytes());
  }

  @Test
  void aHostThatSendsTooMuchOrNothingIsRefused() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(6, 10 * KIB));
    host.misbehave(BlobHost.Fault.LONGER);
    assertThatThrownBy(() -> fetch(cache, blob))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("more than its 10240 bytes");
    Blob missing = new Blob(Hash.sha256(bytes(7, 9)), 9);
    assertThatThrownBy(() -> fetch(cache, missing))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("404 (no such blob)");
    assertThat(cache.usedBytes()).isZero();
  }

  @Test
  void whatMovesNotAtAllIsGivenUp() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(8, 10 * KIB));
    token.set(Optional.empty());
    assertThatThrownBy(() -> fetch(cache, blob))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("no progress")
        .hasMessageContaining("no session");
    token.set(Optional.of("old"));
    assertThatThrownBy(() -> fetch(cache, blob))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("401 (log in again)");
  }

  @Test
  void aNewTokenIsUsedAsSoonAsThereIsOne() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(9, 10 * KIB));
    host.token = "newer";
    CompletableFuture<Void> fetched =
        CompletableFuture.runAsync(() -> {
          try {
            fetch(cache, blob);
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
    Until.holds(() -> host.requests.size() >= 3);
    token.set(Optional.of("newer"));
    fetched.get();
  }

  @Test
  void theLeastRecentlyUsedGoesFirst() throws Exception {
    ProviderBlobs cache = cache(100 * KIB, 1_000);
    Blob a = host.add(bytes(10, 40 * KIB));
    Blob b = host.add(bytes(11, 40 * KIB));
    Blob c = host.add(bytes(12, 40 * KIB));
    fetch(cache, a);
    fetch(cache, b);
    fetch(cache, a);
    fetch(cache, c);
    assertThat(cache.borrowPresent(List.of(a))).isPresent();
    assertThat(cache.borrowPresent(List.of(c))).isPresent();
    assertThat(cache.borrowPresent(List.of(b))).isEmpty();
    assertThat(cache.usedBytes()).isEqualTo(80 * KIB);
    try (Stream<Path> files = Files.walk(folder)) {
      assertThat(files.filter(Files::isRegularFile)).hasSize(2);
    }
  }

  @Test
  void whatIsLentStaysAndWhoNeedsItsRoomWaits() throws Exception {
    ProviderBlobs cache = cache(100 * KIB, 20_000);
    Blob a = host.add(bytes(13, 60 * KIB));
    Blob b = host.add(bytes(14, 60 * KIB));
    ProviderBlobs.Loan loan = cache.borrow(List.of(a));
    CompletableFuture<Long> other =
        CompletableFuture.supplyAsync(() -> {
          try (ProviderBlobs.Loan l = cache.borrow(List.of(b))) {
            return Files.size(l.path(b));
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
    assertThat(cache.borrowPresent(List.of(a))).isPresent().get().satisfies(l -> l.close());
    assertThat(Files.exists(loan.path(a))).isTrue();
    assertThat(other).isNotDone();
    loan.close();
    loan.close(); // the second time does nothing
    assertThat(other.get()).isEqualTo(60 * KIB);
  }

  @Test
  void whatCannotFitIsRefused() throws Exception {
    ProviderBlobs cache = cache(100 * KIB, 20);
    Blob a = host.add(bytes(15, 60 * KIB));
    Blob b = host.add(bytes(16, 60 * KIB));
    assertThatThrownBy(() -> fetch(cache, a, b))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("cache holds 102400");
    try (ProviderBlobs.Loan loan = cache.borrow(List.of(a))) {
      assertThat(loan.fetchedBytes()).isEqualTo(60 * KIB);
      assertThatThrownBy(() -> fetch(cache, b))
          .isInstanceOf(TransferFailed.class)
          .hasMessageContaining("no room");
    }
    Blob lie = new Blob(a.hash(), 5);
    assertThatThrownBy(() -> fetch(cache, lie))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("announced with 5 bytes");
  }

  @Test
  void manyTasksThatWantOneBlobFetchItOnce() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(17, 200 * KIB));
    host.gate = new CountDownLatch(1);
    List<CompletableFuture<Long>> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      CompletableFuture<Long> f = new CompletableFuture<>();
      all.add(f);
      Thread.ofVirtual()
          .start(() -> {
            try (ProviderBlobs.Loan l = cache.borrow(List.of(blob))) {
              f.complete(l.fetchedBytes());
            } catch (Exception e) {
              f.completeExceptionally(e);
            }
          });
    }
    host.gate.countDown();
    long fetched = 0;
    for (CompletableFuture<Long> f : all) {
      fetched += f.get();
    }
    assertThat(fetched).isEqualTo(blob.sizeBytes());
    assertThat(gets()).isEqualTo(1);
  }

  @Test
  void noMoreThanALimitedNumberIsFetchedAtOnce() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    host.gate = new CountDownLatch(1);
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 3 * ProviderLimits.FETCHES; i++) {
      Blob blob = host.add(bytes(100 + i, KIB));
      threads.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  fetch(cache, blob);
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              }));
    }
    Until.holds(() -> gets() >= ProviderLimits.FETCHES);
    host.gate.countDown();
    for (Thread t : threads) {
      t.join();
    }
    assertThat(host.mostAtOnce.get()).isLessThanOrEqualTo(ProviderLimits.FETCHES);
    assertThat(cache.usedBytes()).isEqualTo(3 * ProviderLimits.FETCHES * KIB);
  }

  @Test
  void anInterruptedFetchIsTakenOverByWhoWaits() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(18, 200 * KIB));
    host.gate = new CountDownLatch(1);
    CompletableFuture<String> firstEnded = new CompletableFuture<>();
    Thread first =
        Thread.ofVirtual()
            .start(() -> {
              try {
                fetch(cache, blob);
                firstEnded.complete("fetched");
              } catch (Exception e) {
                firstEnded.complete(e.getClass().getSimpleName());
              }
            });
    Until.holds(() -> gets() >= 1);
    CompletableFuture<Long> second = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try (ProviderBlobs.Loan l = cache.borrow(List.of(blob))) {
            second.complete(l.fetchedBytes());
          } catch (Exception e) {
            second.completeExceptionally(e);
          }
        });
    first.interrupt();
    assertThat(firstEnded.get()).isEqualTo("InterruptedException");
    host.gate.countDown();
    assertThat(second.get()).isEqualTo(blob.sizeBytes());
  }

  @Test
  void afterARestartFilesAreVerifiedBeforeUse() throws Exception {
    ProviderBlobs before = cache(1 << 20, 1_000);
    Blob good = host.add(bytes(19, 50 * KIB));
    Blob torn = host.add(bytes(20, 50 * KIB));
    fetch(before, good, torn);
    try (ProviderBlobs.Loan l = before.borrow(List.of(torn))) {
      byte[] b = Files.readAllBytes(l.path(torn));
      b[7]++;
      Files.write(l.path(torn), b);
    }
    Files.createDirectories(folder.resolve("blobs/partial"));
    Files.write(folder.resolve("blobs/partial/left"), new byte[9]);
    host.requests.clear();
    ProviderBlobs after = cache(1 << 20, 1_000);
    assertThat(folder.resolve("blobs/partial/left")).doesNotExist();
    assertThat(after.borrowPresent(List.of(good))).as("not verified yet").isEmpty();
    try (ProviderBlobs.Loan l = after.borrow(List.of(good))) {
      assertThat(l.fetchedBytes()).isZero();
    }
    try (ProviderBlobs.Loan l = after.borrow(List.of(torn))) {
      assertThat(l.fetchedBytes()).isEqualTo(torn.sizeBytes());
      assertThat(Hash.sha256(Files.readAllBytes(l.path(torn)))).isEqualTo(torn.hash());
    }
    assertThat(gets()).isEqualTo(1);
  }

  @Test
  void aRestartWithASmallerLimitEvicts() throws Exception {
    ProviderBlobs before = cache(1 << 20, 1_000);
    Blob old = host.add(bytes(21, 50 * KIB));
    Blob recent = host.add(bytes(22, 50 * KIB));
    fetch(before, old, recent);
    try (ProviderBlobs.Loan l = before.borrow(List.of(old))) {
      Files.setLastModifiedTime(l.path(old), FileTime.fromMillis(1));
    }
    ProviderBlobs after = cache(60 * KIB, 1_000);
    assertThat(after.usedBytes()).isEqualTo(50 * KIB);
    host.requests.clear();
    fetch(after, recent);
    assertThat(host.requests).isEmpty();
  }

  @Test
  void doubtMeansVerifyingAgain() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    Blob blob = host.add(bytes(23, 50 * KIB));
    try (ProviderBlobs.Loan l = cache.borrow(List.of(blob))) {
      Files.delete(l.path(blob));
      l.doubt();
    }
    assertThat(cache.borrowPresent(List.of(blob))).isEmpty();
    try (ProviderBlobs.Loan l = cache.borrow(List.of(blob))) {
      assertThat(l.fetchedBytes()).isEqualTo(blob.sizeBytes());
    }
  }

  @Test
  void keepsWhatWasMadeHere() throws Exception {
    ProviderBlobs cache = cache(400 * KIB, 1_000);
    byte[] small = bytes(24, 3 * KIB);
    Blob a = new Blob(Hash.sha256(small), small.length);
    cache.keep(a, small);
    Path file = Files.write(folder.resolve("made"), bytes(25, 90 * KIB));
    Blob b = new Blob(Hash.sha256(Files.readAllBytes(file)), 90 * KIB);
    cache.keep(b, file);
    assertThat(file).doesNotExist();
    try (ProviderBlobs.Loan l = cache.borrowPresent(List.of(a, b)).orElseThrow()) {
      assertThat(Files.readAllBytes(l.path(a))).isEqualTo(small);
      assertThat(Hash.sha256(Files.readAllBytes(l.path(b)))).isEqualTo(b.hash());
    }
    cache.keep(new Blob(Hash.ZERO, 300 * KIB), new byte[300 * KIB]);
    assertThat(cache.usedBytes()).isEqualTo(93 * KIB);
  }

  @Test
  void storesWithWhatThePoolLacksOnly() throws Exception {
    byte[] content = bytes(26, 700 * KIB);
    Blob blob = new Blob(Hash.sha256(content), content.length);
    Path file = Files.write(folder.resolve("out"), content);
    host.misbehave(BlobHost.Fault.CUT, BlobHost.Fault.BUSY);
    transfer.store(blob, new ProviderTransfer.Content.File(file));
    assertThat(host.blobs.get(blob.hash())).isEqualTo(content);
    assertThat(host.requests.getFirst()).isEqualTo("HEAD ");
    assertThat(host.requests.get(1)).isEqualTo("PUT ");
    assertThat(host.requests.getLast()).startsWith("PUT bytes 358400-");
    host.requests.clear();
    transfer.store(blob, new ProviderTransfer.Content.File(file));
    assertThat(host.requests).containsExactly("HEAD ");
  }

  @Test
  void storesSmallBytesInOneRequestAndEmptyOnesInNone() throws Exception {
    byte[] content = bytes(27, 900);
    Blob blob = new Blob(Hash.sha256(content), content.length);
    transfer.store(blob, new ProviderTransfer.Content.Bytes(content));
    transfer.store(Blob.EMPTY, new ProviderTransfer.Content.Bytes(new byte[0]));
    assertThat(host.requests).containsExactly("PUT ");
    assertThat(host.blobs.get(blob.hash())).isEqualTo(content);
    assertThatThrownBy(() ->
            transfer.store(new Blob(Hash.ZERO, 900), new ProviderTransfer.Content.Bytes(content)))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("400 (these bytes have another hash)");
  }

  @Test
  void anEmptyBlobOfAnotherHashIsRefused() throws Exception {
    ProviderBlobs cache = cache(1 << 20, 1_000);
    assertThatThrownBy(() -> fetch(cache, new Blob(Hash.ZERO, 0)))
        .isInstanceOf(TransferFailed.class);
    assertThatThrownBy(() -> fetch(cache, new Blob(Hash.ZERO, 1), new Blob(Hash.ZERO, 2)))
        .isInstanceOf(TransferFailed.class)
        .hasMessageContaining("two sizes");
  }
}
