package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.gateway.Market;
import dev.perseid.wire.Channels;
import java.io.Closeable;
import java.io.IOException;
import java.time.InstantSource;
import java.util.Optional;

/// A running pool: its state on a replicated log, its records, its blobs, and one port for gRPC and
/// HTTP.
public final class PoolNode implements Closeable {
  private final PoolServer server;
  private final PoolMill mill;
  private final BlobGrants grants;
  private final PoolMarket market;
  private final Address address;

  private PoolNode(
      PoolServer server, PoolMill mill, BlobGrants grants, PoolMarket market, Address address) {
    this.server = server;
    this.mill = mill;
    this.grants = grants;
    this.market = market;
    this.address = address;
  }

  /// Starts a pool: rebuilds its state from its directory, then opens the port.
  ///
  /// @throws PoolStartException if another pool runs in the directory, if it is damaged, or if the
  ///   port cannot be opened; the message says what to do
  public static PoolNode start(PoolConfig config) throws IOException {
    return start(config, InstantSource.system());
  }

  static PoolNode start(PoolConfig config, InstantSource clock) throws IOException {
    BlobStore blobs = BlobStore.open(config.dir().resolve("blobs"), config.blobBytes());
    BlobGrants grants = BlobGrants.open(config.dir().resolve("grants"));
    PoolStreams streams = new PoolStreams(grants);
    PoolMill mill = null;
    PoolMarket market = null;
    try {
      mill =
          PoolMill.open(
              config, clock, streams, (by, blob) -> grants.has(by, blob.hash()) && blobs.has(blob));
      PublishedFiles published = new PublishedFiles();
      market =
          new PoolMarket(
              config.key().address(),
              mill,
              clock,
              new SettleDigests(),
              new TokenShelf(new StoredTokens(blobs)),
              new DirectServers(
                  config.terms().direct(),
                  (uri, offer) -> {
                    throw new IllegalStateException(uri + " " + offer);
                  }));
      PoolServer server =
          PoolServer.start(
              config,
              clock,
              mill,
              streams,
              blobs,
              grants,
              published,
              market,
              !Channels.isLoopback(config.host()) || config.tls().isPresent());
      return new PoolNode(server, mill, grants, market, config.key().address());
    } catch (IOException | RuntimeException e) {
      if (market != null) {
        market.close();
      }
      if (mill != null) {
        mill.close();
      }
      grants.close();
      throw e;
    }
  }

  /// The port it listens at.
  public int port() {
    return server.port();
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

  /// Stops listening, then closes the log. What was acknowledged is on disk at any moment, so that
  /// ending the process without this loses nothing either.
  @Override
  public void close() throws IOException {
    market.close();
    server.close();
    mill.close();
    grants.close();
  }
}
