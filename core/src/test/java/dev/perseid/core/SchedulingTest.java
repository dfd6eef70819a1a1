package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The ways to schedule a job.
class SchedulingTest {
  private static final long SECOND_US = 1_000_000;
  private static final long SECOND_NS = 1_000_000_000;
  private static final int QUICK = 0;
  private static final int LONG = 1;

  private final Fixture f = new Fixture();

  private static TaskSpec task(int kind, int copy, Integer... after) {
    return new TaskSpec(null, kind, copy, "", List.of(), List.of(after), 1);
  }

  private static JobSpec job(Scheduling how, List<TaskSpec> tasks) {
    JobSpec s = Sample.job(1, List.of(Sample.task(0)));
    TaskKind k = s.kinds().getFirst();
    TaskKind other =
        new TaskKind(
            "other",
            k.module(),
            k.gasLimit(),
            k.memoryBytes(),
            k.outputBytesLimit(),
            k.wallLimitMs(),
            1,
            k.maxAttempts());
    return new JobSpec(
        s.consumer(),
        1,
        s.name(),
        0,
        90_000_000,
        List.of(k, other),
        tasks,
        List.of(),
        s.verification(),
        new Urgency(Thrift.NONE, 0, 0, how));
  }

  /// The order in which one core gets the tasks of a job, each of which takes as long as its kind.
  private List<Integer> order(JobSpec job) {
    f.join(1, 1);
    f.submit(job);
    List<Integer> order = new ArrayList<>();
    for (List<Lease> next = f.schedule(1); !next.isEmpty(); next = f.schedule(1)) {
      Lease lease = next.getFirst();
      order.add(lease.task());
      long seconds = job.tasks().get(lease.task()).kind() == LONG ? 10 : 1;
      f.nowUs += seconds * SECOND_US;
      f.report(Sample.done(lease, seconds * SECOND_NS));
    }
    return order;
  }

  /// Two ways: from the second task two quick ones, from the third a long one.
  private static List<TaskSpec> ways() {
    return List.of(
        task(QUICK, 0),
        task(QUICK, 1),
        task(QUICK, 2),
        task(QUICK, 3, 1),
        task(QUICK, 4, 3),
        task(LONG, 0, 2),
        task(LONG, 1));
  }

  @Test
  void fifoTakesThemAsTheyStand() {
    assertThat(order(job(Scheduling.FIFO, ways()))).containsExactly(0, 1, 2, 3, 4, 5, 6);
  }

  @Test
  void heftCountsTasksAndDoesNotLearn() {
    assertThat(order(job(Scheduling.HEFT, ways()))).containsExactly(1, 2, 3, 0, 4, 5, 6);
  }

  @ParameterizedTest
  @EnumSource(names = {"B_LEVEL", "DYNAMIC_HEFT", "LEARNED"})
  void theOthersLearnWhichWayIsTheLongest(Scheduling how) {
    List<TaskSpec> tasks = new ArrayList<>(ways());
    // Something long that is over before the rest is looked at.
    tasks.replaceAll(t -> task(t.kind(), t.copy() + 1, after(t)));
    tasks.addFirst(task(LONG, 9));
    List<Integer> order = order(job(how, tasks));
    int leadsToLong = 3;
    int leadsToQuick = 2;
    assertThat(order.indexOf(leadsToLong)).isLessThan(order.indexOf(leadsToQuick + 2));
    assertThat(order.indexOf(6)).as("the long one").isLessThan(order.indexOf(5));
  }

  private static Integer[] after(TaskSpec t) {
    return t.after().stream().map(before -> before + 1).toArray(Integer[]::new);
  }

  /// One of two providers takes eight times as long as the other, which has something to do for a
  /// second more; so its next task would end sooner there.
  private List<Lease> withAFastOneThatIsBusy(Scheduling how) {
    f.join(1, 1);
    f.join(2, 1);
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      tasks.add(task(QUICK, t));
    }
    f.submit(job(how, tasks));
    List<Lease> both = f.schedule(2);
    f.nowUs += SECOND_US;
    f.report(Sample.done(both.getFirst(), SECOND_NS));
    for (int more = 0; more < 2; more++) {
      Lease next = f.schedule(1).getFirst();
      f.nowUs += SECOND_US;
      f.report(Sample.done(next, SECOND_NS));
    }
    f.nowUs += 5 * SECOND_US;
    f.report(Sample.done(both.getLast(), 8 * SECOND_NS));
    List<Lease> given = f.schedule(1);
    assertThat(given.getFirst().provider()).isEqualTo(both.getFirst().provider());
    return f.schedule(1);
  }

  @ParameterizedTest
  @EnumSource(names = {"HEFT", "DYNAMIC_HEFT", "LEARNED"})
  void whatWouldEndSoonerElsewhereWaits(Scheduling how) {
    assertThat(withAFastOneThatIsBusy(how)).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(names = {"FIFO", "B_LEVEL"})
  void orNot(Scheduling how) {
    assertThat(withAFastOneThatIsBusy(how)).hasSize(1);
    assertThat(
            f.refused(
                    new Command.SubmitJob(
                        Sample.like(
                            job(how, List.of(task(QUICK, 0))),
                            new Urgency(Thrift.ofCredits(1_000), 0, 0, how)),
                        Sample.SIGNATURE))
                .message())
        .contains("fifo and b_level have none wait", "write another scheduler, or no thrift");
  }
}
