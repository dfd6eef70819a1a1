package dev.perseid.core;

/// What a provider asks, in microcredits (1 credit = 1,000,000). Integers only: the same record
/// costs the same everywhere.
///
/// @param perBillionGas for 10^9 units of gas
/// @param perGbSecond for 10^9 bytes of requested memory held for one second of wall time
/// @param perGb for 10^9 bytes moved in or out
public record Price(long perBillionGas, long perGbSecond, long perGb) {
  private static final long BILLION = 1_000_000_000L;

  /// The charge for recorded work, each term rounded up to a whole microcredit.
  ///
  /// Terms that could not be measured are passed as 0. Saturates at `Long.MAX_VALUE`, which no
  /// budget can cover.
  ///
  /// @param gas units of gas used
  /// @param memoryBytes memory requested
  /// @param wallNs wall time held
  /// @param movedBytes bytes in and out
  public long charge(long gas, long memoryBytes, long wallNs, long movedBytes) {
    long gasTerm = scaled(perBillionGas, gas, BILLION);
    long byteSeconds = scaled(memoryBytes, wallNs, BILLION);
    long memoryTerm = scaled(perGbSecond, byteSeconds, BILLION);
    long movedTerm = scaled(perGb, movedBytes, BILLION);
    return plus(plus(gasTerm, memoryTerm), movedTerm);
  }

  /// The most gas whose price is at most `microcredits`; `Long.MAX_VALUE` where gas costs nothing.
  long gasFor(long microcredits) {
    if (perBillionGas == 0) {
      return Long.MAX_VALUE;
    }
    java.math.BigInteger gas =
        java.math.BigInteger.valueOf(microcredits)
            .multiply(java.math.BigInteger.valueOf(BILLION))
            .divide(java.math.BigInteger.valueOf(perBillionGas));
    return gas.bitLength() > 63 ? Long.MAX_VALUE : gas.longValue();
  }

  /// ceil(x * y / unit) without overflow, saturating.
  static long scaled(long x, long y, long unit) {
    if (x == 0 || y == 0) {
      return 0;
    }
    long high = Math.multiplyHigh(x, y);
    if (high == 0) {
      long low = x * y;
      if (low >= 0) {
        return low / unit + (low % unit == 0 ? 0 : 1);
      }
    }
    java.math.BigInteger[] q =
        java.math.BigInteger.valueOf(x)
            .multiply(java.math.BigInteger.valueOf(y))
            .divideAndRemainder(java.math.BigInteger.valueOf(unit));
    java.math.BigInteger up = q[1].signum() == 0 ? q[0] : q[0].add(java.math.BigInteger.ONE);
    return up.bitLength() > 63 ? Long.MAX_VALUE : up.longValue();
  }

  /// Saturating.
  static long plus(long x, long y) {
    long sum = x + y;
    return sum < 0 ? Long.MAX_VALUE : sum;
  }
}
