package dev.perseid.core.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class EstimatorTest {
  /// Shares of values that lay below the quantiles that were told before.
  private static final class Coverage {
    private final double[] shares = {0.1, 0.5, 0.9};
    private final int[] below = new int[shares.length];
    private int all;

    void see(Estimate said, double real) {
      all++;
      for (int q = 0; q < shares.length; q++) {
        below[q] += real <= said.quantile(shares[q]) ? 1 : 0;
      }
    }

    void holds(double tolerance) {
      for (int q = 0; q < shares.length; q++) {
        assertThat((double) below[q] / all)
            .as("quantile %s over %d values", shares[q], all)
            .isCloseTo(shares[q], within(tolerance));
      }
    }
  }

  @Test
  void quantilesHoldWhatTheySay() {
    for (double spread : new double[] {0.1, 0.4, 1}) {
      Noise noise = new Noise(7);
      Estimator estimator = new Estimator(1);
      Coverage coverage = new Coverage();
      for (int i = 0; i < 6_000; i++) {
        Estimator.Task task = new Estimator.Task(List.of("a"), noise.below(1_000_000));
        double real = 20 * Math.exp(spread * noise.normal());
        Estimate said = estimator.estimate(task);
        if (i > 200) {
          coverage.see(said, real);
        }
        estimator.learn(task, real);
      }
      coverage.holds(0.05);
    }
  }

  @Test
  void findsOutThatTimeGrowsWithInput() {
    Noise noise = new Noise(3);
    Estimator estimator = new Estimator(1);
    List<Double> off = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      long bytes = (long) (1_000 * Math.exp(5 * noise.even()));
      double real = bytes * 1e-3 * Math.exp(0.05 * noise.normal());
      Estimator.Task task = new Estimator.Task(List.of("sort"), bytes);
      if (i >= 50) {
        off.add(Math.abs(estimator.estimate(task).median() / real - 1));
      }
      estimator.learn(task, real);
    }
    off.sort(null);
    assertThat(off.get(off.size() / 2)).isLessThan(0.08);
  }

  @Test
  void prefersTheSpecialNameWhereItSaysMore() {
    Noise noise = new Noise(4);
    Estimator estimator = new Estimator(1);
    for (int i = 0; i < 60; i++) {
      boolean quick = i % 2 == 0;
      estimator.learn(
          new Estimator.Task(List.of("tool", quick ? "tool -q" : "tool -s"), 100),
          (quick ? 1 : 50) * Math.exp(0.05 * noise.normal()));
    }
    Estimate quick = estimator.estimate(new Estimator.Task(List.of("tool", "tool -q"), 100));
    Estimate slow = estimator.estimate(new Estimator.Task(List.of("tool", "tool -s"), 100));
    assertThat(quick.median()).isCloseTo(1, within(0.1));
    assertThat(slow.median()).isCloseTo(50, within(5.0));
    assertThat(slow.spread()).isLessThan(0.4);
    // A name never seen falls back to the general one; a program never seen to all programs, with
    // doubt.
    assertThat(estimator.estimate(new Estimator.Task(List.of("tool", "tool -x"), 100)).median())
        .isBetween(0.5, 100.0);
    assertThat(estimator.estimate(new Estimator.Task(List.of("other"), 100)).spread())
        .isGreaterThan(1);
  }

  @Test
  void knowsNothingAtFirst() {
    Estimate said = new Estimator(30).estimate(new Estimator.Task(List.of("a"), 0));
    assertThat(said.median()).isEqualTo(30);
    assertThat(said.spread()).isGreaterThan(1);
  }

  @Test
  void whatIsLeftOfARunGrowsWithoutABoundOnlyIfNothingIsCertain() {
    Estimate certain = Estimate.exactly(10);
    assertThat(certain.left(4, 0.9)).isEqualTo(6);
    assertThat(certain.left(12, 0.9)).isZero();
    Estimate unsure = new Estimate(10, 1);
    assertThat(unsure.left(0, 0.5)).isCloseTo(10, within(1e-6));
    assertThat(unsure.left(100, 0.5)).isGreaterThan(unsure.left(20, 0.5));
    // Of those that take more than 10, half take more than exp(0.6745) times 10.
    assertThat(unsure.left(10, 0.5)).isCloseTo(10 * Math.exp(0.6745) - 10, within(0.01));
    assertThat(unsure.mean()).isCloseTo(10 * Math.exp(0.5), within(1e-9));
  }

  @Test
  void poolingMakesWrongEstimatesBetterAndKnowsByHowMuch() {
    Noise noise = new Noise(11);
    int size = 4_000;
    List<WorkGraph.Node> nodes = new ArrayList<>();
    double[] real = new double[size];
    double[] given = new double[size];
    for (int i = 0; i < size; i++) {
      int kind = noise.below(20);
      nodes.add(new WorkGraph.Node(kind, List.of(), 0));
      real[i] = (1 + kind) * Math.exp(0.2 * noise.normal());
      given[i] = real[i] * Math.exp(0.5 * noise.normal());
    }
    PooledForecast pooled = new PooledForecast(WorkGraph.of(nodes), given, 0.5);
    Coverage coverage = new Coverage();
    double before = 0;
    double after = 0;
    for (int i = 0; i < size; i++) {
      Estimate said = pooled.of(i);
      coverage.see(said, real[i]);
      before += Math.abs(Math.log(given[i] / real[i])) / size;
      after += Math.abs(Math.log(said.median() / real[i])) / size;
      if (i % 2 == 0) {
        pooled.ended(i, real[i]);
      }
    }
    assertThat(after).isLessThan(before / 2);
    coverage.holds(0.05);
  }

  @Test
  void theNormalDistributionIsItself() {
    for (double p = 0.001; p < 1; p += 0.001) {
      assertThat(Normal.below(Normal.quantile(p))).isCloseTo(p, within(1e-6));
    }
    assertThat(Normal.quantile(0.975)).isCloseTo(1.959964, within(1e-6));
    assertThat(Normal.quantile(0)).isEqualTo(Double.NEGATIVE_INFINITY);
    assertThat(Normal.quantile(1)).isEqualTo(Double.POSITIVE_INFINITY);
  }

  @Test
  void gasTellsOfATaskThatNeverRan() {
    Noise noise = new Noise(5);
    Paces paces = new Paces();
    assertThat(paces.nsPerGas("near")).isEmpty();
    for (int i = 0; i < 40; i++) {
      long gas = 1_000_000L * (1 + noise.below(1_000));
      paces.learnGas("near", gas, gas * 2e-9 * Math.exp(0.05 * noise.normal()));
      paces.learnGas("far", gas, gas * 8e-9 * Math.exp(0.05 * noise.normal()));
    }
    assertThat(paces.nsPerGas("near").orElseThrow()).isCloseTo(2, within(0.2));
    assertThat(paces.ofGas("far", 5_000_000_000L).median()).isCloseTo(40, within(4.0));
    assertThat(paces.ofGas("never seen", 1_000_000_000L).median()).isBetween(2.0, 8.0);
  }

  @Test
  void speedsAreLearnedNotDeclared() {
    Noise noise = new Noise(6);
    Paces paces = new Paces();
    assertThat(paces.speed("a").median()).isEqualTo(1);
    paces.learn("a", 10, 40);
    // One record makes a provider slower than usual, not four times.
    assertThat(paces.speed("a").median()).isBetween(0.25, 0.9);
    for (int i = 0; i < 100; i++) {
      paces.learn("a", 10, 40 * Math.exp(0.3 * noise.normal()));
    }
    assertThat(paces.speed("a").median()).isCloseTo(0.25, within(0.03));
    assertThat(paces.speed("a").spread()).isLessThan(0.1);
    for (int i = 0; i < 200; i++) {
      paces.learn("a", 10, 5);
    }
    assertThat(paces.speed("a").median()).isCloseTo(2, within(0.2));
  }
}
