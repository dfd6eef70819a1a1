package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Finding, fetching and running OpenAI's client: the real one, and shell scripts that stand in for
/// programs that are missing, broken or slow.
class OfficialClientTest {
  private static final Path SOURCES = Path.of("../examples/clients/openai");
  private static final Path KEPT = Path.of("target", "clients");
  private static final byte[] REQUEST =
      "{\"model\":\"m\",\"messages\":[],\"stream\":true}".getBytes(StandardCharsets.UTF_8);
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  private final List<String> notices = new ArrayList<>();

  private OfficialClient.Found find(Path kept, String path) throws Exception {
    return OfficialClient.find(SOURCES, kept, path, notices::add);
  }

  private String missing(Path kept, String path) throws Exception {
    return ((OfficialClient.Found.Missing) find(kept, path)).why();
  }

  private Path program(String name, String script) throws IOException {
    Path bin = Files.createDirectories(folder.resolve("bin"));
    Path file = Files.writeString(bin.resolve(name), "#!/bin/sh\n" + script + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    return bin;
  }

  /// A gateway that answers each request with this.
  private interface Said {
    void hear(HttpServer gateway, List<String> heard) throws Exception;
  }

  private static void answering(int status, String type, String body, Said work) throws Exception {
    List<String> heard = new CopyOnWriteArrayList<>();
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            heard.add(
                exchange.getRequestURI()
                    + " "
                    + exchange.getRequestHeaders().getFirst("authorization")
                    + " "
                    + new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().add("content-type", type);
            exchange.getResponseHeaders().add("x-perseid-provider", "0xabc");
            exchange.sendResponseHeaders(status, bytes.length);
            exchange.getResponseBody().write(bytes);
          }
        });
    server.start();
    try {
      work.hear(server, heard);
    } finally {
      server.stop(0);
    }
  }

  private static String url(HttpServer server) {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private static String chunk(String rest) {
    return "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
        + rest
        + "}\n\n";
  }

  private static final String STREAM =
      chunk("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Os\"},\"finish_reason\":null}]")
          + chunk(
              "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]")
          + chunk("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]")
          + chunk(
              "\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,"
                  + "\"total_tokens\":3,\"cost\":1.2e-7}");

  private static final String WHOLE =
      """
      {"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
      "message":{"role":"assistant","content":"Oslo"},"finish_reason":"stop"}],
      "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"cost":0.00012}}\
      """
          .replace("\n", "");

  private List<DemoClient> both() throws Exception {
    OfficialClient.Found found = find(KEPT, System.getenv("PATH"));
    assertThat(found).isInstanceOf(OfficialClient.Found.Ready.class);
    return List.of(((OfficialClient.Found.Ready) found).client(), new PlainClient());
  }

  @Test
  void bothClientsHearTheSame() throws Exception {
    for (DemoClient client : both()) {
      answering(
          200,
          "text/event-stream",
          STREAM + "data: [DONE]\n\n",
          (gateway, heard) -> {
            List<String> pieces = new ArrayList<>();
            DemoClient.Heard end = client.ask(url(gateway), "sk-1", REQUEST, pieces::add);
            assertThat(end.wrong()).as(client.name()).isEmpty();
            assertThat(pieces).filteredOn(p -> !p.isEmpty()).containsExactly("Os", "lo");
            assertThat(end.provider()).contains("0xabc");
            assertThat(end.tokens()).hasValue(2);
            assertThat(end.cost()).contains("0.00000012");
            assertThat(end.firstNs().orElseThrow())
                .isPositive()
                .isLessThanOrEqualTo(end.totalNs().orElseThrow());
            assertThat(heard).hasSize(1);
            assertThat(heard.getFirst()).startsWith("/v1/chat/completions Bearer sk-1 {");
          });
      byte[] whole = "{\"model\":\"m\",\"messages\":[]}".getBytes(StandardCharsets.UTF_8);
      answering(
          200,
          "application/json",
          WHOLE,
          (gateway, heard) -> {
            List<String> pieces = new ArrayList<>();
            DemoClient.Heard end = client.ask(url(gateway), "sk-1", whole, pieces::add);
            assertThat(end.wrong()).as(client.name()).isEmpty();
            assertThat(pieces).containsExactly("Oslo");
            assertThat(end.cost()).contains("0.00012");
            assertThat(heard).hasSize(1);
          });
    }
  }

  @Test
  void whatIsNotWholeIsNotPassedOff() throws Exception {
    for (DemoClient client : both()) {
      String cut = chunk("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Os\"}}]");
      answering(
          200,
          "text/event-stream",
          cut,
          (gateway, heard) ->
              assertThat(client.ask(url(gateway), "sk-1", REQUEST, _ -> {}).wrong())
                  .contains("the answer has no end"));
      String refusal = "{\"error\":{\"message\":\"no such model\"}}";
      answering(
          404,
          "application/json",
          refusal,
          (gateway, heard) ->
              assertThat(client.ask(url(gateway), "sk-1", REQUEST, _ -> {}).wrong().orElseThrow())
                  .contains("404")
                  .contains("no such model"));
    }
  }

  @Test
  void itIsFetchedOnceAndThenNeedsNoNpm() throws Exception {
    both();
    int before = notices.size();
    assertThat(before).isLessThanOrEqualTo(1);
    String node =
        Stream.of(System.getenv("PATH").split(":"))
            .map(f -> Path.of(f, "node"))
            .filter(Files::isExecutable)
            .findFirst()
            .orElseThrow()
            .toString();
    Path bin = program("node", "exec " + node + " \"$@\"");
    program("npm", "echo called >" + folder + "/npm-called; exit 1");
    assertThat(find(KEPT, bin + ":/bin")).isInstanceOf(OfficialClient.Found.Ready.class);
    assertThat(folder.resolve("npm-called")).doesNotExist();
    assertThat(notices).hasSize(before);
  }

  @Test
  void whatIsMissingOrBrokenIsToldAndLeavesNothing() throws Exception {
    Path kept = Files.createDirectories(folder.resolve("kept"));
    assertThat(missing(kept, "")).contains("no 'node' on the PATH");
    Path bin = program("node", "echo this is no Node; exit 7");
    assertThat(missing(kept, bin.toString())).contains("no 'npm' on the PATH");
    program("npm", "echo the network is down; exit 3");
    assertThat(missing(kept, bin + ":/bin"))
        .isEqualTo("npm could not fetch it: it ended with 3: the network is down");
    assertThat(kept).isEmptyDirectory();
    program("npm", "exit 0");
    assertThat(missing(kept, bin + ":/bin"))
        .contains("cannot run it: it ended with 7: this is no Node");
    try (Stream<Path> files = Files.list(kept)) {
      assertThat(files.map(f -> f.getFileName().toString()))
          .singleElement()
          .asString()
          .startsWith("openai-client-");
    }
  }

  @Test
  void whoIsSecondTakesWhatTheFirstFetched() throws Exception {
    Path kept = folder.resolve("kept");
    Path bin = program("node", "echo '{\"client\":\"c\",\"version\":\"1\",\"node\":\"v2\"}'");
    program("npm", "exit 0");
    String path = bin + ":/bin";
    assertThat(find(kept, path)).isInstanceOf(OfficialClient.Found.Ready.class);
    Path fetched;
    try (Stream<Path> files = Files.list(kept)) {
      fetched = files.findFirst().orElseThrow();
    }
    Path other = Files.move(fetched, folder.resolve("other"));
    // While this one fetches, another one ends.
    program("npm", "cp -r " + other + " " + fetched);
    assertThat(find(kept, path)).isInstanceOf(OfficialClient.Found.Ready.class);
    try (Stream<Path> files = Files.list(kept)) {
      assertThat(files).containsExactly(fetched);
    }
  }

  @Test
  void whereNothingCanBeKeptItIsMissing() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "no folder");
    Path bin = program("node", "exit 0");
    program("npm", "exit 0");
    assertThat(missing(file.resolve("kept"), bin + ":/bin")).contains("cannot be kept or started");
  }

  @Test
  void aProgramThatDoesNotEndIsKilledWithWhatItStarted() throws Exception {
    // Its child holds the pipe open: as long as that lives, there is no end to read.
    Path bin = program("slow", "sleep 600 & echo begun; wait");
    try (Errand errand =
        Errand.send(new ProcessBuilder(bin.resolve("slow").toString()), new byte[0], 1)) {
      assertThat(errand.line()).isEqualTo("begun");
      assertThat(errand.end()).contains("it did not end within 1 s");
    }
  }

  @Test
  void theClientIsTheOneThatTheGatewayIsTestedWith() throws IOException {
    JsonNode ours = lock(SOURCES);
    JsonNode tested = lock(Path.of("../gateway/src/test/clients"));
    assertThat(ours.path("version").asText()).isNotEmpty();
    assertThat(ours.path("version")).isEqualTo(tested.path("version"));
    assertThat(ours.path("integrity")).isEqualTo(tested.path("integrity"));
  }

  private static JsonNode lock(Path clients) throws IOException {
    return JSON.readTree(Files.readString(clients.resolve("package-lock.json")))
        .path("packages")
        .path("node_modules/openai");
  }
}
