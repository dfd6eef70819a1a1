package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Entry;
import dev.perseid.core.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ExportsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// split -> two align (one of which is lost and tried again) -> merge.
  private static final List<Entry> JOB =
      List.of(
          Entries.done(0, 1, 0, "split", 1, 0, 10),
          Entries.entry(1, 1, 1, "align", 1, 2, Outcome.LOST, 10, 5, List.of(0)),
          Entries.done(2, 1, 2, "align", 1, 10, 20, 0),
          Entries.entry(3, 1, 1, "align", 2, 1, Outcome.DONE, 15, 30, List.of(0)),
          Entries.done(4, 1, 3, "merge", 2, 45, 5, 1, 2));

  private interface Export {
    void to(OutputStream out) throws IOException;
  }

  private static String text(Export export) {
    boolean[] closed = {false};
    ByteArrayOutputStream out =
        new ByteArrayOutputStream() {
          @Override
          public void close() {
            closed[0] = true;
          }
        };
    try {
      export.to(out);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    assertThat(closed[0]).as("the caller's stream is the caller's").isFalse();
    return out.toString(UTF_8);
  }

  @Test
  void jsonLinesHaveWhatWasMeasuredAndNoMore() throws Exception {
    String text = text(out -> Exports.jsonl(JOB, out));
    assertThat(text).endsWith("}\n").doesNotContain("\n\n").doesNotContain("\n ");
    List<JsonNode> lines = new ArrayList<>();
    for (String line : text.split("\n")) {
      lines.add(JSON.readTree(line));
    }
    assertThat(lines).hasSize(5);
    JsonNode done = lines.get(2);
    assertThat(done.get("task_name").asText()).isEqualTo("align[2]");
    assertThat(done.get("wall_ns").asLong()).isEqualTo(20_000_000);
    assertThat(done.get("depends_on").get(0).asInt()).isZero();
    assertThat(done.get("outputs").get(0).get("size_bytes").asLong()).isEqualTo(10);
    assertThat(done.get("charge_microcredits").asLong()).isEqualTo(7);
    assertThat(done.get("attested_by").asText()).isEqualTo("provider");
    assertThat(done.has("fetched_bytes")).isFalse();
    assertThat(done.has("energy_uj")).isFalse();
    assertThat(done.has("reason")).isFalse();
    JsonNode lost = lines.get(1);
    assertThat(lost.get("reason").asText()).isEqualTo("it said \"no\", twice\nand left");
    assertThat(lost.get("attested_by").asText()).isEqualTo("pool");
    for (String absent :
        List.of("started_us", "ended_us", "wall_ns", "cpu_ns", "gas", "bytes_in", "batch")) {
      assertThat(lost.has(absent)).as(absent).isFalse();
    }
    assertThat(text(out -> Exports.jsonl(List.of(), out))).isEmpty();
  }

  @Test
  void csvIsQuotedAndLeavesCellsEmpty() {
    String text = text(out -> Exports.csv(JOB, out));
    List<List<String>> rows = rows(text);
    assertThat(rows).hasSize(6);
    List<String> header = rows.getFirst();
    assertThat(header).startsWith("index", "job", "task").doesNotHaveDuplicates();
    rows.forEach(row -> assertThat(row).hasSameSizeAs(header));
    Map<String, String> lost = new HashMap<>();
    for (int i = 0; i < header.size(); i++) {
      lost.put(header.get(i), rows.get(2).get(i));
    }
    assertThat(lost)
        .containsEntry("outcome", "LOST")
        .containsEntry("reason", "it said \"no\", twice\nand left")
        .containsEntry("wall_ns", "")
        .containsEntry("started_us", "")
        .containsEntry("outputs", "")
        .containsEntry("depends_on", "0")
        .containsEntry("charge_microcredits", "0");
  }

  private static final List<Entry> REQUESTS =
      List.of(
          Entries.request(0, OptionalLong.of(Entries.EPOCH_US + 5)),
          Entries.request(1, OptionalLong.empty()));

  @Test
  void jsonOfRequestsToModelsHasWhatTheyCounted() throws Exception {
    String[] lines = text(out -> Exports.jsonl(REQUESTS, out)).split("\n");
    JsonNode i = JSON.readTree(lines[0]).get("inference");
    assertThat(i.get("api").asText()).isEqualTo("chat");
    assertThat(i.get("quantisation").asText()).isEqualTo("q8_0");
    assertThat(i.get("prompt_tokens").asLong()).isEqualTo(100);
    assertThat(i.get("cached_tokens").asLong()).isEqualTo(40);
    assertThat(i.get("completion_tokens").asLong()).isEqualTo(30);
    assertThat(i.get("rows").asLong()).isEqualTo(2);
    assertThat(i.get("first_token_us").asLong()).isEqualTo(Entries.EPOCH_US + 5);
    assertThat(i.get("author").asText()).isEqualTo(Entries.provider(77).toString());
    assertThat(i.get("to_author_microcredits").asLong()).isEqualTo(3);
    assertThat(i.get("to_pool_microcredits").asLong()).isEqualTo(1);
    assertThat(JSON.readTree(lines[1]).get("inference").has("first_token_us")).isFalse();
    assertThat(text(out -> Exports.jsonl(JOB, out))).doesNotContain("inference");
  }

  @Test
  void csvOfRequestsToModelsHasColumnsOfItsOwn() {
    List<Entry> mixed = new ArrayList<>(REQUESTS);
    mixed.add(JOB.getFirst());
    List<List<String>> rows = rows(text(out -> Exports.csv(mixed, out)));
    List<String> header = rows.getFirst();
    int at = header.indexOf("api");
    assertThat(header.subList(at, header.size()))
        .containsExactly(
            "api",
            "quantisation",
            "prompt_tokens",
            "cached_tokens",
            "completion_tokens",
            "rows",
            "first_token_us",
            "author",
            "to_author_microcredits",
            "to_pool_microcredits");
    String author = Entries.provider(77).toString();
    String first = Long.toString(Entries.EPOCH_US + 5);
    assertThat(rows.get(1).subList(at, header.size()))
        .containsExactly("chat", "q8_0", "100", "40", "30", "2", first, author, "3", "1");
    assertThat(rows.get(2).get(at + 6)).isEmpty();
    assertThat(rows.get(3).subList(at, header.size())).containsOnly("");
  }

  /// A reader of RFC 4180.
  private static List<List<String>> rows(String text) {
    List<List<String>> rows = new ArrayList<>();
    List<String> row = new ArrayList<>();
    StringBuilder cell = new StringBuilder();
    boolean quoted = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (quoted) {
        if (c == '"' && i + 1 < text.length() && text.charAt(i + 1) == '"') {
          cell.append('"');
          i++;
        } else if (c == '"') {
          quoted = false;
        } else {
          cell.append(c);
        }
      } else if (c == '"') {
        quoted = true;
      } else if (c == ',' || c == '\r') {
        row.add(cell.toString());
        cell.setLength(0);
        if (c == '\r') {
          rows.add(row);
          row = new ArrayList<>();
          i++;
        }
      } else {
        cell.append(c);
      }
    }
    return rows;
  }

  @Test
  void aChromeTraceDrawsEveryAttemptOnce() throws Exception {
    List<Entry> crowded = new ArrayList<>(JOB);
    for (int i = 5; i < 60; i++) {
      crowded.add(Entries.done(i, 2, i, "busy", 1 + i % 3, (i * 37) % 50, 1 + (i * 13) % 20));
    }
    String text = text(out -> Exports.chrome(crowded, a -> "p-" + a.c(), out));
    assertThat(text).isEqualTo(text(out -> Exports.chrome(crowded, a -> "p-" + a.c(), out)));
    JsonNode events = JSON.readTree(text).get("traceEvents");
    Map<String, List<long[]>> lanes = new HashMap<>();
    Set<String> processes = new HashSet<>();
    Set<Integer> seen = new HashSet<>();
    Map<Integer, JsonNode> starts = new HashMap<>();
    int arrows = 0;
    for (JsonNode e : events) {
      String lane = e.get("pid").asInt() + "/" + e.path("tid").asInt();
      switch (e.get("ph").asText()) {
        case "X" -> {
          seen.add(e.get("args").get("index").asInt());
          long ts = e.get("ts").asLong();
          lanes
              .computeIfAbsent(lane, l -> new ArrayList<>())
              .add(new long[] {ts, ts + e.get("dur").asLong()});
        }
        case "i" -> {
          seen.add(e.get("args").get("index").asInt());
          assertThat(e.get("name").asText()).isEqualTo("align[1]");
          assertThat(e.get("pid").asInt()).isEqualTo(1);
        }
        case "M" -> {
          if (e.get("name").asText().equals("process_name")) {
            processes.add(e.get("args").get("name").asText());
          }
        }
        case "s" -> starts.put(e.get("id").asInt(), e);
        case "f" -> {
          arrows++;
          assertThat(starts.get(e.get("id").asInt()).get("ts").asLong())
              .isLessThanOrEqualTo(e.get("ts").asLong());
        }
        default -> throw new AssertionError(e.toString());
      }
    }
    assertThat(seen).hasSize(60);
    assertThat(processes).containsExactlyInAnyOrder("pool", "p-1", "p-2", "p-3");
    // The lost attempt of task 1 has no bar to point at.
    assertThat(arrows).isEqualTo(4);
    for (List<long[]> bars : lanes.values()) {
      bars.sort((x, y) -> Long.compare(x[0], y[0]));
      for (int i = 1; i < bars.size(); i++) {
        assertThat(bars.get(i)[0]).isGreaterThanOrEqualTo(bars.get(i - 1)[1]);
      }
    }
  }

  @Test
  void lanesAreAsFewAsCanBe() throws Exception {
    // Three at once at most, though five bars overlap in a chain.
    List<Entry> entries =
        List.of(
            Entries.done(0, 1, 0, "k", 1, 0, 10),
            Entries.done(1, 1, 1, "k", 1, 5, 10),
            Entries.done(2, 1, 2, "k", 1, 9, 10),
            Entries.done(3, 1, 3, "k", 1, 10, 10),
            Entries.done(4, 1, 4, "k", 1, 15, 10));
    JsonNode events =
        JSON.readTree(text(out -> Exports.chrome(entries, a -> "p", out))).get("traceEvents");
    List<Integer> tids = new ArrayList<>();
    events.forEach(e -> {
      if (e.get("ph").asText().equals("X")) {
        tids.add(e.get("tid").asInt());
      }
    });
    assertThat(tids).containsExactly(1, 2, 3, 1, 2);
  }

  @Test
  void wfFormatTellsTheGraphAndTheRun() throws Exception {
    String text = text(out -> Exports.wfformat(JOB, "reads", a -> "node-" + a.c(), "0.1.0", out));
    JsonNode root = JSON.readTree(text);
    WfFormatRules.check(root);
    JsonNode tasks = root.at("/workflow/specification/tasks");
    Map<String, JsonNode> byId = new HashMap<>();
    tasks.forEach(t -> byId.put(t.get("id").asText(), t));
    assertThat(byId.keySet()).containsExactlyInAnyOrder("split#0", "align#1", "align#2", "merge#3");
    assertThat(byId.get("merge#3").get("parents").toString())
        .isEqualTo("[\"align#1\",\"align#2\"]");
    assertThat(byId.get("split#0").get("children").toString())
        .isEqualTo("[\"align#1\",\"align#2\"]");
    assertThat(byId.get("align#1").get("name").asText()).isEqualTo("align[1]");
    JsonNode ran = root.at("/workflow/execution/tasks");
    assertThat(ran).hasSize(4);
    for (JsonNode t : ran) {
      if (t.get("id").asText().equals("align#1")) {
        assertThat(t.get("runtimeInSeconds").asDouble()).isEqualTo(0.03);
        assertThat(t.get("avgCPU").asDouble()).isEqualTo(90.0);
        assertThat(t.get("machines").get(0).asText()).isEqualTo("node-1");
        assertThat(t.has("energyInKWh")).isFalse();
      }
    }
    assertThat(root.at("/workflow/execution/makespanInSeconds").asDouble()).isEqualTo(0.0505);
  }

  @Test
  void wfFormatOfAJobThatNeverRanHasNoExecution() throws Exception {
    List<Entry> lost =
        List.of(Entries.entry(0, 1, 0, "split", 1, 1, Outcome.LOST, 0, 0, List.of()));
    JsonNode root = JSON.readTree(text(out -> Exports.wfformat(lost, "j", a -> "n", "0.1.0", out)));
    WfFormatRules.check(root);
    assertThat(root.at("/workflow").has("execution")).isFalse();
  }

  @Test
  void wfFormatRefusesWhatItCannotTell() {
    assertThatThrownBy(() -> Exports.wfformat(List.of(), "j", a -> "n", "1", null))
        .hasMessageContaining("at least one record");
    List<Entry> two =
        List.of(Entries.done(0, 1, 0, "a", 1, 0, 1), Entries.done(1, 2, 0, "a", 1, 0, 1));
    assertThatThrownBy(() -> Exports.wfformat(two, "j", a -> "n", "1", null))
        .hasMessageContaining("describes one job");
    List<Entry> hole = List.of(Entries.done(0, 1, 5, "a", 1, 0, 1, 4));
    assertThatThrownBy(() -> Exports.wfformat(hole, "j", a -> "n", "1", null))
        .hasMessageContaining("depends on task 4");
  }

  /// The rules of the published schema of WfFormat 1.5 that an export can break, by hand: the
  /// schema's licence is not ours.
  private static final class WfFormatRules {
    private static final String TASK_ID = "^[0-9a-zA-Z-_.#]*$";
    private static final String FILE_ID = "^[0-9a-zA-Z-_./:#]*$";

    static void check(JsonNode root) {
      text(root, "name");
      text(root, "description");
      Instant.parse(text(root, "createdAt"));
      assertThat(text(root, "schemaVersion")).isEqualTo("1.5");
      text(root.get("runtimeSystem"), "name");
      text(root.get("runtimeSystem"), "version");
      Set<String> ids = new HashSet<>();
      JsonNode specification = root.at("/workflow/specification");
      assertThat(specification.get("tasks")).isNotEmpty();
      Set<String> files = new HashSet<>();
      for (JsonNode file : specification.get("files")) {
        assertThat(text(file, "id")).matches(FILE_ID);
        assertThat(files.add(text(file, "id"))).isTrue();
        assertThat(file.get("sizeInBytes").isIntegralNumber()).isTrue();
        assertThat(file.get("sizeInBytes").asLong()).isNotNegative();
      }
      for (JsonNode task : specification.get("tasks")) {
        text(task, "name");
        assertThat(ids.add(text(task, "id"))).isTrue();
        for (String list : List.of("inputFiles", "outputFiles")) {
          for (JsonNode file : task.get(list)) {
            assertThat(files).contains(file.asText());
          }
        }
      }
      for (JsonNode task : specification.get("tasks")) {
        for (String list : List.of("parents", "children")) {
          for (JsonNode other : task.get(list)) {
            assertThat(other.asText()).matches(TASK_ID);
            assertThat(ids).contains(other.asText());
          }
        }
      }
      JsonNode execution = root.at("/workflow/execution");
      if (execution.isMissingNode()) {
        return;
      }
      assertThat(execution.get("makespanInSeconds").isNumber()).isTrue();
      text(execution, "executedAt");
      assertThat(execution.get("tasks")).isNotEmpty();
      Set<String> machines = new HashSet<>();
      for (JsonNode machine : execution.get("machines")) {
        machines.add(text(machine, "nodeName"));
      }
      assertThat(machines).isNotEmpty();
      for (JsonNode task : execution.get("tasks")) {
        assertThat(ids).contains(text(task, "id"));
        assertThat(task.get("runtimeInSeconds").isNumber()).isTrue();
        assertThat(task.get("coreCount").asDouble()).isGreaterThanOrEqualTo(1);
        Instant.parse(text(task, "executedAt"));
        for (JsonNode machine : task.get("machines")) {
          assertThat(machines).contains(machine.asText());
        }
      }
    }

    private static String text(JsonNode parent, String field) {
      assertThat(parent.path(field).isTextual()).as(field).isTrue();
      assertThat(parent.get(field).asText()).as(field).isNotEmpty();
      return parent.get(field).asText();
    }
  }
}
