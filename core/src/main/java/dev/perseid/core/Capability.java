package dev.perseid.core;

import java.util.OptionalLong;

/// What a short benchmark measured on a provider when it joined; absent where it could not be
/// measured.
///
/// @param cpuOpsPerS integer operations a second of one core (the benchmark's own unit)
/// @param memoryBytesPerS sequential memory bandwidth of one core, bytes a second
/// @param gasPerS units of gas a second that the sandbox executes on one core
public record Capability(
    OptionalLong cpuOpsPerS, OptionalLong memoryBytesPerS, OptionalLong gasPerS) {
  /// Nothing was measured.
  public static final Capability UNMEASURED =
      new Capability(OptionalLong.empty(), OptionalLong.empty(), OptionalLong.empty());
}
