package dev.perseid.core;

/// How a pool serves the ready tasks of one job, and to whom they go: what the policies of
/// [dev.perseid.core.schedule] do with all that they know, done online, with what the pool has
/// learned, in O(log n) for each assignment. Between jobs and consumers nothing changes by it.
public enum Scheduling {
  /// As [#DYNAMIC_HEFT], but the longest way is that of tasks which all take longer than all but
  /// one in twenty of their kinds do, so that what may take long is begun early; and what is not
  /// known counts as long too, and is not risked on a slow machine. The usual one.
  LEARNED,
  /// As they stand in the job; to the best idle provider.
  FIFO,
  /// The longest way to the end first (b-level; Hu 1961), by the mean run time of their kinds, as
  /// far as it is known by then; to the best idle provider.
  B_LEVEL,
  /// The longest way first, by what is known when the job begins, which is how long the chain of
  /// tasks is; to where it ends first, idle or busy (HEFT: Topcuoglu, Hariri, Wu 2002).
  HEFT,
  /// As [#HEFT], but the longest way is looked up anew when run times have become known.
  DYNAMIC_HEFT;

  /// Whether tasks are in the order of the longest way to the end.
  boolean isByLevel() {
    return this != FIFO;
  }

  /// Whether that order follows what is learned of run times.
  boolean learnsOrder() {
    return isByLevel() && this != HEFT;
  }

  /// Whether a task may wait for a busy provider where it would end sooner.
  boolean awaits() {
    return this != FIFO && this != B_LEVEL;
  }
}
