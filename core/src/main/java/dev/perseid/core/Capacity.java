package dev.perseid.core;

/// What a provider showed of the hardware that it declares, when its pool last measured it.
/// docs/capability.md has how.
///
/// @param atUs when, microseconds of the pool's clock; 0: never
/// @param cores how many cores it showed, at most as many as it declared
/// @param memoryBytes how much memory it showed, at most as much as it declared
/// @param gpus which GPUs it showed, at most those that it declared
/// @param stepsPerS steps of the measurement that all of its cores together did in a second
/// @param gpuStepsPerS likewise all of its GPUs together; 0 if it has none
/// @param problem why nothing of it can be believed, one sentence; empty if it can
public record Capacity(
    long atUs,
    int cores,
    long memoryBytes,
    Gpus gpus,
    long stepsPerS,
    long gpuStepsPerS,
    String problem) {
  /// Nothing was measured yet.
  public static final Capacity UNKNOWN = new Capacity(0, 0, 0, 0, "");

  /// Of a machine without GPUs.
  public Capacity(long atUs, int cores, long memoryBytes, long stepsPerS, String problem) {
    this(atUs, cores, memoryBytes, Gpus.NONE, stepsPerS, 0, problem);
  }

  /// Whether it says anything of GPUs.
  boolean hasGpus() {
    return gpus.any() || gpuStepsPerS != 0;
  }

  /// Whether it showed all that an offer declares.
  boolean isAllOf(Offer offer) {
    return isShown()
        && cores == offer.cores()
        && memoryBytes == offer.memoryBytes()
        && gpus.equals(offer.gpus());
  }

  /// Whether it was measured and did what it was asked.
  public boolean isShown() {
    return atUs > 0 && problem.isEmpty();
  }
}
