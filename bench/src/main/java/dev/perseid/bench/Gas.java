package dev.perseid.bench;

import dev.perseid.chain.Anvil;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Deployer;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Due;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Receipt;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Settlement;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.journal.MerkleTree;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/// What settling costs on a chain, by the receipts of a real node: gas for each task, beside what a
/// payment for each task would cost; how fast vouchers and receipts are signed and checked; and how
/// long it takes from the last task until it is settled.
final class Gas {
  /// What is measured with.
  ///
  /// @param tasks at which sizes, in tasks
  /// @param rounds how often times are measured
  /// @param blockTimeS of the chain on which the time until a settlement is measured
  record Setting(List<Integer> tasks, int rounds, int blockTimeS) {}

  private static final int TASKS_PER_CONSUMER = 100;
  private static final int TASKS_PER_PROVIDER = 1_000;
  private static final int EPOCHS_KEPT = 8;
  private static final int OPEN = 40;
  private static final int BATCH = 256;
  private static final int LOG = 100_000;
  private static final long PURSE = 1_000_000_000;
  private static final long FAR_S = 10_000_000_000L;
  private static final long WARM_NS = 3_000_000_000L;
  private static final long ROUND_NS = 200_000_000L;
  private static final int DEPTH = 3;
  private static final BigInteger ETHER = BigInteger.TEN.pow(18);
  private static final Duration LONG = Duration.ofMinutes(5);

  private interface Work {
    long run();
  }

  private final Printout report;
  private final Setting setting;
  private final Key operator = key(1);
  private final Map<Address, Long> due = new HashMap<>();
  private long sink;
  private long sent;

  Gas(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
  }

  private static Key key(long number) {
    return Key.of(ByteBuffer.allocate(32).putLong(24, number).array());
  }

  private static Key consumer(int number) {
    return key(1_000_000L + number);
  }

  private static Address payee(int number) {
    return Address.of(ByteBuffer.allocate(20).putInt(0x5e11).putInt(16, number).array());
  }

  private static int up(int tasks, int each) {
    return (tasks + each - 1) / each;
  }

  void run(Path folder, Path home) throws IOException, InterruptedException {
    Host host = Host.now();
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    switch (Anvil.find(Anvil.cache(), path, report::progress)) {
      case Anvil.Found.Missing(String why) -> throw new IOException(why);
      case Anvil.Found.Ready(Anvil anvil) -> {
        try (LocalChain local = LocalChain.start(anvil, LocalChain.Options.INSTANT);
            Outbox outbox = outbox(folder.resolve("outbox"), local.chain(), 1)) {
          report.say(anvil.name() + ", rules of Osaka; gas as its receipts say");
          new Run(local, outbox).all(folder);
        } catch (ChainException e) {
          throw new IOException(e.text(), e);
        }
      }
    }
    report.say("");
    report.table(speed());
    report.say(host.state(home));
    report.progress("(" + sink + ")");
  }

  private Outbox outbox(Path file, Chain chain, int confirmations) throws IOException {
    Outbox.Rules rules = new Outbox.Rules(BigInteger.TEN.pow(12), confirmations, LONG.toMillis());
    return Outbox.open(file, chain, operator, rules, InstantSource.system());
  }

  /// One pool on one chain.
  private final class Run {
    private final LocalChain local;
    private final Chain chain;
    private final Outbox outbox;
    private final Table oneOff = new Table("what is paid once", ">gas");
    private long epoch;
    private long cumulative;

    private final Deployment at;
    private final Token token;
    private final Escrow escrow;
    private final Registry registry;
    private final Address pool = operator.address();

    Run(LocalChain local, Outbox outbox) throws ChainException {
      this.local = local;
      this.chain = local.chain();
      this.outbox = outbox;
      local.fund(pool, ETHER.multiply(BigInteger.valueOf(1_000_000)));
      this.at =
          new Deployer(outbox, LONG, 2)
              .deploy(
                  "bench",
                  new Deployer.Plan(
                      Optional.empty(), Deployer.Plan.NOBODY, Long.MAX_VALUE, BigInteger.TEN),
                  (what, receipt) -> oneOff.row("deploy " + what, gas(receipt)));
      this.token = new Token(chain, at.token());
      this.escrow = new Escrow(chain, at.escrow());
      this.registry = new Registry(chain, at.registry());
    }

    void all(Path folder) throws ChainException, IOException {
      oneOff.row(
          "register a pool",
          gas(
              done(
                  registry.register(
                      Registry.POOL, Address.ZERO, "https://pool.example:9470", Hash.ZERO))));
      int most = setting.tasks().stream().mapToInt(Integer::intValue).max().orElse(1);
      int consumers = up(most, TASKS_PER_CONSUMER);
      int payees = up(most, TASKS_PER_PROVIDER);
      people(consumers);
      bond();
      warm(consumers, payees);
      Table tasks =
          new Table(">tasks", ">vouchers", ">payouts", ">gas", ">gas a task", "beside it, a task");
      long plain = transfer();
      long exact = exact();
      for (int n : setting.tasks()) {
        int vouchers = up(n, TASKS_PER_CONSUMER);
        int payouts = up(n, TASKS_PER_PROVIDER);
        long gas = settle(vouchers, payouts).gasUsed();
        tasks.row(
            whole(n),
            vouchers,
            payouts,
            whole(gas),
            Figures.of((double) gas / n),
            "ERC-20 transfer " + whole(plain) + ", x402 exact " + whole(exact));
        report.progress(n + " tasks: " + gas + " gas");
      }
      claims();
      leave();
      report.say("");
      report.say(
          "a settlement with a voucher for each "
              + TASKS_PER_CONSUMER
              + " tasks and a pushed payout for each "
              + TASKS_PER_PROVIDER
              + ", commitment to the log included, in a pool that has been running");
      report.table(tasks);
      report.say("");
      report.table(oneOff);
      report.say("");
      report.table(time(folder, consumers, payees));
    }

    /// Funds the purses: the first and the last are measured.
    private void people(int consumers) throws ChainException {
      Hash domain = token.domain(At.latest());
      Key first = consumer(0);
      done(token.mint(first.address(), PURSE));
      for (int i = 0; i < 2; i++) {
        Hash salt = new Hash(0, 0, 0, i);
        TokenAuthorization a =
            new TokenAuthorization(
                first.address(),
                at.escrow(),
                PURSE / 2,
                0,
                FAR_S,
                TokenAuthorization.depositNonce(pool, salt));
        String gas =
            gas(
                done(
                    escrow.depositWithAuthorization(
                        pool, a, salt, first.sign(Digests.receiveWithAuthorization(domain, a)))));
        oneOff.row(i == 0 ? "a consumer's first deposit, by signature" : "a later one", gas);
      }
      done(token.mint(pool, PURSE * (consumers + 10)));
      oneOff.row("approve", gas(done(token.approve(at.escrow(), PURSE * (consumers + 10)))));
      List<Call> deposits = new ArrayList<>();
      for (int i = 1; i < Math.max(consumers, 2); i++) {
        deposits.add(escrow.deposit(pool, consumer(i).address(), PURSE));
      }
      oneOff.row("a consumer's first deposit, approved", gas(many(deposits)));
    }

    private void bond() throws ChainException {
      Collateral collateral = new Collateral(chain, at.collateral());
      done(token.mint(pool, PURSE));
      done(token.approve(at.collateral(), PURSE));
      oneOff.row("a first bond", gas(done(collateral.bond(pool, at.court(), 0, PURSE))));
    }

    /// Uses every slot that a running pool has used: purses, payees' counters and balances, and the
    /// ring of commitments.
    private void warm(int consumers, int payees) throws ChainException {
      long one = settle(1, 0).gasUsed();
      long again = settle(1, 0).gasUsed();
      oneOff.row("a consumer's first voucher, beyond a later one", whole(one - again));
      long unpaid = settle(1, 0).gasUsed();
      long paid = settle(1, 1).gasUsed();
      long next = settle(1, 1).gasUsed();
      oneOff.row("a payee's first payout, beyond a later one", whole(paid - next));
      report.progress("a voucher alone " + unpaid + ", with a payout " + next);
      settle(consumers, payees);
      while (epoch < EPOCHS_KEPT) {
        settle(1, 0);
      }
    }

    private Receipt settle(int vouchers, int payouts) throws ChainException {
      return done(escrow.settle(pool, settlement(vouchers, payouts)));
    }

    private Settlement settlement(int vouchers, int payouts) {
      cumulative += 10_000;
      epoch++;
      List<SignedVoucher> signed = new ArrayList<>();
      for (int i = 0; i < vouchers; i++) {
        signed.add(voucher(i));
      }
      List<Due> pushed = new ArrayList<>();
      for (int i = 0; i < payouts; i++) {
        long more = due.merge(payee(i), 50L, Long::sum);
        pushed.add(new Due(payee(i), more));
      }
      return new Settlement(
          epoch,
          signed,
          0,
          pushed,
          pushed.isEmpty() ? List.of(new Due(payee(0), 0)) : pushed,
          pool,
          1_000 + epoch,
          new Hash(7, 7, 7, epoch));
    }

    private SignedVoucher voucher(int number) {
      Key consumer = consumer(number);
      Hash digest = Digests.voucher(chain.id(), at.escrow(), consumer.address(), pool, cumulative);
      return SignedVoucher.byKey(consumer.address(), cumulative, consumer.sign(digest));
    }

    /// To an account that has some of the token, as a provider has.
    private long transfer() throws ChainException {
      done(token.mint(pool, 100));
      return done(token.transfer(payee(0), 100)).gasUsed();
    }

    private long exact() throws ChainException {
      Key payer = consumer(0);
      done(token.mint(payer.address(), 1_000));
      TokenAuthorization a =
          new TokenAuthorization(payer.address(), payee(0), 100, 0, FAR_S, new Hash(4, 0, 2, 1));
      Hash domain = token.domain(At.latest());
      return done(token.transferWithAuthorization(
              a, payer.sign(Digests.transferWithAuthorization(domain, a))))
          .gasUsed();
    }

    /// Of 1,024 payees, one who claims twice.
    private void claims() throws ChainException {
      for (int round = 1; round <= 2; round++) {
        List<Due> dues = new ArrayList<>();
        for (int i = 0; i < 1_024; i++) {
          dues.add(new Due(payee(500_000 + i), 50L * round));
        }
        epoch++;
        Settlement s =
            new Settlement(epoch, List.of(), 0, List.of(), dues, pool, 1_000 + epoch, Hash.ZERO);
        done(escrow.settle(pool, s));
        Due mine = dues.get(5);
        Receipt claimed =
            done(
                escrow.claim(
                    pool, epoch, mine, s.tree().proof(mine.payee()).orElseThrow(), s.commitment()));
        oneOff.row(
            (round == 1 ? "a payee's first claim" : "a later claim") + " (1,024 payees)",
            gas(claimed));
      }
    }

    private void leave() throws ChainException {
      cumulative += 10_000;
      oneOff.row("redeem one voucher alone", gas(done(escrow.redeem(pool, List.of(voucher(0))))));
      done(token.mint(pool, PURSE));
      done(token.approve(at.escrow(), PURSE));
      done(escrow.deposit(pool, pool, PURSE));
      oneOff.row("ask to exit", gas(done(escrow.askExit(pool))));
      local.pass(4 * 24 * 3_600 + 1);
      oneOff.row("exit", gas(done(escrow.exit(pool, pool))));
    }

    /// From the moment when the last task is known until its settlement is final.
    private Table time(Path folder, int consumers, int payees) throws ChainException, IOException {
      Table table =
          new Table(
              "from the last task to settled", ">confirmations", ">median s", ">least", ">most");
      int vouchers = Math.min(consumers, 1_000);
      for (int block : new int[] {0, setting.blockTimeS()}) {
        for (int depth : block == 0 ? new int[] {1} : new int[] {1, DEPTH}) {
          try (Outbox own = outbox(folder.resolve("time-" + block + "-" + depth), chain, depth)) {
            double[] s = new double[setting.rounds()];
            for (int round = 0; round < s.length; round++) {
              // Vouchers come in while work goes on: they are at hand.
              Settlement settlement = settlement(vouchers, payees);
              if (block > 0) {
                local.interval(block);
              }
              long begun = System.nanoTime();
              String name = "time-" + sent++;
              own.submit(name, escrow.settle(pool, settlement), Outbox.Again.HARMLESS);
              if (!(own.await(name, LONG, 20) instanceof Outbox.State.Done)) {
                throw new IllegalStateException("the settlement failed");
              }
              s[round] = (System.nanoTime() - begun) / 1e9;
              report.progress("settled in " + Figures.of(s[round]) + " s");
            }
            table.row(
                vouchers
                    + " vouchers, "
                    + payees
                    + " payouts; "
                    + (block == 0 ? "a block at once" : "a block each " + block + " s"),
                depth,
                Figures.of(Figures.median(s)),
                Figures.of(Figures.percentile(s, 0)),
                Figures.of(Figures.percentile(s, 100)));
          }
        }
      }
      return table;
    }

    private Receipt done(Call call) throws ChainException {
      String name = "call-" + sent++;
      outbox.submit(name, call, Outbox.Again.NEVER);
      return switch (outbox.await(name, LONG, 2)) {
        case Outbox.State.Done(Receipt receipt) -> receipt;
        case Outbox.State other -> throw new IllegalStateException(Outbox.describe(other));
      };
    }

    /// Does all of it, some at a time; the last one's receipt.
    private Receipt many(List<Call> calls) throws ChainException {
      for (int from = 0; from < calls.size() - 1; from += OPEN) {
        for (Call call : calls.subList(from, Math.min(calls.size() - 1, from + OPEN))) {
          outbox.submit("call-" + sent++, call, Outbox.Again.NEVER);
        }
        outbox.tick();
        while (!outbox.pending().isEmpty()) {
          outbox.tick();
        }
        report.progress((from + OPEN) + " purses");
      }
      return done(calls.getLast());
    }
  }

  private static String gas(Receipt receipt) {
    return whole(receipt.gasUsed());
  }

  private static String whole(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  // ---- signing and checking ---------------------------------------------------------------------

  private Table speed() {
    Table table = new Table("one core", ">us", ">a second", "of what");
    Key consumer = consumer(0);
    Key provider = consumer(1);
    Address pool = operator.address();
    Address contract = payee(1);
    Hash digest = Digests.voucher(1, contract, consumer.address(), pool, 5);
    String signature = consumer.sign(digest);
    long[] amount = {1};
    measure(
        table,
        "sign a voucher",
        1,
        "EIP-712 and secp256k1",
        () ->
            consumer
                .sign(
                    Digests.voucher(
                        1, contract, consumer.address(), pool, amount[0]++ & Long.MAX_VALUE))
                .length());
    measure(
        table,
        "check a voucher",
        1,
        "EIP-712 and the signer's address",
        () ->
            Key.verify(
                    Digests.voucher(1, contract, consumer.address(), pool, 5),
                    signature,
                    consumer.address())
                ? 1
                : 0);
    ExecutionRecord record = record(pool, provider.address(), consumer.address());
    List<ExecutionRecord> records = new ArrayList<>();
    for (int i = 0; i < BATCH; i++) {
      records.add(record);
    }
    measure(
        table,
        "sign a receipt, provider",
        BATCH,
        "its share of a batch of " + BATCH + ": digest, tree, signature",
        () -> {
          Hash root = Merkle.rootOfDigests(Digests.records(records));
          return provider.sign(Digests.batch(pool, root, BATCH)).length();
        });
    List<Hash> leaves = Merkle.leafHashes(Digests.records(records));
    Hash batchRoot = Merkle.root(leaves);
    List<Hash> batchPath = Merkle.path(leaves, 5);
    String batchSignature = provider.sign(Digests.batch(pool, batchRoot, BATCH));
    byte[] canonical =
        EntryCodec.encode(new Entry(5, 1, record, new Entry.Attestation.Signed(1, 5)));
    MerkleTree log = new MerkleTree();
    for (int i = 0; i < LOG; i++) {
      log.append(i == 5 ? Merkle.leafHash(canonical) : new Hash(i, 1, 2, 3));
    }
    Hash root = log.root();
    List<Hash> path = log.path(5, LOG);
    String headSignature = operator.sign(Digests.treeHead(pool, root, LOG, 9));
    measure(
        table,
        "check a receipt",
        1,
        "both signatures, both paths (log of " + whole(LOG) + "), both digests",
        () -> {
          Hash leaf = Merkle.leafHash(Digests.record(record).bytes());
          boolean right =
              Merkle.verify(leaf, 5, BATCH, batchPath, batchRoot)
                  && Key.verify(
                      Digests.batch(pool, batchRoot, BATCH), batchSignature, provider.address())
                  && Merkle.verify(Merkle.leafHash(canonical), 5, LOG, path, root)
                  && Key.verify(Digests.treeHead(pool, root, LOG, 9), headSignature, pool);
          if (!right) {
            throw new IllegalStateException("a right receipt was refused");
          }
          return 1;
        });
    return table;
  }

  private static ExecutionRecord record(Address pool, Address provider, Address consumer) {
    return new ExecutionRecord(
        pool,
        new JobId(5, 6),
        0,
        "map-1",
        "align",
        1,
        300,
        consumer,
        provider,
        new Hash(1, 1, 1, 1),
        new Hash(2, 2, 2, 2),
        new Hash(3, 3, 3, 3),
        List.of(),
        List.of(),
        1_000_000,
        1 << 26,
        1,
        1,
        2,
        3,
        OptionalLong.of(4),
        OptionalLong.of(5),
        Outcome.DONE,
        "",
        Usage.UNMEASURED,
        List.of(),
        "perseid 1",
        "",
        425);
  }

  /// Runs work until it is warm, then takes the median of some rounds.
  private void measure(Table table, String name, int operations, String what, Work work) {
    long begun = System.nanoTime();
    long runs = 0;
    while (System.nanoTime() - begun < WARM_NS) {
      sink += work.run();
      runs++;
    }
    long each = Math.max(1, runs * ROUND_NS / WARM_NS);
    double[] ns = new double[setting.rounds()];
    for (int round = 0; round < ns.length; round++) {
      long from = System.nanoTime();
      for (long i = 0; i < each; i++) {
        sink += work.run();
      }
      ns[round] = (double) (System.nanoTime() - from) / each / operations;
    }
    double median = Figures.median(ns);
    table.row(name, Figures.of(median / 1e3), Figures.of(1e9 / median), what);
  }
}
