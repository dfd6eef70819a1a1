package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/// The pool's blobs: one file each, named by the SHA-256 of its bytes. A blob appears whole or not
/// at all; an upload that breaks can be taken up again by whoever began it. Safe for any thread.
final class BlobStore {
  /// What became of (a piece of) an upload.
  sealed interface Put {
    /// The blob is here.
    record Stored() implements Put {}

    /// The bytes ended early; so many are here.
    record Partial(long haveBytes) implements Put {}

    /// The piece begins elsewhere than where what is here ends.
    record WrongOffset(long haveBytes) implements Put {}

    /// The bytes have another hash; they were thrown away.
    record WrongHash(Hash actual) implements Put {}

    /// The same caller is sending the same blob already.
    record Busy() implements Put {}

    /// Larger than a blob may be.
    record TooLarge() implements Put {}

    /// There is no room.
    record Full(String why) implements Put {}
  }

  private static final int BUFFER_BYTES = 1 << 16;

  private final Path whole;
  private final Path partial;
  private final long limitBytes;
  private final AtomicLong usedBytes = new AtomicLong();
  // Bytes that uploads have been promised room for and that have not come yet.
  private final AtomicLong comingBytes = new AtomicLong();
  private final Set<Path> receiving = ConcurrentHashMap.newKeySet();

  private BlobStore(Path dir, long limitBytes) {
    this.whole = dir.resolve("whole");
    this.partial = dir.resolve("partial");
    this.limitBytes = limitBytes;
  }

  /// Opens the store, making it if there is none. How much it holds is counted in the background: a
  /// store of many files must not delay the start.
  ///
  /// @param limitBytes disk space for all blobs together
  static BlobStore open(Path dir, long limitBytes) throws IOException {
    BlobStore store = new BlobStore(dir, limitBytes);
    Files.createDirectories(store.whole);
    Files.createDirectories(store.partial);
    Thread.ofVirtual().name("blob-count").start(store::count);
    return store;
  }

  private void count() {
    long oldest = System.currentTimeMillis() - PoolLimits.PARTIAL_UPLOAD_MS;
    SimpleFileVisitor<Path> visitor =
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes a) throws IOException {
            if (file.startsWith(partial)
                && a.lastModifiedTime().toMillis() < oldest
                && !receiving.contains(file)) {
              Files.deleteIfExists(file);
            } else {
              usedBytes.addAndGet(a.size());
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE; // gone meanwhile
          }
        };
    try {
      Files.walkFileTree(partial, visitor);
      Files.walkFileTree(whole, visitor);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list the blobs in " + whole, e);
    }
  }

  private Path file(Hash hash) {
    String hex = hash.hex();
    return whole.resolve(hex.substring(0, 2)).resolve(hex.substring(2, 4)).resolve(hex);
  }

  /// Whether exactly this blob is here. The empty blob always is.
  boolean has(Blob blob) {
    OptionalLong size = size(blob.hash());
    return size.isPresent() && size.getAsLong() == blob.sizeBytes();
  }

  /// The size of a blob that is here.
  OptionalLong size(Hash hash) {
    if (hash.equals(Hash.EMPTY_BLOB)) {
      return OptionalLong.of(0);
    }
    try {
      return OptionalLong.of(Files.size(file(hash)));
    } catch (NoSuchFileException e) {
      return OptionalLong.empty();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot look at blob " + hash, e);
    }
  }

  /// Where a blob lies that is here; it must not be changed.
  Optional<Path> path(Hash hash) {
    Path file = file(hash);
    return Files.isRegularFile(file) ? Optional.of(file) : Optional.empty();
  }

  /// The bytes of a blob that is here.
  FileChannel read(Hash hash) throws IOException {
    return FileChannel.open(file(hash), StandardOpenOption.READ);
  }

  private Path partialFile(Address by, Hash hash) {
    return partial.resolve(by.toString().substring(2) + "-" + hash.hex());
  }

  /// How many bytes of an upload that broke are here.
  long partialBytes(Address by, Hash hash) {
    try {
      return Files.size(partialFile(by, hash));
    } catch (IOException e) {
      return 0;
    }
  }

  /// Takes the bytes of a blob from `offset` on. Blocks until they came, or `in` ended or broke.
  ///
  /// @param by who sends
  /// @param totalBytes of the whole blob
  /// @throws IOException if the disk failed
  Put put(Address by, Hash hash, long offset, long totalBytes, InputStream in) throws IOException {
    if (totalBytes > PoolLimits.BLOB_BYTES) {
      return new Put.TooLarge();
    }
    Path file = partialFile(by, hash);
    if (!receiving.add(file)) {
      return new Put.Busy();
    }
    try {
      return receive(file, hash, offset, totalBytes, in);
    } finally {
      receiving.remove(file);
    }
  }

  private Put receive(Path file, Hash hash, long offset, long totalBytes, InputStream in)
      throws IOException {
    long have = Files.exists(file) ? Files.size(file) : 0;
    if (offset != 0 && offset != have) {
      return new Put.WrongOffset(have);
    }
    long more = totalBytes - offset;
    // Room is taken before the first byte comes, so that uploads at the same time cannot together
    // overrun what each of them alone would fit into.
    long used = usedBytes.addAndGet(more) - more - (have - offset);
    long coming = comingBytes.addAndGet(more);
    AtomicLong left = new AtomicLong(more);
    try {
      if (used + more > limitBytes) {
        return new Put.Full(
            "the pool keeps at most " + limitBytes + " bytes of blobs and has " + used);
      }
      long free = Files.getFileStore(partial).getUsableSpace();
      if (coming > free - PoolLimits.DISK_RESERVE_BYTES) {
        return new Put.Full("the pool's disk is full: " + free + " bytes are free");
      }
      return write(file, hash, offset, have, totalBytes, in, left);
    } finally {
      usedBytes.addAndGet(-left.get());
      comingBytes.addAndGet(-left.get());
    }
  }

  /// Takes the bytes; `left` counts down those that have not come.
  private Put write(
      Path file,
      Hash hash,
      long offset,
      long have,
      long totalBytes,
      InputStream in,
      AtomicLong left)
      throws IOException {
    MessageDigest digest = sha256();
    long at = offset;
    try (FileChannel out =
        FileChannel.open(
            file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      if (have > offset) {
        out.truncate(offset);
        usedBytes.addAndGet(offset - have);
      }
      byte[] buffer = new byte[(int) Math.max(1, Math.min(BUFFER_BYTES, totalBytes))];
      hashExisting(out, offset, buffer, digest);
      out.position(offset);
      while (at < totalBytes) {
        int n;
        try {
          n = in.read(buffer, 0, (int) Math.min(buffer.length, totalBytes - at));
        } catch (IOException | RuntimeException e) {
          n = -1; // The sender is gone; what came stays for when it returns.
        }
        if (n < 0) {
          return new Put.Partial(at);
        }
        ByteBuffer piece = ByteBuffer.wrap(buffer, 0, n);
        while (piece.hasRemaining()) {
          out.write(piece);
        }
        digest.update(buffer, 0, n);
        at += n;
        left.addAndGet(-n);
        comingBytes.addAndGet(-n);
      }
      Hash actual = Hash.of(digest.digest());
      if (!actual.equals(hash)) {
        Files.delete(file);
        usedBytes.addAndGet(-at);
        return new Put.WrongHash(actual);
      }
      out.force(true);
    }
    Path to = file(hash);
    if (Files.exists(to)) {
      Files.delete(file);
      usedBytes.addAndGet(-at);
    } else {
      Path folder = to.getParent();
      Files.createDirectories(folder);
      Files.move(file, to, StandardCopyOption.ATOMIC_MOVE);
      // The name is on disk only when its folder is.
      try (FileChannel names = FileChannel.open(folder, StandardOpenOption.READ)) {
        names.force(true);
      }
    }
    return new Put.Stored();
  }

  private static void hashExisting(FileChannel in, long bytes, byte[] buffer, MessageDigest digest)
      throws IOException {
    in.position(0);
    long at = 0;
    while (at < bytes) {
      int n = in.read(ByteBuffer.wrap(buffer, 0, (int) Math.min(buffer.length, bytes - at)));
      if (n < 0) {
        throw new IOException("a partial upload shrank while it was read");
      }
      digest.update(buffer, 0, n);
      at += n;
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
