package dev.perseid.node;

/// Lets so many through a second on average, and so many at once. Not safe for threads.
final class Bucket {
  private final int perS;
  private final int burst;
  private double level;
  private long filledMs;

  Bucket(int perS, int burst, long nowMs) {
    this.perS = perS;
    this.burst = burst;
    this.level = burst;
    this.filledMs = nowMs;
  }

  boolean take(long nowMs) {
    level = Math.min(burst, level + Math.max(0, nowMs - filledMs) * perS / 1_000.0);
    filledMs = Math.max(filledMs, nowMs);
    if (level < 1) {
      return false;
    }
    level--;
    return true;
  }
}
