package dev.perseid.core.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

final class LowerBoundTest {
  private static final double ROUNDING = 1e-6;

  /// The shortest makespan, by trying every order and every machine.
  private static final class Optimum {
    private final RandomGraphs.Sample s;
    private final double[] end;
    private final double[] free;
    private double best = Double.POSITIVE_INFINITY;

    Optimum(RandomGraphs.Sample s) {
      this.s = s;
      end = new double[s.graph().size()];
      free = new double[s.fleet().size()];
    }

    double find() {
      go(0, 0);
      return best;
    }

    private void go(int done, double last) {
      if (last >= best) {
        return;
      }
      if (Integer.bitCount(done) == s.graph().size()) {
        best = last;
        return;
      }
      for (int i = 0; i < s.graph().size(); i++) {
        double ready = ready(i, done);
        if ((done >> i & 1) == 1 || ready < 0) {
          continue;
        }
        for (int m = 0; m < free.length; m++) {
          double was = free[m];
          end[i] = Math.max(was, ready) + s.work()[i] / s.fleet().speed(m);
          free[m] = end[i];
          go(done | 1 << i, Math.max(last, end[i]));
          free[m] = was;
        }
      }
    }

    private double ready(int task, int done) {
      double at = 0;
      for (int k = 0; k < s.graph().parents(task); k++) {
        int p = s.graph().parent(task, k);
        if ((done >> p & 1) == 0) {
          return -1;
        }
        at = Math.max(at, end[p]);
      }
      return at;
    }
  }

  @Test
  void noScheduleIsShorter() {
    int tight = 0;
    int better = 0;
    int graphs = 600;
    for (long seed = 1; seed <= graphs; seed++) {
      RandomGraphs.Sample s = RandomGraphs.of(seed, 7, 3, Fleet.NO_TRANSFERS);
      double bound = LowerBound.of(s.graph(), s.work(), s.fleet());
      double simple = LowerBound.simple(s.graph(), s.work(), s.fleet());
      double optimum = new Optimum(s).find();
      assertThat(bound).as("seed %d", seed).isLessThanOrEqualTo(optimum * (1 + ROUNDING));
      assertThat(bound).as("seed %d", seed).isGreaterThanOrEqualTo(simple * (1 - ROUNDING));
      tight += bound > optimum * (1 - ROUNDING) ? 1 : 0;
      better += bound > simple * (1 + ROUNDING) ? 1 : 0;
    }
    // It is not only valid but says something: often it is the optimum, often more than the simple
    // one.
    assertThat(tight).isGreaterThan(graphs / 2);
    assertThat(better).isGreaterThan(graphs / 10);
  }

  @Test
  void noPolicyIsShorterOnLargerGraphs() {
    for (long seed = 1; seed <= 150; seed++) {
      RandomGraphs.Sample s = RandomGraphs.of(seed, 60, 8, Fleet.NO_TRANSFERS);
      double bound = LowerBound.of(s.graph(), s.work(), s.fleet());
      double found =
          Playout.run(
                  s.graph(),
                  s.fleet(),
                  s.work(),
                  Forecast.fixed(s.work(), 0),
                  new SchedulingPolicy.Foresight(60, 5, 100_000, 0.5, 0))
              .makespan();
      assertThat(bound).as("seed %d", seed).isLessThanOrEqualTo(found * (1 + ROUNDING));
    }
  }

  @Test
  void equalTasksAreCountedAndStagesAddUp() {
    // Five tasks of 6 on four machines: one machine gets two.
    WorkGraph.Node alone = new WorkGraph.Node(0, List.of(), 0);
    WorkGraph five = WorkGraph.of(List.of(alone, alone, alone, alone, alone));
    double[] sixes = {6, 6, 6, 6, 6};
    assertThat(LowerBound.of(five, sixes, Fleet.of(1, 1, 1, 1))).isCloseTo(12, within(ROUNDING));
    assertThat(LowerBound.simple(five, sixes, Fleet.of(1, 1, 1, 1))).isEqualTo(7.5);
    // A machine of speed 1 needs 6 s for one of them, one of speed 2 does two in that time.
    assertThat(LowerBound.of(five, sixes, Fleet.of(2, 1))).isCloseTo(12, within(ROUNDING));
    // Two stages of three tasks, one after the other, on two machines: 2 + 2 rounds, not 6 / 2.
    List<WorkGraph.Flow> first =
        List.of(new WorkGraph.Flow(0, 0), new WorkGraph.Flow(1, 0), new WorkGraph.Flow(2, 0));
    WorkGraph.Node second = new WorkGraph.Node(0, first, 0);
    WorkGraph stages = WorkGraph.of(List.of(alone, alone, alone, second, second, second));
    assertThat(LowerBound.of(stages, new double[] {1, 1, 1, 1, 1, 1}, Fleet.of(1, 1)))
        .isCloseTo(4, within(ROUNDING));
  }
}
