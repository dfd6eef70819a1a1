package dev.perseid.core;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Decides what concerns money beyond credits: the part of a [Decision] about vouchers, purses,
/// payments and epochs.
final class MoneyDecision {
  private final State state;
  private final Treasury treasury;
  private final Decision decision;
  private final long nowUs;

  MoneyDecision(State state, Decision decision, long nowUs) {
    this.state = state;
    this.treasury = state.treasury;
    this.decision = decision;
    this.nowUs = nowUs;
  }

  private void refuse(String what, Address by, Rejection.Code code, String message) {
    decision.refuse(what, by, code, message);
  }

  void requireVouchers() {
    switch (treasury.money) {
      case Money.Credits c when c.vouched() -> {}
      case Money.Credits _ ->
          decision.emit(new Event.MoneyAdopted(new Money.Credits(true), List.of(), 0, 0, nowUs));
      case Money.Escrow _ ->
          refuse(
              "RequireVouchers",
              state.self,
              Rejection.Code.INVALID,
              "this pool's money lies in an escrow already, which asks for vouchers");
    }
  }

  void adopt(Command.AdoptEscrow c) {
    String what = "AdoptEscrow";
    if (treasury.money.equals(c.escrow())) {
      return;
    }
    String problem = problem(c);
    if (problem != null) {
      refuse(what, state.self, Rejection.Code.INVALID, problem);
      return;
    }
    TreeMap<Address, ChainPurse> purses = new TreeMap<>();
    for (ChainPurse purse : c.purses()) {
      purses.put(purse.consumer(), purse);
    }
    long audits = 0;
    for (Address account : state.conducts.accounts) {
      Account found = state.ledger.of(account);
      audits += found.balance + found.reserved;
    }
    for (Map.Entry<Address, Account> row : state.ledger.accounts().entrySet()) {
      Address owner = row.getKey();
      Account account = row.getValue();
      if (state.conducts.accounts.contains(owner)) {
        continue;
      }
      long held = account.balance + account.reserved + account.due;
      held += owner.equals(state.self) ? audits : 0;
      ChainPurse purse = purses.get(owner);
      // What a consumer put in by itself is its own already: it pays for nothing that it has here.
      long there = purse == null ? 0 : purse.funded() - c.own().getOrDefault(owner, 0L);
      if (held > there) {
        refuse(
            what,
            owner,
            Rejection.Code.INSUFFICIENT_CREDITS,
            "account "
                + owner
                + " has "
                + Text.credits(held)
                + " here and "
                + Text.credits(there)
                + " were brought into its purse for pool "
                + c.escrow().pool()
                + " on the chain: deposit "
                + Text.credits(held - there)
                + " more for it first");
        return;
      }
      if (held > 0 && purse != null && purse.leavingAtUs() != 0) {
        refuse(
            what,
            owner,
            Rejection.Code.INVALID,
            "account " + owner + " is leaving on the chain: it must cancel its exit first");
        return;
      }
    }
    decision.emit(
        new Event.MoneyAdopted(
            c.escrow(),
            List.copyOf(purses.values()),
            c.block(),
            Math.min(c.blockUs(), nowUs),
            nowUs));
  }

  private @Nullable String problem(Command.AdoptEscrow c) {
    if (treasury.money instanceof Money.Escrow e) {
      return "this pool's money lies in the escrow "
          + e.contract()
          + " of chain "
          + e.chainId()
          + " already and does not move again";
    }
    if (c.escrow().chainId() <= 0 || c.escrow().contract().equals(Address.ZERO)) {
      return "the escrow "
          + c.escrow().contract()
          + " of chain "
          + c.escrow().chainId()
          + " is none";
    }
    if (treasury.closed != null) {
      return "epoch " + treasury.closed.number() + " is closed: confirm it first";
    }
    if (c.epoch() != 0) {
      return "the identity "
          + c.escrow().pool()
          + " has settled "
          + c.epoch()
          + " epochs already, of which this log knows nothing: register a new one";
    }
    if (c.block() < 0 || c.blockUs() < 0) {
      return "the block has no number or time";
    }
    Set<Address> seen = new HashSet<>();
    long sum = 0;
    for (ChainPurse purse : c.purses()) {
      if (!seen.add(purse.consumer())) {
        return "the purse of " + purse.consumer() + " is named twice";
      }
      if (purse.funded() < 0 || purse.spent() < 0 || purse.leavingAtUs() < 0) {
        return "the purse of " + purse.consumer() + " has less than nothing";
      }
      long own = c.own().getOrDefault(purse.consumer(), 0L);
      if (own < 0 || own > purse.funded()) {
        return "of the purse of "
            + purse.consumer()
            + " its owner put in less than nothing, or more"
            + " than it has";
      }
      if (purse.spent() != 0) {
        return "vouchers of "
            + purse.consumer()
            + " were redeemed for the identity "
            + c.escrow().pool()
            + " already: register a new one";
      }
      if (purse.consumer().equals(Address.ZERO)) {
        return "the zero address has no purse";
      }
      if (purse.funded() > Limits.CREDITS - sum) {
        return "the purses hold more than "
            + Text.credits(Limits.CREDITS)
            + " together, which is the most that a pool can count";
      }
      sum += purse.funded();
    }
    if (seen.size() > Limits.ACCOUNTS) {
      return "there are more purses than accounts may be";
    }
    return null;
  }

  void take(Command.TakeVoucher c) {
    String what = "TakeVoucher";
    Voucher v = c.voucher();
    Address by = v.consumer();
    if (!treasury.isVouched()) {
      refuse(what, by, Rejection.Code.INVALID, "this pool asks for no vouchers: keep it");
      return;
    }
    if (v.signature().length() > Limits.VOUCHER_SIGNATURE_CHARS || v.signature().isEmpty()) {
      refuse(
          what,
          by,
          Rejection.Code.INVALID,
          "the voucher's signature has none or more than "
              + Limits.VOUCHER_SIGNATURE_CHARS
              + " characters");
      return;
    }
    Account account = state.ledger.find(by);
    Purse purse = account == null ? null : account.purse;
    if (purse == null) {
      refuse(
          what,
          by,
          Rejection.Code.INSUFFICIENT_CREDITS,
          "account " + by + " has nothing that a voucher could promise: " + fund());
      return;
    }
    long cumulative = v.cumulative();
    if (purse.rungs.containsKey(cumulative)) {
      return;
    }
    if (cumulative <= purse.redeemed) {
      refuse(
          what,
          by,
          Rejection.Code.STALE,
          "a voucher over "
              + Text.credits(cumulative)
              + " is worth nothing any more: "
              + Text.credits(purse.redeemed)
              + " have been redeemed; sign one over "
              + exactly(advised(purse))
              + " or more");
    } else if (cumulative < purse.spent) {
      refuse(
          what,
          by,
          Rejection.Code.INVALID,
          "a voucher over "
              + Text.credits(cumulative)
              + " is below the "
              + Text.credits(purse.spent)
              + " that were spent: sign one over "
              + exactly(advised(purse))
              + " or more");
    } else if (cumulative > purse.funded) {
      refuse(
          what,
          by,
          Rejection.Code.INSUFFICIENT_CREDITS,
          "a voucher over "
              + Text.credits(cumulative)
              + " is above the "
              + Text.credits(purse.funded)
              + " that came into the account in all: sign one over at most "
              + exactly(purse.funded)
              + ", or "
              + fund());
    } else {
      decision.emit(new Event.VoucherTaken(v, nowUs));
    }
  }

  private static String exactly(long microcredits) {
    return microcredits + " microcredits";
  }

  private static long advised(Purse purse) {
    return Math.min(
        Math.max(purse.funded, purse.redeemed),
        Math.max(purse.spent, purse.redeemed) + purse.inFlight);
  }

  /// How money comes in.
  private String fund() {
    return Treasury.fund(treasury.money);
  }

  /// Refuses what only an escrow has. Returns whether it did.
  private boolean withoutEscrow(String what, Address by) {
    if (treasury.money instanceof Money.Escrow) {
      return false;
    }
    refuse(
        what,
        by,
        Rejection.Code.INVALID,
        "this pool's money is credits, which lie on no chain: move it to an escrow first");
    return true;
  }

  /// Refuses what lies before what is known. Returns whether it did.
  private boolean isOld(String what, Address by, long block, long known) {
    if (block >= known) {
      return false;
    }
    refuse(
        what,
        by,
        Rejection.Code.STALE,
        "block " + block + " lies before block " + known + ", up to which the chain is known");
    return true;
  }

  void see(Command.SeePurse c) {
    String what = "SeePurse";
    ChainPurse seen = c.purse();
    Address owner = seen.consumer();
    if (withoutEscrow(what, owner)) {
      return;
    }
    if (seen.funded() < seen.spent() || seen.spent() < 0 || seen.leavingAtUs() < 0) {
      refuse(
          what,
          owner,
          Rejection.Code.INVALID,
          "a purse of " + seen.funded() + " of which " + seen.spent() + " are spent is none");
      return;
    }
    Account account = state.ledger.find(owner);
    Purse purse = account == null ? null : account.purse;
    long known = Math.max(treasury.block, purse == null ? 0 : purse.seenBlock);
    if (isOld(what, owner, c.block(), known)) {
      return;
    }
    if (account == null && (state.ledger.size() >= Limits.ACCOUNTS || owner.equals(Address.ZERO))) {
      refuse(
          what,
          owner,
          Rejection.Code.OVERLOADED,
          "the pool has " + Limits.ACCOUNTS + " accounts already and opens no more");
      return;
    }
    long before = purse == null ? 0 : purse.funded;
    if (purse != null && seen.spent() < purse.redeemed) {
      refuse(
          what,
          owner,
          Rejection.Code.INVALID,
          "the chain says that "
              + seen.spent()
              + " were redeemed, but "
              + purse.redeemed
              + " were, and that never goes back: look at another node of the chain");
      return;
    }
    long most = before + Limits.CREDITS + state.ledger.issuance.balance;
    ChainPurse counted = seen;
    if (seen.funded() > most) {
      refuse(
          what,
          owner,
          Rejection.Code.OVERLOADED,
          "the purse holds "
              + seen.funded()
              + " microcredits, of which "
              + most
              + " count: a pool cannot count more than "
              + Text.credits(Limits.CREDITS)
              + " in all");
      counted =
          new ChainPurse(owner, Math.max(most, seen.spent()), seen.spent(), seen.leavingAtUs());
    }
    if (purse == null) {
      if (counted.funded() == 0 && counted.leavingAtUs() == 0) {
        return;
      }
    } else if (purse.funded == counted.funded()
        && purse.redeemed == counted.spent()
        && purse.leavingAtUs == counted.leavingAtUs()) {
      return;
    }
    boolean leaves = counted.leavingAtUs() != 0 || counted.funded() < before;
    if (leaves && account != null) {
      endJobs(account);
    }
    decision.emit(new Event.PurseSeen(counted, c.block(), nowUs));
  }

  /// Ends the jobs of a consumer that leaves: nothing new begins, what runs is stopped and paid for
  /// what it used.
  private void endJobs(Account account) {
    List<Job> jobs = new ArrayList<>();
    for (Job job : state.jobs.values()) {
      if (job.payer == account && job.isRunning()) {
        jobs.add(job);
      }
    }
    for (Job job : jobs) {
      decision.endJob(
          job,
          Event.JobState.CANCELLED,
          "its consumer is leaving the pool and takes its money out");
    }
  }

  void seePaid(Command.SeePaid c) {
    String what = "SeePaid";
    if (withoutEscrow(what, c.payee()) || isOld(what, c.payee(), c.block(), treasury.block)) {
      return;
    }
    Account account = state.ledger.find(c.payee());
    long paid = account == null ? 0 : account.paid;
    long due = account == null ? 0 : account.due;
    if (c.total() < paid) {
      refuse(
          what,
          c.payee(),
          Rejection.Code.STALE,
          "the chain says that "
              + c.total()
              + " were paid to "
              + c.payee()
              + ", but "
              + paid
              + " were, and that never goes back: look at another node of the chain");
    } else if (c.total() - paid > due) {
      refuse(
          what,
          c.payee(),
          Rejection.Code.INVALID,
          "the chain says that "
              + c.total()
              + " were paid to "
              + c.payee()
              + ", which was due only "
              + (paid + due)
              + " in all: another pool pays under this identity");
    } else if (c.total() > paid) {
      decision.emit(new Event.PaidSeen(c.payee(), c.total(), c.block(), nowUs));
    }
  }

  void seeBlock(Command.SeeBlock c) {
    String what = "SeeBlock";
    if (withoutEscrow(what, state.self) || isOld(what, state.self, c.block(), treasury.block)) {
      return;
    }
    long blockUs = Math.min(c.blockUs(), nowUs);
    if (blockUs < treasury.blockUs) {
      refuse(
          what,
          state.self,
          Rejection.Code.STALE,
          "block " + c.block() + " is older than the one before it");
    } else if (blockUs - treasury.blockUs >= Limits.BLOCK_NOTED_MS * 1_000) {
      decision.emit(new Event.BlockSeen(c.block(), blockUs, nowUs));
    }
  }

  void takePayment(Command.TakePayment c) {
    String what = "TakePayment";
    if (withoutEscrow(what, c.payer())) {
      return;
    }
    Treasury.Payment known = treasury.payments.get(c.payment());
    if (known != null) {
      if (!known.equals(new Treasury.Payment(c.payer(), c.amount()))) {
        refuse(
            what,
            c.payer(),
            Rejection.Code.FORBIDDEN,
            "payment "
                + c.payment()
                + " was taken already, as "
                + Text.credits(known.amount())
                + " of "
                + known.payer());
      }
      return;
    }
    long left = Limits.CREDITS + state.ledger.issuance.balance;
    if (c.amount() <= 0 || c.amount() > left) {
      refuse(
          what,
          c.payer(),
          Rejection.Code.INVALID,
          "a payment of "
              + c.amount()
              + " microcredits cannot be taken: at most "
              + left
              + " can be counted yet");
    } else if (c.payer().equals(Address.ZERO) || c.payer().equals(state.self)) {
      refuse(what, c.payer(), Rejection.Code.INVALID, "neither nobody nor the pool pays the pool");
    } else if (state.ledger.find(c.payer()) == null && state.ledger.size() >= Limits.ACCOUNTS) {
      refuse(
          what,
          c.payer(),
          Rejection.Code.OVERLOADED,
          "the pool has " + Limits.ACCOUNTS + " accounts already and opens no more");
    } else {
      decision.emit(new Event.PaymentTaken(c.payer(), c.amount(), c.payment(), nowUs));
    }
  }

  void returnPayment(Command.ReturnPayment c) {
    if (withoutEscrow("ReturnPayment", c.payer())) {
      return;
    }
    Account account = state.ledger.find(c.payer());
    Purse purse = account == null ? null : account.purse;
    if (account == null || purse == null) {
      refuse(
          "ReturnPayment",
          c.payer(),
          Rejection.Code.UNKNOWN,
          "account " + c.payer() + " has paid nothing ahead");
      return;
    }
    long left = unused(account, purse);
    if (left > 0) {
      decision.emit(new Event.PaymentReturned(c.payer(), left, nowUs));
    }
  }

  /// What was paid ahead and nothing that runs needs: what no voucher covers is covered by it.
  private static long unused(Account account, Purse purse) {
    long promised = Math.max(0, Math.min(purse.cover(), purse.funded) - purse.spent);
    long needed = Math.max(0, purse.inFlight - promised);
    return Math.min(account.balance, purse.prepaid - needed);
  }

  void reversePayment(Command.ReversePayment c) {
    String what = "ReversePayment";
    if (withoutEscrow(what, c.payer())) {
      return;
    }
    Treasury.Payment known = treasury.payments.get(c.payment());
    if (known == null) {
      // It was taken back before, or is so old that it is forgotten.
      return;
    }
    if (!known.payer().equals(c.payer())) {
      refuse(
          what,
          c.payer(),
          Rejection.Code.FORBIDDEN,
          "payment " + c.payment() + " is one of " + known.payer());
      return;
    }
    Account account = state.ledger.of(c.payer());
    Purse purse = account.purse;
    long left = purse == null ? 0 : Math.clamp(unused(account, purse), 0, known.amount());
    decision.emit(new Event.PaymentReversed(c.payer(), c.payment(), known.amount(), left, nowUs));
  }

  void close(Command.CloseEpoch c) {
    String what = "CloseEpoch";
    if (!treasury.isVouched()) {
      refuse(
          what,
          state.self,
          Rejection.Code.INVALID,
          "this pool's earnings can be spent at once: there is nothing to settle");
      return;
    }
    if (treasury.closed != null) {
      refuse(
          what,
          state.self,
          Rejection.Code.INVALID,
          "epoch " + treasury.closed.number() + " is closed already and not confirmed yet");
      return;
    }
    if (c.leastGain() < 0 || c.leastPush() < 0 || c.recordsSize() < treasury.recordsSize) {
      refuse(
          what,
          state.self,
          Rejection.Code.INVALID,
          "an epoch over "
              + c.recordsSize()
              + " records cannot follow one over "
              + treasury.recordsSize
              + ", nor may thresholds be below zero");
      return;
    }
    returnExcess(c.leastGain());
    List<Redeeming> redeemed = redeeming(c.leastGain());
    long gains = 0;
    List<Voucher> vouchers = new ArrayList<>();
    for (Redeeming r : redeemed) {
      gains += r.gain;
      vouchers.add(r.voucher);
    }
    List<Payout> payouts = payouts(c.leastPush(), treasury.inTill() + gains);
    boolean news = !vouchers.isEmpty() || c.recordsSize() > treasury.recordsSize;
    for (Payout payout : payouts) {
      news |= payout.pushed();
      news |= payout.cumulative() > state.ledger.of(payout.payee()).committed;
    }
    if (news) {
      decision.emit(
          new Event.EpochClosed(
              new Epoch(
                  treasury.epoch + 1,
                  List.copyOf(vouchers),
                  List.copyOf(payouts),
                  c.recordsSize(),
                  c.recordsRoot(),
                  treasury.earned + gains,
                  nowUs)));
    }
  }

  /// A voucher, what it brings, and whether its consumer leaves.
  private record Redeeming(Voucher voucher, long gain, boolean leaving) {}

  private boolean isIdle(Purse purse) {
    return nowUs - purse.usedUs > Limits.IDLE_PURSE_MS * 1_000;
  }

  /// Consumers that leave, or are gone without a word, may have signed for more than they spent and
  /// sign no lower voucher any more. What is beyond is theirs.
  private void returnExcess(long leastGain) {
    for (Map.Entry<Address, Account> row : List.copyOf(state.ledger.accounts().entrySet())) {
      Account account = row.getValue();
      Purse purse = account.purse;
      if (purse == null || purse.inFlight > 0 || purse.lost > 0) {
        continue;
      }
      if (!purse.isLeaving() && !isIdle(purse)) {
        continue;
      }
      long target = purse.redeemed;
      if (purse.redeemed < purse.spent) {
        Long rung = purse.rungs.ceilingKey(purse.spent);
        boolean worth = rung != null && (purse.isLeaving() || rung - purse.redeemed >= leastGain);
        target = rung == null || !worth ? 0 : Math.min(rung, purse.funded);
      }
      long excess = Math.min(target - purse.spent, account.balance - purse.prepaid);
      if (excess > 0) {
        decision.emit(new Event.ExcessReturned(row.getKey(), excess, nowUs));
      }
    }
  }

  private List<Redeeming> redeeming(long leastGain) {
    List<Redeeming> found = new ArrayList<>();
    for (Map.Entry<Address, Account> row : state.ledger.accounts().entrySet()) {
      Purse purse = row.getValue().purse;
      if (purse == null) {
        continue;
      }
      Map.Entry<Long, String> rung = purse.rungs.floorEntry(purse.spent);
      if (purse.isOverdue(nowUs)) {
        // What is beyond is in the till and its consumer's to spend: nothing is returned while it
        // works, or a consumer that signs far ahead would have its purse emptied.
        Map.Entry<Long, String> higher = purse.rungs.ceilingEntry(purse.spent);
        rung = higher == null ? rung : higher;
      }
      boolean urgent =
          purse.isLeaving()
              && purse.inFlight > 0
              && nowUs > purse.leavingAtUs - Limits.LEAVING_URGENT_MS * 1_000;
      if (urgent) {
        Map.Entry<Long, String> all = purse.rungs.ceilingEntry(purse.spent + purse.inFlight);
        rung = all == null ? purse.rungs.lastEntry() : all;
      }
      if (rung == null) {
        continue;
      }
      long gain = Math.min(rung.getKey(), purse.funded) - purse.redeemed;
      if (gain > 0 && (purse.isLeaving() || gain >= leastGain)) {
        Voucher voucher = new Voucher(row.getKey(), rung.getKey(), rung.getValue());
        found.add(new Redeeming(voucher, gain, purse.isLeaving()));
      }
    }
    found.sort(
        Comparator.comparing((Redeeming r) -> !r.leaving)
            .thenComparingLong(r -> -r.gain)
            .thenComparing(r -> r.voucher.consumer()));
    return found.subList(0, Math.min(found.size(), Limits.EPOCH_VOUCHERS));
  }

  /// Everybody who is due anything that is not withheld; the largest sums are pushed as far as the
  /// till goes.
  private List<Payout> payouts(long leastPush, long inTill) {
    record Due(Address payee, Account account, long amount) {}
    List<Due> dues = new ArrayList<>();
    long claims = 0;
    for (Map.Entry<Address, Account> row : state.ledger.accounts().entrySet()) {
      Account account = row.getValue();
      if (account.due == 0) {
        continue;
      }
      // What may be claimed by an earlier epoch may be gone when this one is settled.
      long claimable = claimable(account);
      claims += claimable;
      long due = Math.max(account.due - state.retained(row.getKey(), nowUs), claimable);
      if (due > 0) {
        dues.add(new Due(row.getKey(), account, due));
      }
    }
    dues.sort(Comparator.comparingLong((Due d) -> -d.amount).thenComparing(d -> d.payee));
    long free = inTill - claims;
    int pushes = 0;
    TreeMap<Address, Payout> payouts = new TreeMap<>();
    for (Due d : dues.subList(0, Math.min(dues.size(), Limits.EPOCH_PAYEES))) {
      long costs = d.amount - claimable(d.account);
      boolean pushed = pushes < Limits.EPOCH_PUSHES && d.amount >= leastPush && costs <= free;
      if (pushed) {
        pushes++;
        free -= costs;
      }
      payouts.put(d.payee, new Payout(d.payee, d.account.paid + d.amount, pushed));
    }
    return List.copyOf(payouts.values());
  }

  private static long claimable(Account account) {
    return Math.max(0, account.committed - account.paid);
  }

  void confirm(Command.ConfirmEpoch c) {
    String what = "ConfirmEpoch";
    Epoch closed = treasury.closed;
    if (closed == null || closed.number() != c.epoch()) {
      if (c.epoch() >= 1 && c.epoch() <= treasury.epoch) {
        return;
      }
      refuse(
          what,
          state.self,
          Rejection.Code.UNKNOWN,
          "epoch " + c.epoch() + " is not closed: the last one confirmed is " + treasury.epoch);
      return;
    }
    if (c.redeemed() < 0 || c.block() < 0 || c.gas() < 0) {
      refuse(what, state.self, Rejection.Code.INVALID, "a settlement has no figures below zero");
      return;
    }
    decision.emit(
        new Event.EpochConfirmed(
            c.epoch(),
            c.redeemed(),
            List.copyOf(c.skipped()),
            List.copyOf(c.failedPushes()),
            c.txHash(),
            c.block(),
            c.gas(),
            nowUs));
  }

  void reopen(Command.ReopenEpoch c) {
    Epoch closed = treasury.closed;
    if (closed == null || closed.number() != c.epoch()) {
      refuse(
          "ReopenEpoch",
          state.self,
          Rejection.Code.UNKNOWN,
          "epoch " + c.epoch() + " is not closed: the last one confirmed is " + treasury.epoch);
      return;
    }
    String reason = Text.isUnicode(c.reason()) ? c.reason() : "";
    List<Address> denied =
        c.denied().stream().filter(a -> state.ledger.find(a) != null).distinct().toList();
    decision.emit(
        new Event.EpochReopened(c.epoch(), denied, Text.cut(reason, Limits.REASON_CHARS), nowUs));
  }

  /// The purse of a consumer of credits with vouchers; null if the command was refused.
  private @Nullable Purse onCredits(String what, Address by) {
    Account account = state.ledger.find(by);
    Purse purse = account == null ? null : account.purse;
    if (treasury.money instanceof Money.Credits c && c.vouched() && purse != null) {
      return purse;
    }
    String why =
        switch (treasury.money) {
          case Money.Escrow e ->
              "its money lies in the escrow " + e.contract() + ": ask that contract to leave";
          case Money.Credits c ->
              c.vouched()
                  ? "account " + by + " has nothing here"
                  : "this pool's credits are not asked out of it: ask its operator";
        };
    refuse(what, by, Rejection.Code.INVALID, why);
    return null;
  }

  void askExit(Command.AskExit c) {
    Purse purse = onCredits("AskExit", c.consumer());
    if (purse == null || purse.isLeaving()) {
      return;
    }
    endJobs(state.ledger.of(c.consumer()));
    long atUs = nowUs + Limits.EXIT_DELAY_MS * 1_000;
    decision.emit(new Event.ExitAsked(c.consumer(), atUs, nowUs));
  }

  void cancelExit(Command.CancelExit c) {
    Purse purse = onCredits("CancelExit", c.consumer());
    if (purse != null && purse.isLeaving()) {
      decision.emit(new Event.ExitCancelled(c.consumer(), nowUs));
    }
  }

  void exit(Command.Exit c) {
    String what = "Exit";
    Purse purse = onCredits(what, c.consumer());
    if (purse == null) {
      return;
    }
    Account account = state.ledger.of(c.consumer());
    if (!purse.isLeaving()) {
      refuse(what, c.consumer(), Rejection.Code.INVALID, "it is not leaving: ask to leave first");
    } else if (nowUs < purse.leavingAtUs) {
      refuse(
          what,
          c.consumer(),
          Rejection.Code.INVALID,
          "it may leave in " + (purse.leavingAtUs - nowUs) / 1_000_000 + " s, not before");
    } else if (purse.inFlight > 0) {
      refuse(
          what,
          c.consumer(),
          Rejection.Code.INVALID,
          "what runs for it may still cost "
              + Text.credits(purse.inFlight)
              + ": try again when it has ended");
    } else {
      decision.emit(new Event.Exited(c.consumer(), account.balance - purse.prepaid, nowUs));
    }
  }
}
