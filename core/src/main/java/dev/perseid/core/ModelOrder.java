package dev.perseid.core;

/// A request to a model as the pool placed it with a provider: for inference what a [Lease] is for
/// tasks.
///
/// @param number number in the pool; never used again
/// @param requestId the request's name, at most 64 characters of `[A-Za-z0-9_-]`
/// @param consumer who pays
/// @param offer EIP-712 digest of the model offer whose terms hold
/// @param api which call: `chat`, `completion`, `embedding` or `infer`
/// @param request SHA-256 and size of the request's body as the provider gets it
/// @param submittedUs when it came, microseconds since the epoch by the pool's clock
/// @param assignedUs when it was placed with this provider, likewise
/// @param maxCharge the most that it may cost, microcredits; held from the consumer's tab
public record ModelOrder(
    long number,
    String requestId,
    Address consumer,
    Hash offer,
    String api,
    Blob request,
    long submittedUs,
    long assignedUs,
    long maxCharge) {}
