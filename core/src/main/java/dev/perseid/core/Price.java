package dev.perseid.core;

/// What a provider asks, in microcredits (1 credit = 1,000,000). Integers only: the same record
/// costs the same everywhere.
///
/// @param perBillionGas for 10^9 units of gas
/// @param perGbSecond for 10^9 bytes of requested memory held for one second of wall time
/// @param perGb for 10^9 bytes moved in or out
/// @param perGpuSecond for a GPU held for one second of wall time
public record Price(long perBillionGas, long perGbSecond, long perGb, long perGpuSecond) {
  private static final long BILLION = 1_000_000_000L;

  /// Of a machine without GPUs.
  public Price(long perBillionGas, long perGbSecond, long perGb) {
    this(perBillionGas, perGbSecond, perGb, 0);
  }

  /// The same with a price for GPUs.
  public Price withGpus(long newPerGpuSecond) {
    return new Price(perBillionGas, perGbSecond, perGb, newPerGpuSecond);
  }

  /// The charge for recorded work without GPUs.
  public long charge(long gas, long memoryBytes, long wallNs, long movedBytes) {
    return charge(gas, memoryBytes, 0, wallNs, movedBytes);
  }

  /// The charge for recorded work, each term rounded up to a whole microcredit.
  ///
  /// Terms that could not be measured are passed as 0. Saturates at `Long.MAX_VALUE`, which no
  /// budget can cover.
  ///
  /// @param gas units of gas used
  /// @param memoryBytes memory requested
  /// @param gpus how many were reserved
  /// @param wallNs wall time held
  /// @param movedBytes bytes in and out
  public long charge(long gas, long memoryBytes, int gpus, long wallNs, long movedBytes) {
    long gasTerm = scaled(perBillionGas, gas, BILLION);
    long byteSeconds = scaled(memoryBytes, wallNs, BILLION);
    long memoryTerm = scaled(perGbSecond, byteSeconds, BILLION);
    long movedTerm = scaled(perGb, movedBytes, BILLION);
    long gpuTerm = scaled(perGpuSecond, scaled(wallNs, gpus, 1), BILLION);
    return plus(plus(gasTerm, memoryTerm), plus(movedTerm, gpuTerm));
  }

  /// The most gas whose price is at most `microcredits`; `Long.MAX_VALUE` where gas costs nothing.
  long gasFor(long microcredits) {
    return billionsFor(microcredits, perBillionGas);
  }

  /// The longest that so many cores and GPUs may be held by a native task for `microcredits`;
  /// `Long.MAX_VALUE` where they cost nothing.
  long wallNsFor(long microcredits, int cores, int gpus) {
    long perSecond = plus(scaled(perBillionGas, cores, 1), scaled(perGpuSecond, gpus, 1));
    return billionsFor(microcredits, perSecond);
  }

  /// floor(`microcredits` * 10^9 / price), saturating.
  private static long billionsFor(long microcredits, long price) {
    if (price == 0) {
      return Long.MAX_VALUE;
    }
    java.math.BigInteger most =
        java.math.BigInteger.valueOf(microcredits)
            .multiply(java.math.BigInteger.valueOf(BILLION))
            .divide(java.math.BigInteger.valueOf(price));
    return most.bitLength() > 63 ? Long.MAX_VALUE : most.longValue();
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
