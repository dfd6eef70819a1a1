package dev.perseid.core.schedule;

/// What is believed of the work of each task of one graph, and learned while it runs. Work is
/// seconds at speed 1.
public interface Forecast {
  /// What is believed of a task's work now.
  Estimate of(int task);

  /// A task has ended.
  ///
  /// @param work that it was
  void ended(int task, double work);

  /// Changes whenever what is believed may have changed.
  long edition();

  /// Fixed estimates that are believed to be off by a spread, each by itself.
  static Forecast fixed(double[] medians, double spread) {
    Estimate[] all = new Estimate[medians.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = new Estimate(medians[i], spread);
    }
    return new Forecast() {
      @Override
      public Estimate of(int task) {
        return all[task];
      }

      @Override
      public void ended(int task, double work) {}

      @Override
      public long edition() {
        return 0;
      }
    };
  }
}
