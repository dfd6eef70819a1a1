package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Scoped values travel to tasks, and nowhere else.
@Timeout(60)
class ContextTest {
  private static final ScopedValue<String> USER = ScopedValue.newInstance();
  private static final ScopedValue<String> OTHER = ScopedValue.newInstance();

  @TempDir Path folder;

  @Test
  void whatWasBoundIsBoundInTasks() throws Exception {
    ConcurrentLinkedQueue<String> seen = new ConcurrentLinkedQueue<>();
    AtomicInteger tries = new AtomicInteger();
    Graph inner = new Graph("inner");
    inner.action("nested", () -> seen.add("nested " + USER.get()));
    Graph graph = new Graph("bound");
    graph.action("plain", () -> seen.add("plain " + USER.get() + " " + OTHER.isBound()));
    graph
        .action(
            "virtual",
            () -> {
              if (tries.getAndIncrement() == 0) {
                throw new IllegalStateException("planned");
              }
              seen.add("virtual " + USER.get());
            })
        .with(t -> t.onVirtualThread().retries(1, Duration.ofMillis(1)));
    graph.action("wide", () -> seen.add("wide " + USER.get())).with(t -> t.cores(2));
    graph.flow(
        "flow",
        flow -> {
          seen.add("flow " + USER.get());
          ScopedValue.where(USER, "bob")
              .call(() -> {
                flow.fork("fork", _ -> seen.add("fork " + USER.get()));
                flow.fork("terms", t -> t.priority(1), () -> seen.add("terms " + USER.get()));
                flow.call("call", f -> f.fork("below", _ -> seen.add("below " + USER.get())));
                return flow.run(inner);
              });
          return flow.fork("after", _ -> seen.add("after " + USER.get())).join();
        });
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).carrying(USER))) {
      Run run =
          ScopedValue.where(USER, "ann").where(OTHER, "x").call(() -> engine.start(graph)).join();
      assertThat(run.isDone()).isTrue();
      assertThat(seen)
          .containsExactlyInAnyOrder(
              "plain ann false",
              "virtual ann",
              "wide ann",
              "flow ann",
              "fork bob",
              "terms bob",
              "below bob",
              "nested bob",
              "after ann");
    }
  }

  /// Runs of many, and of nobody, on top of each other on few workers: no task sees another's.
  @Test
  void noTaskSeesAnothers() throws Exception {
    long seed = 1_004;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    AtomicInteger wrong = new AtomicInteger();
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).carrying(USER))) {
      List<Run> runs = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        String user = random.nextInt(4) == 0 ? null : "user " + i;
        Graph graph = new Graph("of " + user);
        graph.flow(
            "flow",
            flow -> {
              // The others of this run wait in this worker's queue, and run on top of this.
              Fork<Integer> virtual =
                  flow.fork("virtual", Terms::onVirtualThread, () -> look(user, wrong));
              ScopedValue.where(USER, "waiting").call(virtual::join);
              return fork(flow, 5, user, wrong);
            });
        graph.tasks("plain", 20, _ -> look(user, wrong));
        graph.action("terms", () -> look(user, wrong)).with(t -> t.priority(1));
        graph.action("wide", () -> look(user, wrong)).with(t -> t.cores(2));
        runs.add(
            user == null
                ? engine.start(graph)
                : ScopedValue.where(USER, user).call(() -> engine.start(graph)));
      }
      for (Run run : runs) {
        run.join();
      }
    }
    assertThat(wrong.get()).as("seed %d", seed).isZero();
  }

  private static int fork(Flow flow, int depth, @Nullable String user, AtomicInteger wrong)
      throws RunFailure {
    look(user, wrong);
    if (depth == 0) {
      return 1;
    }
    String mine = user + " below " + depth;
    Fork<Integer> left =
        ScopedValue.where(USER, mine)
            .call(() -> flow.fork("left", f -> fork(f, depth - 1, mine, wrong)));
    Fork<Integer> right = flow.fork("right", f -> fork(f, depth - 1, user, wrong));
    // While it waits in a scope of its own, others' tasks run on top.
    int sum = ScopedValue.where(USER, "waiting").call(left::join) + right.join();
    look(user, wrong);
    return sum;
  }

  private static int look(@Nullable String user, AtomicInteger wrong) {
    if (!USER.isBound() || !Objects.equals(USER.get(), user)) {
      wrong.getAndIncrement();
    }
    return 1;
  }

  @Test
  void theTraceIsInTheRecordsOfAllRuns() throws Exception {
    String trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    Path file = folder.resolve("records");
    Graph inner = new Graph("inner");
    Task<String> told = inner.flow("nested", Flow::trace);
    Graph graph = new Graph("outer");
    Task<String> outer = graph.flow("task", flow -> flow.run(inner).value(told));
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      assertThat(engine.start(graph, trace).join().value(outer)).isEqualTo(trace);
      assertThatThrownBy(() -> engine.start(graph, "x".repeat(1_001)))
          .hasMessageContaining("1000 characters");
    }
    assertThat(RecordFile.read(file).runs()).extracting(RunRecord::trace).containsOnly(trace);
  }
}
