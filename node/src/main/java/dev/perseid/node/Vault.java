package dev.perseid.node;

import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Pool;
import dev.perseid.core.ProviderView;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;

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

  /// What happened outside.
  ///
  /// @param commands for the core, in order
  /// @param more whether there is more to hear at once
  /// @param told to be run when the core has taken them all: from then on they are no news
  record News(List<Command> commands, boolean more, Runnable told) {
    /// Nothing.
    static final News NONE = new News(List.of(), false, () -> {});
  }

  /// How far the settlement of an epoch is.
  sealed interface Step {
    /// Under way.
    ///
    /// @param what it waits for, for people
    record Waiting(String what) implements Step {}

    /// Done, for good.
    ///
    /// @param before what the core must be told first: what was redeemed is not what it believes
    /// @param command for the core
    record Settled(List<Command> before, Command.ConfirmEpoch command) implements Step {}

    /// It can never be settled as it is; nothing of it happened.
    ///
    /// @param before what the core must be told first, or it would close the same again
    /// @param command for the core
    record Impossible(List<Command> before, Command.ReopenEpoch command) implements Step {}
  }

  /// Whether it is the one for this money.
  boolean holds(Money money);

  /// What happened outside since the core was told last. What is told again does no harm.
  ///
  /// @param books what the core knows
  News news(Books books) throws Trouble;

  /// Settles a closed epoch, or tells how far that is: asked until it is settled, over restarts
  /// too.
  Step settle(Epoch epoch) throws Trouble;

  /// What of the core's state a vault needs.
  ///
  /// @param block up to which outside events were told
  /// @param epoch the last that was confirmed
  /// @param payees who is due or got something
  record Books(long block, long epoch, List<Address> purses, List<Address> payees) {
    static Books of(Pool pool) {
      List<Address> payees = new ArrayList<>();
      for (AccountView a : pool.accounts()) {
        if (a.cumulativeDue() > 0) {
          payees.add(a.account());
        }
      }
      return new Books(pool.block(), pool.epoch(), pool.purses(), payees);
    }
  }

  /// Whether providers can have something at stake there.
  default boolean seesBonds() {
    return false;
  }

  /// What the core knows of what a provider has at stake.
  ///
  /// @param owes indices of the records of refuted results for which nothing of it was taken yet
  record Staker(Address provider, Bond bond, List<Long> owes) {}

  /// The same of all.
  ///
  /// @param block up to which outside events were told
  record Stakers(long block, List<Staker> all) {
    static Stakers of(Pool pool) {
      List<Staker> all = new ArrayList<>();
      for (ProviderView p : pool.providers()) {
        all.add(new Staker(p.offer().provider(), p.bond(), p.owes()));
      }
      return new Stakers(pool.block(), all);
    }
  }

  /// What came of a look at what providers have at stake.
  ///
  /// @param commands for the core, in order
  /// @param gas what taking something used, of what went through since the last look
  /// @param trouble what could not be done, which is tried again; empty if nothing
  record Bonds(List<Command> commands, long gas, String trouble) {
    /// Nothing.
    static final Bonds NONE = new Bonds(List.of(), 0, "");
  }

  /// What providers have at stake, where this pool may take it; and takes it from those who owe.
  ///
  /// @param known all providers that the core knows
  /// @param leaf the hash of a record of the pool's log by its index: the evidence
  default Bonds bonds(Stakers known, LongFunction<Hash> leaf) throws Trouble {
    return Bonds.NONE;
  }

  @Override
  void close() throws IOException;
}
