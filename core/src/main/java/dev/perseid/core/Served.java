package dev.perseid.core;

import java.util.OptionalLong;

/// What came of a [ModelOrder], after metering: for inference what a [Report] is for tasks.
///
/// @param outcome DONE; CANCELLED if the consumer hung up; PROVIDER_FAILED if the provider could
///   not answer to the end; TASK_FAILED if the request itself is wrong; LOST if the provider
///   vanished
/// @param reason empty for DONE, else one sentence
/// @param startedUs when the provider began, microseconds since the epoch by the provider's clock,
///   or by the pool's where the pool called the provider's server itself
/// @param firstTokenUs when the first part of the answer left, likewise
/// @param endedUs when it ended, likewise
/// @param promptTokens the smaller of what the provider claims and what the pool counted itself
/// @param cachedTokens likewise
/// @param completionTokens likewise; delivered ones only
/// @param rows likewise
/// @param usage what was measured
/// @param answer SHA-256 and size of all parts of the answer, one after the other
public record Served(
    Outcome outcome,
    String reason,
    OptionalLong startedUs,
    OptionalLong firstTokenUs,
    OptionalLong endedUs,
    long promptTokens,
    long cachedTokens,
    long completionTokens,
    long rows,
    Usage usage,
    Blob answer) {
  /// Whether it is paid for: an answer that was given to its end, and what was delivered of one
  /// that the consumer did not want to its end. What a provider broke off costs nothing.
  boolean billed() {
    return switch (outcome) {
      case DONE -> true;
      case CANCELLED -> completionTokens > 0;
      case TASK_FAILED, PROVIDER_FAILED, LOST, REFUSED -> false;
    };
  }
}
