package dev.perseid.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Random graphs with values, forks, priorities, virtual threads, resources and failures against
/// the same computed one by one; and what the records say of them.
class RandomGraphTest {
  private static final int ROUNDS = 300;

  @TempDir Path folder;

  /// `own` for each part: some forked and joined, some forked and left, some called, some forked on
  /// terms; these hold what the forker does not.
  private static long parts(Flow flow, long own, int parts, boolean holds) throws RunFailure {
    List<Fork<Long>> forks = new ArrayList<>();
    long total = 0;
    for (int p = 0; p < parts; p++) {
      int kind = (int) ((own + p) % 8);
      switch (kind) {
        case 0 -> forks.add(flow.fork("part", _ -> own));
        case 1 -> total += flow.call("part", _ -> own);
        case 2 -> forks.add(flow.fork("part", t -> t.cores(2), () -> own));
        case 3 -> forks.add(flow.fork("part", t -> t.cores(3).priority(1), () -> own));
        case 4 -> forks.add(flow.fork("part", t -> t.priority(-2), f -> f.call("part", _ -> own)));
        case 5 ->
            forks.add(flow.fork("part", t -> holds ? t : t.needs("gpu", 2).priority(3), () -> own));
        case 6 ->
            forks.add(
                flow.fork("part", Terms::onVirtualThread, f -> f.fork("part", _ -> own).join()));
        default -> {
          Fork<Long> left = flow.fork("part", _ -> own);
          total += own;
          assertThat(left).isNotNull();
        }
      }
    }
    for (Fork<Long> fork : forks) {
      total += fork.join();
    }
    return total;
  }

  @Test
  void runsLikeOneAfterAnother() throws Exception {
    long seed = 1_008;
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    Path file = folder.resolve("records");
    Map<Long, Long[]> expected = new HashMap<>();
    Map<Long, List<int[]>> edgesOf = new HashMap<>();
    Map<Long, Long> forksOf = new HashMap<>();
    EngineConfig config =
        EngineConfig.usual().workers(3).resource("gpu", 2).records(file).ring(64).goingOn();
    try (Engine engine = Engine.open(config)) {
      for (int round = 0; round < ROUNDS; round++) {
        int n = 1 + random.nextInt(200);
        Graph graph = new Graph("round " + round);
        List<Task<Long>> tasks = new ArrayList<>();
        Long[] oracle = new Long[n]; // null: did not end well
        List<int[]> edges = new ArrayList<>();
        long forks = 0;
        for (int i = 0; i < n; i++) {
          List<Task<Long>> inputs = new ArrayList<>();
          boolean well = true;
          long sum = i;
          for (int k = random.nextInt(4); k > 0 && i > 0; k--) {
            int from = random.nextInt(i);
            inputs.add(tasks.get(from));
            edges.add(new int[] {from, i});
            if (oracle[from] == null) {
              well = false;
            } else {
              sum = 31 * sum + oracle[from];
            }
          }
          boolean fails = random.nextInt(100) == 0;
          long own = i;
          int parts = random.nextInt(10) == 0 ? 1 + random.nextInt(20) : 0;
          int kind = random.nextInt(12);
          boolean holds = kind == 2;
          Task<Long> task;
          if (parts > 0) {
            task =
                graph.flow(
                    "t" + i,
                    flow -> {
                      long total = parts(flow, own, parts, holds);
                      if (fails) {
                        throw new IllegalStateException("planned");
                      }
                      return total;
                    });
            inputs.forEach(task::after);
            sum = own * parts;
            for (int p = 0; well && p < parts; p++) {
              forks += (own + p) % 8 == 4 || (own + p) % 8 == 6 ? 2 : 1;
            }
          } else {
            task =
                graph.gather(
                    "t" + i,
                    inputs,
                    values -> {
                      long total = own;
                      for (long value : values) {
                        total = 31 * total + value;
                      }
                      if (fails) {
                        throw new IllegalStateException("planned");
                      }
                      return total;
                    });
          }
          switch (kind) {
            case 0 -> task.with(t -> t.priority(5));
            case 1 -> task.with(t -> t.priority(-5));
            case 2 -> {
              task.with(t -> t.needs("gpu", 1 + (own & 1)));
              if (parts > 0) {
                task.with(Terms::onVirtualThread);
              }
            }
            case 3 -> task.with(Terms::onVirtualThread);
            case 4 -> {
              if (parts == 0) { // 1 to all 3, and sometimes with what others hold too
                task.with(t -> t.cores((int) (1 + own % 3)));
                if (own % 4 == 0) {
                  task.with(t -> t.needs("gpu", 1).priority((int) (own % 3) - 1));
                }
                if (own % 5 == 0) {
                  task.with(Terms::onVirtualThread);
                }
              }
            }
            default -> {}
          }
          tasks.add(task);
          oracle[i] = well && !fails ? sum : null;
        }
        for (int again = 0; again < 2; again++) {
          Run run = engine.start(graph);
          boolean failed = false;
          try {
            run.join();
          } catch (RunFailure e) {
            failed = true;
          }
          boolean wanted = false;
          for (int i = 0; i < n; i++) {
            assertThat(run.value(tasks.get(i))).as("seed %d task %d", seed, i).isEqualTo(oracle[i]);
            wanted |= oracle[i] == null;
          }
          assertThat(failed).as("seed %d", seed).isEqualTo(wanted);
          expected.put(run.number(), oracle);
          edgesOf.put(run.number(), edges);
          forksOf.put(run.number(), forks);
        }
      }
    }
    RecordFile records = RecordFile.read(file);
    assertThat(records.closed()).isTrue();
    assertThat(records.damage()).isEmpty();
    Map<Long, Map<Long, TaskRecord>> byRun = new HashMap<>();
    records
        .records()
        .forEach(r ->
            assertThat(byRun.computeIfAbsent(r.run(), _ -> new HashMap<>()).put(r.task(), r))
                .as("recorded twice, seed %d", seed)
                .isNull());
    assertThat(byRun).hasSize(expected.size());
    expected.forEach((run, oracle) -> {
      Map<Long, TaskRecord> all = byRun.get(run);
      List<TaskRecord> forked = new ArrayList<>(all.values());
      forked.removeIf(r -> r.task() < oracle.length);
      for (TaskRecord r : forked) {
        TaskRecord forker = all.get(r.cause().orElseThrow());
        assertThat(r.outcome()).isEqualTo(Outcome.DONE);
        assertThat(r.name()).isEqualTo("part");
        assertThat(r.startNs()).as("seed %d", seed).isGreaterThanOrEqualTo(forker.startNs());
        assertThat(r.endNs()).as("seed %d", seed).isLessThanOrEqualTo(forker.endNs());
      }
      assertThat((long) forked.size()).as("seed %d", seed).isEqualTo(forksOf.get(run));
      all.keySet().removeIf(task -> task >= oracle.length);
      assertThat(all).as("seed %d", seed).hasSize(oracle.length);
      for (TaskRecord r : all.values()) {
        assertThat(r.outcome() == Outcome.DONE)
            .as("seed %d %s", seed, r)
            .isEqualTo(oracle[(int) r.task()] != null);
        assertThat(r.name()).isEqualTo("t" + r.task());
        assertThat(r.readyNs()).isLessThanOrEqualTo(r.startNs());
        assertThat(r.startNs()).isLessThanOrEqualTo(r.endNs());
      }
      for (int[] edge : edgesOf.get(run)) {
        assertThat(all.get((long) edge[0]).endNs())
            .as("seed %d, %d before %d", seed, edge[0], edge[1])
            .isLessThanOrEqualTo(all.get((long) edge[1]).startNs());
      }
    });
  }
}
