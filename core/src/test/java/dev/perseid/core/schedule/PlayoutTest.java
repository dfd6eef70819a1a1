package dev.perseid.core.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class PlayoutTest {
  private static final double ROUNDING = 1e-9;
  private static final SchedulingPolicy.Foresight QUICK =
      new SchedulingPolicy.Foresight(40, 4, 100_000, 0.6, 0.5);

  static Stream<SchedulingPolicy> policies() {
    return Stream.of(
        new SchedulingPolicy.Fifo(),
        new SchedulingPolicy.BLevel(),
        new SchedulingPolicy.Heft(),
        new SchedulingPolicy.DynamicHeft(),
        QUICK);
  }

  private static Forecast wrong(RandomGraphs.Sample s, long seed, boolean pooled) {
    Noise noise = new Noise(seed + 1_000);
    double[] wrong = s.work().clone();
    Arrays.setAll(wrong, i -> wrong[i] * Math.exp(0.5 * noise.normal()));
    return pooled ? new PooledForecast(s.graph(), wrong, 0.5) : Forecast.fixed(wrong, 0.5);
  }

  private static Forecast learned(RandomGraphs.Sample s) {
    List<Estimator.Task> tasks = new ArrayList<>();
    for (int i = 0; i < s.work().length; i++) {
      tasks.add(new Estimator.Task(List.of("k" + s.graph().kind(i)), s.graph().inputBytes(i)));
    }
    return new LearnedForecast(new Estimator(1), tasks);
  }

  /// Checks a course against the rules by itself, without the board that made it.
  private static void valid(RandomGraphs.Sample s, Course course) {
    int size = s.graph().size();
    Attempt[] won = new Attempt[size];
    List<List<Attempt>> on = new ArrayList<>();
    for (int m = 0; m < s.fleet().size(); m++) {
      on.add(new ArrayList<>());
    }
    for (Attempt a : course.attempts()) {
      on.get(a.machine()).add(a);
      if (a.won()) {
        assertThat(won[a.task()]).isNull();
        won[a.task()] = a;
      }
    }
    assertThat(won).doesNotContainNull();
    double last = 0;
    for (Attempt a : course.attempts()) {
      double travel = 0;
      for (int k = 0; k < s.graph().parents(a.task()); k++) {
        Attempt parent = won[s.graph().parent(a.task(), k)];
        assertThat(parent.end()).isLessThanOrEqualTo(a.start());
        if (parent.machine() != a.machine()) {
          travel = Math.max(travel, s.fleet().transfer(s.graph().flowBytes(a.task(), k)));
        }
      }
      if (a.won()) {
        assertThat(a.end() - a.start())
            .isCloseTo(
                travel + s.work()[a.task()] / s.fleet().speed(a.machine()), within(ROUNDING));
      }
      last = Math.max(last, a.end());
    }
    assertThat(course.makespan()).isEqualTo(last);
    for (List<Attempt> mine : on) {
      mine.sort((a, b) -> Double.compare(a.start(), b.start()));
      for (int k = 1; k < mine.size(); k++) {
        assertThat(mine.get(k).start()).isGreaterThanOrEqualTo(mine.get(k - 1).end());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("policies")
  void everyCourseKeepsTheRulesAndIsTheSameAgain(SchedulingPolicy policy) {
    for (long seed = 1; seed <= 60; seed++) {
      double rate = seed % 3 == 0 ? 2 : Fleet.NO_TRANSFERS;
      RandomGraphs.Sample s = RandomGraphs.of(seed, 40, 6, rate);
      for (int told = 0; told < 4; told++) {
        Course first = Playout.run(s.graph(), s.fleet(), s.work(), told(s, seed, told), policy);
        Course again = Playout.run(s.graph(), s.fleet(), s.work(), told(s, seed, told), policy);
        valid(s, first);
        assertThat(again).as("seed %d, told %d", seed, told).isEqualTo(first);
        assertThat(first.makespan())
            .isGreaterThanOrEqualTo(LowerBound.of(s.graph(), s.work(), s.fleet()) * (1 - ROUNDING));
      }
    }
  }

  private static Forecast told(RandomGraphs.Sample s, long seed, int told) {
    return switch (told) {
      case 0 -> Forecast.fixed(s.work(), 0);
      case 1 -> wrong(s, seed, false);
      case 2 -> wrong(s, seed, true);
      case 3 -> learned(s);
      default -> throw new IllegalArgumentException("told " + told);
    };
  }

  @Test
  void foresightIsNeverLongerThanHeftWhereEstimatesAreExact() {
    int shorter = 0;
    for (long seed = 1; seed <= 100; seed++) {
      RandomGraphs.Sample s = RandomGraphs.of(seed, 40, 6, Fleet.NO_TRANSFERS);
      Forecast exact = Forecast.fixed(s.work(), 0);
      double heft =
          Playout.run(s.graph(), s.fleet(), s.work(), exact, new SchedulingPolicy.Heft())
              .makespan();
      double foresight = Playout.run(s.graph(), s.fleet(), s.work(), exact, QUICK).makespan();
      assertThat(foresight).as("seed %d", seed).isLessThanOrEqualTo(heft * (1 + ROUNDING));
      shorter += foresight < heft * (1 - ROUNDING) ? 1 : 0;
    }
    assertThat(shorter).isGreaterThan(10);
  }

  @Test
  void anIdleFastMachineTakesACopyOfAStraggler() {
    // The fast machine is busy for 2 s; the slow one takes what looks short and is long.
    WorkGraph.Node alone = new WorkGraph.Node(0, List.of(), 0);
    WorkGraph two = WorkGraph.of(List.of(alone, alone));
    double[] work = {8, 40};
    Forecast wrong = Forecast.fixed(new double[] {8, 1}, 0.8);
    Fleet fleet = Fleet.of(4, 1);
    Course without =
        Playout.run(two, fleet, work, wrong, new SchedulingPolicy.Foresight(40, 4, 1_000, 0.5, 0));
    Course with =
        Playout.run(two, fleet, work, wrong, new SchedulingPolicy.Foresight(40, 4, 1_000, 0.5, 9));
    assertThat(without.copies()).isZero();
    assertThat(without.makespan()).isEqualTo(40);
    assertThat(with.copies()).isEqualTo(1);
    assertThat(with.makespan()).isEqualTo(12);
    assertThat(with.copySeconds()).isEqualTo(12);
  }

  @Test
  void copiesStayWithinTheirBudget() {
    int copies = 0;
    for (long seed = 1; seed <= 60; seed++) {
      RandomGraphs.Sample s = RandomGraphs.of(seed, 40, 6, Fleet.NO_TRANSFERS);
      assertThat(played(s, seed, 0).copies()).isZero();
      Course some = played(s, seed, 0.1);
      // What runs when the budget is spent may still be lost: at most one attempt on each machine.
      double longest = Arrays.stream(s.work()).max().orElseThrow();
      double work = Arrays.stream(s.work()).sum() * s.fleet().meanPace();
      double error = Math.exp(0.5 * 3);
      assertThat(some.copySeconds())
          .as("seed %d", seed)
          .isLessThanOrEqualTo(0.1 * work * error + s.fleet().size() * longest);
      copies += some.copies();
    }
    assertThat(copies).isPositive();
  }

  private static Course played(RandomGraphs.Sample s, long seed, double copyShare) {
    return Playout.run(
        s.graph(),
        s.fleet(),
        s.work(),
        wrong(s, seed, false),
        new SchedulingPolicy.Foresight(40, 4, 100_000, 0.5, copyShare));
  }

  @Test
  void aGraphTooLargeToRehearseIsPlannedTaskByTask() {
    List<WorkGraph.Node> nodes = new ArrayList<>();
    int size = SchedulingPolicy.Foresight.TASKS_AT_MOST + 1;
    double[] work = new double[size];
    for (int i = 0; i < size; i++) {
      nodes.add(new WorkGraph.Node(0, List.of(), 0));
      work[i] = 1 + i % 7;
    }
    WorkGraph graph = WorkGraph.of(nodes);
    Fleet fleet = Fleet.of(3, 1, 1);
    Forecast exact = Forecast.fixed(work, 0);
    assertThat(Playout.run(graph, fleet, work, exact, SchedulingPolicy.Foresight.USUAL))
        .isEqualTo(Playout.run(graph, fleet, work, exact, new SchedulingPolicy.DynamicHeft()));
  }

  @Test
  void aTaskGoesWhereItsInputsAre() {
    WorkGraph chain =
        WorkGraph.of(
            List.of(
                new WorkGraph.Node(0, List.of(), 0),
                new WorkGraph.Node(0, List.of(new WorkGraph.Flow(0, 100)), 100)));
    double[] work = {1, 1};
    // Two machines, the second as fast; moving 100 bytes takes 10 s.
    for (SchedulingPolicy policy : List.of(new SchedulingPolicy.DynamicHeft(), QUICK)) {
      Course course =
          Playout.run(
              chain, new Fleet(new double[] {1, 1}, 10), work, Forecast.fixed(work, 0), policy);
      assertThat(course.makespan()).as(policy.word()).isEqualTo(2);
    }
  }

  @Test
  void aGraphWithoutTasksTakesNoTimeAndACircleIsNoGraph() {
    WorkGraph none = WorkGraph.of(List.of());
    assertThat(
            Playout.run(none, Fleet.of(1), new double[0], Forecast.fixed(new double[0], 0), QUICK)
                .makespan())
        .isZero();
    assertThat(LowerBound.of(none, new double[0], Fleet.of(1))).isZero();
    assertThatThrownBy(() ->
            WorkGraph.of(
                List.of(
                    new WorkGraph.Node(0, List.of(new WorkGraph.Flow(1, 0)), 0),
                    new WorkGraph.Node(0, List.of(new WorkGraph.Flow(0, 0)), 0))))
        .hasMessage("tasks wait for each other in a circle");
  }
}
