package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.chain.Anvil;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Commitment;
import dev.perseid.chain.Court;
import dev.perseid.chain.Deployer;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.journal.Merkle;
import dev.perseid.node.MoneyTerms;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// The demo's chain: a real node on this machine with the contracts and play money on it.
final class DemoChain implements AutoCloseable {
  /// What is asked for with `--money`.
  enum Wish {
    /// The chain where it can be had, else credits.
    AUTO,
    CREDITS,
    CHAIN
  }

  private static final BigInteger ETHER = BigInteger.TEN.pow(18);
  private static final BigInteger MOST_WEI = BigInteger.TEN.pow(11);
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final long POLL_MS = 10;
  private static final long PUSH_FROM = 1;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final LocalChain local;
  private final Outbox banker;
  private final Path folder;
  private final Deployment deployment;
  private final Token token;
  private final Escrow escrow;
  private final String name;
  private long oneOffGas;
  private int sent;

  private DemoChain(
      LocalChain local, Outbox banker, Path folder, Deployment deployment, String name, long gas) {
    this.local = local;
    this.banker = banker;
    this.folder = folder;
    this.deployment = deployment;
    this.token = new Token(local.chain(), deployment.token());
    this.escrow = new Escrow(local.chain(), deployment.escrow());
    this.name = name;
    this.oneOffGas = gas;
  }

  /// Starts the chain and puts the contracts onto it.
  ///
  /// @param folder for its files
  /// @throws IOException if it cannot be started
  static DemoChain start(Anvil anvil, Path folder) throws IOException, InterruptedException {
    LocalChain local = LocalChain.start(anvil, LocalChain.Options.INSTANT);
    boolean done = false;
    try {
      Key key = Key.generate();
      local.fund(key.address(), ETHER.multiply(BigInteger.valueOf(100)));
      Outbox banker = outbox(local, key, folder.resolve("banker.outbox"));
      long[] gas = {0};
      Deployment deployment =
          new Deployer(banker, LONG, POLL_MS)
              .deploy(
                  "demo",
                  new Deployer.Plan(
                      Optional.empty(), Deployer.Plan.NOBODY, 1_000_000_000_000L, BigInteger.TEN),
                  (what, receipt) -> gas[0] += receipt.gasUsed());
      done = true;
      return new DemoChain(local, banker, folder, deployment, anvil.name(), gas[0]);
    } catch (ChainException e) {
      throw new IOException("the local chain fails: " + e.text(), e);
    } finally {
      if (!done) {
        local.close();
      }
    }
  }

  private static Outbox outbox(LocalChain local, Key key, Path file) throws IOException {
    return Outbox.open(
        file, local.chain(), key, new Outbox.Rules(MOST_WEI, 1, 1_000), InstantSource.system());
  }

  /// E.g. `anvil 1.7.1, chain 31337`.
  String name() {
    return name + ", chain " + deployment.chainId();
  }

  /// Gas of contracts, registration and deposit.
  long oneOffGas() {
    return oneOffGas;
  }

  private void done(Outbox from, Call call) throws IOException {
    String what = "demo-" + sent++;
    try {
      from.submit(what, call, Outbox.Again.NEVER);
      Outbox.State state = from.await(what, LONG, POLL_MS);
      if (state instanceof Outbox.State.Done(var receipt)) {
        oneOffGas += receipt.gasUsed();
        return;
      }
      throw new IOException(call.what() + " failed: " + Outbox.describe(state));
    } catch (ChainException e) {
      throw new IOException(call.what() + " failed: " + e.text(), e);
    }
  }

  /// Registers the pool's key as a pool, and gives it money for gas.
  void register(Key pool) throws IOException {
    try (Outbox own = outbox(local, pool, folder.resolve("register.outbox"))) {
      local.fund(pool.address(), ETHER);
      done(
          own,
          new Registry(local.chain(), deployment.registry())
              .register(Registry.POOL, Address.ZERO, "", Hash.ZERO));
    } catch (ChainException e) {
      throw new IOException("the pool cannot be registered: " + e.text(), e);
    }
  }

  /// How the pool uses it.
  MoneyTerms terms() throws IOException {
    Path file = Files.writeString(folder.resolve("deployment.json"), deployment.toJson());
    return new MoneyTerms(
        Optional.of(
            new MoneyTerms.ChainAt(List.of(local.rpc()), file, Optional.empty(), MOST_WEI, 1)),
        Duration.ofDays(1).toMillis(),
        1,
        PUSH_FROM);
  }

  /// Its JSON-RPC address.
  String rpc() {
    return local.rpc().toString();
  }

  /// Gives an account play money.
  void give(Address to, long amount) throws IOException {
    done(banker, token.mint(to, amount));
  }

  /// Gives a consumer play money, which it puts into its purse by one signature: it needs no gas.
  void fund(Key consumer, Address pool, long amount) throws IOException {
    done(banker, token.mint(consumer.address(), amount));
    byte[] random = new byte[32];
    new SecureRandom().nextBytes(random);
    Hash salt = Hash.of(random);
    TokenAuthorization a =
        new TokenAuthorization(
            consumer.address(),
            deployment.escrow(),
            amount,
            0,
            Long.MAX_VALUE / 2,
            TokenAuthorization.depositNonce(pool, salt));
    try {
      Hash domain = token.domain(At.latest());
      done(
          banker,
          escrow.depositWithAuthorization(
              pool, a, salt, consumer.sign(Digests.receiveWithAuthorization(domain, a))));
    } catch (ChainException e) {
      throw new IOException("the deposit fails: " + e.text(), e);
    }
  }

  /// What an account has of the token.
  long has(Address account) throws IOException {
    try {
      return token.balanceOf(account, At.latest());
    } catch (ChainException e) {
      throw new IOException(e.text(), e);
    }
  }

  /// What is left in a consumer's purse.
  long inPurse(Address pool, Address consumer) throws IOException {
    try {
      return escrow.purse(pool, consumer, At.latest()).left();
    } catch (ChainException e) {
      throw new IOException(e.text(), e);
    }
  }

  /// Has the contracts check that a receipt's record stands in the root that the pool committed.
  ///
  /// @param receipt made when the log was as long as the settlement says
  /// @param payee who stands in the settlement
  /// @return what came of it, in a line
  String verified(PoolClient operator, Address payee, String receipt)
      throws IOException, PoolFailure {
    MoneyProto.ClaimReply c = operator.claim(Optional.of(payee));
    JsonNode log = JSON.readTree(receipt).path("log");
    byte[] entry = HexFormat.of().parseHex(JSON.readTree(receipt).path("entry").asText());
    List<Hash> path = new ArrayList<>();
    for (JsonNode h : log.path("path")) {
      path.add(Hash.parse(h.asText()));
    }
    long index = log.path("index").asLong();
    if (log.path("size").asLong() != c.getRecordsSize()) {
      return "NOT verified: the receipt is of a log of "
          + log.path("size").asLong()
          + " records, the settlement of "
          + c.getRecordsSize();
    }
    try {
      Commitment commitment =
          new Commitment(
              Translation.hash(c.getPayoutRoot(), "payout_root"),
              Translation.address(c.getLog(), "log"),
              c.getRecordsSize(),
              Translation.hash(c.getRecordsRoot(), "records_root"));
      Address identity =
          new Court(local.chain(), deployment.court())
              .verify(
                  new Court.Statement.Committed(operator.pool(), c.getEpoch(), commitment),
                  new Court.Inclusion(index, Merkle.leafHash(entry), path),
                  At.latest());
      return identity.equals(operator.pool())
          ? "record "
              + index
              + " of "
              + c.getRecordsSize()
              + " is in the root that the pool committed: verified by the contract Court"
          : "NOT verified: " + identity + " answers for it, not the pool";
    } catch (ChainException e) {
      return "NOT verified: " + e.text();
    } catch (Malformed e) {
      throw new IOException(e);
    }
  }

  @Override
  public void close() {
    try {
      banker.close();
    } catch (IOException e) {
      // Its journal is in a folder that is removed.
    } finally {
      local.close();
    }
  }
}
