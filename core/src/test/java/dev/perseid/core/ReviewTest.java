package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What counted on the word of a provider that is found out later.
class ReviewTest {
  private static final Verification SELDOM = new Verification.SpotCheck(1);
  private static final Address LIAR = Sample.provider(1);
  private static final long BUDGET = 1_000_000;

  private final Fixture f = new Fixture();

  @BeforeEach
  void theLiarIsAlone() {
    f.join(1, 4);
  }

  private static JobSpec job(long nonce, Verification verification, List<TaskSpec> tasks) {
    JobSpec s = Sample.job(nonce, tasks);
    return new JobSpec(
        s.consumer(), nonce, s.name(), 0, BUDGET, s.kinds(), s.tasks(), s.results(), verification);
  }

  /// Each task reads what the one before gave.
  private static JobSpec chain(long nonce, int length) {
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < length; t++) {
      tasks.add(t == 0 ? Sample.task(t) : Sample.task(t, new Input.Produced(t - 1, 0)));
    }
    return job(nonce, SELDOM, tasks);
  }

  private Lease next() {
    List<Lease> leases = f.schedule(1);
    assertThat(leases).hasSize(1);
    return leases.getFirst();
  }

  /// Others come, and one task that all of them run shows that the first one lies.
  private List<Event> findOut() {
    f.submit(job(1_000, new Verification.Replicate(2), List.of(Sample.task(0))));
    f.report(Sample.wrong(next()));
    for (int p = 2; p <= 4; p++) {
      f.join(p, 4);
    }
    List<Event> events = List.of();
    for (int i = 0; i < 3; i++) {
      events = f.report(Sample.right(next()));
    }
    assertThat(f.pool.provider(LIAR).orElseThrow().trust().distrusted()).isTrue();
    return events;
  }

  /// Whoever gets it runs it rightly, until nothing is left.
  private List<Lease> runAll() {
    List<Lease> ran = new ArrayList<>();
    for (List<Lease> l = f.schedule(1); !l.isEmpty(); l = f.schedule(1)) {
      ran.add(l.getFirst());
      f.report(Sample.right(l.getFirst()));
    }
    return ran;
  }

  @Test
  void aJobThatWasDoneInTimeIsNotLateWhenItRunsAgain() {
    JobSpec timed = Sample.like(chain(1, 2), 0, 60_000);
    JobId id = f.submit(timed);
    f.report(Sample.wrong(next()));
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    findOut();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    f.nowUs += 61_000_000;
    JobSpec urgent = Sample.like(chain(2, 1), 0, 60_000);
    f.submit(urgent);
    assertThat(next().job()).as("it stands behind what has a deadline").isEqualTo(urgent.id());
    assertThat(f.pool.why(id, null, f.nowUs).sentence()).doesNotContain("must be done within");
    runAll();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  private static <E extends Event> List<E> all(List<Event> events, Class<E> type) {
    return events.stream().filter(type::isInstance).map(type::cast).toList();
  }

  @Test
  void aJobThatIsDoneRunsAgainAndGivesWhatIsRight() {
    JobId id = f.submit(chain(1, 2));
    f.report(Sample.wrong(next()));
    f.report(Sample.right(next()));
    long paid = f.view(id).charged();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.balance(LIAR)).isEqualTo(paid).isPositive();
    long before = f.pool.balance(Sample.ALICE);

    List<Event> events = findOut();
    assertThat(all(events, Event.JobReopened.class))
        .singleElement()
        .satisfies(e -> {
          assertThat(e.job()).isZero();
          assertThat(e.reserved()).isEqualTo(BUDGET - paid);
        });
    assertThat(all(events, Event.ResultsDoubted.class))
        .singleElement()
        .satisfies(e -> {
          assertThat(e.provider()).isEqualTo(LIAR);
          assertThat(e.reversed()).isEqualTo(paid);
        });
    assertThat(f.pool.balance(LIAR)).as("what nobody confirmed is taken back").isZero();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    assertThat(f.view(id).done()).isZero();
    assertThat(f.pool.results(id)).as("what is doubted is not given out").isEmpty();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).sentence()).contains("found out");

    List<Lease> ran = runAll();
    assertThat(ran).extracting(Lease::task).containsExactly(0, 0, 0, 1);
    assertThat(ran).noneMatch(l -> l.provider().equals(LIAR));
    JobView view = f.view(id);
    assertThat(view.state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.outputs(id, 0)).isEqualTo(Sample.right(ran.getFirst()).outputs());
    assertThat(view.results()).isEqualTo(new JobView.Results(1, 1, 1, 2, 1, 0, 0, 1, paid));
    assertThat(f.pool.balance(LIAR)).isZero();
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
    assertThat(view.charged()).as("four right attempts, each as dear").isEqualTo(2 * paid);
    assertThat(f.pool.why(LIAR, f.nowUs).sentence()).contains("2 refuted");
    long checked = f.view(chainOf(1_000)).charged();
    assertThat(f.pool.balance(Sample.ALICE)).isEqualTo(before + paid - 2 * paid - checked);
    assertThat(f.sum()).isZero();
  }

  private static JobId chainOf(long nonce) {
    return JobId.of(Sample.ALICE, nonce);
  }

  @Test
  void whatIsConfirmedStandsAndTheCheckIsPaidOutOfWhatWasTakenBack() {
    JobId id = f.submit(chain(1, 1));
    f.report(Sample.right(next()));
    long paid = f.view(id).charged();
    findOut();
    assertThat(f.pool.balance(LIAR)).isZero();
    assertThat(runAll()).hasSize(1);
    JobView view = f.view(id);
    assertThat(view.state()).isEqualTo(Event.JobState.DONE);
    assertThat(view.results()).isEqualTo(new JobView.Results(1, 0, 0, 1, 0, 0, 0, 1, paid));
    assertThat(f.pool.balance(LIAR)).as("it forfeits what nobody had confirmed").isZero();
    assertThat(view.charged()).as("the consumer pays no more than before").isEqualTo(paid);
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatHonestProvidersMadeOfAWrongResultRunsAgainAndOnlyThat() {
    JobId id = f.submit(chain(1, 4));
    f.report(Sample.wrong(next()));
    // The rest is others' work on what the liar gave, and tells nothing of it.
    f.run(new Command.LoseProvider(LIAR, 1, "away"));
    f.join(2, 4);
    Lease second = next();
    f.report(Sample.done(second, 1_000_000, 77));
    f.report(Sample.right(next()));
    f.report(Sample.right(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    f.run(new Command.LoseProvider(Sample.provider(2), 1, "away"));
    assertThat(f.run(Sample.join(1, 4, 2))).hasSize(1);

    f.submit(job(1_000, new Verification.Replicate(2), List.of(Sample.task(0))));
    Lease caught = next();
    f.reportAs(LIAR, 2, Sample.wrong(caught));
    assertThat(f.run(Sample.join(2, 4, 2))).hasSize(1);
    for (int p = 3; p <= 5; p++) {
      f.join(p, 4);
    }
    f.run(new Command.DrainProvider(Sample.provider(2), 2));
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    assertThat(f.view(id).done()).as("only the liar's own is doubted").isEqualTo(3);
    List<Lease> ran = runAll();
    // The second task gives something else with right inputs, and the third the same as before.
    assertThat(ran).extracting(Lease::task).containsExactly(0, 0, 0, 1, 2);
    assertThat(ran.get(3).inputs()).isEqualTo(Sample.right(ran.getFirst()).outputs());
    assertThat(ran.get(4).inputs()).isEqualTo(Sample.right(ran.get(3)).outputs());
    JobView view = f.view(id);
    assertThat(view.state()).isEqualTo(Event.JobState.DONE);
    assertThat(view.results().redone()).isEqualTo(2);
    assertThat(view.results().replaced()).isEqualTo(1);
    assertThat(f.pool.balance(Sample.provider(2))).as("honest work stays paid").isPositive();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatRunsOnAWrongInputIsStoppedPaidAndRunAgain() {
    JobId id = f.submit(chain(1, 2));
    f.report(Sample.wrong(next()));
    f.submit(job(1_000, new Verification.Replicate(2), List.of(Sample.task(0))));
    List<Lease> leases = f.schedule(2);
    Lease reader = leases.stream().filter(l -> l.job().equals(id)).findFirst().orElseThrow();
    Lease caught = leases.stream().filter(l -> !l.job().equals(id)).findFirst().orElseThrow();
    f.report(Sample.wrong(caught));
    for (int p = 2; p <= 4; p++) {
      f.join(p, 4);
    }
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    List<Long> stopped = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
      stopped.addAll(f.stopped());
    }
    assertThat(stopped).containsExactly(reader.id());
    assertThat(f.pool.lease(reader.id())).as("the lease is what it was").hasValue(reader);
    f.run(Sample.join(1, 4, 2, reader.id()));
    assertThat(f.stopped()).as("whoever missed it is told again").containsExactly(reader.id());
    long earned = f.pool.provider(LIAR).orElseThrow().earned();
    List<Event> events = f.reportAs(LIAR, 2, Sample.stopped(reader));
    assertThat(all(events, Event.AttemptEnded.class))
        .singleElement()
        .satisfies(e -> assertThat(e.next()).isEqualTo(Event.Next.STALE));
    assertThat(f.pool.provider(LIAR).orElseThrow().earned()).isGreaterThan(earned);
    List<Lease> ran = runAll();
    assertThat(ran).extracting(Lease::task).containsExactly(1);
    assertThat(ran.getFirst().inputs()).isNotEqualTo(reader.inputs());
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatIsDoubtedWhenItsJobIsCancelledIsNotPaid() {
    JobId id = f.submit(chain(1, 1));
    f.report(Sample.right(next()));
    findOut();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    f.run(new Command.CancelJob(id, Sample.ALICE, false));
    assertThat(f.pool.balance(LIAR)).as("nobody confirmed it").isZero();
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whoIsFoundOutWhileItRunsIsNotBelievedAfterwards() {
    JobId id = f.submit(chain(1, 1));
    Lease running = next();
    findOut();
    List<Event> events = f.report(Sample.wrong(running));
    assertThat(all(events, Event.CheckDrawn.class))
        .singleElement()
        .extracting(Event.CheckDrawn::why)
        .isEqualTo(Event.CheckReason.DRAWN);
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    runAll();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.outputs(id, 0)).isEqualTo(Sample.right(running).outputs());
  }

  @Test
  void whoIsFoundOutWhileAnOvertakenAttemptRunsIsNotForgotten() {
    JobId id = f.submit(Sample.like(chain(1, 5), new Urgency(0, 0, 50)));
    f.report(Sample.wrong(next()));
    for (int t = 1; t < 4; t++) {
      f.report(Sample.right(next()));
    }
    Lease slow = next();
    f.join(5, 4);
    f.nowUs += 10_000_000;
    Lease copy = next();
    assertThat(copy.task()).isEqualTo(slow.task());
    f.report(Sample.right(copy));
    f.run(new Command.LoseProvider(Sample.provider(5), 1, "unplugged"));
    assertThat(all(findOut(), Event.JobReopened.class)).as("an attempt runs still").isEmpty();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);

    List<Event> events = f.report(Sample.stopped(slow));
    assertThat(all(events, Event.JobReopened.class)).hasSize(1);
    assertThat(all(events, Event.ResultsDoubted.class)).hasSize(1);
    runAll();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().replaced()).isEqualTo(1);
  }

  @Test
  void whatNobodyElseCanRunIsSettledAlsoWhereNobodyWouldTakeItNow() {
    TaskSpec big = Sample.task(0);
    JobSpec s = Sample.job(1, List.of(big));
    TaskKind k = s.kinds().getFirst();
    TaskKind four =
        new TaskKind(
            k.name(), k.module(), k.gasLimit(), k.memoryBytes(), 100, k.wallLimitMs(), 4, 3);
    JobId id =
        f.submit(
            new JobSpec(
                s.consumer(), 1, "big", 0, BUDGET, List.of(four), s.tasks(), List.of(), SELDOM));
    f.report(Sample.right(next()));
    f.submit(job(1_000, new Verification.Replicate(2), List.of(Sample.task(0))));
    f.report(Sample.wrong(next()));
    for (int p = 2; p <= 4; p++) {
      f.join(p, 1);
    }
    for (int i = 0; i < 3; i++) {
      f.report(Sample.right(next()));
    }
    assertThat(f.pool.provider(LIAR).orElseThrow().trust().distrusted()).isTrue();
    f.join(9, 4);
    f.run(new Command.LoseProvider(Sample.provider(9), 1, "unplugged"));
    f.schedule(5);
    assertThat(f.view(id).state()).as("it may come back").isEqualTo(Event.JobState.RUNNING);
    f.nowUs += Limits.COMES_BACK_WITHIN_MS * 1_000;
    f.schedule(5);
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().doubtful()).isEqualTo(1);
  }

  @Test
  void whereNobodyElseCanRunItTheResultStandsUnpaidAndIsCalledDoubtful() {
    JobId id = f.submit(chain(1, 1));
    f.report(Sample.right(next()));
    long paid = f.view(id).charged();
    findOut();
    for (int p = 3; p <= 4; p++) {
      f.run(new Command.LoseProvider(Sample.provider(p), 1, "unplugged"));
    }
    f.report(Sample.ended(next(), Outcome.PROVIDER_FAILED, "engine died"));
    f.schedule(5);
    JobView view = f.view(id);
    assertThat(view.state()).isEqualTo(Event.JobState.DONE);
    assertThat(view.results()).isEqualTo(new JobView.Results(0, 1, 0, 1, 0, 1, 0, 1, paid));
    assertThat(view.charged()).as("what is doubtful is not paid").isZero();
    assertThat(f.pool.balance(LIAR)).isZero();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).sentence()).contains("is doubtful");
    assertThat(f.pool.why(id, null, f.nowUs).sentence()).contains("1 could not be checked");
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatAProviderIsBelievedForIsWithheldAndTheRestMayBeSpent() {
    int tasks = 12;
    JobId id = f.submit(chain(1, tasks));
    for (int t = 0; t < tasks; t++) {
      f.report(Sample.wrong(next()));
    }
    long paid = f.view(id).charged();
    long kept = Limits.RETAINED_PRICES * paid / tasks;
    assertThat(f.pool.provider(LIAR).orElseThrow().trust().retained()).isEqualTo(kept);
    assertThat(f.refused(new Command.SubmitJob(own(paid - kept + 1), Sample.SIGNATURE)).message())
        .contains("0.00003 credits more are withheld");
    f.submit(own(paid - kept));
    next();
    List<Event> events = findOut();
    assertThat(all(events, Event.ResultsDoubted.class).getLast().reversed()).isEqualTo(kept);
    assertThat(f.pool.balance(LIAR)).isZero();
    runAll();
    assertThat(f.view(id).state())
        .as("its consumer gets what is right")
        .isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().reviewed()).isEqualTo(tasks);
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatWasWithheldIsFreeOnceNothingCanBeDoubted() {
    f.submit(chain(1, 1));
    f.report(Sample.right(next()));
    long paid = f.pool.balance(LIAR);
    f.nowUs += Limits.REVIEWABLE_MS * 1_000;
    f.refused(new Command.SubmitJob(own(paid), Sample.SIGNATURE));
    f.nowUs += 1;
    f.submit(own(paid));
  }

  private static JobSpec own(long budget) {
    JobSpec s = chain(2, 1);
    return new JobSpec(LIAR, 2, "own", 0, budget, s.kinds(), s.tasks(), s.results(), SELDOM);
  }

  @Test
  void whatEndedLongAgoIsLeftAlone() {
    JobId id = f.submit(chain(1, 1));
    f.report(Sample.wrong(next()));
    f.nowUs += (Limits.REVIEWABLE_MS + 1) * 1_000;
    List<Event> events = findOut();
    assertThat(all(events, Event.JobReopened.class)).isEmpty();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void earningsThatAreDueAreTakenBackAndPromisesStand() {
    f.run(new Command.RequireVouchers());
    assertThat(
            f.run(new Command.TakeVoucher(new Voucher(Sample.ALICE, 10_000_000, Sample.SIGNATURE))))
        .isNotEmpty();
    int tasks = 14;
    JobId id = f.submit(chain(1, tasks));
    for (int t = 0; t < tasks - 2; t++) {
      f.report(Sample.wrong(next()));
    }
    f.run(new Command.CloseEpoch(0, 0, 0, Hash.ZERO));
    List<Payout> payouts = f.pool.closedEpoch().orElseThrow().payouts();
    assertThat(payouts).hasSize(1);
    long first = payouts.getFirst().cumulative();
    assertThat(first)
        .as("ten results' worth is withheld")
        .isEqualTo(f.view(id).charged() / (tasks - 2) * (tasks - 2 - Limits.RETAINED_PRICES));
    f.report(Sample.wrong(next()));
    f.report(Sample.wrong(next()));
    long both = f.view(id).charged();
    long spent = f.pool.purse(Sample.ALICE).orElseThrow().spent();
    assertThat(f.pool.account(LIAR).due()).isEqualTo(both);

    List<Event> events = findOut();
    assertThat(all(events, Event.ResultsDoubted.class).getLast().reversed())
        .as("what the closed epoch pays cannot be taken back")
        .isEqualTo(both - first);
    assertThat(f.pool.account(LIAR).due()).isEqualTo(first);
    assertThat(f.pool.purse(Sample.ALICE).orElseThrow().spent())
        .isEqualTo(spent - (both - first) + f.view(chainOf(1_000)).charged());
    runAll();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    f.run(new Command.ConfirmEpoch(1));
    assertThat(f.pool.account(LIAR).due()).as("what the epoch promised").isEqualTo(first);
    assertThat(f.sum()).isZero();
  }
}
