package dev.perseid.node;

import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Rejection;
import dev.perseid.journal.RecordStore;
import java.io.Closeable;
import java.io.IOException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// Keeps the pool's books and its vault together: tells the core what happens outside, closes
/// epochs, and has them settled. Owns one thread, and no state that a restart would lose: what is
/// closed and not settled stands in the pool's log, and what was sent in the vault's own journal.
final class Settler implements Closeable {
  /// What the operator sees.
  ///
  /// @param trouble what keeps it from going on; empty if nothing does
  /// @param gasUsed by the settlements since the pool was started
  /// @param bondGas likewise by taking what results cost of bonds
  /// @param nextCloseUs when the next epoch is closed by itself
  /// @param settledUs when the last one was settled since the pool was started; 0 if none was
  record Status(
      String trouble,
      long gasUsed,
      long bondGas,
      long nextCloseUs,
      String lastTx,
      long settledUs) {}

  /// What came of a settlement that the operator asked for.
  ///
  /// @param epoch the one that was settled; empty if there was nothing to settle
  /// @param tookUs from closing to being sure of it
  record Done(Optional<Epoch> epoch, Command.ConfirmEpoch confirmed, long tookUs) {}

  /// Who waits for a settlement.
  private static final class Asker {
    final CompletableFuture<Done> done = new CompletableFuture<>();
  }

  private static final Command.ConfirmEpoch NOTHING = new Command.ConfirmEpoch(0);

  private final PoolMill mill;
  private final RecordStore records;
  private final MoneyTerms terms;
  private final List<Vault> vaults;
  private final InstantSource clock;
  private final Thread thread;
  private final List<Asker> asked = new ArrayList<>();
  private final Object bell = new Object();
  private boolean rung;
  private volatile boolean closing;
  private volatile String trouble = "";
  private final AtomicLong gasUsed = new AtomicLong();
  private final AtomicLong bondGas = new AtomicLong();
  private volatile String lastTx = "";
  private volatile long settledUs;
  private volatile long nextCloseUs;

  /// Why the last closing was opened again; empty if it was not.
  private String reopened = "";

  private long reopenedMs = MoneyLimits.REOPENED_MS;

  /// What is wrong with what providers have at stake; empty if nothing is.
  private String unslashed = "";

  /// Until when nothing is closed, whoever asks.
  private long pausedUntilUs;

  /// @param vaults that of credits, and that of the escrow if there is one
  Settler(PoolMill mill, MoneyTerms terms, List<Vault> vaults, InstantSource clock) {
    this.mill = mill;
    this.records = mill.records();
    this.terms = terms;
    this.vaults = List.copyOf(vaults);
    this.clock = clock;
    this.nextCloseUs = nowUs() + terms.epochMs() * 1_000;
    this.thread =
        Thread.ofPlatform()
            .name("settler")
            .daemon()
            .uncaughtExceptionHandler((_, bug) -> stopFor(bug))
            .unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// A pool that cannot settle must not go on as if it could.
  private void stopFor(Throwable bug) {
    mill.post(_ -> {
      throw new IllegalStateException("the settler's thread has died", bug);
    });
  }

  private long nowUs() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }

  Status status() {
    return new Status(trouble, gasUsed.get(), bondGas.get(), nextCloseUs, lastTx, settledUs);
  }

  /// Has it look now.
  void ring() {
    synchronized (bell) {
      rung = true;
      bell.notifyAll();
    }
  }

  private void await(long ms) throws InterruptedException {
    synchronized (bell) {
      long until = System.nanoTime() + ms * 1_000_000;
      while (!rung && !closing) {
        long leftMs = (until - System.nanoTime()) / 1_000_000;
        if (leftMs <= 0) {
          break;
        }
        bell.wait(leftMs);
      }
      rung = false;
    }
  }

  /// Closes an epoch and waits until it is settled.
  Done settleNow() throws PoolMill.Unavailable {
    Asker asker = new Asker();
    synchronized (asked) {
      asked.add(asker);
    }
    ring();
    try {
      return asker.done.get(MoneyLimits.SETTLE_MS, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      throw new PoolMill.Unavailable(
          "it is not settled yet: "
              + (trouble.isEmpty() ? "the transaction waits" : trouble)
              + "; it goes on by itself, see: perseid pool money");
    } catch (ExecutionException e) {
      throw new PoolMill.Unavailable(
          (e.getCause() instanceof Vault.Trouble why ? why.getMessage() : trouble)
              + " (it goes on by itself, see: perseid pool money)");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PoolMill.Unavailable("interrupted");
    } finally {
      synchronized (asked) {
        asked.remove(asker);
      }
    }
  }

  private void run() {
    int failures = 0;
    while (!closing) {
      boolean again = false;
      try {
        again = turn();
        trouble = reopened.isEmpty() ? unslashed : reopened;
        failures = 0;
      } catch (Vault.Trouble e) {
        trouble = String.valueOf(e.getMessage());
        failures++;
        if (failures >= MoneyLimits.FAILURES_TOLD) {
          refuse(trouble);
        }
      } catch (PoolMill.Unavailable e) {
        failures++;
      }
      long pauseMs =
          Math.min(MoneyLimits.LONGEST_PAUSE_MS, MoneyLimits.LOOK_MS << Math.min(failures, 8));
      if (!again) {
        try {
          await(pauseMs);
        } catch (InterruptedException e) {
          return;
        }
      }
    }
  }

  /// What the core knows at one moment.
  private record View(Money money, Vault.Books books, Optional<Epoch> closed) {}

  /// One look and one step.
  ///
  /// @return whether there is more to do at once
  private boolean turn() throws Vault.Trouble, PoolMill.Unavailable {
    View view = mill.ask(pool -> new View(pool.money(), Vault.Books.of(pool), pool.closedEpoch()));
    if (!view.money().isVouched()) {
      answer(new Done(Optional.empty(), NOTHING, 0));
      nextCloseUs = nowUs() + terms.epochMs() * 1_000;
      return false;
    }
    Vault vault = vault(view.money());
    // What is settled is told as such before it is seen. If it cannot be settled, what else happens
    // is seen all the same: who leaves, and that the chain is there.
    Optional<Vault.Trouble> unsettled = Optional.empty();
    try {
      if (view.closed().isPresent() && settle(vault, view.closed().get())) {
        return true;
      }
    } catch (Vault.Trouble e) {
      unsettled = Optional.of(e);
    }
    Vault.News news = vault.news(view.books());
    for (Command c : news.commands()) {
      execute(c);
    }
    news.told().run();
    if (vault.seesBonds()) {
      bonds(vault); // the rest at the next look: nobody waits for that to be paid
    }
    if (unsettled.isPresent()) {
      throw unsettled.get();
    }
    if (news.more() || view.closed().isPresent()) {
      return news.more();
    }
    boolean wanted;
    synchronized (asked) {
      wanted = !asked.isEmpty();
    }
    if (nowUs() < (wanted ? pausedUntilUs : nextCloseUs)) {
      return false;
    }
    nextCloseUs = nowUs() + terms.epochMs() * 1_000;
    return closeEpoch();
  }

  /// Sees to what providers have at stake. What is wrong with that is told, and keeps nobody from
  /// being paid.
  private void bonds(Vault vault) throws PoolMill.Unavailable {
    try {
      Vault.Stakers known = mill.ask(Vault.Stakers::of);
      Vault.Bonds bonds = vault.bonds(known, records.tree()::leaf);
      for (Command c : bonds.commands()) {
        execute(c);
      }
      bondGas.addAndGet(bonds.gas());
      unslashed = bonds.trouble();
    } catch (Vault.Trouble e) {
      unslashed = String.valueOf(e.getMessage());
    }
  }

  private Vault vault(Money money) throws Vault.Trouble {
    for (Vault one : vaults) {
      if (one.holds(money)) {
        return one;
      }
    }
    throw new Vault.Trouble(
        switch (money) {
          case Money.Escrow e ->
              "this pool's money lies in the escrow "
                  + e.contract()
                  + " on chain "
                  + e.chainId()
                  + ", but the pool was started without it: start it with --rpc and --deployment";
          case Money.Credits _ -> "no vault for credits";
        });
  }

  private void execute(Command c) throws PoolMill.Unavailable, Vault.Trouble {
    switch (mill.command(c)) {
      case PoolLoop.Reply.Done _ -> {}
      case PoolLoop.Reply.Refused(Rejection why) ->
          throw new Vault.Trouble("the pool's books refuse what happened: " + why.message());
    }
  }

  /// Closes an epoch over what the record store holds now.
  private boolean closeEpoch() throws PoolMill.Unavailable, Vault.Trouble {
    long size = records.count();
    Hash root = size == 0 ? Hash.ZERO : records.tree().root(size);
    execute(new Command.CloseEpoch(terms.leastGain(), terms.leastPush(), size, root));
    if (mill.ask(pool -> pool.closedEpoch().isEmpty())) {
      reopened = "";
      reopenedMs = MoneyLimits.REOPENED_MS;
      answer(new Done(Optional.empty(), NOTHING, 0));
      return false;
    }
    return true;
  }

  private boolean settle(Vault vault, Epoch epoch) throws Vault.Trouble, PoolMill.Unavailable {
    return switch (vault.settle(epoch)) {
      case Vault.Step.Waiting _ -> false;
      case Vault.Step.Impossible(List<Command> before, Command.ReopenEpoch command) -> {
        for (Command c : before) {
          execute(c);
        }
        execute(command);
        reopened =
            "epoch "
                + command.epoch()
                + " was opened again and is closed anew: "
                + command.reason();
        pausedUntilUs = nowUs() + reopenedMs * 1_000;
        nextCloseUs = pausedUntilUs;
        reopenedMs = Math.min(MoneyLimits.LONGEST_REOPENED_MS, 2 * reopenedMs);
        yield false;
      }
      case Vault.Step.Settled(List<Command> before, Command.ConfirmEpoch command) -> {
        for (Command c : before) {
          execute(c);
        }
        execute(command);
        gasUsed.addAndGet(command.gas());
        settledUs = nowUs();
        reopened = "";
        reopenedMs = MoneyLimits.REOPENED_MS;
        if (!command.txHash().equals(Hash.ZERO)) {
          lastTx = "0x" + command.txHash().hex();
        }
        answer(new Done(Optional.of(epoch), command, settledUs - epoch.closedUs()));
        yield true;
      }
    };
  }

  /// Tells those who asked that it does not go on at present.
  private void refuse(String why) {
    for (Asker one : takeAsked()) {
      one.done.completeExceptionally(new Vault.Trouble(why));
    }
  }

  private void answer(Done done) {
    takeAsked().forEach(one -> one.done.complete(done));
  }

  private List<Asker> takeAsked() {
    synchronized (asked) {
      List<Asker> all = List.copyOf(asked);
      asked.clear();
      return all;
    }
  }

  @Override
  public void close() throws IOException {
    closing = true;
    ring();
    thread.interrupt();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    IOException problem = null;
    for (Vault vault : vaults) {
      try {
        vault.close();
      } catch (IOException e) {
        problem = e;
      }
    }
    if (problem != null) {
      throw problem;
    }
  }
}
