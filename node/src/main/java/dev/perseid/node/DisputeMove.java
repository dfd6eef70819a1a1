package dev.perseid.node;

import dev.perseid.core.Hash;
import java.util.List;

/// What a player of a dispute does next.
public sealed interface DisputeMove {
  /// The provider says how many steps there were, divides, and seals its number.
  record Claim(long steps, List<Hash> checkpoints, Hash seal) implements DisputeMove {}

  /// The provider divides.
  record Divide(List<Hash> checkpoints) implements DisputeMove {}

  /// The challenger chooses the part in which it first differs.
  record Choose(int way, List<Hash> checkpoints, Hash number) implements DisputeMove {}

  /// The other one stayed silent.
  record Timeout() implements DisputeMove {}

  /// The provider shows its number, which draws the panel.
  record Draw(Hash number) implements DisputeMove {}

  /// An arbiter commits to its vote.
  record Commit(int place, Hash commitment) implements DisputeMove {}

  /// An arbiter shows its vote.
  record Reveal(int place, Hash vote, Hash salt) implements DisputeMove {}

  /// The votes can be counted.
  record Count() implements DisputeMove {}

  /// Nothing now.
  ///
  /// @param why for people
  record Wait(String why) implements DisputeMove {}
}
