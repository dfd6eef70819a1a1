package dev.perseid.core.schedule;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A forecast by an [Estimator] that learns whatever ends.
public final class LearnedForecast implements Forecast {
  private final Estimator estimator;
  private final List<Estimator.Task> tasks;
  private final @Nullable Estimate[] known;
  private long edition;

  /// A forecast.
  ///
  /// @param tasks by their numbers in the graph
  public LearnedForecast(Estimator estimator, List<Estimator.Task> tasks) {
    this.estimator = estimator;
    this.tasks = List.copyOf(tasks);
    known = new Estimate[tasks.size()];
  }

  @Override
  public Estimate of(int task) {
    Estimate e = known[task];
    if (e == null) {
      e = estimator.estimate(tasks.get(task));
      known[task] = e;
    }
    return e;
  }

  @Override
  public void ended(int task, double work) {
    estimator.learn(tasks.get(task), work);
    edition++;
    Arrays.fill(known, null);
  }

  @Override
  public long edition() {
    return edition;
  }
}
