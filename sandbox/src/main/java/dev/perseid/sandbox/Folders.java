package dev.perseid.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Scratch folders.
final class Folders {
  private static final Set<PosixFilePermission> ALL = PosixFilePermissions.fromString("rwx------");

  private Folders() {}

  /// Deletes a folder and all in it without following links, however deep it is and whatever rights
  /// were taken away. Nobody may be changing it any more, as rights are given back by path.
  ///
  /// No path gets long and no more than two folders are open: what is in a folder of the folder is
  /// moved up, until nothing is left.
  static void delete(Path folder) {
    if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
      deleteQuietly(folder);
      return;
    }
    Lift lift = new Lift(folder);
    while (lift.pass()) {}
    deleteQuietly(folder);
  }

  /// Empties a folder from its top.
  private static final class Lift {
    private final Path top;
    private final String mark = ".lifted-" + Long.toHexString(System.nanoTime()) + "-";
    private long lifted;

    Lift(Path top) {
      this.top = top;
    }

    /// Goes through the folder once; whether anything was deleted or moved, so that another time is
    /// worth it.
    boolean pass() {
      boolean done = false;
      try {
        Files.setPosixFilePermissions(top, ALL);
        try (DirectoryStream<Path> in = Files.newDirectoryStream(top)) {
          if (in instanceof SecureDirectoryStream<Path> secure) {
            for (Path entry : secure) {
              done |= clear(secure, entry.getFileName());
            }
          }
        }
      } catch (IOException | DirectoryIteratorException e) {
        return done; // what cannot be read stays
      }
      return done;
    }

    private boolean clear(SecureDirectoryStream<Path> in, Path name) {
      boolean done = false;
      try {
        if (!opened(in, name, top.resolve(name))) {
          in.deleteFile(name);
          return true;
        }
        try (SecureDirectoryStream<Path> inner =
            in.newDirectoryStream(name, LinkOption.NOFOLLOW_LINKS)) {
          for (Path entry : inner) {
            done |= lift(inner, name, entry.getFileName(), in);
          }
        }
        in.deleteDirectory(name);
        return true;
      } catch (IOException | DirectoryIteratorException e) {
        return done;
      }
    }

    private boolean lift(
        SecureDirectoryStream<Path> from, Path folder, Path name, SecureDirectoryStream<Path> to) {
      try {
        // A folder must be writable to be moved, for its "..".
        if (opened(from, name, top.resolve(folder).resolve(name))) {
          from.move(name, to, Path.of(mark + lifted++));
        } else {
          from.deleteFile(name);
        }
        return true;
      } catch (IOException e) {
        return false;
      }
    }

    /// Whether it is a folder, which can now be read and changed.
    private static boolean opened(SecureDirectoryStream<Path> in, Path name, Path path)
        throws IOException {
      PosixFileAttributes is =
          in.getFileAttributeView(name, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
              .readAttributes();
      if (is.isDirectory() && !is.permissions().containsAll(ALL)) {
        Files.setPosixFilePermissions(path, ALL);
      }
      return is.isDirectory();
    }
  }

  /// How much is in a folder.
  ///
  /// @param bytes of its files together
  /// @param files files and folders
  /// @param hidden whether there are folders that cannot be looked into
  /// @param deep whether there are folders nested deeper than [Limits#NATIVE_DEPTH]
  record Size(long bytes, long files, boolean hidden, boolean deep) {}

  /// How much is in a folder that somebody may be changing, and may not want to be looked into;
  /// links are not followed. Stops counting at [Limits#NATIVE_FILES].
  ///
  /// @param ended whether nobody changes it any more: only then may rights be changed, as a path
  ///   can be turned into a link
  static Size size(Path folder, boolean ended) {
    Count count = new Count(folder, ended);
    count.walk(folder);
    return new Size(count.bytes, count.files, count.hidden, count.deep);
  }

  private static final class Count extends SimpleFileVisitor<Path> {
    final Path top;
    final boolean ended;
    long bytes;
    long files;
    boolean hidden;
    boolean deep;

    Count(Path top, boolean ended) {
      this.top = top;
      this.ended = ended;
    }

    /// Each level that it is in keeps a folder open.
    void walk(Path from) {
      int levels = Limits.NATIVE_DEPTH - (from.getNameCount() - top.getNameCount());
      try {
        Files.walkFileTree(from, Set.of(), levels, this);
      } catch (IOException e) {
        hidden = true;
      }
    }

    private FileVisitResult next() {
      return files++ > Limits.NATIVE_FILES ? FileVisitResult.TERMINATE : FileVisitResult.CONTINUE;
    }

    @Override
    public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
      if (ended) {
        var _ = opened(dir); // its names can be read, but perhaps nothing else
      }
      return next();
    }

    @Override
    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
      bytes += attributes.isRegularFile() ? attributes.size() : 0;
      deep |= attributes.isDirectory();
      return next();
    }

    @Override
    public FileVisitResult visitFileFailed(Path file, IOException e) {
      if (e instanceof NoSuchFileException) {
        return FileVisitResult.CONTINUE; // deleted meanwhile
      }
      if (ended && opened(file)) {
        walk(file);
      } else {
        hidden = true;
      }
      return next();
    }

    @Override
    public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException e) {
      hidden |= e != null;
      return FileVisitResult.CONTINUE;
    }
  }

  /// Whether a folder could not be looked into and now can.
  private static boolean opened(Path file) {
    if (!Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)
        || (Files.isReadable(file) && Files.isExecutable(file))) {
      return false;
    }
    try {
      Files.setPosixFilePermissions(file, ALL);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /// A hard link where it can only be read, so that nothing is copied; else a copy.
  static void place(Path from, Path to) throws IOException {
    try {
      Files.createLink(to, from.toRealPath());
    } catch (IOException | UnsupportedOperationException e) {
      Files.deleteIfExists(to); // another file system
      Files.copy(from, to);
    }
  }

  static byte[] sha256(Path file) throws IOException {
    MessageDigest digest = MemoryTree.sha256();
    try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
    return digest.digest();
  }

  static void deleteQuietly(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // scratch: the next opening tries again
    }
  }
}
