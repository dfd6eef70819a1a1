package dev.perseid.core;

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
/// @param earned what it was paid, microcredits
/// @param joinedUs when it joined last, microseconds since the epoch by the pool's clock
/// @param busyNs wall time of its recorded attempts, nanoseconds
/// @param speedPermille its learned speed against the other providers; 1000 is average
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
    int speedPermille) {
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
