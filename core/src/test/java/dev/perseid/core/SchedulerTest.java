package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class SchedulerTest {
  private final Fixture f = new Fixture();

  private static JobSpec job(long nonce, int priority, List<TaskKind> kinds, TaskSpec... tasks) {
    return Sample.job(nonce, priority, 1_000_000, kinds, List.of(tasks));
  }

  private static JobSpec job(long nonce, int priority) {
    return job(nonce, priority, List.of(Sample.kind("work")), Sample.task(0), Sample.task(1));
  }

  @Test
  void servesByPriorityThenJobThenTask() {
    JobId usual = f.submit(job(1, 0));
    JobId urgent = f.submit(job(2, 5));
    JobId alsoUsual = f.submit(job(3, 0));
    JobId last = f.submit(job(4, -5));
    f.join(1, 8);
    List<Lease> leases = f.schedule(100);
    assertThat(leases)
        .extracting(Lease::job)
        .containsExactly(urgent, urgent, usual, usual, alsoUsual, alsoUsual, last, last);
    assertThat(leases).extracting(Lease::task).containsExactly(0, 1, 0, 1, 0, 1, 0, 1);
  }

  @Test
  void servesAcrossShapesInTheOrderOfPriorityAndPlace() {
    List<TaskKind> kinds =
        List.of(Sample.kind("small"), Sample.kind("wide", 2, 1_000), Sample.kind("other", 1, 5));
    f.submit(
        job(
            1,
            0,
            kinds,
            Sample.taskOf(2, 0),
            Sample.taskOf(1, 1),
            Sample.taskOf(0, 2),
            Sample.taskOf(1, 3),
            Sample.taskOf(0, 4)));
    f.submit(job(2, 1, List.of(Sample.kind("wide", 2, 1_000)), Sample.task(0)));
    f.join(1, 20);
    List<Lease> leases = f.schedule(100);
    assertThat(leases.getFirst().job()).isEqualTo(JobId.of(Sample.ALICE, 2));
    assertThat(leases.subList(1, 6)).extracting(Lease::task).containsExactly(0, 1, 2, 3, 4);
  }

  @Test
  void aTaskThatFitsNowhereBlocksNobody() {
    JobId huge = f.submit(job(1, 100, List.of(Sample.kind("huge", 64, 1_000)), Sample.task(0)));
    JobId fat = f.submit(job(2, 50, List.of(Sample.kind("fat", 1, 4L << 30)), Sample.task(0)));
    f.run(Sample.join(Sample.offer(1, 4, 1_000_000_000), 1));
    JobId small = f.submit(job(3, 0));
    assertThat(f.schedule(10)).extracting(Lease::job).containsExactly(small, small);
    assertThat(f.pool.why(huge, null, f.nowUs).sentence())
        .contains("no provider is large enough: it needs 64 cores");
    assertThat(f.pool.why(fat, "work", f.nowUs).sentence()).contains("no task 'work'");
    f.run(Sample.join(Sample.offer(2, 65, 8 * Sample.GB), 1));
    assertThat(f.schedule(10)).extracting(Lease::job).containsExactly(huge, fat);
  }

  @Test
  void anUnknownKindGetsNoMoreLeasesThanThereAreCores() {
    f.join(1, 4);
    f.submit(Sample.job(1, 100));
    assertThat(f.schedule(100)).hasSize(4);
    assertThat(f.schedule(100)).isEmpty();
  }

  @Test
  void longTasksAreNotLeasedAheadAndShortOnesAre() {
    f.join(1, 4);
    f.submit(Sample.job(1, 1_000));
    for (Lease lease : f.schedule(100)) {
      f.report(Sample.done(lease, 10_000_000));
    }
    // 200 ms of work for each core, at 10 ms a task, what runs included.
    List<Lease> ahead = f.schedule(1_000);
    assertThat(ahead.size()).isBetween(80, 90);

    Fixture slow = new Fixture();
    slow.join(1, 4);
    slow.submit(Sample.job(1, 1_000));
    for (Lease lease : slow.schedule(100)) {
      slow.report(Sample.done(lease, 900_000_000));
    }
    assertThat(slow.schedule(1_000)).hasSize(4);
  }

  @Test
  void noProviderHoldsMoreThanTheLimit() {
    f.join(1, 1_000);
    f.submit(Sample.job(1, 10_000));
    for (Lease lease : f.schedule(1_001)) {
      f.report(Sample.done(lease, 1));
    }
    assertThat(f.schedule(100_000)).hasSize(Limits.PROVIDER_LEASES);
  }

  @Test
  void spreadsOverProvidersInProportion() {
    f.join(1, 2);
    f.join(2, 4);
    f.join(3, 2);
    f.submit(Sample.job(1, 4));
    assertThat(f.schedule(4))
        .extracting(l -> l.provider().c())
        .containsExactlyInAnyOrder(1, 2, 2, 3);
  }

  @Test
  void theFasterProviderIsAskedFirstOnceItIsKnown() {
    f.join(1, 1);
    f.join(2, 1);
    f.submit(Sample.job(1, 1_000));
    for (int i = 0; i < 40; i++) {
      for (Lease lease : f.schedule(2)) {
        f.report(Sample.done(lease, lease.provider().c() == 1 ? 400_000_000 : 100_000_000));
      }
    }
    ProviderView slow = f.pool.provider(Sample.provider(1)).orElseThrow();
    ProviderView fast = f.pool.provider(Sample.provider(2)).orElseThrow();
    assertThat(fast.speedPermille()).isGreaterThan(2 * slow.speedPermille());
    assertThat(f.schedule(1).getFirst().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void memoryThatIsUsedUpCountsAsBusy() {
    f.run(Sample.join(Sample.offer(1, 16, 4_000_000_000L), 1));
    f.submit(
        Sample.job(
            1,
            0,
            1_000_000,
            List.of(Sample.kind("fat", 1, 2_000_000_000L)),
            Sample.job(1, 9).tasks()));
    assertThat(f.schedule(100)).as("two fit").hasSize(2);
  }

  @Test
  void manyJobsWithoutBudgetLetTheNextPass() {
    f.join(1, 8);
    for (int i = 0; i < 3; i++) {
      f.submit(Sample.job(i, 0, 5, List.of(Sample.kind("work")), Sample.job(1, 4).tasks()));
    }
    assertThat(f.schedule(100))
        .extracting(Lease::job)
        .containsExactly(
            JobId.of(Sample.ALICE, 0), JobId.of(Sample.ALICE, 1), JobId.of(Sample.ALICE, 2));
  }
}
