package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.PrimitiveIterator;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MoneyBookTest {
  @TempDir Path dir;

  private static Address account(long n) {
    return new Address(0x1111_2222_0000_0000L + n, n, (int) n);
  }

  private static byte[] content(long n) {
    return ByteBuffer.allocate(40).putLong(n).putLong(n * 31).array();
  }

  /// Movement n goes from account n mod 5 to account n mod 7.
  private static void append(MoneyBook book, long n) throws StoreException {
    book.append(n, account(n % 5), account(n % 7), content(n));
  }

  private static List<Long> numbers(MoneyBook book, Address account) {
    List<Long> out = new ArrayList<>();
    PrimitiveIterator.OfLong all = book.numbersOf(account);
    all.forEachRemaining((long n) -> out.add(n));
    return out;
  }

  private static void holds(MoneyBook book, long count) {
    assertThat(book.count()).isEqualTo(count);
    for (long n = 0; n < count; n++) {
      assertThat(book.movement(n)).isEqualTo(content(n));
    }
    for (long a = 0; a < 7; a++) {
      List<Long> expected = new ArrayList<>();
      for (long n = 0; n < count; n++) {
        if (n % 5 == a || n % 7 == a) {
          expected.add(n);
        }
      }
      assertThat(numbers(book, account(a))).as("account %d", a).isEqualTo(expected);
    }
    assertThatThrownBy(() -> book.movement(count)).isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void keepsEveryMovementAndFindsThoseOfAnAccount() throws Exception {
    try (MoneyBook book = MoneyBook.open(dir)) {
      holds(book, 0);
      for (long n = 0; n < 500; n++) {
        append(book, n);
      }
      holds(book, 500);
      book.sync();
      append(book, 500);
    }
    try (MoneyBook book = MoneyBook.open(dir)) {
      holds(book, 501);
      assertThat(numbers(book, account(99))).isEmpty();
    }
  }

  @Test
  void knowsWhatAReplayGivesItAgain() throws Exception {
    try (MoneyBook book = MoneyBook.open(dir)) {
      for (long n = 0; n < 20; n++) {
        append(book, n);
      }
      for (long n = 5; n < 25; n++) {
        append(book, n);
      }
      holds(book, 25);
      assertThatThrownBy(() -> book.append(3, account(3), account(3), content(4)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("another log's book");
      assertThatThrownBy(() -> append(book, 26))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("cannot follow");
      holds(book, 25);
    }
  }

  @Test
  void aTornEndIsCutAndComesAgain() throws Exception {
    Random random = new Random(7);
    for (int round = 0; round < 40; round++) {
      Path at = dir.resolve("round" + round);
      long synced = random.nextInt(30);
      try (MoneyBook book = MoneyBook.open(at)) {
        for (long n = 0; n < synced; n++) {
          append(book, n);
        }
        book.sync();
      }
      byte[] mark = Files.readAllBytes(at.resolve("synced"));
      try (MoneyBook book = MoneyBook.open(at)) {
        for (long n = synced; n < synced + 30; n++) {
          append(book, n);
        }
      }
      // A crash leaves any length of what came after the last sync, in either file.
      Files.write(at.resolve("synced"), mark);
      cut(at.resolve("movements"), random);
      cut(at.resolve("movements.index"), random);
      try (MoneyBook book = MoneyBook.open(at)) {
        assertThat(book.count()).as("round %d", round).isBetween(0L, synced + 30);
        for (long n = 0; n < synced + 30; n++) {
          append(book, n);
        }
        holds(book, synced + 30);
      }
    }
  }

  private static void cut(Path file, Random random) throws IOException {
    try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
      f.setLength(f.length() - random.nextInt((int) Math.min(600, f.length() + 1)));
    }
  }

  @Test
  void oneProcessAtATime() throws Exception {
    try (MoneyBook book = MoneyBook.open(dir)) {
      append(book, 0);
      assertThatThrownBy(() -> MoneyBook.open(dir))
          .isInstanceOf(StoreException.class)
          .hasMessageContaining("in use");
    }
  }

  @Test
  void aFullDiskLosesNothing() throws Exception {
    int[] left = {3};
    AppendFile.Disk disk =
        (channel, bytes, position) -> {
          if (left[0]-- <= 0) {
            throw new IOException("No space left on device");
          }
          return channel.write(bytes, position);
        };
    byte[] large = new byte[Limits.MOVEMENT_BYTES];
    try (MoneyBook book = MoneyBook.open(dir, disk)) {
      long n = 0;
      while (true) {
        try {
          book.append(n, account(n % 5), account(n % 7), large);
          n++;
        } catch (StoreException e) {
          assertThat(e).hasMessageContaining("free some space");
          break;
        }
      }
      assertThat(book.count()).isEqualTo(n);
      left[0] = 1_000;
      book.append(n, account(n % 5), account(n % 7), large);
      assertThat(book.count()).isEqualTo(n + 1);
      assertThat(book.movement(n)).isEqualTo(large);
    }
  }
}
