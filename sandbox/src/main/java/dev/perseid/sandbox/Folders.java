package dev.perseid.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import org.jspecify.annotations.Nullable;

/// Scratch folders.
final class Folders {
  private Folders() {}

  /// Deletes a folder and all in it without following links; what cannot be deleted stays.
  static void delete(Path folder) {
    walk(
        folder,
        new SimpleFileVisitor<Path>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            deleteQuietly(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            if (opened(file)) {
              delete(file);
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException e) {
            deleteQuietly(dir);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  /// How much is in a folder.
  ///
  /// @param bytes of its files together
  /// @param files files and folders
  record Size(long bytes, long files) {}

  /// How much is in a folder that somebody may be changing, and may not want to be looked into;
  /// links are not followed. Stops counting at [Limits#NATIVE_FILES].
  ///
  /// @param ended whether nobody changes it any more: only then may rights be changed, as a path
  ///   can be turned into a link
  static Size size(Path folder, boolean ended) {
    long[] sum = new long[2];
    walk(
        folder,
        new SimpleFileVisitor<Path>() {
          @Override
          public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
            sum[1]++;
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            sum[0] += attributes.isRegularFile() ? attributes.size() : 0;
            return sum[1]++ > Limits.NATIVE_FILES
                ? FileVisitResult.TERMINATE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            sum[1]++;
            if (ended && opened(file)) {
              Size inside = size(file, true);
              sum[0] += inside.bytes;
              sum[1] += inside.files;
            }
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path dir, @Nullable IOException e) {
            return FileVisitResult.CONTINUE;
          }
        });
    return new Size(sum[0], sum[1]);
  }

  /// Whether a folder could not be looked into and now can.
  private static boolean opened(Path file) {
    if (!Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS) || Files.isReadable(file)) {
      return false;
    }
    try {
      Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
      return Files.isReadable(file);
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  private static void walk(Path folder, SimpleFileVisitor<Path> visitor) {
    try {
      Files.walkFileTree(folder, visitor);
    } catch (IOException e) {
      // what could not be seen does not count, and what could not be deleted stays
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
