package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;

/// A local chain with the contracts on it, and people with money.
final class Lab implements AutoCloseable {
  static final BigInteger ETHER = BigInteger.TEN.pow(18);
  static final BigInteger GWEI = BigInteger.TEN.pow(9);
  static final Outbox.Rules RULES = new Outbox.Rules(GWEI.multiply(BigInteger.valueOf(50)), 1, 200);
  static final Duration LONG = Duration.ofSeconds(60);

  final LocalChain local;
  final Chain chain;
  final Path folder;
  final Key operator = key(1);
  final Key consumer = key(2);
  final Outbox outbox;
  final Deployment deployment;
  final Token token;
  final Registry registry;
  final Escrow escrow;
  final Collateral collateral;
  final Court court;
  private int sent;

  Lab(Path folder) throws Exception {
    this.folder = folder;
    this.local = LocalChain.start(anvil(), LocalChain.Options.INSTANT);
    this.chain = local.chain();
    local.fund(operator.address(), ETHER.multiply(BigInteger.valueOf(100)));
    local.fund(consumer.address(), ETHER.multiply(BigInteger.valueOf(100)));
    this.outbox = outbox(operator, "operator");
    this.deployment =
        new Deployer(outbox, LONG, 5)
            .deploy(
                "lab",
                new Deployer.Plan(
                    Optional.empty(), Deployer.Plan.NOBODY, 1_000_000_000_000L, BigInteger.TEN),
                (what, receipt) -> {});
    deployment.check(chain);
    this.token = new Token(chain, deployment.token());
    this.registry = new Registry(chain, deployment.registry());
    this.escrow = new Escrow(chain, deployment.escrow());
    this.collateral = new Collateral(chain, deployment.collateral());
    this.court = new Court(chain, deployment.court());
  }

  /// Anvil, fetched if it never was.
  static Anvil anvil() throws InterruptedException {
    return switch (Anvil.find(
        Anvil.cache(), Optional.ofNullable(System.getenv("PATH")).orElse(""), note -> {})) {
      case Anvil.Found.Ready(Anvil anvil) -> anvil;
      case Anvil.Found.Missing(String why) -> throw new AssertionError(why);
    };
  }

  static Key key(long number) {
    return Key.of(ByteBuffer.allocate(32).putLong(24, number).array());
  }

  Outbox outbox(Key key, String name) throws IOException {
    return Outbox.open(folder.resolve(name + ".outbox"), chain, key, RULES, InstantSource.system());
  }

  /// Does something as the operator, and that it must succeed.
  Receipt done(Call call) throws ChainException {
    return done(outbox, call);
  }

  synchronized Receipt done(Outbox from, Call call) throws ChainException {
    String name = "call-" + sent++;
    from.submit(name, call, Outbox.Again.NEVER);
    return switch (from.await(name, LONG, 5)) {
      case Outbox.State.Done(Receipt receipt) -> receipt;
      case Outbox.State other -> throw new AssertionError(Outbox.describe(other));
    };
  }

  /// Registers the operator's key as the pool, and returns its identity.
  Address pool() throws ChainException {
    done(registry.register(Registry.POOL, Address.ZERO, "", Hash.ZERO));
    return operator.address();
  }

  SignedVoucher voucher(Key key, Address pool, long cumulative) {
    return SignedVoucher.byKey(
        key.address(),
        cumulative,
        key.sign(
            Digests.voucher(chain.id(), deployment.escrow(), key.address(), pool, cumulative)));
  }

  /// Gives a key's account money and puts it into its purse by its signature.
  void fundPurse(Key key, Address pool, long amount, Hash salt) throws ChainException {
    done(token.mint(key.address(), amount));
    TokenAuthorization a =
        new TokenAuthorization(
            key.address(),
            deployment.escrow(),
            amount,
            0,
            10_000_000_000L,
            TokenAuthorization.depositNonce(pool, salt));
    Hash domain = token.domain(At.latest());
    done(
        escrow.depositWithAuthorization(
            pool, a, salt, key.sign(Digests.receiveWithAuthorization(domain, a))));
  }

  /// A settlement of one voucher each, paying and owing what is given.
  Settlement settlement(
      long epoch, List<SignedVoucher> vouchers, List<Due> payouts, List<Due> dues) {
    return new Settlement(epoch, vouchers, 0, payouts, dues, operator.address(), 0, Hash.ZERO);
  }

  @Override
  public void close() throws IOException {
    outbox.close();
    local.close();
  }
}
