package dev.perseid.core;

/// What a consumer should sign next.
///
/// @param cumulative the least voucher with which work goes on; `cover` if nothing is missing
/// @param most the voucher that covers all that is reserved now
/// @param cover what vouchers promise already
/// @param missing what must come into the account before such a voucher can be signed, microcredits
public record Wanted(Address consumer, long cumulative, long most, long cover, long missing) {
  /// Whether work waits for a voucher.
  public boolean isNeeded() {
    return cumulative > cover;
  }
}
