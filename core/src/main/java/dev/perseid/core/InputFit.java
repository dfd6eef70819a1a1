package dev.perseid.core;

/// How the run times of a kind of task follow from the bytes that each reads: a line through the
/// logarithms of both, learned online, and whether it is any better than the mean.
///
/// All is deterministic on every machine (StrictMath), and O(1).
final class InputFit {
  /// By how much what was learned before counts less with each attempt.
  private static final double FADES = 0.98;

  /// Keeps a line through few or like sizes flat.
  private static final double FLAT = 0.05;

  private static final double STEEPEST = 3;

  /// So far from the middle of what was seen, in logarithms, the line is followed.
  private static final double FARTHEST = 5;

  /// The line is believed if it was off by less than this part of what the mean was.
  private static final double BETTER = 0.9;

  private static final double LONGEST = 44;

  private double weight;
  private double x;
  private double y;
  private double xx;
  private double xy;
  private double meanOff;
  private double lineOff;

  /// Learns from one attempt.
  ///
  /// @param bytes that it read
  /// @param wallNs what it took, at usual speed
  /// @param meanNs what was held to be usual until then; 0 if nothing was
  void learn(long bytes, long wallNs, long meanNs) {
    double atX = StrictMath.log1p((double) bytes);
    double atY = StrictMath.log((double) Math.max(1, wallNs));
    if (meanNs > 0 && weight > 0) {
      meanOff = FADES * meanOff + Math.abs(atY - StrictMath.log((double) meanNs));
      lineOff = FADES * lineOff + Math.abs(atY - line(atX));
    }
    weight = FADES * weight + 1;
    x = FADES * x + atX;
    y = FADES * y + atY;
    xx = FADES * xx + atX * atX;
    xy = FADES * xy + atX * atY;
  }

  /// Whether bytes say more than the mean does.
  boolean isBetter() {
    return lineOff < BETTER * meanOff;
  }

  /// What a task is expected to take, nanoseconds at usual speed.
  long wallNs(long bytes) {
    double log = Math.min(LONGEST, line(StrictMath.log1p((double) bytes)));
    return Math.max(1, (long) StrictMath.exp(log));
  }

  private double line(double at) {
    double middleX = x / weight;
    double middleY = y / weight;
    double ofX = xx - weight * middleX * middleX;
    double ofBoth = xy - weight * middleX * middleY;
    double slope = Math.clamp(ofBoth / (Math.max(0, ofX) + FLAT), -STEEPEST, STEEPEST);
    return middleY + slope * (Math.clamp(at, middleX - FARTHEST, middleX + FARTHEST) - middleX);
  }

  void write(Out out) {
    for (double number : new double[] {weight, x, y, xx, xy, meanOff, lineOff}) {
      out.real(number);
    }
  }

  static InputFit read(In in) {
    InputFit fit = new InputFit();
    fit.weight = number(in);
    fit.x = number(in);
    fit.y = number(in);
    fit.xx = number(in);
    fit.xy = number(in);
    fit.meanOff = number(in);
    fit.lineOff = number(in);
    return fit;
  }

  private static double number(In in) {
    return in.amount("what was learned of run times is no number");
  }
}
