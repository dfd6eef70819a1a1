package dev.perseid.engine;

import org.jspecify.annotations.Nullable;

/// Code of a task that takes the value of another one.
@FunctionalInterface
public interface Mapping<A extends @Nullable Object, T extends @Nullable Object> {
  /// Computes the task's value.
  ///
  /// @throws Exception what goes wrong: the attempt has failed
  T map(A value) throws Exception;
}
