package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Address;
import dev.perseid.core.Operated;
import dev.perseid.node.Electricity;
import dev.perseid.node.PoolConfig;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderConfig;
import dev.perseid.node.ProviderNode;
import dev.perseid.settle.Key;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.Model.CommandSpec;

/// The commands against a real pool and a real provider on this machine.
class CommandsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long WELCOME = 1_000_000_000;

  @TempDir static Path folder;
  private static PoolNode pool;
  private static ProviderNode provider;

  @TempDir Path here;

  @BeforeAll
  static void start() throws Exception {
    Home home = Home.of(environment());
    Key key = home.key("pool");
    pool = PoolNode.start(PoolConfig.usual(folder.resolve("pool"), key).withWelcome(WELCOME));
    provider =
        ProviderNode.start(
            ProviderConfig.of(
                    home.key("provider"),
                    ProviderConfig.PoolAt.of("127.0.0.1", pool.port(), key.address()),
                    folder.resolve("provider"))
                .unmeasured()
                .isolationPreferred()
                .with(
                    new Electricity(
                        OptionalLong.of(6_500), OptionalLong.empty(), OptionalInt.of(380))),
            line -> {});
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
    return Ran.of(environment(), all.toArray(String[]::new));
  }

  private static Ran good(String... args) {
    Ran ran = perseid(args);
    assertThat(ran.exit()).as("%s: %s%s", List.of(args), ran.out(), ran.err()).isZero();
    return ran;
  }

  private Path job(String tasks, String rest) throws IOException {
    Path module = here.resolve("burn.wasm");
    if (!Files.exists(module)) {
      Files.copy(Path.of("../examples/modules/burn.wasm"), module);
    }
    return Files.writeString(
        here.resolve("job.yaml"),
        "name: burning\nbudget_microcredits: 1000000\ntasks:\n" + tasks + rest);
  }

  private Path small() throws IOException {
    return job(
        """
          - {name: first, module: burn.wasm, args: "1000 10 20", outputs: 2}
          - {name: then, count: 3, kind: later, module: burn.wasm, args: "${i*1000} ${i}", inputs: ["first:1"]}
          - {name: last, module: burn.wasm, args: "0 5", inputs: ["then[*]:0"], after: [first]}
        """,
        "results: ['last:0', 'then[0]:0']\n");
  }

  @Test
  void aProviderIsOfTheOperatorWhoSignedForIt() throws Exception {
    Home home = Home.of(Map.of("PERSEID_HOME", here.resolve("lender").toString()));
    Address own = home.key("provider").address();
    Ran signed = Ran.of(environment(), "operate", own.toString());
    assertThat(signed.exit()).as(signed.err()).isZero();
    Operated operated = OperateCommand.read(signed.out().strip(), own);
    CompletableFuture<String> connected = new CompletableFuture<>();
    try (ProviderNode another =
        ProviderNode.start(
            ProviderConfig.of(
                    home.key("provider"),
                    ProviderConfig.PoolAt.of("127.0.0.1", pool.port(), pool.address()),
                    here.resolve("provider"))
                .isolationPreferred()
                .unmeasured()
                .operatedBy(operated),
            connected::complete)) {
      assertThat(connected.get(1, TimeUnit.MINUTES)).contains("connected");
      JsonNode found = null;
      for (JsonNode view : good("providers", "--json").json()) {
        found = view.get("provider").asText().equals(own.toString()) ? view : found;
      }
      assertThat(found).isNotNull();
      assertThat(found.get("operator").asText()).isEqualTo(operated.operator().toString());
      assertThat(another.address()).isEqualTo(own);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "me",
        "0x12:00",
        "0x0000000000000000000000000000000000000001:"
            + "1111111111111111111111111111111111111111111111111111111111111111"
            + "11111111111111111111111111111111111111111111111111111111111111111b"
      })
  void whatNobodySignedIsNoOperator(String statement) {
    Ran ran =
        Ran.of(
            Map.of("PERSEID_HOME", here.resolve("lender").toString()),
            "provider",
            "--pool=127.0.0.1:1@0x0000000000000000000000000000000000000001",
            "--operated-by=" + statement);
    assertThat(ran.exit()).isEqualTo(Exit.USAGE);
    assertThat(ran.err()).contains("--operated-by").doesNotContain("bug");
  }

  @Test
  void aJobFromFileToReceipts() throws Exception {
    Path results = here.resolve("results");
    JsonNode end = good("run", small().toString(), "--json", "--out", results.toString()).json();
    assertThat(end.get("state").asText()).isEqualTo("done");
    assertThat(end.get("done").asInt()).isEqualTo(5);
    assertThat(Files.size(results.resolve("last.0"))).isEqualTo(5);
    assertThat(Files.size(results.resolve("then[0].0"))).isZero();
    String id = end.get("job").asText();
    Path again = here.resolve("again");
    assertThat(good("results", id, "--out", again.toString()).out()).contains("last.0");
    assertThat(again.resolve("last.0")).hasSameBinaryContentAs(results.resolve("last.0"));

    assertThat(good("jobs").out()).contains(id).contains("burning");
    assertThat(good("jobs", "--json").json().findValuesAsText("job")).contains(id);
    assertThat(good("jobs", "--all", "--json").json().findValuesAsText("job")).contains(id);
    assertThat(good("watch", id.substring(0, 8)).out())
        .contains("done after")
        .contains("5 attempts")
        .containsPattern(", [0-9.]+ mWh, [0-9.]+ mg of CO2");
    JsonNode used = end.get("footprint");
    assertThat(used.get("energy_attempts").asInt()).isEqualTo(5);
    assertThat(used.get("carbon_attempts").asInt()).isEqualTo(5);
    assertThat(used.get("energy_uj").asLong()).isPositive();
    JsonNode lender = good("providers", "--json").json().get(0);
    assertThat(lender.get("mw_per_core").asLong()).isPositive();
    assertThat(lender.get("carbon_g_per_kwh").asInt()).isEqualTo(380);
    assertThat(good("watch", id, "--json").json().get("state").asText()).isEqualTo("done");
    assertThat(good("why", id).out()).isNotBlank();
    assertThat(good("why", id, "then[1]", "--json").json().get("sentence").asText()).isNotBlank();

    assertThat(good("records", id).out()).contains("then[2]").contains("DONE");
    assertThat(good("records", id, "--json").json()).hasSize(5);
    assertThat(good("records", id, "--export", "csv").out().lines()).hasSize(6);
    String lines = good("records", id, "--export", "jsonl").out();
    assertThat(lines.lines())
        .hasSize(5)
        .allMatch(l -> l.contains("\"energy_by\":\"declared: 6.5 W a core in use\""));
    Path chrome = here.resolve("trace.json");
    good("records", id, "--export", "chrome", "-o", chrome.toString());
    assertThat(JSON.readTree(chrome.toFile()).findValuesAsText("name")).contains("then[2]");

    JsonNode findings = good("analyze", id, "--json").json();
    assertThat(findings.get("title").asText()).isEqualTo("burning");
    assertThat(findings.get("tasks").asInt()).isEqualTo(5);
    assertThat(findings.get("path").findValuesAsText("kind")).contains("first", "last");
    assertThat(good("analyze", id).out())
        .contains("handing over")
        .contains("longest chain: first ->");
    assertThat(perseid("analyze", "0".repeat(32)).err()).contains("you have no job 0000");

    assertThat(good("records", id, "--export", "otlp").out()).contains("resourceSpans");
    assertThat(
            good("query", "SELECT count(*) AS n FROM records WHERE source = '" + id + "'", "--json")
                .out())
        .isEqualTo("{\"n\":5}\n");

    assertThat(good("watch", id, "--findings").out()).contains("what holds it back:");
    String[] watched = good("watch", id, "--json", "--serve", "0").out().strip().split("\n");
    assertThat(JSON.readTree(watched[watched.length - 1]).at("/findings/tasks").asInt())
        .isEqualTo(5);

    Path receipts = here.resolve("receipts.jsonl");
    assertThat(good("receipts", id, "-o", receipts.toString()).out()).startsWith("5 receipts in ");
    assertThat(Ran.of(Map.of(), "verify", receipts.toString()))
        .isEqualTo(new Ran(0, "5 receipts verified\n", ""));
    assertThat(
            Ran.of(Map.of(), "verify", receipts.toString(), "--of", pool.address().toString())
                .exit())
        .isZero();
    Ran foreign = Ran.of(Map.of(), "verify", receipts.toString(), "--of", "0x" + "1".repeat(40));
    assertThat(foreign.exit()).isEqualTo(Exit.FAILED);
    assertThat(foreign.out()).contains("is WRONG").endsWith("0 receipts verified, 5 wrong\n");
    String text = Files.readString(receipts);
    int at = text.indexOf("\"entry\":\"") + 60;
    Path forged = here.resolve("forged.json");
    Files.writeString(
        forged,
        text.substring(0, at) + (text.charAt(at) == '0' ? '1' : '0') + text.substring(at + 1));
    JsonNode verdict = Ran.of(Map.of(), "verify", forged.toString(), "--json").json();
    assertThat(verdict.get("verified").asInt()).isEqualTo(4);
    assertThat(verdict.at("/wrong/0/number").asInt()).isEqualTo(1);
  }

  @Test
  void aRecordedWorkflowKeepsItsIdsThroughImportAndExport() throws Exception {
    Path workflow =
        Files.writeString(
            here.resolve("w.json"),
            """
            {"name": "w", "schemaVersion": "1.5", "workflow": {
              "specification": {
                "tasks": [
                  {"name": "a_1", "id": "a_1", "parents": [], "children": ["b_2"],
                   "inputFiles": ["x"], "outputFiles": ["y"]},
                  {"name": "b_2", "id": "b_2", "parents": ["a_1"], "children": [],
                   "inputFiles": ["y"], "outputFiles": []}],
                "files": [{"id": "x", "sizeInBytes": 100000}, {"id": "y", "sizeInBytes": 2000}]},
              "execution": {"makespanInSeconds": 1, "executedAt": "2020-01-01T00:00:00Z",
                "tasks": [{"id": "a_1", "runtimeInSeconds": 1}, {"id": "b_2", "runtimeInSeconds": 2}]}}}
            """);
    String id =
        good("run", workflow.toString(), "--json", "--scale", "0.001", "--data-scale", "0.5")
            .json()
            .get("job")
            .asText();
    JsonNode exported = good("records", id, "--export", "wfformat").json();
    JsonNode tasks = exported.at("/workflow/specification/tasks");
    assertThat(tasks.findValuesAsText("id")).containsExactly("a_1", "b_2");
    assertThat(tasks.at("/1/parents/0").asText()).isEqualTo("a_1");
    assertThat(exported.get("name").asText()).isEqualTo("w");
    assertThat(WfFormat.recognises(exported.toString())).isTrue();
    assertThat(
            WfFormat.read(
                    Path.of("again.json"),
                    exported.toString(),
                    java.math.BigDecimal.ONE,
                    java.math.BigDecimal.ONE,
                    1)
                .tasks())
        .extracting(t -> t.ownName())
        .containsExactly("a_1", "b_2");
  }

  @Test
  void aFailedJobSaysWhy() throws Exception {
    Path bad = job("  - {name: bad, module: burn.wasm, args: \"no number\"}\n", "");
    Ran ran = perseid("run", bad.toString());
    assertThat(ran.exit()).isEqualTo(Exit.FAILED);
    assertThat(ran.out()).startsWith("failed after").contains("bad");
    assertThat(ran.err()).contains("more: perseid why ");
  }

  @Test
  void aDetachedJobIsCancelled() throws Exception {
    Path slow =
        job(
            "  - {name: slow, module: burn.wasm, args: \"900000000000 1\", gas_limit: 100000000000000}\n",
            "");
    String id =
        good("run", slow.toString(), "--detach", "--json", "--budget", "500")
            .json()
            .get("job")
            .asText();
    assertThat(good("cancel", id).out()).isEqualTo("cancelled " + id + "\n");
    Ran end = perseid("watch", id);
    assertThat(end.exit()).isEqualTo(Exit.FAILED);
    assertThat(end.out()).startsWith("cancelled");
    assertThat(perseid("cancel", id).exit()).isEqualTo(Exit.REFUSED);
  }

  @Test
  void aDeadlineIsGivenWithTheCommand() throws Exception {
    Path slow =
        job(
            "  - {name: slow, module: burn.wasm, args: \"900000000000 1\", gas_limit: 100000000000000}\n",
            "");
    Ran late = perseid("run", slow.toString(), "--budget", "500", "--deadline", "0.05");
    assertThat(late.exit()).isEqualTo(Exit.FAILED);
    assertThat(late.out()).contains("it was not done within the 0.05 s that it asked for");
    for (String wrong : List.of("0", "-1", "31536001")) {
      Ran refused = perseid("run", slow.toString(), "--check", "--deadline", wrong);
      assertThat(refused.exit()).isEqualTo(Exit.USAGE);
      assertThat(refused.err()).contains("--deadline: write 0.001 to 31536000 seconds");
    }
  }

  /// Of a job that cannot end by itself, so that all is told while it runs: also what ended so soon
  /// after other tasks that it was not looked at with them, before a task that takes for ever.
  @Test
  void figuresOfARunningJobStream() throws Exception {
    Path endless =
        job(
            """
              - {name: quick, count: 3, module: burn.wasm, args: "1000 10"}
              - {name: endless, module: burn.wasm, args: "900000000000 1", after: ["quick[*]"], gas_limit: 100000000000000}
            """,
            "");
    String id =
        good("run", endless.toString(), "--detach", "--json", "--budget", "500")
            .json()
            .get("job")
            .asText();
    PipedInputStream heard = new PipedInputStream(1 << 16);
    PrintStream notes = new PrintStream(new PipedOutputStream(heard), true, StandardCharsets.UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Screen screen = new Screen(new PrintStream(out, true, StandardCharsets.UTF_8), notes, false);
    CompletableFuture<Integer> exit =
        CompletableFuture.supplyAsync(() ->
            Main.run(
                screen,
                environment(),
                "watch",
                id,
                "--json",
                "--serve=0",
                "--pool=127.0.0.1:" + pool.port() + "@" + pool.address()));
    String at = new BufferedReader(new InputStreamReader(heard, StandardCharsets.UTF_8)).readLine();
    assertThat(at).matches("figures at http://127\\.0\\.0\\.1:\\d+/");
    URI root = URI.create(at.substring("figures at ".length()));
    try (HttpClient client = HttpClient.newHttpClient();
        BufferedReader events =
            new BufferedReader(
                new InputStreamReader(
                    client
                        .send(
                            HttpRequest.newBuilder(root.resolve("events")).build(),
                            HttpResponse.BodyHandlers.ofInputStream())
                        .body(),
                    StandardCharsets.UTF_8))) {
      JsonNode streamed = JSON.createObjectNode();
      while (streamed.path("tasks").asInt() < 3) {
        String line = events.readLine();
        assertThat(line).as("the stream goes on").isNotNull();
        if (line.startsWith("data: ")) {
          streamed = JSON.readTree(line.substring("data: ".length()));
        }
      }
      assertThat(exit).as("it still runs").isNotDone();
      HttpResponse<String> asked =
          client.send(
              HttpRequest.newBuilder(root.resolve("findings")).build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(JSON.readTree(asked.body())).isEqualTo(streamed);
      assertThat(good("analyze", id, "--json").json()).isEqualTo(streamed);
      good("cancel", id);
      String line = events.readLine();
      while (line != null && !line.equals("event: end")) {
        line = events.readLine();
      }
      assertThat(line).isEqualTo("event: end");
    }
    assertThat(exit.get()).isEqualTo(Exit.FAILED);
    String[] lines = out.toString(StandardCharsets.UTF_8).strip().split("\n");
    JsonNode last = JSON.readTree(lines[lines.length - 1]);
    assertThat(last.get("state").asText()).isEqualTo("cancelled");
    assertThat(last.at("/findings/attempts").asInt()).isGreaterThanOrEqualTo(3);
  }

  /// What decides whether records that were loaded once need loading again.
  @Test
  void aPoolsRecordsAreAsTheyWereUntilThereAreMore() throws Exception {
    ByteArrayOutputStream nowhere = new ByteArrayOutputStream();
    PrintStream print = new PrintStream(nowhere, true, StandardCharsets.UTF_8);
    Main main = new Main(new Screen(print, print, false), environment(), CommandSpec.create());
    AtPool at = new AtPool();
    at.pool = "127.0.0.1:" + pool.port() + "@" + pool.address();
    String results = "--out=" + here.resolve("results");
    String id = good("run", small().toString(), "--json", results).json().get("job").asText();
    Origins job = new Origins(main, at, List.of(id));
    Origins all = new Origins(main, at, List.of());
    assertThat(job.question()).isEqualTo(new Origins(main, at, List.of(id)).question());
    assertThat(job.question()).isNotEqualTo(all.question());
    long ofJob;
    long ofAll;
    try (RecordTable table = RecordTable.open(256)) {
      ofJob = job.load(table);
      assertThat(table.size()).isEqualTo(5);
      ofAll = all.load(table);
      assertThat(table.size()).isGreaterThanOrEqualTo(10);
    }
    Optional<String> before = job.state(ofJob);
    assertThat(before).isPresent();
    assertThat(job.state(ofJob - 1)).as("there is a newer one").isEmpty();
    assertThat(job.state(ofJob + 1)).as("there is none yet").isEmpty();
    assertThat(job.complete()).isTrue();

    good("run", small().toString(), "--json", "--out=" + here.resolve("again"));
    assertThat(job.state(ofJob)).as("of a job that is over").isEqualTo(before);
    assertThat(job.complete()).isTrue();
    assertThat(all.state(ofAll)).isEmpty();
    assertThat(all.complete()).isFalse();
  }

  @Test
  void moneyAndProviders() throws Exception {
    JsonNode account = good("account", "--json").json();
    assertThat(account.get("balance_microcredits").asLong())
        .isPositive()
        .isLessThanOrEqualTo(WELCOME);
    String other = "0x" + "2".repeat(40);
    assertThat(good("account", "grant", other, "1.5", "--memo", "gift").out())
        .isEqualTo("granted 1.5 credits; " + other + " has 1.5 credits\n");
    assertThat(good("providers").out()).contains("serving");
    assertThat(good("providers", "--json").json().at("/0/provider").asText())
        .isEqualTo(provider.address().toString());

    Ran poor = perseid("run", small().toString(), "--budget", "2000");
    assertThat(poor.exit()).isEqualTo(Exit.REFUSED);
    assertThat(poor.err().lines()).hasSize(1);
    assertThat(poor.err()).contains("credits");
  }

  @Test
  void aFileIsCheckedWithoutAPool() throws Exception {
    Ran ran = Ran.of(Map.of(), "run", "--check", small().toString());
    assertThat(ran.exit()).isZero();
    assertThat(ran.out()).contains("5 tasks of 3 kinds");
    assertThat(
            Ran.of(Map.of(), "run", "--check", "--json", small().toString())
                .json()
                .get("tasks")
                .asInt())
        .isEqualTo(5);
    Files.writeString(here.resolve("job.yaml"), "nmae: x");
    Ran wrong = Ran.of(Map.of(), "run", here.resolve("job.yaml").toString());
    assertThat(wrong.exit()).isEqualTo(Exit.USAGE);
    assertThat(wrong.err())
        .isEqualTo(
            here.resolve("job.yaml") + ":1:1: a job has no key 'nmae'; did you mean 'name'?\n");
  }

  @Test
  void whoCannotBeReachedOrIsSomebodyElse() throws Exception {
    Ran nobody = Ran.of(environment(), "jobs", "--pool", "127.0.0.1:1");
    assertThat(nobody.exit()).isEqualTo(Exit.UNREACHABLE);
    assertThat(nobody.err()).contains("cannot be reached").hasLineCount(1);
    Ran somebody =
        Ran.of(environment(), "jobs", "--pool=127.0.0.1:" + pool.port() + "@0x" + "3".repeat(40));
    assertThat(somebody.exit()).isEqualTo(Exit.REFUSED);
    assertThat(somebody.err()).contains("is the pool " + pool.address());
    assertThat(Ran.of(environment(), "jobs", "--pool", "nowhere").exit()).isEqualTo(Exit.USAGE);
    Ran unset = Ran.of(environment(), "jobs");
    assertThat(unset.exit()).isEqualTo(Exit.USAGE);
    assertThat(unset.err()).contains("PERSEID_POOL").contains("perseid up");
    assertThat(Ran.of(environment(), "jobs", "--pool", "192.0.2.1:7464").err())
        .contains("address is missing");
  }

  @Test
  void settings() throws Exception {
    Map<String, String> mine = Map.of("PERSEID_HOME", here.toString());
    Path config = here.resolve("config");
    Files.writeString(config, "# a remark\npool = 127.0.0.1:" + pool.port() + "@" + pool.address());
    assertThat(Ran.of(mine, "account").exit()).isZero();
    Files.writeString(config, "poll = x\n");
    assertThat(Ran.of(mine, "account").err())
        .isEqualTo(config + ":1:1: there is no setting 'poll'; did you mean 'pool'?\n");
    Files.writeString(config, "pool = nowhere\n");
    assertThat(Ran.of(mine, "account").err()).contains(config.toString());
    Ran open = Ran.of(mine, "doctor", "--json");
    assertThat(open.json().findValuesAsText("what")).contains("JDK", "bubblewrap", "keys", "disk");
    Path key;
    try (var files = Files.walk(here.resolve("keys"))) {
      key = files.filter(Files::isRegularFile).findFirst().orElseThrow();
    }
    Files.setPosixFilePermissions(
        key, java.nio.file.attribute.PosixFilePermissions.fromString("rw-r--r--"));
    Ran readable = Ran.of(mine, "doctor");
    assertThat(readable.exit()).isEqualTo(Exit.FAILED);
    assertThat(readable.out()).contains("can be read by others");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run",
        "frobnicate",
        "jobs --limit x",
        "jobs --limit 0",
        "jobs --what",
        "why zz",
        "records 0123456789 --export pdf",
        "verify",
        "verify nowhere.json",
        "account grant 0x1 5",
        "account grant 0x1111111111111111111111111111111111111111 much",
        "cancel",
        "run nowhere.yaml",
        "watch 12",
        "verify --of x nowhere.json"
      })
  void wrongUsageIsSaidInAFewLines(String line) {
    Ran ran = perseid(line.split(" "));
    assertThat(ran.exit()).as("%s", ran).isEqualTo(Exit.USAGE);
    assertThat(ran.err().lines().count()).as(ran.err()).isBetween(1L, 4L);
    assertThat(ran.out()).isEmpty();
  }

  @Test
  void garbageIsNoReceipt() throws Exception {
    for (String text : List.of("", "[]", "{", "nonsense", "{} 5")) {
      Path file = Files.writeString(here.resolve("r.json"), text);
      assertThat(Ran.of(Map.of(), "verify", file.toString()).exit()).as(text).isEqualTo(Exit.USAGE);
    }
    Path file = Files.writeString(here.resolve("r.json"), "{} {\"perseid_receipt\": 1}");
    assertThat(Ran.of(Map.of(), "verify", file.toString()).out())
        .endsWith("0 receipts verified, 2 wrong\n");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "demo",
        "up",
        "pool",
        "provider",
        "run",
        "jobs",
        "watch",
        "cancel",
        "results",
        "records",
        "receipts",
        "verify",
        "why",
        "providers",
        "account",
        "account grant",
        "doctor",
        "version"
      })
  void everyCommandExplainsItself(String command) {
    List<String> args = new ArrayList<>(List.of(command.split(" ")));
    args.add("--help");
    Ran ran = Ran.of(Map.of(), args.toArray(String[]::new));
    assertThat(ran.exit()).isZero();
    assertThat(ran.out()).contains("--json").contains("Usage: perseid " + command);
    assertThat(Ran.of(Map.of()).out()).contains(command.split(" ")[0]);
  }

  @Test
  void aFileThatIsNestedTooDeeplyIsRefused() throws Exception {
    Path file = Files.writeString(here.resolve("deep.yaml"), "tasks:\n  " + "[".repeat(100_000));
    Ran ran = Ran.of(Map.of(), "run", "--check", file.toString());
    assertThat(ran.exit()).isEqualTo(Exit.USAGE);
    assertThat(ran.err()).contains("deep.yaml:1:1").contains("nested too deeply");
  }

  @Test
  void theWholeExplainsItself() {
    Ran asked = Ran.of(Map.of(), "--help");
    assertThat(asked.exit()).isZero();
    assertThat(asked.out()).contains("Usage: perseid").contains("Exit codes");
    assertThat(Ran.of(Map.of(), "-h").out()).isEqualTo(asked.out());
  }

  @Test
  void version() throws Exception {
    assertThat(Ran.of(Map.of(), "version").out()).startsWith("perseid ");
    assertThat(Ran.of(Map.of(), "version", "--json").json().get("version").asText()).isNotEmpty();
  }
}
