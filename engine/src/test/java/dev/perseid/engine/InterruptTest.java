package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What runs is interrupted when nobody wants it any more, and nothing else is.
@Timeout(60)
class InterruptTest {
  @TempDir Path folder;

  private final CountDownLatch never = new CountDownLatch(1);

  private int waits(Semaphore begun) throws InterruptedException {
    begun.release();
    never.await();
    return 0;
  }

  /// Plain tasks, flows, forks, nested runs, tasks with terms, on workers and on virtual threads.
  @Test
  void cancellingARunInterruptsAllOfIt() throws Exception {
    Path file = folder.resolve("records");
    Semaphore begun = new Semaphore(0);
    Graph inner = new Graph("inner");
    inner.action("nested", () -> waits(begun));
    inner.action("nested, virtual", () -> waits(begun)).with(Terms::onVirtualThread);
    Graph graph = new Graph("all kinds");
    graph.tasks("plain", 2, _ -> waits(begun));
    graph.flow("flow", _ -> waits(begun));
    graph.action("terms", () -> waits(begun)).with(t -> t.priority(1));
    graph.action("wide", () -> waits(begun)).with(t -> t.cores(2));
    graph
        .flow(
            "forker",
            flow -> {
              flow.fork("fork", _ -> waits(begun));
              flow.fork("fork on terms", t -> t.timeout(Duration.ofHours(1)), () -> waits(begun));
              flow.run(inner);
              return 1;
            })
        .with(Terms::onVirtualThread);
    int all = 9;
    try (Engine engine = Engine.open(EngineConfig.usual().workers(9).records(file))) {
      Run run = engine.start(graph);
      begun.acquire(all);
      run.cancel();
      assertThatThrownBy(run::join).hasMessageContaining("was cancelled");
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.count()).isEqualTo(all + 1);
    assertThat(records.records().map(r -> r.name() + " " + r.outcome()))
        .allMatch(told -> told.endsWith(" CANCELLED"));
  }

  @Test
  void aFailureInterruptsTheOthers() throws Exception {
    Path file = folder.resolve("records");
    Semaphore begun = new Semaphore(0);
    Graph graph = new Graph("failing");
    graph.action("plain", () -> waits(begun));
    graph.action(
        "fails",
        () -> {
          begun.acquire();
          throw new IllegalStateException("planned");
        });
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      assertThatThrownBy(() -> engine.run(graph)).hasMessageContaining("planned");
    }
    assertThat(RecordFile.read(file).records().map(r -> r.name() + " " + r.outcome()))
        .containsExactlyInAnyOrder("plain CANCELLED", "fails FAILED");
  }

  /// A flow that is cancelled by name takes along what it forked and runs, and nothing else.
  @Test
  void cancellingATaskInterruptsWhatItStarted() throws Exception {
    Path file = folder.resolve("records");
    Semaphore begun = new Semaphore(0);
    CountDownLatch go = new CountDownLatch(1);
    Graph inner = new Graph("inner");
    inner.action("nested", () -> waits(begun));
    Graph graph = new Graph("one of two");
    Task<Integer> first =
        graph.flow(
            "first",
            flow -> {
              flow.fork("fork", _ -> waits(begun));
              flow.fork(
                  "deep", f -> f.fork("deeper", t -> t.priority(1), () -> waits(begun)).join());
              flow.run(inner);
              return 1;
            });
    Task<Integer> second =
        graph.flow(
            "second",
            flow ->
                flow.fork(
                        "its fork",
                        _ -> {
                          begun.release();
                          go.await();
                          return 5;
                        })
                    .join());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(6).records(file))) {
      Run run = engine.start(graph);
      begun.acquire(4);
      run.cancel(first);
      assertThat(run.isDone()).isFalse();
      go.countDown();
      assertThat(run.join().value(second)).isEqualTo(5);
    }
    assertThat(RecordFile.read(file).records().map(r -> r.name() + " " + r.outcome()))
        .containsExactlyInAnyOrder(
            "fork CANCELLED",
            "deep CANCELLED",
            "deeper CANCELLED",
            "nested CANCELLED",
            "first CANCELLED",
            "its fork DONE",
            "second DONE");
  }

  /// A task that waits for its next attempt does not wait any longer.
  @Test
  void cancellingEndsTheWaitForTheNextAttempt() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("resting");
    graph
        .action(
            "fails",
            () -> {
              throw new IllegalStateException("planned");
            })
        .with(t -> t.retries(3, Duration.ofHours(1)));
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).records(file))) {
      Run run = engine.start(graph);
      while (engine.timer.getQueue().isEmpty()) {
        Thread.onSpinWait();
      }
      run.cancel();
      assertThatThrownBy(run::join).hasMessageContaining("was cancelled");
    }
    assertThat(RecordFile.read(file).records().map(r -> r.attempt() + " " + r.outcome()))
        .containsExactlyInAnyOrder("1 FAILED", "2 CANCELLED");
  }

  /// Runs that are cancelled at any moment beside runs that are not: no interrupt goes astray,
  /// although the same workers run all of them, also on top of each other.
  @Test
  void noInterruptGoesAstray() throws Exception {
    long seed = 1_007;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    AtomicInteger astray = new AtomicInteger();
    Graph kept = new Graph("kept");
    for (int i = 0; i < 50; i++) {
      kept.action("plain", () -> look(astray));
      kept.action("terms", () -> look(astray)).with(t -> t.priority(1));
      kept.flow(
          "flow",
          flow -> {
            Fork<Integer> one = flow.fork("fork", _ -> look(astray));
            return one.join() + flow.fork("fork", t -> t.cores(2), () -> look(astray)).join();
          });
    }
    Graph doomed = new Graph("doomed");
    for (int i = 0; i < 10; i++) {
      doomed.action("waits", never::await).with(t -> t.priority(1));
      // These leave their interrupt behind.
      doomed.action("spins", InterruptTest::spin);
      doomed.action("spins", InterruptTest::spin).with(t -> t.priority(-1));
      doomed.flow(
          "flow",
          flow -> {
            flow.fork("waits", t -> t.timeout(Duration.ofHours(1)), () -> waits(new Semaphore(0)));
            Fork<Integer> spins = flow.fork("spins", _ -> spin());
            return spin() + spins.join();
          });
    }
    try (Engine engine = Engine.open(EngineConfig.usual().workers(3))) {
      for (int round = 0; round < 200; round++) {
        List<Run> runs = new ArrayList<>();
        runs.add(engine.start(kept));
        Run cancelled = engine.start(doomed);
        runs.add(engine.start(kept));
        for (int i = random.nextInt(20_000); i > 0; i--) {
          Thread.onSpinWait();
        }
        cancelled.cancel();
        assertThatThrownBy(cancelled::join).isInstanceOf(RunFailure.class);
        for (Run run : runs) {
          run.join();
        }
      }
    }
    assertThat(astray.get()).as("seed %d", seed).isZero();
  }

  private static int spin() {
    while (!Thread.currentThread().isInterrupted()) {
      Thread.onSpinWait();
    }
    return 1;
  }

  private static int look(AtomicInteger astray) {
    for (int i = 0; i < 50; i++) {
      if (Thread.currentThread().isInterrupted()) {
        astray.getAndIncrement();
      }
      Thread.onSpinWait();
    }
    return 1;
  }
}
