package dev.perseid.core;

/// Where one input of a task comes from.
public sealed interface Input {
  /// A blob that the consumer stored in the pool before submitting.
  record Stored(Blob blob) implements Input {}

  /// The output of another task of the same job, which thereby must end first.
  ///
  /// @param task index of that task in the job
  /// @param output which of its outputs
  record Produced(int task, int output) implements Input {}
}
