package dev.perseid.core;

import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What the pool knows of its money beyond the accounts: which kind it is, what backs spending,
/// what is owed to payees, and how far it has settled. Part of the [State], changed by events
/// alone. It also numbers the movements of which statements are made.
///
/// Where vouchers are asked for: the sum of all `funded`, and `taken`, less `paid`, is all that
/// accounts, reservations, tabs and dues hold together, less what was lost.
final class Treasury {
  /// A payment that was taken.
  record Payment(Address payer, long amount) {}

  private final Address self;
  private final Ledger ledger;

  Money money = new Money.Credits(false);

  /// How many movements there were.
  long movements;

  /// The last epoch that was confirmed.
  long epoch;

  /// The epoch that is closed and not confirmed.
  @Nullable Epoch closed;

  /// Of how many records the last confirmed epoch told.
  long recordsSize;

  /// All that was redeemed.
  long earned;

  /// All that was paid out.
  long paid;

  /// Payments taken ahead that the pool has not put into its own purse yet.
  long taken;

  /// Up to where the chain is known, and when that block was made.
  long block;

  long blockUs;

  /// What was lost by consumers that took out what they had spent; below zero.
  final Account losses = new Account();

  /// The most recent payments, oldest first.
  final LinkedHashMap<Hash, Payment> payments = new LinkedHashMap<>();

  Treasury(Address self, Ledger ledger) {
    this.self = self;
    this.ledger = ledger;
  }

  boolean isVouched() {
    return money.isVouched();
  }

  /// Whether vouchers are worth anything: on a chain only as long as the pool can see who leaves.
  boolean trusts(long nowUs) {
    return switch (money) {
      case Money.Credits _ -> true;
      case Money.Escrow _ -> nowUs - blockUs <= Limits.CHAIN_BLIND_MS * 1_000;
    };
  }

  /// Whether what may cost this much may begin.
  boolean covers(Account consumer, long hold, long nowUs) {
    Purse purse = consumer.purse;
    return purse != null && purse.room(trusts(nowUs)) >= hold;
  }

  /// What a consumer should sign so that what may cost `more` can begin.
  Wanted wanted(Address consumer, @Nullable Account account, long more) {
    Purse purse = account == null ? null : account.purse;
    if (account == null || purse == null) {
      return new Wanted(consumer, isVouched() ? more : 0, 0, 0, isVouched() ? more : 0);
    }
    long cover = purse.cover();
    long least = purse.spent + purse.inFlight + more - purse.prepaid;
    // What it has, and has not paid ahead, all spent.
    long most = purse.spent + Math.max(0, account.balance + account.reserved - purse.prepaid);
    long needed = more == 0 ? cover : Math.max(cover, least);
    return new Wanted(
        consumer,
        needed,
        Math.min(most, purse.spent + Math.max(0, account.reserved - purse.prepaid)),
        cover,
        Math.max(0, needed - Math.max(purse.funded, cover)));
  }

  /// Why what may cost `more` cannot begin, though there is money for it.
  String uncovered(Account account, long more, long nowUs) {
    Purse purse = purse(account);
    if (purse.isLeaving()) {
      return "the account is leaving the pool, so that its vouchers are worth nothing: cancel the"
          + " exit, or pay ahead";
    }
    if (!trusts(nowUs)) {
      return "the chain was not seen for "
          + (nowUs - blockUs) / 60_000_000
          + " minutes, so that vouchers are worth nothing now: nothing is lost, wait until the pool"
          + " sees it again";
    }
    Wanted wanted = wanted(Address.ZERO, account, more);
    return "no voucher covers it: "
        + Text.credits(purse.spent)
        + " are spent, "
        + Text.credits(purse.inFlight)
        + " may be by what runs, this may cost "
        + Text.credits(more)
        + ", and vouchers promise "
        + Text.credits(purse.cover())
        + ": sign a voucher over at least "
        + wanted.cumulative()
        + " microcredits"
        + (wanted.missing() > 0 ? ", but first " + fund(money) : "");
  }

  private static Purse purse(Account account) {
    Purse purse = account.purse;
    if (purse == null) {
      purse = new Purse();
      account.purse = purse;
    }
    return purse;
  }

  /// How money comes into an account.
  static String fund(Money money) {
    return switch (money) {
      case Money.Credits _ -> "ask the operator for a grant";
      case Money.Escrow e ->
          "deposit into your purse for pool "
              + e.pool()
              + " in the escrow "
              + e.contract()
              + " on chain "
              + e.chainId();
    };
  }

  /// What the till has: what was redeemed and not paid out.
  long inTill() {
    return earned - paid;
  }

  private void moved(
      List<Effect> effects,
      long atUs,
      Movement.Kind kind,
      Address from,
      @Nullable Account giver,
      Address to,
      @Nullable Account taker,
      long amount,
      Movement.Ref ref) {
    if (amount == 0) {
      return;
    }
    Movement.Holding given = giver == null ? Movement.Holding.NONE : giver.holding();
    Movement.Holding got =
        taker == giver ? given : taker == null ? Movement.Holding.NONE : taker.holding();
    effects.add(
        new Effect.StoreMovement(
            new Movement(movements++, atUs, kind, from, to, amount, given, got, ref)));
  }

  private void in(
      List<Effect> effects,
      long atUs,
      Movement.Kind kind,
      Address to,
      Account account,
      long amount,
      Movement.Ref ref) {
    ledger.grant(account, amount);
    moved(effects, atUs, kind, Address.ZERO, null, to, account, amount, ref);
  }

  private void out(
      List<Effect> effects,
      long atUs,
      Movement.Kind kind,
      Address from,
      Account account,
      long amount,
      Movement.Ref ref) {
    ledger.takeBack(account, amount);
    moved(effects, atUs, kind, from, account, Address.ZERO, null, amount, ref);
  }

  void granted(Event.Granted e, List<Effect> effects) {
    Account account = ledger.of(e.to());
    if (isVouched()) {
      purse(account).funded += e.amount();
    }
    Movement.Ref ref = new Movement.Ref.OfMemo(e.memo());
    in(effects, e.atUs(), Movement.Kind.GRANT, e.to(), account, e.amount(), ref);
  }

  /// Moves from an account into a pot of its own: a job's reservation, or its tab.
  void reserve(
      List<Effect> effects,
      long atUs,
      Address owner,
      Account account,
      Account pot,
      long amount,
      Movement.Ref ref) {
    ledger.move(account, pot, amount);
    account.reserved += amount;
    moved(effects, atUs, Movement.Kind.RESERVATION, owner, account, owner, account, amount, ref);
  }

  /// Moves back what a pot has left.
  void refund(
      List<Effect> effects,
      long atUs,
      Address owner,
      Account account,
      Account pot,
      long amount,
      Movement.Ref ref) {
    ledger.move(pot, account, amount);
    account.reserved -= amount;
    moved(effects, atUs, Movement.Kind.REFUND, owner, account, owner, account, amount, ref);
    makeGood(effects, atUs, owner, account);
  }

  /// Moves a part of a charge from a pot to who earned it.
  void charge(
      List<Effect> effects,
      long atUs,
      Movement.Kind kind,
      Address consumer,
      Account payer,
      Account pot,
      Address payee,
      Account earner,
      long amount,
      Movement.Ref ref) {
    if (amount == 0) {
      return;
    }
    payer.reserved -= amount;
    if (isVouched()) {
      ledger.toDue(pot, earner, amount);
      Purse purse = purse(payer);
      long ahead = purse.charge(amount, atUs);
      if (ahead > 0) {
        // It was paid to the pool, which owes it to its own till.
        purse(ledger.of(self)).spent += ahead;
      }
    } else {
      ledger.move(pot, earner, amount);
    }
    moved(effects, atUs, kind, consumer, payer, payee, earner, amount, ref);
  }

  /// What can be taken back of what a provider got from a consumer: not what went out, or may be
  /// claimed on the chain by what is committed.
  long reversible(Account provider, Account consumer, long amount) {
    if (!isVouched()) {
      return Math.min(amount, provider.balance);
    }
    long promised = Math.max(provider.committed, closedPayout(provider));
    long unpaid = provider.due - Math.max(0, promised - provider.paid);
    long spent = consumer.purse == null ? 0 : consumer.purse.spent;
    return Math.clamp(Math.min(unpaid, spent), 0, amount);
  }

  /// What the closed epoch pays an account, in all.
  private long closedPayout(Account account) {
    if (closed != null) {
      for (Payout payout : closed.payouts()) {
        if (ledger.find(payout.payee()) == account) {
          return payout.cumulative();
        }
      }
    }
    return 0;
  }

  /// Takes back what a provider got, into a pot of its consumer's.
  void reverse(
      List<Effect> effects,
      long atUs,
      Address from,
      Account provider,
      Address consumer,
      Account payer,
      Account pot,
      long amount,
      Movement.Ref ref) {
    if (amount == 0) {
      return;
    }
    payer.reserved += amount;
    if (isVouched()) {
      ledger.fromDue(provider, pot, amount);
      purse(payer).spent -= amount;
      effects.add(new Effect.PurseChanged(consumer));
    } else {
      ledger.move(provider, pot, amount);
    }
    Movement.Kind kind = Movement.Kind.CLAWBACK;
    moved(effects, atUs, kind, from, provider, consumer, payer, amount, ref);
  }

  /// The pool pays for its audits ahead, like anybody who pays ahead.
  void auditsFunded(Event.AuditsFunded e, List<Effect> effects) {
    Account from = ledger.of(self);
    Account to = ledger.of(e.account());
    ledger.move(from, to, e.amount());
    if (isVouched()) {
      purse(to).prepaid += e.amount();
    }
    Movement.Ref ref = new Movement.Ref.OfMemo("audits");
    Movement.Kind kind = Movement.Kind.AUDIT;
    moved(effects, e.atUs(), kind, self, from, e.account(), to, e.amount(), ref);
  }

  void auditsClosed(Event.AuditsClosed e, List<Effect> effects) {
    Account from = ledger.of(e.account());
    Account to = ledger.of(self);
    ledger.move(from, to, e.amount());
    if (from.purse != null) {
      from.purse.prepaid -= e.amount();
    }
    Movement.Ref ref = new Movement.Ref.OfMemo("audits");
    Movement.Kind kind = Movement.Kind.AUDIT;
    moved(effects, e.atUs(), kind, e.account(), from, self, to, e.amount(), ref);
  }

  void adopted(Event.MoneyAdopted e, Conducts conducts, List<Effect> effects) {
    money = e.money();
    block = e.block();
    blockUs = e.blockUs();
    epoch = 0;
    recordsSize = 0;
    earned = 0;
    paid = 0;
    taken = 0;
    Movement.Ref ref = new Movement.Ref.OfBlock(e.block());
    for (Map.Entry<Address, Account> row : ledger.accounts().entrySet()) {
      Account account = row.getValue();
      Address owner = row.getKey();
      long due = account.due;
      ledger.freeDue(account);
      account.paid = 0;
      account.committed = 0;
      account.purse = null;
      moved(effects, e.atUs(), Movement.Kind.MOVED, owner, account, owner, account, due, ref);
    }
    Account own = ledger.of(self);
    for (Map.Entry<Address, Account> row : ledger.accounts().entrySet()) {
      Account account = row.getValue();
      Address owner = row.getKey();
      long held = account.balance + account.reserved;
      if (held > 0) {
        Purse purse = purse(account);
        purse.usedUs = e.atUs();
        if (conducts.accounts.contains(owner)) {
          purse.prepaid = held;
          purse(own).funded += held;
        } else {
          purse.funded += held;
        }
      }
    }
    if (e.money() instanceof Money.Escrow) {
      for (ChainPurse seen : e.purses()) {
        see(seen, e.block(), e.atUs(), effects);
      }
    }
  }

  void taken(Event.VoucherTaken e, List<Effect> effects) {
    Voucher voucher = e.voucher();
    Account account = ledger.of(voucher.consumer());
    Purse purse = purse(account);
    purse.rungs.put(voucher.cumulative(), voucher.signature());
    purse.prune();
    purse.thin();
    moved(
        effects,
        e.atUs(),
        Movement.Kind.VOUCHER,
        voucher.consumer(),
        account,
        voucher.consumer(),
        account,
        voucher.cumulative(),
        new Movement.Ref.OfMemo(""));
    effects.add(new Effect.PurseChanged(voucher.consumer()));
  }

  /// Takes over what the chain says of a purse: the account gets what came in and loses what left.
  void see(ChainPurse seen, long atBlock, long atUs, List<Effect> effects) {
    Address owner = seen.consumer();
    Account account = ledger.of(owner);
    Purse purse = purse(account);
    Movement.Ref ref = new Movement.Ref.OfBlock(atBlock);
    long came = seen.funded() - purse.funded;
    if (came > 0) {
      long known = owner.equals(self) ? Math.min(taken, came) : 0;
      taken -= known;
      in(effects, atUs, Movement.Kind.DEPOSIT, owner, account, came - known, ref);
    } else if (came < 0) {
      long left = Math.min(-came, Math.max(0, account.balance - purse.prepaid));
      out(effects, atUs, Movement.Kind.EXIT, owner, account, left, ref);
      long lost = -came - left;
      ledger.lose(losses, lost);
      purse.lost += lost;
      moved(effects, atUs, Movement.Kind.LOSS, owner, account, Address.ZERO, null, lost, ref);
    }
    purse.funded = seen.funded();
    purse.leavingAtUs = seen.leavingAtUs();
    purse.seenBlock = atBlock;
    redeemed(effects, atUs, owner, account, purse, seen.spent(), ref);
    makeGood(effects, atUs, owner, account);
    effects.add(new Effect.PurseChanged(owner));
  }

  private void redeemed(
      List<Effect> effects,
      long atUs,
      Address owner,
      Account account,
      Purse purse,
      long cumulative,
      Movement.Ref ref) {
    long gain = cumulative - purse.redeemed;
    if (gain > 0) {
      earned += gain;
      purse.redeem(cumulative);
      moved(effects, atUs, Movement.Kind.REDEEMED, owner, account, owner, account, gain, ref);
    }
  }

  /// What a consumer that caused a loss has again makes it good.
  private void makeGood(List<Effect> effects, long atUs, Address owner, Account account) {
    Purse purse = account.purse;
    if (purse == null || purse.lost == 0) {
      return;
    }
    long back = Math.min(purse.lost, Math.max(0, account.balance - purse.prepaid));
    ledger.move(account, losses, back);
    purse.lost -= back;
    Movement.Ref ref = new Movement.Ref.OfMemo("loss");
    moved(effects, atUs, Movement.Kind.REPAID, owner, account, Address.ZERO, null, back, ref);
  }

  void paymentTaken(Event.PaymentTaken e, List<Effect> effects) {
    Account account = ledger.of(e.payer());
    Purse purse = purse(account);
    purse.prepaid += e.amount();
    purse.usedUs = e.atUs();
    taken += e.amount();
    payments.put(e.payment(), new Payment(e.payer(), e.amount()));
    if (payments.size() > Limits.PAYMENTS) {
      payments.pollFirstEntry();
    }
    Movement.Ref ref = new Movement.Ref.OfPayment(e.payment());
    in(effects, e.atUs(), Movement.Kind.PREPAYMENT, e.payer(), account, e.amount(), ref);
    effects.add(new Effect.PurseChanged(e.payer()));
  }

  void paymentReturned(Event.PaymentReturned e, List<Effect> effects) {
    Account account = ledger.of(e.payer());
    purse(account).prepaid -= e.amount();
    purse(ledger.of(self)).spent += e.amount();
    toOwnDue(effects, e.atUs(), Movement.Kind.RETURN, e.payer(), account, e.amount());
  }

  /// What was spent of a payment that is not there was earned by others all the same. The pool has
  /// lost it, and makes it good out of what it has itself.
  void paymentReversed(Event.PaymentReversed e, List<Effect> effects) {
    payments.remove(e.payment());
    Account account = ledger.of(e.payer());
    purse(account).prepaid -= e.left();
    Movement.Ref ref = new Movement.Ref.OfPayment(e.payment());
    out(effects, e.atUs(), Movement.Kind.REVERSAL, e.payer(), account, e.left(), ref);
    long waiting = Math.min(taken, e.amount());
    taken -= waiting;
    // The rest lies in the pool's own purse already: it was put there out of its own pocket.
    long own = e.amount() - waiting;
    long spent = e.amount() - e.left();
    Account pool = ledger.of(self);
    in(effects, e.atUs(), Movement.Kind.DEPOSIT, self, pool, Math.max(0, own - spent), ref);
    long lost = Math.max(0, spent - own);
    ledger.lose(losses, lost);
    purse(pool).lost += lost;
    moved(effects, e.atUs(), Movement.Kind.LOSS, self, pool, Address.ZERO, null, lost, ref);
    makeGood(effects, e.atUs(), self, pool);
    effects.add(new Effect.PurseChanged(e.payer()));
  }

  void excessReturned(Event.ExcessReturned e, List<Effect> effects) {
    Account account = ledger.of(e.consumer());
    purse(account).spent += e.amount();
    toOwnDue(effects, e.atUs(), Movement.Kind.EXCESS, e.consumer(), account, e.amount());
  }

  private void toOwnDue(
      List<Effect> effects,
      long atUs,
      Movement.Kind kind,
      Address owner,
      Account account,
      long amount) {
    ledger.toDue(account, account, amount);
    Movement.Ref ref = new Movement.Ref.OfEpoch(epoch + 1, Hash.ZERO);
    moved(effects, atUs, kind, owner, account, owner, account, amount, ref);
  }

  void paidSeen(Event.PaidSeen e, List<Effect> effects) {
    Account account = ledger.of(e.payee());
    Movement.Ref ref = new Movement.Ref.OfBlock(e.block());
    pay(effects, e.atUs(), e.payee(), account, e.total() - account.paid, ref);
  }

  /// Pays earnings out: off the books on a chain, into the account on credits.
  private void pay(
      List<Effect> effects,
      long atUs,
      Address payee,
      Account account,
      long amount,
      Movement.Ref ref) {
    paid += amount;
    account.paid += amount;
    switch (money) {
      case Money.Credits _ -> {
        ledger.freeDue(account, amount);
        purse(account).funded += amount;
        moved(effects, atUs, Movement.Kind.PAYOUT, payee, account, payee, account, amount, ref);
      }
      case Money.Escrow _ -> {
        ledger.takeBackDue(account, amount);
        moved(effects, atUs, Movement.Kind.PAYOUT, payee, account, Address.ZERO, null, amount, ref);
      }
    }
  }

  void confirmed(Event.EpochConfirmed e, List<Effect> effects) {
    Epoch settled = closed;
    if (settled == null || settled.number() != e.epoch()) {
      throw new IllegalStateException("epoch " + e.epoch() + " is not closed");
    }
    Movement.Ref ref = new Movement.Ref.OfEpoch(e.epoch(), e.txHash());
    Set<Address> skipped = new HashSet<>(e.skipped());
    for (Voucher voucher : settled.vouchers()) {
      Address owner = voucher.consumer();
      Account account = ledger.of(owner);
      Purse purse = purse(account);
      if (skipped.contains(owner)) {
        purse.rungs.clear();
      } else {
        long cumulative = Math.min(voucher.cumulative(), purse.funded);
        redeemed(effects, e.atUs(), owner, account, purse, cumulative, ref);
      }
      effects.add(new Effect.PurseChanged(owner));
    }
    Set<Address> failed = new HashSet<>(e.failedPushes());
    boolean all = money instanceof Money.Credits;
    for (Payout payout : settled.payouts()) {
      Account account = ledger.of(payout.payee());
      account.committed = payout.cumulative();
      if (all || (payout.pushed() && !failed.contains(payout.payee()))) {
        long amount = Math.max(0, payout.cumulative() - account.paid);
        if (all) {
          amount = Math.min(amount, Math.max(0, inTill()));
        }
        pay(effects, e.atUs(), payout.payee(), account, amount, ref);
      }
    }
    epoch = e.epoch();
    recordsSize = settled.recordsSize();
    closed = null;
  }

  void reopened(Event.EpochReopened e, List<Effect> effects) {
    closed = null;
    for (Address denied : e.denied()) {
      purse(ledger.of(denied)).rungs.clear();
      effects.add(new Effect.PurseChanged(denied));
    }
  }

  void leaving(Address consumer, long leavingAtUs, List<Effect> effects) {
    purse(ledger.of(consumer)).leavingAtUs = leavingAtUs;
    effects.add(new Effect.PurseChanged(consumer));
  }

  void exited(Event.Exited e, List<Effect> effects) {
    Account account = ledger.of(e.consumer());
    Purse purse = purse(account);
    purse.funded -= e.amount();
    purse.leavingAtUs = 0;
    Movement.Ref ref = new Movement.Ref.OfMemo("exit");
    out(effects, e.atUs(), Movement.Kind.EXIT, e.consumer(), account, e.amount(), ref);
    effects.add(new Effect.PurseChanged(e.consumer()));
  }

  /// Counts again what runs, and what is reserved: both follow from jobs, leases and tabs.
  void count(State state) {
    for (Account account : ledger.accounts().values()) {
      account.reserved = 0;
      if (account.purse != null) {
        account.purse.inFlight = 0;
      }
    }
    for (Job job : state.jobs.values()) {
      job.payer.reserved += job.reservation.balance;
    }
    for (Map.Entry<Address, Account> tab : state.market.tabs.entrySet()) {
      Account owner = ledger.of(tab.getKey());
      owner.reserved += tab.getValue().balance;
      if (owner.purse != null) {
        owner.purse.inFlight += tab.getValue().balance;
      }
    }
    for (OpenLease lease : state.leases.values()) {
      if (lease.job.payer.purse != null) {
        lease.job.payer.purse.inFlight += lease.maxCharge;
      }
    }
    for (Job job : state.jobs.values()) {
      if (job.graph != null && job.payer.purse != null) {
        for (Check check : job.graph.checks.values()) {
          for (Check.Vote vote : check.votes) {
            job.payer.purse.inFlight += vote.charge();
          }
        }
      }
    }
  }

  void write(Out out) throws IOException {
    EventCodec.writeMoney(out, money);
    out.number(movements);
    out.number(epoch);
    out.octet(closed == null ? 0 : 1);
    if (closed != null) {
      EventCodec.writeEpoch(out, closed);
      out.flushFull();
    }
    out.number(recordsSize);
    out.number(earned);
    out.number(paid);
    out.number(taken);
    out.number(block);
    out.number(blockUs);
    out.number(-losses.balance);
    out.number(payments.size());
    for (Map.Entry<Hash, Payment> row : payments.entrySet()) {
      out.hash(row.getKey());
      out.address(row.getValue().payer());
      out.number(row.getValue().amount());
      out.flushFull();
    }
    long rows = ledger.accounts().values().stream().filter(Treasury::isWritten).count();
    out.number(rows);
    for (Map.Entry<Address, Account> row : ledger.accounts().entrySet()) {
      Account account = row.getValue();
      if (isWritten(account)) {
        out.address(row.getKey());
        out.number(account.due);
        out.number(account.paid);
        out.number(account.committed);
        out.octet(account.purse == null ? 0 : 1);
        if (account.purse != null) {
          account.purse.write(out);
        }
        out.flushFull();
      }
    }
  }

  private static boolean isWritten(Account account) {
    return account.purse != null || account.due > 0 || account.paid > 0 || account.committed > 0;
  }

  /// @param owed whether purses have since when they owe
  void read(In in, boolean owed) {
    money = EventCodec.readMoney(in);
    movements = in.number();
    epoch = in.number();
    closed = in.flag() ? EventCodec.readEpoch(in) : null;
    recordsSize = in.number();
    earned = in.number();
    paid = in.number();
    taken = in.number();
    block = in.number();
    blockUs = in.number();
    losses.balance = -in.number();
    int count = in.count();
    for (int i = 0; i < count; i++) {
      payments.put(in.hash(), new Payment(in.address(), in.number()));
    }
    count = in.count();
    for (int i = 0; i < count; i++) {
      Account account = ledger.of(in.address());
      account.due = in.number();
      account.paid = in.number();
      account.committed = in.number();
      if (in.flag()) {
        purse(account).read(in, owed);
      }
    }
  }
}
