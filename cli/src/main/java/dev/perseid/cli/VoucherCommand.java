package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PurseState;
import dev.perseid.node.VoucherTerms;
import dev.perseid.node.Wallet;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid voucher`.
@Command(
    name = "voucher",
    description =
        "Show what you owe a pool and have signed for, or sign for more: for programs that use its"
            + " gateway with an API key, and for work that goes on while you are away.")
final class VoucherCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(
      names = "--up-to",
      paramLabel = "CREDITS",
      description = "Sign that you may owe this much in all, since the purse was opened.")
  private @Nullable String upTo;

  @Option(
      names = "--more",
      paramLabel = "CREDITS",
      description = "Sign for this much beyond what is spent now.")
  private @Nullable String more;

  @Option(
      names = "--accept",
      description =
          "Accept the chain, contract and identity that the pool names now. Check them first.")
  private boolean accept;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    if (upTo != null && more != null) {
      throw new BadInput("--up-to and --more are two ways to say the same: write one");
    }
    try (PoolClient client = at.connect(main)) {
      VoucherTerms terms = client.terms();
      if (accept) {
        Agreed.write(main.home(), client.pool(), terms);
        main.screen().note("accepted: vouchers to this pool are signed for " + said(terms));
      }
      if (upTo != null) {
        wallet(client).signUpTo(Amounts.microcredits(upTo, "--up-to"));
      } else if (more != null) {
        long amount = Amounts.microcredits(more, "--more");
        wallet(client).signMore(client.purse(Optional.empty()), amount);
      }
      show(client.purse(Optional.empty()));
    }
    return Exit.OK;
  }

  private Wallet wallet(PoolClient client) throws BadInput, PoolFailure {
    return Agreed.wallet(main.home(), client, main.screen()::note)
        .orElseThrow(() ->
            new BadInput("this pool asks for no vouchers: what you have can be spent as it is"));
  }

  private static String said(VoucherTerms t) {
    return t.escrow()
        ? "chain " + t.chainId() + ", contract " + t.contract() + ", identity " + t.identity()
        : "its own log";
  }

  private void show(PurseState p) {
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeStringField("consumer", p.consumer().toString());
            json.writeStringField("ledger", p.terms().ledger());
            json.writeBooleanField("vouched", p.terms().vouched());
            json.writeNumberField("chain_id", p.terms().chainId());
            json.writeStringField("contract", p.terms().contract().toString());
            json.writeStringField("identity", p.terms().identity().toString());
            json.writeNumberField("funded_microcredits", p.funded());
            json.writeNumberField("spent_microcredits", p.spent());
            json.writeNumberField("redeemed_microcredits", p.redeemed());
            json.writeNumberField("prepaid_microcredits", p.prepaid());
            json.writeNumberField("signed_microcredits", p.signed());
            json.writeNumberField("in_flight_microcredits", p.inFlight());
            json.writeNumberField("wanted_microcredits", p.wanted());
            json.writeEndObject();
          });
      return;
    }
    Screen screen = main.screen();
    if (!p.terms().vouched()) {
      screen.say("this pool asks for no vouchers");
      return;
    }
    screen.say("vouchers are signed for " + said(p.terms()));
    Table table = new Table("", ">credits");
    table.row("put in", Amounts.credits(p.funded()));
    table.row("spent", Amounts.credits(p.spent()));
    table.row("of that collected by the pool", Amounts.credits(p.redeemed()));
    table.row("signed for", Amounts.credits(Math.max(p.signed(), p.redeemed())));
    table.row("what runs may still cost", Amounts.credits(p.inFlight()));
    if (p.prepaid() > 0) {
      table.row("paid ahead", Amounts.credits(p.prepaid()));
    }
    screen.say(table.lines());
    if (p.wanted() > 0) {
      screen.say(
          "work waits for a voucher of at least "
              + Amounts.credits(p.wanted())
              + ": perseid voucher --up-to "
              + Amounts.credits(p.wanted()).replace(" credits", ""));
    }
  }
}
