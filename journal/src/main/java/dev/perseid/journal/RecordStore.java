package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Entry;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.SignedBatch;
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
import java.util.PrimitiveIterator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The pool's archive: every entry of its log of records, every batch that a provider signed, and
/// the Merkle tree over the entries. It is a projection of the pool's log: what a crash takes from
/// its end is appended again when the log is replayed, and what is there already is recognised. So
/// it must be synced ([#sync]) before the log behind it is cut.
///
/// A directory of append-only files: `entries` and `entries.index`, `batches` and `batches.index`,
/// `tree`, and `synced`, which says how much is known to have reached the disk. Memory: 4 bytes an
/// entry, 50 a job. One thread appends; any number read at the same time, and see an entry as soon
/// as it was appended.
public final class RecordStore implements Closeable {
  private static final Pattern SYNCED =
      Pattern.compile("perseid record store 1\nentries ([0-9]{1,18})\nbatches ([0-9]{1,18})\n");

  /// Bytes that one leaf adds to the tree at most.
  private static final int TREE_STEP = 64 * 32;

  private final Path dir;
  private final FileChannel lockFile;
  private final FrameLog entries;
  private final FrameLog batches;
  private final AppendFile treeFile;
  private final MerkleTree tree;
  private final Chains jobs = new Chains();
  private volatile long count;
  private volatile long batchCount;

  private RecordStore(Path dir, FileChannel lockFile, AppendFile.Disk disk) throws IOException {
    this.dir = dir;
    this.lockFile = lockFile;
    this.entries =
        new FrameLog(
            new AppendFile(dir.resolve("entries"), disk),
            new AppendFile(dir.resolve("entries.index"), disk),
            Limits.ENTRY_BYTES);
    this.batches =
        new FrameLog(
            new AppendFile(dir.resolve("batches"), disk),
            new AppendFile(dir.resolve("batches.index"), disk),
            Limits.BATCH_BYTES);
    this.treeFile = new AppendFile(dir.resolve("tree"), disk);
    long syncedEntries = 0;
    long syncedBatches = 0;
    try {
      Matcher m = SYNCED.matcher(Files.readString(dir.resolve("synced"), UTF_8));
      // An unreadable mark is no mark: all is read again.
      if (m.matches()) {
        syncedEntries = Long.parseLong(m.group(1));
        syncedBatches = Long.parseLong(m.group(2));
      }
    } catch (NoSuchFileException e) {
      // Never synced.
    }
    long trusted = syncedEntries;
    while (MerkleTree.nodesOf(trusted) * 32 > treeFile.size()) {
      // The tree file was cut by hand: trust no more than it holds.
      trusted = Math.min(trusted - 1, treeFile.size() / 32);
    }
    // The tree's end is made anew from the entries, so the two always agree.
    long believed = entries.believed(trusted);
    this.tree = new MerkleTree(new MerkleTree.FileNodes(treeFile), believed);
    entries.recover(
        believed,
        (number, content) -> {
          treeFile.reserve(TREE_STEP);
          tree.append(Merkle.leafHash(content));
        });
    batches.recover(batches.believed(syncedBatches), (number, content) -> {});
    entries.keys((number, high, low) -> jobs.add(high, low));
    count = entries.count();
    batchCount = batches.count();
  }

  /// Opens the store in `dir`, making it if there is none. A torn end is cut off.
  ///
  /// @throws StoreException if another process has it open
  public static RecordStore open(Path dir) throws IOException {
    return open(dir, FileChannel::write);
  }

  static RecordStore open(Path dir, AppendFile.Disk disk) throws IOException {
    Files.createDirectories(dir);
    FileChannel lockFile =
        FileChannel.open(dir.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      FileLock lock = lockFile.tryLock();
      if (lock == null) {
        throw inUse(dir);
      }
      return new RecordStore(dir, lockFile, disk);
    } catch (OverlappingFileLockException e) {
      lockFile.close();
      throw inUse(dir);
    } catch (IOException | RuntimeException e) {
      lockFile.close();
      throw e;
    }
  }

  /// How many entries there are; the next one has this index.
  public long count() {
    return count;
  }

  /// How many batches there are; the next one has this number.
  public long batchCount() {
    return batchCount;
  }

  /// Appends the entry of index [#count]. One that is there already is recognised and ignored.
  ///
  /// @param canonical the entry's canonical bytes
  /// @throws StoreException if the disk is full; nothing changed, and it may be tried again
  /// @throws IllegalStateException if it leaves a gap, or differs from the one that is there: the
  ///   store then belongs to another log
  public void appendEntry(Entry entry, byte[] canonical) throws StoreException {
    long index = entry.index();
    Hash leaf = Merkle.leafHash(canonical);
    if (index < count) {
      if (index < 0 || !tree.leaf(index).equals(leaf)) {
        throw new IllegalStateException(
            "entry " + index + " differs from the one in " + dir + ": it is another log's store");
      }
      return;
    }
    if (index > count || index >= Limits.ENTRIES) {
      throw new IllegalStateException(
          "entry " + index + " cannot follow the " + count + " entries in " + dir);
    }
    try {
      entries.reserve(canonical.length);
      treeFile.reserve(TREE_STEP);
    } catch (IOException e) {
      throw unwritable(e);
    }
    JobId job = entry.record().job();
    entries.append(canonical, job.a(), job.b());
    tree.append(leaf);
    jobs.add(job.a(), job.b());
    count = index + 1;
  }

  /// Appends the batch of number [#batchCount]. One that is there already is recognised and
  /// ignored.
  ///
  /// @throws StoreException if the disk is full; nothing changed, and it may be tried again
  /// @throws IllegalStateException if it leaves a gap, or differs from the one that is there
  public void appendBatch(SignedBatch batch) throws StoreException {
    long number = batch.number();
    if (number < batchCount) {
      if (!batch(number).equals(batch)) {
        throw new IllegalStateException(
            "batch " + number + " differs from the one in " + dir + ": it is another log's store");
      }
      return;
    }
    if (number > batchCount) {
      throw new IllegalStateException(
          "batch " + number + " cannot follow the " + batchCount + " batches in " + dir);
    }
    byte[] bytes = BatchCodec.encode(batch);
    try {
      batches.reserve(bytes.length);
    } catch (IOException e) {
      throw unwritable(e);
    }
    batches.append(bytes, number, batch.digests().size());
    batchCount = number + 1;
  }

  /// The canonical bytes of an entry.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  /// @throws UncheckedIOException if it cannot be read or is damaged
  public byte[] entry(long index) {
    try {
      return entries.read(index);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read entry " + index + ": " + e.getMessage(), e);
    }
  }

  /// The indices of a job's entries, ascending; empty for an unknown job.
  public PrimitiveIterator.OfLong entriesOf(JobId job) {
    return jobs.of(job.a(), job.b());
  }

  /// A batch.
  ///
  /// @throws IndexOutOfBoundsException if there is none
  /// @throws UncheckedIOException if it cannot be read or is damaged
  public SignedBatch batch(long number) {
    try {
      return BatchCodec.decode(batches.read(number));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read batch " + number + ": " + e.getMessage(), e);
    }
  }

  /// The tree over the entries' canonical bytes: for roots and proofs, not for appending.
  public MerkleTree tree() {
    return tree;
  }

  /// Hands everything to the operating system: it survives this process.
  ///
  /// @throws StoreException if the disk is full; nothing is lost, and it may be tried again
  public void flush() throws StoreException {
    try {
      entries.flush();
      batches.flush();
      treeFile.flush();
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /// Makes sure that everything survives a loss of power, and makes the next opening fast. Some
  /// milliseconds, so not for every entry. The writer's.
  ///
  /// @throws StoreException if the disk is full; nothing is lost, and it may be tried again
  public void sync() throws StoreException {
    try {
      flush();
      entries.sync();
      batches.sync();
      treeFile.sync();
      Path fresh = dir.resolve("synced.new");
      Files.writeString(
          fresh,
          "perseid record store 1\nentries " + count + "\nbatches " + batchCount + "\n",
          UTF_8);
      Files.move(fresh, dir.resolve("synced"), StandardCopyOption.ATOMIC_MOVE);
    } catch (StoreException e) {
      throw e;
    } catch (IOException e) {
      throw unwritable(e);
    }
  }

  /// Syncs and closes.
  @Override
  public void close() throws IOException {
    try (lockFile;
        treeFile;
        batches;
        entries) {
      sync();
    }
  }

  private StoreException unwritable(IOException e) {
    return new StoreException(
        "cannot write the record store in "
            + dir
            + ": "
            + e.getMessage()
            + "; free some space there (nothing is lost, it goes on at entry "
            + count
            + ")",
        e);
  }

  private static StoreException inUse(Path dir) {
    return new StoreException(
        "the record store in "
            + dir
            + " is in use by another process: stop it, or choose another directory");
  }
}
