package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// Code of a task that may add tasks, and ask whether it is cancelled.
@FunctionalInterface
public interface FlowBody<T extends @Nullable Object> {
  /// Computes the task's value.
  ///
  /// @param flow the running task; valid until this returns, on this thread only
  /// @throws Exception what goes wrong: the attempt has failed
  T run(Flow flow) throws Exception;
}
