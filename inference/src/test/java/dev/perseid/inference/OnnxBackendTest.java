package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Predictive models and embeddings by ONNX Runtime, on models that are written here.
class OnnxBackendTest {
  @TempDir Path folder;

  /// y = x W + b, with x of any number of rows of three.
  private static OnnxFile linear() {
    return new OnnxFile()
        .input("x", OnnxFile.FLOAT, "N", 3)
        .weights("W", new long[] {3, 2}, 1, 0, 0, 1, 1, 1)
        .weights("b", new long[] {2}, 0.5f, -0.5f)
        .node("MatMul", new String[] {"x", "W"}, "xw")
        .node("Add", new String[] {"xw", "b"}, "y")
        .output("y", OnnxFile.FLOAT, "N", 2);
  }

  private Path file(OnnxFile model) throws IOException {
    return Files.write(folder.resolve("m" + System.nanoTime() + ".onnx"), model.bytes());
  }

  private OnnxBackend load(OnnxFile model) throws Exception {
    return OnnxBackend.load(file(model), Optional.empty(), settings());
  }

  private static OnnxSettings settings() {
    return OnnxSettings.of("line", "1.2").withThreads(1, 8).withTextTokens(6);
  }

  private static Heard ask(OnnxBackend backend, Api api, String body) throws Exception {
    Heard heard = new Heard();
    backend.ask(
        new Request("r", api, Hash.ZERO, body.getBytes(StandardCharsets.UTF_8), false), heard);
    heard.ended();
    return heard;
  }

  @Test
  void theSignatureIsTheModels() throws Exception {
    try (OnnxBackend backend = load(linear())) {
      assertThat(backend.signature())
          .isEqualTo(
              new ModelSignature(
                  List.of(new ModelSignature.Tensor("x", "FP32", List.of(-1L, 3L))),
                  List.of(new ModelSignature.Tensor("y", "FP32", List.of(-1L, 2L)))));
      assertThat(backend.name()).matches("onnxruntime 1\\.\\S+ \\(cpu\\)");
      assertThat(backend.health()).isEqualTo(new Backend.Health(true, 1, 0, 0, ""));
    }
  }

  @Test
  void aPredictionFlatOrNested() throws Exception {
    try (OnnxBackend backend = load(linear())) {
      for (String data : List.of("[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]")) {
        Heard heard =
            ask(
                backend,
                Api.INFER,
                "{\"id\":\"q1\",\"inputs\":[{\"data\":"
                    + data
                    + ",\"name\":\"x\",\"shape\":[2,3],\"datatype\":\"FP32\"}],\"outputs\":[{\"name\":\"y\"}]}");
        assertThat(heard.ended()).as("%s", heard.failure).isEqualTo("done");
        assertThat(heard.parts)
            .containsExactly(
                "{\"model_name\":\"line\",\"model_version\":\"1.2\",\"id\":\"q1\",\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[4.5,4.5,10.5,10.5]}]}");
        assertThat(heard.claim.rows()).isEqualTo(2);
        assertThat(heard.claim.computeNs().orElseThrow()).isPositive();
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "inputs | {}",
        "inputs | {'inputs':[]}",
        "inputs.0.name | {'inputs':[{'name':'z','shape':[1,3],'datatype':'FP32','data':[1,2,3]}]}",
        "inputs.0.datatype | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP64','data':[1,2,3]}]}",
        "inputs.0.shape | {'inputs':[{'name':'x','shape':[3],'datatype':'FP32','data':[1,2,3]}]}",
        "inputs.0.shape | {'inputs':[{'name':'x','shape':[1,4],'datatype':'FP32','data':[1,2,3,4]}]}",
        "inputs.0.shape | {'inputs':[{'name':'x','shape':[-1,3],'datatype':'FP32','data':[1,2,3]}]}",
        "inputs.0.shape | {'inputs':[{'name':'x','shape':[4000000,3],'datatype':'FP32','data':[]}]}",
        "inputs.0.shape | {'inputs':[{'name':'x','datatype':'FP32','data':[1,2,3]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32','data':[1,2,3,4]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32','data':[1,2]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[2,3],'datatype':'FP32','data':[[1,2],[3,4,5,6]]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32','data':[1,'2',3]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32','data':[1,1e39,3]}]}",
        "inputs.0.data | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32'}]}",
        "outputs.0.name | {'inputs':[{'name':'x','shape':[1,3],'datatype':'FP32','data':[1,2,3]}],'outputs':[{'name':'q'}]}"
      })
  void aWrongRequestIsToldWhere(String param, String body) throws Exception {
    try (OnnxBackend backend = load(linear())) {
      Heard heard = ask(backend, Api.INFER, body.replace('\'', '"'));
      assertThat(heard.ended()).isEqualTo("INVALID");
      assertThat(heard.failure.param()).isEqualTo(param);
      assertThat(heard.parts).isEmpty();
    }
  }

  @Test
  void whatIsNoJsonOrNoCallOfThisModel() throws Exception {
    try (OnnxBackend backend = load(linear())) {
      assertThat(ask(backend, Api.INFER, "{").ended()).isEqualTo("INVALID");
      assertThat(ask(backend, Api.INFER, "").ended()).isEqualTo("INVALID");
      assertThat(ask(backend, Api.CHAT, "{}").ended()).isEqualTo("INVALID");
      assertThat(ask(backend, Api.EMBEDDING, "{\"input\":[\"a\"]}").ended()).isEqualTo("INVALID");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1 | FP32 | [1.5,-2.25] | ['x']",
        "11 | FP64 | [1.5,-1.0E300] | [true]",
        "10 | FP16 | [1.5,-2.25] | [70000]",
        "3 | INT8 | [-128,127] | [128]",
        "2 | UINT8 | [0,255] | [-1]",
        "5 | INT16 | [-32768,32767] | [32768]",
        "6 | INT32 | [-2147483648,2147483647] | [2147483648]",
        "7 | INT64 | [-9223372036854775808,9223372036854775807] | [9223372036854775808]",
        "9 | BOOL | [true,false] | [1]",
        "8 | BYTES | ['a','\u00e9'] | [1]"
      })
  void eachDatatypeGoesThere(int type, String datatype, String good, String bad) throws Exception {
    OnnxFile same =
        new OnnxFile()
            .input("a", type, "N")
            .node("Identity", new String[] {"a"}, "b")
            .output("b", type, "N");
    String ask = "{\"inputs\":[{\"name\":\"a\",\"shape\":[%d],\"datatype\":\"%s\",\"data\":%s}]}";
    try (OnnxBackend backend = load(same)) {
      String data = good.replace('\'', '"');
      Heard heard = ask(backend, Api.INFER, ask.formatted(2, datatype, data));
      assertThat(heard.ended()).as("%s", heard.failure).isEqualTo("done");
      assertThat(heard.parts.getFirst()).contains("\"data\":" + data + "}");
      Heard wrong = ask(backend, Api.INFER, ask.formatted(1, datatype, bad.replace('\'', '"')));
      assertThat(wrong.ended()).isEqualTo("INVALID");
      assertThat(wrong.failure.param()).isEqualTo("inputs.0.data");
    }
  }

  @Test
  void aDamagedModelIsToldSo() throws Exception {
    byte[] good = linear().bytes();
    Path cut =
        Files.write(folder.resolve("cut.onnx"), java.util.Arrays.copyOf(good, good.length / 2));
    for (Path path :
        List.of(cut, Files.writeString(folder.resolve("t.onnx"), "hello"), folder.resolve("no"))) {
      assertThatThrownBy(() -> OnnxBackend.load(path, Optional.empty(), settings()))
          .isInstanceOf(BrokenModelException.class)
          .hasMessageContaining(path.toString());
    }
    OnnxFile odd =
        new OnnxFile()
            .input("a", OnnxFile.UINT16, "N")
            .node("Identity", new String[] {"a"}, "b")
            .output("b", OnnxFile.UINT16, "N");
    assertThatThrownBy(() -> load(odd))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("'a'");
  }

  @Test
  void aNumberThatIsNotFiniteIsNoAnswer() throws Exception {
    OnnxFile log =
        new OnnxFile()
            .input("x", OnnxFile.FLOAT, "N")
            .node("Log", new String[] {"x"}, "y")
            .output("y", OnnxFile.FLOAT, "N");
    try (OnnxBackend backend = load(log)) {
      String ask =
          "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[0]}]}";
      assertThat(ask(backend, Api.INFER, ask).ended()).isEqualTo("BROKEN");
    }
  }

  @Test
  void aFullQueueIsBusyAndCloseEndsWhatWaits() throws Exception {
    CountDownLatch at = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    OnnxBackend backend =
        OnnxBackend.load(file(linear()), Optional.empty(), settings().withThreads(1, 1));
    Request request =
        new Request("r", Api.INFER, Hash.ZERO, "{}".getBytes(StandardCharsets.UTF_8), false);
    // Its listener holds the only thread.
    backend.ask(
        request,
        new Answer() {
          @Override
          public void part(byte[] json) {}

          @Override
          public void done(Claim claim) {}

          @Override
          public void failed(Failure failure, Claim claim) {
            at.countDown();
            try {
              go.await();
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
          }
        });
    assertThat(at.await(10, TimeUnit.SECONDS)).isTrue();
    Heard cancelled = new Heard();
    Runnable cancel = backend.ask(request, cancelled);
    Heard busy = new Heard();
    backend.ask(request, busy);
    assertThat(busy.ended()).isEqualTo("BUSY");
    cancel.run();
    assertThat(cancelled.ended()).isEqualTo("CANCELLED");
    Heard waits = new Heard();
    backend.ask(request, waits);
    assertThat(backend.health()).isEqualTo(new Backend.Health(true, 1, 1, 1, ""));
    Thread closing = Thread.ofVirtual().start(backend::close);
    assertThat(waits.ended()).isEqualTo("BROKEN");
    go.countDown();
    closing.join();
    Heard late = new Heard();
    backend.ask(request, late);
    assertThat(late.ended()).isEqualTo("BROKEN");
    assertThat(backend.health().healthy()).isFalse();
  }

  // ---- embeddings ----

  private static final String WORDS =
      "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\u0120\":3},\"merges\":[\"a b\"]},"
          + "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}";

  private static HuggingFaceTokens words() throws BrokenModelException {
    return HuggingFaceTokens.read(WORDS.getBytes(StandardCharsets.UTF_8));
  }

  private OnnxBackend embedder(boolean pooled) throws Exception {
    OnnxFile model =
        new OnnxFile()
            .input("input_ids", OnnxFile.INT64, "N", "T")
            .input("attention_mask", OnnxFile.INT64, "N", "T")
            .weights("table", new long[] {4, 3}, 3, 4, 0, 0, 0, 2, 1, 0, 0, 9, 9, 9)
            .node(
                "Gather", new String[] {"table", "input_ids"}, pooled ? "g" : "last_hidden_state");
    if (pooled) {
      model.meanOfAxisOne("g", "sentence_embedding");
      model.output("sentence_embedding", OnnxFile.FLOAT, "N", 3);
    } else {
      model.output("last_hidden_state", OnnxFile.FLOAT, "N", "T", 3);
    }
    return OnnxBackend.load(file(model), Optional.of(words()), settings());
  }

  private static List<float[]> vectors(Heard heard) throws Exception {
    assertThat(heard.ended()).as("%s", heard.failure).isEqualTo("done");
    JsonNode root = JsonBytes.MAPPER.readTree(heard.parts.getFirst());
    List<float[]> all = new ArrayList<>();
    for (JsonNode one : root.path("data")) {
      assertThat(one.path("index").asInt()).isEqualTo(all.size());
      float[] vector = new float[one.path("embedding").size()];
      for (int i = 0; i < vector.length; i++) {
        vector[i] = (float) one.path("embedding").get(i).asDouble();
      }
      all.add(vector);
    }
    return all;
  }

  @Test
  void textsBecomeVectorsOfLengthOne() throws Exception {
    try (OnnxBackend backend = embedder(false)) {
      Heard heard = ask(backend, Api.EMBEDDING, "{\"model\":\"e\",\"input\":[\"a\",\"ba\",[2]]}");
      List<float[]> all = vectors(heard);
      assertThat(all).hasSize(3);
      // The padding of the shorter texts does not count.
      assertThat(all.get(0)).containsExactly(new float[] {0.6f, 0.8f, 0}, within(1e-6f));
      float norm = (float) Math.sqrt(9 + 16 + 4);
      assertThat(all.get(1))
          .containsExactly(new float[] {3 / norm, 4 / norm, 2 / norm}, within(1e-6f));
      assertThat(all.get(2)).containsExactly(1, 0, 0);
      assertThat(heard.claim.promptTokens()).isEqualTo(4);
      assertThat(heard.claim.rows()).isEqualTo(3);
      assertThat(heard.parts.getFirst())
          .endsWith("\"model\":\"e\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
    }
  }

  @Test
  void fewerDimensionsAreMadeOfLengthOneAgain() throws Exception {
    try (OnnxBackend backend = embedder(true)) {
      Heard heard = ask(backend, Api.EMBEDDING, "{\"input\":[\"a\",\"a\"],\"dimensions\":1}");
      assertThat(vectors(heard)).hasSize(2).allMatch(v -> v.length == 1 && v[0] == 1);
      heard = ask(backend, Api.EMBEDDING, "{\"input\":\"a\",\"dimensions\":4}");
      assertThat(heard.ended()).isEqualTo("INVALID");
      assertThat(heard.failure.param()).isEqualTo("dimensions");
    }
  }

  @Test
  void moreTextsThanGoThroughAtOnce() throws Exception {
    try (OnnxBackend backend = embedder(false)) {
      String many = "\"a\"" + ",\"b\"".repeat(99);
      List<float[]> all = vectors(ask(backend, Api.EMBEDDING, "{\"input\":[" + many + "]}"));
      assertThat(all).hasSize(100);
      assertThat(all.getLast()).containsExactly(0, 0, 1);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "INVALID | input | {}",
        "INVALID | input | {'input':[]}",
        "INVALID | input.1 | {'input':['a','']}",
        "INVALID | input.0 | {'input':[[4]]}",
        "INVALID | input.0 | {'input':[{}]}",
        "INVALID | dimensions | {'input':['a'],'dimensions':0}",
        "TOO_LONG | input.1 | {'input':['a','aaaaaaa']}"
      })
  void aWrongTextIsToldWhere(String kind, String param, String body) throws Exception {
    try (OnnxBackend backend = embedder(false)) {
      Heard heard = ask(backend, Api.EMBEDDING, body.replace('\'', '"'));
      assertThat(heard.ended()).isEqualTo(kind);
      assertThat(heard.failure.param()).isEqualTo(param);
    }
  }

  @Test
  void aModelThatTakesNoTokensHasNoTokenizer() throws Exception {
    Path model = file(linear());
    assertThatThrownBy(() -> OnnxBackend.load(model, Optional.of(words()), settings()))
        .isInstanceOf(BrokenModelException.class)
        .hasMessageContaining("input_ids");
  }
}
