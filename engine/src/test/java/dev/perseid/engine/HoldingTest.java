package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tasks that hold something while they wait for what they started: none waits for ever for one
/// that waits.
@Timeout(60)
class HoldingTest {
  private static final List<String> NAMES = List.of("disk", "gpu", "licence");

  @TempDir Path folder;

  @Test
  void whatAHolderWaitsForIsNotKeptForOneThatWaitsForTheHolder() throws Exception {
    int forks = 3 * Limits.PASSED;
    CountDownLatch holds = new CountDownLatch(1);
    AtomicInteger ran = new AtomicInteger();
    Graph graph = new Graph("holder");
    graph
        .flow(
            "holder",
            flow -> {
              holds.countDown();
              for (int i = 0; i < forks; i++) {
                flow.fork("part", t -> t.cores(2), ran::incrementAndGet).join();
              }
              return 1;
            })
        .with(t -> t.needs("gpu", 1).onVirtualThread());
    Graph other = new Graph("other");
    Task<Integer> last =
        other
            .task("other", ran::get)
            .with(t -> t.needs("gpu", 1).cores(2).priority(5).onVirtualThread());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).resource("gpu", 1))) {
      Run first = engine.start(graph);
      holds.await();
      Run second = engine.start(other);
      first.join();
      assertThat(second.join().value(last)).isEqualTo(forks);
    }
  }

  @Test
  void whoWaitsLendsItsPlace() throws Exception {
    Graph inner = new Graph("inner");
    Task<Integer> three = inner.task("three", () -> 3).with(Terms::onVirtualThread);
    Graph graph = new Graph("places");
    List<Task<Integer>> all = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      all.add(
          graph
              .<Integer>flow(
                  "waits",
                  flow ->
                      flow.fork("part", Terms::onVirtualThread, () -> 4).join()
                          + flow.run(inner).value(three))
              .with(Terms::onVirtualThread));
    }
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).blocking(2))) {
      Run run = engine.run(graph);
      assertThat(all).allSatisfy(task -> assertThat(run.value(task)).isEqualTo(7));
    }
  }

  @Test
  void nobodyLiesOnTopOfWhatAHolderWaitsFor() throws Exception {
    CountDownLatch waits = new CountDownLatch(1);
    CountDownLatch onTop = new CountDownLatch(1);
    Graph graph = new Graph("below");
    graph
        .flow(
            "holder",
            flow ->
                flow.fork(
                        "below",
                        f -> {
                          Fork<Integer> part =
                              f.fork(
                                  "part",
                                  Terms::onVirtualThread,
                                  () -> {
                                    waits.countDown();
                                    onTop.await();
                                    return 1;
                                  });
                          return part.join();
                        })
                    .join())
        .with(t -> t.needs("gpu", 1).onVirtualThread());
    Graph other = new Graph("on top");
    Task<Integer> top =
        other.flow(
            "top",
            flow -> {
              Fork<Integer> gpu = flow.fork("gpu", t -> t.needs("gpu", 1), () -> 2);
              onTop.countDown();
              return gpu.join();
            });
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).resource("gpu", 1))) {
      Run first = engine.start(graph);
      waits.await();
      Run second = engine.start(other);
      first.join();
      assertThat(second.join().value(top)).isEqualTo(2);
    }
  }

  @Test
  void flowsOfARunThatAHolderWaitsForHaveThreadsOfTheirOwn() throws Exception {
    Path file = folder.resolve("records");
    Graph inner = new Graph("inner");
    Task<Integer> root = inner.flow("flow", flow -> flow.fork("fork", _ -> 1).join());
    Task<Integer> plain = inner.task("plain", root, one -> one + 1);
    Task<Integer> urgent = inner.<Integer>flow("urgent", _ -> 5).with(t -> t.priority(3));
    urgent.after(plain);
    inner.loop("loop", new Graph("empty"), 1, () -> false).after(urgent);
    Graph graph = new Graph("outer");
    graph
        .flow("holder", flow -> flow.run(inner).value(plain))
        .with(t -> t.needs("gpu", 1).onVirtualThread());
    EngineConfig config = EngineConfig.usual().workers(1).resource("gpu", 1).records(file);
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
      engine.run(inner);
    }
    RecordFile records = RecordFile.read(file);
    List<String> below = List.of("flow", "fork", "loop", "urgent");
    assertThat(records.records(2).filter(r -> r.thread() == 0).map(TaskRecord::name))
        .containsExactlyInAnyOrderElementsOf(below);
    assertThat(records.records(2)).hasSize(5);
    // Where nobody holds anything they run on workers.
    assertThat(records.records().filter(r -> r.run() > 3 && r.thread() == 0)).isEmpty();
  }

  @Test
  void whatIsHeldRanksWhatMayBeNeeded() throws Exception {
    Graph inner = new Graph("inner");
    inner.action("copy", () -> {}).with(t -> t.needs("disk", 1));
    Graph graph = new Graph("ranks");
    graph
        .flow(
            "holder",
            flow -> {
              assertThatThrownBy(() -> flow.fork("same", t -> t.needs("gpu", 1), () -> 1))
                  .isInstanceOf(IllegalArgumentException.class)
                  .hasMessageContaining(
                      "'same' needs 'gpu' while one that waits for it holds 'gpu'")
                  .hasMessageContaining("take all of it, or none");
              assertThatThrownBy(() -> flow.run(inner))
                  .isInstanceOf(IllegalArgumentException.class)
                  .hasMessageContaining("'copy' needs 'disk'")
                  .hasMessageContaining("name 'disk' after 'gpu' in EngineConfig");
              return flow.fork(
                      "licenced",
                      t -> t.needs("licence", 1).onVirtualThread(),
                      f -> {
                        assertThatThrownBy(
                                () -> f.fork("below", t -> t.needs("licence", 1), () -> 1))
                            .hasMessageContaining("holds 'licence'");
                        return f.fork("cores", t -> t.cores(1), () -> 1).join();
                      })
                  .join();
            })
        .with(t -> t.needs("gpu", 1).onVirtualThread());
    EngineConfig config =
        EngineConfig.usual()
            .workers(1)
            .resource("disk", 2)
            .resource("gpu", 2)
            .resource("licence", 2)
            .resource("disk", 3); // keeps its rank
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
    }
    assertThat(config.resources().keySet()).containsExactlyElementsOf(NAMES);
  }

  /// Counts the tasks of a tree, in which every one forks two and waits for them.
  private static int tree(Flow flow, int depth, AtomicInteger begun, AtomicInteger most)
      throws RunFailure {
    most.accumulateAndGet(begun.incrementAndGet(), Math::max);
    int count = 1;
    if (depth > 0) {
      Fork<Integer> left = flow.fork("left", f -> tree(f, depth - 1, begun, most));
      Fork<Integer> right = flow.fork("right", f -> tree(f, depth - 1, begun, most));
      count += left.join() + right.join();
    }
    begun.decrementAndGet();
    return count;
  }

  @Test
  void aTreeBelowAHolderIsGoneThroughDepthFirst() throws Exception {
    int depth = 13;
    AtomicInteger begun = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Graph graph = new Graph("tree");
    Task<Integer> root =
        graph
            .<Integer>flow("holder", flow -> tree(flow, depth, begun, most))
            .with(t -> t.needs("gpu", 1).onVirtualThread());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).resource("gpu", 1))) {
      assertThat(engine.run(graph).value(root)).isEqualTo((2 << depth) - 1);
    }
    // Breadth first it would be thousands.
    assertThat(most.get()).isLessThan(20 * depth);
  }

  @Test
  void aLongChainBelowAHolderDoesNotLieOnOneStack() throws Exception {
    int length = 20 * Limits.NESTED;
    Graph graph = new Graph("chain");
    Task<Integer> root =
        graph
            .<Integer>flow("holder", flow -> chain(flow, length))
            .with(t -> t.needs("gpu", 1).onVirtualThread());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).resource("gpu", 1))) {
      assertThat(engine.run(graph).value(root)).isEqualTo(length);
    }
  }

  private static int chain(Flow flow, int length) throws RunFailure {
    return length == 0 ? 0 : 1 + flow.fork("next", f -> chain(f, length - 1)).join();
  }

  @Test
  void whatRunsOnItsForkersThreadIsCancelledWithIt() throws Exception {
    CountDownLatch begun = new CountDownLatch(2);
    AtomicInteger told = new AtomicInteger();
    FlowBody<Integer> part =
        f -> {
          begun.countDown();
          try {
            new CountDownLatch(1).await();
          } catch (InterruptedException e) {
            told.incrementAndGet();
            throw e;
          }
          return 1;
        };
    Graph graph = new Graph("cancelled");
    Task<Integer> root =
        graph
            .<Integer>flow(
                "holder",
                flow -> {
                  flow.fork("has the only place", part);
                  try {
                    return flow.fork("on the forker's thread", part).join();
                  } catch (RunFailure e) {
                    assertThat(Thread.currentThread().isInterrupted()).isTrue();
                    throw e;
                  }
                })
            .with(t -> t.needs("gpu", 1).onVirtualThread());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).resource("gpu", 1))) {
      Run run = engine.start(graph);
      begun.await();
      run.cancel(root);
      run.join();
    }
    assertThat(told).hasValue(2);
  }

  @Test
  void aTaskMayNotWaitForARunButThroughItsFlow() throws Exception {
    Graph inner = new Graph("inner");
    Task<Integer> one = inner.task("one", () -> 1);
    AtomicInteger asked = new AtomicInteger();
    Graph graph = new Graph("outer");
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1));
        Engine other = Engine.open(EngineConfig.usual().workers(1))) {
      CountDownLatch open = new CountDownLatch(1);
      Graph slow = new Graph("slow");
      slow.action("waits", open::await).with(Terms::onVirtualThread);
      FlowBody<Integer> asks =
          flow -> {
            assertThatThrownBy(() -> engine.run(inner))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("use flow.run");
            Run begun = engine.start(slow);
            assertThatThrownBy(begun::join)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("use flow.run");
            return asked.addAndGet(other.run(inner).value(one) + flow.run(inner).value(one));
          };
      graph.flow("on a worker", asks);
      graph.flow("on a virtual thread", asks).with(Terms::onVirtualThread);
      Run run = engine.start(graph);
      run.join();
      open.countDown();
    }
    assertThat(asked).hasValue(4);
  }

  // ---- random programs

  /// What a random task starts: forks, some of which start more themselves, graphs, calls; and what
  /// it computes, one by one.
  private record Plan(
      int kind, Terms terms, boolean joined, List<Plan> parts, Optional<Graph> graph, long sum) {}

  private static Plan plan(Random random, int rank, int depth) {
    List<Plan> parts = new ArrayList<>();
    int needed = random.nextInt(3) == 0 ? rank + random.nextInt(NAMES.size() + 1 - rank) : rank;
    boolean holds = needed < NAMES.size() && random.nextInt(2) == 0;
    boolean waits = depth > 0 && random.nextInt(3) > 0;
    Terms terms = Terms.usual().priority(random.nextInt(5) == 0 ? random.nextInt(5) - 2 : 0);
    if (holds) {
      terms = terms.needs(NAMES.get(needed), 1 + random.nextInt(2));
    } else if (!waits && random.nextInt(3) == 0) {
      terms = terms.cores(1 + random.nextInt(2));
    }
    if ((holds && waits) || random.nextInt(4) == 0) {
      terms = terms.onVirtualThread();
    }
    long sum = 1;
    Optional<Graph> graph = Optional.empty();
    if (waits) {
      int below = holds ? needed + 1 : rank;
      for (int i = random.nextInt(5); i >= 0; i--) {
        Plan part = plan(random, below, depth - 1);
        parts.add(part);
        sum += part.sum;
      }
      if (random.nextInt(3) == 0) {
        Graph inner = new Graph("inner");
        for (int i = random.nextInt(4); i >= 0; i--) {
          add(inner, plan(random, below, depth - 1));
        }
        graph = Optional.of(inner);
      }
    }
    return new Plan(waits ? random.nextInt(3) : 3, terms, random.nextBoolean(), parts, graph, sum);
  }

  private static Task<Long> add(Graph graph, Plan plan) {
    Task<Long> task =
        plan.kind == 3 ? graph.task("leaf", () -> 1L) : graph.flow("flow", f -> run(f, plan));
    return plan.terms.equals(Terms.usual()) ? task : task.with(_ -> plan.terms);
  }

  private static long run(Flow flow, Plan plan) throws RunFailure {
    List<Fork<Long>> forks = new ArrayList<>();
    long sum = 1;
    for (Plan part : plan.parts) {
      Fork<Long> fork =
          part.kind == 3
              ? flow.fork("leaf", _ -> part.terms, () -> 1L)
              : part.terms.equals(Terms.usual())
                  ? flow.fork("plain", f -> run(f, part))
                  : flow.fork("flow", _ -> part.terms, f -> run(f, part));
      if (plan.joined) {
        sum += fork.join();
      } else {
        forks.add(fork);
      }
    }
    if (plan.graph.isPresent()) {
      flow.run(plan.graph.get());
    }
    for (Fork<Long> fork : forks) {
      sum += fork.join();
    }
    return sum;
  }

  @Test
  void randomProgramsEnd() throws Exception {
    for (long seed = 1; seed <= 60; seed++) {
      Random random = new Random(seed);
      EngineConfig config =
          EngineConfig.usual().workers(2 + random.nextInt(2)).blocking(1 + random.nextInt(3));
      for (String name : NAMES) {
        config = config.resource(name, 2 + random.nextInt(2));
      }
      try (Engine engine = Engine.open(config)) {
        List<Plan> plans = new ArrayList<>();
        Graph graph = new Graph("seed " + seed);
        List<Task<Long>> tasks = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
          Plan plan = plan(random, 0, 4);
          plans.add(plan);
          tasks.add(add(graph, plan));
        }
        for (int again = 0; again < 3; again++) {
          Run run = engine.run(graph);
          for (int i = 0; i < plans.size(); i++) {
            assertThat(run.value(tasks.get(i))).as("seed %d", seed).isEqualTo(plans.get(i).sum);
          }
        }
      }
    }
  }
}
