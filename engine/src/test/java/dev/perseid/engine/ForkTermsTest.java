package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Forked tasks may ask for all that tasks of a graph may ask for.
@Timeout(60)
class ForkTermsTest {
  @TempDir Path folder;

  private List<String> records(Path file, String name) throws RecordFailure {
    return RecordFile.read(file)
        .records()
        .filter(r -> r.name().equals(name))
        .map(r -> r.attempt() + " " + r.outcome())
        .toList();
  }

  @Test
  void retriesAndTimeouts() throws Exception {
    Path file = folder.resolve("records");
    AtomicInteger tries = new AtomicInteger();
    CountDownLatch never = new CountDownLatch(1);
    Graph graph = new Graph("retries");
    Task<Integer> all =
        graph.flow(
            "all",
            flow ->
                flow.fork(
                        "flaky",
                        t -> t.retries(3, Duration.ofMillis(1)).timeout(Duration.ofMillis(50)),
                        f -> {
                          switch (tries.incrementAndGet()) {
                            case 1 -> throw new IOException("connection reset");
                            case 2 -> {
                              // What it forked is given up with it, and must end before the next
                              // attempt.
                              f.fork("part", g -> waits(g, never));
                              never.await();
                            }
                            default -> {}
                          }
                          return 7;
                        })
                    .join());
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2).records(file))) {
      assertThat(engine.run(graph).value(all)).isEqualTo(7);
    }
    assertThat(records(file, "flaky")).containsExactly("1 FAILED", "2 TIMED_OUT", "3 DONE");
    assertThat(records(file, "part")).containsExactly("1 CANCELLED");
    assertThat(records(file, "all")).containsExactly("1 DONE");
  }

  private static int waits(Flow flow, CountDownLatch never) throws InterruptedException {
    never.await();
    return flow.cancelled() ? 1 : 0;
  }

  @Test
  void aForkThatFailsForGoodTellsItsPath() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    Graph graph = new Graph("nightly");
    graph.flow(
        "train",
        flow -> {
          flow.fork(
              "epoch",
              t -> t.timeout(Duration.ofMillis(20)).onVirtualThread(),
              () -> {
                never.await();
                return 1;
              });
          return 1;
        });
    try (Engine engine = Engine.open(EngineConfig.usual().workers(2))) {
      assertThatThrownBy(() -> engine.run(graph))
          .hasMessageContaining("train > epoch")
          .hasMessageContaining("longer than its timeout of 20 ms")
          .hasCauseInstanceOf(TimeoutException.class);
    }
  }

  @Test
  void prioritiesDeadlinesAndNeeds() throws Exception {
    Path file = folder.resolve("records");
    ConcurrentLinkedQueue<String> order = new ConcurrentLinkedQueue<>();
    AtomicInteger held = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Graph graph = new Graph("order");
    graph.flow(
        "all",
        flow -> {
          // One worker: nothing starts before this waits.
          flow.fork("patient", t -> t.priority(-1), () -> order.add("patient"));
          flow.fork("plain", _ -> order.add("plain"));
          flow.fork("usual", t -> t, _ -> order.add("usual"));
          flow.fork("late", t -> t.deadline(Duration.ofNanos(2)), () -> order.add("late"));
          flow.fork("later", t -> t.deadline(Duration.ofHours(1)), () -> order.add("later"));
          flow.fork("urgent", t -> t.priority(9), () -> order.add("urgent"));
          return 1;
        });
    graph.flow(
        "gpus",
        flow -> {
          for (int i = 0; i < 100; i++) {
            flow.fork(
                "gpu",
                t -> t.needs("gpu", 1).onVirtualThread(),
                () -> {
                  most.accumulateAndGet(held.incrementAndGet(), Math::max);
                  Thread.yield();
                  return held.decrementAndGet();
                });
          }
          return 1;
        });
    EngineConfig config = EngineConfig.usual().workers(1).resource("gpu", 2).records(file);
    try (Engine engine = Engine.open(config)) {
      engine.run(graph);
    }
    assertThat(order).containsExactly("urgent", "late", "later", "usual", "plain", "patient");
    assertThat(most.get()).isBetween(1, 2);
    assertThat(RecordFile.read(file).records().filter(TaskRecord::late).map(TaskRecord::name))
        .containsExactly("late");
  }
}
