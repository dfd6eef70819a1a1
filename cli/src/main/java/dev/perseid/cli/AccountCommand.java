package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid account` and `perseid account grant`.
@Command(
    name = "account",
    description = "Show your account, or grant credits to one as the operator.",
    subcommands = {AccountCommand.Grant.class, AccountCommand.Leave.class})
final class AccountCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(
      names = "--statement",
      description = "List all that moved money of the account: reservations, charges, payouts.")
  private boolean statement;

  @Option(
      names = "--from",
      paramLabel = "DATE",
      description = "With --statement: not before, e.g. 2026-11-01 or 2026-11-01T08:00:00Z.")
  private @Nullable String from;

  @Option(names = "--to", paramLabel = "DATE", description = "With --statement: before this.")
  private @Nullable String to;

  @Option(
      names = "--csv",
      paramLabel = "FILE",
      description = "With --statement: write it as CSV; - is standard output.")
  private @Nullable String csv;

  @Option(
      names = "--of",
      paramLabel = "ACCOUNT",
      description = "With --statement, as the operator: somebody else's account.")
  private @Nullable String of;

  @Option(
      names = "--check-chain",
      paramLabel = "URL",
      description =
          "With --statement: compare with what the chain says at this RPC address; needs"
              + " --deployment.")
  private @Nullable URI chain;

  @Option(
      names = "--deployment",
      paramLabel = "FILE",
      description = "Where the pool's contracts are.")
  private @Nullable Path deployment;

  Main main() {
    return main;
  }

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    if (statement) {
      return new StatementTable(main.screen(), shared.json)
          .show(
              () -> of == null ? at.connect(main) : at.connectAsOperator(main),
              Optional.ofNullable(of),
              Optional.ofNullable(from),
              Optional.ofNullable(to),
              Optional.ofNullable(csv),
              chain == null ? Optional.empty() : Optional.of(ChainCheck.of(chain, deployment)));
    }
    if (from != null || to != null || csv != null || of != null || chain != null) {
      throw new BadInput("--from, --to, --csv, --of and --check-chain belong to --statement");
    }
    PoolClient.Account account;
    try (PoolClient client = at.connect(main)) {
      account = client.account(Optional.empty());
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeStringField("account", account.address().toString());
            json.writeNumberField("balance_microcredits", account.balance());
            json.writeNumberField("reserved_microcredits", account.reserved());
            json.writeNumberField("due_microcredits", account.due());
            json.writeNumberField("paid_out_microcredits", account.paid());
            json.writeEndObject();
          });
    } else {
      main.screen()
          .say(
              account.address()
                  + " has "
                  + Amounts.credits(account.balance())
                  + " and "
                  + Amounts.credits(account.reserved())
                  + " reserved for jobs and requests"
                  + (account.due() + account.paid() == 0
                      ? ""
                      : "; earned and not paid out yet: "
                          + Amounts.credits(account.due())
                          + ", paid out: "
                          + Amounts.credits(account.paid())));
    }
    return Exit.OK;
  }

  /// `perseid account grant`.
  @Command(
      name = "grant",
      description = "Give credits to an account; needs the pool's own key on this machine.")
  static final class Grant implements Callable<Integer> {
    @ParentCommand private AccountCommand account = new AccountCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(index = "0", paramLabel = "ACCOUNT", description = "0x and 40 digits.")
    private String to = "";

    @Parameters(index = "1", paramLabel = "CREDITS", description = "How many, e.g. 12.5.")
    private String credits = "";

    @Option(names = "--memo", description = "A remark that stands in the log.")
    private @Nullable String memo;

    @Override
    public Integer call() throws BadInput, PoolFailure {
      Address address;
      try {
        address = Address.parse(to);
      } catch (IllegalArgumentException e) {
        throw new BadInput("ACCOUNT: " + e.getMessage());
      }
      long amount = Amounts.microcredits(credits, "CREDITS");
      PoolClient.Account after;
      try (PoolClient client = at.connectAsOperator(account.main())) {
        client.grant(address, amount, memo == null ? "" : memo);
        after = client.account(Optional.of(address));
      }
      if (shared.json) {
        account
            .main()
            .screen()
            .json(json -> {
              json.writeStartObject();
              json.writeStringField("account", address.toString());
              json.writeNumberField("granted_microcredits", amount);
              json.writeNumberField("balance_microcredits", after.balance());
              json.writeEndObject();
            });
      } else {
        account
            .main()
            .screen()
            .say(
                "granted "
                    + Amounts.credits(amount)
                    + "; "
                    + address
                    + " has "
                    + Amounts.credits(after.balance()));
      }
      return Exit.OK;
    }
  }

  /// `perseid account leave`.
  @Command(
      name = "leave",
      description = {
        "Leave a pool of credits with vouchers: ask, and take what is left four days later.",
        "On an escrow ask the contract: perseid chain exit."
      })
  static final class Leave implements Callable<Integer> {
    @ParentCommand private AccountCommand account = new AccountCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Option(names = "--cancel", description = "Stay after all.")
    private boolean cancel;

    @Option(names = "--take", description = "Take what is left, once the delay is over.")
    private boolean take;

    @Override
    public Integer call() throws BadInput, PoolFailure {
      if (cancel && take) {
        throw new BadInput("--cancel and --take are opposites: write one");
      }
      String step = cancel ? "cancel" : take ? "take" : "ask";
      try (PoolClient client = at.connect(account.main())) {
        client.leave(step);
      }
      account
          .main()
          .screen()
          .tell(
              shared.json,
              "step",
              step,
              switch (step) {
                case "cancel" -> "you stay";
                case "take" ->
                    "what was left is out of the pool's books: its operator owes it to you";
                default -> "asked; in four days: perseid account leave --take";
              });
      return Exit.OK;
    }
  }
}
