package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// Who may read which blob: who has stored it here, and whom the pool has told of it (in a lease,
/// or as a result). Knowing a hash alone opens nothing, for hashes stand in receipts that are shown
/// around.
///
/// A grant is kept as the first 16 bytes of SHA-256(address, hash), in memory and in a file, so
/// that it outlives a restart. The newest [PoolLimits#GRANTS] are kept for sure; whoever loses an
/// older one stores the blob again or asks for the result again. Safe for any thread.
final class BlobGrants implements Closeable {
  private static final int BYTES = 16;

  /// 128 bits of a digest.
  private record Grant(long a, long b) {}

  private final Path dir;
  private Set<Grant> young = new HashSet<>();
  private Set<Grant> old = new HashSet<>();
  private FileChannel file;

  private BlobGrants(Path dir) throws IOException {
    this.dir = dir;
    old = read(dir.resolve("grants.old"));
    young = read(dir.resolve("grants"));
    file = append(dir);
    // A kill may have torn the last grant.
    file.truncate(file.size() / BYTES * BYTES);
  }

  static BlobGrants open(Path dir) throws IOException {
    Files.createDirectories(dir);
    return new BlobGrants(dir);
  }

  private static FileChannel append(Path dir) throws IOException {
    return FileChannel.open(
        dir.resolve("grants"), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  private static Set<Grant> read(Path file) throws IOException {
    Set<Grant> grants = new HashSet<>();
    if (Files.exists(file)) {
      ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file));
      while (in.remaining() >= BYTES && grants.size() < PoolLimits.GRANTS) {
        grants.add(new Grant(in.getLong(), in.getLong()));
      }
    }
    return grants;
  }

  private static Grant of(Address who, Hash what) {
    Hash h = Hash.sha256(ByteBuffer.allocate(52).put(who.bytes()).put(what.bytes()).array());
    return new Grant(h.a(), h.b());
  }

  /// Whether `who` may read `what`.
  synchronized boolean has(Address who, Hash what) {
    Grant g = of(who, what);
    return young.contains(g) || old.contains(g);
  }

  /// From now on, `who` may read `what`.
  void give(Address who, Hash what) throws IOException {
    give(who, List.of(what));
  }

  /// From now on, `who` may read all of them.
  synchronized void give(Address who, Collection<Hash> all) throws IOException {
    ByteBuffer out = ByteBuffer.allocate(all.size() * BYTES);
    for (Hash what : all) {
      Grant g = of(who, what);
      if (young.add(g)) {
        out.putLong(g.a()).putLong(g.b());
      }
    }
    out.flip();
    while (out.hasRemaining()) {
      file.write(out);
    }
    if (young.size() >= PoolLimits.GRANTS) {
      file.close();
      Files.move(
          dir.resolve("grants"), dir.resolve("grants.old"), StandardCopyOption.REPLACE_EXISTING);
      old = young;
      young = new HashSet<>();
      file = append(dir);
    }
  }

  @Override
  public synchronized void close() throws IOException {
    file.close();
  }
}
