package dev.perseid.core;

/// What a provider asks for inference, in microcredits (1 credit = 1,000,000).
///
/// @param perMillionPrompt for 10^6 prompt tokens that had to be read
/// @param perMillionCached for 10^6 prompt tokens that were still known from before
/// @param perMillionCompletion for 10^6 tokens of the answer
/// @param perMillionRows for 10^6 rows (examples) of a predictive model
/// @param perMillionRequests for 10^6 requests, whatever their size
public record TokenPrice(
    long perMillionPrompt,
    long perMillionCached,
    long perMillionCompletion,
    long perMillionRows,
    long perMillionRequests) {
  private static final long MILLION = 1_000_000;

  /// The charge for what was delivered, each term rounded up to a whole microcredit. Saturates at
  /// `Long.MAX_VALUE`, which no account can cover.
  ///
  /// @param promptTokens all tokens of the prompt
  /// @param cachedTokens how many of them were still known
  /// @param completionTokens delivered tokens of the answer
  /// @param rows delivered rows
  public long charge(long promptTokens, long cachedTokens, long completionTokens, long rows) {
    long fresh = Math.max(0, promptTokens - cachedTokens);
    long sum = Price.scaled(perMillionPrompt, fresh, MILLION);
    sum = Price.plus(sum, Price.scaled(perMillionCached, cachedTokens, MILLION));
    sum = Price.plus(sum, Price.scaled(perMillionCompletion, completionTokens, MILLION));
    sum = Price.plus(sum, Price.scaled(perMillionRows, rows, MILLION));
    return Price.plus(sum, Price.scaled(perMillionRequests, 1, MILLION));
  }
}
