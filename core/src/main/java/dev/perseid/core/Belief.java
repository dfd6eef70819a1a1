package dev.perseid.core;

/// What the records say about the results of one host: how many were found right and how many wrong
/// when another host ran the same. Older evidence weighs less: half after each half-life.
///
/// @param rightMilli results found right, thousandths
/// @param wrongMilli results found wrong, thousandths
/// @param asOfUs when this was so, microseconds of the pool's clock
public record Belief(long rightMilli, long wrongMilli, long asOfUs) {
  /// Nothing is known.
  public static final Belief NONE = new Belief(0, 0, 0);

  private static final int STEPS = 8;

  /// 2 to the power of -1/8.
  private static final long STEP_PPM = 917_004;

  private static final long FORGOTTEN_STEPS = 20 * STEPS;

  /// The same, one right result later.
  public Belief right(TrustRule rule, long nowUs) {
    Belief b = aged(rule, nowUs);
    return new Belief(b.rightMilli + 1_000, b.wrongMilli, b.asOfUs);
  }

  /// The same, one wrong result later. What went well before says little about a host that changed:
  /// only so much of it is kept.
  public Belief wrong(TrustRule rule, long nowUs) {
    Belief b = aged(rule, nowUs);
    return new Belief(
        Math.min(b.rightMilli, rule.keptRight() * 1_000L), b.wrongMilli + 1_000, b.asOfUs);
  }

  /// The same, later: in steps of an eighth of a half-life.
  public Belief aged(TrustRule rule, long nowUs) {
    long stepUs = Math.max(1, rule.halfLifeMs() * 1_000 / STEPS);
    if (asOfUs == 0 || nowUs - asOfUs < stepUs) {
      return asOfUs == 0 ? new Belief(rightMilli, wrongMilli, nowUs) : this;
    }
    long steps = (nowUs - asOfUs) / stepUs;
    if (steps >= FORGOTTEN_STEPS) {
      return new Belief(0, 0, nowUs);
    }
    long right = rightMilli;
    long wrong = wrongMilli;
    for (long s = 0; s < steps; s++) {
      right = right * STEP_PPM / 1_000_000;
      wrong = wrong * STEP_PPM / 1_000_000;
    }
    return new Belief(right, wrong, asOfUs + steps * stepUs);
  }
}
