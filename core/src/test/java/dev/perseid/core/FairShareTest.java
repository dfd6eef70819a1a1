package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Consumers with the same priority share what the pool hands out.
class FairShareTest {
  private final Fixture f = new Fixture();
  private long nonce;

  FairShareTest() {
    f.run(new Command.Grant(Sample.BOB, 100_000_000, "start"));
  }

  private JobId submit(Address consumer, int priority, TaskKind kind, int tasks) {
    List<TaskSpec> all = new ArrayList<>();
    for (int i = 0; i < tasks; i++) {
      all.add(Sample.task(i));
    }
    return f.submit(
        new JobSpec(consumer, nonce++, "job", priority, 1_000_000, List.of(kind), all, List.of()));
  }

  private JobId submit(Address consumer, int tasks) {
    return submit(consumer, 0, Sample.kind("work"), tasks);
  }

  private static Map<Address, Long> byConsumer(List<Lease> leases) {
    return leases.stream()
        .collect(Collectors.groupingBy(Lease::consumer, TreeMap::new, Collectors.counting()));
  }

  @Test
  void whoComesLaterGetsAsMuchAsWhoCameFirst() {
    submit(Sample.ALICE, 1_000);
    submit(Sample.BOB, 6);
    f.join(1, 8);
    List<Lease> first = f.schedule(100);
    assertThat(byConsumer(first)).isEqualTo(Map.of(Sample.ALICE, 4L, Sample.BOB, 4L));
    f.join(2, 8);
    assertThat(byConsumer(f.schedule(100)))
        .as("Bob has only two more")
        .isEqualTo(Map.of(Sample.ALICE, 6L, Sample.BOB, 2L));
  }

  @Test
  void whatBecomesFreeGoesToWhoHasLeast() {
    submit(Sample.ALICE, 1_000);
    f.join(1, 8);
    List<Lease> all = f.schedule(100);
    assertThat(byConsumer(all)).isEqualTo(Map.of(Sample.ALICE, 8L));
    submit(Sample.BOB, 1_000);
    for (int i = 0; i < 4; i++) {
      f.report(Sample.done(all.get(i), 900_000_000));
      assertThat(f.schedule(100)).extracting(Lease::consumer).containsExactly(Sample.BOB);
    }
    f.report(Sample.done(all.get(4), 900_000_000));
    assertThat(f.schedule(100)).extracting(Lease::consumer).containsExactly(Sample.ALICE);
  }

  @Test
  void manyJobsGetNoMoreThanOne() {
    for (int i = 0; i < 50; i++) {
      submit(Sample.ALICE, 2);
    }
    submit(Sample.BOB, 100);
    f.join(1, 8);
    assertThat(byConsumer(f.schedule(100))).isEqualTo(Map.of(Sample.ALICE, 4L, Sample.BOB, 4L));
  }

  @Test
  void coresCountAndNotTasks() {
    submit(Sample.ALICE, 0, Sample.kind("wide", 3, 1_000), 100);
    submit(Sample.BOB, 100);
    f.join(1, 12);
    assertThat(byConsumer(f.schedule(100))).isEqualTo(Map.of(Sample.ALICE, 2L, Sample.BOB, 6L));
  }

  @Test
  void aHigherPriorityStillComesFirst() {
    submit(Sample.ALICE, 100);
    submit(Sample.BOB, 1, Sample.kind("work"), 6);
    f.join(1, 8);
    assertThat(f.schedule(100).subList(0, 6)).extracting(Lease::consumer).containsOnly(Sample.BOB);
  }

  @Test
  void aCoreCountsTheSameUnderShortTasksAndLongOnes() {
    f.join(1, 8);
    submit(Sample.ALICE, 0, Sample.kind("short"), 10_000);
    for (Lease lease : f.schedule(100)) {
      f.report(Sample.done(lease, 10_000_000));
    }
    submit(Sample.BOB, 0, Sample.kind("long"), 100);
    TreeMap<Long, Lease> open = new TreeMap<>();
    for (int i = 0; i < 300; i++) {
      f.schedule(1_000).forEach(l -> open.put(l.id(), l));
      Lease first =
          open.values().stream()
              .filter(l -> l.consumer().equals(Sample.ALICE))
              .findFirst()
              .orElseThrow();
      open.remove(first.id());
      f.report(Sample.done(first, 10_000_000));
    }
    assertThat(byConsumer(List.copyOf(open.values()))).containsEntry(Sample.BOB, 4L);
  }

  @Test
  void whatIsQueuedCountsByTheTimeThatItTakes() {
    submit(Sample.ALICE, 0, Sample.kind("short"), 1_000);
    submit(Sample.BOB, 0, Sample.kind("shorter"), 1_000);
    f.join(1, 8);
    for (Lease lease : f.schedule(100)) {
      f.report(Sample.done(lease, lease.consumer().equals(Sample.ALICE) ? 10_000_000 : 5_000_000));
    }
    Map<Address, Long> leased = byConsumer(f.schedule(1_000));
    assertThat(leased.get(Sample.ALICE)).isBetween(70L, 90L);
    assertThat(leased.get(Sample.BOB)).isBetween(140L, 180L);
  }

  @Test
  void onOneCoreTheyTakeTurnsAlsoAfterARestart() throws IOException {
    submit(Sample.ALICE, 100);
    submit(Sample.BOB, 100);
    f.join(1, 1);
    List<Address> served = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      Lease lease = f.schedule(100).getFirst();
      served.add(lease.consumer());
      f.report(Sample.done(lease, 900_000_000));
    }
    assertThat(byTurns(served)).isTrue();
    Pool restored = copy(f.pool);
    List<Event> next = f.run(new Command.Schedule(100));
    assertThat(restored.execute(new Command.Schedule(100), f.nowUs, new ArrayList<>()))
        .isEqualTo(next);
    assertThat(f.sent().getFirst().consumer()).isNotEqualTo(served.getLast());
  }

  private static boolean byTurns(List<Address> served) {
    for (int i = 1; i < served.size(); i++) {
      if (served.get(i).equals(served.get(i - 1))) {
        return false;
      }
    }
    return true;
  }

  @Test
  void whoComesBackStandsBehindThoseWhoWait() {
    submit(Sample.ALICE, 100);
    f.join(1, 1);
    List<Address> served = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      if (f.pool.jobs(Sample.BOB, 100).stream()
          .noneMatch(j -> j.state() == Event.JobState.RUNNING)) {
        submit(Sample.BOB, 1);
      }
      Lease lease = f.schedule(100).getFirst();
      served.add(lease.consumer());
      f.report(Sample.done(lease, 900_000_000));
    }
    assertThat(served.stream().filter(Sample.BOB::equals).count()).isBetween(8L, 10L);
  }

  @Test
  void whoHasLeastAndFitsNowhereHoldsUpNobody() {
    JobId huge = submit(Sample.BOB, 0, Sample.kind("huge", 64, 1_000), 1);
    submit(Sample.ALICE, 100);
    f.join(1, 8);
    assertThat(byConsumer(f.schedule(100))).isEqualTo(Map.of(Sample.ALICE, 8L));
    assertThat(f.view(huge).ready()).isEqualTo(1);
  }

  @Test
  void whyTellsThatOthersAreDueFirst() {
    f.join(1, 2);
    JobId alices = submit(Sample.ALICE, 100);
    f.schedule(100);
    assertThat(f.pool.why(alices, "work[5]", f.nowUs).sentence())
        .contains("is busy")
        .doesNotContain("consumer");
    JobId bobs = submit(Sample.BOB, 100);
    assertThat(f.pool.why(alices, "work[5]", f.nowUs).sentence())
        .contains("1 other consumer with jobs of the same priority is due first");
    assertThat(f.pool.why(bobs, null, f.nowUs).sentence()).doesNotContain("due first");
  }

  /// Against a model that looks at everybody: whoever is served, nobody of the same priority had
  /// less and a task that fits somewhere, nor anybody a higher priority.
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void nobodyWhoHadLessIsPassedOver(long seed) throws IOException {
    Random random = new Random(seed);
    int consumers = 2 + random.nextInt(12);
    for (int c = 0; c < consumers; c++) {
      f.run(new Command.Grant(new Address(1, 0, 10 + c), 100_000_000, ""));
    }
    for (int p = 0; p < 5; p++) {
      f.join(p, 1 + random.nextInt(12));
    }
    List<Lease> open = new ArrayList<>();
    int served = 0;
    for (int step = 0; step < 200; step++) {
      if (random.nextInt(4) == 0) {
        Address consumer = new Address(1, 0, 10 + random.nextInt(consumers));
        TaskKind kind = Sample.kind("work", 1 + random.nextInt(4), 1_000);
        submit(consumer, random.nextInt(3) - 1, kind, 1 + random.nextInt(10));
      } else if (random.nextBoolean() && !open.isEmpty()) {
        f.report(Sample.done(open.remove(random.nextInt(open.size())), 1_000_000_000));
      }
      int wanted = 1 + random.nextInt(3);
      for (int i = 0; i < wanted; i++) {
        List<Passed> others = passable(f.pool);
        List<Lease> one = f.schedule(1);
        if (one.isEmpty()) {
          assertThat(others).as("seed %d: those who could go on", seed).isEmpty();
          break;
        }
        Lease lease = one.getFirst();
        int priority = f.view(lease.job()).priority();
        long had = cores(open, lease.consumer());
        for (Passed other : others) {
          assertThat(other.priority).isLessThanOrEqualTo(priority);
          if (other.priority == priority) {
            assertThat(cores(open, other.consumer))
                .as("seed %d: cores of %s", seed, other.consumer)
                .isGreaterThanOrEqualTo(had);
          }
        }
        open.add(lease);
        served++;
      }
    }
    assertThat(served).isGreaterThan(50);
  }

  private record Passed(Address consumer, int priority) {}

  private static long cores(List<Lease> open, Address consumer) {
    return open.stream()
        .filter(l -> l.consumer().equals(consumer))
        .mapToLong(l -> l.kind().cores())
        .sum();
  }

  /// All that have a task that could be leased now.
  private static List<Passed> passable(Pool pool) throws IOException {
    State state = Snapshot.read(stream(pool));
    List<Passed> found = new ArrayList<>();
    for (Job job : state.jobs.values()) {
      if (!job.isRunning()) {
        continue;
      }
      for (Group group : job.graph().groups) {
        boolean fits =
            state.providers.values().stream().anyMatch(p -> p.isOpen() && p.fits(group.shape));
        if (fits && !group.isEmpty()) {
          found.add(new Passed(job.consumer, job.priority));
        }
      }
    }
    return found;
  }

  /// A round of many steps serves in the same order as as many rounds of one step.
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void aRoundServesAsManyRoundsOfOneStepDo(long seed) throws IOException {
    Random random = new Random(seed);
    int consumers = 2 + random.nextInt(12);
    for (int c = 0; c < consumers; c++) {
      f.run(new Command.Grant(new Address(1, 0, 10 + c), 100_000_000, ""));
    }
    for (int p = 0; p < 5; p++) {
      f.join(p, 1 + random.nextInt(12));
    }
    int compared = 0;
    for (int step = 0; step < 60; step++) {
      Address consumer = new Address(1, 0, 10 + random.nextInt(consumers));
      TaskKind kind = Sample.kind("work", 1 + random.nextInt(4), 1_000);
      submit(consumer, random.nextInt(3) - 1, kind, 1 + random.nextInt(10));
      if (step % 10 < 9) {
        continue;
      }
      Pool single = copy(f.pool);
      List<Event> at = new ArrayList<>();
      List<Event> one = single.execute(new Command.Schedule(1), f.nowUs, new ArrayList<>());
      while (!one.isEmpty()) {
        at.addAll(one);
        one = single.execute(new Command.Schedule(1), f.nowUs, new ArrayList<>());
      }
      assertThat(f.run(new Command.Schedule(1_000))).as("seed %d", seed).isEqualTo(at);
      compared += at.size();
      f.sent().forEach(l -> f.report(Sample.ended(l, Outcome.CANCELLED, "moved")));
    }
    assertThat(compared).isGreaterThan(50);
  }

  private static Pool copy(Pool pool) throws IOException {
    return Pool.restore(stream(pool));
  }

  private static DataInputStream stream(Pool pool) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(bytes));
    return new DataInputStream(new ByteArrayInputStream(bytes.toByteArray()));
  }
}
