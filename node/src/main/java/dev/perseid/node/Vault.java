package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Money;
import dev.perseid.core.Pool;
import java.io.Closeable;
import java.io.IOException;
import java.util.List;

/// Where a pool's money rests: in the pool's own log, or in an escrow on a chain. The pool's log is
/// the book for both; a vault is where money comes in and goes out. One thread asks it, the
/// [Settler]'s.
///
/// Nothing here remembers what only it knows: a pool that is started again asks the same questions
/// again, and nobody is paid twice.
interface Vault extends Closeable {
  /// It cannot be asked, or said something that cannot be. The message says what is wrong and what
  /// to do; nothing is lost, and it is asked again.
  final class Trouble extends Exception {
    Trouble(String message) {
      super(message, null, false, false);
    }
  }

  /// How far the settlement of an epoch is.
  sealed interface Step {
    /// Under way.
    ///
    /// @param what it waits for, for people
    record Waiting(String what) implements Step {}

    /// Done, for good.
    ///
    /// @param command for the core
    record Settled(Command.ConfirmEpoch command) implements Step {}

    /// It can never be settled as it is; nothing of it happened.
    ///
    /// @param command for the core
    record Impossible(Command.ReopenEpoch command) implements Step {}
  }

  /// Whether it is the one for this money.
  boolean holds(Money money);

  /// What happened outside since the state was told last, in order, as commands for the core. What
  /// is told again does no harm.
  ///
  /// @param books what the core knows
  List<Command> news(Books books) throws Trouble;

  /// Settles a closed epoch, or tells how far that is: asked until it is settled, over restarts
  /// too.
  Step settle(Epoch epoch) throws Trouble;

  /// What of the core's state a vault needs.
  ///
  /// @param block up to which outside events were told
  /// @param epoch the last that was confirmed
  record Books(long block, long epoch, List<Address> purses) {
    static Books of(Pool pool) {
      return new Books(pool.block(), pool.epoch(), pool.purses());
    }
  }

  @Override
  void close() throws IOException;
}
