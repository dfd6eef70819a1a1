package dev.perseid.node;

import dev.perseid.chain.At;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.EscrowReader;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Token;
import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Command;
import dev.perseid.core.Money;
import dev.perseid.core.Rejection;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import java.math.BigInteger;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Moves a pool from credits to an escrow: puts into each account's purse what the account has, out
/// of the pool's own pocket, and then has the core go over. It can be broken off and begun again at
/// any point: who put what into a purse is read on the chain, and what was sent stands in the
/// outbox.
///
/// What consumers put in themselves is theirs beside their credits. Accounts of audits have no
/// purses, as nobody has keys for them: what they have goes into the pool's own.
final class Mover {
  /// Hears what happens.
  interface Teller {
    void tell(MoneyProto.MoveReply reply);
  }

  private static final long POLL_MS = 200;

  private final PoolMill mill;
  private final EscrowVault vault;

  Mover(PoolMill mill, EscrowVault vault) {
    this.mill = mill;
    this.vault = vault;
  }

  /// @param target all that the pool's key will ever have put into the purse: the name of a
  ///   deposit, which comes but once
  private record Deposit(Address account, long amount, long target) {}

  private record Plan(
      EscrowReader.Seen seen, Map<Address, Long> own, List<Deposit> deposits, long sum) {}

  private record Accounts(List<AccountView> all, Set<Address> audits) {}

  /// @param go false to tell only what it would do and cost
  void move(boolean go, Teller teller) throws Vault.Trouble, PoolMill.Unavailable, PoolJobs.Denied {
    if (mill.ask(pool -> pool.money()) instanceof Money.Escrow e) {
      throw denied("this pool's money lies in the escrow " + e.contract() + " already");
    }
    try {
      settleOutbox(teller);
      String refused = "";
      for (int round = 0; round < MoneyLimits.MOVE_ROUNDS; round++) {
        Plan plan = plan();
        if (round == 0) {
          teller.tell(MoneyProto.MoveReply.newBuilder().setPlan(told(plan)).build());
          if (!go) {
            return;
          }
        }
        deposit(plan, teller);
        if (plan.deposits().isEmpty()) {
          Command adopt =
              new Command.AdoptEscrow(
                  vault.money(),
                  plan.seen().purses(),
                  plan.own(),
                  plan.seen().till().epoch(),
                  plan.seen().at().number(),
                  plan.seen().at().timeS() * 1_000_000);
          switch (mill.command(adopt)) {
            case PoolLoop.Reply.Done _ -> {
              vault.tellFrom(plan.seen());
              say(teller, "the pool's money lies in the escrow from now on");
              return;
            }
            // Somebody earned or was granted something meanwhile: once more.
            case PoolLoop.Reply.Refused(Rejection why) -> refused = why.message();
          }
        }
      }
      throw denied(
          "accounts changed faster than their purses were filled: try again when less is going on"
              + (refused.isEmpty() ? "" : "; " + refused));
    } catch (ChainException e) {
      throw new Vault.Trouble(e.text());
    }
  }

  private static PoolJobs.Denied denied(String why) {
    return new PoolJobs.Denied(new Rejection(Rejection.Code.INVALID, why));
  }

  private static void say(Teller teller, String line) {
    teller.tell(MoneyProto.MoveReply.newBuilder().setLine(line).build());
  }

  /// What was sent before it was broken off must be final, before anybody looks what purses lack.
  private void settleOutbox(Teller teller) throws Vault.Trouble, ChainException {
    Outbox outbox = vault.chain().outbox();
    outbox.tick();
    for (Map.Entry<String, String> waiting : outbox.pending().entrySet()) {
      say(teller, "waits for what was sent before: " + waiting.getValue());
      outbox.await(waiting.getKey(), Duration.ofMillis(MoneyLimits.MOVE_MS), POLL_MS);
    }
  }

  private Plan plan() throws Vault.Trouble, PoolMill.Unavailable {
    Accounts accounts =
        mill.ask(pool -> new Accounts(pool.accounts(), Set.copyOf(pool.auditAccounts())));
    EscrowReader.Seen seen = vault.all();
    Map<Address, EscrowReader.Put> puts = vault.puts(seen);
    Address self = vault.payer();
    Map<Address, ChainPurse> purses = new HashMap<>();
    Map<Address, Long> own = new HashMap<>();
    if (seen.till().epoch() != 0) {
      throw used("settled before");
    }
    for (ChainPurse p : seen.purses()) {
      purses.put(p.consumer(), p);
      EscrowReader.Put put = puts.getOrDefault(p.consumer(), EscrowReader.Put.NONE);
      if (p.spent() != 0) {
        throw used("redeemed vouchers of " + p.consumer());
      }
      if (put.brought() != p.funded() - put.own()) {
        throw new Vault.Trouble(
            "the chain's node shows deposits of "
                + put.brought()
                + " units by the pool and "
                + put.own()
                + " by others for "
                + p.consumer()
                + ", in whose purse are "
                + p.funded()
                + ": it keeps back what happened; ask another node (--rpc)");
      }
      if (!p.consumer().equals(self) && put.own() > 0) {
        own.put(p.consumer(), put.own());
      }
    }
    long audits = 0;
    for (AccountView a : accounts.all()) {
      audits += accounts.audits().contains(a.account()) ? held(a) : 0;
    }
    List<Deposit> deposits = new ArrayList<>();
    long sum = 0;
    for (AccountView a : accounts.all()) {
      if (accounts.audits().contains(a.account())) {
        continue;
      }
      long held = held(a) + (a.account().equals(self) ? audits : 0);
      if (held == 0) {
        continue;
      }
      ChainPurse p = purses.getOrDefault(a.account(), new ChainPurse(a.account(), 0, 0, 0));
      EscrowReader.Put put = puts.getOrDefault(a.account(), EscrowReader.Put.NONE);
      if (p.leavingAtUs() != 0) {
        throw new Vault.Trouble(
            "the account "
                + a.account()
                + " is leaving the escrow: it must call that off, or its credits must be paid out"
                + " otherwise");
      }
      long lacks = held - (p.funded() - own.getOrDefault(a.account(), 0L));
      if (lacks > 0 && put.taken()) {
        throw new Vault.Trouble(
            "the account "
                + a.account()
                + " has "
                + held
                + " microcredits here, and took out of the escrow what a move that was broken off"
                + " had put in for it: it would be paid twice. If it is to have them all the same,"
                + " put "
                + lacks
                + " microcredits into its purse with the pool's key (perseid chain deposit --for "
                + a.account()
                + "), then move again");
      }
      if (lacks > 0) {
        deposits.add(new Deposit(a.account(), lacks, put.ever() + lacks));
        sum = Math.addExact(sum, lacks);
      }
    }
    return new Plan(seen, own, deposits, sum);
  }

  private Vault.Trouble used(String what) {
    return new Vault.Trouble(
        "the identity "
            + vault.money().pool()
            + " has "
            + what
            + " on this chain, of which this pool's books know nothing: register a new one"
            + " (perseid chain register)");
  }

  private static long held(AccountView a) {
    return a.balance() + a.reserved() + a.due();
  }

  private MoneyProto.MovePlan told(Plan plan) throws Vault.Trouble, ChainException {
    EscrowVault.Opened o = vault.chain();
    Token token = vault.token();
    BigInteger price = plan.seen().at().baseFeeWei().orElse(BigInteger.ZERO);
    return MoneyProto.MovePlan.newBuilder()
        .setAccounts(plan.deposits().size())
        .setAmount(plan.sum())
        .setGas(MoneyLimits.DEPOSIT_GAS * (plan.deposits().size() + 1L))
        .setGasPriceWei(price.toString())
        .setPayer(Translation.bytes(vault.payer()))
        .setPayerWei(o.chain().balance(vault.payer(), At.latest()).toString())
        .setPayerUnits(Long.toString(token.balanceOf(vault.payer(), At.latest())))
        .setTerms(PoolMoney.terms(vault.money(), vault.payer()).write())
        .build();
  }

  private void deposit(Plan plan, Teller teller) throws Vault.Trouble, ChainException {
    if (plan.deposits().isEmpty()) {
      return;
    }
    EscrowVault.Opened o = vault.chain();
    Token token = vault.token();
    long has = token.balanceOf(vault.payer(), At.latest());
    if (has < plan.sum()) {
      throw new Vault.Trouble(
          "the pool's key "
              + vault.payer()
              + " has "
              + has
              + " units of the token "
              + token.address()
              + ", but "
              + plan.sum()
              + " must go into "
              + plan.deposits().size()
              + " purses: send it the rest, then move again");
    }
    if (token.allowance(vault.payer(), o.escrow().address(), At.latest()) < plan.sum()) {
      // Approving twice is the same as once; the height makes the name new in each round.
      String name = free(o, "move-approve-" + plan.seen().at().number() + "-" + plan.sum());
      o.outbox()
          .submit(name, token.approve(o.escrow().address(), plan.sum()), Outbox.Again.HARMLESS);
      done(o, name, "the approval");
    }
    for (Deposit d : plan.deposits()) {
      String name = free(o, "bring-" + d.account() + "-" + d.target());
      o.outbox()
          .submit(
              name, o.escrow().deposit(o.identity(), d.account(), d.amount()), Outbox.Again.NEVER);
      done(o, name, "the deposit for " + d.account());
      say(teller, "put " + d.amount() + " microcredits into the purse of " + d.account());
    }
  }

  /// The name under which something is done once: another if what had it failed for good.
  private static String free(EscrowVault.Opened o, String wanted) {
    String name = wanted;
    for (int again = 2; hasFailed(o.outbox().state(name)); again++) {
      name = wanted + "-" + again;
    }
    return name;
  }

  private static boolean hasFailed(Optional<Outbox.State> state) {
    return state.isPresent()
        && switch (state.get()) {
          case Outbox.State.Failed _, Outbox.State.Displaced _ -> true;
          case Outbox.State.Waiting _, Outbox.State.Included _, Outbox.State.Done _ -> false;
        };
  }

  private static void done(EscrowVault.Opened o, String name, String what)
      throws ChainException, Vault.Trouble {
    Outbox.State state = o.outbox().await(name, Duration.ofMillis(MoneyLimits.MOVE_MS), POLL_MS);
    if (!(state instanceof Outbox.State.Done)) {
      throw new Vault.Trouble(
          what + " did not go through: " + Outbox.describe(state) + "; move again");
    }
  }
}
