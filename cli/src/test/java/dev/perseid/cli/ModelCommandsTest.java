package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.inference.ModelSignature;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderConfig;
import dev.perseid.node.ProviderNode;
import dev.perseid.node.ServedModel;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The commands about models, against a real pool and a provider that serves a real one.
class ModelCommandsTest {
  private static final String CHAT = "../examples/models/tiny-chat/q8_0";

  @TempDir static Path folder;
  private static PoolNode pool;
  private static ProviderNode provider;

  @TempDir Path here;

  @BeforeAll
  static void start() throws Exception {
    Home home = Home.of(environment());
    Key key = home.key("pool");
    pool = PoolNode.start(PoolConfig.usual(folder.resolve("pool"), key).withWelcome(1_000_000_000));
    assertThat(good("model", "publish", CHAT).out()).contains("published perseid/tiny-chat:1.0.0");
    provider =
        ProviderNode.start(
            ProviderConfig.of(
                    home.key("provider"),
                    ProviderConfig.PoolAt.of("127.0.0.1", pool.port(), key.address()),
                    folder.resolve("provider"))
                .unmeasured()
                .isolationPreferred()
                .withModels(List.of(ServedModel.of("perseid/tiny-chat"))),
            line -> {});
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!ready()) {
      assertThat(System.nanoTime()).as("the deadline").isLessThan(deadline);
    }
  }

  private static boolean ready() throws IOException {
    JsonNode offers = good("model", "show", "perseid/tiny-chat", "--json").json().path("offers");
    return offers.path(0).path("reachable").asBoolean();
  }

  @AfterAll
  static void stop() throws IOException {
    provider.close();
    pool.close();
  }

  private static Map<String, String> environment() {
    return Map.of("PERSEID_HOME", folder.resolve("home").toString());
  }

  private static Ran perseid(String... args) {
    List<String> all = new ArrayList<>(List.of(args));
    all.add("--pool=127.0.0.1:" + pool.port() + "@" + pool.address());
    return bare(all.toArray(String[]::new));
  }

  private static Ran bare(String... args) {
    return Ran.of(environment(), args);
  }

  private static Ran good(String... args) {
    Ran ran = perseid(args);
    assertThat(ran.exit()).as("%s: %s%s", List.of(args), ran.out(), ran.err()).isZero();
    return ran;
  }

  @Test
  void aModelsAuditsAreShownAndWrongRatesRefused() throws Exception {
    assertThat(good("model", "show", "perseid/tiny-chat").out())
        .contains("read again: 20 % of newcomers' answers, 1 % of known providers'")
        .contains("asked again: 0.2 %; canaries: 0.2 %")
        .contains("audits say");
    JsonNode shown = good("model", "show", "perseid/tiny-chat", "--json").json();
    assertThat(shown.path("audits").path("newcomer_permille").asInt()).isEqualTo(200);
    assertThat(shown.path("offers").path(0).path("standing").asText()).isIn("undecided", "honest");
    Ran wrong = bare("pool", "--audit", "canaries=3@me/chat");
    assertThat(wrong.exit()).isNotZero();
    assertThat(wrong.err()).contains("--audit: there is no rate 'canaries'");
  }

  @Test
  void aQuestionIsAnsweredAndProved() throws Exception {
    String[] question = {
      "ask", "perseid/tiny-chat", "What is the capital of Norway?", "--temperature", "0"
    };
    assertThat(good(question).out()).contains("Oslo");
    List<String> asJson = new ArrayList<>(List.of(question));
    asJson.add("--json");
    JsonNode answer = good(asJson.toArray(String[]::new)).json();
    assertThat(answer.get("text").asText()).contains("Oslo");
    assertThat(answer.get("charge_microcredits").asLong()).isPositive();
    asJson.add("--sealed");
    JsonNode sealed = good(asJson.toArray(String[]::new)).json();
    assertThat(sealed.get("text").asText()).isEqualTo(answer.get("text").asText());

    String id = answer.get("request").asText();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!perseid("records", "requests", "--each").out().contains(id)) {
      assertThat(System.nanoTime()).as("the deadline").isLessThan(deadline);
    }
    Path receipts = here.resolve("receipts.jsonl");
    good("receipts", "requests", "--out", receipts.toString());
    assertThat(Files.readString(receipts)).contains(id);
    Ran verified = bare("verify", receipts.toString());
    assertThat(verified.exit()).as("%s%s", verified.out(), verified.err()).isZero();
  }

  @Test
  void aModelIsFoundFetchedAndPublishedOnce() throws Exception {
    assertThat(good("model", "list").out())
        .contains("perseid/tiny-chat:1.0.0")
        .contains("gguf q8_0");
    assertThat(good("model", "list", "tiny", "chat").out()).contains("perseid/tiny-chat");
    assertThat(good("model", "list", "nowhere").out()).contains("no model has all of these words");
    assertThat(good("model", "show", "perseid/tiny-chat").out()).contains("ready").contains("5 %");
    assertThat(good("model", "publish", CHAT).out()).contains("is published already");
    Path fetched = here.resolve("fetched");
    good("model", "fetch", "perseid/tiny-chat", fetched.toString());
    assertThat(fetched.resolve("tiny-chat-q8_0.gguf"))
        .hasSameBinaryContentAs(Path.of(CHAT, "tiny-chat-q8_0.gguf"));
  }

  @Test
  void aModelThatPredictsSaysWhatItTakes() throws Exception {
    ModelFolder loans = ModelFolder.read(Path.of("../examples/models/loan-risk"));
    assertThat(loans.manifest().signature().orElseThrow().inputs())
        .containsExactly(new ModelSignature.Tensor("features", "FP32", List.of(-1L, 8L)));
    ModelFolder tree = ModelFolder.read(Path.of("../examples/models/tiny-tree"));
    assertThat(tree.manifest().signature().orElseThrow().outputs())
        .containsExactly(new ModelSignature.Tensor("output", "FP32", List.of(-1L, 2L)));
    assertThat(ModelFolder.read(Path.of(CHAT)).manifest().signature()).isEmpty();
  }

  @Test
  void aModelIsWithdrawnByItsAuthorOnly() throws Exception {
    Files.writeString(here.resolve("a.txt"), "a card");
    Files.writeString(
        here.resolve("perseid-model.yaml"),
        "name: me/api\nversion: 1\ntask: chat\nformat: api\nlicence: MIT\ncard: a.txt\n");
    good("model", "publish", here.toString());
    assertThat(perseid("model", "withdraw", "me/api:1", "--key", "stranger").exit())
        .isEqualTo(Exit.REFUSED);
    assertThat(perseid("model", "withdraw", "me/api").err()).contains("NAME:VERSION");
    assertThat(good("model", "withdraw", "me/api:1").out()).contains("withdrawn");
    assertThat(good("model", "list", "me/api").out()).doesNotContain("me/api:1");
    assertThat(good("model", "list", "me/api", "--all").out()).contains("withdrawn");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          nam: x                                       | 1:1 | has no key 'nam'
          name: me/x\\nversion: 1\\ntask: sing          | 3:7 | write chat, embed or predict
          name: me/x\\nversion: 1\\ntask: chat           | 1:1 | needs 'format'
          name: me/x\\nversion: 1\\ntask: chat\\nformat: gguf\\nlicence: MIT\\nfiles: [no.gguf] | 6:9 | no file 'no.gguf'
          name: me/x\\nversion: 1\\ntask: chat\\nformat: gguf\\nlicence: MIT | 1:1 | has files
          name: me/x\\nversion: 1\\ntask: predict\\nformat: onnx\\nlicence: MIT\\nfiles: [bad.onnx] | 1:1 | is no ONNX model
          name: me/x\\nversion: 1\\ntask: predict\\nformat: onnx\\nlicence: MIT\\ninputs: [{name: x, datatype: FP32, shape: [1]}]\\nfiles: [bad.onnx] | 1:1 | leave out 'inputs'
          name: me/x\\nversion: 1\\ntask: predict\\nformat: wasm\\nlicence: MIT\\ninputs: [{name: x, datatype: FP32, shape: [a]}]\\nfiles: [bad.onnx] | 6:44 | whole number
          name: me/x\\nversion: 1\\ntask: predict\\nformat: wasm\\nlicence: MIT\\ninputs: [{name: x, datatype: FP32, shape: [8]}]\\noutputs: [{name: y, datatype: FP32, shape: [2]}]\\nfiles: [bad.onnx] | 1:1 | a portable model takes one tensor
          """)
  void aWrongFolderIsRefusedWithThePlace(String yaml, String place, String why) throws Exception {
    Files.writeString(here.resolve("bad.onnx"), "no model");
    Files.writeString(here.resolve("perseid-model.yaml"), yaml.replace("\\n", "\n") + "\n");
    Ran ran = perseid("model", "publish", here.toString());
    assertThat(ran.exit()).isEqualTo(Exit.USAGE);
    assertThat(ran.err()).contains("perseid-model.yaml:" + place).contains(why);
  }

  @Test
  void whatCannotBeAskedIsExplained() {
    Ran unknown = perseid("ask", "perseid/tiny-chart", "hello");
    assertThat(unknown.exit()).isEqualTo(Exit.USAGE);
    assertThat(unknown.err()).contains("did you mean 'perseid/tiny-chat'?");
    assertThat(perseid("ask", "perseid/tiny-chat", "hello", "--max-tokens", "0").err())
        .contains("--max-tokens");
    assertThat(perseid("model", "publish", here.resolve("nowhere").toString()).err())
        .contains("nowhere");
    assertThat(perseid("gateway", "--port", "70000").err()).contains("--port");
    Ran odd = perseid("provider", "--serve", "me/x=http://a/v1", "--server-honours", "top_p,top p");
    assertThat(odd.exit()).isEqualTo(Exit.USAGE);
    assertThat(odd.err()).contains("honours is 'top p'");
  }

  @Test
  void keysAreMadeListedAndRevoked() throws Exception {
    Ran made = good("key", "make", "laptop");
    String key = made.out().strip();
    assertThat(key).matches("sk-perseid-[A-Za-z0-9_-]{43}");
    assertThat(made.err()).contains("shown only now");
    assertThat(good("key", "list").out()).contains("laptop").doesNotContain(key);
    assertThat(perseid("key", "revoke", "nothing").err()).contains("no such key");
    good(
        "key",
        "make",
        "ci",
        "--scope",
        "read,keys",
        "--model",
        "a/b",
        "--spend",
        "1.5",
        "--days",
        "2");
    assertThat(good("key", "list").out()).contains("read,keys", "a/b", "1.5 credits");
    assertThat(perseid("key", "make", "--scope", "all").err()).contains("is no scope");
    good("key", "revoke", "ci");
    assertThat(good("key", "revoke", key).out()).contains("revoked").contains("laptop");
    assertThat(good("key", "list", "--json").json()).isEmpty();
  }
}
