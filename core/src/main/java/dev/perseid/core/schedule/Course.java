package dev.perseid.core.schedule;

import java.util.List;

/// How a graph ran.
///
/// @param attempts in the order in which they ended
/// @param makespan seconds until the last task was done
/// @param copies attempts beside another attempt at the same task
/// @param copySeconds of machines, in attempts that were not the ones that were done
public record Course(List<Attempt> attempts, double makespan, int copies, double copySeconds) {
  /// Copies the list.
  public Course {
    attempts = List.copyOf(attempts);
  }
}
