package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Payout;
import dev.perseid.core.Voucher;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A chain with one escrow contract, as it is at its worst: blocks come late, are reorganised as
/// long as they are not confirmed, lose transactions, and nobody sees them for a while. The
/// contract follows the rules of docs/contracts.md and shares no code with the pool.
final class Chain {
  /// How many blocks, its own included, make a block final.
  static final int CONFIRMATIONS = 4;

  /// Short, so that there are exits within a storm.
  static final long EXIT_DELAY_US = 40_000_000;

  private static final int KEPT = 24;

  /// A purse of one consumer.
  record Purse(long funded, long spent, long leavingAtUs) {
    static final Purse EMPTY = new Purse(0, 0, 0);
  }

  /// A transfer to the pool's own key.
  record Payment(Address payer, long amount) {}

  /// What became of a settlement.
  record Settled(boolean done, long redeemed, List<Address> failedPushes) {}

  /// Everything that the contract and the token know after a block.
  static final class Books {
    final Map<Address, Purse> purses = new TreeMap<>();
    final Map<Address, Long> paid = new TreeMap<>();
    final Map<Hash, Payment> payments = new LinkedHashMap<>();
    final Map<String, Settled> included = new TreeMap<>();
    final Map<Long, List<Payout>> commitments = new TreeMap<>();
    long keyBalance;
    long minted;
    long outside;
    long earned;
    long paidOut;
    long epoch;
    long number;
    long madeUs;

    Books copy() {
      Books b = new Books();
      b.purses.putAll(purses);
      b.paid.putAll(paid);
      b.payments.putAll(payments);
      b.included.putAll(included);
      b.commitments.putAll(commitments);
      b.keyBalance = keyBalance;
      b.minted = minted;
      b.outside = outside;
      b.earned = earned;
      b.paidOut = paidOut;
      b.epoch = epoch;
      b.number = number;
      b.madeUs = madeUs;
      return b;
    }

    Purse purse(Address consumer) {
      return purses.getOrDefault(consumer, Purse.EMPTY);
    }
  }

  /// What a transaction does to the books; empty: it reverts and does nothing.
  interface Act {
    Optional<Settled> on(Books books);
  }

  private record Transaction(String id, Act act) {}

  private record Block(Books after, List<Transaction> transactions) {}

  private final Address pool;
  private final Agenda agenda;
  private final Dice dice;
  private final Seals seals;
  private final List<Block> blocks = new ArrayList<>();
  private final Map<String, Transaction> waiting = new LinkedHashMap<>();
  private final Optional<Address> blackListed;
  private final boolean rough;
  private boolean calm;
  private long darkUntilUs;

  /// The highest number that a block had when it was final; -1 while none was. It never goes back:
  /// reorganisations that come soon after one another go no deeper together than one may.
  private long finalNumber = -1;

  /// @param blackListed an account to which the token sends nothing
  Chain(Address pool, Agenda agenda, Dice dice, Seals seals, Optional<Address> blackListed) {
    this.pool = pool;
    this.agenda = agenda;
    this.dice = dice;
    this.seals = seals;
    this.blackListed = blackListed;
    rough = dice.chance(7_000);
    blocks.add(new Block(new Books(), List.of()));
    next();
    if (dice.chance(5_000)) {
      long forUs = dice.chance(1_500) ? 3_600_000_000L : dice.between(1_000_000, 20_000_000);
      agenda.after(
          dice.between(1_000_000, 40_000_000),
          "chain goes dark",
          0,
          () -> darkUntilUs = agenda.nowUs() + forUs);
    }
  }

  /// No more reorganisations and lost transactions; a darkness that has begun goes on.
  void calm() {
    calm = true;
  }

  private void next() {
    agenda.after(
        dice.between(500_000, rough && !calm ? 6_000_000 : 1_500_000), "block", 0, this::make);
  }

  private void make() {
    if (rough && !calm && dice.chance(1_500)) {
      reorganise();
    }
    Books books = head().copy();
    books.number++;
    books.madeUs = Simulation.EPOCH_US + agenda.nowUs();
    List<Transaction> taken = new ArrayList<>();
    for (Transaction t : List.copyOf(waiting.values())) {
      if (rough && !calm && dice.chance(2_000)) {
        if (dice.chance(3_000)) {
          waiting.remove(t.id);
        }
        continue;
      }
      waiting.remove(t.id);
      if (books.included.containsKey(t.id)) {
        continue;
      }
      Books tried = books.copy();
      Optional<Settled> result = t.act.on(tried);
      if (result.isPresent()) {
        books = tried;
      }
      books.included.put(t.id, result.orElse(new Settled(false, 0, List.of())));
      taken.add(t);
    }
    check(books);
    blocks.add(new Block(books, taken));
    if (blocks.size() >= CONFIRMATIONS) {
      Block deep = blocks.get(blocks.size() - CONFIRMATIONS);
      finalNumber = Math.max(finalNumber, deep.after.number);
    }
    if (blocks.size() > KEPT) {
      blocks.removeFirst();
    }
    next();
  }

  /// Where the newest final block is; -1 if there is none.
  private int newestFinal() {
    return (int) (finalNumber - blocks.getFirst().after.number);
  }

  private void reorganise() {
    int open = blocks.size() - 1 - Math.max(0, newestFinal());
    int depth = Math.min(1 + dice.below(CONFIRMATIONS - 1), open);
    for (int i = 0; i < depth; i++) {
      for (Transaction t : blocks.removeLast().transactions) {
        waiting.put(t.id, t);
      }
    }
  }

  private static void check(Books b) {
    long held = b.earned - b.paidOut;
    long redeemed = 0;
    for (Purse p : b.purses.values()) {
      if (p.spent > p.funded || p.spent < 0) {
        throw new Violation("a purse on the chain is " + p);
      }
      held += p.funded - p.spent;
      redeemed += p.spent;
    }
    if (b.paidOut > b.earned || redeemed != b.earned) {
      throw new Violation("the till earned " + b.earned + " and paid " + b.paidOut);
    }
    if (held + b.keyBalance + b.outside != b.minted) {
      throw new Violation("money on the chain came from nowhere or went there");
    }
  }

  /// The newest block's number, whether it is final or not.
  long height() {
    return head().number;
  }

  private Books head() {
    return blocks.getLast().after;
  }

  /// Hands in a transaction; twice is once. It may get lost.
  void send(String id, Act act) {
    if (!calm && rough && dice.chance(1_000)) {
      return;
    }
    agenda.after(
        dice.between(1_000, 300_000),
        "transaction",
        0,
        () -> {
          if (!head().included.containsKey(id)) {
            waiting.putIfAbsent(id, new Transaction(id, act));
          }
        });
  }

  /// What a node of the chain says is final; null if it does not answer. Now and then it is behind.
  @Nullable Books read() {
    if (agenda.nowUs() < darkUntilUs || (!calm && dice.chance(500))) {
      return null;
    }
    int behind = rough && !calm && dice.chance(1_000) ? dice.below(4) : 0;
    int at = newestFinal() - behind;
    return at < 0 ? null : blocks.get(at).after;
  }

  /// The books of the newest final block, whoever asks.
  Books truth() {
    return blocks.get(Math.max(0, newestFinal())).after;
  }

  // ---- what transactions do

  private static final Optional<Settled> DONE = Optional.of(new Settled(true, 0, List.of()));

  /// Somebody puts new money into a purse.
  Act deposit(Address consumer, long amount) {
    return b -> {
      Purse p = b.purse(consumer);
      b.minted += amount;
      b.purses.put(consumer, new Purse(p.funded + amount, p.spent, p.leavingAtUs));
      return DONE;
    };
  }

  /// The pool puts what it took into its own purse.
  Act depositTaken(Address self, long amount) {
    return b -> {
      if (b.keyBalance < amount) {
        return Optional.empty();
      }
      Purse p = b.purse(self);
      b.keyBalance -= amount;
      b.purses.put(self, new Purse(p.funded + amount, p.spent, p.leavingAtUs));
      return DONE;
    };
  }

  /// Somebody pays the pool's own key.
  Act pay(Hash name, Address payer, long amount) {
    return b -> {
      b.minted += amount;
      b.keyBalance += amount;
      b.payments.put(name, new Payment(payer, amount));
      return DONE;
    };
  }

  Act askExit(Address consumer) {
    return b -> {
      Purse p = b.purse(consumer);
      if (p.leavingAtUs != 0) {
        return Optional.empty();
      }
      b.purses.put(consumer, new Purse(p.funded, p.spent, b.madeUs + EXIT_DELAY_US));
      return DONE;
    };
  }

  Act cancelExit(Address consumer) {
    return b -> {
      Purse p = b.purse(consumer);
      if (p.leavingAtUs == 0) {
        return Optional.empty();
      }
      b.purses.put(consumer, new Purse(p.funded, p.spent, 0));
      return DONE;
    };
  }

  Act exit(Address consumer) {
    return b -> {
      Purse p = b.purse(consumer);
      if (p.leavingAtUs == 0 || b.madeUs < p.leavingAtUs) {
        return Optional.empty();
      }
      b.outside += p.funded - p.spent;
      b.purses.put(consumer, new Purse(p.spent, p.spent, 0));
      return DONE;
    };
  }

  Act claim(Address payee, long epoch) {
    return b -> {
      long due = 0;
      for (Payout payout : b.commitments.getOrDefault(epoch, List.of())) {
        due = payout.payee().equals(payee) ? payout.cumulative() : due;
      }
      long before = b.paid.getOrDefault(payee, 0L);
      long amount = Math.min(due - before, b.earned - b.paidOut);
      if (amount <= 0) {
        return Optional.empty();
      }
      b.paid.put(payee, before + amount);
      b.paidOut += amount;
      b.outside += amount;
      return DONE;
    };
  }

  Act settle(Epoch epoch) {
    return b -> {
      if (epoch.number() != b.epoch + 1) {
        return Optional.empty();
      }
      long redeemed = 0;
      for (Voucher v : epoch.vouchers()) {
        Hash digest = voucher(pool, v.consumer(), v.cumulative());
        if (!seals.signer(digest, v.signature()).equals(Optional.of(v.consumer()))) {
          throw new Violation(
              "the pool settles with a voucher that " + v.consumer() + " never signed");
        }
        Purse p = b.purse(v.consumer());
        long total = Math.min(v.cumulative(), p.funded);
        if (total > p.spent) {
          redeemed += total - p.spent;
          b.purses.put(v.consumer(), new Purse(p.funded, total, p.leavingAtUs));
        }
      }
      b.earned += redeemed;
      if (b.earned < epoch.leastEarned()) {
        return Optional.empty();
      }
      b.epoch = epoch.number();
      b.commitments.put(epoch.number(), epoch.payouts());
      long sum = 0;
      List<Payout> pushed = new ArrayList<>();
      for (Payout p : epoch.payouts()) {
        long before = b.paid.getOrDefault(p.payee(), 0L);
        if (p.pushed() && p.cumulative() > before) {
          sum += p.cumulative() - before;
          pushed.add(p);
        }
      }
      if (sum > b.earned - b.paidOut) {
        throw new Violation("the till has too little for the pushes of epoch " + epoch.number());
      }
      List<Address> failed = new ArrayList<>();
      for (Payout p : pushed) {
        if (blackListed.equals(Optional.of(p.payee()))) {
          failed.add(p.payee());
          continue;
        }
        long amount = p.cumulative() - b.paid.getOrDefault(p.payee(), 0L);
        b.paid.put(p.payee(), p.cumulative());
        b.paidOut += amount;
        b.outside += amount;
      }
      return Optional.of(new Settled(true, redeemed, List.copyOf(failed)));
    };
  }

  /// What a consumer signs.
  static Hash voucher(Address pool, Address consumer, long cumulative) {
    String words = "voucher " + pool + " " + consumer + " " + cumulative;
    return Hash.sha256(words.getBytes(StandardCharsets.UTF_8));
  }
}
