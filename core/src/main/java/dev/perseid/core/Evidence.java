package dev.perseid.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// What the records say about the results of one host: how many were found wrong, and how many
/// right, by how much work they were. Older evidence weighs less: half after each half-life.
///
/// A right result speaks for others of at most its size in full, and for larger ones in proportion:
/// else who means to lie about large tasks would buy its reputation with small ones.
///
/// @param rightMilli results found right, thousandths, by size: gas is 8^i to below 8^(i+1)
/// @param wrongMilli results found wrong, thousandths
/// @param asOfUs when this was so, microseconds of the pool's clock
public record Evidence(List<Long> rightMilli, long wrongMilli, long asOfUs) {
  /// More than 8^15 gas are 9 hours of computing at a billion a second: sizes beyond are one.
  public static final int SIZES = 16;

  /// Nothing is known.
  public static final Evidence NONE = new Evidence(Collections.nCopies(SIZES, 0L), 0, 0);

  private static final int SIZE_BITS = 3;
  private static final int STEPS = 8;

  /// 2 to the power of -1/8.
  private static final long STEP_PPM = 917_004;

  private static final long FORGOTTEN_STEPS = 20 * STEPS;

  /// @throws IllegalArgumentException if there are not [#SIZES] sizes
  public Evidence {
    if (rightMilli.size() != SIZES) {
      throw new IllegalArgumentException("evidence is of " + SIZES + " sizes");
    }
    rightMilli = List.copyOf(rightMilli);
  }

  /// As it was kept before anybody asked of how much work: it speaks for all sizes.
  static Evidence ofAllSizes(long rightMilli, long wrongMilli, long asOfUs) {
    List<Long> right = new ArrayList<>(NONE.rightMilli);
    right.set(SIZES - 1, rightMilli);
    return new Evidence(right, wrongMilli, asOfUs);
  }

  private static int size(long gas) {
    return gas <= 0 ? 0 : Math.min(SIZES - 1, (63 - Long.numberOfLeadingZeros(gas)) / SIZE_BITS);
  }

  /// The same, one right result later.
  ///
  /// @param gas how much work it was; 0 or less: nobody knows, and it counts as the least
  public Evidence right(TrustRule rule, long gas, long nowUs) {
    Evidence e = aged(rule, nowUs);
    List<Long> right = new ArrayList<>(e.rightMilli);
    right.set(size(gas), right.get(size(gas)) + 1_000);
    return new Evidence(right, e.wrongMilli, e.asOfUs);
  }

  /// The same, one wrong result later. What went well before says little about a host that changed:
  /// only so much of it is kept.
  public Evidence wrong(TrustRule rule, long nowUs) {
    Evidence e = aged(rule, nowUs);
    long all = e.whole().rightMilli();
    long kept = rule.keptRight() * 1_000L;
    List<Long> right = e.rightMilli;
    if (all > kept) {
      right = right.stream().map(one -> one * kept / all).toList();
    }
    return new Evidence(right, e.wrongMilli + 1_000, e.asOfUs);
  }

  /// The same, later: in steps of an eighth of a half-life.
  public Evidence aged(TrustRule rule, long nowUs) {
    long stepUs = Math.max(1, rule.halfLifeMs() * 1_000 / STEPS);
    if (asOfUs == 0 || nowUs - asOfUs < stepUs) {
      return asOfUs == 0 ? new Evidence(rightMilli, wrongMilli, nowUs) : this;
    }
    long steps = (nowUs - asOfUs) / stepUs;
    if (steps >= FORGOTTEN_STEPS) {
      return new Evidence(NONE.rightMilli, 0, nowUs);
    }
    return new Evidence(
        rightMilli.stream().map(one -> faded(one, steps)).toList(),
        faded(wrongMilli, steps),
        asOfUs + steps * stepUs);
  }

  private static long faded(long milli, long steps) {
    long left = milli;
    for (long s = 0; s < steps && left > 0; s++) {
      left = left * STEP_PPM / 1_000_000;
    }
    return left;
  }

  /// What follows from it for a result of so much work.
  public Belief about(long gas) {
    int size = size(gas);
    long right = 0;
    for (int i = 0; i < SIZES; i++) {
      int larger = Math.max(0, size - i);
      right += rightMilli.get(i) >> Math.min(63, SIZE_BITS * larger);
    }
    return new Belief(right, wrongMilli);
  }

  /// What follows from it for the smallest: all of it counts.
  public Belief whole() {
    return about(0);
  }
}
