package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LlamaTest {
  @TempDir private Path folder;

  private static float[][] run(Llama llama, Kernels kernels, int threads, int chunk, int[] tokens) {
    KvPages pages = new KvPages(llama.pageFloats(), KvPages.pagesFor(tokens.length));
    KvPages.Table table = new KvPages.Table();
    float[][] out = new float[tokens.length][];
    try (Crew crew = new Crew(threads, "test")) {
      Llama.Bench bench = llama.new Bench(chunk, crew, kernels);
      for (int from = 0; from < tokens.length; from += chunk) {
        List<Llama.Row> rows = new ArrayList<>();
        for (int i = from; i < Math.min(tokens.length, from + chunk); i++) {
          pages.grow(table, i + 1);
          rows.add(new Llama.Row(table, i, tokens[i], true));
        }
        float[] logits = bench.run(rows);
        for (int i = 0; i < rows.size(); i++) {
          int at = i * llama.logitStride();
          out[from + i] = java.util.Arrays.copyOfRange(logits, at, at + llama.vocabulary());
        }
      }
    }
    return out;
  }

  private static int[] someTokens(int n, int vocabulary) {
    Random dice = new Random(5);
    return dice.ints(n, 0, vocabulary).toArray();
  }

  private static void assertNear(float[][] logits, double[][] plain, double by) {
    assertThat(logits.length).isEqualTo(plain.length);
    for (int i = 0; i < plain.length; i++) {
      for (int t = 0; t < plain[i].length; t++) {
        assertThat((double) logits[i][t])
            .as("token %d, logit %d", i, t)
            .isCloseTo(plain[i][t], org.assertj.core.data.Offset.offset(by));
      }
    }
  }

  @Test
  void theShippedModelComputesWhatPlainMathsDoes() throws Exception {
    try (Gguf file = Gguf.open(Ear.TINY)) {
      Llama llama = new Llama(file);
      int[] tokens = someTokens(40, llama.vocabulary());
      assertNear(
          run(llama, Kernels.pick(), 2, 7, tokens), new PlainLlama(file).logits(tokens), 2e-3);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen2", "qwen3"})
  void everyArchitectureComputesWhatPlainMathsDoes(String architecture) throws Exception {
    Path path = folder.resolve("m.gguf");
    new GgufWriter().randomModel(architecture, 11).write(path);
    try (Gguf file = Gguf.open(path)) {
      Llama llama = new Llama(file);
      int[] tokens = someTokens(37, llama.vocabulary());
      assertNear(
          run(llama, Kernels.pick(), 1, 16, tokens), new PlainLlama(file).logits(tokens), 2e-3);
    }
  }

  @Test
  void bitsDependNeitherOnTheBatchNorOnThreadsNorOnTheVectorApi() throws Exception {
    try (Gguf file = Gguf.open(Ear.TINY)) {
      Llama llama = new Llama(file);
      int[] tokens = someTokens(70, llama.vocabulary());
      float[][] alone = run(llama, new ScalarKernels(), 1, 1, tokens);
      assertThat(run(llama, Kernels.pick(), 1, 1, tokens)).isDeepEqualTo(alone);
      assertThat(run(llama, Kernels.pick(), 3, 64, tokens)).isDeepEqualTo(alone);
      assertThat(run(llama, new ScalarKernels(), 2, 33, tokens)).isDeepEqualTo(alone);
    }
  }

  @Test
  void theVectorApiIsUsedInThisTest() {
    assertThat(ModuleLayer.boot().findModule("jdk.incubator.vector")).isPresent();
  }

  @Test
  void quantisedMatricesMultiplyAsTheirFloatsDo() throws Exception {
    Random dice = new Random(3);
    try (Gguf file = Gguf.open(Ear.TINY);
        Crew crew = new Crew(2, "test")) {
      Gguf.Tensor tensor = file.tensor("blk.0.ffn_down.weight").orElseThrow();
      Matrix floats = Matrix.of(file, tensor, true);
      Matrix bytes = Matrix.of(file, tensor, false);
      int n = floats.columns();
      float[] x = new float[5 * n];
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) dice.nextGaussian();
      }
      float[] a = new float[5 * floats.stride()];
      float[] b = new float[5 * floats.stride()];
      float[] c = new float[5 * floats.stride()];
      floats.times(Kernels.pick(), crew, x, n, 5, a);
      bytes.times(Kernels.pick(), crew, x, n, 5, b);
      bytes.times(new ScalarKernels(), crew, x, n, 5, c);
      assertThat(b).isEqualTo(c);
      float[] one = new float[n];
      float[] two = new float[n];
      for (int r = 0; r < floats.rows(); r++) {
        floats.row(r, one, 0);
        bytes.row(r, two, 0);
        assertThat(two).isEqualTo(one);
      }
      for (int i = 0; i < a.length; i++) {
        assertThat(b[i]).isCloseTo(a[i], org.assertj.core.data.Offset.offset(1e-3f));
      }
    }
  }

  @Test
  void anotherArchitectureIsRefusedWithAWayOut() throws Exception {
    Path path = folder.resolve("m.gguf");
    new GgufWriter().put("general.architecture", "mamba").write(path);
    try (Gguf file = Gguf.open(path)) {
      assertThatThrownBy(() -> new Llama(file))
          .isInstanceOf(ModelFileException.class)
          .hasMessageContaining("mamba")
          .hasMessageContaining("OpenAI-compatible server");
    }
  }

  @Test
  void theExponentialFunctionIsExactToTheLastBitOrSo() {
    for (float x = -103; x < 88; x += 0.0137f) {
      double right = StrictMath.exp(x);
      assertThat((double) Exp.of(x))
          .isCloseTo(right, org.assertj.core.data.Offset.offset(Math.ulp((float) right) * 1.01));
    }
    assertThat(Exp.of(Float.NEGATIVE_INFINITY)).isZero();
    assertThat(Exp.of(0)).isEqualTo(1);
    assertThat(Exp.of(Float.NaN)).isNaN();
  }
}
