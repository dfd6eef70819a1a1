package dev.perseid.node;

import dev.perseid.chain.Anvil;
import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Deployer;
import dev.perseid.chain.Deployment;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.LocalChain;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.Registry;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/// A real local chain with the contracts on it, reached by the pool through a wire that can be cut.
final class ChainLab implements AutoCloseable {
  private static final BigInteger ETHER = BigInteger.TEN.pow(18);
  private static final BigInteger MOST_WEI = BigInteger.TEN.pow(11);
  private static final Duration LONG = Duration.ofSeconds(60);

  final LocalChain local;
  final LoopbackProxy wire;
  final Deployment deployment;
  final Path deploymentFile;
  final Escrow escrow;
  final Token token;
  private final Key banker = Key.generate();
  private final Outbox outbox;
  private int sent;

  ChainLab(Path folder) throws Exception {
    Anvil anvil =
        switch (Anvil.find(
            Anvil.cache(), Optional.ofNullable(System.getenv("PATH")).orElse(""), note -> {})) {
          case Anvil.Found.Ready(Anvil found) -> found;
          case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
        };
    local = LocalChain.start(anvil, LocalChain.Options.INSTANT);
    wire = new LoopbackProxy(local.rpc().getPort());
    local.fund(banker.address(), ETHER.multiply(BigInteger.valueOf(1_000)));
    outbox =
        Outbox.open(
            folder.resolve("banker.outbox"),
            local.chain(),
            banker,
            new Outbox.Rules(MOST_WEI, 1, 1_000),
            InstantSource.system());
    deployment =
        new Deployer(outbox, LONG, 5)
            .deploy(
                "lab",
                new Deployer.Plan(
                    Optional.empty(), Deployer.Plan.NOBODY, 1_000_000_000L, BigInteger.TEN),
                (what, receipt) -> {});
    deploymentFile = Files.writeString(folder.resolve("deployment.json"), deployment.toJson());
    escrow = new Escrow(local.chain(), deployment.escrow());
    token = new Token(local.chain(), deployment.token());
    done(token.mint(banker.address(), 1_000_000_000_000L));
    done(token.approve(deployment.escrow(), 1_000_000_000_000L));
  }

  void done(Call call) throws ChainException {
    done(outbox, call);
  }

  private void done(Outbox from, Call call) throws ChainException {
    String name = "call-" + sent++;
    from.submit(name, call, Outbox.Again.NEVER);
    Outbox.State state = from.await(name, LONG, 5);
    if (!(state instanceof Outbox.State.Done)) {
      throw new AssertionError(Outbox.describe(state));
    }
  }

  /// Does something as somebody else, who gets money for the gas.
  void doneBy(Key key, Path folder, Call call) throws ChainException, IOException {
    local.fund(key.address(), ETHER);
    try (Outbox own =
        Outbox.open(
            folder.resolve(key.address() + ".outbox"),
            local.chain(),
            key,
            new Outbox.Rules(MOST_WEI, 1, 1_000),
            InstantSource.system())) {
      done(own, call);
    }
  }

  /// Makes a key a registered pool that can pay for gas.
  void register(Key pool, Path folder) throws ChainException, IOException {
    doneBy(
        pool,
        folder,
        new Registry(local.chain(), deployment.registry())
            .register(Registry.POOL, Address.ZERO, "", Hash.ZERO));
    local.fund(pool.address(), ETHER.multiply(BigInteger.valueOf(100)));
  }

  void deposit(Address pool, Address consumer, long amount) throws ChainException {
    done(escrow.deposit(pool, consumer, amount));
  }

  long has(Address account) throws ChainException {
    return token.balanceOf(account, At.latest());
  }

  /// How a pool uses it.
  ///
  /// @param confirmations how deep a block must be for the pool
  MoneyTerms terms(int confirmations, long leastPush) {
    MoneyTerms.ChainAt at =
        new MoneyTerms.ChainAt(
            List.of(URI.create("http://127.0.0.1:" + wire.port())),
            deploymentFile,
            Optional.empty(),
            MOST_WEI,
            confirmations);
    return new MoneyTerms(Optional.of(at), MoneyLimits.EPOCH_MS, 1, leastPush);
  }

  @Override
  public void close() throws IOException {
    outbox.close();
    wire.close();
    local.close();
  }
}
