package dev.perseid.guide;

import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.engine.Engine;
import dev.perseid.engine.EngineConfig;
import dev.perseid.engine.Flow;
import dev.perseid.engine.Fork;
import dev.perseid.engine.Graph;
import dev.perseid.engine.Outcome;
import dev.perseid.engine.RecordFile;
import dev.perseid.engine.Run;
import dev.perseid.engine.RunFailure;
import dev.perseid.engine.Task;
import dev.perseid.engine.TaskRecord;
import dev.perseid.engine.Tasks;
import dev.perseid.engine.Terms;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The code of docs/engine-guide.md, which is held to be this word for word, and what it says it
/// does.
@Timeout(60)
class EngineGuideTest {
  @TempDir Path folder;

  private static String load(String name) {
    return "text of " + name;
  }

  private static int words(String text) {
    return text.split(" ").length;
  }

  // ---- CompletableFuture

  @Test
  void valuesFlow() throws Exception {
    int before =
        CompletableFuture.supplyAsync(() -> load("a"))
            .thenCombine(
                CompletableFuture.supplyAsync(() -> load("b")), (a, b) -> words(a) + words(b))
            .join();
    assertThat(before).isEqualTo(6);

    Graph graph = new Graph("count words");
    Task<String> a = graph.task("load a", () -> load("a"));
    Task<String> b = graph.task("load b", () -> load("b"));
    Task<Integer> sum = graph.task("count", a, b, (x, y) -> words(x) + words(y));
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      assertThat(engine.run(graph).value(sum)).isEqualTo(6);
    }
  }

  @Test
  void manyInputs() throws Exception {
    Graph graph = new Graph("all");
    List<Task<Integer>> counts = new ArrayList<>();
    for (String name : List.of("a", "b", "c")) {
      counts.add(graph.task("count " + name, () -> words(load(name))));
    }
    Task<Integer> sum = graph.gather("sum", counts, all -> all.stream().mapToInt(n -> n).sum());
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      assertThat(engine.run(graph).value(sum)).isEqualTo(9);
    }
  }

  // ---- ForkJoinPool

  static final class Sum extends RecursiveTask<Long> {
    private static final long serialVersionUID = 1;
    private final long[] numbers;
    private final int from;
    private final int to;

    Sum(long[] numbers, int from, int to) {
      this.numbers = numbers;
      this.from = from;
      this.to = to;
    }

    @Override
    protected Long compute() {
      if (to - from <= 1_000) {
        return Arrays.stream(numbers, from, to).sum();
      }
      int half = (from + to) >>> 1;
      Sum left = new Sum(numbers, from, half);
      left.fork();
      long right = new Sum(numbers, half, to).compute();
      return left.join() + right;
    }
  }

  static long sum(Flow flow, long[] numbers, int from, int to) throws RunFailure {
    if (to - from <= 1_000) {
      return Arrays.stream(numbers, from, to).sum();
    }
    int half = (from + to) >>> 1;
    Fork<Long> left = flow.fork("sum", f -> sum(f, numbers, from, half));
    long right = flow.call("sum", f -> sum(f, numbers, half, to));
    return left.join() + right;
  }

  @Test
  void forksAndJoins() throws Exception {
    long[] numbers = new long[100_000];
    Arrays.setAll(numbers, i -> i);
    long before = ForkJoinPool.commonPool().invoke(new Sum(numbers, 0, numbers.length));

    Graph graph = new Graph("sum");
    Task<Long> total = graph.flow("sum", flow -> sum(flow, numbers, 0, numbers.length));
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      assertThat(engine.run(graph).value(total)).isEqualTo(before);
    }
  }

  @Test
  void manyTasksOfOneKind() throws Exception {
    int[] cells = new int[10 * 10];
    Graph graph = new Graph("wavefront");
    Tasks tasks =
        graph.tasks(
            "cell",
            100,
            k -> {
              int up = k < 10 ? 0 : cells[k - 10];
              int left = k % 10 == 0 ? 0 : cells[k - 1];
              cells[k] = Math.max(1, up + left);
            });
    for (int k = 0; k < 100; k++) {
      if (k >= 10) {
        tasks.after(k, k - 10);
      }
      if (k % 10 > 0) {
        tasks.after(k, k - 1);
      }
    }
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      engine.run(graph);
      engine.run(graph); // as often as you like, also several times at once
    }
    assertThat(cells[99]).isEqualTo(48_620); // paths through a grid: 18 over 9
  }

  // ---- terms, failures, control

  @Test
  void terms() throws Exception {
    AtomicInteger tries = new AtomicInteger();
    Graph graph = new Graph("nightly");
    Task<String> fetch =
        graph
            .task(
                "fetch",
                () -> {
                  if (tries.incrementAndGet() < 3) {
                    throw new IOException("connection reset");
                  }
                  return load("page");
                })
            .with(Terms::onVirtualThread)
            .with(t -> t.retries(3, Duration.ofMillis(5)).timeout(Duration.ofSeconds(10)));
    Task<Integer> train =
        graph
            .task("train", fetch, page -> words(page))
            .with(t -> t.needs("gpu", 1).priority(5).deadline(Duration.ofMinutes(10)));
    EngineConfig config = EngineConfig.usual().resource("gpu", 2);
    try (Engine engine = Engine.open(config)) {
      assertThat(engine.run(graph).value(train)).isEqualTo(3);
    }
  }

  @Test
  void coresAndMemory() throws Exception {
    int[] numbers = {3, 1, 2};
    Graph graph = new Graph("sorting");
    graph.action("sort", () -> Arrays.parallelSort(numbers)).with(t -> t.cores(2).memory(8_000));
    EngineConfig config = EngineConfig.usual().workers(2).memory(10_000);
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
    }
    assertThat(numbers).containsExactly(1, 2, 3);
  }

  @Test
  void forksOnTerms() throws Exception {
    Graph graph = new Graph("forks");
    Task<Integer> train =
        graph.flow(
            "train",
            flow -> {
              Fork<Integer> left = flow.fork("left", t -> t.needs("gpu", 1), () -> words("a b"));
              Fork<Integer> right =
                  flow.fork(
                      "right", t -> t.priority(1).timeout(Duration.ofMinutes(1)), f -> words("c"));
              return left.join() + right.join();
            });
    try (Engine engine = Engine.open(EngineConfig.usual().resource("gpu", 1))) {
      assertThat(engine.run(graph).value(train)).isEqualTo(3);
    }
  }

  private static final ScopedValue<String> USER = ScopedValue.newInstance();

  @Test
  void context() throws Exception {
    String traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Graph graph = new Graph("request");
    Task<String> task = graph.flow("task", flow -> USER.get() + " " + flow.trace());
    EngineConfig config = EngineConfig.usual().carrying(USER);
    try (Engine engine = Engine.open(config)) {
      Run run = ScopedValue.where(USER, "ann").call(() -> engine.start(graph, traceparent));
      assertThat(run.join().value(task)).isEqualTo("ann " + traceparent);
    }
  }

  @Test
  void failures() throws Exception {
    Graph graph = new Graph("nightly");
    Task<Void> load = graph.action("load", () -> {});
    Task<Void> train =
        graph
            .action(
                "train",
                () -> {
                  throw new IOException("no space");
                })
            .after(load);
    graph.action("publish", () -> {}).after(train);
    EngineConfig config = EngineConfig.usual().goingOn().recordsInMemory(1 << 20);
    Engine engine = Engine.open(config);
    try (engine) {
      assertThatThrownBy(() -> engine.run(graph))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("task 'train' (load > train) failed")
          .hasCauseInstanceOf(IOException.class);
    }
    try (var records = engine.records().records()) {
      assertThat(records.collect(Collectors.toMap(TaskRecord::name, TaskRecord::outcome)))
          .isEqualTo(
              Map.of("load", Outcome.DONE, "train", Outcome.FAILED, "publish", Outcome.SKIPPED));
    }
  }

  @Test
  void loopsAndChoices() throws Exception {
    AtomicInteger error = new AtomicInteger(100);
    Graph round = new Graph("round");
    round.action("improve", () -> error.updateAndGet(e -> e / 2));

    Graph graph = new Graph("fit");
    Task<Integer> fit = graph.loop("fit", round, 50, () -> error.get() > 3);
    Task<Void> keep = graph.action("keep", () -> {});
    Task<Void> discard = graph.action("discard", () -> {});
    graph.choice("good enough?", () -> error.get() < 10 ? 0 : 1, keep, discard).after(fit);
    graph.action("report", () -> {}).after(keep, discard).whenAny();
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      assertThat(engine.run(graph).value(fit)).isEqualTo(5);
    }
  }

  @Test
  void cancelling() throws Exception {
    Graph graph = new Graph("endless");
    graph.flow(
        "search",
        flow -> {
          while (!flow.cancelled()) {
            Thread.onSpinWait();
          }
          return "";
        });
    try (Engine engine = Engine.open(EngineConfig.usual())) {
      Run run = engine.start(graph);
      run.cancel();
      assertThatThrownBy(run::join).hasMessageContaining("was cancelled");
    }
  }

  // ---- records

  @Test
  void records() throws Exception {
    Graph graph = new Graph("count words");
    Tasks tasks = graph.tasks("count", 1_000, i -> words(load("page " + i)));
    Path file = folder.resolve("count.records");
    try (Engine engine = Engine.open(EngineConfig.usual().records(file))) {
      engine.run(graph);
      engine.sync(); // from here on a loss of power loses nothing of this run
    }
    RecordFile records = RecordFile.read(file);
    String slowest;
    try (var all = records.records()) {
      slowest =
          all.sorted(Comparator.comparingLong(r -> r.startNs() - r.endNs()))
              .limit(3)
              .map(r ->
                  r.name() + " " + r.task() + ": waited " + (r.startNs() - r.readyNs()) + " ns")
              .collect(joining("\n"));
    }
    assertThat(slowest).hasLineCount(3);
    assertThat(records.count()).isEqualTo(tasks.count());
  }

  // ---- the guide itself

  @Test
  void theGuideSaysWhatRunsHere() throws IOException {
    Path home = Path.of("").toAbsolutePath();
    while (!Files.exists(home.resolve("docs/engine-guide.md"))) {
      home = Objects.requireNonNull(home.getParent(), "docs/engine-guide.md is missing");
    }
    String here =
        bare(
            Files.readString(
                home.resolve("engine/src/test/java/dev/perseid/guide/EngineGuideTest.java")));
    int blocks = 0;
    String[] parts = Files.readString(home.resolve("docs/engine-guide.md")).split("```", -1);
    for (int i = 1; i < parts.length; i += 2) {
      if (parts[i].startsWith("java\n")) {
        blocks++;
        assertThat(here).contains(bare(parts[i].substring(5)));
      }
    }
    assertThat(blocks).isGreaterThanOrEqualTo(13);
  }

  /// Without white space: where lines end is a matter of the page.
  private static String bare(String code) {
    return code.replaceAll("\\s+", "");
  }
}
