package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A portable model in the real sandbox.
@Timeout(120)
final class WasmBackendTest {
  private static final Path TREE = Path.of("../examples/models/tiny-tree/tiny-tree.wasm");
  private static final Path LOANS = Path.of("../examples/models/loan-risk/eval.csv");
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final int COLUMNS = 8;

  @TempDir static Path folder;
  private static Sandbox sandbox;
  private static WasmBackend backend;

  @BeforeAll
  static void open() throws Exception {
    sandbox = Sandbox.open(SandboxConfig.in(folder.resolve("sandbox")));
    backend = backend(TREE);
  }

  @AfterAll
  static void close() {
    sandbox.close();
  }

  private static WasmBackend backend(Path module) throws Exception {
    byte[] bytes = Files.readAllBytes(module);
    return new WasmBackend(
        sandbox,
        new Model(
            Address.ZERO,
            "me/tree",
            "2",
            Hash.sha256(bytes),
            ModelTask.PREDICT,
            "wasm",
            "",
            0,
            0,
            "MIT",
            0,
            1),
        module,
        new Blob(Hash.sha256(bytes), bytes.length),
        folder.resolve("rows"),
        64 << 20,
        4);
  }

  /// What was said of one request.
  private record Said(String json, Claim claim, Failure failure) {}

  private static final Failure NONE = new Failure(Failure.Kind.INVALID, "none");

  private static Said ask(WasmBackend of, Api api, String body) throws Exception {
    CompletableFuture<Said> said = new CompletableFuture<>();
    List<String> parts = new ArrayList<>();
    Runnable stop =
        of.ask(
            new Request("r", api, Hash.ZERO, body.getBytes(StandardCharsets.UTF_8), false),
            new Answer() {
              @Override
              public void part(byte[] json) {
                parts.add(new String(json, StandardCharsets.UTF_8));
              }

              @Override
              public void done(Claim claim) {
                said.complete(new Said(String.join("", parts), claim, NONE));
              }

              @Override
              public void failed(Failure failure, Claim claim) {
                said.complete(new Said("", claim, failure));
              }
            });
    Said end = said.get(60, TimeUnit.SECONDS);
    stop.run(); // it has ended: nothing happens
    return end;
  }

  private static String body(String shape, String data) {
    return """
    {"id":"q1","inputs":[{"name":"x","datatype":"FP32","shape":%s,"data":%s}]}
    """
        .formatted(shape, data);
  }

  @Test
  void rowsGoInAndProbabilitiesComeOut() throws Exception {
    List<String> lines = Files.readAllLines(LOANS);
    List<String> head = List.of(lines.getFirst().split(","));
    int probability = head.indexOf("probability");
    List<String> rows = lines.subList(1, lines.size());
    StringBuilder data = new StringBuilder("[");
    for (String row : rows) {
      data.append(data.length() > 1 ? "," : "")
          .append(Arrays.asList(row.split(",")).subList(0, COLUMNS));
    }
    Said said = ask(backend, Api.INFER, body("[" + rows.size() + "," + COLUMNS + "]", data + "]"));
    assertThat(said.failure()).isEqualTo(NONE);
    assertThat(said.claim().rows()).isEqualTo(rows.size());
    assertThat(said.claim().computeNs()).isPresent();
    JsonNode answer = JSON.readTree(said.json());
    assertThat(answer.path("model_name").asText()).isEqualTo("me/tree");
    assertThat(answer.path("model_version").asText()).isEqualTo("2");
    assertThat(answer.path("id").asText()).isEqualTo("q1");
    assertThat(answer.path("parameters").path("gas").asLong()).isPositive();
    assertThat(said.claim().gas()).hasValue(answer.path("parameters").path("gas").asLong());
    JsonNode output = answer.path("outputs").get(0);
    assertThat(output.path("datatype").asText()).isEqualTo("FP32");
    assertThat(output.path("shape").toString()).isEqualTo("[" + rows.size() + ",2]");
    assertThat(output.path("data").size()).isEqualTo(2 * rows.size());
    for (int i = 0; i < rows.size(); i++) {
      double expected = Double.parseDouble(rows.get(i).split(",")[probability]);
      assertThat(output.path("data").get(2 * i + 1).asDouble())
          .as("row %d", i)
          .isEqualTo(expected, Offset.offset(1e-5));
    }
  }

  @Test
  void oneRowMayBeFlatAndGasIsTheSameAgain() throws Exception {
    String body = body("[8]", "[1,2,3,4,5,6,7,8]");
    Said once = ask(backend, Api.INFER, body);
    Said again = ask(backend, Api.INFER, body("[1,8]", "[[1,2,3,4,5,6,7,8]]"));
    assertThat(once.failure()).isEqualTo(NONE);
    assertThat(once.claim().rows()).isEqualTo(1);
    assertThat(again.json()).as("output and gas").isEqualTo(once.json());
  }

  @Test
  void whatIsWrongIsSaid() throws Exception {
    assertInvalid("{", "no JSON", "");
    assertInvalid("{\"inputs\":[]}", "one input tensor", "inputs");
    assertInvalid(body("[2,8]", "[1,2,3]"), "3 numbers; the shape says 16", "inputs[0].data");
    assertInvalid(body("[1,2]", "[1,2,3]"), "more numbers than the shape", "inputs[0].data");
    assertInvalid(body("[1,1]", "[\"a\"]"), "no number", "inputs[0].data");
    assertInvalid(body("[1,1]", "7"), "list of numbers", "inputs[0].data");
    assertInvalid(body("[0,8]", "[]"), "[rows, columns]", "inputs[0].shape");
    assertInvalid(body("[1,2,3]", "[]"), "[rows, columns]", "inputs[0].shape");
    assertInvalid(body("[2000000000,2000000000]", "[]"), "too many", "inputs[0].shape");
    assertInvalid(
        body("[1,1]", "[1]").replace("FP32", "BYTES"), "no type of numbers", "inputs[0].datatype");
    Said chat = ask(backend, Api.CHAT, "{}");
    assertThat(chat.failure().message()).contains("answers infer, not chat");
    // The module's own word.
    Said width = ask(backend, Api.INFER, body("[1,3]", "[1,2,3]"));
    assertThat(width.failure().kind()).isEqualTo(Failure.Kind.INVALID);
    assertThat(width.failure().code()).isEqualTo("exit_code");
  }

  private static void assertInvalid(String body, String message, String param) throws Exception {
    Said said = ask(backend, Api.INFER, body);
    assertThat(said.failure().kind()).as(body).isEqualTo(Failure.Kind.INVALID);
    assertThat(said.failure().message()).contains(message);
    assertThat(said.failure().param()).isEqualTo(param);
    assertThat(said.claim()).isEqualTo(Claim.NONE);
  }

  @Test
  void aModuleThatIsNoModelFailsAlone() throws Exception {
    WasmBackend empty = backend(Path.of("../examples/modules/empty.wasm"));
    Said said = ask(empty, Api.INFER, body("[1,1]", "[1]"));
    assertThat(said.failure().kind()).isEqualTo(Failure.Kind.BROKEN);
    assertThat(said.failure().message()).contains("0 bytes for 1 rows");
    assertThat(backend.health().healthy()).isTrue();
  }
}
