package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.BrokenModelException;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.OnnxGraph;
import dev.perseid.node.PoolClient;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.nodes.Node;

/// A folder with a model that somebody wants to publish: `perseid-model.yaml` and the files that it
/// names (docs/models.md).
final class ModelFolder {
  static final String FILE = "perseid-model.yaml";

  private static final List<String> KEYS =
      List.of(
          "name",
          "version",
          "task",
          "format",
          "quantisation",
          "parameters",
          "context_tokens",
          "licence",
          "author",
          "royalty_permille",
          "created",
          "card",
          "files",
          "inputs",
          "outputs");
  private static final List<String> TENSOR_KEYS = List.of("name", "datatype", "shape");
  private static final String TENSOR = "[{name: x, datatype: FP32, shape: [-1, 8]}]";

  private final Manifest manifest;
  private final Map<Blob, Upload> uploads;

  private ModelFolder(Manifest manifest, Map<Blob, Upload> uploads) {
    this.manifest = manifest;
    this.uploads = uploads;
  }

  /// The manifest that follows: the same files and words give the same one everywhere.
  Manifest manifest() {
    return manifest;
  }

  /// What a pool must have, the manifest last.
  Map<Blob, Upload> uploads() {
    return uploads;
  }

  /// Reads a folder, or the YAML file in it, and hashes the files.
  static ModelFolder read(Path given) throws BadInput {
    Path yaml = Files.isDirectory(given) ? given.resolve(FILE) : given;
    if (!Files.isRegularFile(yaml)) {
      throw new BadInput(
          Files.isDirectory(given)
              ? "there is no "
                  + FILE
                  + " in "
                  + given
                  + "; write one (docs/models.md has all fields)"
              : "there is no file " + given + "; name a folder with a " + FILE);
    }
    String name = yaml.toString();
    Fields fields = Fields.of(name, JobReader.root(name, JobReader.text(yaml)), "a model", KEYS);
    Path folder = yaml.toAbsolutePath().normalize().getParent();
    if (folder == null) {
      throw new BadInput(yaml + " is in no folder");
    }
    ModelDescription description = description(fields);
    List<Placed<String>> titles = new ArrayList<>(fields.texts("files"));
    fields
        .text("card")
        .ifPresent(card -> {
          if (titles.stream().noneMatch(t -> t.value().equals(card.value()))) {
            titles.add(card);
          }
        });
    Map<Blob, Upload> uploads = new LinkedHashMap<>();
    List<ModelFile> files = new ArrayList<>();
    for (Placed<String> title : titles) {
      Path file = folder.resolve(title.value()).normalize();
      if (!folder.equals(file.getParent()) || !Files.isRegularFile(file)) {
        throw title.wrong(
            "there is no file '" + title.value() + "' in " + folder, "name a file of that folder");
      }
      Blob blob = blob(file);
      files.add(
          new ModelFile(
              title.value(), ModelFile.mediaType(title.value()), blob.hash(), blob.sizeBytes()));
      uploads.put(blob, new Upload(blob, PoolClient.Content.of(file), title.value()));
    }
    Manifest manifest;
    try {
      manifest =
          Manifest.of(description, signature(name, fields, description, folder, titles), files);
    } catch (BrokenModelException e) {
      throw fields.place().wrong(String.valueOf(e.getMessage()), "correct it in " + name);
    }
    add(uploads, manifest.config(), "description");
    add(uploads, manifest.bytes(), "manifest");
    return new ModelFolder(manifest, uploads);
  }

  /// What a model that predicts takes and gives: of an ONNX file as the file says, of another one
  /// as the author does.
  private static Optional<ModelSignature> signature(
      String yaml,
      Fields fields,
      ModelDescription description,
      Path folder,
      List<Placed<String>> titles)
      throws BadInput, BrokenModelException {
    List<ModelSignature.Tensor> inputs = tensors(yaml, fields, "inputs");
    List<ModelSignature.Tensor> outputs = tensors(yaml, fields, "outputs");
    if (!inputs.isEmpty() || !outputs.isEmpty()) {
      if (description.format().equals("onnx")) {
        throw fields
            .place()
            .wrong("an ONNX file says itself what it takes", "leave out 'inputs' and 'outputs'");
      }
      return Optional.of(new ModelSignature(inputs, outputs));
    }
    List<Path> graphs =
        titles.stream()
            .map(Placed::value)
            .filter(t -> t.endsWith(".onnx"))
            .map(folder::resolve)
            .toList();
    return description.format().equals("onnx") && graphs.size() == 1
        ? OnnxGraph.read(graphs.getFirst())
        : Optional.empty();
  }

  private static List<ModelSignature.Tensor> tensors(String yaml, Fields fields, String key)
      throws BadInput {
    List<ModelSignature.Tensor> tensors = new ArrayList<>();
    for (Node node : fields.nodes(key, TENSOR)) {
      Fields tensor = Fields.of(yaml, node, "a tensor", TENSOR_KEYS);
      tensors.add(
          new ModelSignature.Tensor(
              tensor.needText("name", "a tensor", "x").value(),
              tensor.needText("datatype", "a tensor", "FP32").value(),
              tensor.numbers("shape", "[-1, 8]", -1, Integer.MAX_VALUE)));
    }
    return tensors;
  }

  private static void add(Map<Blob, Upload> uploads, byte[] bytes, String name) {
    Blob blob = new Blob(Hash.sha256(bytes), bytes.length);
    uploads.put(blob, new Upload(blob, PoolClient.Content.of(bytes), name));
  }

  private static ModelDescription description(Fields fields) throws BadInput {
    Placed<String> task = fields.needText("task", "a model", "chat");
    ModelTask known =
        switch (task.value()) {
          case "chat" -> ModelTask.CHAT;
          case "embed" -> ModelTask.EMBED;
          case "predict" -> ModelTask.PREDICT;
          default ->
              throw task.wrong(
                  "there is no task '" + task.value() + "'", "write chat, embed or predict");
        };
    Optional<Placed<String>> created = fields.text("created");
    Instant made = Instant.EPOCH;
    if (created.isPresent()) {
      try {
        made = Instant.parse(created.get().value());
      } catch (DateTimeException e) {
        throw created
            .get()
            .wrong("'" + created.get().value() + "' is no time", "write \"2026-11-25T12:00:00Z\"");
      }
    }
    return new ModelDescription(
        fields.needText("name", "a model", "me/my-model").value(),
        version(fields),
        known,
        fields.needText("format", "a model", "gguf").value(),
        fields.text("quantisation").map(Placed::value).orElse(""),
        fields.number("parameters", 0, Limits.MODEL_PARAMETERS).map(Placed::value).orElse(0L),
        fields
            .number("context_tokens", 0, Limits.CONTEXT_TOKENS)
            .map(p -> p.value().intValue())
            .orElse(0),
        fields.needText("licence", "a model", "Apache-2.0").value(),
        fields.text("author").map(Placed::value).orElse(""),
        fields
            .number("royalty_permille", 0, Limits.ROYALTY_PERMILLE)
            .map(p -> p.value().intValue())
            .orElse(0),
        made);
  }

  private static String version(Fields fields) throws BadInput {
    Optional<Placed<String>> version = fields.textOrNumber("version");
    if (version.isEmpty()) {
      throw fields.missing("version", "a model", "\"1\"");
    }
    return version.get().value();
  }

  private static Blob blob(Path file) throws BadInput {
    try {
      MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
      try (InputStream in = new DigestInputStream(Files.newInputStream(file), sha256)) {
        long size = in.transferTo(java.io.OutputStream.nullOutputStream());
        return new Blob(Hash.of(sha256.digest()), size);
      }
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e.getMessage());
    }
  }
}
