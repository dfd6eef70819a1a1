package dev.perseid.engine;

/// Code that many tasks share: each gets its place among them.
@FunctionalInterface
public interface IndexedAction {
  /// Does it for one of the tasks.
  ///
  /// @param index from 0
  /// @throws Exception what goes wrong: the attempt has failed
  void run(int index) throws Exception;
}
