package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PoolTest {
  private final Fixture f = new Fixture();

  private static Event.AttemptEnded ended(List<Event> events) {
    return events.stream()
        .filter(Event.AttemptEnded.class::isInstance)
        .map(Event.AttemptEnded.class::cast)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void aChainOfTwoTasksRunsAndIsPaid() {
    f.join(1, 1);
    JobId job =
        f.submit(Sample.job(1, List.of(Sample.task(0), Sample.task(1, new Input.Produced(0, 0)))));
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(99_000_000);
    assertThat(f.pool.reserved(Sample.ALICE)).isEqualTo(1_000_000);
    assertThat(f.view(job)).extracting(JobView::ready, JobView::waiting).containsExactly(1, 1);

    Lease first = f.schedule(10).getFirst();
    assertThat(first.task()).isZero();
    assertThat(first.attempt()).isEqualTo(1);
    // Worst case: 10^6 gas, 1 MB for 1 s, 10,000 bytes out; each term rounded up.
    assertThat(first.maxCharge()).isEqualTo(1 + 1 + 1);
    assertThat(f.schedule(10)).as("the second task waits").isEmpty();

    f.nowUs += 10;
    List<Event> events = f.report(Sample.done(first));
    assertThat(events)
        .extracting(Object::getClass)
        .containsExactly(Event.BatchSigned.class, Event.AttemptEnded.class);
    Entry entry = ended(events).entry();
    assertThat(entry.attestation()).isEqualTo(new Entry.Attestation.Signed(0, 0));
    assertThat(entry.record().charge()).isEqualTo(3);
    assertThat(f.durable()).containsExactly(first.id());

    Lease second = f.schedule(10).getFirst();
    assertThat(second.dependsOn()).containsExactly(0);
    assertThat(second.inputs()).containsExactly(entry.record().outputs().getFirst());
    assertThat(second.readyUs()).isEqualTo(f.nowUs);

    events = f.report(Sample.done(second));
    assertThat(events.getLast())
        .isEqualTo(new Event.JobEnded(0, Event.JobState.DONE, "", 1_000_000 - 6, f.nowUs));
    assertThat(f.view(job).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(job).charged()).isEqualTo(6);
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000 - 6);
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(6);
    assertThat(f.pool.results(job))
        .containsExactly(new Result("work[1]", 1, 0, Sample.blob(second.id() * 10)));
    assertThat(f.pool.outputs(job, 1)).containsExactly(Sample.blob(second.id() * 10));
    assertThat(f.pool.outputs(job, 0)).as("not wanted, not kept").isEmpty();
    assertThat(f.pool.spec(job)).isEmpty();
    assertThat(f.sum()).isZero();
  }

  @Test
  void theSameJobAgainIsNoEventAndAnotherUnderItsNonceIsRefused() {
    f.submit(Sample.job(1, 2));
    assertThat(f.run(new Command.SubmitJob(Sample.job(1, 2), Sample.SIGNATURE))).isEmpty();
    Rejection rejection = f.refused(new Command.SubmitJob(Sample.job(1, 3), Sample.SIGNATURE));
    assertThat(rejection.code()).isEqualTo(Rejection.Code.INVALID);
    assertThat(rejection.message()).contains("nonce 1").contains("choose a new nonce");
    assertThat(f.pool.jobsAccepted()).isEqualTo(1);
  }

  @Test
  void aBudgetThatIsNotThereIsRefusedWithTheNumbers() {
    JobSpec dear =
        Sample.job(1, 0, 150_500_000, List.of(Sample.kind("work")), List.of(Sample.task(0)));
    Rejection rejection = f.refused(new Command.SubmitJob(dear, Sample.SIGNATURE));
    assertThat(rejection.code()).isEqualTo(Rejection.Code.INSUFFICIENT_CREDITS);
    assertThat(rejection.message())
        .contains("has 100 credits")
        .contains("budget is 150.5 credits")
        .contains("by 50.5 credits");
  }

  @Test
  void aTaskThatFailsEndsItsJobAtOnceAndLeasesOutstandingAreStillPaid() {
    f.join(1, 3);
    JobId job = f.submit(Sample.job(1, 5));
    List<Lease> leases = f.schedule(3);
    List<Event> events = f.report(Sample.ended(leases.get(0), Outcome.TASK_FAILED, "it trapped"));
    assertThat(ended(events).next()).isEqualTo(Event.Next.FAILED);
    Event.JobEnded end = (Event.JobEnded) events.getLast();
    assertThat(end.state()).isEqualTo(Event.JobState.FAILED);
    assertThat(end.reason()).isEqualTo("task work[0] failed on provider p1: it trapped");
    assertThat(end.refund()).isEqualTo(1_000_000 - 2 * 3);
    assertThat(f.stopped()).containsExactly(leases.get(1).id(), leases.get(2).id());
    assertThat(f.view(job))
        .extracting(JobView::ready, JobView::leased, JobView::done, JobView::failed)
        .containsExactly(0, 0, 0, 1);
    assertThat(f.pool.lease(leases.get(1).id())).as("its report may still come").isPresent();

    events = f.report(Sample.done(leases.get(1)));
    assertThat(ended(events).next()).isEqualTo(Event.Next.OVER);
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
    assertThat(f.pool.reserved(Sample.ALICE)).isEqualTo(3);

    f.run(new Command.ReturnLeases(Sample.provider(1), 1, List.of(leases.get(2).id())));
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000 - 3);
    assertThat(f.pool.spec(job)).isEmpty();
    assertThat(f.schedule(10)).isEmpty();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatThePoolStopsIsPaidForWhatItUsedAndWhatItDidNotStopIsNot() {
    f.join(1, 3);
    JobId job = f.submit(Sample.job(1, 3));
    List<Lease> leases = f.schedule(3);
    List<Event> events = f.report(Sample.stopped(leases.get(0)));
    assertThat(ended(events).entry().record())
        .extracting(ExecutionRecord::outcome, ExecutionRecord::charge)
        .containsExactly(Outcome.REFUSED, 0L);
    assertThat(ended(events).entry().record().reason())
        .isEqualTo(
            "the report was refused: it says that the pool stopped it, and the pool did not");

    f.run(new Command.CancelJob(job, Sample.ALICE, false));
    assertThat(f.stopped()).containsExactly(leases.get(1).id(), leases.get(2).id());
    ExecutionRecord paid = ended(f.report(Sample.stopped(leases.get(1)))).entry().record();
    assertThat(paid.outcome()).isEqualTo(Outcome.CANCELLED);
    assertThat(paid.charge()).isEqualTo(3);
    Report drained = Sample.ended(leases.get(2), Outcome.CANCELLED, "drained");
    assertThat(ended(f.report(drained)).entry().record().charge()).isZero();
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000 - 3);
    assertThat(f.sum()).isZero();
  }

  @Test
  void aProviderFaultIsNotPaidAndTriedElsewhereUntilTheAttemptsAreUsedUp() {
    f.join(1, 1);
    f.join(2, 1);
    JobId job = f.submit(Sample.job(1, 1));
    Lease first = f.schedule(1).getFirst();
    List<Event> events = f.report(Sample.ended(first, Outcome.PROVIDER_FAILED, "engine died"));
    assertThat(ended(events).next()).isEqualTo(Event.Next.RETRY);
    assertThat(ended(events).entry().record().charge()).isZero();

    Lease second = f.schedule(1).getFirst();
    assertThat(second.provider()).isNotEqualTo(first.provider());
    assertThat(second.attempt()).isEqualTo(2);
    assertThat(second.readyUs())
        .as("ready since its dependencies ended")
        .isEqualTo(first.readyUs());
    f.report(Sample.ended(second, Outcome.PROVIDER_FAILED, "no disk"));

    assertThat(f.pool.why(job, "work[0]", f.nowUs).sentence())
        .contains("tried on every provider that is large enough (2) without success");
    Lease third = f.schedule(1).getFirst();
    events = f.report(Sample.ended(third, Outcome.PROVIDER_FAILED, "no disk"));
    assertThat(ended(events).next()).isEqualTo(Event.Next.FAILED);
    assertThat(f.view(job).reason()).contains("in 3 attempts").contains("no disk");
    assertThat(f.view(job).attempts()).isEqualTo(3);
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000);
  }

  @Test
  void aTaskWaitsForAnotherProviderRatherThanGoingBack() {
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    Lease first = f.schedule(1).getFirst();
    f.join(2, 1);
    f.submit(Sample.job(2, 1));
    assertThat(f.schedule(9)).as("both run one").hasSize(1);
    f.report(Sample.ended(first, Outcome.PROVIDER_FAILED, "engine died"));
    assertThat(f.schedule(1)).isEmpty();
    assertThat(f.pool.why(first.job(), "work[0]", f.nowUs).sentence())
        .contains("every provider large enough that has not failed it before is busy");
    // A fresh task passes it.
    f.submit(Sample.job(3, 1));
    assertThat(f.schedule(1))
        .singleElement()
        .satisfies(l -> assertThat(l.provider()).isEqualTo(Sample.provider(1)));
  }

  @Test
  void theLeasesOfALostProviderAreRecordedAndTriedAgain() {
    f.join(1, 2);
    f.submit(Sample.job(1, 2));
    f.schedule(2);
    List<Event> events = f.run(new Command.LoseProvider(Sample.provider(1), 1, "silent for 10 s"));
    assertThat(events).hasSize(3);
    Entry entry = ended(events).entry();
    assertThat(entry.attestation()).isEqualTo(new Entry.Attestation.PoolOnly());
    assertThat(entry.record().outcome()).isEqualTo(Outcome.LOST);
    assertThat(entry.record().reason()).isEqualTo("the provider was lost: silent for 10 s");
    assertThat(events.getLast()).isInstanceOf(Event.ProviderGone.class);
    assertThat(f.run(new Command.LoseProvider(Sample.provider(1), 1, "again"))).isEmpty();
    f.join(2, 2);
    assertThat(f.schedule(5)).extracting(Lease::attempt).containsExactly(2, 2);
  }

  @Test
  void aProviderThatComesBackGetsTheLeasesThatItDoesNotHold() {
    f.join(1, 2);
    f.submit(Sample.job(1, 2));
    List<Lease> leases = f.schedule(2);
    f.run(Sample.join(1, 2, 2, leases.get(0).id(), 999L));
    assertThat(f.sent()).containsExactly(leases.get(1));
    assertThat(f.durable()).as("it may forget what was never given").containsExactly(999L);
    assertThat(f.refused(Sample.join(1, 2, 2)).code()).isEqualTo(Rejection.Code.STALE);
    assertThat(
            f.refused(
                    new Command.ReportAttempts(
                        Sample.provider(1),
                        1,
                        List.of(Sample.done(leases.get(0))),
                        Sample.SIGNATURE))
                .code())
        .isEqualTo(Rejection.Code.STALE);
    assertThat(f.durable()).as("a stale speaker keeps its report").isEmpty();
  }

  @Test
  void aProviderThatComesBackAfterTheJobEndedStopsOrLosesItsLeases() {
    f.join(1, 2);
    JobId job = f.submit(Sample.job(1, 2));
    List<Lease> leases = f.schedule(2);
    f.run(new Command.CancelJob(job, Sample.ALICE, false));
    List<Event> events = f.run(Sample.join(1, 2, 2, leases.get(0).id()));
    assertThat(f.stopped()).containsExactly(leases.get(0).id());
    assertThat(ended(events).entry().record().lease()).isEqualTo(leases.get(1).id());
    assertThat(ended(events).next()).isEqualTo(Event.Next.OVER);
    assertThat(f.pool.reserved(Sample.ALICE)).isEqualTo(3);
  }

  @Test
  void aLeaseThatIsNotItsOwnIsRefusedAndNothingElseHappens() {
    f.join(1, 1);
    f.join(2, 1);
    f.submit(Sample.job(1, 1));
    Lease lease = f.schedule(1).getFirst();
    Address other =
        lease.provider().equals(Sample.provider(1)) ? Sample.provider(2) : Sample.provider(1);
    List<Event> events = f.reportAs(other, 1, Sample.done(lease));
    assertThat(events)
        .singleElement()
        .satisfies(e ->
            assertThat(((Event.Refused) e).rejection().code()).isEqualTo(Rejection.Code.FORBIDDEN));
    assertThat(f.durable()).containsExactly(lease.id());
    assertThat(f.pool.lease(lease.id())).hasValue(lease);
    assertThat(f.pool.balance(other)).isZero();

    Report invented = Sample.done(lease);
    Report unknown =
        new Report(
            4_711,
            invented.outcome(),
            "",
            invented.startedUs(),
            invented.endedUs(),
            invented.usage(),
            invented.outputs(),
            "",
            "",
            invented.digest());
    events = f.reportAs(other, 1, unknown);
    assertThat(((Event.Refused) events.getFirst()).rejection().code())
        .isEqualTo(Rejection.Code.UNKNOWN);
    assertThat(f.durable()).containsExactly(4_711L);
  }

  @Test
  void aDoubledReportIsForgottenQuietly() {
    f.join(1, 1);
    f.submit(Sample.job(1, 2));
    Lease lease = f.schedule(1).getFirst();
    List<Event> events = f.report(Sample.done(lease), Sample.done(lease));
    assertThat(events).hasSize(2);
    assertThat(f.durable()).containsExactly(lease.id(), lease.id());
    assertThat(f.reportAs(Sample.provider(1), 1, Sample.done(lease))).isEmpty();
    assertThat(f.durable()).containsExactly(lease.id());
    assertThat(f.pool.records()).isEqualTo(1);
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
    assertThat(f.run(new Command.RefuseReport(Sample.provider(1), 1, lease.id(), "too late")))
        .isEmpty();
  }

  static Stream<Arguments> wrongReports() {
    return Stream.of(
        Arguments.of("outputs, but the task declares 1", Change.OUTPUTS),
        Arguments.of("outside the limit of 10000", Change.LARGE_OUTPUT),
        Arguments.of("outside the limit of 10000", Change.NEGATIVE_OUTPUT),
        Arguments.of("2000000 gas, more than the limit of 1000000", Change.GAS),
        Arguments.of("negative amount", Change.NEGATIVE_GAS),
        Arguments.of("it was given 0 bytes, not 1", Change.BYTES_IN),
        Arguments.of("far beyond the limit of 1000 ms", Change.WALL),
        Arguments.of("ended before it started", Change.TIMES),
        Arguments.of("without having started or ended", Change.NO_TIMES),
        Arguments.of("is done and yet has a reason", Change.REASON),
        Arguments.of("one line of at most 128", Change.ENGINE),
        Arguments.of("not LOST", Change.OUTCOME));
  }

  private enum Change {
    OUTPUTS,
    LARGE_OUTPUT,
    NEGATIVE_OUTPUT,
    GAS,
    NEGATIVE_GAS,
    BYTES_IN,
    WALL,
    TIMES,
    NO_TIMES,
    REASON,
    ENGINE,
    OUTCOME
  }

  private static Report changed(Report r, Change change) {
    Usage u = r.usage();
    long gas =
        switch (change) {
          case GAS -> 2_000_000;
          case NEGATIVE_GAS -> -1;
          default -> 5;
        };
    Usage usage =
        new Usage(
            OptionalLong.of(gas),
            u.cpuNs(),
            change == Change.WALL ? OptionalLong.of(200_000_000_000L) : u.wallNs(),
            u.peakMemoryBytes(),
            OptionalLong.of(change == Change.BYTES_IN ? 1 : 0),
            u.bytesOut(),
            u.fetchedBytes(),
            u.gpuNs(),
            u.energyUj(),
            "");
    List<Blob> outputs =
        switch (change) {
          case OUTPUTS, OUTCOME -> List.of();
          case LARGE_OUTPUT -> List.of(new Blob(Hash.ZERO, 10_001));
          case NEGATIVE_OUTPUT -> List.of(new Blob(Hash.ZERO, -1));
          default -> r.outputs();
        };
    return new Report(
        r.lease(),
        change == Change.OUTCOME ? Outcome.LOST : r.outcome(),
        change == Change.REASON ? "hm" : "",
        change == Change.NO_TIMES ? OptionalLong.empty() : r.startedUs(),
        change == Change.TIMES ? OptionalLong.of(1) : r.endedUs(),
        usage,
        outputs,
        change == Change.ENGINE ? "a\nb" : r.engine(),
        r.isolation(),
        r.digest());
  }

  @ParameterizedTest
  @MethodSource("wrongReports")
  void aWrongReportIsRecordedAsRefusedAndNotPaid(String reason, Change change) {
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    Lease lease = f.schedule(1).getFirst();
    List<Event> events = f.report(changed(Sample.done(lease), change));
    assertThat(events).as("no signature to keep").hasSize(1);
    ExecutionRecord record = ended(events).entry().record();
    assertThat(record.outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(record.reason()).startsWith("the report was refused: ").contains(reason);
    assertThat(record.charge()).isZero();
    assertThat(ended(events).entry().attestation()).isEqualTo(new Entry.Attestation.PoolOnly());
    assertThat(f.durable()).containsExactly(lease.id());
    assertThat(f.pool.provider(Sample.provider(1)).orElseThrow().attemptsFailed()).isEqualTo(1);
  }

  @Test
  void aBatchKeepsAllDigestsAndPlacesThoughOneReportIsRefused() {
    f.join(1, 3);
    f.submit(Sample.job(1, 3));
    List<Lease> leases = f.schedule(3);
    List<Event> events =
        f.report(
            changed(Sample.done(leases.get(0)), Change.GAS),
            Sample.done(leases.get(1)),
            Sample.done(leases.get(2)));
    Event.BatchSigned batch =
        (Event.BatchSigned)
            events.stream().filter(Event.BatchSigned.class::isInstance).findFirst().orElseThrow();
    assertThat(batch.batch().digests()).hasSize(3);
    assertThat(ended(events.subList(2, events.size())).entry().attestation())
        .isEqualTo(new Entry.Attestation.Signed(0, 1));
  }

  @Test
  void aLeaseGivenBackIsNoAttempt() {
    f.join(1, 1);
    f.join(2, 1);
    f.submit(Sample.job(1, 1));
    Lease first = f.schedule(1).getFirst();
    List<Event> events =
        f.run(new Command.ReturnLeases(first.provider(), 1, List.of(first.id(), first.id())));
    assertThat(events).containsExactly(new Event.LeaseReturned(first.id(), f.nowUs));
    assertThat(f.pool.records()).isZero();
    Lease second = f.schedule(1).getFirst();
    assertThat(second.attempt()).isEqualTo(1);
    assertThat(second.id()).isEqualTo(2);
    assertThat(second.provider()).isNotEqualTo(first.provider());
  }

  @Test
  void aDrainingProviderTakesNothingNewAndMayCancelWithoutBlame() {
    f.join(1, 1);
    JobId job = f.submit(Sample.job(1, 1));
    for (int session = 1; session <= 5; session++) {
      Lease lease = f.schedule(1).getFirst();
      Command drain = new Command.DrainProvider(Sample.provider(1), session);
      assertThat(f.run(drain)).hasSize(1);
      assertThat(f.run(drain)).as("once is enough").isEmpty();
      List<Event> events =
          f.reportAs(
              Sample.provider(1), session, Sample.ended(lease, Outcome.CANCELLED, "drained"));
      assertThat(ended(events).next()).isEqualTo(Event.Next.RETRY);
      assertThat(f.schedule(1)).isEmpty();
      f.run(Sample.join(1, 1, session + 1));
    }
    assertThat(f.view(job).attempts()).as("more than the kind allows").isEqualTo(5);
    assertThat(f.view(job).state()).isEqualTo(Event.JobState.RUNNING);
  }

  @Test
  void anOverdueLeaseIsLost() {
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    Lease lease = f.schedule(1).getFirst();
    f.nowUs += (1_000 + Limits.LEASE_GRACE_MS) * 1_000 - 1;
    assertThat(f.run(new Command.Schedule(1))).isEmpty();
    f.nowUs += 1;
    List<Event> events = f.run(new Command.Schedule(1));
    assertThat(ended(events).entry().record().outcome()).isEqualTo(Outcome.LOST);
    assertThat(f.stopped()).containsExactly(lease.id());
    assertThat(events.getLast())
        .as("no other provider, so again here")
        .isInstanceOf(Event.TaskAssigned.class);
  }

  @Test
  void onlyTheConsumerOrTheOperatorCancelsAndOnlyOnce() {
    JobId job = f.submit(Sample.job(1, 1));
    assertThat(f.refused(new Command.CancelJob(job, Sample.BOB, false)).code())
        .isEqualTo(Rejection.Code.FORBIDDEN);
    assertThat(f.refused(new Command.CancelJob(new JobId(1, 1), Sample.BOB, true)).code())
        .isEqualTo(Rejection.Code.UNKNOWN);
    f.run(new Command.CancelJob(job, Sample.BOB, true));
    assertThat(f.view(job).reason()).isEqualTo("cancelled by the pool's operator");
    assertThat(f.refused(new Command.CancelJob(job, Sample.ALICE, false)).code())
        .isEqualTo(Rejection.Code.ENDED);
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000);
  }

  @Test
  void aBudgetBuysNoMoreGasThanItPays() {
    f.join(1, 1);
    TaskKind heavy = new TaskKind("heavy", Sample.blob(99), 60 * Sample.GB, 1, 1, 1, 1, 3);
    f.submit(Sample.job(1, 0, 5_000, List.of(heavy), Sample.job(1, 1).tasks()));
    Lease lease = f.schedule(9).getFirst();
    assertThat(lease.maxCharge()).isEqualTo(5_000);
    assertThat(lease.kind().gasLimit())
        .as("5,000 microcredits at 1,000 for a billion")
        .isEqualTo(5 * Sample.GB);
  }

  @Test
  void aNewcomerIsWelcomedOnce() {
    Command welcome = new Command.Welcome(new Address(7, 7, 7), 10);
    assertThat(f.run(welcome)).hasSize(1);
    assertThat(f.run(welcome)).isEmpty();
    assertThat(f.pool.balance(new Address(7, 7, 7))).isEqualTo(10);
  }

  @Test
  void aTightBudgetRunsOneAtATimeAndAnEmptyOneFailsWithTheNumbers() {
    f.join(1, 4);
    JobId job =
        f.submit(Sample.job(1, 0, 4, List.of(Sample.kind("work")), Sample.job(1, 3).tasks()));
    Lease first = f.schedule(9).getFirst();
    assertThat(f.sent()).as("1 of 4 is left, which does not cover a second").hasSize(1);
    assertThat(f.pool.why(job, "work[1]", f.nowUs).sentence()).isNotBlank();
    f.report(Sample.done(first));
    Lease second = f.schedule(9).getFirst();
    assertThat(second.maxCharge()).as("what is left").isEqualTo(1);
    f.report(Sample.done(second));
    List<Event> events = f.run(new Command.Schedule(9));
    assertThat(events)
        .singleElement()
        .satisfies(e -> {
          Event.JobEnded end = (Event.JobEnded) e;
          assertThat(end.state()).isEqualTo(Event.JobState.FAILED);
          assertThat(end.reason())
              .startsWith("budget exhausted: all of the 0.000004 credits are spent with 1 of 3")
              .contains("work[2], may cost up to 0.000003 credits");
        });
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(4);
  }

  @Test
  void theLimitsOfJobsAndProvidersAreKept() {
    for (int i = 0; i < Limits.LIVE_JOBS; i++) {
      f.pool.execute(
          new Command.SubmitJob(
              Sample.job(i, 0, 1, List.of(Sample.kind("work")), List.of(Sample.task(0))), ""),
          1,
          new ArrayList<>());
    }
    Rejection rejection = f.refused(new Command.SubmitJob(Sample.job(99_999, 1), ""));
    assertThat(rejection.code()).isEqualTo(Rejection.Code.OVERLOADED);
    assertThat(rejection.message()).contains("10000 jobs").contains("try again");
    for (int i = 0; i < Limits.PROVIDERS; i++) {
      f.join(i, 1);
    }
    Command oneMore = Sample.join(Limits.PROVIDERS, 1, 1);
    assertThat(f.refused(oneMore).code()).isEqualTo(Rejection.Code.OVERLOADED);
    f.run(new Command.LoseProvider(Sample.provider(5), 1, "off"));
    assertThat(f.run(oneMore)).as("it takes the place of the one that is gone").hasSize(1);
    assertThat(f.pool.provider(Sample.provider(5))).isEmpty();
    assertThat(f.schedule(500)).hasSize(500);
  }

  static Stream<Arguments> badCommands() {
    Offer good = Sample.offer(1, 1, 1);
    return Stream.of(
        Arguments.of(new Command.Grant(Sample.ALICE, 0, ""), "write 1 to"),
        Arguments.of(new Command.Grant(Sample.ALICE, Long.MAX_VALUE, ""), "write 1 to"),
        Arguments.of(new Command.Grant(Sample.ALICE, 1, "a\nb"), "one line"),
        Arguments.of(new Command.Grant(Address.ZERO, 1, ""), "zero address"),
        Arguments.of(new Command.Schedule(0), "write 1 or more"),
        Arguments.of(Sample.join(Sample.offer(1, 0, 1), 1), "0 cores"),
        Arguments.of(Sample.join(Sample.offer(1, 1, 0), 1), "0 bytes of memory"),
        Arguments.of(
            Sample.join(
                new Offer(
                    good.provider(), "a b", "", "", 1, 1, Sample.PRICE, Capability.UNMEASURED, 1),
                1),
            "'a b'"),
        Arguments.of(
            Sample.join(
                new Offer(
                    good.provider(),
                    "a",
                    "",
                    "",
                    1,
                    1,
                    new Price(-1, 0, 0),
                    Capability.UNMEASURED,
                    1),
                1),
            "price"),
        Arguments.of(new Command.DrainProvider(Sample.provider(9), 1), "no provider"),
        Arguments.of(
            new Command.ReportAttempts(Sample.provider(9), 1, List.of(), ""), "no provider"));
  }

  @ParameterizedTest
  @MethodSource("badCommands")
  void aRefusalSaysWhatToDo(Command command, String expected) {
    Hash before = f.pool.digest();
    Rejection rejection = f.refused(command);
    assertThat(rejection.message()).contains(expected);
    assertThat(f.pool.digest()).as("only the count of refusals changed").isNotEqualTo(before);
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(100_000_000);
    assertThat(f.pool.providers()).isEmpty();
  }
}
