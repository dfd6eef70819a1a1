package dev.perseid.node;

import dev.perseid.chain.At;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Token;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelOffer;
import dev.perseid.gateway.Gateway;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Backend;
import dev.perseid.inference.HttpBackend;
import dev.perseid.inference.HttpSettings;
import dev.perseid.wire.Channels;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import java.io.Closeable;
import java.io.IOException;
import java.net.URI;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// A running pool: its state on a replicated log, its records, its blobs, and one port for gRPC and
/// HTTP.
public final class PoolNode implements Closeable {
  private final PoolServer server;
  private final PoolMill mill;
  private final PoolMarket market;
  private final Optional<Gateway> gateway;
  private final Address address;
  private final Deque<Closeable> opened;

  private PoolNode(
      PoolServer server,
      PoolMill mill,
      PoolMarket market,
      Optional<Gateway> gateway,
      Address address,
      Deque<Closeable> opened) {
    this.server = server;
    this.mill = mill;
    this.market = market;
    this.gateway = gateway;
    this.address = address;
    this.opened = opened;
  }

  /// Starts a pool: rebuilds its state from its directory, then opens the port.
  ///
  /// @throws PoolStartException if another pool runs in the directory, if it is damaged, or if the
  ///   port cannot be opened; the message says what to do
  public static PoolNode start(PoolConfig config) throws IOException {
    return start(config, InstantSource.system());
  }

  static PoolNode start(PoolConfig config, InstantSource clock) throws IOException {
    return start(config, clock, MarketLimits.AUDIT_MODEL_BYTES);
  }

  /// @param auditBytes the largest file of weights that the pool loads to audit with
  static PoolNode start(PoolConfig config, InstantSource clock, long auditBytes)
      throws IOException {
    Deque<Closeable> opened = new ArrayDeque<>();
    try {
      BlobStore blobs = BlobStore.open(config.dir().resolve("blobs"), config.blobBytes());
      BlobGrants grants = opened(opened, BlobGrants.open(config.dir().resolve("grants")));
      PoolStreams streams = new PoolStreams(grants);
      PoolMill mill =
          opened(
              opened,
              PoolMill.open(
                  config,
                  clock,
                  streams,
                  (by, blob) -> grants.has(by, blob.hash()) && blobs.has(blob),
                  blobs::path));
      PublishedFiles published = new PublishedFiles();
      EventLoopGroup loops = HttpBackend.loops(Runtime.getRuntime().availableProcessors());
      opened.push(() -> {
        Future<?> _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
      });
      PoolMarket market =
          new PoolMarket(
              config.key().address(),
              mill,
              clock,
              new SettleDigests(),
              new TokenShelf(new StoredTokens(blobs)),
              new PoolAudits(
                  config.key().address(), blobs, config.terms().audits(), secret(), auditBytes),
              config.terms().payments(),
              new DirectServers(config.terms().direct(), (at, offer) -> direct(at, offer, loops)));
      opened.push(market);
      Optional<EscrowVault> escrow = Optional.empty();
      if (config.money().chain().isPresent()) {
        escrow =
            Optional.of(
                EscrowVault.open(
                    config.money().chain().get(),
                    config.key(),
                    config.dir().resolve("vault"),
                    clock));
      }
      List<Vault> vaults = new ArrayList<>(List.of(new CreditsVault()));
      escrow.ifPresent(vaults::add);
      Settler settler = opened(opened, new Settler(mill, config.money(), vaults, clock));
      PoolMoney money =
          new PoolMoney(config.key().address(), mill, streams.purses(), settler, escrow);
      Signatures signatures =
          escrow
              .<Signatures>map(vault -> new ChainSignatures(() -> vault.chain().chain()))
              .orElse(Signatures.KEYS);
      Security security = Security.of(config, clock, market, signatures);
      boolean encrypted = !Channels.isLoopback(config.host()) || config.tls().isPresent();
      PoolServer server =
          opened(
              opened,
              PoolServer.start(
                  config, clock, mill, streams, blobs, grants, published, market, money, security,
                  encrypted));
      settler.start();
      if (escrow.isPresent()) {
        EscrowVault vault = escrow.get();
        market.payments().connect(() -> desk(config, vault, market.payments(), mill, clock));
        // Before the vault, whose outbox it uses.
        opened.push(market.payments());
      }
      Optional<Gateway> gateway = Optional.empty();
      if (config.terms().gateway().isPresent()) {
        Gateway started =
            GatewayPort.open(
                config,
                config.terms().gateway().get(),
                new GuardedMarket(market, security.entrance()),
                loops,
                clock);
        gateway = Optional.of(started);
        opened.push(started::close);
      }
      return new PoolNode(server, mill, market, gateway, config.key().address(), opened);
    } catch (IOException | RuntimeException e) {
      closeAll(opened, e);
      throw e;
    }
  }

  /// Takes payments on the chain of an escrow.
  private static ExactDesk desk(
      PoolConfig config, EscrowVault vault, PoolTill till, PoolMill mill, InstantSource clock)
      throws Vault.Trouble, IOException {
    EscrowVault.Opened o = vault.chain();
    Token token = new Token(o.chain(), o.deployment().token());
    Token.Name name;
    try {
      name = token.name(At.latest());
    } catch (ChainException e) {
      throw new Vault.Trouble(e.text());
    }
    return new ExactDesk(
        o.chain(),
        o.outbox(),
        token,
        name,
        PaymentSlips.open(config.dir().resolve("payments")),
        till,
        new OwnPurse(config.key(), o.identity(), o.escrow(), name, o.outbox(), mill, clock),
        clock);
  }

  /// Decides which answers are audited; nobody can foresee it.
  private static Hash secret() {
    byte[] bytes = new byte[32];
    new SecureRandom().nextBytes(bytes);
    return Hash.of(bytes);
  }

  private static <T extends Closeable> T opened(Deque<Closeable> all, T one) {
    all.push(one);
    return one;
  }

  private static Backend direct(URI at, ModelOffer offer, EventLoopGroup loops) {
    String upstream = at.getFragment() == null ? "default" : at.getFragment();
    String text = at.toString();
    int hash = text.indexOf('#');
    return new HttpBackend(
        HttpSettings.of(URI.create(hash < 0 ? text : text.substring(0, hash)), upstream)
            .withParallel(offer.parallel(), offer.parallel()),
        loops);
  }

  /// Closes what was opened, the last first, and adds what goes wrong to `problem`.
  private static void closeAll(Deque<Closeable> all, Exception problem) {
    for (Closeable one : all) {
      try {
        one.close();
      } catch (IOException e) {
        problem.addSuppressed(e);
      }
    }
  }

  /// The port it listens at.
  public int port() {
    return server.port();
  }

  /// All routes that its port answers: full names of gRPC methods, HTTP methods with paths.
  List<String> routes() {
    return server.routes();
  }

  /// The pool's address, its name.
  public Address address() {
    return address;
  }

  /// Why the pool has stopped by itself (full disk, damaged log), if it has.
  public Optional<String> failure() {
    return mill.failure();
  }

  /// The pool as a market for inference.
  public Market market() {
    return market;
  }

  /// For tests.
  PoolMill mill() {
    return mill;
  }

  /// Its gateway, if it has one.
  public Optional<Gateway> gateway() {
    return gateway;
  }

  /// Stops listening, then closes the log. What was acknowledged is on disk at any moment, so that
  /// ending the process without this loses nothing either.
  @Override
  public void close() throws IOException {
    IOException problem = new IOException("the pool did not close cleanly");
    closeAll(opened, problem);
    if (problem.getSuppressed().length > 0) {
      throw problem;
    }
  }
}
