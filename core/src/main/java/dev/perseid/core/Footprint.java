package dev.perseid.core;

/// What the attempts of a job used and emitted, as far as their providers said it.
///
/// @param energyAttempts how many records say what energy they used
/// @param energyUj of these, microjoules; each counts as at most [Limits#ENERGY_UJ]
/// @param carbonAttempts of these, how many were where is known what its energy emits
/// @param carbonUg of these, carbon dioxide, micrograms
public record Footprint(long energyAttempts, long energyUj, long carbonAttempts, long carbonUg) {
  /// Nobody said anything.
  public static final Footprint NONE = new Footprint(0, 0, 0, 0);

  /// With another attempt.
  ///
  /// @param gPerKwh what its energy emits; negative if that is not known
  Footprint with(long usedUj, int gPerKwh) {
    long uj = Math.min(usedUj, Limits.ENERGY_UJ);
    long ug = gPerKwh < 0 ? 0 : Thrift.carbonUg(uj, gPerKwh);
    return new Footprint(
        energyAttempts + 1,
        Price.plus(energyUj, uj),
        carbonAttempts + (gPerKwh < 0 ? 0 : 1),
        Price.plus(carbonUg, ug));
  }
}
