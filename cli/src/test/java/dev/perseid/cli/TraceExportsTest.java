package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import dev.perseid.engine.Engine;
import dev.perseid.engine.EngineConfig;
import dev.perseid.engine.Graph;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What becomes of an engine's records in other people's formats.
class TraceExportsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path here;
  private Path file = Path.of("");

  @BeforeEach
  void records() throws Exception {
    file = AnalyzeTest.records(here);
  }

  private String export(String format) {
    Ran ran = Ran.of("records", file.toString(), "--export", format);
    assertThat(ran.exit()).as(ran.err()).isZero();
    return ran.out();
  }

  private static Map<String, JsonNode> spans(JsonNode request, Map<String, JsonNode> into) {
    for (JsonNode resource : request.get("resourceSpans")) {
      assertThat(resource.at("/resource/attributes/0/key").asText()).isEqualTo("service.name");
      for (JsonNode scope : resource.get("scopeSpans")) {
        for (JsonNode span : scope.get("spans")) {
          assertThat(into.put(span.get("spanId").asText(), span)).as("ids are unique").isNull();
        }
      }
    }
    return into;
  }

  /// A run that was started with W3C's `traceparent` is in that trace, below that span; what is no
  /// such header does no harm. Cores that a task had are told.
  @Test
  void aRunIsBelowTheSpanThatStartedIt() throws Exception {
    String trace = "0af7651916cd43dd8448eb211c80319c";
    String span = "b7ad6b7169203331";
    Graph graph = new Graph("traced");
    graph.action("wide", () -> {}).with(t -> t.cores(2));
    Map<String, String> expected = new LinkedHashMap<>();
    expected.put("00-" + trace + "-" + span + "-01", trace);
    expected.put("01-" + trace + "-" + span + "-00-more", trace);
    expected.put("00-" + trace + "-" + span + "-01-more", "");
    expected.put("00-" + "0".repeat(32) + "-" + span + "-01", "");
    expected.put("ff-" + trace + "-" + span + "-01", "");
    expected.put("order 17", "");
    for (Map.Entry<String, String> one : expected.entrySet()) {
      Path records = here.resolve("traced.records");
      try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(records))) {
        engine.start(graph, one.getKey()).join();
      }
      Ran ran = Ran.of("records", records.toString(), "--export", "otlp");
      assertThat(ran.exit()).as(ran.err()).isZero();
      int roots = 0;
      for (JsonNode each : spans(JSON.readTree(ran.out()), new HashMap<>()).values()) {
        assertThat(each.get("traceId").asText().equals(trace)).isEqualTo(!one.getValue().isEmpty());
        if (each.get("name").asText().equals("traced")) {
          roots++;
          assertThat(each.path("parentSpanId").asText())
              .isEqualTo(one.getValue().isEmpty() ? "" : span);
        } else {
          assertThat(each.get("attributes").toString())
              .contains("{\"key\":\"perseid.cores\",\"value\":{\"intValue\":\"2\"}}");
        }
      }
      assertThat(roots).isEqualTo(1);
    }
  }

  /// The rules of OTLP's JSON: ids in hex of fixed length, 64-bit numbers as texts.
  @Test
  void spansAreThoseOfTheRecords() throws Exception {
    Map<String, JsonNode> spans = spans(JSON.readTree(export("otlp")), new HashMap<>());
    long attempts = export("jsonl").lines().count();
    assertThat(spans).hasSize((int) attempts + 1);
    int roots = 0;
    int linked = 0;
    Set<String> traces = new HashSet<>();
    for (JsonNode span : spans.values()) {
      traces.add(span.get("traceId").asText());
      assertThat(span.get("traceId").asText()).matches("[0-9a-f]{32}");
      assertThat(span.get("spanId").asText()).matches("[0-9a-f]{16}");
      assertThat(span.get("startTimeUnixNano").isTextual()).isTrue();
      long start = Long.parseLong(span.get("startTimeUnixNano").asText());
      long end = Long.parseLong(span.get("endTimeUnixNano").asText());
      assertThat(end).isGreaterThanOrEqualTo(start);
      assertThat(start).isGreaterThan(1_600_000_000_000_000_000L);
      if (span.has("parentSpanId")) {
        JsonNode parent = spans.get(span.get("parentSpanId").asText());
        assertThat(parent).isNotNull();
        assertThat(start)
            .isGreaterThanOrEqualTo(Long.parseLong(parent.get("startTimeUnixNano").asText()));
      } else {
        roots++;
      }
      for (JsonNode link : span.path("links")) {
        assertThat(spans).containsKey(link.get("spanId").asText());
        linked++;
      }
    }
    assertThat(roots).isEqualTo(1);
    assertThat(traces).hasSize(1);
    assertThat(linked).isGreaterThanOrEqualTo(2 * (20 + 20));
    assertThat(export("otlp")).as("the same records, the same bytes").isEqualTo(export("otlp"));
  }

  @Test
  void aCollectorGetsThemAlsoWhenItIsBusyAtFirst() throws Exception {
    HttpServer collector =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    ConcurrentLinkedQueue<String> bodies = new ConcurrentLinkedQueue<>();
    ConcurrentLinkedQueue<String> keys = new ConcurrentLinkedQueue<>();
    int[] calls = {0};
    collector.createContext(
        "/v1/traces",
        exchange -> {
          String body =
              new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
          keys.add(exchange.getRequestHeaders().getFirst("x-key") + "");
          boolean busy = calls[0]++ == 0;
          byte[] answer =
              (busy ? "busy" : "{\"partialSuccess\":{\"rejectedSpans\":\"2\"}}")
                  .getBytes(StandardCharsets.UTF_8);
          exchange.getResponseHeaders().add("Retry-After", "0");
          if (!busy) {
            bodies.add(body);
          }
          exchange.sendResponseHeaders(busy ? 503 : 200, answer.length);
          exchange.getResponseBody().write(answer);
          exchange.close();
        });
    collector.createContext(
        "/broken/v1/traces",
        exchange -> {
          exchange.sendResponseHeaders(400, -1);
          exchange.close();
        });
    collector.start();
    try {
      String url = "http://127.0.0.1:" + collector.getAddress().getPort();
      Ran ran =
          Ran.of(
              Map.of(OtlpSender.HEADERS, "x-key=open%20sesame"),
              "records",
              file.toString(),
              "--otlp",
              url);
      assertThat(ran.err()).contains("sent ").contains("rejected 2 of them");
      assertThat(ran.exit()).isEqualTo(Exit.REFUSED);
      assertThat(keys).containsOnly("open sesame").hasSize(2);
      Map<String, JsonNode> got = new HashMap<>();
      for (String body : bodies) {
        spans(JSON.readTree(body), got);
      }
      assertThat(got.keySet())
          .isEqualTo(spans(JSON.readTree(export("otlp")), new HashMap<>()).keySet());
      Ran broken = Ran.of("records", file.toString(), "--otlp", url + "/broken");
      assertThat(broken.exit()).isEqualTo(Exit.UNREACHABLE);
      assertThat(broken.err()).contains("answered 400");
    } finally {
      collector.stop(0);
    }
    Ran open =
        Ran.of(
            Map.of(OtlpSender.HEADERS, "a=b"),
            "records",
            file.toString(),
            "--otlp",
            "http://example.org");
    assertThat(open.err()).contains("without encryption");
    assertThat(Ran.of("records", file.toString(), "--otlp", "collector").err())
        .contains("is no address of a collector");
  }

  @Test
  void otherFormatsHaveEveryAttempt() throws Exception {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : export("jsonl").split("\n")) {
      lines.add(JSON.readTree(line));
    }
    assertThat(lines.stream().map(l -> l.get("kind").asText()))
        .contains("load", "flow", "fib", "sum", "twice");
    assertThat(lines.stream().filter(l -> l.get("outcome").asText().equals("FAILED"))).hasSize(1);
    assertThat(export("csv").lines()).hasSize(lines.size() + 1);
    JsonNode chrome = JSON.readTree(export("chrome")).get("traceEvents");
    assertThat(chrome.findValuesAsText("ph")).contains("M", "X");
    JsonNode workflow = JSON.readTree(export("wfformat"));
    assertThat(WfFormat.recognises(workflow.toString())).isTrue();
    Path written = Files.writeString(here.resolve("w.json"), workflow.toString());
    JobPlan plan =
        WfFormat.read(
            written,
            workflow.toString(),
            new java.math.BigDecimal("0.001"),
            java.math.BigDecimal.ONE,
            1_000_000);
    assertThat(plan.tasks()).hasSize(workflow.at("/workflow/specification/tasks").size());
  }

  /// What Provenance Run Crate 0.5 demands of the graph; every reference is to something that is
  /// there.
  @Test
  void aCrateTellsOfTheRunAndEveryAttempt() throws Exception {
    Path zip = here.resolve("run.crate.zip");
    Ran ran = Ran.of("records", file.toString(), "--export", "rocrate", "-o", zip.toString());
    assertThat(ran.exit()).as(ran.err()).isZero();
    Map<String, String> files = new HashMap<>();
    try (ZipInputStream in = new ZipInputStream(Files.newInputStream(zip))) {
      for (ZipEntry e = in.getNextEntry(); e != null; e = in.getNextEntry()) {
        files.put(e.getName(), new String(in.readAllBytes(), StandardCharsets.UTF_8));
      }
    }
    assertThat(files).containsOnlyKeys("ro-crate-metadata.json", "workflow.json", "records.csv");
    Map<String, JsonNode> entities = new HashMap<>();
    JsonNode graph = JSON.readTree(files.get("ro-crate-metadata.json")).get("@graph");
    for (JsonNode entity : graph) {
      assertThat(entities.put(entity.get("@id").asText(), entity)).isNull();
    }
    for (JsonNode entity : graph) {
      for (JsonNode property : entity) {
        for (JsonNode value : property.isArray() ? property : List.of(property)) {
          String id = value.path("@id").asText("");
          if (!id.isEmpty()
              && !id.startsWith("https://w3id.org/ro/crate/")
              && !id.equals("https://wfcommons.org")) {
            assertThat(entities).containsKey(id);
          }
        }
      }
    }
    assertThat(entities.get("./").at("/mainEntity/@id").asText()).isEqualTo("workflow.json");
    assertThat(entities.get("./").get("conformsTo").findValuesAsText("@id"))
        .contains("https://w3id.org/ro/wfrun/provenance/0.5");
    assertThat(entities.get("workflow.json").get("@type").toString())
        .contains("ComputationalWorkflow", "HowTo");
    int attempts = 0;
    for (JsonNode control : entities.get("#engine-run").get("object")) {
      JsonNode started = entities.get(control.get("@id").asText());
      assertThat(started.get("@type").asText()).isEqualTo("ControlAction");
      JsonNode step = entities.get(started.at("/instrument/@id").asText());
      JsonNode action = entities.get(started.at("/object/@id").asText());
      assertThat(step.get("@type").asText()).isEqualTo("HowToStep");
      assertThat(action.at("/instrument/@id")).isEqualTo(step.at("/workExample/@id"));
      assertThat(action.get("endTime").asText())
          .isGreaterThanOrEqualTo(action.get("startTime").asText().substring(0, 19));
      attempts++;
    }
    assertThat(files.get("records.csv").lines()).hasSize(attempts + 1);
    assertThat(entities.get("#run").get("actionStatus").asText()).contains("Completed");
    Path again = here.resolve("again.crate.zip");
    Ran.of("records", file.toString(), "--export", "rocrate", "-o", again.toString());
    assertThat(again).hasSameBinaryContentAs(zip);
    assertThat(Ran.of("records", file.toString(), "--export", "rocrate").err())
        .contains("write -o NAME.crate.zip");
    assertThat(
            Ran.of(
                    "records",
                    file.toString(),
                    "--export",
                    "rocrate",
                    "-o",
                    "x.zip",
                    "--license",
                    "mine")
                .err())
        .contains("is no address of a licence");
  }

  @Test
  void parquetNeedsAFile() throws IOException {
    assertThat(Ran.of("records", file.toString(), "--export", "parquet").err())
        .contains("write -o FILE");
    Path out = here.resolve("r.parquet");
    Ran ran = Ran.of("records", file.toString(), "--export", "parquet", "-o", out.toString());
    assertThat(ran.exit()).as(ran.err()).isZero();
    assertThat(Files.size(out)).isGreaterThan(1_000);
    assertThat(Ran.of("records", file.toString()).err()).contains("perseid analyze " + file);
  }
}
