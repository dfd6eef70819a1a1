package dev.perseid.core.schedule;

/// How ready tasks get to machines. All may be used in a [Playout].
public sealed interface SchedulingPolicy {
  /// First ready, first served, by the fastest idle machine.
  record Fifo() implements SchedulingPolicy {}

  /// The task with the longest way to the end first, to the fastest idle machine.
  record BLevel() implements SchedulingPolicy {}

  /// HEFT (Topcuoglu, Hariri, Wu 2002): a plan made once.
  record Heft() implements SchedulingPolicy {}

  /// HEFT whose plan of the ready tasks is made again whenever something ended.
  record DynamicHeft() implements SchedulingPolicy {}

  /// The default: rehearses the rest of the graph with many plans and follows the best, plans again
  /// when things turn out otherwise, and uses idle machines for copies of tasks that may be late.
  ///
  /// @param plans made at the begin, at most
  /// @param plansAgain made when something turned out otherwise, or where estimates are unsure, at
  ///   most
  /// @param placements of tasks in all those plans, at most; after that one plan is made each time
  /// @param quantile of an estimate that is planned with, between 0 and 1
  /// @param copyShare machine seconds that copies may waste, as a share of the seconds that all
  ///   tasks take; 0 makes no copies
  record Foresight(int plans, int plansAgain, long placements, double quantile, double copyShare)
      implements SchedulingPolicy {
    /// Larger graphs are planned as [DynamicHeft] does: the rest of them would be too much to
    /// rehearse at every event.
    public static final int TASKS_AT_MOST = 2_000;

    /// What is used unless something else is asked for.
    public static final Foresight USUAL = new Foresight(1_000, 6, 5_000_000, 0.55, 0.5);

    /// Checks its parts.
    public Foresight {
      if (plans < 1 || plansAgain < 1 || placements < 1 || !(quantile > 0 && quantile < 1)) {
        throw new IllegalArgumentException("at least one plan, and a quantile between 0 and 1");
      }
    }
  }

  /// What it is called in options and tables.
  default String word() {
    return switch (this) {
      case Fifo f -> "fifo";
      case BLevel b -> "b-level";
      case Heft h -> "heft";
      case DynamicHeft d -> "dynamic-heft";
      case Foresight f -> "foresight";
    };
  }
}
