package dev.perseid.inference;

/// The exponential function for floats, with the same bits on every machine, which `java.lang.Math`
/// does not promise, and faster than `StrictMath`.
final class Exp {
  private static final double LOG2E = 1.4426950408889634;
  private static final double LN2 = 0.6931471805599453;
  private static final double MOST = 88.8;
  private static final double LEAST = -104;

  private Exp() {}

  /// `e` to the power of x; exact to a float's last bit or the one beside it.
  static float of(float x) {
    if (!(x > LEAST)) {
      return Float.isNaN(x) ? x : 0;
    }
    if (x > MOST) {
      return Float.POSITIVE_INFINITY;
    }
    double k = Math.rint(x * LOG2E);
    double r = x - k * LN2;
    // Taylor's series up to r^8 / 8!; |r| is below 0.347, so what is left out is below 3e-10.
    double p = 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    return (float) (p * Double.longBitsToDouble(((long) k + 1023) << 52));
  }
}
