package dev.perseid.node;

import dev.perseid.core.Limits;
import java.math.BigDecimal;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// What a provider's operator says of the power that it takes, so that records say what energy an
/// attempt used. Nobody checks it.
///
/// @param mwPerCore what a core in use takes, milliwatts; absent: nothing is said of energy
/// @param mwPerGpu what a GPU takes that a task holds, milliwatts; absent: nothing is said of the
///   energy of tasks that hold some
/// @param gPerKwh what a kilowatt hour emits here, grams of carbon dioxide, 0 to
///   [Limits#G_PER_KWH]; absent: not known
public record Electricity(OptionalLong mwPerCore, OptionalLong mwPerGpu, OptionalInt gPerKwh) {
  /// Nothing is said.
  public static final Electricity UNKNOWN =
      new Electricity(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty());

  /// The most that a core or a GPU may be said to take, milliwatts.
  public static final long MOST_MW = 10_000_000;

  private static final long UJ_OF_A_MW_AND_NS = 1_000_000;

  /// @throws IllegalArgumentException saying which value is wrong and what it must be
  public Electricity {
    watts(mwPerCore, "core");
    watts(mwPerGpu, "GPU");
    int grams = gPerKwh.orElse(0);
    if (grams < 0 || grams > Limits.G_PER_KWH) {
      throw new IllegalArgumentException(
          "a kilowatt hour emits " + grams + " g; it must be 0 to " + Limits.G_PER_KWH);
    }
    if (mwPerGpu.isPresent() && mwPerCore.isEmpty()) {
      throw new IllegalArgumentException(
          "what a GPU takes is known, but not what a core takes; it must be both, as who uses a GPU"
              + " uses cores too");
    }
  }

  private static void watts(OptionalLong mw, String of) {
    if (mw.isPresent() && (mw.getAsLong() < 1 || mw.getAsLong() > MOST_MW)) {
      throw new IllegalArgumentException(
          "a "
              + of
              + " takes "
              + text(mw.getAsLong())
              + " W; it must be 0.001 to "
              + text(MOST_MW));
    }
  }

  /// The energy of an attempt, microjoules; absent where that is not known.
  ///
  /// @param cpuNs how long cores were in use for it, all together; it is not known how much energy
  ///   it used if that is not
  /// @param wallNs how long it held its GPUs
  OptionalLong energyUj(OptionalLong cpuNs, OptionalLong wallNs, int gpus) {
    boolean unknown = gpus > 0 && (mwPerGpu.isEmpty() || wallNs.isEmpty());
    if (mwPerCore.isEmpty() || cpuNs.isEmpty() || unknown) {
      return OptionalLong.empty();
    }
    long ofGpus = gpus == 0 ? 0 : scaled(wallNs.getAsLong(), mwPerGpu.getAsLong() * gpus);
    return OptionalLong.of(scaled(cpuNs.getAsLong(), mwPerCore.getAsLong()) + ofGpus);
  }

  private static long scaled(long ns, long mw) {
    return (long) ((double) ns * mw / UJ_OF_A_MW_AND_NS);
  }

  /// How that was obtained, for the record.
  String by(int gpus) {
    return "declared: "
        + text(mwPerCore.orElse(0))
        + " W a core in use"
        + (gpus > 0 ? ", " + text(mwPerGpu.orElse(0)) + " W a GPU" : "");
  }

  private static String text(long mw) {
    return BigDecimal.valueOf(mw, 3).stripTrailingZeros().toPlainString();
  }
}
