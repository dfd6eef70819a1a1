package dev.perseid.core.schedule;

import java.util.Arrays;

/// Estimates that came from elsewhere and are off by a known spread each, made better by what tasks
/// of one kind have in common: in a kind, true work is taken as log-normal around the kind's
/// middle, which follows from all its estimates and from what ended; each estimate is drawn to the
/// middle by as much as the kind's own spread is small beside the estimates' (empirical Bayes).
/// [#ended] and [#of] cost O(1).
public final class PooledForecast implements Forecast {
  /// Kinds are believed to be no more alike than this.
  private static final double LEAST = 0.03;

  /// The variance within a kind of which nothing is known, and as how many values that counts.
  private static final double ASSUMED = 0.1;

  private static final double ASSUMED_WEIGHT = 2;

  /// A true value says as much of the spread within a kind as so many estimates, whose own error
  /// hides it.
  private static final double SAYS_MORE = 16;

  /// Some values, by their sums.
  private static final class Moments {
    private int count;
    private double sum;
    private double square;

    void add(double y, int sign) {
      count += sign;
      sum += sign * y;
      square += sign * y * y;
    }

    double mean() {
      return count == 0 ? 0 : sum / count;
    }

    /// Of the distances from the mean.
    double squares() {
      return Math.max(0, square - count * mean() * mean());
    }
  }

  private final WorkGraph graph;
  private final double[] given;
  private final double error;
  private final boolean[] over;
  private final Moments[] open;
  private final Moments[] closed;
  private long edition;

  /// Pools estimates.
  ///
  /// @param medians of each task's work as given, more than 0
  /// @param spread that they are off by
  public PooledForecast(WorkGraph graph, double[] medians, double spread) {
    this.graph = graph;
    this.error = spread * spread;
    given = new double[medians.length];
    over = new boolean[medians.length];
    int kinds = graph.kinds();
    open = new Moments[kinds];
    closed = new Moments[kinds];
    Arrays.setAll(open, k -> new Moments());
    Arrays.setAll(closed, k -> new Moments());
    for (int i = 0; i < given.length; i++) {
      given[i] = Math.log(medians[i]);
      open[graph.kind(i)].add(given[i], 1);
    }
  }

  @Override
  public Estimate of(int task) {
    if (error == 0) {
      return Estimate.exactly(Math.exp(given[task]));
    }
    Moments guessed = open[graph.kind(task)];
    Moments known = closed[graph.kind(task)];
    double weight = ASSUMED_WEIGHT;
    double own = ASSUMED_WEIGHT * ASSUMED;
    if (guessed.count > 1) {
      weight += guessed.count - 1;
      own += guessed.squares() - (guessed.count - 1) * error;
    }
    if (known.count > 1) {
      weight += SAYS_MORE * (known.count - 1);
      own += SAYS_MORE * known.squares();
    }
    own = Math.max(LEAST * LEAST, own / weight);
    double guesses = guessed.count / (own + error);
    double facts = known.count / own;
    double middle = (guesses * guessed.mean() + facts * known.mean()) / (guesses + facts);
    double keeps = own / (own + error);
    double y = middle + keeps * (given[task] - middle);
    double unsure = keeps * error + (1 - keeps) * (1 - keeps) / (guesses + facts);
    return new Estimate(Math.exp(y), Math.sqrt(unsure));
  }

  @Override
  public void ended(int task, double work) {
    if (over[task]) {
      return;
    }
    over[task] = true;
    open[graph.kind(task)].add(given[task], -1);
    closed[graph.kind(task)].add(Math.log(work), 1);
    edition++;
  }

  @Override
  public long edition() {
    return error == 0 ? 0 : edition;
  }
}
