package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.engine.Engine;
import dev.perseid.engine.EngineConfig;
import dev.perseid.engine.Flow;
import dev.perseid.engine.Fork;
import dev.perseid.engine.Graph;
import dev.perseid.engine.RunFailure;
import dev.perseid.engine.Task;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `perseid analyze` on files, without a pool.
class AnalyzeTest {
  @TempDir Path here;

  private static long fibonacci(Flow flow, int n) throws RunFailure {
    if (n < 2) {
      return n;
    }
    Fork<Long> left = flow.fork("fib " + n, f -> fibonacci(f, n - 1));
    long right = flow.call("fib " + n, f -> fibonacci(f, n - 2));
    return left.join() + right;
  }

  /// A file of a graph that forks, fails once and skips nothing.
  static Path records(Path folder) throws Exception {
    Path file = folder.resolve("engine.records");
    AtomicInteger tries = new AtomicInteger();
    try (Engine engine = Engine.open(EngineConfig.usual().workers(3).records(file))) {
      Graph graph = new Graph("numbers");
      List<Task<Long>> flows = new ArrayList<>();
      for (int k = 0; k < 20; k++) {
        int n = k % 7;
        Task<Integer> before = graph.task("load " + k, () -> n);
        Task<Long> flow = graph.flow("flow " + k, f -> fibonacci(f, n));
        flow.after(before);
        flows.add(flow);
      }
      graph
          .gather("sum", flows, all -> all.stream().mapToLong(n -> n).sum())
          .with(t -> t.retries(3, Duration.ofMillis(1)));
      graph
          .task(
              "twice",
              () -> {
                if (tries.incrementAndGet() == 1) {
                  throw new IllegalStateException("not yet");
                }
                return 1;
              })
          .with(t -> t.retries(3, Duration.ofMillis(2)));
      engine.run(graph);
      engine.run(graph);
    }
    return file;
  }

  @Test
  void anEnginesFileFromForksToRetries() throws Exception {
    Path file = records(here);
    JsonNode all = Ran.of("analyze", file.toString(), "--json").json();
    JsonNode second = Ran.of("analyze", file.toString(), "--run", "2", "--json").json();
    assertThat(all.get("attempts").asInt()).isGreaterThan(second.get("attempts").asInt());
    assertThat(all.get("vain_attempts").asInt()).isEqualTo(1);
    assertThat(second.get("vain_attempts").asInt()).isZero();
    // The file does not say how many there were. Whoever waits for its forks runs others' work
    // meanwhile and looks busy with both, so more can be seen at once than there are workers.
    assertThat(all.get("cores").asInt()).isPositive();
    JsonNode told = Ran.of("analyze", file.toString(), "--cores", "3", "--json").json();
    assertThat(told.get("cores").asInt()).isEqualTo(3);
    for (JsonNode f : List.of(all, second)) {
      long span = f.get("span_ns").asLong();
      long sum = 0;
      for (JsonNode share : f.get("where")) {
        sum += share.get("ns").asLong();
      }
      assertThat(sum).isEqualTo(span);
      assertThat(f.at("/best/chain_ns").asLong()).isLessThanOrEqualTo(span);
      assertThat(f.at("/best/bound_ns").asLong())
          .isLessThanOrEqualTo(f.at("/best/rerun_ns").asLong());
      assertThat(f.findValuesAsText("kind")).contains("load", "flow", "fib", "sum", "twice");
      assertThat(f.get("notes")).isEmpty();
    }
    Path page = here.resolve("page.html");
    Ran text = Ran.of("analyze", file.toString(), "--html", page.toString());
    assertThat(text.err()).contains("wrote " + page);
    assertThat(Files.readString(page)).contains("<h1>numbers and 1 more runs</h1>");
    assertThat(text.exit()).isZero();
    assertThat(text.out())
        .contains("numbers and 1 more runs")
        .contains("what holds it back:")
        .contains("every fib ran twice as fast")
        .contains("rerun as it was");
  }

  @Test
  void everyFieldIsDocumented() throws Exception {
    String documented = Files.readString(Path.of("../docs/analysis.md"));
    Set<String> fields = new TreeSet<>();
    fields(Ran.of("analyze", records(here).toString(), "--json").json(), fields);
    assertThat(fields).hasSizeGreaterThan(40);
    for (String field : fields) {
      assertThat(documented).contains("`" + field + "`");
    }
  }

  private static void fields(JsonNode json, Set<String> into) {
    json.fieldNames().forEachRemaining(into::add);
    json.forEach(inner -> fields(inner, into));
  }

  @Test
  void whatCannotBeReadIsSaid() throws Exception {
    Path whole = records(here);
    byte[] bytes = Files.readAllBytes(whole);
    Path cut = Files.write(here.resolve("cut.records"), Arrays.copyOf(bytes, bytes.length - 5));
    Ran ran = Ran.of("analyze", cut.toString());
    assertThat(ran.exit()).isZero();
    assertThat(ran.out()).contains("note: the file is damaged after").contains("is missing");
    for (String[] wrong :
        new String[][] {
          {here.resolve("none.records").toString(), "there is no file"},
          {here.toString(), "is a folder; name a file in it"},
          {Files.createFile(here.resolve("empty")).toString(), "is empty: nothing was recorded"},
          {
            Files.writeString(here.resolve("novel.txt"), "It was a dark night").toString(),
            "is no file that this reads"
          },
          {
            Files.write(here.resolve("headless"), Arrays.copyOf(bytes, 20)).toString(),
            "is not a file of the engine's records, or its head is damaged"
          },
          {Files.write(here.resolve("head"), Arrays.copyOf(bytes, 32)).toString(), "has no run"},
        }) {
      Ran failed = Ran.of("analyze", wrong[0]);
      assertThat(failed.exit()).as(wrong[0]).isIn(Exit.USAGE, Exit.UNREACHABLE);
      assertThat(failed.err()).contains(wrong[1]);
    }
    Ran noRun = Ran.of("analyze", whole.toString(), "--run", "9");
    assertThat(noRun.exit()).isEqualTo(Exit.USAGE);
    assertThat(noRun.err()).contains("has no run 9; it has 1 to 2");
    assertThat(Ran.of("analyze", whole.toString(), "--cores", "0").err())
        .contains("--cores: write 1 or more");
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeItIsRead() throws Exception {
    Path file = Path.of("large.records");
    EngineTrace.enough(file, 1_000_000, 1_000_000_000);
    EngineTrace.enough(file, 10_000_000, Long.MAX_VALUE);
    assertThatThrownBy(() -> EngineTrace.enough(file, 1_000_001, 1_000_000_000))
        .isInstanceOf(BadInput.class)
        .hasMessageContaining("1,000,001 records")
        .hasMessageContaining("--run N");
    assertThatThrownBy(() -> EngineTrace.enough(file, 10_000_001, Long.MAX_VALUE))
        .isInstanceOf(BadInput.class);
  }

  @Test
  void kindsOfNames() {
    assertThat(EngineTrace.kindOf("align [17]")).isEqualTo("align");
    assertThat(EngineTrace.kindOf("align_17")).isEqualTo("align");
    assertThat(EngineTrace.kindOf("load 3")).isEqualTo("load");
    assertThat(EngineTrace.kindOf("17")).isEqualTo("17");
    assertThat(EngineTrace.kindOf("merge")).isEqualTo("merge");
  }
}
