package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Results that count only once other providers agree.
class VerificationTest {
  private static final long BUDGET = 1_000_000;

  private final Fixture f = new Fixture();

  private static JobSpec job(long nonce, int tasks, Verification verification) {
    return job(nonce, tasks, BUDGET, verification);
  }

  private static JobSpec job(long nonce, int tasks, long budget, Verification verification) {
    JobSpec s = Sample.job(nonce, tasks);
    return new JobSpec(
        s.consumer(), nonce, s.name(), 0, budget, s.kinds(), s.tasks(), s.results(), verification);
  }

  private ProviderView.Trust trust(int provider) {
    return f.pool.provider(Sample.provider(provider)).orElseThrow().trust();
  }

  private static <E extends Event> E only(List<Event> events, Class<E> type) {
    List<E> found = events.stream().filter(type::isInstance).map(type::cast).toList();
    assertThat(found).as("%s in %s", type.getSimpleName(), events).hasSize(1);
    return found.getFirst();
  }

  private Lease next() {
    List<Lease> leases = f.schedule(1);
    assertThat(leases).hasSize(1);
    return leases.getFirst();
  }

  @Test
  void aProvidersWordCountsWhereTheJobAsksForNothing() {
    f.join(1, 4);
    f.join(2, 4);
    JobId id = f.submit(job(1, 1, new Verification.None()));
    List<Event> events = f.report(Sample.wrong(next()));
    assertThat(events).noneMatch(e -> e instanceof Event.CheckDrawn);
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(trust(1).confirmed() + trust(2).confirmed()).isZero();
  }

  @Test
  void aNewProvidersResultCountsOnceAnotherAgrees() {
    f.join(1, 4);
    f.join(2, 4);
    JobId id = f.submit(job(1, 1, Verification.usual()));
    Lease first = next();
    List<Event> events = f.report(Sample.right(first));
    Event.CheckDrawn drawn = only(events, Event.CheckDrawn.class);
    assertThat(drawn.why()).isEqualTo(Event.CheckReason.NEWCOMER);
    assertThat(drawn.ppm()).isEqualTo(1_000_000);
    assertThat(only(events, Event.AttemptEnded.class).next()).isEqualTo(Event.Next.CHECK);
    assertThat(f.view(id).done()).as("does not count yet").isZero();
    assertThat(f.view(id).charged()).as("nor is it paid").isZero();
    assertThat(f.pool.balance(first.provider())).isZero();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).sentence())
        .contains("1 provider has run it")
        .contains("2 must agree")
        .contains("1 could");

    Lease second = next();
    assertThat(second.provider()).isNotEqualTo(first.provider());
    assertThat(second.task()).isEqualTo(first.task());
    events = f.report(Sample.right(second));
    Event.TaskJudged judged = only(events, Event.TaskJudged.class);
    assertThat(judged.right()).containsExactly(0L, 1L);
    assertThat(judged.wrong()).isEmpty();
    assertThat(judged.agreed()).isTrue();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.outputs(id, 0)).isEqualTo(Sample.right(first).outputs());
    assertThat(f.pool.balance(first.provider())).as("both are paid").isPositive();
    assertThat(f.pool.balance(second.provider())).isPositive();
    assertThat(trust(1).confirmed()).isEqualTo(1);
    assertThat(trust(2).confirmed()).isEqualTo(1);
    assertThat(f.sum()).isZero();
  }

  @Test
  void whoeverIsWrongIsOutvotedUnpaidAndGetsNoMoreWork() {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 4);
    }
    JobId id = f.submit(job(1, 1, Verification.usual()));
    Lease liar = next();
    f.report(Sample.wrong(liar));
    f.report(Sample.right(next()));
    assertThat(f.view(id).done()).isZero();
    f.report(Sample.right(next()));
    assertThat(f.view(id).done()).as("two against one do not do, once there was a lie").isZero();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).sentence()).contains("do not agree (2 say");
    List<Event> events = f.report(Sample.right(next()));
    Event.TaskJudged judged = only(events, Event.TaskJudged.class);
    assertThat(judged.right()).containsExactly(1L, 2L, 3L);
    assertThat(judged.wrong()).containsExactly(0L);
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.outputs(id, 0)).isEqualTo(Sample.right(liar).outputs());
    assertThat(f.pool.balance(liar.provider())).as("a wrong result is not paid").isZero();
    assertThat(f.pool.providers())
        .filteredOn(p -> p.trust().distrusted())
        .singleElement()
        .satisfies(p -> {
          assertThat(p.offer().provider()).isEqualTo(liar.provider());
          assertThat(p.trust().refuted()).isEqualTo(1);
          assertThat(p.trust().doubtPpm()).isGreaterThan(500_000);
        });
    assertThat(f.pool.why(liar.provider(), f.nowUs).sentence())
        .contains("gets no work")
        .contains("1 refuted");

    f.submit(job(2, 8, new Verification.None()));
    // Those that are left are new too, and one that was new lied: each gets 2 tasks on its 4 cores.
    assertThat(f.schedule(100)).hasSize(6).noneMatch(l -> l.provider().equals(liar.provider()));
    assertThat(f.sum()).isZero();
  }

  @Test
  void aProviderCannotEndAJobBySayingThatItFailed() {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 4);
    }
    JobId id = f.submit(job(1, 1, new Verification.SpotCheck(1)));
    Lease liar = next();
    List<Event> events = f.report(Sample.ended(liar, Outcome.TASK_FAILED, "it trapped"));
    assertThat(only(events, Event.CheckDrawn.class).why()).isEqualTo(Event.CheckReason.FAILURE);
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.provider(liar.provider()).orElseThrow().trust().distrusted()).isTrue();
  }

  @Test
  void whatTwoSayToHaveFailedHasFailed() {
    f.join(1, 4);
    f.join(2, 4);
    JobId id = f.submit(job(1, 1, Verification.usual()));
    f.report(Sample.ended(next(), Outcome.TASK_FAILED, "it trapped"));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    f.report(Sample.ended(next(), Outcome.TASK_FAILED, "it trapped"));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(id).reason()).contains("work[0] failed, 2 providers agree: it trapped");
    assertThat(trust(1).distrusted() || trust(2).distrusted()).isFalse();
  }

  @Test
  void whereNobodyElseIsTheWordCountsAndTheRecordSaysSo() {
    f.join(1, 4);
    JobId id = f.submit(job(1, 1, Verification.usual()));
    List<Event> events = f.report(Sample.right(next()));
    assertThat(only(events, Event.CheckDrawn.class).why()).isEqualTo(Event.CheckReason.NOBODY_ELSE);
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(trust(1).confirmed()).isZero();
  }

  @Test
  void aCheckThatNobodyCanMakeAnyMoreIsLetGo() {
    f.join(1, 4);
    f.join(2, 4);
    JobId id = f.submit(job(1, 1, Verification.usual()));
    Lease first = next();
    f.report(Sample.right(first));
    int other = first.provider().equals(Sample.provider(1)) ? 2 : 1;
    f.run(new Command.LoseProvider(Sample.provider(other), 1, "unplugged"));
    List<Event> events = f.run(new Command.Schedule(1));
    Event.TaskJudged judged = only(events, Event.TaskJudged.class);
    assertThat(judged.agreed()).isFalse();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.balance(first.provider())).as("it is paid").isPositive();
    assertThat(f.pool.provider(first.provider()).orElseThrow().trust().confirmed())
        .as("nothing is learnt")
        .isZero();
  }

  @Test
  void aJobThatAsksForSeveralWaitsForThem() {
    f.join(1, 4);
    JobId id = f.submit(job(1, 1, new Verification.Replicate(3)));
    f.report(Sample.right(next()));
    assertThat(f.schedule(10)).isEmpty();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).wouldHelp()).contains("start another provider");
    f.join(2, 4);
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    f.join(3, 4);
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void checksDoNotEatTheBudgetThatTheTasksNeed() {
    f.join(1, 4);
    f.join(2, 4);
    // A task costs 500 for its gas, 10 for its memory and time, and 0 for a hundred bytes.
    long one = Sample.PRICE.charge(500_000, 1_000_000, 1_000_000, 100);
    JobId id = f.submit(job(1, 4, 4 * one + one / 2, Verification.usual()));
    for (int i = 0; i < 4; i++) {
      List<Event> events = f.report(Sample.right(next()));
      assertThat(only(events, Event.CheckDrawn.class).why()).isEqualTo(Event.CheckReason.BUDGET);
    }
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void wantOfTimeSaysNothingAboutAMachine() {
    for (int p = 1; p <= 3; p++) {
      f.join(p, 4);
    }
    JobId id = f.submit(job(1, 1, Verification.usual()));
    Lease slow = next();
    Report late = Sample.done(slow, slow.kind().wallLimitMs() * 1_000_000);
    f.report(
        new Report(
            late.lease(),
            Outcome.TASK_FAILED,
            "out of time",
            late.startedUs(),
            late.endedUs(),
            late.usage(),
            List.of(),
            late.engine(),
            late.isolation(),
            late.digest()));
    f.report(Sample.right(next()));
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    f.join(4, 4);
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.provider(slow.provider()).orElseThrow().trust().refuted()).isZero();
    assertThat(f.pool.balance(slow.provider())).as("nor is it paid").isZero();
  }

  @Test
  void whoWasConfirmedOftenIsCheckedSeldom() {
    f.join(1, 4);
    f.join(2, 4);
    int jobs = 60;
    List<Integer> perTen = new ArrayList<>();
    for (int n = 0; n < jobs; n++) {
      f.submit(job(n, 1, Verification.usual()));
      f.report(Sample.right(next()));
      List<Lease> check = f.schedule(1);
      if (n % 10 == 0) {
        perTen.add(0);
      }
      if (!check.isEmpty()) {
        perTen.set(perTen.size() - 1, perTen.getLast() + 1);
        f.report(Sample.right(check.getFirst()));
      }
    }
    assertThat(perTen.getFirst()).as("a newcomer is always checked").isEqualTo(10);
    assertThat(perTen.subList(3, 6).stream().mapToInt(i -> i).sum())
        .as("checks of the last 30 results: %s", perTen)
        .isBetween(0, 9);
    assertThat(trust(1).checkPpm()).isLessThan(150_000);
    assertThat(f.pool.why(Sample.provider(1), f.nowUs).sentence()).contains("is believed");
  }

  @Test
  void whatADeadJobHadUnjudgedIsPaid() {
    f.join(1, 4);
    f.join(2, 4);
    JobId id = f.submit(job(1, 1, Verification.usual()));
    Lease first = next();
    f.report(Sample.right(first));
    f.run(new Command.CancelJob(id, Sample.ALICE, false));
    assertThat(f.pool.balance(first.provider())).isPositive();
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
    assertThat(f.sum()).isZero();
  }

  @Test
  void providersThatNeverAgreeEndTheTask() {
    for (int p = 1; p <= Limits.VERIFICATION_VOTES; p++) {
      f.join(p, 4);
    }
    JobId id = f.submit(job(1, 1, new Verification.Replicate(2)));
    for (int p = 1; p <= Limits.VERIFICATION_VOTES; p++) {
      f.report(Sample.wrong(next()));
    }
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(id).reason()).contains("9 providers do not agree");
    assertThat(f.pool.providers())
        .as("nobody knows who lied")
        .allMatch(p -> p.trust().refuted() == 0 && p.earned() == 0);
    assertThat(f.sum()).isZero();
  }

  @Test
  void whoChecksWhomFollowsFromLuckAlone() {
    List<Address> checkers = new ArrayList<>();
    for (long luck = 0; luck < 20; luck++) {
      Fixture g = new Fixture();
      for (int p = 1; p <= 6; p++) {
        g.join(p, 4);
      }
      g.submit(job(1, 1, new Verification.Replicate(2)));
      g.report(Sample.right(g.schedule(1).getFirst()));
      g.run(new Command.Schedule(1, true, luck));
      checkers.add(g.sent().getFirst().provider());
    }
    assertThat(checkers.stream().distinct().count()).isGreaterThanOrEqualTo(4);
  }

  /// The same region is declared by all; five of six are in one network. Whoever runs a task first,
  /// the sixth of six providers checks it, whatever is drawn.
  ///
  /// @param networks of the providers 1 to 6
  /// @param operators likewise
  private static void theSixthChecks(List<String> networks, List<Address> operators) {
    for (long luck = 0; luck < 20; luck++) {
      Fixture g = new Fixture();
      for (int p = 1; p <= 6; p++) {
        g.run(Sample.joinFrom(networks.get(p - 1), Optional.of(operators.get(p - 1)), p, 4));
        assertThat(g.pool.provider(Sample.provider(p)).orElseThrow().operator())
            .contains(operators.get(p - 1));
      }
      g.submit(job(1, 1, new Verification.Replicate(2)));
      Lease first = g.schedule(1).getFirst();
      assertThat(first.provider()).isNotEqualTo(Sample.provider(6));
      g.report(Sample.right(first));
      g.run(new Command.Schedule(1, true, luck));
      assertThat(g.sent().getFirst().provider()).as("luck %d", luck).isEqualTo(Sample.provider(6));
    }
  }

  @Test
  void whoChecksIsInAnotherNetworkWhereThereIsOne() {
    String many = "c00002/24";
    theSixthChecks(
        List.of(many, many, many, many, many, "c63364/24"),
        List.of(
            Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.ALICE));
  }

  @Test
  void whoChecksIsOfAnotherOperatorAlsoWhereItsNetworkIsTheSame() {
    theSixthChecks(
        List.of("net1", "net2", "net3", "net4", "net5", "net1"),
        List.of(Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.ALICE, Sample.BOB));
  }

  /// Nine machines of one operator, and three liars who name none: the first may be asked to check,
  /// but once it disagrees the others are asked like anybody else.
  @Test
  void thoseWhoNameNoOperatorCannotOutvoteOne() {
    int wrong = 0;
    for (long luck = 0; luck < 40; luck++) {
      Fixture g = new Fixture();
      for (int p = 1; p <= 12; p++) {
        g.run(
            Sample.joinFrom(
                "net" + p, p <= 9 ? Optional.of(Sample.ALICE) : Optional.empty(), p, 4));
      }
      JobId id = g.submit(job(1, 1, new Verification.Replicate(2)));
      Lease lease = g.schedule(1).getFirst();
      assertThat(lease.provider()).isEqualTo(Sample.provider(1));
      List<Blob> right = Sample.right(lease).outputs();
      for (int draw = 0; g.view(id).state() == Event.JobState.RUNNING; draw++) {
        boolean lies = lease.provider().c() > 9;
        g.report(lies ? Sample.done(lease, 1_000_000, 7) : Sample.right(lease));
        g.run(new Command.Schedule(1, true, luck * 100 + draw));
        lease = g.sent().isEmpty() ? lease : g.sent().getFirst();
      }
      wrong += g.pool.outputs(id, 0).equals(right) ? 0 : 1;
    }
    assertThat(wrong).as("of 40 drawn").isLessThan(8);
  }

  /// Where many that are new turn out to lie, those that are new get less to do.
  @Test
  void newcomersGetLessWorkWhereNewcomersLie() {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 8);
    }
    f.submit(job(1, 1, new Verification.Replicate(2)));
    Lease lie = next();
    f.report(Sample.wrong(lie));
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    assertThat(f.pool.provider(lie.provider()).orElseThrow().trust().distrusted()).isTrue();
    // Two of three are taken to be good: of 8 cores each of the three left gets 5.
    f.submit(job(2, 100, Verification.usual()));
    assertThat(f.schedule(100))
        .as("tasks of which nobody knows how long they take")
        .extracting(Lease::provider)
        .hasSizeGreaterThan(14);
    Address other =
        f.pool.providers().stream()
            .map(v -> v.offer().provider())
            .filter(a -> !a.equals(lie.provider()))
            .findFirst()
            .orElseThrow();
    assertThat(f.pool.why(other, f.nowUs).wouldHelp().getFirst())
        .contains("66.67 % of its cores", "1 of the 1 that were new before it were found wrong");
  }

  /// What spoke for providers has faded, and one that was new lied: they have passed their
  /// probation all the same, and get work on all of their cores.
  @Test
  void whoHasPassedOnceIsNoNewcomer() {
    for (int p = 1; p <= 4; p++) {
      f.join(p, 8);
    }
    f.submit(job(1, 1, new Verification.Replicate(2)));
    Address liar = next().provider();
    f.report(Sample.wrong(f.sent().getFirst()));
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    f.submit(job(2, 20, new Verification.Replicate(3)));
    for (int i = 0; i < 60; i++) {
      f.report(Sample.right(next()));
    }
    f.nowUs += 4 * TrustRule.USUAL.halfLifeMs() * 1_000;
    for (int p = 1; p <= 4; p++) {
      if (!Sample.provider(p).equals(liar)) {
        f.run(Sample.join(p, 8, 2));
        assertThat(trust(p).isNew()).as("its results are checked again").isTrue();
      }
    }
    f.submit(job(3, 100, Verification.usual()));
    assertThat(f.schedule(100)).hasSize(24).noneMatch(l -> l.provider().equals(liar));
  }

  @Test
  void whatAsksForNonsenseIsRefused() {
    for (Verification bad :
        List.of(
            new Verification.SpotCheck(0),
            new Verification.SpotCheck(1_000_001),
            new Verification.Replicate(1),
            new Verification.Replicate(6),
            new Verification.Adaptive(-1),
            new Verification.Adaptive(1_000_001))) {
      Rejection r = f.refused(new Command.SubmitJob(job(1, 1, bad), Sample.SIGNATURE));
      assertThat(r.message()).contains("write");
    }
  }

  @Test
  void jobsKeepTheirBytesAndWithVerificationHaveOthers() {
    for (Verification v :
        List.of(
            new Verification.None(),
            new Verification.SpotCheck(50_000),
            new Verification.Replicate(3),
            new Verification.Adaptive(7))) {
      JobSpec spec = job(1, 2, v);
      byte[] bytes = JobCodec.encode(spec);
      assertThat(bytes[0]).isEqualTo((byte) (v instanceof Verification.None ? 1 : 2));
      assertThat(JobCodec.decode(bytes)).isEqualTo(spec);
    }
  }

  @Test
  void aRightResultSpeaksForItsSizeAndInProportionForLargerOnes() {
    TrustRule rule = TrustRule.USUAL;
    Evidence e = Evidence.NONE;
    for (int i = 0; i < 16; i++) {
      e = e.right(rule, 1_000_000, 1_000);
    }
    assertThat(e.about(1).rightMilli()).isEqualTo(16_000);
    assertThat(e.about(1_000_000)).isEqualTo(e.whole());
    assertThat(e.about(8_000_000).rightMilli()).isEqualTo(2_000);
    assertThat(e.about(1_000_000_000).rightMilli()).isLessThan(50);
    assertThat(e.about(Long.MAX_VALUE).rightMilli()).isZero();
    assertThat(e.right(rule, Long.MAX_VALUE, 1_000).about(Long.MAX_VALUE).rightMilli())
        .isEqualTo(1_000);
    assertThat(e.right(rule, -1, 1_000).about(8).rightMilli()).isEqualTo(16_125);
    assertThat(e.wrong(rule, 1_000).about(8_000_000))
        .as("what is wrong speaks for all")
        .isEqualTo(new Belief(2_000, 1_000));
    assertThat(Evidence.ofAllSizes(5_000, 0, 1).about(Long.MAX_VALUE).rightMilli())
        .isEqualTo(5_000);
  }

  @Test
  void whoWasConfirmedOnSmallTasksIsNewToLargeOnes() {
    f.join(1, 4);
    f.join(2, 4);
    for (int n = 0; n < 40; n++) {
      f.submit(job(n, 1, Verification.usual()));
      f.report(Sample.ofGas(next(), 500));
      List<Lease> check = f.schedule(1);
      if (!check.isEmpty()) {
        f.report(Sample.ofGas(check.getFirst(), 500));
      }
    }
    assertThat(trust(1).isNew() || trust(2).isNew()).isFalse();
    f.submit(job(100, 1, Verification.usual()));
    List<Event> events = f.report(Sample.ofGas(next(), 500_000));
    assertThat(only(events, Event.CheckDrawn.class).why()).isEqualTo(Event.CheckReason.NEWCOMER);
    assertThat(only(events, Event.CheckDrawn.class).ppm()).isEqualTo(1_000_000);
  }

  @Test
  void evidenceAges() {
    TrustRule rule = TrustRule.USUAL;
    Evidence b = Evidence.NONE;
    for (int i = 0; i < 40; i++) {
      b = b.right(rule, 5, 1_000);
    }
    long halfLifeUs = rule.halfLifeMs() * 1_000;
    assertThat(b.aged(rule, 1_000 + halfLifeUs).whole().rightMilli()).isBetween(19_800L, 20_200L);
    assertThat(b.aged(rule, 1_000 + 40 * halfLifeUs).whole().rightMilli()).isZero();
    assertThat(b.aged(rule, 500)).as("a clock that went back").isEqualTo(b);
    Evidence fallen = b.wrong(rule, 2_000);
    assertThat(fallen.whole().rightMilli()).isEqualTo(rule.keptRight() * 1_000L);
    assertThat(rule.excludes(fallen.whole())).isTrue();
    assertThat(rule.excludes(fallen.aged(rule, 2_000 + 5 * halfLifeUs).whole()))
        .as("it may try again")
        .isFalse();
  }
}
