package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.MoneyProto;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.HexFormat;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// What the operator does about a pool's money: `perseid pool money`, `settle`, `move`,
/// `require-vouchers`.
final class PoolMoneyCommands {
  private PoolMoneyCommands() {}

  private static String ledger(MoneyProto.MoneyTerms t) {
    if (t.getLedger().equals("credits")) {
      return t.getVouched() ? "credits, for vouchers" : "credits";
    }
    return "escrow 0x"
        + HexFormat.of().formatHex(t.getVerifyingContract().toByteArray())
        + " on chain "
        + t.getChainId()
        + ", token 0x"
        + HexFormat.of().formatHex(t.getToken().toByteArray());
  }

  private static String time(long us) {
    return us == 0 ? "-" : Instant.ofEpochMilli(us / 1_000).toString();
  }

  /// `perseid pool money`.
  @Command(name = "money", description = "Show where the pool's money rests and what is unsettled.")
  static final class Show implements Callable<Integer> {
    @ParentCommand private PoolCommand pool = new PoolCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Override
    public Integer call() throws BadInput, PoolFailure {
      MoneyProto.MoneyStatusReply s;
      try (PoolClient client = at.connectAsOperator(pool.main())) {
        s = client.moneyStatus();
      }
      Screen screen = pool.main().screen();
      if (shared.json) {
        screen.json(json -> {
          json.writeStartObject();
          json.writeStringField("ledger", s.getTerms().getLedger());
          json.writeBooleanField("vouched", s.getTerms().getVouched());
          json.writeNumberField("chain_id", s.getTerms().getChainId());
          json.writeNumberField("epoch", s.getEpoch());
          json.writeNumberField("closed_epoch", s.getClosedEpoch());
          json.writeNumberField("due_microcredits", s.getDue());
          json.writeNumberField("unsettled_microcredits", s.getUnsettled());
          json.writeNumberField("seen_block", s.getSeenBlock());
          json.writeNumberField("gas_used", s.getGasUsed());
          json.writeNumberField("bond_gas_used", s.getBondGasUsed());
          json.writeStringField("trouble", s.getTrouble());
          json.writeStringField("last_tx", s.getLastTx());
          json.writeNumberField("settled_us", s.getSettledUs());
          json.writeNumberField("next_close_us", s.getNextCloseUs());
          json.writeEndObject();
        });
        return Exit.OK;
      }
      Table table = new Table("", "");
      table.row("money", ledger(s.getTerms()));
      if (s.getTerms().getVouched()) {
        table.row("last settled epoch", s.getEpoch() == 0 ? "none" : s.getEpoch());
        if (s.getClosedEpoch() != 0) {
          table.row("being settled", "epoch " + s.getClosedEpoch());
        }
        table.row("spent and not collected", Amounts.credits(s.getUnsettled()));
        table.row("earned and not paid out", Amounts.credits(s.getDue()));
        table.row("next settlement by itself", time(s.getNextCloseUs()));
        table.row("last settlement", time(s.getSettledUs()));
      }
      if (s.getTerms().getChainId() != 0) {
        table.row("chain read up to block", s.getSeenBlock());
        table.row("gas used since the start", s.getGasUsed());
        if (s.getBondGasUsed() != 0) {
          table.row("gas used to slash bonds", s.getBondGasUsed());
        }
        table.row("last transaction", s.getLastTx().isEmpty() ? "-" : s.getLastTx());
      }
      if (!s.getTrouble().isEmpty()) {
        table.row("trouble", s.getTrouble());
      }
      screen.say(table.lines());
      return Exit.OK;
    }
  }

  /// `perseid pool settle`.
  @Command(name = "settle", description = "Close an epoch now and settle it.")
  static final class Settle implements Callable<Integer> {
    @ParentCommand private PoolCommand pool = new PoolCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Override
    public Integer call() throws BadInput, PoolFailure {
      MoneyProto.SettleReply s;
      try (PoolClient client = at.connectAsOperator(pool.main())) {
        s = client.settle();
      }
      Screen screen = pool.main().screen();
      if (shared.json) {
        screen.json(json -> {
          json.writeStartObject();
          json.writeBooleanField("nothing", s.getNothing());
          json.writeNumberField("epoch", s.getEpoch());
          json.writeNumberField("vouchers", s.getVouchers());
          json.writeNumberField("payouts", s.getPayouts());
          json.writeNumberField("redeemed_microcredits", s.getRedeemed());
          json.writeStringField("tx", s.getTx());
          json.writeNumberField("block", s.getBlock());
          json.writeNumberField("gas", s.getGas());
          json.writeNumberField("took_us", s.getTookUs());
          json.writeEndObject();
        });
      } else if (s.getNothing()) {
        screen.say("there is nothing to settle");
      } else {
        screen.say(line(s));
      }
      return Exit.OK;
    }
  }

  /// `epoch 3 settled after 1.2 s: 2 vouchers, 4 payouts; 0x.. in block 17, 189,000 gas`.
  static String line(MoneyProto.SettleReply s) {
    return "epoch "
        + s.getEpoch()
        + " settled after "
        + Amounts.duration(s.getTookUs() * 1_000)
        + ": "
        + s.getVouchers()
        + (s.getVouchers() == 1 ? " voucher, " : " vouchers, ")
        + s.getPayouts()
        + (s.getPayouts() == 1 ? " payout" : " payouts")
        + (s.getTx().isEmpty()
            ? ""
            : "; transaction "
                + s.getTx()
                + " in block "
                + s.getBlock()
                + ", "
                + Amounts.exact(s.getGas())
                + " gas");
  }

  /// `perseid pool require-vouchers`.
  @Command(
      name = "require-vouchers",
      description = "Have consumers of credits sign vouchers from now on; there is no way back.")
  static final class RequireVouchers implements Callable<Integer> {
    @ParentCommand private PoolCommand pool = new PoolCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Override
    public Integer call() throws BadInput, PoolFailure {
      try (PoolClient client = at.connectAsOperator(pool.main())) {
        client.requireVouchers();
      }
      pool.main()
          .screen()
          .tell(
              shared.json,
              "ledger",
              "credits",
              "consumers sign vouchers from now on; what is earned is paid out with each settlement");
      return Exit.OK;
    }
  }

  /// `perseid pool move`.
  @Command(
      name = "move",
      description = {
        "Move a pool from credits to the escrow with whose --rpc and --deployment it was started.",
        "Puts into each account's purse what the account has, out of the pool's own key; can be"
            + " broken off and begun again."
      })
  static final class Move implements Callable<Integer> {
    @ParentCommand private PoolCommand pool = new PoolCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Option(names = "--yes", description = "Do it; without it, only what it would cost is shown.")
    private boolean yes;

    @Override
    public Integer call() throws BadInput, PoolFailure {
      Screen screen = pool.main().screen();
      try (PoolClient client = at.connectAsOperator(pool.main())) {
        boolean[] done = {false};
        client.move(
            yes,
            reply -> {
              if (reply.hasPlan()) {
                screen.note(plan(reply.getPlan()));
              }
              if (!reply.getLine().isEmpty()) {
                screen.note(reply.getLine());
              }
              done[0] |= reply.getDone();
            });
        String what = yes && done[0] ? "moved" : "nothing was sent; write --yes to do it";
        screen.tell(shared.json, "result", what, what);
      }
      return Exit.OK;
    }

    private static String plan(MoneyProto.MovePlan p) {
      BigInteger most = BigInteger.valueOf(p.getGas()).multiply(new BigInteger(p.getGasPriceWei()));
      return p.getAccounts()
          + " purses lack "
          + Amounts.credits(p.getAmount())
          + " in all; the deposits use at most "
          + Amounts.exact(p.getGas())
          + " gas, now "
          + ether(most)
          + " of the chain's money. 0x"
          + HexFormat.of().formatHex(p.getPayer().toByteArray())
          + " pays both and has "
          + ether(new BigInteger(p.getPayerWei()))
          + " and "
          + Amounts.credits(Long.parseLong(p.getPayerUnits()))
          + ". Afterwards: "
          + ledger(p.getTerms());
    }

    private static String ether(BigInteger wei) {
      return new BigDecimal(wei, 18).stripTrailingZeros().toPlainString();
    }
  }
}
