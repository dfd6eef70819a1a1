package dev.perseid.core;

import java.util.Optional;

/// What a provider stands to lose on a chain, where this pool may take it (`docs/trust.md`).
///
/// @param amount microcredits; what it asked back does not count
/// @param funder who paid most of it; empty if that is not known
/// @param sinceUs when the first was seen, microseconds since the epoch; 0 if none ever was.
///   Results that were refuted before cost nothing
public record Bond(long amount, Optional<Address> funder, long sinceUs) {
  /// Nothing, ever.
  public static final Bond NONE = new Bond(0, Optional.empty(), 0);

  /// Less says nothing, about whoever paid it neither.
  public static final long LEAST = 10_000_000;

  /// What each refuted result takes of what is left of it, thousandths.
  public static final int TAKEN_PERMILLE = 100;

  /// The amount, if it says anything.
  long telling() {
    return amount >= LEAST ? amount : 0;
  }

  /// Whether the same paid for both.
  boolean isFundedLike(Bond other) {
    return telling() > 0
        && other.telling() > 0
        && funder.isPresent()
        && funder.equals(other.funder);
  }
}
