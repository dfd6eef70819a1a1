package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Jobs that must be done within a time.
class DeadlineTest {
  private static final long MINUTE_MS = 60_000;
  private static final long MINUTE_US = MINUTE_MS * 1_000;

  private final Fixture f = new Fixture();

  private static JobSpec job(Address consumer, long nonce, int tasks, long deadlineMs) {
    JobSpec s = Sample.job(nonce, tasks);
    return Sample.like(
        new JobSpec(consumer, nonce, s.name(), 0, s.budget(), s.kinds(), s.tasks(), s.results()),
        0,
        deadlineMs);
  }

  private JobId submit(long nonce, int tasks, long deadlineMs) {
    return f.submit(job(Sample.ALICE, nonce, tasks, deadlineMs));
  }

  private List<JobId> assigned(int max) {
    return f.schedule(max).stream().map(Lease::job).toList();
  }

  @Test
  void aJobEndsWhenItsTimeIsOver() {
    f.join(1, 1);
    JobId id = submit(1, 3, MINUTE_MS);
    List<Lease> leases = f.schedule(9);
    assertThat(leases).isNotEmpty();
    assertThat(f.pool.why(id, null, f.nowUs + 20_000_000).sentence())
        .contains("It must be done within 40 s.");

    f.nowUs += MINUTE_US - 1;
    f.run(new Command.Schedule(9));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);

    f.nowUs += 1;
    f.run(new Command.Schedule(9));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(id).reason())
        .isEqualTo("it was not done within the 60 s that it asked for: 0 of 3 tasks were done");
    assertThat(f.stopped()).containsExactlyElementsOf(leases.stream().map(Lease::id).toList());
    Answer why = f.pool.why(id, null, f.nowUs);
    assertThat(why.sentence()).contains("not done within the 60 s");
    assertThat(why.wouldHelp().getFirst()).contains("time until its deadline");
    assertThat(f.run(new Command.Schedule(9))).as("it ends once").isEmpty();
  }

  @Test
  void aJobThatIsDoneInTimeStaysDone() {
    f.join(1, 1);
    JobId id = submit(1, 1, MINUTE_MS);
    Lease lease = f.schedule(9).getFirst();
    f.report(Sample.done(lease));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    f.nowUs += 2 * MINUTE_US;
    assertThat(f.run(new Command.Schedule(9))).isEmpty();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void ofOneConsumersJobsTheOneThatIsDueFirstGoesFirst() {
    JobId whenever = submit(1, 1, 0);
    JobId later = submit(2, 1, 9 * MINUTE_MS);
    JobId first = submit(3, 1, MINUTE_MS);
    f.join(1, 8);
    List<JobId> order = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      order.addAll(assigned(1));
    }
    assertThat(order).containsExactly(first, later, whenever);
  }

  @Test
  void itIsDueByWhenItWasAcceptedToo() {
    JobId early = submit(1, 1, 2 * MINUTE_MS);
    f.nowUs += MINUTE_US + 1;
    submit(2, 1, MINUTE_MS);
    f.join(1, 8);
    assertThat(assigned(1)).containsExactly(early);
  }

  @Test
  void hasteGivesNobodyAShareOfOthers() {
    f.run(new Command.Grant(Sample.BOB, 100_000_000, "start"));
    JobId patient = f.submit(job(Sample.BOB, 1, 4, 0));
    JobId hasty = submit(2, 4, MINUTE_MS);
    f.join(1, 4);
    List<JobId> got = assigned(4);
    assertThat(got.stream().filter(patient::equals)).hasSize(2);
    assertThat(got.stream().filter(hasty::equals)).hasSize(2);
  }

  @Test
  void aRestoredPoolEndsItAtTheSameTime() throws Exception {
    JobId id = submit(1, 1, MINUTE_MS);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    f.pool.snapshot(new DataOutputStream(out));
    Pool restored = Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
    List<Effect> effects = new ArrayList<>();
    assertThat(restored.execute(new Command.Schedule(9), f.nowUs + MINUTE_US - 1, effects))
        .isEmpty();
    assertThat(restored.execute(new Command.Schedule(9), f.nowUs + MINUTE_US, effects))
        .singleElement()
        .isInstanceOf(Event.JobEnded.class);
    assertThat(restored.job(id).orElseThrow().state()).isEqualTo(Event.JobState.FAILED);
  }

  @Test
  void nothingGoesToAJobThatIsOverdueThoughMoreAreThanEndAtOnce() {
    int jobs = Limits.EXPIRED_AT_ONCE + 1;
    f.run(new Command.Grant(Sample.ALICE, jobs * 1_000_000L, "for all of them"));
    for (int nonce = 1; nonce <= jobs; nonce++) {
      submit(nonce, 1, MINUTE_MS);
    }
    f.join(1, 8);
    f.nowUs += MINUTE_US;
    assertThat(f.schedule(9)).isEmpty();
    assertThat(f.schedule(9)).isEmpty();
    assertThat(f.pool.jobs(null, jobs))
        .hasSize(jobs)
        .allMatch(view -> view.state() == Event.JobState.FAILED);
  }

  /// Whoever was down does not know yet what its providers did meanwhile.
  @Test
  void afterARestartProvidersAreHeardFirst() {
    f.join(1, 2);
    JobId running = submit(1, 3, MINUTE_MS);
    List<Lease> leases = f.schedule(9);
    assertThat(leases).hasSize(2);
    JobId idle = submit(2, 1, MINUTE_MS);
    JobId other = submit(3, 1, 0);
    f.nowUs += 2 * MINUTE_US;
    Command early = new Command.Schedule(9, false, 0, false, false);
    f.run(early);
    assertThat(f.view(running).state()).isEqualTo(Event.JobState.RUNNING);
    assertThat(f.view(idle).state()).as("nobody is at it").isEqualTo(Event.JobState.FAILED);
    f.report(Sample.done(leases.get(0)));
    f.run(early);
    assertThat(f.sent()).as("nothing new of it").extracting(Lease::job).containsExactly(other);
    f.report(Sample.done(leases.get(1)));
    f.run(early);
    assertThat(f.view(running).state()).as("nobody is at it").isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(running).reason()).contains("2 of 3 tasks were done");
  }

  @Test
  void whatIsDoneWhileProvidersComeBackCounts() {
    f.join(1, 1);
    JobId job = submit(1, 1, MINUTE_MS);
    Lease lease = f.schedule(9).getFirst();
    f.nowUs += 2 * MINUTE_US;
    f.run(new Command.Schedule(9, false, 0, false, false));
    f.report(Sample.done(lease));
    assertThat(f.view(job).state()).isEqualTo(Event.JobState.DONE);
    f.run(new Command.Schedule(9));
    assertThat(f.view(job).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void aJobThatWasCancelledEndsOnce() {
    JobId id = submit(1, 1, MINUTE_MS);
    f.run(new Command.CancelJob(id, Sample.ALICE, false));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.CANCELLED);
    f.nowUs += MINUTE_US;
    assertThat(f.run(new Command.Schedule(9))).isEmpty();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.CANCELLED);
  }

  private JobId submit(long nonce, int priority, int cores, long deadlineMs) {
    return f.submit(
        Sample.like(
            Sample.job(
                nonce,
                priority,
                10_000_000,
                List.of(Sample.kind("work", cores, 1_000_000)),
                List.of(Sample.task(0))),
            0,
            deadlineMs));
  }

  @Test
  void whoIsDueFirstGoesFirstWhateverItsTasksNeed() {
    JobId later = submit(1, 0, 1, 9 * MINUTE_MS);
    JobId first = submit(2, 0, 2, MINUTE_MS);
    JobId second = submit(3, 0, 1, 2 * MINUTE_MS);
    JobId third = submit(4, 0, 2, 3 * MINUTE_MS);
    f.join(1, 8);
    List<JobId> order = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      order.addAll(assigned(1));
    }
    assertThat(order).containsExactly(first, second, third, later);
  }

  @Test
  void aDeadlineIsNoPriority() {
    JobId due = submit(1, 0, 1, MINUTE_MS);
    JobId important = submit(2, 1, 1, 0);
    f.join(1, 8);
    assertThat(assigned(1)).containsExactly(important);
    assertThat(assigned(1)).containsExactly(due);
  }

  @Test
  void aRestoredPoolEndsSeveralInTheirOrder() throws Exception {
    JobId whenever = submit(1, 1, 0);
    JobId second = submit(2, 1, 2 * MINUTE_MS);
    JobId first = submit(3, 1, MINUTE_MS);
    Pool restored = Fixture.copy(f.pool);
    List<JobId> ended = new ArrayList<>();
    for (int minute = 1; minute <= 3; minute++) {
      long atUs = f.nowUs + minute * MINUTE_US;
      restored.execute(new Command.Schedule(9), atUs, new ArrayList<>());
      for (JobId id : List.of(whenever, second, first)) {
        boolean isOver = restored.job(id).orElseThrow().state() == Event.JobState.FAILED;
        if (isOver && !ended.contains(id)) {
          ended.add(id);
        }
      }
      assertThat(ended).hasSize(Math.min(minute, 2));
    }
    assertThat(ended).containsExactly(first, second);
  }

  /// What was said and not settled when its time is over: nobody waits for others any more.
  @Test
  void aJobEndsThoughResultsAreBeingCompared() {
    for (int p = 1; p <= 3; p++) {
      f.join(p, 1);
    }
    JobSpec s = job(Sample.ALICE, 1, 1, MINUTE_MS);
    JobSpec replicated =
        new JobSpec(
            s.consumer(),
            s.nonce(),
            s.name(),
            s.priority(),
            s.budget(),
            s.kinds(),
            s.tasks(),
            s.results(),
            new Verification.Replicate(2),
            s.urgency());
    JobId id = f.submit(replicated);
    long sum = f.sum();
    Lease one = f.schedule(9).getFirst();
    f.report(Sample.right(one));
    Lease other = f.schedule(9).getFirst();
    assertThat(other.provider()).isNotEqualTo(one.provider());
    f.nowUs += MINUTE_US;
    f.run(new Command.Schedule(9));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.stopped()).containsExactly(other.id());
    assertThat(f.sum()).as("nothing is lost").isEqualTo(sum);
    assertThat(f.run(new Command.Schedule(9))).as("it ends once").isEmpty();
  }

  @Test
  void whatIsReadyKnowsHowMuchTimeIsLeft() {
    JobId id = submit(1, 1, MINUTE_MS);
    assertThat(f.pool.why(id, null, f.nowUs).sentence())
        .contains("no provider takes tasks now")
        .endsWith("It must be done within 60 s.");
    assertThat(f.pool.why(id, null, f.nowUs + MINUTE_US).sentence())
        .endsWith("Its time is over: it ends in the next round.");
  }

  @Test
  void nonsenseIsRefused() {
    for (long deadline : new long[] {-1, Limits.DEADLINE_MS + 1}) {
      JobSpec bad = job(Sample.ALICE, 1, 1, deadline);
      assertThat(f.refused(new Command.SubmitJob(bad, Sample.SIGNATURE)).message())
          .contains("deadline", "or 0 for none");
    }
  }
}
