package dev.perseid.cli;

/// Every limit and default of job files, in one place. Limits of jobs are core's.
final class JobLimits {
  /// Bytes of a job file or a workflow file.
  static final long FILE_BYTES = 256L << 20;

  /// Bytes of a module.
  static final long MODULE_BYTES = 64L << 20;

  /// Gas of a task that states none: some minutes of one core.
  static final long DEFAULT_GAS = 100_000_000_000L;

  static final int DEFAULT_MEMORY_MIB = 64;
  static final int DEFAULT_OUTPUT_MIB = 64;
  static final long DEFAULT_WALL_MS = 600_000;
  static final int DEFAULT_ATTEMPTS = 3;

  /// Depth to which lists and mappings may be nested; the format itself needs five.
  static final int DEPTH = 50;

  private JobLimits() {}
}
