package dev.perseid.sandbox;

/// What one run may use.
///
/// @param gas units of the gas schedule; the limit that counts, the same on every machine
/// @param memoryBytes linear memory, rounded down to pages of 64 KiB; `memory.grow` fails beyond it
/// @param outputBytes all outputs together
/// @param wallMs time on this machine; only a guard, as it differs from machine to machine
public record RunLimits(long gas, long memoryBytes, long outputBytes, long wallMs) {
  public RunLimits {
    if (gas < 0 || gas > Limits.GAS || memoryBytes < 0 || outputBytes < 0 || wallMs <= 0) {
      throw new IllegalArgumentException(
          "gas must be 0 to 2^60, memoryBytes and outputBytes not negative, wallMs positive: "
              + gas
              + ", "
              + memoryBytes
              + ", "
              + outputBytes
              + ", "
              + wallMs);
    }
  }
}
