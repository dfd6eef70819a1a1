package dev.perseid.core;

/// Why a command was refused: what is wrong and where, and what to do instead.
///
/// @param code stable, for programs
/// @param message one or two sentences for people
public record Rejection(Code code, String message) {
  /// The closed set of reasons.
  public enum Code {
    /// The job, offer or report is malformed.
    INVALID,
    /// The account holds less than the budget.
    INSUFFICIENT_CREDITS,
    /// No such job, lease or provider.
    UNKNOWN,
    /// The caller may not do this.
    FORBIDDEN,
    /// It comes from an older session of the provider.
    STALE,
    /// A limit of the pool is reached: try again later.
    OVERLOADED,
    /// The job has ended already.
    ENDED,
    /// No voucher covers it: sign the one that the message names.
    UNCOVERED
  }
}
