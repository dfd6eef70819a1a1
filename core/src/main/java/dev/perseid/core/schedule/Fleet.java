package dev.perseid.core.schedule;

import java.util.Arrays;

/// The machines that a graph may run on: each runs one task at a time, a task of work `w` in `w /
/// speed` seconds. Immutable; machines are numbered from 0.
public final class Fleet {
  /// Bytes are free to move.
  public static final double NO_TRANSFERS = Double.POSITIVE_INFINITY;

  private final double[] speeds;
  private final double bytesPerSecond;
  private final int[] fastestFirst;
  private final double[] together;

  /// Some machines.
  ///
  /// @param speeds of each, 1 is usual; more than 0
  /// @param bytesPerSecond at which what one machine made reaches another; [#NO_TRANSFERS] if that
  ///   takes no time
  public Fleet(double[] speeds, double bytesPerSecond) {
    if (speeds.length == 0
        || Arrays.stream(speeds).anyMatch(v -> !(v > 0))
        || !(bytesPerSecond > 0)) {
      throw new IllegalArgumentException("there must be machines, and speeds must be more than 0");
    }
    this.speeds = speeds.clone();
    this.bytesPerSecond = bytesPerSecond;
    Integer[] places = new Integer[speeds.length];
    Arrays.setAll(places, i -> i);
    Arrays.sort(places, (a, b) -> Double.compare(speeds[b], speeds[a]));
    fastestFirst = new int[speeds.length];
    together = new double[speeds.length + 1];
    for (int i = 0; i < speeds.length; i++) {
      fastestFirst[i] = places[i];
      together[i + 1] = together[i] + speeds[places[i]];
    }
  }

  /// Some machines, between which bytes move in no time.
  public static Fleet of(double... speeds) {
    return new Fleet(speeds, NO_TRANSFERS);
  }

  /// How many machines.
  public int size() {
    return speeds.length;
  }

  /// The speed of a machine.
  public double speed(int machine) {
    return speeds[machine];
  }

  /// The machine at a place of the order in which fast ones come first.
  public int fastest(int place) {
    return fastestFirst[place];
  }

  /// The speeds of the fastest machines, added up.
  ///
  /// @param count of machines; more than there are count as all
  public double together(int count) {
    return together[Math.min(count, speeds.length)];
  }

  /// The seconds that bytes take from one machine to another.
  public double transfer(long bytes) {
    return bytes == 0 ? 0 : bytes / bytesPerSecond;
  }

  /// What a second of work takes on average: the mean of `1 / speed`.
  public double meanPace() {
    double sum = 0;
    for (double v : speeds) {
      sum += 1 / v;
    }
    return sum / speeds.length;
  }
}
