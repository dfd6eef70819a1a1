package dev.perseid.core;

import java.util.Optional;

/// Says what is wrong with a job.
public final class JobCheck {
  private JobCheck() {}

  /// What is wrong and what to write instead; empty for a good job. O(tasks + edges).
  public static Optional<String> problem(JobSpec spec) {
    throw new UnsupportedOperationException("soon");
  }
}
