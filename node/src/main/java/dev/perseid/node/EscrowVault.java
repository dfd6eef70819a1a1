package dev.perseid.node;

import dev.perseid.chain.Abi;
import dev.perseid.chain.AbiReader;
import dev.perseid.chain.At;
import dev.perseid.chain.BondReader;
import dev.perseid.chain.Chain;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Commitment;
import dev.perseid.chain.Cursor;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.EscrowReader;
import dev.perseid.chain.Head;
import dev.perseid.chain.Log;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.PayoutTree;
import dev.perseid.chain.Receipt;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Revert;
import dev.perseid.chain.Settlement;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Money;
import dev.perseid.core.Voucher;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/// The vault on a chain: purses, till and payouts of an `Escrow` contract (docs/contracts.md). Only
/// blocks that are deep enough count. What is sent goes through an outbox on disk, so that it is
/// sent once whatever happens in between.
///
/// Its folder has `outbox`, and `epoch-N.json`: each settlement as it was sent, from which payees
/// are told how to claim.
final class EscrowVault implements Vault {
  private static final List<Hash> OUTCOMES =
      List.of(
          Abi.topic("Settled(address,uint64,uint256,bytes32,address,uint64,bytes32)"),
          Abi.topic("VoucherSkipped(address,address,uint96)"),
          Abi.topic("PayoutFailed(address,address,uint256)"));

  private static final long LOG_BLOCKS = 2_000;

  /// What is known of the chain once it was asked.
  ///
  /// @param identity the pool's registered identity
  record Opened(
      Chain chain,
      Deployment deployment,
      Escrow escrow,
      EscrowReader reader,
      Outbox outbox,
      Address identity) {}

  private final MoneyTerms.ChainAt at;
  private final Deployment deployment;
  private final Key key;
  private final Path dir;
  private final InstantSource clock;
  private @Nullable Opened opened;

  /// Only the settler's thread asks for bonds.
  private @Nullable BondKeeper bonds;

  private boolean hasOtherUnit;

  /// Up to where the core was told; null until something was.
  private volatile @Nullable Cursor cursor;

  private EscrowVault(
      MoneyTerms.ChainAt at, Deployment deployment, Key key, Path dir, InstantSource clock) {
    this.at = at;
    this.deployment = deployment;
    this.key = key;
    this.dir = dir;
    this.clock = clock;
  }

  /// Makes a vault; the chain is not asked yet, so that a pool starts without it.
  ///
  /// @param key the pool's, which acts for its identity and pays for gas
  /// @param dir its folder, made if there is none
  /// @throws PoolStartException if the deployment cannot be read
  static EscrowVault open(MoneyTerms.ChainAt at, Key key, Path dir, InstantSource clock)
      throws IOException {
    try {
      Files.createDirectories(dir);
      return new EscrowVault(at, Deployment.read(at.deployment()), key, dir, clock);
    } catch (ChainException e) {
      throw new PoolStartException(e.text(), e);
    }
  }

  /// What the pool's money is on this vault.
  Money.Escrow money() {
    return new Money.Escrow(
        deployment.chainId(), deployment.escrow(), deployment.token(), identity());
  }

  private Address identity() {
    return at.identity().orElse(key.address());
  }

  /// The pool's key, which pays for gas and for what is moved.
  Address payer() {
    return key.address();
  }

  @Override
  public boolean holds(Money money) {
    return money.equals(money());
  }

  /// The chain, asked for the first time if it was not yet.
  synchronized Opened chain() throws Trouble {
    Opened now = opened;
    if (now != null) {
      return now;
    }
    Chain chain = null;
    boolean done = false;
    try {
      chain = Chain.connect(at.rpc(), OptionalLong.of(deployment.chainId()));
      deployment.check(chain);
      Registry registry = new Registry(chain, deployment.registry());
      if (!registry.isPool(identity(), At.latest())) {
        throw new Trouble(
            identity() + " is not registered as a pool: run 'perseid chain register' with its key");
      }
      if (!registry.actsFor(key.address(), identity(), At.latest())) {
        throw new Trouble(
            "the pool's key "
                + key.address()
                + " does not act for the identity "
                + identity()
                + ": its controller must add it at the registry");
      }
      Outbox outbox =
          Outbox.open(
              dir.resolve("outbox"),
              chain,
              key,
              new Outbox.Rules(at.mostWei(), at.confirmations(), MoneyLimits.PATIENCE_MS),
              clock);
      now =
          new Opened(
              chain,
              deployment,
              new Escrow(chain, deployment.escrow()),
              reader(chain),
              outbox,
              identity());
      opened = now;
      done = true;
      return now;
    } catch (ChainException e) {
      throw new Trouble(e.text());
    } catch (IOException e) {
      throw new Trouble("the outbox in " + dir + " cannot be used: " + e.getMessage());
    } finally {
      if (!done && chain != null) {
        chain.close();
      }
    }
  }

  // ---- what happens -----------------------------------------------------------------------------

  private EscrowReader reader(Chain chain) {
    return new EscrowReader(
        chain, deployment.escrow(), identity(), deployment.fromBlock(), at.confirmations());
  }

  /// Only the arbiter itself can slash: a key that merely acts for it could not do what bonds are
  /// there for.
  @Override
  public boolean seesBonds() {
    return payer().equals(identity()) && !hasOtherUnit;
  }

  @Override
  public Bonds bonds(Stakers known, LongFunction<Hash> leaf) throws Trouble {
    Opened o = chain();
    BondKeeper keeper = bonds;
    if (keeper == null) {
      Collateral collateral = new Collateral(o.chain(), deployment.collateral());
      try {
        if (!isInOurUnit(o.chain(), collateral)) {
          hasOtherUnit = true;
          return Bonds.NONE;
        }
      } catch (ChainException e) {
        throw new Trouble(e.text());
      }
      BondReader reader =
          new BondReader(
              o.chain(),
              collateral.address(),
              identity(),
              deployment.fromBlock(),
              at.confirmations());
      keeper = new BondKeeper(reader, collateral, o.outbox(), identity());
      bonds = keeper;
    }
    return keeper.look(known, leaf);
  }

  /// What is in another unit than the pool's money cannot be compared with it.
  private boolean isInOurUnit(Chain chain, Collateral collateral) throws ChainException {
    try {
      Head head = chain.confirmed(at.confirmations());
      return collateral.unit(At.block(head)).equals(deployment.token());
    } catch (ChainException e) {
      if (e.revert().isEmpty()) {
        throw e;
      }
      return false; // something else lies there
    }
  }

  @Override
  public News news(Books books) throws Trouble {
    Opened o = chain();
    Cursor from = cursor;
    if (from == null) {
      long block = Math.max(books.block(), deployment.fromBlock() - 1);
      from = new Cursor(block, Hash.ZERO);
    }
    try {
      Optional<EscrowReader.Seen> read = o.reader().read(from, books.purses(), books.payees());
      if (read.isEmpty()) {
        return News.NONE;
      }
      EscrowReader.Seen seen = read.get();
      Head head = seen.at();
      List<Command> news = new ArrayList<>();
      for (ChainPurse purse : seen.purses()) {
        news.add(new Command.SeePurse(purse, head.number()));
      }
      for (Map.Entry<Address, Long> paid : seen.paid().entrySet()) {
        news.add(new Command.SeePaid(paid.getKey(), paid.getValue(), head.number()));
      }
      if (seen.isCaughtUp()) {
        news.add(new Command.SeeBlock(head.number(), head.timeS() * 1_000_000));
      }
      return new News(news, !seen.isCaughtUp(), () -> cursor = seen.cursor());
    } catch (ChainException e) {
      throw new Trouble(e.text());
    }
  }

  /// All purses of the pool as they are at a block that counts.
  EscrowReader.Seen all() throws Trouble {
    Opened o = chain();
    try {
      return reader(o.chain()).readAll(List.of());
    } catch (ChainException e) {
      throw new Trouble(e.text());
    }
  }

  /// Who put what into these purses, as far as the pool's key did; up to the same block.
  Map<Address, EscrowReader.Put> puts(EscrowReader.Seen seen) throws Trouble {
    Opened o = chain();
    try {
      return reader(o.chain()).puts(payer(), seen.at());
    } catch (ChainException e) {
      throw new Trouble(e.text());
    }
  }

  /// What goes over to the core: all from that block on is news.
  void tellFrom(EscrowReader.Seen seen) {
    cursor = seen.cursor();
  }

  // ---- settling ---------------------------------------------------------------------------------

  @Override
  public Step settle(Epoch epoch) throws Trouble {
    Opened o = chain();
    Settlement settlement = Settlement.of(epoch, money(), key.address());
    String content = settlement.toJson();
    keep(epoch.number(), content);
    try {
      o.outbox().tick();
      String last = "";
      for (int attempt = 1; attempt <= MoneyLimits.SETTLE_TRIES; attempt++) {
        String name = name(epoch, content, attempt);
        if (o.outbox().state(name).isEmpty()) {
          Optional<Step> before = settledBefore(o, epoch, settlement);
          if (before.isPresent()) {
            return before.get();
          }
          Optional<Step> refused = submit(o, name, epoch, settlement, attempt);
          if (refused.isPresent()) {
            return refused.get();
          }
        }
        Outbox.State state = o.outbox().state(name).orElseThrow();
        last = Outbox.describe(state);
        switch (state) {
          case Outbox.State.Waiting _, Outbox.State.Included _ -> {
            return new Step.Waiting(last);
          }
          case Outbox.State.Done(Receipt receipt) -> {
            return confirmed(o, epoch, receipt);
          }
          case Outbox.State.Failed(Receipt _, Optional<Revert> why) when why.isPresent() -> {
            return failed(o, epoch, settlement, why, last);
          }
          // Nobody can say why: it is tried again, and before it is sent the chain says what is
          // wrong, if anything still is.
          case Outbox.State.Failed _, Outbox.State.Displaced _ -> {}
        }
      }
      Optional<Step> before = settledBefore(o, epoch, settlement);
      return before.isPresent() ? before.get() : reopenSeen(o, epoch, settlement, last);
    } catch (ChainException e) {
      throw new Trouble(e.text());
    }
  }

  /// The name under which a closing is sent once. The same number may be closed anew, also with the
  /// same content, and then it is another transaction; so is one after an attempt that failed.
  private static String name(Epoch epoch, String content, int attempt) {
    return "settle-"
        + epoch.number()
        + "-"
        + Hash.sha256(content.getBytes(StandardCharsets.UTF_8)).hex().substring(0, 16)
        + "-"
        + epoch.closedUs()
        + (attempt == 1 ? "" : "-" + attempt);
  }

  /// Sends it; or tells what came of it if the contract would refuse it.
  private Optional<Step> submit(
      Opened o, String name, Epoch epoch, Settlement settlement, int attempt)
      throws ChainException, Trouble {
    try {
      o.outbox()
          .submit(
              name,
              o.escrow().settle(o.identity(), settlement),
              Outbox.Again.HARMLESS,
              new Outbox.Room(settlement.roomGas() * attempt, 0));
      return Optional.empty();
    } catch (ChainException e) {
      if (e.revert().isEmpty()) {
        throw e;
      }
      return Optional.of(failed(o, epoch, settlement, e.revert(), e.text()));
    }
  }

  /// A settlement counts on what it brings in all, not on each voucher: who emptied its purse while
  /// it was under way may have had another redeem more. So the purses are read, and where a voucher
  /// brought less than it says, the core hears of the purse first and does not take the voucher's
  /// word.
  private Step confirmed(Opened o, Epoch epoch, Receipt receipt) throws ChainException {
    Escrow.Outcome outcome = o.escrow().outcome(o.identity(), receipt);
    Head head = o.chain().confirmed(at.confirmations());
    List<Address> who = epoch.vouchers().stream().map(Voucher::consumer).toList();
    List<Escrow.Purse> purses = o.escrow().purses(o.identity(), who, At.block(head));
    List<Command> before = new ArrayList<>();
    List<Address> skipped = new ArrayList<>(outcome.skipped());
    for (int i = 0; i < who.size(); i++) {
      Escrow.Purse p = purses.get(i);
      long said = epoch.vouchers().get(i).cumulative();
      if (p.spent() < said) {
        before.add(new Command.SeePurse(EscrowReader.told(who.get(i), p), head.number()));
        if (p.spent() < Math.min(said, p.funded()) && !skipped.contains(who.get(i))) {
          skipped.add(who.get(i));
        }
      }
    }
    return new Step.Settled(
        List.copyOf(before),
        new Command.ConfirmEpoch(
            epoch.number(),
            outcome.redeemed(),
            List.copyOf(skipped),
            outcome.failedPushes(),
            receipt.transaction(),
            receipt.block(),
            receipt.gasUsed()));
  }

  /// Whether the chain has settled this epoch already, though the outbox does not know: it was
  /// lost, or another key of the pool did it.
  private Optional<Step> settledBefore(Opened o, Epoch epoch, Settlement settlement)
      throws ChainException, Trouble {
    Head head = o.chain().confirmed(at.confirmations());
    long done = o.escrow().till(o.identity(), At.block(head)).epoch();
    if (done < epoch.number()) {
      if (done < epoch.number() - 1) {
        throw new Trouble(
            "the chain knows of "
                + done
                + " settlements of this pool and its books of "
                + (epoch.number() - 1)
                + ": is it the right chain and identity?");
      }
      return Optional.empty();
    }
    Commitment ours = settlement.commitment();
    if (done > epoch.number()
        || !o.escrow()
            .commitmentAt(o.identity(), epoch.number(), At.block(head))
            .equals(ours.hash())) {
      throw new Trouble(
          "epoch "
              + epoch.number()
              + " of this pool was settled with another content: another pool runs under the"
              + " identity "
              + o.identity()
              + ", or these books are an old copy; stop one of them");
    }
    for (long last = head.number(); last >= deployment.fromBlock(); last -= LOG_BLOCKS) {
      Head to = last == head.number() ? head : o.chain().block(last);
      long from = Math.max(deployment.fromBlock(), last - LOG_BLOCKS + 1);
      List<Log> logs =
          o.chain().logs(o.escrow().address(), OUTCOMES, Abi.topic(o.identity()), from, to);
      for (Log log : logs) {
        if (log.topics().getFirst().equals(OUTCOMES.getFirst())
            && new AbiReader(log.topics().get(2).bytes()).small(0) == epoch.number()) {
          List<Log> own =
              logs.stream().filter(l -> l.transaction().equals(log.transaction())).toList();
          Receipt receipt =
              new Receipt(
                  log.transaction(),
                  log.block(),
                  log.blockHash(),
                  true,
                  Optional.empty(),
                  0,
                  Optional.empty(),
                  own);
          return Optional.of(confirmed(o, epoch, receipt));
        }
      }
    }
    throw new Trouble(
        "the chain has settled epoch " + epoch.number() + " and shows no event of it");
  }

  private Step failed(
      Opened o, Epoch epoch, Settlement settlement, Optional<Revert> why, String text)
      throws Trouble {
    String error = why.map(Revert::error).orElse("");
    try {
      return switch (error) {
        case "WrongEpoch" ->
            settledBefore(o, epoch, settlement)
                .orElse(new Step.Waiting("it was settled; that block is not deep enough yet"));
        case "BadVoucher" -> reopen(epoch, List.of(badVoucher(settlement, why, text)), text);
        // A purse was emptied, or a contract denied its voucher: with those that deny left out and
        // the purses read again, the next one will do.
        case "EarnedLess", "TillTooSmall" -> reopenSeen(o, epoch, settlement, text);
        // Another closing would not mend it.
        case "NotThePool", "PoolUnknown" -> throw new Trouble(text);
        // What is true later may go through: a pool that waited for ever would never pay anybody.
        default -> reopen(epoch, List.of(), text);
      };
    } catch (ChainException e) {
      throw new Trouble(e.text());
    }
  }

  private static Address badVoucher(Settlement settlement, Optional<Revert> why, String text)
      throws Trouble {
    List<Address> byKeys =
        settlement.vouchers().stream()
            .filter(v -> !v.byContract())
            .map(SignedVoucher::consumer)
            .toList();
    int number = why.flatMap(w -> w.argument(0)).map(Integer::parseInt).orElse(-1);
    if (number < 0 || number >= byKeys.size()) {
      throw new Trouble(text);
    }
    return byKeys.get(number);
  }

  private static Step reopen(Epoch epoch, List<Address> denied, String text) {
    return new Step.Impossible(List.of(), new Command.ReopenEpoch(epoch.number(), denied, text));
  }

  /// Opens an epoch again, and has the core hear first of each purse that holds less than its
  /// voucher says: whatever made the core miss that, it does not count on the same again.
  private Step reopenSeen(Opened o, Epoch epoch, Settlement settlement, String text)
      throws ChainException {
    Head head = o.chain().confirmed(at.confirmations());
    List<Address> who = epoch.vouchers().stream().map(Voucher::consumer).toList();
    List<Escrow.Purse> purses = o.escrow().purses(o.identity(), who, At.block(head));
    List<Command> before = new ArrayList<>();
    for (int i = 0; i < who.size(); i++) {
      Escrow.Purse p = purses.get(i);
      if (p.funded() < epoch.vouchers().get(i).cumulative()) {
        before.add(new Command.SeePurse(EscrowReader.told(who.get(i), p), head.number()));
      }
    }
    return new Step.Impossible(
        List.copyOf(before), new Command.ReopenEpoch(epoch.number(), denied(o, settlement), text));
  }

  /// Consumers that are contracts and whose vouchers these contracts deny now.
  private static List<Address> denied(Opened o, Settlement settlement) throws ChainException {
    List<Address> denied = new ArrayList<>();
    for (SignedVoucher v : settlement.vouchers()) {
      if (v.byContract()) {
        Escrow.Purse purse = o.escrow().purse(o.identity(), v.consumer(), At.latest());
        if (purse.left() > 0) {
          denied.add(v.consumer());
        }
      }
    }
    return denied;
  }

  // ---- what payees are told ---------------------------------------------------------------------

  private Path file(long epoch) {
    return dir.resolve("epoch-" + epoch + ".json");
  }

  private void keep(long epoch, String content) throws Trouble {
    Path file = file(epoch);
    try {
      if (Files.exists(file) && Files.readString(file).equals(content)) {
        return;
      }
      // On the disk before anything is sent: from it payees get their proofs.
      Path fresh = dir.resolve("epoch.new");
      try (FileChannel out =
          FileChannel.open(
              fresh,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        ByteBuffer bytes = ByteBuffer.wrap(content.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
        out.force(true);
      }
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      try (FileChannel names = FileChannel.open(dir, StandardOpenOption.READ)) {
        names.force(true);
      }
    } catch (IOException e) {
      throw new Trouble(file + " cannot be written: " + e.getMessage());
    }
  }

  /// How an account can claim what it is due.
  ///
  /// @param cumulative all that it is due from the start
  record Claim(long epoch, long cumulative, List<Hash> proof, Commitment commitment) {}

  /// How an account can claim what it is due by an epoch; empty if that names it not.
  Optional<Claim> claim(long epoch, Address account) throws Trouble {
    Settlement settlement;
    try {
      settlement = Settlement.ofJson(Files.readString(file(epoch)));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    } catch (IOException | ChainException e) {
      throw new Trouble(file(epoch) + " cannot be read: " + e.getMessage());
    }
    PayoutTree tree = settlement.tree();
    return tree.due(account)
        .map(due ->
            new Claim(
                epoch,
                due.cumulative(),
                tree.proof(account).orElseThrow(),
                settlement.commitment()));
  }

  Token token() throws Trouble {
    return new Token(chain().chain(), deployment.token());
  }

  @Override
  public synchronized void close() throws IOException {
    Opened now = opened;
    opened = null;
    if (now != null) {
      now.chain().close();
      now.outbox().close();
    }
  }
}
