package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What the engine promises, one promise a test.
@Timeout(60)
class EngineTest {
  @TempDir Path folder;

  private static long fib(Flow flow, int n) throws Exception {
    if (n < 2) {
      return n;
    }
    Fork<Long> one = flow.fork("left", f -> fib(f, n - 1));
    long two = flow.call("right", f -> fib(f, n - 2));
    return one.join() + two;
  }

  @Test
  void tasksAddTasks() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("fib");
    Task<Long> fib = graph.flow("fib", flow -> fib(flow, 20));
    try (Engine engine = Engine.open(EngineConfig.usual().workers(3).records(file))) {
      assertThat(engine.run(graph).value(fib)).isEqualTo(6_765);
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.count()).isEqualTo(21_891); // calls of fib(20)
    assertThat(records.records().map(TaskRecord::task).distinct()).hasSize(21_891);
  }

  @Test
  void aFailureNamesTheTaskAndThePathThatLedThere() throws Exception {
    Graph graph = new Graph("nightly");
    Task<Void> load = graph.action("load", () -> {});
    Task<Void> train =
        graph.flow(
            "train",
            flow -> {
              flow.fork(
                  "epoch",
                  _ -> {
                    throw new IOException("no space");
                  });
              return null;
            });
    train.after(load);
    AtomicInteger after = new AtomicInteger();
    graph.action("publish", after::incrementAndGet).after(train);
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2))) {
      assertThatThrownBy(() -> engine.run(graph))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("load > train > epoch")
          .hasMessageContaining("no space")
          .hasCauseInstanceOf(IOException.class);
    }
    assertThat(after.get()).isZero();
  }

  @Test
  void whatTakesTooLongIsInterruptedAndTriedAgain() throws Exception {
    Path file = folder.resolve("records");
    AtomicInteger tries = new AtomicInteger();
    Graph graph = new Graph("timeouts");
    CountDownLatch never = new CountDownLatch(1);
    graph
        .action(
            "slow",
            () -> {
              if (tries.incrementAndGet() < 3) {
                never.await();
              }
            })
        .with(t -> t.timeout(Duration.ofMillis(20)).retries(5, Duration.ofMillis(1)));
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      engine.run(graph);
    }
    assertThat(RecordFile.read(file).records().map(r -> r.attempt() + " " + r.outcome()))
        .containsExactly("1 TIMED_OUT", "2 TIMED_OUT", "3 DONE");
  }

  @Test
  void cancellingATaskCancelsWhatDependsOnIt() throws Exception {
    Path file = folder.resolve("records");
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch never = new CountDownLatch(1);
    AtomicInteger ran = new AtomicInteger();
    Graph graph = new Graph("cancelled");
    Task<Void> waits =
        graph
            .action(
                "waits",
                () -> {
                  begun.countDown();
                  never.await();
                })
            .with(Terms::onVirtualThread);
    graph.action("after", ran::incrementAndGet).after(waits);
    graph.action("beside", ran::incrementAndGet);
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      Run run = engine.start(graph);
      begun.await();
      run.cancel(waits);
      run.join();
    }
    assertThat(ran.get()).isEqualTo(1);
    assertThat(RecordFile.read(file).records().map(r -> r.name() + " " + r.outcome()))
        .containsExactlyInAnyOrder("waits CANCELLED", "after SKIPPED", "beside DONE");
  }

  @Test
  void choicesAndLoops() throws Exception {
    Path file = folder.resolve("records");
    AtomicInteger rounds = new AtomicInteger();
    Graph body = new Graph("round");
    body.action("step", rounds::incrementAndGet);
    Graph graph = new Graph("control");
    Task<Integer> loop = graph.loop("loop", body, 10, () -> rounds.get() < 7);
    Task<Void> left = graph.action("left", () -> {});
    Task<Void> right = graph.action("right", () -> {});
    graph.choice("which", () -> 1, left, right).after(loop);
    Task<Void> end = graph.action("end", () -> {}).after(left, right).whenAny();
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      assertThat(engine.run(graph).value(loop)).isEqualTo(7);
    }
    assertThat(
            RecordFile.read(file)
                .records()
                .filter(r -> !r.name().equals("step"))
                .map(r -> r.name() + " " + r.outcome()))
        .containsExactlyInAnyOrder(
            "loop DONE", "which DONE", "left NOT_CHOSEN", "right DONE", "end DONE");
    assertThat(end.name()).isEqualTo("end");
  }

  /// What has ended is not held by the queues that it went through.
  @Test
  void whatHasEndedIsForgotten() throws Exception {
    List<WeakReference<Graph>> graphs = new ArrayList<>();
    try (Engine engine = Engine.open(EngineConfig.usual().workers(3))) {
      for (int i = 0; i < 200; i++) {
        Graph graph = new Graph("round " + i);
        graph.tasks("t", 2_000, _ -> {});
        engine.run(graph);
        graphs.add(new WeakReference<>(graph));
      }
      System.gc();
      // Each worker may remember the last that it saw, and this method the last of all.
      assertThat(graphs.stream().filter(g -> g.get() != null)).hasSizeLessThan(10);
    }
  }

  @Test
  void circlesAndImpossibleNeedsAreRefused() throws Exception {
    try (Engine engine = Engine.open(EngineConfig.usual().workers(1).resource("gpu", 1))) {
      Graph circle = new Graph("circle");
      Task<Void> a = circle.action("a", () -> {});
      Task<Void> b = circle.action("b", () -> {}).after(a);
      a.after(b);
      assertThatThrownBy(() -> engine.start(circle)).hasMessageContaining("circle");
      Graph greedy = new Graph("greedy");
      greedy.action("train", () -> {}).with(t -> t.needs("gpu", 2));
      assertThatThrownBy(() -> engine.start(greedy))
          .hasMessageContaining("needs 2 of 'gpu', of which the engine has 1");
      Graph waiting = new Graph("waiting");
      waiting.flow("train", _ -> 1).with(t -> t.needs("gpu", 1));
      assertThatThrownBy(() -> engine.start(waiting))
          .hasMessageContaining("task 'train' holds [gpu] while it may wait")
          .hasMessageContaining("onVirtualThread");
    }
  }

  @Test
  void aFullRingLosesNothing() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("many");
    graph.tasks("t", 200_000, _ -> {});
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file).ring(16))) {
      engine.run(graph);
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.lost()).isZero();
    assertThat(records.records().map(TaskRecord::task).distinct()).hasSize(200_000);
    assertThat(Files.size(file) / 200_000).isLessThan(48);
  }

  @Test
  void whatIsLostByChoiceIsCounted() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("many");
    graph.tasks("t", 200_000, _ -> {});
    EngineConfig config = EngineConfig.usual().workers(2).records(file).ring(16).countingLoss();
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.damage()).isEmpty();
    assertThat(records.count() + records.lost()).isEqualTo(200_000);
  }

  @Test
  void recordsInMemoryAreAskedWhileItRunsAndAfterwards() throws Exception {
    Graph graph = new Graph("kept");
    Task<Integer> one = graph.task("one", () -> 1);
    Task<Integer> two = graph.task("two", one, v -> v + 1);
    Engine engine = Engine.open(EngineConfig.usual().workers(2).recordsInMemory(1 << 20));
    try (engine) {
      assertThat(engine.run(graph).value(two)).isEqualTo(2);
      assertThat(engine.records().records().map(TaskRecord::name)).containsExactly("one", "two");
      engine.run(graph);
    }
    RecordFile records = engine.records();
    assertThat(records.closed()).isTrue();
    assertThat(records.count()).isEqualTo(4);
    assertThat(records.records(2).map(TaskRecord::name)).containsExactly("one", "two");
    assertThat(records.successors(records.runs().getFirst(), one.id()))
        .containsExactly((long) two.id());
  }

  /// Everybody who writes has been interrupted: the file stays open, and nothing is lost.
  @Test
  void interruptsDoNotCloseTheFile() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("interrupting");
    graph.tasks("t", 20_000, _ -> Thread.currentThread().interrupt());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file).ring(16))) {
      engine.run(graph);
      Thread.currentThread().interrupt();
      engine.sync();
      assertThat(Thread.interrupted()).isTrue();
      assertThat(engine.broken()).isEmpty();
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.closed()).isTrue();
    assertThat(records.count()).isEqualTo(20_000);
  }

  /// A disk that is full, and memory that is: what cannot be recorded does not end well, and does
  /// not go on.
  @Test
  void aRunWhoseRecordsCannotBeWrittenFails() throws Exception {
    for (EngineConfig config :
        List.of(
            EngineConfig.usual().workers(2).records(Path.of("/dev/full")).ring(16),
            EngineConfig.usual().workers(2).recordsInMemory(1_000).ring(16))) {
      AtomicInteger ran = new AtomicInteger();
      Graph graph = new Graph("unrecorded");
      graph.tasks("t", 2_000_000, _ -> ran.getAndIncrement());
      Engine engine = Engine.open(config);
      assertThatThrownBy(() -> engine.run(graph))
          .isInstanceOf(RunFailure.class)
          .hasMessageContaining("cannot write the records to")
          .hasCauseInstanceOf(RecordFailure.class);
      assertThat(ran.get()).isLessThan(2_000_000);
      assertThat(engine.broken()).isPresent();
      int before = ran.get();
      assertThatThrownBy(() -> engine.run(graph)).isInstanceOf(RunFailure.class);
      assertThat(ran.get()).isEqualTo(before);
      assertThatThrownBy(engine::sync).isInstanceOf(RecordFailure.class);
      assertThatThrownBy(engine::close).isInstanceOf(RecordFailure.class);
    }
  }

  /// A file that ends anywhere, or in which any octet is wrong, is read up to the damage.
  @Test
  void aDamagedFileIsReadUpToTheDamage() throws Exception {
    Path file = folder.resolve("records");
    Graph graph = new Graph("chain");
    Tasks tasks = graph.tasks("t", 300, _ -> {});
    for (int i = 1; i < 300; i++) {
      tasks.after(i, i - 1);
    }
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      for (int i = 0; i < 5; i++) {
        engine.run(graph);
        engine.sync();
      }
    }
    byte[] whole = Files.readAllBytes(file);
    var all = RecordFile.read(file).records().toList();
    assertThat(all).hasSize(1_500);
    long seed = 1_006;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    Path damaged = folder.resolve("damaged");
    for (int i = 0; i < 400; i++) {
      int at = Recorder.HEAD_BYTES + random.nextInt(whole.length - Recorder.HEAD_BYTES);
      byte[] bytes = i % 2 == 0 ? Arrays.copyOf(whole, at) : whole.clone();
      if (i % 2 == 1) {
        bytes[at] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(damaged, bytes);
      RecordFile read = RecordFile.read(damaged);
      assertThat(read.closed()).as("seed %d", seed).isFalse();
      assertThat(read.wholeBytes()).isLessThanOrEqualTo(at);
      var some = read.records().toList();
      assertThat(some.size()).isLessThanOrEqualTo(all.size());
      for (int k = 0; k < some.size(); k++) {
        assertThat(some.get(k).task()).as("seed %d", seed).isEqualTo(all.get(k).task());
        assertThat(some.get(k).endNs()).as("seed %d", seed).isEqualTo(all.get(k).endNs());
      }
    }
  }
}
