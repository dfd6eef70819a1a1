package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// The order in which a job's tasks are served, and that what is slow does not get what something
/// fast would end sooner.
class LevelsTest {
  private final Fixture f = new Fixture();

  @Test
  void theOrderIsThatOfTheLongestWaysToTheEnd() {
    for (long seed = 1; seed <= 200; seed++) {
      Random random = new Random(seed);
      JobSpec job = Sample.randomJob(random, Sample.ALICE, seed);
      long[] weights =
          random
              .longs(job.kinds().size(), 1, random.nextBoolean() ? 20 : Long.MAX_VALUE / 2)
              .toArray();
      List<Integer> want = new ArrayList<>();
      IntStream.range(0, job.tasks().size()).forEach(want::add);
      want.sort(Comparator.<Integer>comparingDouble(t -> -way(job, weights, t)));
      int[] got =
          Arrays.stream(Levels.order(job.tasks(), Edges.of(job.tasks()), weights))
              .mapToInt(Levels::task)
              .toArray();
      for (int at = 0; at < got.length; at++) {
        double wanted = way(job, weights, want.get(at));
        assertThat(way(job, weights, got[at]))
            .as("seed %d, place %d", seed, at)
            .isBetween(wanted * (1 - 1e-9), wanted * (1 + 1e-9));
      }
    }
  }

  /// The longest way from a task, walked.
  private static double way(JobSpec job, long[] weights, int task) {
    double longest = 0;
    for (int t = 0; t < job.tasks().size(); t++) {
      TaskSpec after = job.tasks().get(t);
      boolean waits =
          after.after().contains(task)
              || after.inputs().stream()
                  .anyMatch(i -> i instanceof Input.Produced p && p.task() == task);
      longest = waits ? Math.max(longest, way(job, weights, t)) : longest;
    }
    return longest + Math.min(weights[job.tasks().get(task).kind()], 1L << 45);
  }

  @Test
  void theNextNumberOfASet() {
    for (long seed = 1; seed <= 50; seed++) {
      Random random = new Random(seed);
      int bound = 1 + random.nextInt(random.nextBoolean() ? 70 : 300_000);
      LowestFirst set = new LowestFirst(bound);
      TreeSet<Integer> same = new TreeSet<>();
      for (int i = 0; i < 300; i++) {
        int number = random.nextInt(bound);
        if (random.nextInt(3) == 0) {
          set.remove(number);
          same.remove(number);
        } else {
          set.add(number);
          same.add(number);
        }
        int from = random.nextInt(bound);
        Integer next = same.higher(from);
        assertThat(set.next(from))
            .as("seed %d, after %d", seed, from)
            .isEqualTo(next == null ? -1 : next);
      }
    }
  }

  /// Two kinds; a chain of three, and tasks for which nobody waits before it in the job.
  @Test
  void whatOthersWaitForIsServedFirst() {
    f.join(1, 1);
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      tasks.add(Sample.task(t));
    }
    tasks.add(Sample.task(4));
    tasks.add(Sample.taskAfter(5, 4));
    tasks.add(Sample.taskAfter(6, 5));
    f.submit(Sample.job(1, tasks));
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < tasks.size(); i++) {
      Lease lease = f.schedule(1).getFirst();
      order.add(lease.task());
      f.report(Sample.done(lease, 1_000_000_000));
    }
    assertThat(order).containsExactly(4, 5, 0, 1, 2, 3, 6);
  }

  @Test
  void whatIsLearnedOfKindsChangesTheOrder() {
    f.join(1, 1);
    List<TaskKind> kinds = List.of(Sample.kind("short"), Sample.kind("long"));
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < 6; t++) {
      tasks.add(Sample.taskOf(t % 2, t));
    }
    f.submit(Sample.job(1, 0, 1_000_000, kinds, tasks));
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < tasks.size(); i++) {
      Lease lease = f.schedule(1).getFirst();
      order.add(lease.task());
      f.report(Sample.done(lease, lease.task() % 2 == 0 ? 100_000_000 : 5_000_000_000L));
    }
    assertThat(order)
        .as("the first of each kind, then the long ones")
        .containsExactly(0, 1, 3, 5, 2, 4);
  }

  @Test
  void theLastTaskWaitsForTheFastProviderAndAnotherTakesTheSlowOne() {
    f.join(1, 1);
    f.join(2, 1);
    f.submit(Sample.job(1, 40));
    for (List<Lease> l = f.schedule(9); !l.isEmpty(); l = f.schedule(9)) {
      for (Lease lease : l) {
        f.nowUs += 1;
        f.report(Sample.done(lease, lease.provider().c() == 1 ? 8_000_000_000L : 1_000_000_000));
      }
    }
    // The fast one gets a task, and one waits for it: the slow one would take eight times as long.
    f.submit(Sample.job(2, 2));
    List<Lease> leases = f.schedule(9);
    assertThat(leases)
        .singleElement()
        .satisfies(l -> assertThat(l.provider()).isEqualTo(Sample.provider(2)));
    assertThat(f.pool.why(JobId.of(Sample.ALICE, 2), "work[1]", f.nowUs).sentence())
        .contains("waits for provider p2, which is busy");
    f.submit(Sample.job(3, 20));
    assertThat(f.schedule(9))
        .as("so much is to be done that the slow one gets something too")
        .singleElement()
        .satisfies(l -> assertThat(l.provider()).isEqualTo(Sample.provider(1)));
  }
}
