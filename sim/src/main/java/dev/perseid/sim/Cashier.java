package dev.perseid.sim;

import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Pool;
import dev.perseid.core.ProviderView;
import dev.perseid.core.PurseView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Voucher;
import dev.perseid.core.Wanted;
import dev.perseid.node.PoolLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Everybody's hands on the money, once the operator has moved the pool to the chain: what the
/// pool's process does (watch, settle, send again), and what consumers do (sign as work goes on,
/// deposit, pay ahead, leave). All that the pool's side knows is in the pool's state, so it can die
/// at any time.
final class Cashier {
  private static final Address TOKEN = new Address(4, 4, 4);
  private static final Address CONTRACT = new Address(4, 4, 5);
  private static final Address IDENTITY = new Address(4, 4, 6);
  private static final Money.Escrow ESCROW = new Money.Escrow(31_337, CONTRACT, TOKEN, IDENTITY);

  /// How a consumer signs.
  private static final class Habit {
    final long window;
    final boolean inRungs;
    final int lazyPerMyriad;
    final int leavesPerMyriad;

    Habit(Dice dice) {
      window = dice.skewed(1, 200_000);
      inRungs = dice.chance(4_000);
      lazyPerMyriad = dice.chance(4_000) ? dice.below(9_000) : 0;
      leavesPerMyriad = dice.chance(3_000) ? 1 + dice.below(200) : 0;
    }
  }

  private final Address self;
  private final Seals seals;
  private final Agenda agenda;
  private final Dice dice;
  private final PoolHost pool;
  private final Auditor auditor;
  private final Petitions petitions;
  private final Chain chain;
  private final Map<Address, Habit> habits = new TreeMap<>();
  private final Set<Address> consumers = new TreeSet<>();
  private final boolean everMoves;
  private final Map<Address, Bond> stakes = new TreeMap<>();
  private boolean calm;
  private boolean moving;
  private long names;

  Cashier(
      Address self,
      Seals seals,
      Agenda agenda,
      Dice dice,
      Weather weather,
      PoolHost pool,
      Auditor auditor,
      List<Address> payees) {
    this.self = self;
    this.seals = seals;
    this.agenda = agenda;
    this.dice = dice;
    this.pool = pool;
    this.auditor = auditor;
    petitions = new Petitions(agenda, dice, pool);
    Optional<Address> blackListed =
        dice.chance(3_000) ? Optional.of(dice.pick(payees)) : Optional.empty();
    chain = new Chain(IDENTITY, agenda, dice.split(), seals, blackListed);
    everMoves = dice.chance(6_000);
    if (everMoves) {
      agenda.after(
          dice.between(2_000_000, 2_000_000 + weather.stormUs() / 3),
          "operator moves the pool",
          0,
          this::move);
    }
  }

  /// Whoever may leave.
  void knows(Address consumer) {
    consumers.add(consumer);
  }

  void calm() {
    calm = true;
    chain.calm();
  }

  boolean everMoves() {
    return everMoves;
  }

  /// Whether money has come to rest: the pool has moved if it ever will, and everybody is paid what
  /// consumers did not take away and is not withheld.
  boolean isSettled(Pool quiet) {
    if (!everMoves) {
      return true;
    }
    if (moving || petitions.unanswered() > 0 || !quiet.money().isVouched()) {
      return false;
    }
    long due = 0;
    for (AccountView a : quiet.accounts()) {
      long kept = quiet.provider(a.account()).map(p -> p.trust().retained()).orElse(0L);
      due += Math.max(0, a.due() - kept);
    }
    Chain.Books books = chain.truth();
    boolean same = books.epoch == quiet.epoch() && books.paidOut == quiet.paidOut();
    for (Map.Entry<Address, Chain.Purse> e : books.purses.entrySet()) {
      PurseView p = quiet.purse(e.getKey()).orElse(null);
      same &=
          p != null
              && p.funded() == e.getValue().funded()
              && p.redeemed() == e.getValue().spent()
              && !p.leavingAtUs().isPresent();
    }
    return same && due <= quiet.lost() && quiet.taken() == 0 && quiet.closedEpoch().isEmpty();
  }

  /// What hinders it.
  String hanging(Pool quiet) {
    return "money: moving "
        + moving
        + ", unanswered "
        + petitions.unanswered()
        + ", epoch "
        + quiet.epoch()
        + " of "
        + chain.truth().epoch
        + ", closed "
        + quiet.closedEpoch()
        + ", taken "
        + quiet.taken()
        + ", lost "
        + quiet.lost()
        + ", accounts "
        + quiet.accounts().stream().filter(a -> a.due() > 0).toList()
        + ", purses "
        + quiet.purses().stream().map(quiet::purse).toList()
        + ", on the chain "
        + chain.truth().purses;
  }

  /// The pool's books and the chain's say the same, to the last microcredit.
  void checkTheEnd(Pool quiet) {
    if (!quiet.money().isVouched()) {
      return;
    }
    Chain.Books books = chain.truth();
    Auditor.equal("redeemed", quiet.earned(), books.earned);
    Auditor.equal("paid out", quiet.paidOut(), books.paidOut);
    for (AccountView a : quiet.accounts()) {
      long paid = books.paid.getOrDefault(a.account(), 0L);
      Auditor.equal("paid to " + a.account(), a.paid(), paid);
    }
    long inPurses = 0;
    for (Chain.Purse p : books.purses.values()) {
      inPurses += p.funded() - p.spent();
    }
    Auditor.equal(
        "in the pool's books and in the contract",
        quiet.issued(),
        inPurses + books.earned - books.paidOut);
  }

  // ---- the operator

  private void move() {
    moving = true;
    Pool quiet = pool.quiet();
    if (quiet == null || !grantsAreThrough()) {
      again("operator waits", 400_000, this::move);
      return;
    }
    if (quiet.money().isVouched()) {
      moved();
      return;
    }
    Chain.Books books = chain.read();
    if (books == null) {
      again("operator waits", 800_000, this::move);
      return;
    }
    long audits = 0;
    for (Address a : quiet.auditAccounts()) {
      AccountView v = quiet.account(a);
      audits += v.balance() + v.reserved();
    }
    for (AccountView a : quiet.accounts()) {
      long held = a.balance() + a.reserved() + a.due();
      held += a.account().equals(self) ? audits : 0;
      boolean ofAudits = quiet.auditAccounts().contains(a.account());
      long there = chain.truth().purse(a.account()).funded();
      if (!ofAudits && held > there) {
        long more = 2 * held - there + 1_000;
        chain.send("move " + a.account() + " " + there, chain.deposit(a.account(), more));
      }
    }
    List<ChainPurse> purses = new ArrayList<>();
    books.purses.forEach(
        (who, p) -> purses.add(new ChainPurse(who, p.funded(), p.spent(), p.leavingAtUs())));
    pool.submit(
        new Command.AdoptEscrow(ESCROW, purses, Map.of(), books.epoch, books.number, books.madeUs),
        reply -> {
          if (reply instanceof PoolLoop.Reply.Refused r
              && r.rejection().code() != Rejection.Code.INSUFFICIENT_CREDITS
              && r.rejection().code() != Rejection.Code.OVERLOADED) {
            throw new Violation("the pool could not move: " + r.rejection());
          }
        });
    again("operator tries again", 1_500_000, this::move);
  }

  private boolean grantsAreThrough() {
    return consumers.stream().allMatch(auditor::hasAccount);
  }

  private void again(String what, long us, Agenda.Happening then) {
    agenda.after(dice.between(us / 2, us), what, 0, then);
  }

  private void moved() {
    moving = false;
    watch();
    settle();
    wallets();
  }

  // ---- the pool's process

  private @Nullable Pool up() {
    Pool quiet = pool.quiet();
    return quiet != null && quiet.money().isVouched() ? quiet : null;
  }

  private void watch() {
    Chain.Books b = chain.read();
    if (b != null && pool.isUp()) {
      b.purses.forEach((who, p) ->
          tell(
              new Command.SeePurse(
                  new ChainPurse(who, p.funded(), p.spent(), p.leavingAtUs()), b.number)));
      b.paid.forEach((who, total) -> tell(new Command.SeePaid(who, total, b.number)));
      b.payments.forEach((name, p) -> tell(new Command.TakePayment(p.payer(), p.amount(), name)));
      tell(new Command.SeeBlock(b.number, b.madeUs));
      stakes();
    }
    again("pool watches the chain", 3_000_000, this::watch);
  }

  /// What providers have at stake, as the chain would say: some bond, some take it back, a few pay
  /// for others, and who is refuted pays.
  private void stakes() {
    Pool quiet = up();
    if (quiet == null) {
      return;
    }
    for (ProviderView p : quiet.providers()) {
      Address who = p.offer().provider();
      Bond now = stakes.getOrDefault(who, Bond.NONE);
      if (dice.chance(500)) {
        Address funder = dice.chance(5_000) ? who : self;
        long amount = dice.chance(2_000) ? 0 : dice.skewed(1, 100 * Bond.LEAST);
        now = new Bond(amount, Optional.of(funder), 1);
      }
      if (!p.owes().isEmpty() && dice.chance(5_000)) {
        long left = now.amount() - now.amount() / 1_000 * Bond.TAKEN_PERMILLE;
        now = new Bond(left, now.funder(), 1);
        tell(new Command.SeePenalty(who, p.owes().getFirst()));
      }
      stakes.put(who, now);
      tell(new Command.SeeBond(who, now.amount(), now.funder()));
    }
  }

  /// What was told is told again the next time.
  private void tell(Command c) {
    pool.submit(c, reply -> {});
  }

  private void settle() {
    Pool quiet = up();
    if (quiet != null) {
      Optional<Epoch> closed = quiet.closedEpoch();
      if (closed.isPresent()) {
        settle(closed.get());
      } else {
        boolean all = calm || dice.chance(3_000);
        long least = all ? 0 : dice.below(5_000);
        long push = all ? 0 : dice.below(50_000);
        tell(
            new Command.CloseEpoch(
                least, push, quiet.records(), new Hash(quiet.records(), 1, 1, 1)));
      }
      ownMoney(quiet);
      claims(quiet);
    }
    again("pool settles", 4_000_000, this::settle);
  }

  private void settle(Epoch epoch) {
    String id = "settle " + epoch.number() + " " + epoch.closedUs();
    Chain.Books books = chain.read();
    Chain.Settled settled = books == null ? null : books.included.get(id);
    if (books == null || settled == null) {
      // Also after a crash: the id is the same, so it is settled once.
      chain.send(id, chain.settle(epoch));
    } else if (settled.done()) {
      tell(
          new Command.ConfirmEpoch(
              epoch.number(),
              settled.redeemed(),
              List.of(),
              settled.failedPushes(),
              new Hash(epoch.number(), 7, 7, 7),
              books.number,
              100_000));
    } else {
      tell(new Command.ReopenEpoch(epoch.number(), List.of(), "it was reverted"));
    }
  }

  private void ownMoney(Pool quiet) {
    PurseView own = quiet.purse(self).orElse(null);
    long funded = own == null ? 0 : own.funded();
    if (quiet.taken() > 0) {
      chain.send("own " + funded, chain.depositTaken(self, quiet.taken()));
    }
    if (own != null && own.spent() > own.cover()) {
      sign(self, Math.min(own.spent(), own.funded()), own.cover());
    }
  }

  private void claims(Pool quiet) {
    for (AccountView a : quiet.accounts()) {
      if (a.due() > 0 && (calm || dice.chance(500))) {
        String id = "claim " + a.account() + " " + a.paid() + " " + quiet.epoch();
        chain.send(id, chain.claim(a.account(), quiet.epoch()));
      }
    }
  }

  // ---- consumers

  private void wallets() {
    Pool quiet = up();
    if (quiet != null) {
      List<Address> auditAccounts = quiet.auditAccounts();
      for (Address who : quiet.purses()) {
        if (!who.equals(self) && !auditAccounts.contains(who)) {
          wallet(quiet, who, habits.computeIfAbsent(who, _ -> new Habit(dice.split())));
        }
      }
      for (Address who : consumers) {
        if (!calm && dice.chance(100)) {
          Hash name = new Hash(names++, who.a(), who.b(), 3);
          chain.send("pay " + name, chain.pay(name, who, dice.between(1, 100_000)));
        }
      }
    }
    again("consumers sign", 900_000, this::wallets);
  }

  private void wallet(Pool quiet, Address who, Habit habit) {
    PurseView purse = quiet.purse(who).orElseThrow();
    if (purse.prepaid() > 0 && (calm || dice.chance(200))) {
      tell(new Command.ReturnPayment(who));
    }
    if (purse.leavingAtUs().isPresent()) {
      String id = who + " " + purse.leavingAtUs().getAsLong();
      if (calm || dice.chance(300)) {
        chain.send("stay " + id, chain.cancelExit(who));
      } else if (purse.leavingAtUs().getAsLong() < pool.wallUs()) {
        chain.send("exit " + id, chain.exit(who));
      }
      return;
    }
    if (!calm && consumers.contains(who) && dice.chance(habit.leavesPerMyriad)) {
      chain.send("leave " + who + " " + names++, chain.askExit(who));
    }
    if (!calm && dice.chance(habit.lazyPerMyriad)) {
      return;
    }
    Wanted next = quiet.wanted(who);
    long ahead = quiet.wanted(who, habit.window).cumulative();
    long target = Math.max(next.cumulative(), Math.min(ahead, purse.funded()));
    if (next.missing() > 0 || purse.lost() > 0) {
      long more = next.missing() + purse.lost() + dice.between(0, 100_000);
      chain.send(
          "more " + who + " " + purse.funded() + " " + purse.lost(), chain.deposit(who, more));
    }
    if (calm && next.cumulative() == purse.cover() && purse.spent() > purse.redeemed()) {
      // The work is done: a last voucher for exactly what it cost.
      sign(who, purse.spent(), purse.redeemed());
    } else if (target > purse.cover() && target <= purse.funded()) {
      if (habit.inRungs && target - purse.cover() > 1) {
        sign(who, purse.cover() + (target - purse.cover()) / 2, purse.cover());
      }
      sign(who, target, purse.cover());
    }
    if (dice.chance(100)) {
      // Of no use: below what was spent, or used already.
      sign(who, dice.between(0, purse.spent()), -1);
    }
  }

  private void sign(Address who, long cumulative, long above) {
    if (cumulative > above) {
      String signature = seals.sign(who, Chain.voucher(IDENTITY, who, cumulative));
      tell(new Command.TakeVoucher(new Voucher(who, cumulative, signature)));
    }
  }
}
