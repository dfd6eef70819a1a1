package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// A task that another one added.
public sealed interface Fork<T extends @Nullable Object> permits Branch {
  /// Its value, when it has ended. Meanwhile this thread runs other tasks. Only the task that
  /// forked it may wait for it: so nobody waits in a circle.
  ///
  /// @throws RunFailure if it failed or was cancelled
  /// @throws IllegalStateException if another task asks
  T join() throws RunFailure;
}
