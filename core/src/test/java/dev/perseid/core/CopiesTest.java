package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Second attempts at tasks whose first one takes too long.
class CopiesTest {
  private static final long SECOND_US = 1_000_000;
  private static final long SECOND_NS = 1_000_000_000;

  private final Fixture f = new Fixture();

  private static JobSpec job(int tasks, int copiesPercent, Verification how) {
    JobSpec s = Sample.job(1, tasks);
    TaskKind k = s.kinds().getFirst();
    TaskKind kind =
        new TaskKind(
            k.name(),
            k.module(),
            k.gasLimit(),
            k.memoryBytes(),
            k.outputBytesLimit(),
            3_600_000,
            1,
            k.maxAttempts());
    return new JobSpec(
        s.consumer(),
        1,
        s.name(),
        0,
        90_000_000,
        List.of(kind),
        s.tasks(),
        s.results(),
        how,
        new Urgency(0, 0, copiesPercent));
  }

  /// The same job with other tasks, under another number and with another budget.
  private static JobSpec like(
      JobSpec s, long nonce, long budget, List<TaskKind> kinds, List<TaskSpec> tasks) {
    return new JobSpec(
        s.consumer(),
        nonce,
        s.name(),
        0,
        budget,
        kinds,
        tasks,
        s.results(),
        s.verification(),
        s.urgency());
  }

  /// Four providers of a core each; all tasks but the last one given take a second. Returns the
  /// lease that has not ended, of which it is known by now what is usual.
  private Lease straggler(JobSpec spec) {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 1);
    }
    f.submit(spec);
    List<Lease> leases = f.schedule(4);
    assertThat(leases).hasSize(4);
    f.nowUs += SECOND_US;
    for (Lease lease : leases.subList(1, 4)) {
      f.report(Sample.done(lease, SECOND_NS));
    }
    return leases.getFirst();
  }

  private Lease copyOf(Lease first) {
    f.nowUs += 10 * SECOND_US;
    List<Lease> copies = f.schedule(9);
    assertThat(copies).hasSize(1);
    Lease copy = copies.getFirst();
    assertThat(copy.task()).isEqualTo(first.task());
    assertThat(copy.provider()).isNotEqualTo(first.provider());
    assertThat(copy.attempt()).isEqualTo(first.attempt() + 1);
    return copy;
  }

  private static JobSpec believing() {
    return job(4, 10, new Verification.None());
  }

  private static Event.Next next(List<Event> events) {
    return events.stream()
        .filter(Event.AttemptEnded.class::isInstance)
        .map(e -> ((Event.AttemptEnded) e).next())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void whatTakesTooLongIsBegunElsewhereToo() {
    Lease first = straggler(believing());
    f.nowUs += SECOND_US / 2;
    assertThat(f.schedule(9)).as("it may end soon").isEmpty();
    Lease copy = copyOf(first);
    JobView view = f.view(first.job());
    assertThat(view.copies()).isEqualTo(1);
    assertThat(view.leased()).as("tasks, not attempts").isEqualTo(1);
    assertThat(f.pool.why(first.job(), first.taskName(), f.nowUs).sentence())
        .contains("would probably end sooner elsewhere", "whichever ends first counts");
    assertThat(f.schedule(9)).as("no third one").isEmpty();

    List<Event> events = f.report(Sample.done(copy, SECOND_NS));
    assertThat(next(events)).isEqualTo(Event.Next.DONE);
    assertThat(f.view(first.job()).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.stopped()).contains(first.id());

    long before = f.pool.balance(first.provider());
    assertThat(next(f.report(Sample.stopped(first)))).isEqualTo(Event.Next.OVER);
    assertThat(f.pool.balance(first.provider())).as("its work is paid").isGreaterThan(before);
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
  }

  @Test
  void theFirstMayStillBeFirst() {
    JobSpec two = job(5, 10, new Verification.None());
    Lease first = straggler(two);
    Lease fifth = f.schedule(1).getFirst();
    assertThat(fifth.task()).isNotEqualTo(first.task());
    Lease copy = copyOf(first);
    assertThat(next(f.report(Sample.done(first, 11 * SECOND_NS)))).isEqualTo(Event.Next.DONE);
    assertThat(f.stopped()).containsExactly(copy.id());
    assertThat(next(f.report(Sample.stopped(copy)))).isEqualTo(Event.Next.SPARE);
    assertThat(f.view(first.job()).done()).isEqualTo(4);
    assertThat(next(f.report(Sample.done(fifth, SECOND_NS)))).isEqualTo(Event.Next.DONE);
    assertThat(f.view(first.job()).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
  }

  @Test
  void whoIsGivenUpCountsAsSlow() {
    JobSpec two = job(5, 10, new Verification.None());
    Lease first = straggler(two);
    f.schedule(1);
    int before = f.pool.provider(first.provider()).orElseThrow().speedPermille();
    Lease copy = copyOf(first);
    f.report(Sample.done(copy, SECOND_NS));
    f.report(Sample.stopped(first));
    assertThat(f.pool.provider(first.provider()).orElseThrow().speedPermille()).isLessThan(before);
  }

  @Test
  void oneThatFailsLeavesTheOther() {
    Lease first = straggler(believing());
    Lease copy = copyOf(first);
    List<Event> events = f.report(Sample.ended(copy, Outcome.PROVIDER_FAILED, "its engine died"));
    assertThat(next(events)).isEqualTo(Event.Next.RETRY);
    assertThat(f.view(first.job()).leased()).isEqualTo(1);
    assertThat(f.schedule(9)).as("one copy is all that the job allows").isEmpty();
    f.report(Sample.done(first, 12 * SECOND_NS));
    assertThat(f.view(first.job()).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void oneThatIsGivenBackLeavesTheOtherAndItsNumber() {
    JobSpec spec = job(40, 100, new Verification.None());
    Lease first = straggler(job(4, 100, spec.verification()));
    Lease copy = copyOf(first);
    f.run(new Command.ReturnLeases(copy.provider(), 1, List.of(copy.id())));
    Lease again = f.schedule(9).getFirst();
    assertThat(again.task()).isEqualTo(first.task());
    assertThat(again.attempt()).isEqualTo(3);
    assertThat(again.provider()).isNotEqualTo(copy.provider());
  }

  @Test
  void noneWhereTheJobWantsNone() {
    straggler(job(4, 0, new Verification.None()));
    f.nowUs += 100 * SECOND_US;
    assertThat(f.schedule(9)).isEmpty();
  }

  @Test
  void noneThatTheBudgetDoesNotPay() {
    JobSpec rich = believing();
    TaskKind k = rich.kinds().getFirst();
    TaskKind tight =
        new TaskKind(k.name(), k.module(), 500_000, k.memoryBytes(), 100, 100_000, 1, 3);
    Price price = Sample.PRICE;
    long worst = price.charge(500_000, k.memoryBytes(), 100_000L * 1_000_000, 100);
    Lease first = straggler(like(rich, 1, 4 * worst, List.of(tight), rich.tasks()));
    long charged = f.view(first.job()).charged();
    assertThat(3 * worst - charged).as("what nobody holds").isLessThan(worst);
    f.nowUs += 50 * SECOND_US;
    assertThat(f.schedule(9)).isEmpty();
  }

  @Test
  void whoChecksIsDrawnWhenThereIsSomethingToCheck() {
    Lease first = straggler(job(4, 10, new Verification.Replicate(2)));
    // The three others are checked: each of them goes to another provider.
    f.nowUs += SECOND_US;
    for (Lease check : f.schedule(9)) {
      f.report(Sample.right(check));
    }
    for (Lease check : f.schedule(9)) {
      f.report(Sample.right(check));
    }
    Lease copy = null;
    f.nowUs += 20 * SECOND_US;
    for (Lease lease : f.schedule(9)) {
      copy = lease.task() == first.task() ? lease : copy;
    }
    assertThat(copy).isNotNull();
    assertThat(next(f.report(Sample.right(copy)))).isEqualTo(Event.Next.CHECK);
    assertThat(f.stopped()).contains(first.id());
    Lease check = f.schedule(9).getFirst();
    assertThat(check.task()).isEqualTo(first.task());
    assertThat(check.provider()).isNotIn(first.provider(), copy.provider());
    f.nowUs += 1_000 * SECOND_US;
    assertThat(f.schedule(9)).as("no copy of a check").noneMatch(l -> l.task() == check.task());
    int agreed = f.view(first.job()).results().agreed();
    f.report(Sample.right(check));
    assertThat(f.view(first.job()).results().agreed()).isEqualTo(agreed + 1);
  }

  @Test
  void whoeverWasOvertakenIsNotPaidForMoreThanAllOfTheTask() {
    Lease first = straggler(believing());
    Report done = Sample.done(copyOf(first), SECOND_NS);
    f.report(done);
    long before = f.pool.balance(first.provider());
    long gas = done.usage().gas().orElseThrow() + 1;
    assertThat(next(f.report(Sample.stopped(first, gas)))).isEqualTo(Event.Next.OVERSTATED);
    assertThat(f.pool.balance(first.provider())).isEqualTo(before);
    assertThat(f.pool.reserved(Sample.ALICE)).as("a job that is over holds nothing").isZero();
  }

  @Test
  void whoeverIsStoppedIsNotWaitedForLong() {
    Lease first = straggler(job(5, 10, new Verification.None()));
    f.schedule(1);
    f.report(Sample.done(copyOf(first), SECOND_NS));
    f.nowUs += Limits.LEASE_GRACE_MS * 1_000;
    List<Event> events = f.run(new Command.Schedule(9));
    assertThat(next(events)).isEqualTo(Event.Next.SPARE);
  }

  @Test
  void whatRunsWhenAnotherSaysThatTheTaskFailedIsStillPaid() throws Exception {
    Lease first = straggler(believing());
    Lease copy = copyOf(first);
    f.report(Sample.ended(copy, Outcome.TASK_FAILED, "exit code 1"));
    assertThat(f.view(first.job()).state()).isEqualTo(Event.JobState.FAILED);
    Pool restored = Fixture.copy(f.pool);
    long before = f.pool.balance(first.provider());
    Report stopped = Sample.stopped(first);
    ended(restored, stopped, first.provider());
    f.report(stopped);
    assertThat(restored.records()).isEqualTo(f.pool.records());
    assertThat(restored.digest()).isEqualTo(f.pool.digest());
    assertThat(f.pool.balance(first.provider())).isGreaterThan(before);
  }

  /// A task alone on a provider that takes 16 times as long as others, who come when it has begun.
  private Lease onASlowOne(int providers, Verification how) {
    for (int p = 1; p <= providers; p++) {
      f.join(p, 1);
    }
    f.submit(job(providers, 0, new Verification.None()));
    List<Lease> leases = f.schedule(providers);
    Address slow = leases.getLast().provider();
    f.nowUs += SECOND_US;
    leases.subList(0, providers - 1).forEach(l -> f.report(Sample.done(l, SECOND_NS)));
    f.nowUs += 15 * SECOND_US;
    f.report(Sample.done(leases.getLast(), 16 * SECOND_NS));
    for (int p = 1; p <= providers; p++) {
      if (!Sample.provider(p).equals(slow)) {
        f.run(new Command.LoseProvider(Sample.provider(p), 1, "its connection broke"));
      }
    }
    JobSpec s = job(1, 10, how);
    f.submit(like(s, 9, s.budget() / 2, s.kinds(), s.tasks()));
    Lease alone = f.schedule(9).getFirst();
    assertThat(alone.provider()).isEqualTo(slow);
    for (int p = 1; p <= providers; p++) {
      if (!Sample.provider(p).equals(slow)) {
        f.run(Sample.join(p, 1, 2));
      }
    }
    f.nowUs += SECOND_US / 2;
    assertThat(f.schedule(9)).as("it may be nearly done").isEmpty();
    f.nowUs += 5 * SECOND_US;
    return alone;
  }

  @Test
  void ofAKindThatNobodyKnowsItIsExpectedThatHalfIsDone() {
    Lease alone = onASlowOne(4, new Verification.None());
    Lease copy = f.schedule(9).getFirst();
    assertThat(copy.task()).isEqualTo(alone.task());
    assertThat(copy.provider()).isNotEqualTo(alone.provider());
  }

  @Test
  void noneOfWhatReadsMoreThanTheOthersAndTakesLongerThen() {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 1);
    }
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < 24; t++) {
      tasks.add(Sample.task(t, new Input.Stored(new Blob(Sample.hash(t), 1_000_000L << t % 4))));
    }
    tasks.add(Sample.task(24, new Input.Stored(new Blob(Sample.hash(24), 100_000_000))));
    JobSpec s = job(4, 100, new Verification.None());
    TaskKind k = s.kinds().getFirst();
    TaskKind kind =
        new TaskKind(k.name(), k.module(), k.gasLimit(), k.memoryBytes(), 10_000, 3_600_000, 1, 3);
    f.submit(like(s, 1, 90_000_000, List.of(kind), tasks));
    Lease last = null;
    for (List<Lease> next = f.schedule(1); last == null; next = f.schedule(1)) {
      Lease lease = next.getFirst();
      if (lease.task() == 24) {
        last = lease;
      } else {
        // A second for a megabyte.
        f.nowUs += SECOND_US << lease.task() % 4;
        f.report(Sample.done(lease, SECOND_NS << lease.task() % 4));
      }
    }
    f.nowUs += 60 * SECOND_US;
    assertThat(f.schedule(9)).as("it takes 100 s").isEmpty();
    f.nowUs += 500 * SECOND_US;
    assertThat(f.schedule(9)).as("it takes longer than it should").hasSize(1);
  }

  @Test
  void whoRanTheCopyChecksWhereNobodyElseIs() {
    Lease alone = onASlowOne(2, new Verification.SpotCheck(1_000_000));
    Lease copy = f.schedule(9).getFirst();
    assertThat(next(f.report(Sample.wrong(alone)))).isEqualTo(Event.Next.CHECK);
    Report stopped = Sample.ended(copy, Outcome.CANCELLED, Report.STOPPED);
    f.run(new Command.ReportAttempts(copy.provider(), 2, List.of(stopped), Sample.SIGNATURE));
    Lease check = f.schedule(9).getFirst();
    assertThat(check.provider()).isEqualTo(copy.provider());
    assertThat(check.task()).isEqualTo(alone.task());
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void noneThatTheRestOfTheJobNeedsTheBudgetFor(boolean rich) {
    JobSpec s = job(4, 100, new Verification.None());
    TaskKind k = s.kinds().getFirst();
    TaskKind tight = new TaskKind(k.name(), k.module(), 500_000, k.memoryBytes(), 100, 2_000, 1, 3);
    long worst = Sample.PRICE.charge(500_000, k.memoryBytes(), 2_000L * 1_000_000, 100);
    List<TaskSpec> tasks = new ArrayList<>(s.tasks());
    tasks.add(Sample.taskAfter(4, 0, 1, 2, 3));
    Lease first = straggler(like(s, 1, (rich ? 7 : 5) * worst, List.of(tight), tasks));
    JobView view = f.view(first.job());
    long left = (rich ? 7 : 5) * worst - view.charged() - worst;
    assertThat(left).as("does for the copy alone").isGreaterThanOrEqualTo(worst);
    f.nowUs += 10 * SECOND_US;
    assertThat(f.schedule(9)).hasSize(rich ? 1 : 0);
  }

  @Test
  void aRestoredPoolKnowsWhichAttemptsRunBesideOthers() throws Exception {
    Lease first = straggler(job(5, 10, new Verification.None()));
    f.schedule(1);
    Lease copy = copyOf(first);
    Pool restored = Fixture.copy(f.pool);
    assertThat(restored.digest()).isEqualTo(f.pool.digest());
    ended(restored, Sample.done(copy, SECOND_NS), copy.provider());
    f.report(Sample.done(copy, SECOND_NS));
    assertThat(restored.digest()).isEqualTo(f.pool.digest());
    restored = Fixture.copy(restored);
    ended(restored, Sample.stopped(first), first.provider());
    assertThat(next(f.report(Sample.stopped(first)))).isEqualTo(Event.Next.SPARE);
    assertThat(restored.digest()).isEqualTo(f.pool.digest());
  }

  private void ended(Pool pool, Report report, Address provider) {
    pool.execute(
        new Command.ReportAttempts(provider, 1, List.of(report), Sample.SIGNATURE),
        f.nowUs,
        new ArrayList<>());
  }

  @Test
  void nonsenseIsRefused() {
    for (int percent : new int[] {-1, 101}) {
      JobSpec bad = Sample.like(Sample.job(1, 1), new Urgency(0, 0, percent));
      assertThat(f.refused(new Command.SubmitJob(bad, Sample.SIGNATURE)).message())
          .contains("copies of " + percent + " %", "write 0 (of none) to 100");
    }
  }
}
