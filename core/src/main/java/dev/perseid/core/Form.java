package dev.perseid.core;

/// What the code of a kind of tasks is, and with it what can be known of its results.
public sealed interface Form {
  /// A portable module: the same outputs and the same gas on every machine. Whoever doubts a result
  /// runs it again.
  record Portable() implements Form {}

  /// A program for the machine itself. It is not metered, and nothing makes it do the same twice: a
  /// result is never verified, only compared with what others got.
  ///
  /// @param platform where it runs
  /// @param comparison when two results count as alike
  /// @param gpus which GPUs a task reserves
  record Native(Platform platform, Comparison comparison, Gpus gpus) implements Form {
    /// Without GPUs.
    public Native(Platform platform, Comparison comparison) {
      this(platform, comparison, Gpus.NONE);
    }
  }
}
