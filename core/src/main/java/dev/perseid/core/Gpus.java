package dev.perseid.core;

/// GPUs: those that a provider lends, those that it showed, or those that a task reserves.
///
/// @param count how many
/// @param memoryBytes memory of each, of the smallest if they differ; of what a task reserves the
///   least that each must have. 0 if there are none
public record Gpus(int count, long memoryBytes) {
  /// No GPU.
  public static final Gpus NONE = new Gpus(0, 0);

  /// Whether there are any.
  public boolean any() {
    return count > 0;
  }

  /// Whether a task that needs those can run where these are.
  boolean hold(Gpus needed) {
    return needed.count == 0 || (needed.count <= count && needed.memoryBytes <= memoryBytes);
  }

  /// Of these at most as many, and as large, as others are.
  public Gpus atMost(Gpus others) {
    int both = Math.min(count, others.count);
    return both == 0 ? NONE : new Gpus(both, Math.min(memoryBytes, others.memoryBytes));
  }
}
