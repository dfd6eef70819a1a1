package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// Code of a task that takes the values of two others.
@FunctionalInterface
public interface Joining<
    A extends @Nullable Object, B extends @Nullable Object, T extends @Nullable Object> {
  /// Computes the task's value.
  ///
  /// @throws Exception what goes wrong: the attempt has failed
  T join(A first, B second) throws Exception;
}
