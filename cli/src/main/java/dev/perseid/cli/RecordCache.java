package dev.perseid.cli;

import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/// Tables that earlier queries loaded, a file for each choice of sources, so that who asks the same
/// records again waits for no loading. A file's name says what it was loaded from and how that was
/// then; it counts only while that is so, and while its bytes are those that were written. The
/// folder may be deleted at any time, and whatever goes wrong here costs only the loading.
final class RecordCache {
  private static final Pattern NAME =
      Pattern.compile("([0-9a-f]{64})-(-1|\\d+)-([0-9a-f]{64})(?:-([0-9a-f]{8}))?\\.duckdb");
  private static final String UNFINISHED = "part-";
  private static final int READ_BYTES = 1 << 20;

  private final Path folder;

  RecordCache(Path folder) {
    this.folder = folder;
  }

  /// How the sources are, if nothing has come to them since an index of the pool's log.
  interface State {
    /// @param newest the highest index among the records; -1: none is of a pool
    /// @return a digest; empty if there is more, or if it cannot be said for certain
    Optional<String> at(long newest) throws BadInput, PoolFailure, IOException;
  }

  /// Opens the tables of earlier, if the sources are as they were.
  ///
  /// @param question a digest of what is asked of
  /// @return whether the table has all records now
  boolean open(RecordTable table, String question, State state)
      throws BadInput, PoolFailure, SQLException {
    try {
      for (Path file : of(question)) {
        Matcher name = NAME.matcher(file.getFileName().toString());
        if (name.matches()
            && state.at(Long.parseLong(name.group(2))).equals(Optional.of(name.group(3)))) {
          if (checksum(file).equals(name.group(4)) && opened(table, file)) {
            used(file);
            return true;
          }
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      // Loading says what is wrong, if that is with the sources.
    }
    return false;
  }

  /// CRC-32C of a file (RFC 9260, Appendix A): a disk that forgets does not do it on purpose.
  private static String checksum(Path file) throws IOException {
    CRC32C sum = new CRC32C();
    ByteBuffer part = ByteBuffer.allocateDirect(READ_BYTES);
    try (FileChannel channel = FileChannel.open(file)) {
      while (channel.read(part) >= 0) {
        sum.update(part.flip());
        part.clear();
      }
    }
    return HexFormat.of().toHexDigits((int) sum.getValue());
  }

  /// Through a name that is gone before anybody's query runs: the database lets queries write to
  /// the paths of what is open, and there is nothing at this one and no folder for it any more.
  private boolean opened(RecordTable table, Path file) throws SQLException, IOException {
    Path part = Files.createTempDirectory(folder, UNFINISHED);
    try {
      Path link = part.resolve("records");
      Files.createLink(link, file);
      table.openKept(link);
    } catch (IOException | SQLException | UnsupportedOperationException e) {
      // Damaged, of another version, or on a disk without links.
      Folders.delete(part);
      return false;
    }
    try {
      Folders.delete(part);
      return true;
    } catch (IOException e) {
      // A system where what is open has to keep its name.
      table.closeKept();
      return false;
    }
  }

  private static void used(Path file) {
    try {
      Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
    } catch (IOException e) {
      // Then it goes sooner than others.
    }
  }

  /// Keeps a table's records, and lets go of those that were asked longest ago if there are too
  /// many.
  ///
  /// @param state as [State#at] says it after loading
  void keep(RecordTable table, String question, long newest, String state)
      throws IOException, SQLException {
    Files.createDirectories(folder);
    if (Files.getFileAttributeView(folder, PosixFileAttributeView.class) != null) {
      Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwx------"));
    }
    if (Files.getFileStore(folder).getUsableSpace() < 2 * QueryLimits.KEPT_BYTES) {
      return;
    }
    Path part = Files.createTempDirectory(folder, UNFINISHED);
    try {
      Path written = part.resolve("records");
      table.keep(written);
      // What it replaces can still be read by who has it open.
      for (Path older : of(question)) {
        Files.deleteIfExists(older);
      }
      Files.move(
          written,
          folder.resolve(
              question + "-" + newest + "-" + state + "-" + checksum(written) + ".duckdb"),
          StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Folders.delete(part);
    }
    sweep();
  }

  private List<Path> of(String question) throws IOException {
    return all().stream()
        .filter(file -> file.getFileName().toString().startsWith(question + "-"))
        .toList();
  }

  /// The files that are kept, the one asked last first.
  private List<Path> all() throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    record Kept(Path file, FileTime used) {}
    List<Kept> kept = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> NAME.matcher(f.getFileName() + "").matches()).toList()) {
        kept.add(new Kept(file, Files.getLastModifiedTime(file)));
      }
    }
    return kept.stream()
        .sorted(Comparator.comparing(Kept::used).reversed().thenComparing(Kept::file))
        .map(Kept::file)
        .toList();
  }

  private void sweep() throws IOException {
    long bytes = 0;
    for (Path file : all()) {
      bytes += Files.size(file);
      if (bytes > QueryLimits.KEPT_BYTES) {
        Files.deleteIfExists(file);
      }
    }
    // What a command left that was stopped while it wrote.
    FileTime old = FileTime.from(Instant.now().minusSeconds(QueryLimits.UNFINISHED_S));
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        if (file.getFileName().toString().startsWith(UNFINISHED)
            && Files.getLastModifiedTime(file).compareTo(old) < 0) {
          Folders.delete(file);
        }
      }
    }
  }
}
