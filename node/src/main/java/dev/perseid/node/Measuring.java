package dev.perseid.node;

/// Whether providers have to show the hardware that they declare, and what counts as a GPU.
///
/// @param on whether they have to: when they come, and now and then
/// @param leastGpuStepsPerS what counts as a GPU must do so many steps of the measurement a second,
///   and more than all cores of its provider together: else these could do its work. 0: whatever
///   does the work counts, also a processor
public record Measuring(boolean on, long leastGpuStepsPerS) {
  /// About what four cores of today do: the least that is worth the name.
  public static final long USUAL_GPU_STEPS_PER_S = 5_000_000_000L;

  /// What providers declare is believed.
  public static final Measuring OFF = new Measuring(false, USUAL_GPU_STEPS_PER_S);

  /// They have to show it.
  public static final Measuring ON = new Measuring(true, USUAL_GPU_STEPS_PER_S);

  /// @throws IllegalArgumentException if the steps are negative
  public Measuring {
    if (leastGpuStepsPerS < 0) {
      throw new IllegalArgumentException(
          "the least steps of a GPU are " + leastGpuStepsPerS + "; they must be 0 or more");
    }
  }
}
