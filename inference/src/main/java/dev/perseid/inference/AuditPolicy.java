package dev.perseid.inference;

/// How much of a model's traffic is audited. Rates are per mille of the answered requests.
///
/// @param newcomer requests of a provider that is not known yet which are read again with the true
///   model
/// @param known likewise of one that was found honest
/// @param repeat requests which are asked a second time, half of them with the same seed and half
///   with another
/// @param canary canaries sent for each thousand requests
public record AuditPolicy(int newcomer, int known, int repeat, int canary) {
  /// A fifth of a newcomer's answers and a hundredth afterwards: reading costs a small part of
  /// writing.
  public static final AuditPolicy USUAL = new AuditPolicy(200, 10, 2, 2);

  /// Checks the rates.
  public AuditPolicy {
    for (int rate : new int[] {newcomer, known, repeat, canary}) {
      if (rate < 0 || rate > 1_000) {
        throw new IllegalArgumentException(
            "an audit rate is between 0 and 1000 per mille, not " + rate);
      }
    }
    if (known > newcomer) {
      throw new IllegalArgumentException(
          "newcomers are audited at least as often as known providers: "
              + newcomer
              + " is less than "
              + known
              + " per mille");
    }
  }

  /// Per mille of a provider's answers that are read again, by what is known of it. None of a
  /// cheat: it gets no requests any more.
  public int reading(Verdict.Decision decision) {
    return switch (decision) {
      case UNDECIDED -> newcomer;
      case HONEST -> known;
      case CHEATING -> 0;
    };
  }
}
