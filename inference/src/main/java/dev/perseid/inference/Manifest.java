package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/// A model by its content: an OCI image manifest (image-spec 1.1) that names the model's
/// description and files by their SHA-256. The SHA-256 of the manifest's own bytes is the model's
/// identity: nobody can serve other weights under it.
///
/// What this class writes is canonical: keys sorted, no white space, files sorted by name. What it
/// reads may have more fields, and any order.
public final class Manifest {
  /// Media type of the manifest.
  public static final String MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";

  /// What kind of artefact it is.
  public static final String ARTIFACT_TYPE = "application/vnd.perseid.model.v1+json";

  /// Media type of the description.
  public static final String CONFIG_TYPE = "application/vnd.perseid.model.config.v1+json";

  static final String TITLE = "org.opencontainers.image.title";

  /// Bytes of a manifest, and of a description.
  static final int BYTES = 256 << 10;

  /// Files of a model.
  static final int FILES = 256;

  private static final ObjectReader READER =
      JsonBytes.MAPPER
          .readerFor(JsonNode.class)
          .with(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final byte[] bytes;
  private final byte[] config;
  private final Hash hash;
  private final ModelDescription description;
  private final Optional<ModelSignature> signature;
  private final List<ModelFile> files;

  private Manifest(
      byte[] bytes,
      byte[] config,
      ModelDescription description,
      Optional<ModelSignature> signature,
      List<ModelFile> files) {
    this.bytes = bytes;
    this.config = config;
    this.hash = Hash.sha256(bytes);
    this.description = description;
    this.signature = signature;
    this.files = List.copyOf(files);
  }

  /// Writes a manifest of a model that does not say which tensors it takes.
  ///
  /// @throws BrokenModelException if the description or a file's name is not as it must be
  public static Manifest of(ModelDescription description, List<ModelFile> files)
      throws BrokenModelException {
    return of(description, Optional.empty(), files);
  }

  /// Writes a manifest.
  ///
  /// @param signature what the model takes and gives, if it is one that predicts
  /// @throws BrokenModelException if the description, the signature or a file's name is not as it
  ///   must be
  public static Manifest of(
      ModelDescription description, Optional<ModelSignature> signature, List<ModelFile> files)
      throws BrokenModelException {
    check(description, signature, files);
    Map<String, Object> about = new TreeMap<>();
    about.put("author", description.author());
    about.put("context_tokens", description.contextTokens());
    about.put("created", description.created().toString());
    about.put("format", description.format());
    about.put("licence", description.licence());
    about.put("name", description.name());
    about.put("parameters", description.parameters());
    about.put("quantisation", description.quantisation());
    about.put("royalty_permille", description.royaltyPermille());
    about.put("task", word(description.task()));
    about.put("version", description.version());
    signature.ifPresent(s -> {
      about.put("inputs", s.inputs().stream().map(Manifest::plain).toList());
      about.put("outputs", s.outputs().stream().map(Manifest::plain).toList());
    });
    byte[] config = canonical(about);
    List<ModelFile> sorted = new ArrayList<>(files);
    sorted.sort(Comparator.comparing(ModelFile::title));
    List<Object> layers = new ArrayList<>();
    for (ModelFile file : sorted) {
      Map<String, Object> layer = descriptor(file.mediaType(), file.hash(), file.size());
      layer.put("annotations", Map.of(TITLE, file.title()));
      layers.add(layer);
    }
    Map<String, Object> all = new TreeMap<>();
    all.put("artifactType", ARTIFACT_TYPE);
    all.put("config", descriptor(CONFIG_TYPE, Hash.sha256(config), config.length));
    all.put("layers", layers);
    all.put("mediaType", MEDIA_TYPE);
    all.put("schemaVersion", 2);
    return new Manifest(canonical(all), config, description, signature, sorted);
  }

  private static Map<String, Object> plain(ModelSignature.Tensor tensor) {
    return new TreeMap<>(
        Map.of("name", tensor.name(), "datatype", tensor.datatype(), "shape", tensor.shape()));
  }

  /// Reads a manifest and the description that it names.
  ///
  /// @throws BrokenModelException if they are no manifest of a model or do not belong together
  public static Manifest read(byte[] bytes, byte[] config) throws BrokenModelException {
    JsonNode root = tree(bytes, "manifest");
    if (root.path("schemaVersion").asInt() != 2
        || !root.path("mediaType").asText(MEDIA_TYPE).equals(MEDIA_TYPE)) {
      throw new BrokenModelException("the manifest is no OCI image manifest of schema version 2");
    }
    if (!root.path("artifactType").asText().equals(ARTIFACT_TYPE)) {
      throw new BrokenModelException(
          "the manifest's artifactType is not " + ARTIFACT_TYPE + ": it describes something else");
    }
    if (!configHash(root).equals(Hash.sha256(config))
        || size(root.path("config")) != config.length) {
      throw new BrokenModelException("the model's description is not the one the manifest names");
    }
    JsonNode layers = root.path("layers");
    if (!layers.isArray() || layers.size() > FILES) {
      throw new BrokenModelException("the manifest must have a list of up to " + FILES + " layers");
    }
    List<ModelFile> files = new ArrayList<>();
    for (JsonNode layer : layers) {
      files.add(
          new ModelFile(
              layer.path("annotations").path(TITLE).asText(),
              layer.path("mediaType").asText(),
              digest(layer),
              size(layer)));
    }
    JsonNode about = tree(config, "model's description");
    ModelDescription description = description(about);
    Optional<ModelSignature> signature =
        about.has("inputs") || about.has("outputs")
            ? Optional.of(
                new ModelSignature(
                    tensors(about.path("inputs"), "inputs"),
                    tensors(about.path("outputs"), "outputs")))
            : Optional.empty();
    check(description, signature, files);
    return new Manifest(bytes.clone(), config.clone(), description, signature, files);
  }

  /// The hash of the description that a manifest names.
  ///
  /// @throws BrokenModelException if it names none
  public static Hash configHash(byte[] manifest) throws BrokenModelException {
    return configHash(tree(manifest, "manifest"));
  }

  private static Hash configHash(JsonNode root) throws BrokenModelException {
    return digest(root.path("config"));
  }

  private static ModelDescription description(JsonNode c) throws BrokenModelException {
    Instant created;
    try {
      created = Instant.parse(text(c, "created"));
    } catch (DateTimeException e) {
      throw new BrokenModelException("'created' must be a time like 2026-11-25T12:00:00Z", e);
    }
    String task = text(c, "task");
    Optional<ModelTask> known = task(task);
    if (known.isEmpty()) {
      throw new BrokenModelException("'task' must be chat, embed or predict, not '" + task + "'");
    }
    return new ModelDescription(
        text(c, "name"),
        text(c, "version"),
        known.get(),
        text(c, "format"),
        text(c, "quantisation"),
        number(c, "parameters", Long.MAX_VALUE),
        (int) number(c, "context_tokens", Integer.MAX_VALUE),
        text(c, "licence"),
        text(c, "author"),
        (int) number(c, "royalty_permille", 1_000),
        created);
  }

  private static List<ModelSignature.Tensor> tensors(JsonNode list, String field)
      throws BrokenModelException {
    List<ModelSignature.Tensor> tensors = new ArrayList<>();
    if (!list.isArray() || list.size() > ModelSignature.TENSORS) {
      throw new BrokenModelException(
          "'" + field + "' must be a list of up to " + ModelSignature.TENSORS + " tensors");
    }
    for (JsonNode tensor : list) {
      List<Long> shape = new ArrayList<>();
      for (JsonNode size : tensor.path("shape")) {
        if (!size.isIntegralNumber()
            || !size.canConvertToLong()
            || shape.size() >= ModelSignature.RANK) {
          throw new BrokenModelException(
              "'shape' must be a list of up to " + ModelSignature.RANK + " whole numbers");
        }
        shape.add(size.longValue());
      }
      tensors.add(new ModelSignature.Tensor(text(tensor, "name"), text(tensor, "datatype"), shape));
    }
    return tensors;
  }

  private static void check(
      ModelDescription description, Optional<ModelSignature> signature, List<ModelFile> files)
      throws BrokenModelException {
    Optional<String> wrong =
        description.problem().or(() -> signature.flatMap(s -> s.problem(description.format())));
    if (wrong.isPresent()) {
      throw new BrokenModelException(wrong.get());
    }
    if (files.size() > FILES) {
      throw new BrokenModelException("a model has at most " + FILES + " files");
    }
    Set<String> titles = new HashSet<>();
    for (ModelFile file : files) {
      Optional<String> problem = file.problem();
      if (problem.isPresent()) {
        throw new BrokenModelException(problem.get());
      }
      // Some file systems do not tell small letters from large ones.
      if (!titles.add(file.title().toLowerCase(Locale.ROOT))) {
        throw new BrokenModelException("two files are called '" + file.title() + "'");
      }
    }
    if (files.isEmpty() && !description.format().equals("api")) {
      throw new BrokenModelException("a model has files, unless its format is api");
    }
  }

  /// The manifest's bytes, a fresh array.
  public byte[] bytes() {
    return bytes.clone();
  }

  /// The bytes of the description, a fresh array.
  public byte[] config() {
    return config.clone();
  }

  /// The model's identity: SHA-256 of the manifest's bytes.
  public Hash hash() {
    return hash;
  }

  /// What its author says about it.
  public ModelDescription description() {
    return description;
  }

  /// What it takes and gives, if its author says so.
  public Optional<ModelSignature> signature() {
    return signature;
  }

  /// Its files.
  public List<ModelFile> files() {
    return files;
  }

  /// The file of this media type, if there is just one.
  public Optional<ModelFile> only(String mediaType) {
    List<ModelFile> fit = files.stream().filter(f -> f.mediaType().equals(mediaType)).toList();
    return fit.size() == 1 ? Optional.of(fit.getFirst()) : Optional.empty();
  }

  /// What its author signs and a pool lists.
  ///
  /// @param author the account that publishes it
  /// @param madeUs when it is signed, microseconds since the epoch
  public Model toModel(Address author, long madeUs) {
    ModelDescription d = description;
    return new Model(
        author,
        d.name(),
        d.version(),
        hash,
        d.task(),
        d.format(),
        d.quantisation(),
        d.parameters(),
        d.contextTokens(),
        d.licence(),
        d.royaltyPermille(),
        madeUs);
  }

  static Map<String, Object> descriptor(String mediaType, Hash hash, long size) {
    Map<String, Object> map = new TreeMap<>();
    map.put("mediaType", mediaType);
    map.put("digest", "sha256:" + hash.hex());
    map.put("size", size);
    return map;
  }

  /// Canonical JSON of maps that are sorted.
  static byte[] canonical(Map<String, Object> map) {
    try {
      return JsonBytes.MAPPER.writeValueAsBytes(Collections.unmodifiableMap(map));
    } catch (IOException e) {
      throw new AssertionError("maps of plain values can be written", e);
    }
  }

  static JsonNode tree(byte[] json, String what) throws BrokenModelException {
    if (json.length > BYTES) {
      throw new BrokenModelException("the " + what + " is larger than " + BYTES + " bytes");
    }
    try {
      JsonNode root = READER.readValue(json);
      if (root != null && root.isObject()) {
        return root;
      }
    } catch (IOException e) {
      throw new BrokenModelException("the " + what + " is no valid JSON", e);
    }
    throw new BrokenModelException("the " + what + " is no JSON object");
  }

  static Hash digest(JsonNode descriptor) throws BrokenModelException {
    String digest = descriptor.path("digest").asText();
    if (!digest.matches("sha256:[0-9a-f]{64}")) {
      throw new BrokenModelException(
          "a digest must be 'sha256:' and 64 small hexadecimal digits, not '"
              + digest.substring(0, Math.min(80, digest.length()))
              + "'");
    }
    return Hash.parse(digest);
  }

  private static long size(JsonNode descriptor) throws BrokenModelException {
    return number(descriptor, "size", ModelLayout.FILE_BYTES);
  }

  private static long number(JsonNode node, String field, long most) throws BrokenModelException {
    JsonNode value = node.path(field);
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.asLong() < 0
        || value.asLong() > most) {
      throw new BrokenModelException("'" + field + "' must be a whole number, 0 to " + most);
    }
    return value.asLong();
  }

  private static String text(JsonNode node, String field) throws BrokenModelException {
    JsonNode value = node.path(field);
    if (!value.isTextual()) {
      throw new BrokenModelException("'" + field + "' must be a text");
    }
    return value.asText();
  }

  private static String word(ModelTask task) {
    return switch (task) {
      case CHAT -> "chat";
      case EMBED -> "embed";
      case PREDICT -> "predict";
    };
  }

  private static Optional<ModelTask> task(String word) {
    for (ModelTask task : ModelTask.values()) {
      if (word(task).equals(word)) {
        return Optional.of(task);
      }
    }
    return Optional.empty();
  }
}
