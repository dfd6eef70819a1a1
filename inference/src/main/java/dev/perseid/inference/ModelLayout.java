package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Models on a disk, in the layout of OCI images (image-spec 1.1): `oci-layout`, `index.json` and
/// `blobs/sha256/<hex>`; any tool for OCI artefacts can copy it to a registry and back.
///
/// Files are written beside their place and moved there, so that a blob is whole or absent; to
/// publish the same again changes nothing. Safe for one writer; any number may read.
public final class ModelLayout {
  /// Bytes of one file.
  static final long FILE_BYTES = 1L << 42;

  /// Models in one folder.
  static final int MODELS = 10_000;

  private static final int INDEX_BYTES = 8 << 20;
  private static final String REF = "org.opencontainers.image.ref.name";
  private static final String INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

  /// What a check of one file found.
  ///
  /// @param hash under which it is kept
  /// @param title what it is
  /// @param problem what is wrong with it
  public record Mismatch(Hash hash, String title, String problem) {}

  private final Path root;

  private ModelLayout(Path root) {
    this.root = root;
  }

  /// Opens a folder, and makes it a layout if it is empty or absent.
  ///
  /// @throws BrokenModelException if it holds something else
  /// @throws IOException if it cannot be read or written
  public static ModelLayout open(Path root) throws BrokenModelException, IOException {
    ModelLayout layout = new ModelLayout(root);
    Path mark = root.resolve("oci-layout");
    if (!Files.exists(mark)) {
      if (Files.isDirectory(root)) {
        try (var inside = Files.list(root)) {
          if (inside.findAny().isPresent()) {
            throw new BrokenModelException(
                root + " is not empty and no folder of models; name another one");
          }
        }
      }
      Files.createDirectories(layout.blobs());
      layout.index(new LinkedHashMap<>());
      layout.place(mark, "{\"imageLayoutVersion\":\"1.0.0\"}".getBytes(StandardCharsets.US_ASCII));
    } else {
      JsonNode version = Manifest.tree(bounded(mark, Manifest.BYTES), "file oci-layout");
      if (!version.path("imageLayoutVersion").asText().startsWith("1.")) {
        throw new BrokenModelException(mark + " is not of version 1");
      }
    }
    return layout;
  }

  /// Publishes a model into this layout: copies its files here, and lists it.
  ///
  /// @param description what its author says about it
  /// @param sources its files; each goes under its own name
  /// @throws BrokenModelException if the description or a name is not as it must be, or another
  ///   model has this name and version here
  /// @throws IOException if a file cannot be read or written
  public Manifest publish(ModelDescription description, List<Path> sources)
      throws BrokenModelException, IOException {
    // Before anything is copied, which may take long.
    Manifest.of(description, sources.isEmpty() ? List.of() : List.of(draft(sources.getFirst())));
    List<ModelFile> files = new ArrayList<>();
    for (Path source : sources) {
      files.add(add(source));
    }
    Manifest manifest = Manifest.of(description, files);
    Map<Hash, String> models = models();
    String ref = description.name() + ":" + description.version();
    for (Map.Entry<Hash, String> other : models.entrySet()) {
      if (other.getValue().equals(ref) && !other.getKey().equals(manifest.hash())) {
        throw new BrokenModelException(
            ref + " is published here with other content; give it a new version");
      }
    }
    put(manifest.config());
    put(manifest.bytes());
    if (models.putIfAbsent(manifest.hash(), ref) == null) {
      if (models.size() > MODELS) {
        throw new BrokenModelException("a folder has at most " + MODELS + " models");
      }
      index(models);
    }
    return manifest;
  }

  private static ModelFile draft(Path source) throws IOException {
    String title = title(source);
    return new ModelFile(title, ModelFile.mediaType(title), Hash.ZERO, Files.size(source));
  }

  private static String title(Path source) {
    Path name = source.getFileName();
    return name == null ? "" : name.toString();
  }

  private ModelFile add(Path source) throws BrokenModelException, IOException {
    Optional<String> wrong = draft(source).problem();
    if (wrong.isPresent()) {
      throw new BrokenModelException(source + ": " + wrong.get());
    }
    Path temporary = Files.createTempFile(blobs(), ".new-", "");
    try {
      MessageDigest digest = sha256();
      long size;
      try (InputStream in = new DigestInputStream(Files.newInputStream(source), digest);
          OutputStream out = Files.newOutputStream(temporary)) {
        size = in.transferTo(out);
      }
      Hash hash = Hash.of(digest.digest());
      move(temporary, blob(hash));
      String title = title(source);
      return new ModelFile(title, ModelFile.mediaType(title), hash, size);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private void put(byte[] bytes) throws IOException {
    place(blob(Hash.sha256(bytes)), bytes);
  }

  private void place(Path target, byte[] bytes) throws IOException {
    Path temporary = Files.createTempFile(blobs(), ".new-", "");
    try {
      Files.write(temporary, bytes);
      move(temporary, target);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static void move(Path from, Path to) throws IOException {
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /// The models that are listed here, with `name:version`.
  ///
  /// @throws BrokenModelException if the list is damaged
  public Map<Hash, String> models() throws BrokenModelException, IOException {
    byte[] json = bounded(root.resolve("index.json"), INDEX_BYTES);
    JsonNode index;
    try {
      index = JsonBytes.MAPPER.readTree(json);
    } catch (IOException e) {
      throw new BrokenModelException(root.resolve("index.json") + " is no valid JSON", e);
    }
    Map<Hash, String> models = new LinkedHashMap<>();
    for (JsonNode entry : index.path("manifests")) {
      if (entry.path("artifactType").asText(Manifest.ARTIFACT_TYPE).equals(Manifest.ARTIFACT_TYPE)
          && models.size() < MODELS) {
        models.put(Manifest.digest(entry), entry.path("annotations").path(REF).asText());
      }
    }
    return models;
  }

  private void index(Map<Hash, String> models) throws IOException {
    List<Object> entries = new ArrayList<>();
    for (Map.Entry<Hash, String> model : models.entrySet()) {
      Map<String, Object> entry =
          Manifest.descriptor(
              Manifest.MEDIA_TYPE, model.getKey(), Files.size(blob(model.getKey())));
      entry.put("artifactType", Manifest.ARTIFACT_TYPE);
      entry.put("annotations", Map.of(REF, model.getValue()));
      entries.add(entry);
    }
    Map<String, Object> all = new TreeMap<>();
    all.put("schemaVersion", 2);
    all.put("mediaType", INDEX_TYPE);
    all.put("manifests", entries);
    place(root.resolve("index.json"), Manifest.canonical(all));
  }

  /// Reads a model's manifest; its bytes and the description's are checked against their hashes.
  ///
  /// @throws BrokenModelException if it is not here, or damaged
  public Manifest manifest(Hash model) throws BrokenModelException, IOException {
    byte[] bytes = whole(model, "the manifest");
    return Manifest.read(bytes, whole(Manifest.configHash(bytes), "the description"));
  }

  private byte[] whole(Hash hash, String what) throws BrokenModelException, IOException {
    byte[] bytes;
    try {
      bytes = bounded(blob(hash), Manifest.BYTES);
    } catch (NoSuchFileException e) {
      throw new BrokenModelException(what + " " + hash.hex() + " is not in " + root, e);
    }
    if (!Hash.sha256(bytes).equals(hash)) {
      throw new BrokenModelException(what + " " + hash.hex() + " in " + root + " is damaged");
    }
    return bytes;
  }

  private static byte[] bounded(Path file, int most) throws BrokenModelException, IOException {
    try (InputStream in = Files.newInputStream(file)) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw new BrokenModelException(file + " is larger than " + most + " bytes");
      }
      return bytes;
    }
  }

  /// Where a blob is kept, whether it is there or not.
  public Path blob(Hash hash) {
    return blobs().resolve(hash.hex());
  }

  private Path blobs() {
    return root.resolve("blobs").resolve("sha256");
  }

  /// Reads every file of every model again and says what is not as its hash says; all is well if
  /// the list is empty. Takes as long as reading all bytes.
  ///
  /// @throws BrokenModelException if the list of models is damaged
  public List<Mismatch> verify() throws BrokenModelException, IOException {
    List<Mismatch> wrong = new ArrayList<>();
    for (Map.Entry<Hash, String> model : models().entrySet()) {
      Manifest manifest;
      try {
        manifest = manifest(model.getKey());
      } catch (BrokenModelException e) {
        wrong.add(new Mismatch(model.getKey(), model.getValue(), String.valueOf(e.getMessage())));
        continue;
      }
      for (ModelFile file : manifest.files()) {
        Optional<String> problem = problem(file);
        if (problem.isPresent()) {
          wrong.add(new Mismatch(file.hash(), file.title(), problem.get()));
        }
      }
    }
    return wrong;
  }

  private Optional<String> problem(ModelFile file) throws IOException {
    Path path = blob(file.hash());
    if (!Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
      return Optional.of("it is missing");
    }
    if (Files.size(path) != file.size()) {
      return Optional.of("it has " + Files.size(path) + " bytes instead of " + file.size());
    }
    MessageDigest digest = sha256();
    try (InputStream in = new DigestInputStream(Files.newInputStream(path), digest)) {
      in.transferTo(OutputStream.nullOutputStream());
    }
    return Hash.of(digest.digest()).equals(file.hash())
        ? Optional.empty()
        : Optional.of("its bytes were changed");
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
