package dev.perseid.core;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// What can be seen of a provider.
///
/// @param offer its newest offer
/// @param offerHash EIP-712 digest of it
/// @param signature the provider's signature of it, hexadecimal
/// @param state whether it takes leases
/// @param session number of its newest connection
/// @param leases leases it holds now
/// @param attemptsDone attempts that it ended as DONE or TASK_FAILED, i.e. that it was paid for
/// @param attemptsFailed attempts that ended as PROVIDER_FAILED, LOST or REFUSED
/// @param earned what it was paid, less what was taken back, microcredits
/// @param joinedUs when it joined last, microseconds since the epoch by the pool's clock
/// @param busyNs wall time of its recorded attempts, nanoseconds
/// @param speedPermille its learned speed against the other providers; 1000 is average
/// @param trust what is believed of its results
/// @param capacity what it showed of its hardware: it gets work for no more
/// @param measuring whether it is being measured, or will be when its leases have ended, and gets
///   no new lease until then
/// @param nativeOn for which platform it runs native tasks; empty if it runs none
/// @param operator who signed that it is its own; empty if nobody did
/// @param bond what it has at stake on a chain
/// @param owes indices of the records of refuted results for which nothing of it was taken yet
/// @param mwPerCore the power that a core in use takes, by its records, milliwatts; absent if none
///   says anything of energy
/// @param gPerKwh what a kilowatt hour emits where it stands, as it says, grams of carbon dioxide
public record ProviderView(
    Offer offer,
    Hash offerHash,
    String signature,
    State state,
    long session,
    int leases,
    long attemptsDone,
    long attemptsFailed,
    long earned,
    long joinedUs,
    long busyNs,
    int speedPermille,
    Trust trust,
    Capacity capacity,
    boolean measuring,
    Optional<Platform> nativeOn,
    Optional<Address> operator,
    Bond bond,
    List<Long> owes,
    OptionalLong mwPerCore,
    OptionalInt gPerKwh) {
  /// What is believed of a provider's results, from records that others confirmed or refuted.
  ///
  /// @param confirmed how many were confirmed, ever
  /// @param refuted how many were refuted, ever
  /// @param doubtPpm the probability that the next one is wrong, millionths
  /// @param checkPpm the probability with which the next one is checked in a job that leaves it to
  ///   the pool, millionths
  /// @param isNew whether it is on probation: all is checked
  /// @param distrusted whether it was found wrong so often that it gets no work
  /// @param retained what it cannot spend or be paid, and loses if it is found out, as long as
  ///   results count on its word alone, microcredits; it may have less
  public record Trust(
      long confirmed,
      long refuted,
      int doubtPpm,
      int checkPpm,
      boolean isNew,
      boolean distrusted,
      long retained) {
    /// Of a provider of whom nothing is known.
    public static final Trust NONE = new Trust(0, 0, 0, 1_000_000, true, false, 0);
  }

  /// Whether a provider takes leases.
  public enum State {
    /// It takes leases.
    SERVING,
    /// It ends what it has and takes no more.
    DRAINING,
    /// It left, or was silent for too long.
    GONE
  }
}
