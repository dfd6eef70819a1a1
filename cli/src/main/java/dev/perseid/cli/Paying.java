package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.Payer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PurseState;
import dev.perseid.node.Wallet;
import dev.perseid.wire.v1.Proto;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Options of commands that pay, where a pool asks for vouchers.
final class Paying {
  /// How much requests to models may owe beyond what is proved: what a pool sets aside for them at
  /// once.
  static final String REQUESTS_WINDOW = "0.1";

  private static final int NEWEST_JOBS = 1_000;

  @Option(
      names = "--window",
      paramLabel = "CREDITS",
      description =
          "How much you may owe beyond what receipts prove; default: a sixteenth of the budget, or"
              + " what the next unit of work may cost; 0.1 for a job that was not submitted from"
              + " here.")
  @Nullable String window;

  @Option(
      names = "--prepay",
      paramLabel = "CREDITS",
      description =
          "Promise this much at once, in steps, for work that goes on while you are away.")
  @Nullable String prepay;

  /// Begins to pay for a job, or promises for it.
  ///
  /// @param budget of the job, microcredits
  /// @return what goes on paying until it is closed; nothing if nobody asks for vouchers
  Optional<Payer> start(Home home, PoolClient client, long budget, Screen screen)
      throws BadInput, PoolFailure {
    Optional<Wallet> wallet = Agreed.wallet(home, client, screen::note);
    if (wallet.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(start(client, wallet.get(), window(budget), screen));
  }

  private Payer start(
      PoolClient client, Wallet wallet, ToLongFunction<PurseState> most, Screen screen)
      throws BadInput, PoolFailure {
    promise(wallet, client, most);
    return Payer.start(client, wallet, most, screen::note);
  }

  /// As [#start], for a job that runs already; nothing if it is not the caller's own. Its budget is
  /// what this user wrote down when it was submitted: the pool's word would let the pool choose how
  /// much it may be owed.
  Optional<Payer> follow(Home home, PoolClient client, JobId job, Screen screen)
      throws BadInput, PoolFailure {
    if (!client.terms().vouched()) {
      return Optional.empty();
    }
    for (Proto.JobProgress one : client.list(false, NEWEST_JOBS)) {
      if (Progress.id(one).equals(job)) {
        Optional<Wallet> wallet = Agreed.wallet(home, client, screen::note);
        OptionalLong budget = OwnJobs.budget(home, client.pool(), job);
        if (wallet.isEmpty()) {
          return Optional.empty();
        }
        if (budget.isEmpty() && window == null) {
          screen.note(
              "the job was not submitted from here, so that its budget is only the pool's word: at"
                  + " most "
                  + REQUESTS_WINDOW
                  + " credits are owed beyond what receipts prove; if work waits for a voucher,"
                  + " write a larger --window");
        }
        return Optional.of(start(client, wallet.get(), following(budget), screen));
      }
    }
    return Optional.empty();
  }

  private ToLongFunction<PurseState> following(OptionalLong budget) throws BadInput {
    if (window != null || budget.isPresent()) {
      return window(budget.orElse(0));
    }
    long fixed = Amounts.microcredits(REQUESTS_WINDOW, "--window");
    return now -> fixed;
  }

  /// Promises what `--prepay` says, for a job that nobody follows.
  ///
  /// @param budget of the job, which a job that nobody follows needs
  void ahead(Home home, PoolClient client, long budget, Screen screen)
      throws BadInput, PoolFailure {
    Optional<Wallet> wallet = Agreed.wallet(home, client, screen::note);
    if (wallet.isEmpty()) {
      return;
    }
    if (prepay == null) {
      screen.note(
          "this pool asks for vouchers, and nobody signs them once this command has ended: follow"
              + " the job with `perseid watch`, or write --prepay "
              + Amounts.credits(budget).replace(" credits", ""));
      return;
    }
    promise(wallet.get(), client, window(budget));
  }

  private void promise(Wallet wallet, PoolClient client, ToLongFunction<PurseState> most)
      throws BadInput, PoolFailure {
    if (prepay != null) {
      PurseState now = client.purse(Optional.empty());
      wallet.prepay(now, Amounts.microcredits(prepay, "--prepay"), most.applyAsLong(now));
    }
  }

  private ToLongFunction<PurseState> window(long budget) throws BadInput {
    if (window == null) {
      return Payer.usualWindow(budget);
    }
    long fixed = Amounts.microcredits(window, "--window");
    return now -> fixed;
  }
}
