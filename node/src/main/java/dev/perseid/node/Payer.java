package dev.perseid.node;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/// Keeps a consumer's work going: watches its purse, and signs what its [Wallet] allows, until it
/// is closed. Owns one thread.
public final class Payer implements AutoCloseable {
  private static final long FIRST_PAUSE_MS = 100;
  private static final long LONGEST_PAUSE_MS = 5_000;
  private static final long END_MS = 10_000;

  private final PoolClient client;
  private final Wallet wallet;
  private final ToLongFunction<PurseState> window;
  private final Consumer<String> notices;
  private final Thread thread;
  private final CompletableFuture<Void> end = new CompletableFuture<>();
  private final CountDownLatch ended = new CountDownLatch(1);

  private Payer(
      PoolClient client,
      Wallet wallet,
      ToLongFunction<PurseState> window,
      Consumer<String> notices) {
    this.client = client;
    this.wallet = wallet;
    this.window = window;
    this.notices = notices;
    this.thread = Thread.ofVirtual().name("payer").unstarted(this::run);
  }

  /// Begins to pay.
  ///
  /// @param window how much may be owed beyond what is proved, for what the purse says now
  /// @param notices gets a line for people when something cannot be signed
  public static Payer start(
      PoolClient client,
      Wallet wallet,
      ToLongFunction<PurseState> window,
      Consumer<String> notices) {
    Payer payer = new Payer(client, wallet, window, notices);
    payer.thread.start();
    return payer;
  }

  /// How much is allowed for a job unless its user says otherwise: a sixteenth of its budget, or
  /// what the next unit of work may cost if that is more, and never more than the budget.
  public static ToLongFunction<PurseState> usualWindow(long budget) {
    return now ->
        Math.clamp(now.wanted() - now.spent(), Math.max(1, budget / 16), Math.max(1, budget));
  }

  private void run() {
    long pauseMs = FIRST_PAUSE_MS;
    while (!end.isDone()) {
      try {
        client.watchPurse(
            now -> {
              wallet.tend(now, window.applyAsLong(now));
              return !end.isDone();
            },
            end);
        pauseMs = FIRST_PAUSE_MS;
      } catch (PoolFailure e) {
        if (end.isDone()) {
          return;
        }
        if (e.code().equals("TERMS")) {
          notices.accept("nothing is paid any more: " + e.getMessage());
          return;
        }
      }
      try {
        if (ended.await(pauseMs, TimeUnit.MILLISECONDS)) {
          return;
        }
      } catch (InterruptedException e) {
        return;
      }
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    }
  }

  /// Stops, and signs for exactly what was spent, so that the pool can collect it.
  @Override
  public void close() {
    ended.countDown();
    end.complete(null);
    try {
      // What it asks the pool at this moment is not cut short unless the pool does not answer.
      if (!thread.join(Duration.ofMillis(END_MS))) {
        thread.interrupt();
      }
      wallet.conclude();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (PoolFailure e) {
      notices.accept("the last voucher could not be handed in: " + e.getMessage());
    }
  }
}
