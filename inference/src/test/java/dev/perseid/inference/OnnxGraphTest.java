package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What the file says is what ONNX Runtime says when it has loaded it.
class OnnxGraphTest {
  private static final Path EXAMPLES = Path.of("../examples/models");

  @TempDir Path folder;

  private Path file(byte[] bytes) throws Exception {
    return Files.write(folder.resolve("m.onnx"), bytes);
  }

  private static ModelSignature loaded(Path model) throws Exception {
    try (OnnxBackend backend =
        OnnxBackend.load(model, Optional.empty(), OnnxSettings.of("m", "1"))) {
      return backend.signature();
    }
  }

  @Test
  void theExamplesAreReadAsTheyAreLoaded() throws Exception {
    List<Path> models;
    try (Stream<Path> files = Files.walk(EXAMPLES)) {
      models = files.filter(f -> f.toString().endsWith(".onnx")).sorted().toList();
    }
    assertThat(models).hasSizeGreaterThanOrEqualTo(3);
    for (Path model : models) {
      assertThat(OnnxGraph.read(model)).as("%s", model).contains(loaded(model));
    }
  }

  @ParameterizedTest
  @ValueSource(
      ints = {
        OnnxFile.FLOAT,
        OnnxFile.UINT8,
        OnnxFile.INT8,
        OnnxFile.INT16,
        OnnxFile.INT32,
        OnnxFile.INT64,
        OnnxFile.STRING,
        OnnxFile.BOOL,
        OnnxFile.FLOAT16,
        OnnxFile.DOUBLE
      })
  void everyDatatypeAndShape(int type) throws Exception {
    Path model =
        file(
            new OnnxFile()
                .input("a", type, "N", 3, "any")
                .input("b", type)
                .node("Identity", new String[] {"a"}, "c")
                .node("Identity", new String[] {"b"}, "d")
                .output("c", type, "N", 3, "any")
                .output("d", type)
                .bytes());
    ModelSignature read = OnnxGraph.read(model).orElseThrow();
    assertThat(read).isEqualTo(loaded(model));
    assertThat(read.inputs().getFirst().shape()).containsExactly(-1L, 3L, -1L);
    assertThat(read.inputs().getLast().shape()).isEmpty();
  }

  @Test
  void weightsThatOldModelsListAmongTheInputsAreNone() throws Exception {
    Path model =
        file(
            new OnnxFile()
                .input("x", OnnxFile.FLOAT, "N", 1)
                .input("W", OnnxFile.FLOAT, 1, 1)
                .weights("W", new long[] {1, 1}, 2)
                .node("MatMul", new String[] {"x", "W"}, "y")
                .output("y", OnnxFile.FLOAT, "N", 1)
                .bytes());
    ModelSignature read = OnnxGraph.read(model).orElseThrow();
    assertThat(read.inputs()).extracting(ModelSignature.Tensor::name).containsExactly("x");
    assertThat(read).isEqualTo(loaded(model));
  }

  @Test
  void whatJsonHasNoWordForIsRefusedAndWhatIsLargeIsLeftOut() throws Exception {
    Path odd = file(new OnnxFile().input("x", OnnxFile.UINT16, 1).bytes());
    assertThatThrownBy(() -> OnnxGraph.read(odd))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("wants input 'x'");
    OnnxFile wide = new OnnxFile().output("y", OnnxFile.FLOAT, 1);
    for (int i = 0; i <= ModelSignature.TENSORS; i++) {
      wide.input("x" + i, OnnxFile.FLOAT, 1);
    }
    assertThat(OnnxGraph.read(file(wide.bytes()))).isEmpty();
    OnnxFile deep = new OnnxFile().input("x", OnnxFile.FLOAT, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    assertThat(OnnxGraph.read(file(deep.output("y", OnnxFile.FLOAT, 1).bytes()))).isEmpty();
  }

  /// A damaged file is refused, or read as something; it never ends in a bug or without an end.
  @Test
  void damagedFilesAreRefused() throws Exception {
    byte[] good = Files.readAllBytes(EXAMPLES.resolve("house-price/house-price.onnx"));
    int step = Math.max(1, good.length / 200);
    int refused = 0;
    for (int cut = 0; cut < good.length; cut += step) {
      Path model = file(Arrays.copyOf(good, cut));
      assertThatThrownBy(() -> OnnxGraph.read(model))
          .as("cut at %s", cut)
          .isInstanceOf(BrokenModelException.class);
    }
    long seed = 20261125;
    Random random = new Random(seed);
    List<Integer> read = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      byte[] bad = good.clone();
      for (int j = 0; j < 8; j++) {
        bad[random.nextInt(bad.length)] = (byte) random.nextInt();
      }
      try {
        var _ = OnnxGraph.read(file(bad));
        read.add(i);
      } catch (BrokenModelException e) {
        refused++;
      }
    }
    assertThat(refused).as("seed %s, read %s", seed, read).isPositive();
  }

  @Test
  void aSignatureInAManifestIsWhatItsFormatCanHave() {
    ModelSignature.Tensor rows = new ModelSignature.Tensor("x", "FP32", List.of(-1L, 8L));
    ModelSignature.Tensor out = new ModelSignature.Tensor("output", "FP32", List.of(-1L, 2L));
    ModelSignature good = new ModelSignature(List.of(rows), List.of(out));
    assertThat(good.problem("onnx")).isEmpty();
    assertThat(good.problem("wasm")).isEmpty();
    assertThat(good.problem("gguf")).isPresent();
    assertThat(new ModelSignature(List.of(rows), List.of(rows)).problem("wasm")).isPresent();
    assertThat(new ModelSignature(List.of(rows, rows), List.of(out)).problem("wasm")).isPresent();
    assertThat(new ModelSignature(List.of(), List.of(out)).problem("onnx")).isPresent();
    for (ModelSignature.Tensor bad :
        List.of(
            new ModelSignature.Tensor("", "FP32", List.of()),
            new ModelSignature.Tensor("a\nb", "FP32", List.of()),
            new ModelSignature.Tensor("a", "FP8", List.of()),
            new ModelSignature.Tensor("a", "FP32", List.of(-2L)))) {
      assertThat(new ModelSignature(List.of(bad), List.of(out)).problem("onnx"))
          .as("%s", bad)
          .isPresent();
    }
  }
}
