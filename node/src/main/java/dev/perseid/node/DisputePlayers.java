package dev.perseid.node;

import dev.perseid.chain.Dispute;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/// The three who play a dispute. Each looks at where it stands and says its next move; none keeps
/// anything that a restart would lose. They know neither chain nor sandbox.
public final class DisputePlayers {
  private DisputePlayers() {}

  /// Where a dispute stands.
  ///
  /// @param view as the contract has it
  /// @param row the checkpoints that the provider gave last; empty before its claim
  /// @param panel the arbiters; empty before they are drawn
  /// @param blockS time of the newest block, seconds since the epoch
  public record Board(
      Hash id, Dispute.View view, List<Hash> row, List<Dispute.Ballot> panel, long blockS) {
    private boolean late() {
      return blockS > view.deadlineS();
    }
  }

  /// What both parties do once it is no more about checkpoints.
  private static DisputeMove common(Board b) {
    return switch (b.view().stage()) {
      case NONE -> new DisputeMove.Wait("there is no such dispute");
      case CLAIM, DIVIDE, DRAW ->
          b.late() ? new DisputeMove.Timeout() : new DisputeMove.Wait("the provider is to move");
      case CHOOSE ->
          b.late() ? new DisputeMove.Timeout() : new DisputeMove.Wait("the challenger is to move");
      case COMMIT, REVEAL -> {
        long voteS = b.view().stage() == Dispute.Stage.COMMIT ? VOTE_S : 0;
        yield b.blockS() > b.view().deadlineS() + voteS
            ? new DisputeMove.Count()
            : new DisputeMove.Wait("the arbiters are to vote");
      }
      case PROVIDER_WON, CHALLENGER_WON, UNDECIDED -> new DisputeMove.Wait("it is decided");
    };
  }

  /// As the contract's VOTE_TIME.
  private static final long VOTE_S = 24 * 3_600;

  /// Nobody ends a dispute that it loses: the other one may have gone too.
  private static final DisputeMove SILENT =
      new DisputeMove.Wait("you were silent for too long, and anybody may end it");

  /// The provider's next move. Its number for the draw follows from its secret.
  ///
  /// @param secret 32 bytes that nobody else knows, the same each time
  public static DisputeMove provider(Board b, Hash secret, Replay replay)
      throws Replay.Impossible, InterruptedException {
    boolean mine =
        switch (b.view().stage()) {
          case CLAIM, DIVIDE, DRAW -> true;
          case NONE, CHOOSE, COMMIT, REVEAL, PROVIDER_WON, CHALLENGER_WON, UNDECIDED -> false;
        };
    if (b.late()) {
      return mine ? SILENT : common(b);
    }
    return switch (b.view().stage()) {
      case CLAIM -> {
        long steps = replay.steps();
        yield new DisputeMove.Claim(
            steps,
            replay.at(Dispute.bounds(0, steps + 1)),
            Dispute.sealOf(b.id(), salt(secret, b.id(), 0)));
      }
      case DIVIDE -> new DisputeMove.Divide(replay.at(b.view().bounds()));
      case DRAW -> new DisputeMove.Draw(salt(secret, b.id(), 0));
      case NONE, CHOOSE, COMMIT, REVEAL, PROVIDER_WON, CHALLENGER_WON, UNDECIDED -> common(b);
    };
  }

  /// The challenger's next move: the first part at whose end it differs. If it differs nowhere
  /// before the last bound, that is the part, as both know that they differ there.
  ///
  /// @param secret 32 bytes that nobody else knows, the same each time
  public static DisputeMove challenger(Board b, Hash secret, Replay replay)
      throws Replay.Impossible, InterruptedException {
    if (b.view().stage() != Dispute.Stage.CHOOSE) {
      return common(b);
    }
    if (b.late()) {
      return SILENT;
    }
    List<Hash> mine = replay.at(b.view().bounds());
    int way = 0;
    while (way < mine.size() && mine.get(way).equals(b.row().get(way))) {
      way++;
    }
    // Another number each time: who knew the last one before would know the panel before.
    ByteBuffer number =
        ByteBuffer.allocate(80)
            .put(secret.bytes())
            .put(b.id().bytes())
            .putLong(b.view().low())
            .putLong(b.view().high());
    return new DisputeMove.Choose(way, b.row(), Keccak.hash(number.array()));
  }

  /// An arbiter's next move. Its salt follows from its secret, so that it can reveal after a
  /// restart.
  ///
  /// @param identity the arbiter's
  /// @param secret 32 bytes that nobody else knows
  public static DisputeMove arbiter(Board b, Address identity, Hash secret, Replay replay)
      throws Replay.Impossible, InterruptedException {
    Optional<Integer> place = Optional.empty();
    for (int i = 0; i < b.panel().size(); i++) {
      if (b.panel().get(i).identity().equals(identity)) {
        place = Optional.of(i);
      }
    }
    boolean voting =
        b.view().stage() == Dispute.Stage.COMMIT || b.view().stage() == Dispute.Stage.REVEAL;
    if (!voting || place.isEmpty()) {
      return common(b);
    }
    Dispute.Ballot ballot = b.panel().get(place.get());
    boolean revealing = b.view().stage() == Dispute.Stage.REVEAL || b.late();
    DisputeMove waiting = common(b);
    if (waiting instanceof DisputeMove.Count || ballot.committed() != revealing) {
      return waiting;
    }
    if (ballot.revealed()) {
      return waiting;
    }
    // What truly stands after the step: also where the parties agree before it on something false,
    // for then it was the provider who said so.
    Hash vote = replay.at(List.of(b.view().low(), b.view().high())).getLast();
    Hash salt = salt(secret, b.id(), b.view().draws());
    return revealing
        ? new DisputeMove.Reveal(place.get(), vote, salt)
        : new DisputeMove.Commit(place.get(), Dispute.commitmentOf(b.id(), identity, vote, salt));
  }

  private static Hash salt(Hash secret, Hash id, int draws) {
    ByteBuffer b = ByteBuffer.allocate(68).put(secret.bytes()).put(id.bytes()).putInt(draws);
    return Keccak.hash(b.array());
  }
}
