package dev.perseid.core;

import java.util.OptionalLong;

/// What one attempt used, as its provider measured it. What could not be measured is absent.
///
/// @param gas units of gas; the same on every engine
/// @param cpuNs CPU time of the thread that ran the task (CLOCK_THREAD_CPUTIME_ID)
/// @param wallNs run time by the provider's monotonic clock, from start to end
/// @param peakMemoryBytes high-water mark of the task's linear memory
/// @param bytesIn bytes of inputs and arguments that the task was given
/// @param bytesOut bytes of outputs that it left
/// @param fetchedBytes bytes that the provider had to fetch for it, i.e. that were not in its cache
/// @param gpuNs GPU time
/// @param energyUj energy in microjoules
/// @param energyBy how the energy was obtained, empty where it was not
public record Usage(
    OptionalLong gas,
    OptionalLong cpuNs,
    OptionalLong wallNs,
    OptionalLong peakMemoryBytes,
    OptionalLong bytesIn,
    OptionalLong bytesOut,
    OptionalLong fetchedBytes,
    OptionalLong gpuNs,
    OptionalLong energyUj,
    String energyBy) {
  /// Nothing was measured.
  public static final Usage UNMEASURED =
      new Usage(
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          OptionalLong.empty(),
          "");
}
