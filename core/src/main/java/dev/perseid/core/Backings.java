package dev.perseid.core;

/// On whose word alone the results of a job's tasks count, in columns: 28 bytes a task. What
/// several providers agree on stands on nobody's word and is not in here.
final class Backings {
  private static final int NOBODY = 0;

  /// The provider's index and one more, or [#NOBODY].
  private final int[] providers;

  private final long[] entries;
  private final long[] charges;

  /// Gas and one more; 0 if none was counted.
  private final long[] gas;

  /// @param tasks how many the job has, or 0 where nothing is checked and nobody asks
  Backings(int tasks) {
    providers = new int[tasks];
    entries = new long[tasks];
    charges = new long[tasks];
    gas = new long[tasks];
  }

  /// The task's result counts on one provider's word.
  void stand(int task, int provider, long entry, long charge, long gasUsed) {
    providers[task] = provider + 1;
    entries[task] = entry;
    charges[task] = charge;
    gas[task] = gasUsed + 1;
  }

  /// The task's result does not count any more, or more than one provider says so.
  void clear(int task) {
    if (providers.length > 0) {
      providers[task] = NOBODY;
    }
  }

  boolean isAlone(int task) {
    return providers.length > 0 && providers[task] != NOBODY;
  }

  /// Whether the task's result counts on this provider's word.
  boolean isBy(int task, int provider) {
    return providers.length > 0 && providers[task] == provider + 1;
  }

  /// The provider's index.
  int provider(int task) {
    return providers[task] - 1;
  }

  /// Index of the record.
  long entry(int task) {
    return entries[task];
  }

  /// What was paid for it, microcredits.
  long charge(int task) {
    return charges[task];
  }

  /// -1 if none was counted.
  long gas(int task) {
    return gas[task] - 1;
  }

  void write(Out out, int task) {
    out.number(providers[task] + 1);
    out.number(entries[task]);
    out.number(charges[task]);
    out.number(gas[task]);
  }

  void read(In in, int task) {
    providers[task] = in.integer() - 1;
    entries[task] = in.number();
    charges[task] = in.number();
    gas[task] = in.number();
  }
}
