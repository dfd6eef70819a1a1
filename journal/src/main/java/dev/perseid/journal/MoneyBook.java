package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Movement;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.PrimitiveIterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Every movement of money of a pool, in order, for ever. A projection of the pool's log, as
/// [RecordStore] is: what a crash takes from its end is appended again when the log is replayed,
/// and what is there already is recognised. So it must be synced ([#sync]) before the log behind it
/// is cut.
///
/// A directory of append-only files: `movements`, `movements.index`, and `synced`, which says how
/// much is known to have reached the disk. Memory: 8 bytes a movement, 100 an account. One thread
/// appends; any number read at the same time.
public final class MoneyBook implements Closeable {
  private static final Pattern SYNCED =
      Pattern.compile("perseid money book 1\nmovements ([0-9]{1,18})\n");

  private final Path dir;
  private final FileChannel lockFile;
  private final FrameLog movements;

  /// Which movements took from an account, and which gave to it; by the first bytes of its address,
  /// so what is found must be looked at.
  private final Chains takers = new Chains();

  private final Chains givers = new Chains();
  private volatile long count;

  private MoneyBook(Path dir, FileChannel lockFile, AppendFile.Disk disk) throws IOException {
    this.dir = dir;
    this.lockFile = lockFile;
    this.movements =
        new FrameLog(
            new AppendFile(dir.resolve("movements"), disk),
            new AppendFile(dir.resolve("movements.index"), disk),
            Limits.MOVEMENT_BYTES);
    long synced = 0;
    try {
      Matcher m = SYNCED.matcher(Files.readString(dir.resolve("synced"), UTF_8));
      // An unreadable mark is no mark: all is read again.
      synced = m.matches() ? Long.parseLong(m.group(1)) : 0;
    } catch (NoSuchFileException e) {
      // Never synced.
    }
    movements.recover(movements.believed(synced), (number, content) -> {});
    movements.keys((number, from, to) -> index(from, to));
    count = movements.count();
  }

  /// Opens the book in `dir`, making it if there is none. A torn end is cut off.
  ///
  /// @throws StoreException if another process has it open
  public static MoneyBook open(Path dir) throws IOException {
    return open(dir, FileChannel::write);
  }

  static MoneyBook open(Path dir, AppendFile.Disk disk) throws IOException {
    Files.createDirectories(dir);
    FileChannel lockFile =
        FileChannel.open(dir.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      FileLock lock = lockFile.tryLock();
      if (lock == null) {
        throw inUse(dir);
      }
      return new MoneyBook(dir, lockFile, disk);
    } catch (OverlappingFileLockException e) {
      lockFile.close();
      throw inUse(dir);
    } catch (IOException | RuntimeException e) {
      lockFile.close();
      throw e;
    }
  }

  private void index(long from, long to) {
    takers.add(from, 0);
    givers.add(to, 0);
  }

  /// How many movements there are; the next one has this number.
  public long count() {
    return count;
  }

  /// Appends the movement of number [#count]. One that is there already is recognised and ignored.
  ///
  /// @throws StoreException if the disk is full; nothing changed, and it may be tried again
  /// @throws IllegalStateException if it leaves a gap, or differs from the one that is there: the
  ///   book then belongs to another log
  public void append(Movement movement) throws StoreException {
    append(movement.number(), movement.from(), movement.to(), MovementCodec.encode(movement));
  }

  /// @param from whose money it was, the zero address where it was nobody's
  /// @param to whose it is now
  void append(long number, Address from, Address to, byte[] canonical) throws StoreException {
    if (number < count) {
      if (number < 0 || !Arrays.equals(movement(number), canonical)) {
        throw new IllegalStateException(
            "movement "
                + number
                + " differs from the one in "
                + dir
                + ": it is another log's book");
      }
      return;
    }
    if (number > count || number >= Limits.ENTRIES) {
      throw new IllegalStateException(
          "movement " + number + " cannot follow the " + count + " movements in " + dir);
    }
    try {
      movements.reserve(canonical.length);
    } catch (IOException e) {
      throw unwritable(e);
    }
    movements.append(canonical, from.a(), to.a());
    index(from.a(), to.a());
    count = number + 1;
  }

  /// The canonical bytes of a movement.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  /// @throws UncheckedIOException if it cannot be read or is damaged
  public byte[] movement(long number) {
    try {
      return movements.read(number);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read movement " + number + ": " + e.getMessage(), e);
    }
  }

  /// The numbers of the movements that took from an account or gave to it, ascending, each once;
  /// rarely also some of another account, which the caller must leave out.
  public PrimitiveIterator.OfLong numbersOf(Address account) {
    return new Merged(takers.of(account.a(), 0), givers.of(account.a(), 0));
  }

  /// Two ascending sequences as one, without repeats.
  private static final class Merged implements PrimitiveIterator.OfLong {
    private static final long END = Long.MAX_VALUE;
    private final PrimitiveIterator.OfLong a;
    private final PrimitiveIterator.OfLong b;
    private long nextA;
    private long nextB;

    Merged(PrimitiveIterator.OfLong a, PrimitiveIterator.OfLong b) {
      this.a = a;
      this.b = b;
      nextA = step(a);
      nextB = step(b);
    }

    private static long step(PrimitiveIterator.OfLong of) {
      return of.hasNext() ? of.nextLong() : END;
    }

    @Override
    public boolean hasNext() {
      return nextA != END || nextB != END;
    }

    @Override
    public long nextLong() {
      long least = Math.min(nextA, nextB);
      if (least == END) {
        throw new java.util.NoSuchElementException("no more movements of this account");
      }
      if (nextA == least) {
        nextA = step(a);
      }
      if (nextB == least) {
        nextB = step(b);
      }
      return least;
    }
  }

  /// Makes sure that everything survives a loss of power, and makes the next opening fast. Some
  /// milliseconds. The writer's.
  ///
  /// @throws StoreException if the disk is full; nothing is lost, and it may be tried again
  public void sync() throws StoreException {
    try {
      movements.sync();
      Path fresh = dir.resolve("synced.new");
      Files.writeString(fresh, "perseid money book 1\nmovements " + count + "\n", UTF_8);
      Files.move(fresh, dir.resolve("synced"), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /// Syncs and closes.
  @Override
  public void close() throws IOException {
    try (lockFile;
        movements) {
      sync();
    }
  }

  private StoreException unwritable(IOException e) {
    return new StoreException(
        "cannot write the money book in "
            + dir
            + ": "
            + e.getMessage()
            + "; free some space there (nothing is lost, it goes on at movement "
            + count
            + ")",
        e);
  }

  private static StoreException inUse(Path dir) {
    return new StoreException(
        "the money book in "
            + dir
            + " is in use by another process: stop it, or choose another directory");
  }
}
