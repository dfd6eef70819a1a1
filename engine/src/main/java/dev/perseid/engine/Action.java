package dev.perseid.engine;

/// Code of a task that returns nothing.
@FunctionalInterface
public interface Action {
  /// Does it.
  ///
  /// @throws Exception what goes wrong: the attempt has failed
  void run() throws Exception;
}
