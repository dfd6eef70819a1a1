package dev.perseid.cli;

import dev.perseid.chain.Anvil;
import dev.perseid.chain.At;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Deployer;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Due;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.Head;
import dev.perseid.chain.Limits;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.PayoutTree;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Settlement;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.TokenAuthorization;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid chain`: the contracts on an EVM chain.
@Command(
    name = "chain",
    description = "Deploy the contracts on an EVM chain and move money through them.",
    subcommands = {
      ChainCommand.Local.class,
      ChainCommand.Deploy.class,
      ChainCommand.Status.class,
      ChainCommand.Faucet.class,
      ChainCommand.Register.class,
      ChainCommand.Deposit.class,
      ChainCommand.Settle.class,
      ChainCommand.Redeem.class,
      ChainCommand.Claim.class,
      ChainCommand.Leave.class,
      ChainCommand.CancelExit.class,
      ChainCommand.Bond.class,
      ChainCommand.Unbond.class,
      ChainCommand.Stay.class,
      ChainCommand.Withdraw.class
    },
    synopsisSubcommandLabel = "COMMAND")
final class ChainCommand implements Callable<Integer> {
  private static final long HOUR_S = 3_600;

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private OnChain on = new OnChain();

  Main main() {
    return main;
  }

  /// Without a command: how things are.
  @Override
  public Integer call() throws BadInput, ChainException {
    return status(main, shared, on, null, null);
  }

  // ---- a local chain ----------------------------------------------------------------------------

  /// `perseid chain local`.
  @Command(
      name = "local",
      description = "Run a chain of your own on this machine, until Ctrl-C. Nothing of it is kept.")
  static final class Local implements Callable<Integer> {
    private static final int USUAL_PORT = 8_545;

    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();

    @Option(names = "--port", paramLabel = "N", description = "Its port; default: 8545; 0: any.")
    private int port = USUAL_PORT;

    @Option(
        names = "--block-time",
        paramLabel = "S",
        description = "A block each so many seconds; default: one for each transaction.")
    private @Nullable Integer blockTimeS;

    @Override
    public Integer call() throws BadInput, IOException, InterruptedException {
      Screen screen = chain.main().screen();
      if (port < 0 || port > 65_535 || (blockTimeS != null && blockTimeS < 1)) {
        throw new BadInput("--port: 0 to 65535; --block-time: 1 or more");
      }
      String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
      return switch (Anvil.find(Anvil.cache(), path, screen::note)) {
        case Anvil.Found.Missing(String why) -> {
          screen.note("perseid: " + why);
          yield Exit.UNREACHABLE;
        }
        case Anvil.Found.Ready(Anvil anvil) -> {
          LocalChain.Options options =
              new LocalChain.Options(
                  port,
                  LocalChain.Options.INSTANT.chainId(),
                  blockTimeS == null ? OptionalInt.empty() : OptionalInt.of(blockTimeS));
          try (LocalChain local = LocalChain.start(anvil, options)) {
            screen.tell(
                shared.json,
                "rpc",
                local.rpc().toString(),
                anvil.name() + ", chain " + options.chainId() + ", listens on " + local.rpc());
            screen.note(
                "next: perseid chain faucet 0 --rpc "
                    + local.rpc()
                    + " gives your key money for gas; perseid chain deploy --rpc "
                    + local.rpc()
                    + " puts the contracts there");
            local.join();
          }
          yield Exit.OK;
        }
      };
    }
  }

  /// `perseid chain faucet`.
  @Command(
      name = "faucet",
      description = "Play money on a local chain: for gas, and AMOUNT of the test dollar.")
  static final class Faucet implements Callable<Integer> {
    private static final BigInteger GAS_WEI = BigInteger.TEN.pow(20);

    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(
        index = "0",
        paramLabel = "AMOUNT",
        description = "How many test dollars, e.g. 100.")
    private String amount = "";

    @Option(names = "--to", paramLabel = "ACCOUNT", description = "Who gets it; default: the key.")
    private @Nullable String to;

    @Override
    public Integer call() throws BadInput, ChainException {
      Main main = chain.main();
      long units = Amounts.microcredits(amount, "AMOUNT");
      Address payee = to == null ? main.home().key(on.key).address() : OnChain.address(to, "--to");
      Address payer = main.home().key(on.key).address();
      try (Chain bare = on.connect(main, OptionalLong.empty())) {
        for (Address one : List.of(payer, payee)) {
          LocalChain.fund(bare, one, GAS_WEI);
        }
      }
      if (units == 0) {
        main.screen()
            .tell(
                shared.json,
                "account",
                payee.toString(),
                payee + " has " + OnChain.ether(GAS_WEI) + " for gas");
        return Exit.OK;
      }
      try (OnChain.Session s = on.open(main, shared)) {
        Token token = new Token(s.chain(), s.deployment().token());
        s.send(token.mint(payee, units), Outbox.Again.NEVER);
        long has = token.balanceOf(payee, At.latest());
        s.tell(
            payee
                + " has "
                + OnChain.ether(GAS_WEI)
                + " for gas and "
                + OnChain.money(has)
                + " "
                + token.symbol(At.latest()),
            Map.of("to", payee.toString(), "balance", has));
      }
      return Exit.OK;
    }
  }

  // ---- the contracts ----------------------------------------------------------------------------

  /// `perseid chain deploy`.
  @Command(name = "deploy", description = "Put the contracts onto a chain; once, for many pools.")
  static final class Deploy implements Callable<Integer> {
    private static final long LOCAL_CHAIN = 31_337;

    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--token",
        paramLabel = "ADDRESS",
        description =
            "The token, with 6 decimals and EIP-3009, as dollars have. Default on local chains: a"
                + " test dollar is made.")
    private @Nullable String token;

    @Option(
        names = "--test-dollar",
        description = "Make a test dollar, which everybody can print, on any chain.")
    private boolean testDollar;

    @Option(
        names = "--sink",
        paramLabel = "ADDRESS",
        description = "Where slashed bonds go, for ever; default: nobody's address.")
    private @Nullable String sink;

    @Option(
        names = "--bond-cap",
        paramLabel = "AMOUNT",
        defaultValue = "1000000",
        description = "Most that all together may bond; default: ${DEFAULT-VALUE}.")
    private String bondCap = "1000000";

    @Option(
        names = "--challenge-deposit-wei",
        paramLabel = "N",
        defaultValue = "1000000000000000",
        description =
            "What goes with a challenge, and to who answers it; default: ${DEFAULT-VALUE}.")
    private BigInteger challengeDepositWei = BigInteger.TEN.pow(15);

    @Option(names = "--force", description = "Replace the deployment's file if there is one.")
    private boolean force;

    @Override
    public Integer call() throws BadInput, ChainException, IOException {
      Main main = chain.main();
      Path file = on.file(main);
      if (Files.exists(file) && !force && !on.dryRun) {
        throw new BadInput(
            file + " is there already; name another with --deployment, or write --force");
      }
      if (challengeDepositWei.signum() < 0) {
        throw new BadInput("--challenge-deposit-wei must not be below zero");
      }
      Optional<Address> named =
          token == null ? Optional.empty() : Optional.of(OnChain.address(token, "--token"));
      Deployer.Plan plan =
          new Deployer.Plan(
              named,
              sink == null ? Deployer.Plan.NOBODY : OnChain.address(sink, "--sink"),
              Amounts.microcredits(bondCap, "--bond-cap"),
              challengeDepositWei);
      try (Chain bare = on.connect(main, OptionalLong.empty())) {
        if (named.isEmpty() && !testDollar && bare.id() != LOCAL_CHAIN) {
          throw new BadInput(
              "which token? Write --token ADDRESS of a dollar on chain "
                  + bare.id()
                  + ", or --test-dollar for play money");
        }
        try (OnChain.Session s = on.session(main, shared, bare)) {
          if (s.isDry()) {
            throw new BadInput("--dry-run: each contract needs the address of the one before it");
          }
          Deployment made =
              new Deployer(s.outbox(), s.most(), s.pollMs())
                  .deploy(
                      "deploy-" + Instant.now().toEpochMilli(),
                      plan,
                      (what, receipt) -> {
                        s.add("deploy " + what, receipt);
                        main.screen()
                            .note(
                                what
                                    + " "
                                    + receipt.created().map(Address::toString).orElse("")
                                    + ", "
                                    + Amounts.exact(receipt.gasUsed())
                                    + " gas");
                      });
          made.check(bare);
          write(file, made.toJson());
          Map<String, Object> facts = new LinkedHashMap<>();
          facts.put("file", file.toString());
          facts.put("token", made.token().toString());
          facts.put("registry", made.registry().toString());
          facts.put("escrow", made.escrow().toString());
          facts.put("court", made.court().toString());
          facts.put("collateral", made.collateral().toString());
          s.tell("the contracts are on chain " + made.chainId() + "; written to " + file, facts);
        }
      }
      return Exit.OK;
    }

    private static void write(Path file, String text) throws IOException {
      Path parent = file.toAbsolutePath().getParent();
      if (parent != null) {
        Files.createDirectories(parent);
      }
      Path fresh = file.resolveSibling(file.getFileName() + ".new");
      Files.writeString(fresh, text);
      Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /// `perseid chain register`.
  @Command(
      name = "register",
      description = "Make your key an identity on the chain, or change what it says of itself.")
  static final class Register implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--role",
        paramLabel = "ROLE",
        split = ",",
        defaultValue = "pool",
        description = "pool, provider, author; several with commas; default: ${DEFAULT-VALUE}.")
    private List<String> roles = List.of("pool");

    @Option(names = "--endpoint", paramLabel = "TEXT", description = "Where it is found.")
    private String endpoint = "";

    @Option(
        names = "--recovery",
        paramLabel = "ADDRESS",
        description = "Who can take it back after a theft. Keep that key in a safe.")
    private @Nullable String recovery;

    @Override
    public Integer call() throws BadInput, ChainException {
      int bits = 0;
      for (String role : roles) {
        bits |=
            switch (role.strip().toLowerCase(Locale.ROOT)) {
              case "pool" -> Registry.POOL;
              case "provider" -> Registry.PROVIDER;
              case "author" -> Registry.AUTHOR;
              default ->
                  throw new BadInput(
                      "--role: there is no role '"
                          + role
                          + "'; "
                          + Nearest.advice(role, List.of("pool", "provider", "author")));
            };
      }
      Address rescuer = recovery == null ? Address.ZERO : OnChain.address(recovery, "--recovery");
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Registry registry = new Registry(s.chain(), s.deployment().registry());
        Address self = s.key().address();
        Optional<Registry.Identity> known = registry.identity(self, At.latest());
        if (known.isPresent() && recovery != null) {
          throw new BadInput("--recovery: this identity is registered already");
        }
        s.send(
            known.isPresent()
                ? registry.setProfile(self, bits, endpoint, known.get().terms())
                : registry.register(bits, rescuer, endpoint, Hash.ZERO),
            Outbox.Again.NEVER);
        s.tell(
            self + " is registered as " + String.join(", ", roles),
            Map.of("identity", self.toString(), "roles", bits));
      }
      return Exit.OK;
    }
  }

  /// `perseid chain status`.
  @Command(
      name = "status",
      description = "The chain, the contracts, and what an account has there; sends nothing.")
  static final class Status implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(names = "--account", paramLabel = "ACCOUNT", description = "Whose; default: the key's.")
    private @Nullable String account;

    @Option(names = "--pool", paramLabel = "IDENTITY", description = "A pool's identity.")
    private @Nullable String pool;

    @Override
    public Integer call() throws BadInput, ChainException {
      return status(chain.main(), shared, on, account, pool);
    }
  }

  private static int status(
      Main main, Shared shared, OnChain on, @Nullable String account, @Nullable String pool)
      throws BadInput, ChainException {
    Address who =
        account == null ? main.home().key(on.key).address() : OnChain.address(account, "--account");
    Optional<Address> identity =
        pool == null ? Optional.empty() : Optional.of(OnChain.address(pool, "--pool"));
    Deployment d = Deployment.read(on.file(main));
    try (Chain bare = on.connect(main, OptionalLong.of(d.chainId()))) {
      d.check(bare);
      Head head = bare.head();
      At at = At.block(head);
      Token token = new Token(bare, d.token());
      Escrow escrow = new Escrow(bare, d.escrow());
      String symbol = token.symbol(at);
      Map<String, Object> facts = new LinkedHashMap<>();
      facts.put("chain_id", d.chainId());
      facts.put("block", head.number());
      facts.put("token", d.token().toString());
      facts.put("escrow", d.escrow().toString());
      facts.put("registry", d.registry().toString());
      facts.put("court", d.court().toString());
      facts.put("collateral", d.collateral().toString());
      facts.put("account", who.toString());
      facts.put("gas_money_wei", bare.balance(who, at).toString());
      facts.put("balance", token.balanceOf(who, at));
      Table table = new Table("", "");
      table.row("chain", d.chainId() + ", block " + head.number());
      table.row("nodes", String.join(", ", bare.nodeNames()));
      table.row("contracts", "escrow " + d.escrow() + ", token " + d.token() + " (" + symbol + ")");
      table.row("account", who);
      table.row("for gas", OnChain.ether(bare.balance(who, at)));
      table.row("has", OnChain.money(token.balanceOf(who, at)) + " " + symbol);
      Optional<Registry.Identity> self = new Registry(bare, d.registry()).identity(who, at);
      facts.put("roles", self.map(Registry.Identity::roles).orElse(0));
      table.row("identity", self.map(i -> "registered, " + roles(i.roles())).orElse("none"));
      Address bonder = identity.orElse(who);
      long staked = new Collateral(bare, d.collateral()).valueOf(bonder, d.court(), at);
      facts.put("bonded", staked);
      table.row("bonded by " + (identity.isPresent() ? "pool" : "it"), OnChain.money(staked));
      if (identity.isPresent()) {
        Escrow.Purse purse = escrow.purse(identity.get(), who, at);
        Escrow.Till till = escrow.till(identity.get(), at);
        long paid = escrow.paidTo(identity.get(), who, at);
        facts.put("pool", identity.get().toString());
        facts.put("purse_funded", purse.funded());
        facts.put("purse_spent", purse.spent());
        facts.put("purse_exit_at_s", purse.exitAtS());
        facts.put("pool_earned", till.earned());
        facts.put("pool_paid", till.paid());
        facts.put("pool_epoch", till.epoch());
        facts.put("paid", paid);
        table.row(
            "purse",
            OnChain.money(purse.left())
                + " left of "
                + OnChain.money(purse.funded())
                + (purse.leaving() ? ", free to go at " + time(purse.exitAtS()) : ""));
        table.row(
            "pool",
            "earned "
                + OnChain.money(till.earned())
                + ", paid "
                + OnChain.money(till.paid())
                + ", epoch "
                + till.epoch());
        table.row("got from pool", OnChain.money(paid));
      }
      if (shared.json) {
        main.screen()
            .json(json -> {
              json.writeStartObject();
              OnChain.write(json, facts);
              json.writeEndObject();
            });
      } else {
        List<String> lines = table.lines();
        main.screen().say(lines.subList(1, lines.size()));
      }
    }
    return Exit.OK;
  }

  private static String roles(int bits) {
    StringBuilder words = new StringBuilder();
    words.append((bits & Registry.POOL) != 0 ? "pool " : "");
    words.append((bits & Registry.PROVIDER) != 0 ? "provider " : "");
    words.append((bits & Registry.AUTHOR) != 0 ? "author " : "");
    return words.toString().strip().replace(" ", ", ");
  }

  private static String time(long seconds) {
    return Instant.ofEpochSecond(Math.min(seconds, 1L << 37)).toString();
  }

  // ---- consumers --------------------------------------------------------------------------------

  /// `perseid chain deposit`.
  @Command(
      name = "deposit",
      description =
          "Put money of the key's account into a purse for a pool: by its signature, in one"
              + " transaction, or for somebody else by an approval and a deposit.")
  static final class Deposit implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "AMOUNT", description = "How much, e.g. 12.5.")
    private String amount = "";

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        required = true,
        description = "The pool's identity.")
    private String pool = "";

    @Option(
        names = "--for",
        paramLabel = "CONSUMER",
        description = "Whose purse; default: the key's own.")
    private @Nullable String consumer;

    @Override
    public Integer call() throws BadInput, ChainException {
      long units = OnChain.amount(amount);
      Address identity = OnChain.address(pool, "--pool");
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Address self = s.key().address();
        Address whose = consumer == null ? self : OnChain.address(consumer, "--for");
        Token token = new Token(s.chain(), s.deployment().token());
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        long has = token.balanceOf(self, At.latest());
        if (has < units) {
          throw new ChainException(
              ChainException.Kind.POOR,
              self
                  + " has "
                  + OnChain.money(has)
                  + " "
                  + token.symbol(At.latest())
                  + " and "
                  + OnChain.money(units)
                  + " were to be deposited");
        }
        if (whose.equals(self)) {
          byte[] random = new byte[32];
          new SecureRandom().nextBytes(random);
          Hash salt = Hash.of(random);
          TokenAuthorization a =
              new TokenAuthorization(
                  self,
                  escrow.address(),
                  units,
                  0,
                  s.chain().head().timeS() + 24 * HOUR_S,
                  TokenAuthorization.depositNonce(identity, salt));
          Hash domain = token.domain(At.latest());
          String signature = s.key().sign(Digests.receiveWithAuthorization(domain, a));
          s.send(escrow.depositWithAuthorization(identity, a, salt, signature), Outbox.Again.NEVER);
        } else {
          if (token.allowance(self, escrow.address(), At.latest()) < units) {
            s.send(token.approve(escrow.address(), units), Outbox.Again.NEVER);
          }
          if (s.isDry()) {
            s.tell("", Map.of());
            return Exit.OK;
          }
          s.send(escrow.deposit(identity, whose, units), Outbox.Again.NEVER);
        }
        Escrow.Purse purse = escrow.purse(identity, whose, At.latest());
        s.tell(
            "the purse of " + whose + " has " + OnChain.money(purse.left()),
            Map.of("consumer", whose.toString(), "purse_left", purse.left()));
      }
      return Exit.OK;
    }
  }

  /// `perseid chain exit`.
  @Command(
      name = "exit",
      description =
          "Leave a pool: the first time asks, and four days later takes what is left of the purse.")
  static final class Leave implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        required = true,
        description = "The pool's identity.")
    private String pool = "";

    @Option(names = "--to", paramLabel = "ACCOUNT", description = "Who gets it; default: the key.")
    private @Nullable String to;

    @Override
    public Integer call() throws BadInput, ChainException {
      Address identity = OnChain.address(pool, "--pool");
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Address self = s.key().address();
        Address payee = to == null ? self : OnChain.address(to, "--to");
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        Escrow.Purse before = escrow.purse(identity, self, At.latest());
        if (!before.leaving()) {
          s.send(escrow.askExit(identity), Outbox.Again.NEVER);
          Escrow.Purse asked = escrow.purse(identity, self, At.latest());
          s.tell(
              "asked to leave; "
                  + OnChain.money(asked.left())
                  + " less what the pool redeems until then can go at "
                  + time(asked.exitAtS())
                  + ": run this again then",
              Map.of("exit_at_s", asked.exitAtS(), "purse_left", asked.left()));
        } else {
          s.send(escrow.exit(identity, payee), Outbox.Again.NEVER);
          s.tell(
              OnChain.money(before.left()) + " went to " + payee,
              Map.of("to", payee.toString(), "amount", before.left()));
        }
      }
      return Exit.OK;
    }
  }

  /// `perseid chain cancel-exit`.
  @Command(name = "cancel-exit", description = "Stay in a pool after all.")
  static final class CancelExit implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        required = true,
        description = "The pool's identity.")
    private String pool = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      Address identity = OnChain.address(pool, "--pool");
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        s.send(escrow.cancelExit(identity), Outbox.Again.NEVER);
        s.tell("no exit is under way", Map.of());
      }
      return Exit.OK;
    }
  }

  // ---- pools and payees -------------------------------------------------------------------------

  /// Reads a file of JSON that a person names.
  private static String text(Path file) throws BadInput {
    try {
      if (Files.size(file) > Limits.SETTLEMENT_BYTES) {
        throw new BadInput(file + " is too large");
      }
      return Files.readString(file);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e);
    }
  }

  private static Settlement settlement(Path file) throws BadInput, ChainException {
    try {
      return Settlement.ofJson(text(file));
    } catch (ChainException e) {
      throw new BadInput(file + ": " + e.text());
    }
  }

  /// `perseid chain settle`.
  @Command(
      name = "settle",
      description =
          "Settle an epoch: redeem its vouchers, pay, and commit to the rest. With the pool's key.")
  static final class Settle implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "FILE", description = "The settlement (docs/chain.md).")
    private Path file = Path.of("");

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        description = "The pool's identity; default: the key's address.")
    private @Nullable String pool;

    @Override
    public Integer call() throws BadInput, ChainException {
      Settlement settlement = settlement(file);
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Address identity = pool == null ? s.key().address() : OnChain.address(pool, "--pool");
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        s.send(escrow.settle(identity, settlement), Outbox.Again.HARMLESS);
        if (s.isDry()) {
          s.tell("", Map.of());
          return Exit.OK;
        }
        Escrow.Outcome outcome = escrow.outcome(identity, s.sent().getLast().receipt());
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("epoch", settlement.epoch());
        facts.put("redeemed", outcome.redeemed());
        facts.put("skipped", outcome.skipped().stream().map(Address::toString).toList());
        facts.put(
            "failed_payouts", outcome.failedPushes().stream().map(Address::toString).toList());
        s.tell(
            "epoch "
                + settlement.epoch()
                + " is settled: "
                + OnChain.money(outcome.redeemed())
                + " redeemed, "
                + (settlement.payouts().size() - outcome.failedPushes().size())
                + " payouts sent"
                + (outcome.skipped().isEmpty() ? "" : "; vouchers denied by " + outcome.skipped())
                + (outcome.failedPushes().isEmpty()
                    ? ""
                    : "; the token would not send to " + outcome.failedPushes()),
            facts);
      }
      return Exit.OK;
    }
  }

  /// `perseid chain redeem`.
  @Command(
      name = "redeem",
      description =
          "Redeem vouchers into a pool's till, e.g. for a pool that is down. Anybody may.")
  static final class Redeem implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(
        index = "0",
        paramLabel = "FILE",
        description = "A list of vouchers, or a settlement (docs/chain.md).")
    private Path file = Path.of("");

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        required = true,
        description = "The pool's identity.")
    private String pool = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      Address identity = OnChain.address(pool, "--pool");
      List<SignedVoucher> vouchers;
      try {
        vouchers = Settlement.vouchersOfJson(text(file));
      } catch (ChainException e) {
        throw new BadInput(file + ": " + e.text());
      }
      if (vouchers.isEmpty() || vouchers.size() > Limits.VOUCHERS) {
        throw new BadInput(
            file + " has " + vouchers.size() + " vouchers; write 1 to " + Limits.VOUCHERS);
      }
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        s.send(escrow.redeem(identity, vouchers), Outbox.Again.HARMLESS);
        if (s.isDry()) {
          s.tell("", Map.of());
          return Exit.OK;
        }
        Escrow.Outcome outcome = escrow.outcome(identity, s.sent().getLast().receipt());
        s.tell(
            OnChain.money(outcome.redeemed()) + " redeemed into the till of " + identity,
            Map.of("redeemed", outcome.redeemed()));
      }
      return Exit.OK;
    }
  }

  /// `perseid chain claim`.
  @Command(
      name = "claim",
      description = "Claim what a pool owes by one of its last eight settlements. Anybody may.")
  static final class Claim implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();

    @Parameters(index = "0", paramLabel = "FILE", description = "The settlement (docs/chain.md).")
    private Path file = Path.of("");

    @Option(
        names = "--pool",
        paramLabel = "IDENTITY",
        required = true,
        description = "The pool's identity.")
    private String pool = "";

    @Option(names = "--payee", paramLabel = "ACCOUNT", description = "Whom; default: the key's.")
    private @Nullable String payee;

    @Option(
        names = "--to",
        paramLabel = "ACCOUNT",
        description = "Where it goes; for the payee only. Default: the payee.")
    private @Nullable String to;

    @Override
    public Integer call() throws BadInput, ChainException {
      Address identity = OnChain.address(pool, "--pool");
      Settlement settlement = settlement(file);
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Address whom = payee == null ? s.key().address() : OnChain.address(payee, "--payee");
        PayoutTree tree = settlement.tree();
        Optional<Due> due = tree.due(whom);
        if (due.isEmpty()) {
          throw new BadInput(whom + " is not among those whom this settlement owes");
        }
        List<Hash> proof = tree.proof(whom).orElseThrow();
        Escrow escrow = new Escrow(s.chain(), s.deployment().escrow());
        long before = escrow.paidTo(identity, whom, At.latest());
        s.send(
            to == null
                ? escrow.claim(
                    identity, settlement.epoch(), due.get(), proof, settlement.commitment())
                : escrow.claimTo(
                    identity,
                    settlement.epoch(),
                    due.get(),
                    proof,
                    settlement.commitment(),
                    OnChain.address(to, "--to")),
            Outbox.Again.HARMLESS);
        long got = escrow.paidTo(identity, whom, At.latest()) - before;
        s.tell(
            OnChain.money(got) + " were paid for " + whom,
            Map.of("payee", whom.toString(), "amount", got));
      }
      return Exit.OK;
    }
  }

  // ---- bonds ------------------------------------------------------------------------------------

  /// Options of what is about a bond.
  static final class Bonding {
    @Option(
        names = "--identity",
        paramLabel = "IDENTITY",
        description = "Whose bond; default: the key's.")
    private @Nullable String identity;

    @Option(
        names = "--arbiter",
        paramLabel = "ADDRESS",
        description = "Who may slash it; default: the court, which slashes by proof alone.")
    private @Nullable String arbiter;

    @Option(
        names = "--asset",
        paramLabel = "N",
        defaultValue = "0",
        description = "Which asset of the collateral; default: ${DEFAULT-VALUE}, the token.")
    private int asset;

    Address identity(OnChain.Session s) throws BadInput {
      return identity == null ? s.key().address() : OnChain.address(identity, "--identity");
    }

    Address arbiter(OnChain.Session s) throws BadInput {
      return arbiter == null ? s.deployment().court() : OnChain.address(arbiter, "--arbiter");
    }

    int asset() throws BadInput {
      if (asset < 0) {
        throw new BadInput("--asset: write 0 or more");
      }
      return asset;
    }

    void tell(OnChain.Session s) throws BadInput, ChainException {
      Collateral.Bond bond =
          new Collateral(s.chain(), s.deployment().collateral())
              .bond(identity(s), arbiter(s), asset(), At.latest());
      s.tell(
          OnChain.money(bond.active())
              + " are bonded"
              + (bond.leaving() == 0
                  ? ""
                  : ", "
                      + OnChain.money(bond.leaving())
                      + " are leaving, free at "
                      + time(bond.freeAtS())),
          Map.of("active", bond.active(), "leaving", bond.leaving(), "free_at_s", bond.freeAtS()));
    }
  }

  /// `perseid chain bond`.
  @Command(name = "bond", description = "Put down collateral, which fraud would cost you.")
  static final class Bond implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Bonding bonding = new Bonding();

    @Parameters(index = "0", paramLabel = "AMOUNT", description = "How much, e.g. 1000.")
    private String amount = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      long units = OnChain.amount(amount);
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Collateral collateral = new Collateral(s.chain(), s.deployment().collateral());
        List<Collateral.Asset> assets = collateral.assets(At.latest());
        if (bonding.asset() >= assets.size()) {
          throw new BadInput("--asset: there are " + assets.size() + " assets, from 0 on");
        }
        Token token = new Token(s.chain(), assets.get(bonding.asset()).token());
        Address self = s.key().address();
        long has = token.balanceOf(self, At.latest());
        if (has < units) {
          throw new ChainException(
              ChainException.Kind.POOR,
              self
                  + " has "
                  + OnChain.money(has)
                  + " and "
                  + OnChain.money(units)
                  + " were to be bonded");
        }
        if (token.allowance(self, collateral.address(), At.latest()) < units) {
          s.send(token.approve(collateral.address(), units), Outbox.Again.NEVER);
          if (s.isDry()) {
            s.tell("", Map.of());
            return Exit.OK;
          }
        }
        s.send(
            collateral.bond(bonding.identity(s), bonding.arbiter(s), bonding.asset(), units),
            Outbox.Again.NEVER);
        bonding.tell(s);
      }
      return Exit.OK;
    }
  }

  /// `perseid chain unbond`.
  @Command(
      name = "unbond",
      description = "Ask a part of a bond back; it is free after 14 days and can be slashed until.")
  static final class Unbond implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Bonding bonding = new Bonding();

    @Parameters(index = "0", paramLabel = "AMOUNT", description = "How much, e.g. 1000.")
    private String amount = "";

    @Override
    public Integer call() throws BadInput, ChainException {
      long units = OnChain.amount(amount);
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        s.send(
            new Collateral(s.chain(), s.deployment().collateral())
                .unbond(bonding.identity(s), bonding.arbiter(s), bonding.asset(), units),
            Outbox.Again.NEVER);
        bonding.tell(s);
      }
      return Exit.OK;
    }
  }

  /// `perseid chain stay`.
  @Command(name = "stay", description = "Bond again what is leaving.")
  static final class Stay implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Bonding bonding = new Bonding();

    @Override
    public Integer call() throws BadInput, ChainException {
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        s.send(
            new Collateral(s.chain(), s.deployment().collateral())
                .stay(bonding.identity(s), bonding.arbiter(s), bonding.asset()),
            Outbox.Again.NEVER);
        bonding.tell(s);
      }
      return Exit.OK;
    }
  }

  /// `perseid chain withdraw`.
  @Command(name = "withdraw", description = "Take what has left a bond.")
  static final class Withdraw implements Callable<Integer> {
    @ParentCommand private ChainCommand chain = new ChainCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private OnChain on = new OnChain();
    @Mixin private Bonding bonding = new Bonding();

    @Option(names = "--to", paramLabel = "ACCOUNT", description = "Who gets it; default: the key.")
    private @Nullable String to;

    @Override
    public Integer call() throws BadInput, ChainException {
      try (OnChain.Session s = on.open(chain.main(), shared)) {
        Address payee = to == null ? s.key().address() : OnChain.address(to, "--to");
        s.send(
            new Collateral(s.chain(), s.deployment().collateral())
                .withdraw(bonding.identity(s), bonding.arbiter(s), bonding.asset(), payee),
            Outbox.Again.NEVER);
        bonding.tell(s);
      }
      return Exit.OK;
    }
  }
}
