package dev.perseid.chain;

import dev.perseid.chain.Chain.Sent;
import dev.perseid.chain.Chain.Sighting;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Sends transactions of one key so that nothing is paid twice, whatever happens in between. Each
/// has a name that its caller chose; what has a name is done once. A transaction is written to a
/// journal, and the journal to the disk, before it leaves; from then on the same bytes, or others
/// with the same nonce and a higher fee, are sent until one of them stands so deep that it counts
/// as final. Only when another transaction took that nonce, that deep, and none of ours is to be
/// found, is it given up, or sent with a new nonce if twice does no harm.
///
/// Others may use the same key. One outbox has its journal for itself. Safe for any thread.
public final class Outbox implements AutoCloseable {
  /// What the caller allows.
  ///
  /// @param mostWei what a unit of gas may cost at most
  /// @param confirmations how many blocks deep a receipt is final, its own counted: 1 believes the
  ///   newest block, which only a chain of one's own deserves
  /// @param patienceMs how long a transaction may wait before it is sent again with a higher fee
  public record Rules(BigInteger mostWei, int confirmations, long patienceMs) {
    public Rules {
      if (mostWei.signum() <= 0 || confirmations < 1 || patienceMs < 1) {
        throw new IllegalArgumentException("fee, confirmations and patience must be above zero");
      }
    }
  }

  /// What happens if another transaction took the nonce.
  public enum Again {
    /// The caller decides: it is [State.Displaced].
    NEVER,
    /// It is sent with another nonce: doing it twice does the same as once, as with a settlement,
    /// whose epochs are counted, or a claim.
    HARMLESS
  }

  /// How far a transaction is.
  public sealed interface State {
    /// Sent, or to be sent, and in no block.
    ///
    /// @param note why it still waits, if that is known
    record Waiting(Hash transaction, long nonce, int attempts, String note) implements State {}

    /// In a block that could still be reorganised away.
    record Included(Receipt receipt, long confirmations) implements State {}

    /// Final, and it did what it was to do. The receipt has the logs of the called contract only.
    record Done(Receipt receipt) implements State {}

    /// Final, and it failed: it cost its gas and did nothing.
    record Failed(Receipt receipt, Optional<Revert> why) implements State {}

    /// Final: another transaction of this key took its nonce, so it never happened.
    record Displaced(long nonce) implements State {}

    /// Whether nothing of it will change any more.
    default boolean isFinal() {
      return switch (this) {
        case Waiting w -> false;
        case Included i -> false;
        case Done d -> true;
        case Failed f -> true;
        case Displaced d -> true;
      };
    }
  }

  /// One attempt to get a transaction into a block.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Attempt(Transaction.Fee fee, long nonce, long gas, byte[] bytes, Hash hash, long atMs) {}

  /// A transaction and all attempts.
  static final class Intent {
    final String name;
    final Call call;
    final Again again;
    final List<Attempt> attempts = new ArrayList<>();
    State state = new State.Waiting(Hash.ZERO, 0, 0, "");

    Intent(String name, Call call, Again again) {
      this.name = name;
      this.call = call;
      this.again = again;
    }

    Attempt last() {
      return attempts.getLast();
    }

    /// Takes up one more attempt.
    void add(Attempt attempt) {
      attempts.add(attempt);
      note("");
    }

    void note(String note) {
      state = new State.Waiting(last().hash(), last().nonce(), attempts.size(), note);
    }
  }

  private static final long NONCES_AHEAD = 1_000;

  private final Chain chain;
  private final Key key;
  private final Rules rules;
  private final InstantSource clock;
  private final OutboxJournal journal;
  private final Runnable beforeSending;
  private final Map<String, Intent> intents;
  private long gapSinceMs = -1;
  private long usedNonce = -1;

  private Outbox(
      Chain chain,
      Key key,
      Rules rules,
      InstantSource clock,
      OutboxJournal journal,
      Map<String, Intent> intents,
      Runnable beforeSending) {
    this.chain = chain;
    this.key = key;
    this.rules = rules;
    this.clock = clock;
    this.journal = journal;
    this.intents = intents;
    this.beforeSending = beforeSending;
  }

  /// Opens an outbox, with all that was in it. Nothing is sent yet: see [#tick].
  ///
  /// @param file its journal, made if there is none
  /// @throws IOException if the journal is damaged, in use, or of another key or chain
  public static Outbox open(Path file, Chain chain, Key key, Rules rules, InstantSource clock)
      throws IOException {
    return open(file, chain, key, rules, clock, () -> {});
  }

  /// @param beforeSending runs between journal and network
  static Outbox open(
      Path file, Chain chain, Key key, Rules rules, InstantSource clock, Runnable beforeSending)
      throws IOException {
    Map<String, Intent> intents = new LinkedHashMap<>();
    OutboxJournal journal = OutboxJournal.open(file, chain.id(), key.address(), intents);
    return new Outbox(chain, key, rules, clock, journal, intents, beforeSending);
  }

  /// Whose transactions these are.
  public Address account() {
    return key.address();
  }

  /// How many blocks deep a receipt is final, its own counted.
  public int confirmations() {
    return rules.confirmations();
  }

  /// The chain on which they are.
  public Chain chain() {
    return chain;
  }

  // ---- to ask -----------------------------------------------------------------------------------

  /// How far a transaction was when it was last looked at; nothing if no such one was submitted.
  public synchronized Optional<State> state(String name) {
    return Optional.ofNullable(intents.get(name)).map(intent -> intent.state);
  }

  /// What is not final, by name, in the order of submission, with what it is for people.
  public synchronized Map<String, String> pending() {
    Map<String, String> all = new LinkedHashMap<>();
    for (Intent intent : intents.values()) {
      if (!intent.state.isFinal()) {
        all.put(intent.name, intent.call.what());
      }
    }
    return all;
  }

  // ---- to do ------------------------------------------------------------------------------------

  /// What a transaction would cost, without sending it.
  ///
  /// @param gas most that it may use
  /// @param mostWei most that it may cost, beside the money that goes along
  public record Quote(long gas, BigInteger mostWei) {}

  /// Tries a transaction without sending it.
  ///
  /// @throws ChainException as [#submit] does
  public Quote quote(Call call) throws ChainException {
    long gas = gas(call);
    return new Quote(gas, fee().mostWei().multiply(BigInteger.valueOf(gas)));
  }

  /// Does something once. If there is a transaction of this name, tells how far it is; else tries
  /// whether it would succeed, signs it, writes it down, and sends it.
  ///
  /// @throws ChainException if it was not sent and never will be under this name unless it is
  ///   submitted again: it would fail (`REVERTED`), the account cannot pay the gas (`POOR`), gas is
  ///   too dear (`DEAR`), no node answers (`UNREACHABLE`), or the journal cannot be written
  ///   (`REFUSED`)
  public State submit(String name, Call call, Again again) throws ChainException {
    return submit(name, call, again, Room.NONE);
  }

  /// What a transaction needs beside itself.
  ///
  /// @param usedGas what it may use beyond an estimate and the usual margin, because of what others
  ///   can change on the chain before it is in a block
  /// @param leftGas what the account must be able to pay after it, for what matters more
  public record Room(long usedGas, long leftGas) {
    /// Nothing.
    public static final Room NONE = new Room(0, 0);
  }

  /// As [#submit(String, Call, Again)].
  public synchronized State submit(String name, Call call, Again again, Room room)
      throws ChainException {
    Intent known = intents.get(name);
    if (known != null) {
      boolean same =
          known.call.to().equals(call.to())
              && known.call.valueWei().equals(call.valueWei())
              && (known.state.isFinal() || Arrays.equals(known.call.data(), call.data()));
      if (!same) {
        throw ChainException.input(
            "'" + name + "' is the name of another transaction already: choose another");
      }
      return known.state;
    }
    List<Intent> open = open();
    if (open.size() >= Limits.OPEN_INTENTS) {
      throw new ChainException(
          ChainException.Kind.REFUSED,
          open.size() + " transactions wait already: wait until some are final");
    }
    if (call.data().length > Limits.INPUT_BYTES) {
      throw ChainException.input("the transaction is too large: " + call.data().length + " bytes");
    }
    long gas = gas(call, room.usedGas());
    Transaction.Fee fee = fee();
    afford(call, gas + room.leftGas(), fee, open);
    Intent intent = new Intent(name, call, again);
    sign(intent, nonce(), gas, fee);
    send(intent);
    return intent.state;
  }

  /// Looks at all that is not final: finds receipts, sends again what is nowhere, raises fees. To
  /// be called about once a block.
  ///
  /// @throws ChainException if the chain cannot be asked; nothing is lost by that
  public synchronized void tick() throws ChainException {
    List<Intent> open = open();
    if (open.isEmpty()) {
      return;
    }
    chain.checkId();
    // The nonces first: a receipt that is asked for later cannot be older than they are.
    Head deep = chain.confirmed(rules.confirmations());
    long deepNonce = chain.nonce(account(), At.block(deep));
    long nonce = chain.nonce(account(), At.latest());
    Head newest = chain.head();
    for (Intent intent : open) {
      look(intent, deep, deepNonce, nonce, newest);
    }
    fillGap(nonce);
  }

  /// Waits until a transaction is final. What cannot be asked meanwhile is asked again.
  ///
  /// @param pollMs pause between two looks
  /// @throws ChainException if time is up; the transaction stays in the outbox
  public State await(String name, Duration most, long pollMs) throws ChainException {
    long untilMs = clock.millis() + most.toMillis();
    while (true) {
      Optional<ChainException> silent = Optional.empty();
      try {
        tick();
      } catch (ChainException e) {
        silent =
            switch (e.kind()) {
              case UNREACHABLE, UNTRUSTED, REFUSED -> Optional.of(e);
              case WRONG_CHAIN, REVERTED, POOR, DEAR, INPUT -> throw e;
            };
      }
      State state =
          state(name)
              .orElseThrow(() -> ChainException.input("there is no transaction '" + name + "'"));
      if (state.isFinal()) {
        return state;
      }
      if (clock.millis() >= untilMs) {
        throw new ChainException(
            ChainException.Kind.UNREACHABLE,
            "after "
                + most.toSeconds()
                + " s it is not final: "
                + silent.map(ChainException::text).orElse(describe(state))
                + "; it stays in the outbox and goes on the next time");
      }
      try {
        TimeUnit.MILLISECONDS.sleep(pollMs);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ChainException(
            ChainException.Kind.UNREACHABLE,
            "this program is stopping; the transaction stays in the outbox");
      }
    }
  }

  /// A state in a few words.
  public static String describe(State state) {
    return switch (state) {
      case State.Waiting w ->
          "it waits with nonce " + w.nonce() + (w.note().isEmpty() ? "" : ": " + w.note());
      case State.Included i ->
          "it is in block " + i.receipt().block() + " with " + i.confirmations() + " confirmations";
      case State.Done d -> "done in block " + d.receipt().block();
      case State.Failed f ->
          "failed in block "
              + f.receipt().block()
              + f.why().map(why -> ": " + why.sentence()).orElse("");
      case State.Displaced d ->
          "another transaction of this key took nonce " + d.nonce() + ": it never happened";
    };
  }

  // ---- inside -----------------------------------------------------------------------------------

  private List<Intent> open() {
    List<Intent> open = new ArrayList<>();
    for (Intent intent : intents.values()) {
      if (!intent.state.isFinal()) {
        open.add(intent);
      }
    }
    open.sort(Comparator.comparingLong(intent -> intent.last().nonce()));
    return open;
  }

  private long gas(Call call) throws ChainException {
    return gas(call, 0);
  }

  private long gas(Call call, long roomGas) throws ChainException {
    long estimate = chain.estimate(account(), call);
    long most = Math.min(Limits.TRANSACTION_GAS, chain.head().gasLimit());
    if (estimate > most) {
      throw ChainException.input(
          call.what() + " needs " + estimate + " gas, but a transaction can use only " + most);
    }
    return Math.min(most, estimate + estimate / 100 * Limits.GAS_MARGIN_PERCENT + roomGas);
  }

  /// What a unit of gas costs now, with room for a rise.
  private Transaction.Fee fee() throws ChainException {
    BigInteger cap = rules.mostWei();
    Optional<BigInteger> base = chain.head().baseFeeWei();
    if (base.isEmpty()) {
      BigInteger price = chain.priceWei();
      if (price.compareTo(cap) > 0) {
        throw dear(price);
      }
      return new Transaction.Fee.Flat(price);
    }
    if (base.get().compareTo(cap) >= 0) {
      throw dear(base.get());
    }
    BigInteger tip = chain.tipWei().min(cap.subtract(base.get()));
    BigInteger most = base.get().shiftLeft(1).add(tip).min(cap);
    return new Transaction.Fee.Dynamic(most, tip);
  }

  private ChainException dear(BigInteger price) {
    return new ChainException(
        ChainException.Kind.DEAR,
        "a unit of gas costs "
            + gwei(price)
            + " gwei, more than the "
            + gwei(rules.mostWei())
            + " allowed: wait, or allow more");
  }

  private static String gwei(BigInteger wei) {
    return new BigDecimal(wei, 9).stripTrailingZeros().toPlainString();
  }

  private void afford(Call call, long gas, Transaction.Fee fee, List<Intent> open)
      throws ChainException {
    BigInteger needed = cost(call, gas, fee);
    for (Intent intent : open) {
      needed = needed.add(cost(intent.call, intent.last().gas(), intent.last().fee()));
    }
    BigInteger has = chain.balance(account(), At.latest());
    if (has.compareTo(needed) < 0) {
      throw new ChainException(
          ChainException.Kind.POOR,
          account()
              + " has "
              + ether(has)
              + " of the chain's own money and may need "
              + ether(needed)
              + " for gas: send it some");
    }
  }

  private static String ether(BigInteger wei) {
    return new BigDecimal(wei, 18).stripTrailingZeros().toPlainString();
  }

  private static BigInteger cost(Call call, long gas, Transaction.Fee fee) {
    return fee.mostWei().multiply(BigInteger.valueOf(gas)).add(call.valueWei());
  }

  /// The next nonce: beyond what the chain knows, and beyond what waits here.
  private long nonce() throws ChainException {
    long latest = chain.nonce(account(), At.latest());
    // A node that is late may not know yet what is final here.
    long next = Math.max(Math.max(latest, chain.pendingNonce(account())), usedNonce + 1);
    for (Intent intent : intents.values()) {
      if (!intent.state.isFinal()) {
        next = Math.max(next, intent.last().nonce() + 1);
      }
    }
    if (next > latest + NONCES_AHEAD) {
      throw ChainException.untrusted(
          "the node says that "
              + (next - latest)
              + " transactions of "
              + account()
              + " wait, which cannot be");
    }
    return next;
  }

  /// Signs one more attempt and has it on the disk before anything can leave.
  private void sign(Intent intent, long nonce, long gas, Transaction.Fee fee)
      throws ChainException {
    Transaction.Signed signed = new Transaction(chain.id(), nonce, gas, fee, intent.call).sign(key);
    Attempt attempt = new Attempt(fee, nonce, gas, signed.bytes(), signed.hash(), clock.millis());
    try {
      journal.signed(intent, attempt);
    } catch (IOException e) {
      throw new ChainException(
          ChainException.Kind.REFUSED,
          "nothing was sent, because the outbox cannot be written: " + e);
    }
    intent.add(attempt);
    intents.put(intent.name, intent);
    beforeSending.run();
  }

  private void send(Intent intent) {
    try {
      switch (chain.send(intent.last().bytes())) {
        case Sent.Taken() -> intent.note("");
        case Sent.Refused(String why) -> intent.note("the node refuses it: " + Hex.shown(why));
      }
    } catch (ChainException e) {
      // It is in the journal: the next look sends it again.
      intent.note(e.text());
    }
  }

  private void look(Intent intent, Head deep, long deepNonce, long nonce, Head newest)
      throws ChainException {
    boolean seen = false;
    for (Attempt attempt : intent.attempts.reversed()) {
      switch (chain.receipt(attempt.hash(), account(), attempt.gas())) {
        case Sighting.Here(Receipt receipt) when chain.stands(receipt) -> {
          long confirmations = newest.number() - receipt.block() + 1;
          if (confirmations < rules.confirmations()) {
            intent.state = new State.Included(receipt, Math.max(0, confirmations));
          } else {
            finish(intent, attempt, receipt);
          }
          return;
        }
        case Sighting.Here h -> seen = true;
        case Sighting.Somewhere s -> seen = true;
        case Sighting.Nowhere n -> {}
      }
    }
    if (seen) {
      intent.note("the nodes do not agree yet on where it stands");
      return;
    }
    long own = intent.last().nonce();
    if (deepNonce > own) {
      taken(intent, own, deep);
    } else if (nonce > own) {
      intent.note("another transaction of this key took nonce " + own + ", not yet for good");
    } else {
      resend(intent);
    }
  }

  private void finish(Intent intent, Attempt attempt, Receipt receipt) throws ChainException {
    usedNonce = Math.max(usedNonce, attempt.nonce());
    State end;
    if (receipt.succeeded()) {
      Optional<Address> contract = intent.call.to();
      if (contract.isEmpty()
          && !receipt
              .created()
              .equals(Optional.of(Transaction.created(account(), attempt.nonce())))) {
        throw ChainException.untrusted(
            "the node says of " + intent.call.what() + " that it made another contract");
      }
      List<Log> logs =
          receipt.logs().stream()
              .filter(log -> contract.isEmpty() || log.contract().equals(contract.get()))
              .toList();
      end =
          new State.Done(
              new Receipt(
                  receipt.transaction(),
                  receipt.block(),
                  receipt.blockHash(),
                  true,
                  receipt.created(),
                  receipt.gasUsed(),
                  receipt.gasPriceWei(),
                  logs));
    } else {
      Optional<Revert> why =
          receipt.block() == 0
              ? Optional.empty()
              : chain.why(account(), intent.call, chain.block(receipt.block() - 1));
      end = new State.Failed(receipt, why);
    }
    end(intent, end);
  }

  private void end(Intent intent, State end) throws ChainException {
    try {
      journal.ended(intent, end);
    } catch (IOException e) {
      throw new ChainException(ChainException.Kind.REFUSED, "the outbox cannot be written: " + e);
    }
    intent.state = end;
  }

  /// Our nonce is taken, deep down, and no receipt of ours is to be found. That it is missing
  /// proves nothing: behind one address there may be several nodes, of which one is late. What
  /// proves it is the block in which another transaction has the nonce.
  private void taken(Intent intent, long nonce, Head deep) throws ChainException {
    Optional<Hash> taker = chain.taker(account(), nonce, deep);
    boolean ours =
        taker.isPresent() && intent.attempts.stream().anyMatch(a -> a.hash().equals(taker.get()));
    if (ours) {
      intent.note("it is in a block, and its receipt is not there yet");
    } else if (taker.isPresent()) {
      displaced(intent);
    } else if (intent.again == Again.HARMLESS
        && clock.millis() - intent.last().atMs() >= Limits.LOST_MS) {
      displaced(intent);
    } else {
      intent.note(
          "nonce "
              + nonce
              + " is taken, and the node does not know any more by what: ask a node with an archive,"
              + " or look it up; nothing is sent until it is known");
    }
  }

  private void displaced(Intent intent) throws ChainException {
    switch (intent.again) {
      case NEVER -> end(intent, new State.Displaced(intent.last().nonce()));
      case HARMLESS -> {
        try {
          long gas = Math.max(gas(intent.call), intent.last().gas());
          sign(intent, nonce(), gas, fee());
          send(intent);
        } catch (ChainException e) {
          switch (e.kind()) {
            // It was done by somebody else meanwhile, or cannot be done any more.
            case REVERTED -> end(intent, new State.Displaced(intent.last().nonce()));
            case UNREACHABLE, UNTRUSTED, WRONG_CHAIN, REFUSED, POOR, DEAR, INPUT ->
                intent.note(e.text());
          }
        }
      }
    }
  }

  private void resend(Intent intent) throws ChainException {
    Attempt last = intent.last();
    if (clock.millis() - last.atMs() >= rules.patienceMs()) {
      Optional<Transaction.Fee> higher = raised(last.fee());
      if (higher.isEmpty()) {
        send(intent);
        intent.note("it pays the most that is allowed for gas and must wait until gas is cheaper");
        return;
      }
      if (sameNonce(intent) > Limits.BUMPS) {
        send(intent);
        intent.note("its fee was raised " + Limits.BUMPS + " times and is not raised again");
        return;
      }
      sign(intent, last.nonce(), last.gas(), higher.get());
    }
    send(intent);
  }

  private static long sameNonce(Intent intent) {
    long nonce = intent.last().nonce();
    return intent.attempts.stream().filter(a -> a.nonce() == nonce).count();
  }

  /// What replaces an attempt; nothing if that is more than is allowed.
  private Optional<Transaction.Fee> raised(Transaction.Fee old) throws ChainException {
    BigInteger cap = rules.mostWei();
    return switch (old) {
      case Transaction.Fee.Flat(BigInteger price) -> {
        BigInteger next = more(price).max(chain.priceWei().min(cap));
        yield next.compareTo(cap) > 0
            ? Optional.empty()
            : Optional.of(new Transaction.Fee.Flat(next));
      }
      case Transaction.Fee.Dynamic(BigInteger most, BigInteger tip) -> {
        BigInteger least = more(most);
        BigInteger base = chain.head().baseFeeWei().orElse(BigInteger.ZERO);
        BigInteger wantedTip = more(tip).max(chain.tipWei().min(cap));
        BigInteger wanted = least.max(base.shiftLeft(1).add(wantedTip).min(cap));
        yield wanted.compareTo(cap) > 0
            ? Optional.empty()
            : Optional.of(new Transaction.Fee.Dynamic(wanted, wantedTip.min(wanted)));
      }
    };
  }

  private static BigInteger more(BigInteger fee) {
    BigInteger[] parts =
        fee.multiply(BigInteger.valueOf(100 + Limits.BUMP_PERCENT))
            .divideAndRemainder(BigInteger.valueOf(100));
    return parts[0].add(BigInteger.ONE);
  }

  /// If a transaction of somebody else, on which ours were built, has vanished, nothing of ours can
  /// be done: one that does nothing takes its place.
  private void fillGap(long nonce) throws ChainException {
    List<Intent> open = open();
    boolean gap =
        !open.isEmpty()
            && open.getFirst().last().nonce() > nonce
            && chain.pendingNonce(account()) == nonce;
    long nowMs = clock.millis();
    if (!gap) {
      gapSinceMs = -1;
      return;
    }
    if (gapSinceMs < 0) {
      gapSinceMs = nowMs;
    }
    if (nowMs - gapSinceMs < rules.patienceMs() || open.size() >= Limits.OPEN_INTENTS) {
      open.getFirst().note("nonce " + nonce + " before it is free: its transaction has vanished");
      return;
    }
    Call nothing =
        new Call("fill nonce " + nonce, Optional.of(account()), BigInteger.ZERO, new byte[0]);
    String name = String.format(Locale.ROOT, "fill-%d-%d", nonce, nowMs);
    Intent intent = new Intent(name, nothing, Again.NEVER);
    sign(intent, nonce, gas(nothing), fee());
    send(intent);
    gapSinceMs = -1;
  }

  @Override
  public synchronized void close() throws IOException {
    journal.close();
  }
}
