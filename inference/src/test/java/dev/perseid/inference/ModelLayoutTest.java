package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Models by their content, and on a disk.
class ModelLayoutTest {
  @TempDir Path folder;
  private Path weights;
  private Path card;

  private static ModelDescription about(String version) {
    return new ModelDescription(
        "perseid/tiny",
        version,
        ModelTask.PREDICT,
        "onnx",
        "f32",
        9,
        0,
        "Apache-2.0",
        "Ada",
        50,
        Instant.parse("2026-11-25T12:00:00Z"));
  }

  @BeforeEach
  void files() throws IOException {
    weights = Files.writeString(folder.resolve("tiny.onnx"), "weights");
    card = Files.writeString(folder.resolve("README.md"), "# Tiny");
  }

  private ModelLayout open() throws Exception {
    return ModelLayout.open(folder.resolve("models"));
  }

  @Test
  void aManifestIsCanonical() throws Exception {
    Hash hash = Hash.sha256("weights".getBytes(StandardCharsets.UTF_8));
    Manifest manifest =
        Manifest.of(about("1.0"), List.of(new ModelFile("tiny.onnx", ModelFile.ONNX, hash, 7)));
    String config =
        "{\"author\":\"Ada\",\"context_tokens\":0,\"created\":\"2026-11-25T12:00:00Z\",\"format\":\"onnx\",\"licence\":\"Apache-2.0\",\"name\":\"perseid/tiny\",\"parameters\":9,\"quantisation\":\"f32\",\"royalty_permille\":50,\"task\":\"predict\",\"version\":\"1.0\"}";
    assertThat(new String(manifest.config(), StandardCharsets.UTF_8)).isEqualTo(config);
    assertThat(new String(manifest.bytes(), StandardCharsets.UTF_8))
        .isEqualTo(
            "{\"artifactType\":\"application/vnd.perseid.model.v1+json\",\"config\":{\"digest\":\"sha256:"
                + Hash.sha256(config.getBytes(StandardCharsets.UTF_8)).hex()
                + "\",\"mediaType\":\"application/vnd.perseid.model.config.v1+json\",\"size\":"
                + config.length()
                + "},\"layers\":[{\"annotations\":{\"org.opencontainers.image.title\":\"tiny.onnx\"},\"digest\":\"sha256:"
                + hash.hex()
                + "\",\"mediaType\":\"application/vnd.perseid.model.onnx\",\"size\":7}],\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"schemaVersion\":2}");
    Address author = new Address(1, 2, 3);
    assertThat(manifest.toModel(author, 77))
        .isEqualTo(
            new Model(
                author,
                "perseid/tiny",
                "1.0",
                manifest.hash(),
                ModelTask.PREDICT,
                "onnx",
                "f32",
                9,
                0,
                "Apache-2.0",
                50,
                77));
    Manifest again = Manifest.read(manifest.bytes(), manifest.config());
    assertThat(again.hash()).isEqualTo(manifest.hash());
    assertThat(again.files()).isEqualTo(manifest.files());
    assertThat(again.description()).isEqualTo(manifest.description());
    assertThat(again.only(ModelFile.ONNX)).contains(manifest.files().getFirst());
  }

  @Test
  void aManifestMaySayWhatTheModelTakes() throws Exception {
    List<ModelFile> files = List.of(new ModelFile("tiny.onnx", ModelFile.ONNX, Hash.ZERO, 7));
    ModelSignature signature =
        new ModelSignature(
            List.of(new ModelSignature.Tensor("x", "FP32", List.of(-1L, 3L))),
            List.of(new ModelSignature.Tensor("y", "INT64", List.of())));
    Manifest manifest = Manifest.of(about("1.0"), Optional.of(signature), files);
    assertThat(new String(manifest.config(), StandardCharsets.UTF_8))
        .contains(
            "\"inputs\":[{\"datatype\":\"FP32\",\"name\":\"x\",\"shape\":[-1,3]}],\"licence\"")
        .contains("\"outputs\":[{\"datatype\":\"INT64\",\"name\":\"y\",\"shape\":[]}],\"param");
    assertThat(Manifest.read(manifest.bytes(), manifest.config()).signature()).contains(signature);
    Manifest silent = Manifest.of(about("1.0"), files);
    assertThat(silent.signature()).isEmpty();
    assertThat(Manifest.read(silent.bytes(), silent.config()).signature()).isEmpty();
    assertThat(silent.hash()).isNotEqualTo(manifest.hash());
    ModelSignature wrong =
        new ModelSignature(
            List.of(new ModelSignature.Tensor("x", "FLOAT", List.of())), signature.outputs());
    assertThatThrownBy(() -> Manifest.of(about("1.0"), Optional.of(wrong), files))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("a datatype such as FP32");
  }

  @Test
  void publishedAndReadAgain() throws Exception {
    Manifest manifest = open().publish(about("1.0"), List.of(weights, card));
    ModelLayout layout = open();
    assertThat(layout.models()).isEqualTo(Map.of(manifest.hash(), "perseid/tiny:1.0"));
    Manifest read = layout.manifest(manifest.hash());
    assertThat(read.files())
        .extracting(ModelFile::mediaType)
        .containsExactly(ModelFile.CARD, ModelFile.ONNX);
    assertThat(layout.blob(read.files().getLast().hash())).hasContent("weights");
    assertThat(layout.verify()).isEmpty();
    assertThat(folder.resolve("models/oci-layout"))
        .hasContent("{\"imageLayoutVersion\":\"1.0.0\"}");
    // Nothing half-written stays.
    try (Stream<Path> blobs = Files.list(folder.resolve("models/blobs/sha256"))) {
      assertThat(blobs).allMatch(p -> p.getFileName().toString().matches("[0-9a-f]{64}"));
    }
  }

  @Test
  void theSameAgainChangesNothing() throws Exception {
    ModelLayout layout = open();
    Manifest first = layout.publish(about("1.0"), List.of(weights));
    Path index = folder.resolve("models/index.json");
    byte[] before = Files.readAllBytes(index);
    Files.setLastModifiedTime(index, FileTime.fromMillis(0));
    assertThat(layout.publish(about("1.0"), List.of(weights)).hash()).isEqualTo(first.hash());
    assertThat(Files.readAllBytes(index)).isEqualTo(before);
    assertThat(Files.getLastModifiedTime(index)).isEqualTo(FileTime.fromMillis(0));
    layout.publish(about("1.1"), List.of(weights));
    assertThat(layout.models()).hasSize(2);
    Files.writeString(weights, "others");
    assertThatThrownBy(() -> layout.publish(about("1.0"), List.of(weights)))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("new version");
  }

  @Test
  void whatWasChangedIsFound() throws Exception {
    ModelLayout layout = open();
    Manifest manifest = layout.publish(about("1.0"), List.of(weights, card));
    ModelFile onnx = manifest.only(ModelFile.ONNX).orElseThrow();
    Files.writeString(layout.blob(onnx.hash()), "Weights");
    assertThat(layout.verify())
        .containsExactly(
            new ModelLayout.Mismatch(onnx.hash(), "tiny.onnx", "its bytes were changed"));
    Files.writeString(layout.blob(onnx.hash()), "longer weights");
    assertThat(layout.verify())
        .singleElement()
        .satisfies(m -> assertThat(m.problem()).contains("14 bytes"));
    Files.delete(layout.blob(onnx.hash()));
    assertThat(layout.verify())
        .singleElement()
        .satisfies(m -> assertThat(m.problem()).contains("missing"));
    Files.writeString(layout.blob(manifest.hash()), "{}");
    assertThat(layout.verify())
        .singleElement()
        .satisfies(m -> assertThat(m.problem()).contains("damaged"));
    assertThatThrownBy(() -> layout.manifest(Hash.ZERO))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("is not in");
  }

  @Test
  void aFolderOfOtherThingsIsNotTouched() throws Exception {
    assertThatThrownBy(() -> ModelLayout.open(folder))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("not empty");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "a b", "\u00e9"})
  void aTitleNamesNoFolder(String title) {
    assertThatThrownBy(() ->
            Manifest.of(about("1"), List.of(new ModelFile(title, ModelFile.ONNX, Hash.ZERO, 1))))
        .isInstanceOf(BrokenModelException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"schemaVersion\":2 | \"schemaVersion\":1",
        "model.v1+json | other.v1+json",
        "\"size\":7 | \"size\":-7",
        "\"size\":7 | \"size\":7.5",
        "\"size\":7 | \"size\":99999999999999",
        "sha256: | sha512:",
        "tiny.onnx | ../tiny.onnx",
        "\"layers\":[ | \"layers\":[],\"layers\":[",
        "\"layers\":[ | \"layers\":[0,",
        "{\"artifactType | [{\"artifactType"
      })
  void aManifestThatIsNoneIsRefused(String from, String to) throws Exception {
    Manifest good =
        Manifest.of(about("1"), List.of(new ModelFile("tiny.onnx", ModelFile.ONNX, Hash.ZERO, 7)));
    String bad = new String(good.bytes(), StandardCharsets.UTF_8).replace(from, to);
    assertThatThrownBy(() -> Manifest.read(bad.getBytes(StandardCharsets.UTF_8), good.config()))
        .isInstanceOf(BrokenModelException.class);
  }

  @Test
  void moreFieldsThanAreKnownAreRead() throws Exception {
    Manifest good =
        Manifest.of(about("1"), List.of(new ModelFile("tiny.onnx", ModelFile.ONNX, Hash.ZERO, 7)));
    String more =
        new String(good.bytes(), StandardCharsets.UTF_8)
            .replace("{\"artifactType", "{\"subject\":null,\"artifactType");
    Manifest read = Manifest.read(more.getBytes(StandardCharsets.UTF_8), good.config());
    assertThat(read.hash()).isNotEqualTo(good.hash());
    assertThat(read.files()).isEqualTo(good.files());
    // Another description than the one that is named.
    byte[] other = good.config();
    other[other.length - 3]++;
    assertThatThrownBy(() -> Manifest.read(good.bytes(), other))
        .isInstanceOf(BrokenModelException.class);
  }
}
