package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.node.PoolClient;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/// The files and stored blobs that a job names. Each file is read and hashed once, however many
/// tasks use it.
final class LocalFiles {
  /// Tells the size of a blob that the pool holds; empty if it does not hold it.
  interface Stored {
    OptionalLong sizeOf(Hash hash) throws BadInput;

    /// No pool is asked: every stored blob is refused.
    Stored NONE = hash -> OptionalLong.empty();
  }

  private final Path folder;
  private final Map<String, Path> replaced;
  private final Stored stored;
  private final Map<String, Input.Stored> inputs = new LinkedHashMap<>();
  private final Map<Hash, Upload> uploads = new LinkedHashMap<>();

  /// @param folder where relative paths start
  /// @param replaced files to take in place of those that the job names
  LocalFiles(Path folder, Map<String, Path> replaced, Stored stored) {
    this.folder = folder;
    this.replaced = replaced;
    this.stored = stored;
  }

  /// What must be in the pool, in the order of first use.
  List<Upload> uploads() {
    return List.copyOf(uploads.values());
  }

  /// The input that a file path or `sha256:HEX` means.
  Input.Stored input(Placed<String> source) throws BadInput {
    Input.Stored known = inputs.get(source.value());
    if (known == null) {
      known = new Input.Stored(blob(source));
      inputs.put(source.value(), known);
    }
    return known;
  }

  private Blob blob(Placed<String> source) throws BadInput {
    String text = source.value();
    if (text.startsWith("sha256:")) {
      Hash hash;
      try {
        hash = Hash.parse(text);
      } catch (IllegalArgumentException e) {
        throw source.wrong("'" + text + "' is no hash", "write sha256: and 64 hexadecimal digits");
      }
      if (hash.equals(Hash.EMPTY_BLOB)) {
        return Blob.EMPTY;
      }
      OptionalLong size = stored.sizeOf(hash);
      if (size.isEmpty()) {
        throw source.wrong(
            "the pool has no blob " + text + " of yours", "write the path of the file instead");
      }
      return new Blob(hash, size.getAsLong());
    }
    Path path = path(source);
    Blob blob;
    try (InputStream in = Files.newInputStream(path)) {
      blob = hash(in);
    } catch (IOException e) {
      throw source.wrong("'" + path + "' cannot be read: " + e.getMessage(), "make it readable");
    }
    if (blob.sizeBytes() > 0) {
      uploads.putIfAbsent(
          blob.hash(), new Upload(blob, PoolClient.Content.of(path), path.toString()));
    }
    return blob;
  }

  /// The path of a file that exists.
  Path path(Placed<String> source) throws BadInput {
    Path path = replaced.getOrDefault(source.value(), folder.resolve(source.value()));
    if (Files.isDirectory(path)) {
      throw source.wrong("'" + path + "' is a folder", "name a file in it");
    }
    if (!Files.isRegularFile(path)) {
      throw source.wrong(
          "there is no file '" + path + "'",
          neighbour(path)
              .map(near -> "did you mean '" + near + "'?")
              .orElse("paths start at the job file's folder; an output is written task:0"));
    }
    return path;
  }

  /// SHA-256 and size of what can be read to the end.
  static Blob hash(InputStream in) throws IOException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
    long size = 0;
    byte[] block = new byte[1 << 16];
    int n = in.read(block);
    while (n >= 0) {
      digest.update(block, 0, n);
      size += n;
      n = in.read(block);
    }
    return new Blob(Hash.of(digest.digest()), size);
  }

  private static Optional<String> neighbour(Path path) {
    Path folder = path.toAbsolutePath().getParent();
    Path name = path.getFileName();
    if (folder == null || name == null || !Files.isDirectory(folder)) {
      return Optional.empty();
    }
    List<String> names = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      files
          .filter(Files::isRegularFile)
          .limit(10_000)
          .forEach(file -> names.add(file.getFileName() + ""));
    } catch (IOException e) {
      return Optional.empty(); // only advice is lost
    }
    names.sort(null);
    return Nearest.to(name.toString(), names).map(near -> path.resolveSibling(near).toString());
  }
}
