package dev.perseid.sim;

import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Epoch;
import dev.perseid.core.Event;
import dev.perseid.core.Money;
import dev.perseid.core.Payout;
import dev.perseid.core.Pool;
import dev.perseid.core.PurseView;
import dev.perseid.core.Voucher;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The part of the auditor's books that is about vouchers: what backs each consumer's spending,
/// what payees are due, and what was settled.
final class PurseBooks {
  /// Where the auditor counts what accounts have.
  interface Accounts {
    void move(Address account, long amount);

    long balance(Address account);

    /// On its jobs and its tab.
    long reserved(Address account);

    /// What its open leases may cost, and its tab.
    long inFlight(Address account);

    /// What is withheld of what it earned.
    long retained(Address account, long nowUs);

    void issue(long amount);
  }

  private static final class File {
    final TreeMap<Long, String> vouchers = new TreeMap<>();
    long funded;
    long spent;
    long redeemed;
    long prepaid;
    long lost;
    boolean leaving;

    /// What ran without a voucher when the pool moved.
    long before;

    long cover() {
      return vouchers.isEmpty() ? redeemed : Math.max(redeemed, vouchers.lastKey());
    }
  }

  private final Address self;
  private final Accounts accounts;
  private final Map<Address, File> files = new TreeMap<>();
  private final Map<Address, Long> dues = new TreeMap<>();
  private final Map<Address, Long> paid = new TreeMap<>();

  /// What the last confirmed epoch that names a payee says it is due in all.
  private final Map<Address, Long> committed = new TreeMap<>();

  private final Set<Address> auditAccounts = new TreeSet<>();
  private boolean vouched;
  private @Nullable Epoch closed;
  private long epoch;
  private long taken;
  private long earned;
  private long paidOut;
  private long lost;
  private long vouchers;

  PurseBooks(Address self, Accounts accounts) {
    this.self = self;
    this.accounts = accounts;
  }

  long epochs() {
    return epoch;
  }

  long vouchers() {
    return vouchers;
  }

  /// Dues less losses: what is in no account.
  long besides() {
    return dues.values().stream().mapToLong(Long::longValue).sum() - lost;
  }

  private File file(Address who) {
    return files.computeIfAbsent(who, _ -> new File());
  }

  /// A part of a charge goes to who earned it.
  void earned(Address payee, long amount) {
    if (vouched) {
      dues.merge(payee, amount, Math::addExact);
    } else {
      accounts.move(payee, amount);
    }
  }

  /// A consumer was charged.
  void charged(Address consumer, long amount) {
    if (!vouched || amount == 0) {
      return;
    }
    File f = file(consumer);
    long ahead = Math.min(f.prepaid, amount);
    f.prepaid -= ahead;
    f.spent += amount - ahead;
    file(self).spent += ahead;
    if (!consumer.equals(self) && f.spent > f.cover() + f.before) {
      throw new Violation(
          consumer + " was charged up to " + f.spent + ", and promised only " + f.cover());
    }
  }

  /// What a provider got is taken back, but for what it was promised by an epoch.
  void reversed(Address provider, Address consumer, long amount) {
    if (!vouched) {
      accounts.move(provider, -amount);
      if (accounts.balance(provider) < 0) {
        throw new Violation(amount + " were taken back from " + provider + ", which has spent it");
      }
      return;
    }
    File f = file(consumer);
    f.spent -= amount;
    long due = dues.merge(provider, -amount, Math::addExact);
    long promised = committed.getOrDefault(provider, 0L);
    Epoch c = closed;
    if (c != null) {
      for (Payout p : c.payouts()) {
        promised = p.payee().equals(provider) ? Math.max(promised, p.cumulative()) : promised;
      }
    }
    long unpaid = Math.max(0, promised - paid.getOrDefault(provider, 0L));
    if (amount > 0 && (f.spent < 0 || due < unpaid)) {
      throw new Violation(
          amount + " were taken back from " + provider + ", which epochs promised to it");
    }
  }

  /// Something begins that may cost this much.
  void begins(Address consumer, long hold) {
    if (!vouched) {
      return;
    }
    File f = file(consumer);
    long promised = Math.min(f.cover(), f.funded) - f.spent;
    if (f.leaving) {
      promised = Math.min(promised, 0);
    }
    long running = accounts.inFlight(consumer);
    if (promised + f.prepaid - running < hold) {
      throw new Violation(
          "what may cost "
              + hold
              + " began for "
              + consumer
              + ", whose vouchers have left "
              + promised
              + " and payments "
              + f.prepaid
              + " for that and the "
              + running
              + " that runs");
    }
  }

  void audits(Address account, long amount) {
    if (amount > 0) {
      auditAccounts.add(account);
    } else {
      auditAccounts.remove(account);
    }
    if (vouched) {
      file(account).prepaid += amount;
    }
  }

  void adopted(Event.MoneyAdopted e, Set<Address> all) {
    if (vouched || !(e.money() instanceof Money.Escrow)) {
      throw new Violation("the pool moved twice, or to no chain");
    }
    vouched = true;
    for (Address who : all) {
      long held = accounts.balance(who) + accounts.reserved(who);
      if (held > 0 && auditAccounts.contains(who)) {
        file(who).prepaid = held;
        file(self).funded += held;
      } else if (held > 0) {
        file(who).funded += held;
      }
    }
    for (Map.Entry<Address, File> f : files.entrySet()) {
      f.getValue().before = accounts.inFlight(f.getKey());
    }
    e.purses().forEach(this::seen);
    files.forEach((who, f) -> {
      long funded = 0;
      for (ChainPurse p : e.purses()) {
        funded = p.consumer().equals(who) ? p.funded() : funded;
      }
      if (f.funded > funded) {
        throw new Violation("the pool moved and " + who + " lost " + (f.funded - funded));
      }
    });
  }

  void seen(ChainPurse purse) {
    Address who = purse.consumer();
    File f = file(who);
    long came = purse.funded() - f.funded;
    if (came > 0) {
      long known = who.equals(self) ? Math.min(taken, came) : 0;
      taken -= known;
      accounts.move(who, came - known);
      accounts.issue(came - known);
    } else if (came < 0) {
      long left = Math.min(-came, Math.max(0, accounts.balance(who) - f.prepaid));
      accounts.move(who, -left);
      accounts.issue(came);
      f.lost += -came - left;
      lost += -came - left;
    }
    f.funded = purse.funded();
    f.leaving = purse.leavingAtUs() != 0;
    redeemed(f, purse.spent());
  }

  private void redeemed(File f, long cumulative) {
    if (cumulative > f.redeemed) {
      earned += cumulative - f.redeemed;
      f.redeemed = cumulative;
    }
  }

  /// After every event: who has again what it had taken away gives it back.
  void makeGood() {
    files.forEach((who, f) -> {
      if (f.lost > 0) {
        long back = Math.min(f.lost, Math.max(0, accounts.balance(who) - f.prepaid));
        accounts.move(who, -back);
        f.lost -= back;
        lost -= back;
      }
    });
  }

  void taken(Voucher v) {
    vouchers++;
    File f = file(v.consumer());
    if (v.cumulative() > f.funded || v.cumulative() < f.spent || v.cumulative() <= f.redeemed) {
      throw new Violation("a voucher of no use was taken: " + v);
    }
    f.vouchers.put(v.cumulative(), v.signature());
  }

  void payment(Event.PaymentTaken e) {
    file(e.payer()).prepaid += e.amount();
    taken += e.amount();
    accounts.move(e.payer(), e.amount());
    accounts.issue(e.amount());
  }

  void returned(Event.PaymentReturned e) {
    File f = file(e.payer());
    f.prepaid -= e.amount();
    file(self).spent += e.amount();
    accounts.move(e.payer(), -e.amount());
    dues.merge(e.payer(), e.amount(), Math::addExact);
    if (e.amount() <= 0 || f.prepaid < 0 || accounts.balance(e.payer()) < 0) {
      throw new Violation("a payment was given back that was not there: " + e);
    }
  }

  void excess(Event.ExcessReturned e) {
    File f = file(e.consumer());
    f.spent += e.amount();
    accounts.move(e.consumer(), -e.amount());
    dues.merge(e.consumer(), e.amount(), Math::addExact);
    if (!f.leaving || e.amount() <= 0 || accounts.balance(e.consumer()) < 0) {
      throw new Violation("an excess was given back that is none: " + e);
    }
  }

  void closed(Epoch e) {
    if (closed != null || e.number() != epoch + 1) {
      throw new Violation("epoch " + e.number() + " was closed after " + epoch);
    }
    closed = e;
    long gains = 0;
    Set<Address> seen = new TreeSet<>();
    for (Voucher v : e.vouchers()) {
      File f = file(v.consumer());
      if (!seen.add(v.consumer()) || !v.signature().equals(f.vouchers.get(v.cumulative()))) {
        throw new Violation("epoch " + e.number() + " redeems what nobody signed: " + v);
      }
      if (v.cumulative() > f.spent && !f.leaving) {
        throw new Violation("epoch " + e.number() + " redeems more than was spent: " + v);
      }
      gains += Math.min(v.cumulative(), f.funded) - f.redeemed;
    }
    Auditor.equal("least earned of epoch " + e.number(), e.leastEarned(), earned + gains);
    Map<Address, Long> due = new TreeMap<>();
    dues.forEach((who, amount) -> {
      long claimable = committed.getOrDefault(who, 0L) - paid.getOrDefault(who, 0L);
      long kept = accounts.retained(who, e.closedUs());
      due.put(who, amount == 0 ? 0 : Math.max(amount - kept, Math.max(0, claimable)));
    });
    due.values().removeIf(amount -> amount <= 0);
    for (Payout p : e.payouts()) {
      Long amount = due.remove(p.payee());
      long before = paid.getOrDefault(p.payee(), 0L);
      if (amount == null || p.cumulative() != before + amount) {
        throw new Violation("epoch " + e.number() + " owes " + p + ", which is due " + amount);
      }
    }
    if (!due.isEmpty()) {
      throw new Violation("epoch " + e.number() + " forgets " + due);
    }
  }

  void confirmed(Event.EpochConfirmed e) {
    Epoch c = closed;
    if (c == null || c.number() != e.epoch()) {
      throw new Violation("epoch " + e.epoch() + " was confirmed and is not closed");
    }
    for (Voucher v : c.vouchers()) {
      File f = file(v.consumer());
      redeemed(f, Math.min(v.cumulative(), f.funded));
    }
    for (Payout p : c.payouts()) {
      committed.put(p.payee(), p.cumulative());
      if (p.pushed() && !e.failedPushes().contains(p.payee())) {
        pay(p.payee(), Math.max(p.cumulative(), paid.getOrDefault(p.payee(), 0L)));
      }
    }
    epoch = e.epoch();
    closed = null;
  }

  void reopened() {
    closed = null;
  }

  /// A payee has got this much in all.
  void pay(Address payee, long total) {
    long amount = total - paid.getOrDefault(payee, 0L);
    if (amount < 0 || amount > dues.getOrDefault(payee, 0L)) {
      throw new Violation(payee + " was paid " + total + " and was not due that");
    }
    paid.put(payee, total);
    dues.merge(payee, -amount, Math::addExact);
    accounts.issue(-amount);
    paidOut += amount;
  }

  /// The pool believes what is counted here.
  void compare(Pool pool) {
    if (pool.money().isVouched() != vouched) {
      throw new Violation("the pool's money is " + pool.money());
    }
    Auditor.equal("epoch", pool.epoch(), epoch);
    Auditor.equal("taken", pool.taken(), taken);
    Auditor.equal("redeemed", pool.earned(), earned);
    Auditor.equal("paid out", pool.paidOut(), paidOut);
    Auditor.equal("lost", pool.lost(), lost);
    for (AccountView a : pool.accounts()) {
      Address who = a.account();
      Auditor.equal("due of " + who, a.due(), dues.getOrDefault(who, 0L));
      Auditor.equal("paid to " + who, a.paid(), paid.getOrDefault(who, 0L));
    }
    files.forEach((who, f) -> {
      PurseView p = pool.purse(who).orElse(null);
      if (p == null) {
        if (f.funded + f.spent + f.prepaid > 0) {
          throw new Violation("the pool forgot the purse of " + who);
        }
        return;
      }
      Auditor.equal("funded of " + who, p.funded(), f.funded);
      Auditor.equal("spent of " + who, p.spent(), f.spent);
      Auditor.equal("redeemed of " + who, p.redeemed(), f.redeemed);
      Auditor.equal("prepaid of " + who, p.prepaid(), f.prepaid);
      Auditor.equal("lost of " + who, p.lost(), f.lost);
      Auditor.equal("in flight of " + who, p.inFlight(), accounts.inFlight(who));
      Auditor.equal("promised by " + who, p.cover(), f.cover());
    });
  }
}
