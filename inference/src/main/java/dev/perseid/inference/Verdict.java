package dev.perseid.inference;

import java.util.Optional;

/// What the evidence says about a provider and a model so far.
///
/// @param decision whether it is enough to say anything
/// @param sign what betrayed a cheat
/// @param tokens tokens that had been audited when the decision fell, or so far
/// @param audits audits likewise
/// @param why one sentence for people
public record Verdict(
    Decision decision, Optional<Sign> sign, long tokens, long audits, String why) {
  /// What follows.
  public enum Decision {
    /// Nothing speaks against it, and a cheat as coarse as the upper threshold would have shown.
    HONEST,
    /// Too little evidence either way.
    UNDECIDED,
    /// An honest provider would give such evidence once in ten thousand lives.
    CHEATING
  }
}
