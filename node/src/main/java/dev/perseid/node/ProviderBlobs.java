package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/// The provider's store of blobs: files named by their SHA-256, up to a limit in bytes, the least
/// recently used going first.
///
/// A blob is verified when it arrives, and again at its first use after a restart. What somebody
/// has borrowed, or is waiting for, is never removed. However many tasks want a blob, it is fetched
/// once at a time. Safe for any number of threads.
final class ProviderBlobs {
  /// Brings the content of a blob into a file, which may hold a beginning of it already.
  interface Source {
    /// Returns when the file has all bytes.
    void fetch(Blob blob, Path into) throws TransferFailed, InterruptedException;
  }

  /// Blobs that stay where they are until it is closed.
  final class Loan implements AutoCloseable {
    private final Map<Hash, Entry> entries;
    private long fetchedBytes;
    private boolean closed;

    private Loan(Map<Hash, Entry> entries) {
      this.entries = entries;
    }

    /// The file of a borrowed blob that is not empty.
    Path path(Blob blob) {
      if (!entries.containsKey(blob.hash())) {
        throw new IllegalArgumentException("blob " + blob.hash() + " is not part of this loan");
      }
      return file(blob.hash());
    }

    /// Bytes that had to be fetched for this loan; what another loan fetched counts there.
    long fetchedBytes() {
      return fetchedBytes;
    }

    /// The files may not be what they were: they are verified before anybody uses them again.
    void doubt() {
      lock.lock();
      try {
        for (Entry e : entries.values()) {
          if (e.state == State.PRESENT) {
            e.state = State.UNVERIFIED;
          }
        }
      } finally {
        lock.unlock();
      }
    }

    @Override
    public void close() {
      lock.lock();
      try {
        if (!closed) {
          closed = true;
          entries.values().forEach(ProviderBlobs.this::unpin);
          changed.signalAll();
        }
      } finally {
        lock.unlock();
      }
    }
  }

  private enum State {
    /// Room is reserved, the content is not there.
    ABSENT,
    /// The file was there when this process started, or is in doubt.
    UNVERIFIED,
    PRESENT
  }

  private static final class Entry {
    final Blob blob;
    State state;
    int pins;
    boolean busy;

    Entry(Blob blob, State state) {
      this.blob = blob;
      this.state = state;
    }
  }

  private final Path directory;
  private final Path partial;
  private final long limitBytes;
  private final long roomMs;
  private final Source source;
  private final Semaphore fetches = new Semaphore(ProviderLimits.FETCHES);
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final LinkedHashMap<Hash, Entry> entries = new LinkedHashMap<>(64, 0.75f, true);

  /// Of blobs here, on their way, or with room reserved.
  private long usedBytes;

  /// Of those that nobody has borrowed.
  private long idleBytes;

  private ProviderBlobs(Path directory, long limitBytes, long roomMs, Source source) {
    this.directory = directory;
    this.partial = directory.resolve("partial");
    this.limitBytes = limitBytes;
    this.roomMs = roomMs;
    this.source = source;
  }

  /// Opens the store in a folder of its own, with what an earlier process left there.
  ///
  /// @param limitBytes what all blobs together may take; older ones are removed to keep it
  /// @param roomMs how long a loan waits for room that other loans take
  static ProviderBlobs open(Path directory, long limitBytes, long roomMs, Source source)
      throws IOException {
    ProviderBlobs blobs = new ProviderBlobs(directory.toAbsolutePath(), limitBytes, roomMs, source);
    blobs.load();
    return blobs;
  }

  private void load() throws IOException {
    Files.createDirectories(partial);
    try (Stream<Path> left = Files.list(partial)) {
      for (Path p : left.toList()) {
        Files.delete(p);
      }
    }
    record Found(Hash hash, long size, FileTime used) {}
    List<Found> found = new ArrayList<>();
    try (Stream<Path> files = Files.walk(directory, 2)) {
      for (Path p : files.filter(Files::isRegularFile).toList()) {
        String name = p.getFileName().toString();
        if (name.matches("[0-9a-f]{64}") && p.equals(file(Hash.parse(name)))) {
          found.add(new Found(Hash.parse(name), Files.size(p), Files.getLastModifiedTime(p)));
        }
      }
    }
    found.sort((x, y) -> x.used().compareTo(y.used()));
    for (Found f : found) {
      entries.put(f.hash(), new Entry(new Blob(f.hash(), f.size()), State.UNVERIFIED));
      usedBytes += f.size();
      idleBytes += f.size();
    }
    evict(0, Map.of());
  }

  /// Borrows blobs if all of them are here and verified; never blocks on disk or network. Empty
  /// blobs need not be borrowed and are skipped.
  Optional<Loan> borrowPresent(List<Blob> blobs) {
    lock.lock();
    try {
      Map<Hash, Entry> wanted = HashMap.newHashMap(blobs.size());
      for (Blob b : blobs) {
        if (b.sizeBytes() == 0) {
          continue;
        }
        Entry e = entries.get(b.hash());
        if (e == null || e.state != State.PRESENT || e.blob.sizeBytes() != b.sizeBytes()) {
          return Optional.empty();
        }
        wanted.put(b.hash(), e);
      }
      wanted.values().forEach(this::pin);
      return Optional.of(new Loan(wanted));
    } finally {
      lock.unlock();
    }
  }

  /// Borrows blobs, fetching what is missing. Room for all of them is reserved before the first is
  /// fetched, so two loans never wait for each other.
  ///
  /// @throws TransferFailed if one cannot be had, or there is no room for them
  Loan borrow(List<Blob> blobs) throws TransferFailed, InterruptedException {
    Map<Hash, Blob> distinct = new LinkedHashMap<>();
    for (Blob b : blobs) {
      if (b.sizeBytes() > 0) {
        Blob other = distinct.putIfAbsent(b.hash(), b);
        if (other != null && other.sizeBytes() != b.sizeBytes()) {
          throw new TransferFailed("blob " + b.hash() + " was announced with two sizes");
        }
      } else if (!b.equals(Blob.EMPTY)) {
        throw new TransferFailed("blob " + b.hash() + " cannot be empty: its hash is another");
      }
    }
    Loan loan = new Loan(reserve(distinct));
    boolean complete = false;
    try {
      for (Entry e : loan.entries.values()) {
        loan.fetchedBytes += obtain(e);
      }
      complete = true;
      return loan;
    } finally {
      if (!complete) {
        loan.close();
      }
    }
  }

  /// Keeps bytes that were made here, if there is room; nobody waits for it.
  void keep(Blob blob, byte[] bytes) {
    keep(blob, into -> Files.write(into, bytes));
  }

  /// Keeps a file that was made here by moving it, if there is room; else leaves it.
  void keep(Blob blob, Path made) {
    keep(blob, into -> Files.move(made, into, StandardCopyOption.REPLACE_EXISTING));
  }

  private interface Filling {
    void into(Path file) throws IOException;
  }

  private void keep(Blob blob, Filling filling) {
    if (blob.sizeBytes() == 0 || blob.sizeBytes() > limitBytes / 4) {
      return;
    }
    Entry e = new Entry(blob, State.ABSENT);
    lock.lock();
    try {
      if (entries.containsKey(blob.hash())
          || usedBytes - idleBytes + blob.sizeBytes() > limitBytes) {
        return;
      }
      evict(blob.sizeBytes(), Map.of());
      e.busy = true;
      e.pins = 1;
      entries.put(blob.hash(), e);
      usedBytes += blob.sizeBytes();
    } finally {
      lock.unlock();
    }
    boolean kept = false;
    try {
      Path arriving = arriving(e);
      filling.into(arriving);
      Files.createDirectories(file(blob.hash()).getParent());
      Files.move(arriving, file(blob.hash()), StandardCopyOption.ATOMIC_MOVE);
      kept = true;
    } catch (IOException ignored) {
      // A cache that cannot be filled is no failure: the pool has the blob.
    } finally {
      lock.lock();
      try {
        e.busy = false;
        e.state = kept ? State.PRESENT : State.ABSENT;
        unpin(e);
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  /// Bytes of all blobs here or on their way.
  long usedBytes() {
    lock.lock();
    try {
      return usedBytes;
    } finally {
      lock.unlock();
    }
  }

  private Map<Hash, Entry> reserve(Map<Hash, Blob> wanted)
      throws TransferFailed, InterruptedException {
    long total = wanted.values().stream().mapToLong(Blob::sizeBytes).sum();
    if (total > limitBytes || total < 0) {
      throw new TransferFailed(
          "the task needs "
              + total
              + " bytes of blobs at once, this provider's cache holds "
              + limitBytes);
    }
    long leftNs = TimeUnit.MILLISECONDS.toNanos(roomMs);
    lock.lockInterruptibly();
    try {
      while (true) {
        long missing = 0;
        long idleWanted = 0;
        for (Blob b : wanted.values()) {
          Entry e = entries.get(b.hash());
          if (e == null) {
            missing += b.sizeBytes();
          } else if (e.blob.sizeBytes() != b.sizeBytes()) {
            throw new TransferFailed(
                "blob "
                    + b.hash()
                    + " was announced with "
                    + b.sizeBytes()
                    + " bytes and has "
                    + e.blob.sizeBytes());
          } else if (e.pins == 0) {
            idleWanted += b.sizeBytes();
          }
        }
        if (usedBytes - (idleBytes - idleWanted) + missing <= limitBytes) {
          evict(missing, wanted);
          break;
        }
        if (leftNs <= 0) {
          throw new TransferFailed(
              "no room for "
                  + missing
                  + " bytes of blobs: other tasks use this provider's cache of "
                  + limitBytes
                  + " bytes");
        }
        leftNs = changed.awaitNanos(leftNs);
      }
      Map<Hash, Entry> pinned = new LinkedHashMap<>();
      for (Blob b : wanted.values()) {
        Entry e = entries.get(b.hash());
        if (e == null) {
          e = new Entry(b, State.ABSENT);
          entries.put(b.hash(), e);
          usedBytes += b.sizeBytes();
          idleBytes += b.sizeBytes();
        }
        pin(e);
        pinned.put(b.hash(), e);
      }
      return pinned;
    } finally {
      lock.unlock();
    }
  }

  /// Makes a pinned entry present: by verifying it, by fetching it, or by waiting for another
  /// thread that does. Returns the bytes fetched.
  private long obtain(Entry e) throws TransferFailed, InterruptedException {
    boolean here;
    lock.lockInterruptibly();
    try {
      while (e.busy) {
        changed.await();
      }
      if (e.state == State.PRESENT) {
        return 0;
      }
      here = e.state == State.UNVERIFIED;
      e.busy = true;
    } finally {
      lock.unlock();
    }
    boolean present = false;
    long fetchedBytes = 0;
    try {
      present = here && holds(file(e.blob.hash()), e.blob);
      if (!present) {
        fetches.acquire();
        try {
          fetchedBytes = fetch(e);
        } finally {
          fetches.release();
        }
        present = true;
      }
      return fetchedBytes;
    } catch (IOException x) {
      throw new TransferFailed("blob " + e.blob.hash() + " could not be written to disk: " + x);
    } finally {
      lock.lock();
      try {
        e.busy = false;
        e.state = present ? State.PRESENT : State.ABSENT;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }
  }

  private long fetch(Entry e) throws IOException, TransferFailed, InterruptedException {
    Path arriving = arriving(e);
    for (int i = 0; i < ProviderLimits.CORRUPT_FETCHES; i++) {
      source.fetch(e.blob, arriving);
      if (holds(arriving, e.blob)) {
        Files.createDirectories(file(e.blob.hash()).getParent());
        Files.move(arriving, file(e.blob.hash()), StandardCopyOption.ATOMIC_MOVE);
        return e.blob.sizeBytes();
      }
      Files.deleteIfExists(arriving);
    }
    throw new TransferFailed(
        "blob "
            + e.blob.hash()
            + " arrived "
            + ProviderLimits.CORRUPT_FETCHES
            + " times with another content");
  }

  private void pin(Entry e) {
    if (e.pins++ == 0) {
      idleBytes -= e.blob.sizeBytes();
    }
  }

  private void unpin(Entry e) {
    if (--e.pins > 0) {
      return;
    }
    if (e.state == State.ABSENT) {
      entries.remove(e.blob.hash());
      usedBytes -= e.blob.sizeBytes();
      delete(arriving(e));
      delete(file(e.blob.hash()));
    } else {
      idleBytes += e.blob.sizeBytes();
    }
  }

  private void evict(long roomBytes, Map<Hash, ?> except) {
    Iterator<Entry> oldest = entries.values().iterator();
    while (usedBytes + roomBytes > limitBytes && oldest.hasNext()) {
      Entry e = oldest.next();
      if (e.pins == 0 && !except.containsKey(e.blob.hash())) {
        oldest.remove();
        usedBytes -= e.blob.sizeBytes();
        idleBytes -= e.blob.sizeBytes();
        delete(file(e.blob.hash()));
      }
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean holds(Path file, Blob blob) throws IOException {
    if (!Files.exists(file) || Files.size(file) != blob.sizeBytes()) {
      return false;
    }
    MessageDigest sha256 = sha256();
    byte[] buffer = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      int n;
      while ((n = in.read(buffer)) >= 0) {
        sha256.update(buffer, 0, n);
      }
    }
    return Hash.of(sha256.digest()).equals(blob.hash());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  private Path file(Hash hash) {
    String hex = hash.hex();
    return directory.resolve(hex.substring(0, 2)).resolve(hex);
  }

  private Path arriving(Entry e) {
    return partial.resolve(e.blob.hash().hex());
  }
}
