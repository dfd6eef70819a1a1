package dev.perseid.core;

/// How much is believed of a host's results, and how often they are therefore checked.
///
/// A host's error rate has a Beta prior; each result that another host confirmed or refuted moves
/// it (conjugate, so that two numbers are the whole posterior). The mean of the posterior is the
/// *doubt*: the probability that the host's next result is wrong. A result is checked with the
/// probability doubt x exposure, where the exposure is what a wrong result costs against the price
/// of one more execution; so a check is made where it is worth its price. Who is new is checked
/// always: its posterior is the prior, which an attacker gets anew with each identity.
///
/// Everything is in integers: the same on every machine.
///
/// @param priorWrongMilli first parameter of the prior, thousandths
/// @param priorRightMilli second parameter of the prior, thousandths
/// @param probation confirmed results before which everything is checked
/// @param exposure what a wrong result costs, in prices of the execution
/// @param keptRight the most confirmed results that are remembered of a host found wrong
/// @param excludePpm doubt from which a host gets no more work that must be believed, millionths
/// @param leastPpm the least probability of a check, millionths
/// @param halfLifeMs after so long evidence weighs half
public record TrustRule(
    int priorWrongMilli,
    int priorRightMilli,
    int probation,
    int exposure,
    int keptRight,
    int excludePpm,
    int leastPpm,
    long halfLifeMs) {
  /// The rule of a pool whose operator says nothing else; `perseid bench trust` measures it.
  public static final TrustRule USUAL =
      new TrustRule(50, 450, 10, 18, 20, 30_000, 1_000, 30L * 24 * 3_600_000);

  private static final int CERTAIN_PPM = 1_000_000;

  /// More than a billion credits count as that.
  private static final long MOST_BOND = 1_000_000_000_000_000L;

  /// Hosts that are taken to have passed before anybody came.
  private static final long PRIOR_HOSTS = 2;

  /// So many hosts say little about those to come.
  private static final long FEW_HOSTS = 60;

  /// How much longer probation is where nobody passes, thousandths.
  private static final long LONGER_MILLI = 1_500;

  /// How hosts turned out in their probation.
  ///
  /// @param passed so many passed it
  /// @param caught so many were found wrong in it
  public record Newcomers(int passed, int caught) {
    /// Nobody came yet.
    public static final Newcomers NONE = new Newcomers(0, 0);
  }

  /// What is believed of a host with a bond: each time that this covers what a wrong result costs
  /// counts as one confirmed result, up to half of [#probation], as long as nothing speaks against
  /// the host. So a bond never stands in for all evidence: it deters who would lie, not who errs.
  ///
  /// @param charge what the execution costs, microcredits; 0: it is not known, and nothing covers
  ///   it
  /// @param harm see [#checkPpm]
  public Belief backed(Belief b, Bond bond, long charge, int harm) {
    if (charge <= 0 || bond.telling() == 0 || !isBackable(b)) {
      return b;
    }
    int prices = harm > 0 ? harm : exposure;
    long wrong = charge > Long.MAX_VALUE / prices ? Long.MAX_VALUE : charge * prices;
    long milli = Math.min(Math.min(bond.telling(), MOST_BOND) * 1_000 / wrong, probation * 500L);
    return new Belief(b.rightMilli() + milli, b.wrongMilli());
  }

  /// Whether a bond can speak for a host of which this is believed: nothing weighs against it.
  static boolean isBackable(Belief b) {
    return b.wrongMilli() < 500;
  }

  /// The probability that the host's next result is wrong, millionths.
  public int doubtPpm(Belief b) {
    long wrong = b.wrongMilli() + priorWrongMilli;
    long all = wrong + b.rightMilli() + priorRightMilli;
    return (int) (wrong * CERTAIN_PPM / all);
  }

  /// Whether the host is on probation: the longer, the more hosts turned out badly in theirs, up to
  /// two and a half times as long.
  public boolean isNew(Belief b, Newcomers before) {
    long longer = LONGER_MILLI * before.caught() / (before.passed() + before.caught() + FEW_HOSTS);
    return b.rightMilli() < probation * (1_000 + longer);
  }

  /// How much of its share of the work a host on probation gets, millionths: as much as others
  /// before it turned out well. Where caught hosts come back under new names, that is little; it is
  /// never nothing.
  public int admittedPpm(Newcomers before) {
    long good = before.passed() + PRIOR_HOSTS;
    return (int) (good * CERTAIN_PPM / (good + before.caught()));
  }

  /// Whether the host's results are not to be had for work that must be believed.
  public boolean excludes(Belief b) {
    return b.wrongMilli() >= 500 && doubtPpm(b) >= excludePpm;
  }

  /// The probability with which a result of the host is checked, millionths.
  ///
  /// @param harm what a wrong result costs in prices of the execution, or 0 for the usual
  ///   [#exposure]
  public int checkPpm(Belief b, Newcomers before, int harm) {
    if (isNew(b, before)) {
      return CERTAIN_PPM;
    }
    long ppm = (long) doubtPpm(b) * (harm > 0 ? harm : exposure);
    return Math.clamp(ppm, leastPpm, CERTAIN_PPM);
  }
}
