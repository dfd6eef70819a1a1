package dev.perseid.node;

import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Head;
import dev.perseid.chain.Log;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.gateway.Till;
import dev.perseid.node.PaymentSlips.Slip;
import dev.perseid.node.PaymentSlips.Stage;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Keccak;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/// Takes payments by x402's scheme `exact` on one token of one chain: verifies an authorization
/// (EIP-3009), has the pool's key bring it to the chain, and sees it through whatever happens,
/// restarts and reorganisations too: it is looked at until its block is final. Safe for any thread;
/// [#settle] blocks.
final class ExactDesk implements Closeable {
  private static final System.Logger LOG = System.getLogger(ExactDesk.class.getName());
  private static final Hash USED =
      Keccak.hash("AuthorizationUsed(address,bytes32)".getBytes(StandardCharsets.US_ASCII));
  private static final Hash TRANSFER =
      Keccak.hash("Transfer(address,address,uint256)".getBytes(StandardCharsets.US_ASCII));

  /// Who keeps the books.
  interface Books {
    /// Money has arrived. The books take it before this returns.
    ///
    /// @return false if they cannot now: it is told again
    boolean arrived(Slip slip);

    /// Nobody waits for a payment that the books have: it is to be given back.
    void unclaimed(Slip slip);

    /// A payment that the books have is there for good: what is left of it can be given back.
    void sure(Slip slip);

    /// A payment that the books have is not there, and never will be: they take it back, and tell
    /// the desk that it is over. Told again until they do.
    void reversed(Slip slip);
  }

  /// What came of [#settle].
  sealed interface Outcome {
    /// The money is there and in the books.
    record Settled(Slip slip, Hash transaction) implements Outcome {}

    /// It is not, or not yet.
    record Refused(Till.Refusal refusal) implements Outcome {}
  }

  private final Chain chain;
  private final Outbox outbox;
  private final Token token;
  private final Token.Name name;
  private final Address payTo;
  private final PaymentSlips slips;
  private final Books books;
  private final OwnPurse purse;
  private final InstantSource clock;
  private final Map<String, CompletableFuture<Outcome>> waiting = new ConcurrentHashMap<>();
  private final PayerMarks marks = new PayerMarks();

  /// Payments that are being looked at before they are sent off, and those of which it is known
  /// that they failed.
  private final Map<String, Slip> sending = new HashMap<>();

  private final Set<String> marked = ConcurrentHashMap.newKeySet();
  private final Thread watcher;
  private volatile boolean closing;
  private String trouble = "";

  /// @param outbox of the key to whose account is paid
  ExactDesk(
      Chain chain,
      Outbox outbox,
      Token token,
      Token.Name name,
      PaymentSlips slips,
      Books books,
      OwnPurse purse,
      InstantSource clock) {
    this.chain = chain;
    this.outbox = outbox;
    this.token = token;
    this.name = name;
    this.payTo = outbox.account();
    this.slips = slips;
    this.books = books;
    this.purse = purse;
    this.clock = clock;
    this.watcher = Thread.ofPlatform().name("payments").daemon().unstarted(this::watch);
  }

  /// Goes on with what was under way before a restart.
  void start() {
    watcher.start();
  }

  /// The way to pay here.
  Till.Way.Exact way(long fee) {
    return new Till.Way.Exact(
        "eip155:" + chain.id(),
        token.address(),
        payTo,
        fee,
        name.name(),
        name.version(),
        MarketLimits.PAYMENT_S);
  }

  /// The name of a payment in the books: it comes but once.
  Hash payment(Slip slip) {
    return Hash.sha256(
        ("x402 exact " + chain.id() + " " + token.address() + " " + slip.name())
            .getBytes(StandardCharsets.US_ASCII));
  }

  // ---- taking ---------------------------------------------------------------------------------

  /// Verifies all that can be verified, then settles. Blocks until the money is in the books.
  ///
  /// @param price what must be paid, the fee included
  Outcome settle(Till.Payment.Exact p, long price, long fee) {
    Optional<Till.Refusal> wrong = terms(p, price).or(() -> waits(p.from()));
    if (wrong.isPresent()) {
      return new Outcome.Refused(wrong.get());
    }
    TokenAuthorization a =
        new TokenAuthorization(
            p.from(), p.to(), p.value(), p.validAfterS(), p.validBeforeS(), p.nonce());
    Hash digest = Digests.transferWithAuthorization(name.domain(), a);
    String signature = p.signature();
    boolean signed = signature.length() == 130 && Key.verify(digest, signature, p.from());
    CompletableFuture<Outcome> future = new CompletableFuture<>();
    Slip slip;
    try {
      if (!signed) {
        return new Outcome.Refused(
            Till.Refusal.wrong(
                "invalid_exact_evm_payload_signature",
                "The signature is not that of the payer's key for this token, chain and amount (EIP-712"
                    + " domain '"
                    + name.name()
                    + "', version '"
                    + name.version()
                    + "'). An account with code pays by vouchers."));
      }
      slip =
          new Slip(
              p.from(),
              p.nonce(),
              p.value(),
              fee,
              p.validBeforeS(),
              chain.head().number(),
              Stage.OPEN);
      if (waiting.putIfAbsent(slip.name(), future) != null) {
        return new Outcome.Refused(
            Till.Refusal.notNow(
                "settlement_pending",
                "This payment is being settled for a request already; it pays for one."));
      }
    } catch (ChainException e) {
      return new Outcome.Refused(silent(e));
    }
    try {
      Optional<Till.Refusal> refused = submit(slip, a, signature);
      if (refused.isPresent()) {
        return new Outcome.Refused(refused.get());
      }
      LockSupport.unpark(watcher);
      return await(slip, future);
    } finally {
      waiting.remove(slip.name(), future);
    }
  }

  private Optional<Till.Refusal> terms(Till.Payment.Exact p, long price) {
    long nowS = clock.millis() / 1_000;
    if (!p.to().equals(payTo)) {
      return wrong(
          "invalid_exact_evm_payload_recipient_mismatch",
          "The authorization pays " + p.to() + ", not " + payTo + ".");
    }
    if (p.from().equals(payTo) || p.from().equals(Address.ZERO)) {
      return wrong("invalid_payload", "Neither nobody nor the pool itself pays the pool.");
    }
    if (p.value() != price) {
      return wrong(
          "invalid_exact_evm_payload_authorization_value_mismatch",
          "The authorization is over " + p.value() + ", but " + price + " were agreed to.");
    }
    if (p.validAfterS() >= nowS) {
      return wrong(
          "invalid_exact_evm_payload_authorization_valid_after",
          "The authorization is good only after "
              + p.validAfterS()
              + " and it is "
              + nowS
              + " now: sign it with validAfter 0, or set the clock.");
    }
    if (p.validBeforeS() < nowS + MarketLimits.PAYMENT_LEAST_S) {
      return wrong(
          "invalid_exact_evm_payload_authorization_valid_before",
          "The authorization "
              + (p.validBeforeS() <= nowS ? "expired" : "expires too soon")
              + ": it is good before "
              + p.validBeforeS()
              + " and it is "
              + nowS
              + " now. Sign one that is good for "
              + MarketLimits.PAYMENT_S
              + " s.");
    }
    if (p.validBeforeS() > nowS + MarketLimits.PAYMENT_MOST_S) {
      return wrong(
          "invalid_exact_evm_payload_authorization_valid_before",
          "The authorization is good before "
              + p.validBeforeS()
              + ", and it is "
              + nowS
              + " now: sign one that is good for "
              + MarketLimits.PAYMENT_S
              + " s, at most "
              + MarketLimits.PAYMENT_MOST_S
              + ".");
    }
    return Optional.empty();
  }

  private Optional<Till.Refusal> waits(Address payer) {
    long leftMs = marks.leftMs(payer, clock.millis());
    return leftMs == 0
        ? Optional.empty()
        : Optional.of(
            Till.Refusal.notNow(
                "perseid_payer_waits",
                "A payment of "
                    + payer
                    + " failed on the chain and cost the pool its gas. Nothing was taken: pay again"
                    + " in "
                    + (leftMs + 999) / 1_000
                    + " s, or by vouchers."));
  }

  private static Optional<Till.Refusal> wrong(String reason, String text) {
    return Optional.of(Till.Refusal.wrong(reason, text));
  }

  /// Holds a place for a payment, and what it moves against all else of its payer that waits for a
  /// block: each may be covered, and all together not.
  ///
  /// @param has what the payer has of the token
  private Optional<Till.Refusal> reserve(Slip slip, long has) {
    synchronized (sending) {
      Map<String, Slip> open = new HashMap<>(sending);
      slips.all().stream().filter(this::isUnderWay).forEach(s -> open.put(s.name(), s));
      long count = 0;
      long moving = 0;
      for (Slip one : open.values()) {
        if (one.payer().equals(slip.payer())) {
          count++;
          moving = sum(moving, one.value());
        }
      }
      if (has < sum(moving, slip.value())) {
        return Optional.of(
            Till.Refusal.notNow(
                "insufficient_funds",
                slip.payer()
                    + " has "
                    + has
                    + " of the token, "
                    + (moving > 0 ? "of which " + moving + " are being paid already, " : "")
                    + "and "
                    + slip.value()
                    + " are to be paid."));
      }
      if (count >= MarketLimits.PAYER_SETTLING) {
        return Optional.of(
            Till.Refusal.notNow(
                "settlement_pending",
                count
                    + " payments of "
                    + slip.payer()
                    + " wait for a block, as many as may at once. Nothing was taken: pay again when"
                    + " one is there."));
      }
      long unsure =
          outbox.pending().keySet().stream().filter(ExactDesk::isPayment).count() + sending.size();
      if (unsure >= MarketLimits.UNSURE) {
        return Optional.of(
            Till.Refusal.notNow(
                "unexpected_settle_error",
                unsure
                    + " payments are not final on the chain yet, as many as may be at once. Nothing"
                    + " was taken: try again in a minute, or pay by vouchers."));
      }
      sending.put(slip.name(), slip);
      return Optional.empty();
    }
  }

  private boolean isUnderWay(Slip slip) {
    return slip.stage() == Stage.OPEN
        && outbox.state(slip.name()).map(state -> !state.isFinal()).orElse(false);
  }

  /// Whether what is in the outbox under this name is a payment.
  private static boolean isPayment(String name) {
    return name.startsWith(PaymentSlips.PREFIX) && !name.startsWith(OwnPurse.PREFIX);
  }

  private static long sum(long a, long b) {
    return a > Long.MAX_VALUE - b ? Long.MAX_VALUE : a + b;
  }

  private Optional<Till.Refusal> submit(Slip slip, TokenAuthorization a, String signature) {
    try {
      return trySubmit(slip, a, signature);
    } finally {
      synchronized (sending) {
        sending.remove(slip.name());
      }
    }
  }

  private Optional<Till.Refusal> trySubmit(Slip slip, TokenAuthorization a, String signature) {
    try {
      if (token.authorizationState(a.from(), a.nonce(), At.latest())
          || outbox.state(slip.name()).isPresent()) {
        return wrong(
            "invalid_exact_evm_nonce_already_used",
            "This payment was used already, and pays once: what its request did not cost goes back"
                + " to the payer. Sign another one.");
      }
      long has = token.balanceOf(a.from(), At.latest());
      Optional<Till.Refusal> full = reserve(slip, has);
      if (full.isPresent()) {
        return full;
      }
      slips.open(slip);
    } catch (ChainException e) {
      return Optional.of(silent(e));
    } catch (IOException e) {
      LOG.log(System.Logger.Level.ERROR, "the slips of payments cannot be written", e);
      return Optional.of(notNow());
    }
    try {
      Call call = token.transferWithAuthorization(a, signature);
      outbox.submit(slip.name(), call, Outbox.Again.NEVER);
      return Optional.empty();
    } catch (ChainException e) {
      over(slip);
      return switch (e.kind()) {
        case REVERTED ->
            Optional.of(
                Till.Refusal.notNow(
                    "invalid_exact_evm_transaction_simulation_failed",
                    "The token would refuse the payment: " + e.text()));
        case UNREACHABLE, UNTRUSTED, WRONG_CHAIN, REFUSED, POOR, DEAR, INPUT ->
            Optional.of(silent(e));
      };
    }
  }

  private Till.Refusal silent(ChainException e) {
    trouble(e.text());
    return notNow();
  }

  private static Till.Refusal notNow() {
    return Till.Refusal.notNow(
        "unexpected_settle_error",
        "The pool cannot settle payments on the chain now. Nothing was taken: try again later, or"
            + " pay by another way.");
  }

  private Outcome await(Slip slip, CompletableFuture<Outcome> future) {
    try {
      return future.get(MarketLimits.SETTLE_MS, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      if (!future.cancel(false)) {
        return future.join();
      }
    } catch (ExecutionException | CancellationException e) {
      LOG.log(System.Logger.Level.ERROR, "a payment could not be waited for", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      future.cancel(false);
    }
    return new Outcome.Refused(
        Till.Refusal.failed(
            "settlement_pending",
            "The payment was sent off and is in no block yet. If it arrives it is given back with"
                + " the pool's next epoch; if not, it ends at "
                + slip.validBeforeS()
                + " (validBefore). The request was not done."));
  }

  // ---- watching -------------------------------------------------------------------------------

  private void watch() {
    long bankedMs = clock.millis();
    long surelyMs = bankedMs;
    while (!closing) {
      long nowMs = clock.millis();
      if (nowMs - bankedMs >= MarketLimits.BANK_MS || nowMs < bankedMs) {
        bankedMs = nowMs;
        bank();
      }
      List<Slip> some = slips.all().stream().filter(s -> s.stage() != Stage.SURE).toList();
      boolean awaited = some.stream().anyMatch(s -> waiting.containsKey(s.name()));
      boolean all = nowMs - surelyMs >= MarketLimits.SURE_LOOK_MS || nowMs < surelyMs;
      if (some.isEmpty() || !(awaited || all)) {
        LockSupport.parkNanos(MarketLimits.SETTLE_IDLE_MS * 1_000_000);
        continue;
      }
      if (all) {
        surelyMs = nowMs;
      }
      try {
        outbox.tick();
        boolean taken = true;
        for (Slip slip : some) {
          if (all || waiting.containsKey(slip.name())) {
            taken &= look(slip);
          }
        }
        trouble("");
        if (!taken) {
          LockSupport.parkNanos(MarketLimits.SETTLE_IDLE_MS * 1_000_000);
        }
      } catch (ChainException e) {
        trouble(e.text());
      } catch (RuntimeException bug) {
        LOG.log(System.Logger.Level.ERROR, "payments could not be looked at", bug);
      }
      LockSupport.parkNanos(MarketLimits.SETTLE_LOOK_MS * 1_000_000);
    }
  }

  private void bank() {
    try {
      if (outbox.pending().keySet().stream().anyMatch(name -> name.startsWith(OwnPurse.PREFIX))) {
        outbox.tick();
      }
      purse.look(() ->
          slips.all().stream()
              .filter(s -> s.stage() == Stage.BOOKED)
              .mapToLong(Slip::credited)
              .sum());
    } catch (ChainException e) {
      trouble(e.text());
    } catch (PoolMill.Unavailable e) {
      // The pool is stopping, or has much to do: the next time will do.
    } catch (RuntimeException bug) {
      LOG.log(System.Logger.Level.ERROR, "the pool's own purse could not be looked at", bug);
    }
  }

  /// @return false if the books did not take a payment that is there
  private boolean look(Slip slip) throws ChainException {
    return switch (slip.stage()) {
      case OPEN -> lookForBlock(slip);
      case BOOKED -> {
        lookAgain(slip);
        yield true;
      }
      case SURE -> true;
    };
  }

  private boolean lookForBlock(Slip slip) throws ChainException {
    Optional<Outbox.State> state = outbox.state(slip.name());
    if (state.isEmpty()) {
      // Else it is just being sent. It was not before a restart, or so long ago that the outbox
      // forgot it.
      return waiting.containsKey(slip.name()) || elsewhere(slip, "it was never sent");
    }
    return switch (state.get()) {
      case Outbox.State.Waiting _ -> true;
      case Outbox.State.Included(Receipt receipt, long _) -> {
        if (receipt.succeeded()) {
          yield arrived(slip, receipt.transaction(), false);
        }
        mark(slip);
        yield true;
      }
      case Outbox.State.Done(Receipt receipt) -> arrived(slip, receipt.transaction(), true);
      case Outbox.State.Failed f -> {
        mark(slip);
        yield elsewhere(slip, Outbox.describe(f));
      }
      case Outbox.State.Displaced d -> elsewhere(slip, Outbox.describe(d));
    };
  }

  /// A payment failed after all that was tried before it was sent: its payer waits, unless another
  /// hand brought it, whose doing that is.
  private void mark(Slip slip) throws ChainException {
    if (marked.contains(slip.name())) {
      return;
    }
    boolean paid =
        token.authorizationState(slip.payer(), slip.nonce(), At.latest())
            && brought(slip, chain.head()).isPresent();
    if (!paid) {
      marks.failed(slip.payer(), clock.millis());
    }
    marked.add(slip.name());
  }

  /// What is in a block may be reorganised away: it counts when the block is so deep that nobody
  /// expects that any more. Until then the outbox sends the transfer again.
  private void lookAgain(Slip slip) throws ChainException {
    Optional<Outbox.State> state = outbox.state(slip.name());
    if (state.isPresent()) {
      switch (state.get()) {
        case Outbox.State.Waiting _, Outbox.State.Included _ -> {
          return;
        }
        case Outbox.State.Done _ -> {
          sure(slip);
          return;
        }
        case Outbox.State.Failed _, Outbox.State.Displaced _ -> {}
      }
    }
    Head deep = chain.confirmed(outbox.confirmations());
    if (token.authorizationState(slip.payer(), slip.nonce(), At.block(deep))) {
      if (brought(slip, deep).isPresent()) {
        sure(slip);
      } else {
        reversed(slip);
      }
    } else if (deep.timeS() >= slip.validBeforeS()) {
      // No block that follows can have it.
      reversed(slip);
    }
  }

  private void sure(Slip slip) {
    try {
      slips.sure(slip);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.ERROR, "the slips of payments cannot be written", e);
      return;
    }
    marks.paid(slip.payer());
    books.sure(slip.at(Stage.SURE));
  }

  private void reversed(Slip slip) {
    if (marked.add(slip.name())) {
      marks.failed(slip.payer(), clock.millis());
      LOG.log(
          System.Logger.Level.WARNING,
          "the chain took back a payment of "
              + slip.value()
              + " by "
              + slip.payer()
              + " after it was served: what is left of it is taken back in the books, the rest is the"
              + " pool's loss (perseid account --statement); put as much into the pool's own purse");
    }
    books.reversed(slip);
  }

  /// Ours did not do it. Anybody who saw the authorization may have brought it to the chain, to the
  /// same effect.
  private boolean elsewhere(Slip slip, String why) throws ChainException {
    if (token.authorizationState(slip.payer(), slip.nonce(), At.latest())) {
      Optional<Hash> brought = brought(slip, chain.head());
      if (brought.isPresent()) {
        return arrived(slip, brought.get(), false);
      }
    } else if (clock.millis() / 1_000 < slip.validBeforeS() + MarketLimits.PAYMENT_GRACE_S) {
      // It may still come by another hand: then it is given back.
      failed(slip, why);
      return true;
    }
    over(slip);
    failed(slip, why);
    return true;
  }

  private void failed(Slip slip, String why) {
    CompletableFuture<Outcome> future = waiting.get(slip.name());
    if (future != null) {
      future.complete(
          new Outcome.Refused(
              Till.Refusal.failed(
                  "invalid_transaction_state",
                  "The payment failed on the chain: " + why + ". Nothing was taken.")));
    }
  }

  /// The transaction in which this authorization, and no other with its nonce, paid the pool.
  private Optional<Hash> brought(Slip slip, Head to) throws ChainException {
    Hash payer = word(slip.payer());
    Set<Hash> used = new HashSet<>();
    for (long from = slip.fromBlock(); from <= to.number(); from += MarketLimits.LOOKED_BLOCKS) {
      Head until =
          from + MarketLimits.LOOKED_BLOCKS > to.number()
              ? to
              : chain.block(from + MarketLimits.LOOKED_BLOCKS - 1);
      for (Log log : chain.logs(token.address(), List.of(USED, TRANSFER), payer, from, until)) {
        if (log.topics().size() != 3) {
          continue;
        }
        if (log.topics().getFirst().equals(USED)) {
          if (log.topics().get(2).equals(slip.nonce())) {
            used.add(log.transaction());
          }
        } else if (used.contains(log.transaction())
            && log.topics().get(2).equals(word(payTo))
            && log.data().length == 32
            && Hash.of(log.data()).equals(word(slip.value()))) {
          return Optional.of(log.transaction());
        }
      }
    }
    return Optional.empty();
  }

  private static Hash word(Address address) {
    byte[] bytes = new byte[32];
    System.arraycopy(address.bytes(), 0, bytes, 12, 20);
    return Hash.of(bytes);
  }

  private static Hash word(long value) {
    return new Hash(0, 0, 0, value);
  }

  /// @param sure whether it is there for good
  private boolean arrived(Slip slip, Hash transaction, boolean sure) {
    if (!books.arrived(slip)) {
      return false;
    }
    try {
      slips.booked(slip);
      if (sure) {
        slips.sure(slip);
        marks.paid(slip.payer());
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.ERROR, "the slips of payments cannot be written", e);
    }
    Slip now = slip.at(sure ? Stage.SURE : Stage.BOOKED);
    CompletableFuture<Outcome> future = waiting.get(slip.name());
    if (future == null || !future.complete(new Outcome.Settled(now, transaction))) {
      books.unclaimed(now);
    }
    return true;
  }

  /// Payments that the books have and that were not given back yet.
  List<Slip> booked() {
    return slips.all().stream().filter(s -> s.stage() != Stage.OPEN).toList();
  }

  /// Whether anything of what a payer paid may still be reorganised away: nothing is given back
  /// before.
  boolean isUnsure(Address payer) {
    return slips.all().stream().anyMatch(s -> s.stage() == Stage.BOOKED && s.payer().equals(payer));
  }

  /// Nothing more follows from a payment.
  void over(Slip slip) {
    marked.remove(slip.name());
    try {
      slips.over(slip);
    } catch (IOException e) {
      LOG.log(System.Logger.Level.ERROR, "the slips of payments cannot be written", e);
    }
  }

  private synchronized void trouble(String what) {
    if (!what.isEmpty() && !what.equals(trouble)) {
      LOG.log(System.Logger.Level.WARNING, "payments by x402 wait: " + what);
    }
    trouble = what;
  }

  @Override
  public void close() throws IOException {
    closing = true;
    LockSupport.unpark(watcher);
    try {
      if (watcher.isAlive()) {
        watcher.join(MarketLimits.SETTLE_MS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    slips.close();
  }
}
