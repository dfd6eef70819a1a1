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

/// Moves a pool from credits to an escrow: puts into each account's purse what the account has, out
/// of the pool's own pocket, and then has the core go over. It can be broken off and begun again at
/// any point: what a purse has is read on the chain, and what was sent stands in the outbox.
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

  private record Deposit(Address account, long amount, long target) {}

  private record Plan(EscrowReader.Seen seen, List<Deposit> deposits, long sum) {}

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
    List<AccountView> accounts = mill.ask(pool -> pool.accounts());
    EscrowReader.Seen seen = vault.all();
    Map<Address, ChainPurse> purses = new HashMap<>();
    for (ChainPurse p : seen.purses()) {
      purses.put(p.consumer(), p);
    }
    List<Deposit> deposits = new ArrayList<>();
    long sum = 0;
    for (AccountView a : accounts) {
      if (held(a) == 0) {
        continue;
      }
      ChainPurse p = purses.getOrDefault(a.account(), new ChainPurse(a.account(), 0, 0, 0));
      long lacks = held(a) - (p.funded() - p.spent());
      if (p.leavingAtUs() != 0) {
        throw new Vault.Trouble(
            "the account "
                + a.account()
                + " is leaving the escrow: it must call that off, or its credits must be paid out"
                + " otherwise");
      }
      if (lacks > 0) {
        deposits.add(new Deposit(a.account(), lacks, p.funded() + lacks));
        sum = Math.addExact(sum, lacks);
      }
    }
    return new Plan(seen, deposits, sum);
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
      String name = free(o, "move-" + d.account() + "-" + d.target());
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
