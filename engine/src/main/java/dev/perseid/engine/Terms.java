package dev.perseid.engine;

import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/// What a task asks of the engine. Unchangeable; each method returns terms with one thing changed.
///
/// @param priority tasks above 0 start before all others, those below 0 after all others
/// @param needs amounts of the engine's named resources that are held while it runs, and of
///   [#CORES]; a task with a flow, or a loop, can have them only on a virtual thread, and no cores
/// @param deadlineNs when it should have ended, after the run's start, also if it was forked later;
///   0: whenever. Among tasks of one priority the earliest deadline starts first; a record says
///   when one was missed
/// @param timeoutNs an attempt that takes longer is interrupted and has failed; 0: none
/// @param attempts how often it is tried
/// @param backoffNs the wait before the second attempt; it doubles each time
/// @param blocking whether it waits more than it computes: it runs on a virtual thread of its own
public record Terms(
    int priority,
    Map<String, Long> needs,
    long deadlineNs,
    long timeoutNs,
    int attempts,
    long backoffNs,
    boolean blocking) {
  /// The name under which [#cores] are needed.
  public static final String CORES = "cores";

  /// The name under which [#memory] is needed.
  public static final String MEMORY = "memory";

  private static final Terms USUAL = new Terms(0, Map.of(), 0, 0, 1, 0, false);

  /// @throws IllegalArgumentException if something is negative, or there is no attempt
  public Terms {
    if (deadlineNs < 0 || timeoutNs < 0 || backoffNs < 0 || attempts < 1) {
      throw new IllegalArgumentException(
          "deadline, timeout and backoff are not negative, attempts at least 1");
    }
    for (Map.Entry<String, Long> need : needs.entrySet()) {
      if (need.getValue() <= 0) {
        throw new IllegalArgumentException(
            "a task needs at least 1 of '" + need.getKey() + "', not " + need.getValue());
      }
    }
    needs = Map.copyOf(needs);
  }

  /// A compute task of priority 0, tried once.
  public static Terms usual() {
    return USUAL;
  }

  /// With a priority.
  public Terms priority(int value) {
    return new Terms(value, needs, deadlineNs, timeoutNs, attempts, backoffNs, blocking);
  }

  /// With so many of the engine's workers while it runs: its own, and others that do nothing
  /// meanwhile, so that code with threads of its own has that many cores. On a virtual thread all
  /// of them do nothing. A task that does not say so has one worker, on a virtual thread none.
  public Terms cores(int count) {
    return needs(CORES, count);
  }

  /// With memory in bytes, of what [EngineConfig#memory] says there is. Nobody measures whether it
  /// takes more.
  public Terms memory(long bytes) {
    return needs(MEMORY, bytes);
  }

  /// With a named resource of the engine, e.g. `gpu`.
  public Terms needs(String resource, long amount) {
    Map<String, Long> more = new TreeMap<>(needs);
    more.put(resource, amount);
    return new Terms(priority, more, deadlineNs, timeoutNs, attempts, backoffNs, blocking);
  }

  /// With a time after the run's start by which it should have ended.
  public Terms deadline(Duration after) {
    return new Terms(priority, needs, after.toNanos(), timeoutNs, attempts, backoffNs, blocking);
  }

  /// With a limit to the time of one attempt.
  public Terms timeout(Duration limit) {
    return new Terms(priority, needs, deadlineNs, limit.toNanos(), attempts, backoffNs, blocking);
  }

  /// With more attempts, should the first fail.
  public Terms retries(int more, Duration backoff) {
    return new Terms(priority, needs, deadlineNs, timeoutNs, 1 + more, backoff.toNanos(), blocking);
  }

  /// Refuses what a task that may wait for others cannot have: a worker that waits runs others'
  /// tasks on top, and one of these might wait, for ever, for what this one holds; and cores that
  /// it holds its tasks would lack.
  void checkWaiting(String task) {
    if (needs.containsKey(CORES)) {
      throw new IllegalArgumentException(
          "task '"
              + task
              + "' holds cores while it may wait for what it forks or runs, which needs them: say"
              + " cores for these, or hand over code without a flow");
    }
    if (!needs.isEmpty() && !blocking) {
      throw new IllegalArgumentException(
          "task '"
              + task
              + "' holds "
              + needs.keySet()
              + " while it may wait for what it forks or runs: add onVirtualThread to its terms");
    }
  }

  /// On a virtual thread of its own.
  public Terms onVirtualThread() {
    return new Terms(priority, needs, deadlineNs, timeoutNs, attempts, backoffNs, true);
  }
}
