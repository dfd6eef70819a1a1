package dev.perseid.engine;

import java.util.List;

/// A task that failed.
///
/// @param task its name
/// @param id its number in the run
/// @param path names of the tasks whose ends and forks led to it, from the run's start; itself last
/// @param cause what it threw
public record Failure(String task, long id, List<String> path, Throwable cause) {
  /// A copy of the path.
  public Failure {
    path = List.copyOf(path);
  }

  @Override
  public String toString() {
    return "task '" + task + "' (" + String.join(" > ", path) + ") failed: " + cause;
  }
}
