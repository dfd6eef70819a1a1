package dev.perseid.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/// The models of a provider, as files: an OCI image layout in a folder of its own, every blob under
/// its SHA-256. Nothing gets there, and nothing is used from there, that does not match its hash;
/// an interrupted fetch goes on where it stopped, also after a restart.
///
/// One thread at a time.
final class ModelShelf {
  /// Where blobs come from.
  interface Source extends ProviderBlobs.Source {
    /// A blob of unknown size, whole.
    byte[] whole(Hash hash, int mostBytes) throws TransferFailed, InterruptedException;
  }

  private static final JsonMapper JSON = JsonMapper.builder().build();

  private final Path directory;
  private final Path blobs;
  private final Path partial;
  private final Source source;
  private final Consumer<String> notices;

  /// Verified since this process started.
  private final Set<Hash> verified = new HashSet<>();

  /// @param directory the layout's folder, made if it is not there
  /// @param notices is told when a file was damaged and is fetched again
  ModelShelf(Path directory, Source source, Consumer<String> notices) {
    this.directory = directory;
    this.blobs = directory.resolve("blobs").resolve("sha256");
    this.partial = directory.resolve("partial");
    this.source = source;
    this.notices = notices;
  }

  /// All files of a model, present and verified.
  ///
  /// @return by their names
  /// @throws ModelUnusable saying which one cannot be had, and why
  Map<String, Path> take(Model model) throws ModelUnusable, InterruptedException {
    try {
      Files.createDirectories(blobs);
      Files.createDirectories(partial);
      List<ModelFiles.File> all = described(model);
      makeRoom(all);
      for (ModelFiles.File file : all) {
        obtain(file, model);
      }
      Map<String, Path> files = new LinkedHashMap<>();
      for (ModelFiles.File file : named(all)) {
        files.put(file.title(), file(file.blob().hash()));
      }
      index(model);
      return files;
    } catch (IOException e) {
      throw new ModelUnusable(directory + " cannot be used: " + e);
    }
  }

  /// What [#take] gave, under the files' own names in a folder of the model's own, for formats in
  /// which one file names another. They are links, and take no room.
  Map<String, Path> byName(Model model, Map<String, Path> files) throws ModelUnusable {
    Path folder = directory.resolve("by-name").resolve(model.manifest().hex());
    try {
      Files.createDirectories(folder);
      Map<String, Path> named = new LinkedHashMap<>();
      for (Map.Entry<String, Path> file : files.entrySet()) {
        Path link = folder.resolve(file.getKey());
        Files.deleteIfExists(link);
        Files.createLink(link, file.getValue());
        named.put(file.getKey(), link);
      }
      return named;
    } catch (IOException e) {
      throw new ModelUnusable(folder + " cannot be used: " + e);
    }
  }

  /// The files that a model's manifest names, taken from elsewhere: verified where they are.
  ///
  /// @param from the model's only file, or a folder
  Map<String, Path> lend(Model model, Path from) throws ModelUnusable, InterruptedException {
    try {
      Files.createDirectories(blobs);
      List<ModelFiles.File> parts = named(described(model));
      boolean folder = Files.isDirectory(from);
      if (!folder && parts.size() != 1) {
        throw new ModelUnusable(
            "it has " + parts.size() + " files: name the folder that has them, not " + from);
      }
      Map<String, Path> files = new LinkedHashMap<>();
      for (ModelFiles.File part : parts) {
        Path file = folder ? from.resolve(part.title()) : from;
        if (!Files.isRegularFile(file)) {
          throw new ModelUnusable(
              "there is no file "
                  + file
                  + (folder ? ": the manifest names '" + part.title() + "'" : ""));
        }
        if (!holds(file, part.blob())) {
          throw new ModelUnusable(
              file
                  + " is not the published '"
                  + part.title()
                  + "' ("
                  + part.blob().hash()
                  + ", "
                  + part.blob().sizeBytes()
                  + " bytes): serve the published file, or publish this one as a new version");
        }
        files.put(part.title(), file);
      }
      return files;
    } catch (IOException e) {
      throw new ModelUnusable(from + " cannot be read: " + e);
    }
  }

  /// What the manifest names: first what describes the model, then its files.
  private List<ModelFiles.File> described(Model model)
      throws ModelUnusable, IOException, InterruptedException {
    try {
      return ModelFiles.files(manifest(model));
    } catch (ModelFiles.Wrong e) {
      throw new ModelUnusable(String.valueOf(e.getMessage()));
    }
  }

  /// The files without the description. A title is a name, never a way out of a folder.
  private static List<ModelFiles.File> named(List<ModelFiles.File> all) throws ModelUnusable {
    Set<String> titles = new HashSet<>();
    List<ModelFiles.File> files = all.subList(1, all.size());
    for (ModelFiles.File file : files) {
      String title = file.title();
      if (!title.matches("[^/\\\\\\p{Cntrl}]{1,255}") || title.equals(".") || title.equals("..")) {
        throw new ModelUnusable(
            "its manifest names a file '" + title + "', which is no name: publish it again");
      }
      if (!titles.add(title)) {
        throw new ModelUnusable(
            "its manifest names the file '" + title + "' twice: publish it again");
      }
    }
    return files;
  }

  /// The manifest's bytes: from here if they are good, else from the pool.
  byte[] manifest(Model model) throws ModelUnusable, IOException, InterruptedException {
    Path file = file(model.manifest());
    if (Files.exists(file) && Files.size(file) <= ServingLimits.MANIFEST_BYTES) {
      byte[] here = Files.readAllBytes(file);
      if (Hash.sha256(here).equals(model.manifest())) {
        return here;
      }
    }
    byte[] bytes;
    try {
      bytes = source.whole(model.manifest(), ServingLimits.MANIFEST_BYTES);
    } catch (TransferFailed e) {
      throw new ModelUnusable("its manifest: " + e.getMessage());
    }
    Files.createDirectories(partial);
    Path arriving = partial.resolve(model.manifest().hex());
    Files.write(arriving, bytes);
    Files.move(arriving, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    return bytes;
  }

  /// Notes the model in the layout's index, as tools for OCI layouts expect it.
  private void index(Model model) throws IOException {
    Files.writeString(directory.resolve("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}\n");
    Path file = directory.resolve("index.json");
    ObjectNode root = JSON.createObjectNode();
    root.put("schemaVersion", 2);
    ArrayNode manifests = root.putArray("manifests");
    String digest = "sha256:" + model.manifest().hex();
    if (Files.exists(file)) {
      for (JsonNode known : JSON.readTree(file.toFile()).path("manifests")) {
        if (!known.path("digest").asText("").equals(digest)) {
          manifests.add(known);
        }
      }
    }
    ObjectNode entry = manifests.addObject();
    entry.put("mediaType", "application/vnd.oci.image.manifest.v1+json");
    entry.put("digest", digest);
    entry.put("size", Files.size(file(model.manifest())));
    entry.putObject("annotations").put("org.opencontainers.image.ref.name", model.fullName());
    Path fresh = directory.resolve("index.json.new");
    Files.write(fresh, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private void makeRoom(List<ModelFiles.File> parts) throws IOException, ModelUnusable {
    long missing = 0;
    for (ModelFiles.File part : parts) {
      if (!Files.exists(file(part.blob().hash()))) {
        Path arriving = partial.resolve(part.blob().hash().hex());
        missing += part.blob().sizeBytes() - (Files.exists(arriving) ? Files.size(arriving) : 0);
      }
    }
    long free = Files.getFileStore(blobs).getUsableSpace();
    if (missing > free) {
      throw new ModelUnusable(
          "it needs " + missing + " bytes of disk, and " + directory + " has " + free + " free");
    }
  }

  private void obtain(ModelFiles.File part, Model model)
      throws IOException, ModelUnusable, InterruptedException {
    Hash hash = part.blob().hash();
    Path file = file(hash);
    if (verified.contains(hash)
        && Files.exists(file)
        && Files.size(file) == part.blob().sizeBytes()) {
      return;
    }
    verified.remove(hash);
    String what =
        part.title().isEmpty()
            ? "the description of " + model.fullName()
            : "file '" + part.title() + "' of " + model.fullName();
    if (Files.exists(file)) {
      if (holds(file, part.blob())) {
        verified.add(hash);
        return;
      }
      notices.accept(what + " was damaged on this disk (" + file + "): it is fetched again");
      Files.delete(file);
    }
    Path arriving = partial.resolve(hash.hex());
    for (int tries = 0; ; tries++) {
      fetch(part, arriving, what);
      if (holds(arriving, part.blob())) {
        Files.move(
            arriving, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        verified.add(hash);
        return;
      }
      Files.deleteIfExists(arriving);
      if (tries >= ServingLimits.CORRUPT_FETCHES) {
        throw new ModelUnusable(
            what
                + " arrived "
                + (tries + 1)
                + " times with other content than its hash "
                + hash
                + " says: the pool's copy is damaged, ask its operator or publish it again");
      }
      notices.accept(what + " arrived damaged: it is fetched again");
    }
  }

  private void fetch(ModelFiles.File part, Path arriving, String what)
      throws IOException, ModelUnusable, InterruptedException {
    if (part.blob().sizeBytes() == 0) {
      Files.write(arriving, new byte[0]);
      return;
    }
    try {
      source.fetch(part.blob(), arriving);
    } catch (TransferFailed e) {
      throw new ModelUnusable(what + ": " + e.getMessage());
    }
  }

  private Path file(Hash hash) {
    return blobs.resolve(hash.hex());
  }

  private static boolean holds(Path file, Blob blob) throws IOException {
    return Files.size(file) == blob.sizeBytes() && blob.hash().equals(hash(file));
  }

  /// SHA-256 of a file.
  static Hash hash(Path file) throws IOException {
    MessageDigest sha256;
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
    byte[] buffer = new byte[1 << 20];
    try (InputStream in = Files.newInputStream(file)) {
      int n;
      while ((n = in.read(buffer)) >= 0) {
        sha256.update(buffer, 0, n);
      }
    }
    return Hash.of(sha256.digest());
  }
}
