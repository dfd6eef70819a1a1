package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tasks that need several cores.
@Timeout(60)
class CoresTest {
  private static final int WORKERS = 4;

  @TempDir Path folder;

  /// Nobody ever sees more cores in use than there are, and all of it ends.
  @Test
  void coresAreHeldWhileATaskRuns() throws Exception {
    long seed = 1_005;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    AtomicInteger used = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    AtomicInteger memory = new AtomicInteger();
    AtomicInteger mostMemory = new AtomicInteger();
    AtomicInteger ended = new AtomicInteger();
    Graph graph = new Graph("mixed");
    int tasks = 3_000;
    int[] wanted = new int[tasks];
    for (int i = 0; i < tasks; i++) {
      int cores = random.nextInt(3) > 0 ? 1 : 1 + random.nextInt(WORKERS);
      int bytes = random.nextInt(4) > 0 ? 0 : 1 + random.nextInt(100);
      int priority = random.nextInt(5) - 2;
      boolean virtual = cores > 1 && random.nextInt(5) == 0;
      Task<Void> task =
          graph.action(
              "t" + i,
              () -> {
                most.accumulateAndGet(used.addAndGet(cores), Math::max);
                mostMemory.accumulateAndGet(memory.addAndGet(bytes), Math::max);
                for (int k = 0; k < 1_000; k++) {
                  Thread.onSpinWait();
                }
                memory.addAndGet(-bytes);
                used.addAndGet(-cores);
                ended.getAndIncrement();
              });
      wanted[i] = cores;
      if (cores > 1 || random.nextBoolean()) {
        task.with(t -> t.cores(cores));
      }
      if (bytes > 0) {
        task.with(t -> t.memory(bytes));
      }
      if (random.nextBoolean()) {
        task.with(t -> t.priority(priority));
      }
      if (virtual) {
        task.with(Terms::onVirtualThread);
      }
    }
    Path file = folder.resolve("records");
    EngineConfig config = EngineConfig.usual().workers(WORKERS).memory(150).records(file);
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
    }
    assertThat(ended.get()).as("seed %d", seed).isEqualTo(tasks);
    assertThat(most.get()).as("seed %d", seed).isBetween(2, WORKERS);
    assertThat(mostMemory.get()).as("seed %d", seed).isLessThanOrEqualTo(150);
    RecordFile.read(file)
        .records()
        .forEach(r ->
            assertThat(r.cores())
                .as("seed %d, %s", seed, r)
                .isEqualTo(
                    wanted[(int) r.task()] > 1
                        ? OptionalInt.of(wanted[(int) r.task()])
                        : OptionalInt.empty()));
  }

  /// A stream of plain tasks that never ends does not keep a task with all cores from starting, and
  /// a stream of these does not keep a plain one.
  @Test
  void neitherFewNorManyCoresStarve() throws Exception {
    AtomicInteger wide = new AtomicInteger();
    AtomicInteger narrow = new AtomicInteger();
    Graph graph = new Graph("streams");
    for (int i = 0; i < 2 * WORKERS; i++) {
      graph.flow("narrow", flow -> stream(flow, wide, narrow, 1));
    }
    for (int i = 0; i < 2; i++) {
      graph.flow("wide", flow -> stream(flow, narrow, wide, WORKERS));
    }
    try (Engine engine = Engine.open(EngineConfig.usual().workers(WORKERS))) {
      engine.run(graph);
    }
    assertThat(wide.get()).isGreaterThanOrEqualTo(100);
    assertThat(narrow.get()).isGreaterThanOrEqualTo(100);
  }

  /// One after another until the other kind has had its share.
  private static int stream(Flow flow, AtomicInteger others, AtomicInteger own, int cores)
      throws RunFailure {
    while (others.get() < 100 || own.get() < 100) {
      flow.fork("one", t -> t.cores(cores), own::incrementAndGet).join();
    }
    return own.get();
  }

  /// What does not fit is passed a limited number of times by what does.
  @Test
  void manyPassOnlySoOften() throws Exception {
    CountDownLatch held = new CountDownLatch(1);
    CountDownLatch waits = new CountDownLatch(1);
    AtomicInteger passed = new AtomicInteger();
    AtomicInteger before = new AtomicInteger();
    Graph graph = new Graph("passing");
    graph.flow(
        "all",
        flow -> {
          Fork<Integer> first =
              flow.fork(
                  "first",
                  t -> t.onVirtualThread().needs("gpu", 1),
                  () -> {
                    held.countDown();
                    waits.await();
                    return 0;
                  });
          held.await();
          Fork<Integer> big =
              flow.fork(
                  "big",
                  t -> t.onVirtualThread().needs("gpu", 4),
                  () -> {
                    before.set(passed.get());
                    return 0;
                  });
          for (int i = 0; i < 500; i++) {
            flow.fork(
                "small",
                t -> t.onVirtualThread().needs("gpu", 1), // three at a time, so never all is free
                () -> {
                  if (passed.incrementAndGet() == 50) {
                    waits.countDown(); // from here on nothing but the limit holds the big one up
                  }
                  return 0;
                });
          }
          return first.join() + big.join();
        });
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).resource("gpu", 4))) {
      engine.run(graph);
    }
    assertThat(passed.get()).isEqualTo(500);
    assertThat(before.get()).isBetween(50, 64); // what docs/engine.md says
  }

  /// A cancelled run waits neither for workers that others hold nor for what others took.
  @Test
  void aCancelledTaskWaitsForNothing() throws Exception {
    CountDownLatch running = new CountDownLatch(2);
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger ran = new AtomicInteger();
    Graph busy = new Graph("busy");
    busy.action(
        "plain",
        () -> {
          running.countDown();
          go.await();
        });
    busy.action(
            "holder",
            () -> {
              running.countDown();
              go.await();
            })
        .with(t -> t.onVirtualThread().needs("gpu", 1));
    Graph graph = new Graph("waiting");
    graph.action("wide", ran::incrementAndGet).with(t -> t.cores(3));
    graph.action("gpu", ran::incrementAndGet).with(t -> t.onVirtualThread().needs("gpu", 1));
    Path file = folder.resolve("records");
    EngineConfig config = EngineConfig.usual().workers(3).resource("gpu", 1).records(file);
    try (Engine engine = Engine.open(config)) {
      Run other = engine.start(busy);
      running.await();
      Run run = engine.start(graph);
      while (engine.pressing.get() == 0) {
        Thread.onSpinWait(); // until it calls for workers
      }
      run.cancel();
      assertThatThrownBy(run::join).hasMessageContaining("was cancelled");
      assertThat(other.isDone()).isFalse();
      go.countDown();
      other.join();
      engine.run(new Graph("empty"));
    }
    assertThat(ran.get()).isZero();
    assertThat(RecordFile.read(file).records(2).map(TaskRecord::outcome))
        .containsExactly(Outcome.CANCELLED, Outcome.CANCELLED);
  }

  @Test
  void whatCannotBeIsRefused() throws Exception {
    assertThatThrownBy(() -> EngineConfig.usual().resource("cores", 3))
        .hasMessageContaining("say EngineConfig.workers");
    List<String> said = new ArrayList<>();
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).resource("gpu", 2))) {
      Graph wide = new Graph("wide");
      wide.action("wide", () -> {}).with(t -> t.cores(3));
      assertThatThrownBy(() -> engine.start(wide))
          .hasMessageContaining("needs 3 of 'cores', of which the engine has 2")
          .hasMessageContaining("EngineConfig.workers");
      Graph waiting = new Graph("waiting");
      waiting.flow("waiting", _ -> 1).with(t -> t.cores(2).onVirtualThread());
      assertThatThrownBy(() -> engine.start(waiting)).hasMessageContaining("holds cores while");
      Graph inner = new Graph("inner");
      inner.action("greedy", () -> {}).with(t -> t.needs("gpu", 4));
      Graph forks = new Graph("forks");
      forks
          .flow(
              "holder",
              flow -> {
                refused(said, () -> flow.fork("fork", t -> t.needs("gpu", 3), () -> 1));
                refused(said, () -> flow.fork("fork", t -> t.needs("gpu", 1), f -> 1));
                refused(said, () -> flow.fork("fork", t -> t.cores(2), f -> 1));
                refused(said, () -> flow.run(inner));
                return flow.fork("fork", t -> t.needs("gpu", 1), () -> 1).join();
              })
          .with(Terms::onVirtualThread);
      engine.run(forks);
    }
    assertThat(said).hasSize(4);
    assertThat(said.get(0)).contains("'fork' needs 3 of 'gpu', of which the engine has 2");
    assertThat(said.get(1)).contains("add onVirtualThread");
    assertThat(said.get(2)).contains("holds cores");
    assertThat(said.get(3)).contains("'greedy' needs 4 of 'gpu'");
  }

  private interface Try {
    void run() throws Exception;
  }

  private static void refused(List<String> said, Try what) throws Exception {
    try {
      what.run();
    } catch (IllegalArgumentException e) {
      said.add(String.valueOf(e.getMessage()));
    }
  }
}
