package dev.perseid.node;

import dev.perseid.settle.Key;
import dev.perseid.settle.Tls;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;

/// How a pool runs.
///
/// @param dir where it keeps its log, records and blobs; made if it is not there
/// @param host the address to listen at; anything but loopback gets TLS
/// @param port the port, or 0 for a free one
/// @param key the pool's own key; its address is the pool's name, and its owner the pool's
/// @param access further operators, auditors, and where people sign in
/// @param tls the operator's own certificate; if empty, one bound to the pool's key is made
/// @param welcomeMicrocredits given once to a consumer that comes without any credits; 0 for none
/// @param blobBytes disk space for blobs
/// @param heartbeatMs how often providers say that they are alive
/// @param silenceMs after how much silence a provider is lost
/// @param measures whether providers have to show the hardware that they declare
/// @param version what About says
/// @param terms how it is a market for inference
/// @param money how it settles
public record PoolConfig(
    Path dir,
    String host,
    int port,
    Key key,
    AccessTerms access,
    Optional<Tls> tls,
    long welcomeMicrocredits,
    long blobBytes,
    long heartbeatMs,
    long silenceMs,
    Measuring measures,
    String version,
    MarketTerms terms,
    MoneyTerms money) {
  /// The usual: loopback, no welcome credits, 64 GiB of blobs, a heartbeat every 2 s, lost after 10
  /// s; what providers declare is believed.
  public static PoolConfig usual(Path dir, Key key) {
    return new PoolConfig(
        dir,
        "127.0.0.1",
        0,
        key,
        AccessTerms.NONE,
        Optional.empty(),
        0,
        64L << 30,
        2_000,
        10_000,
        Measuring.OFF,
        "0.1.0",
        MarketTerms.NONE,
        MoneyTerms.NONE);
  }

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public PoolConfig {
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException("port " + port + ": write 0 (a free one) to 65535");
    }
    if (welcomeMicrocredits < 0) {
      throw new IllegalArgumentException(
          "welcome credits of " + welcomeMicrocredits + ": write 0 or more");
    }
    if (blobBytes < 0) {
      throw new IllegalArgumentException("blob space of " + blobBytes + " bytes: write 0 or more");
    }
    if (heartbeatMs < 10 || silenceMs < 2 * heartbeatMs) {
      throw new IllegalArgumentException(
          "a heartbeat every "
              + heartbeatMs
              + " ms and lost after "
              + silenceMs
              + " ms: write at least 10 ms, and at least twice as much for the silence");
    }
  }

  /// The same at another place.
  public PoolConfig at(String newHost, int newPort) {
    return with(p -> {
      p.host = newHost;
      p.port = newPort;
    });
  }

  /// The same with other welcome credits.
  public PoolConfig withWelcome(long microcredits) {
    return with(p -> p.welcomeMicrocredits = microcredits);
  }

  /// The same with other times.
  public PoolConfig withTimes(long newHeartbeatMs, long newSilenceMs) {
    return with(p -> {
      p.heartbeatMs = newHeartbeatMs;
      p.silenceMs = newSilenceMs;
    });
  }

  /// The same with other disk space for blobs.
  public PoolConfig withBlobBytes(long bytes) {
    return with(p -> p.blobBytes = bytes);
  }

  /// The same, believing what providers declare of their hardware or not.
  public PoolConfig with(Measuring newMeasures) {
    return with(p -> p.measures = newMeasures);
  }

  /// The same with the operator's own certificate.
  public PoolConfig withTls(Tls certificate) {
    return with(p -> p.tls = Optional.of(certificate));
  }

  /// The same as another market for inference.
  public PoolConfig withTerms(MarketTerms newTerms) {
    return with(p -> p.terms = newTerms);
  }

  /// The same, settling otherwise.
  public PoolConfig withMoney(MoneyTerms newMoney) {
    return with(p -> p.money = newMoney);
  }

  /// The same with other people who may come as more than consumers.
  public PoolConfig withAccess(AccessTerms newAccess) {
    return with(p -> p.access = newAccess);
  }

  private PoolConfig with(Consumer<Parts> change) {
    Parts parts = new Parts(this);
    change.accept(parts);
    return parts.whole();
  }

  /// What can be changed before it is a configuration again.
  private static final class Parts {
    final Path dir;
    String host;
    int port;
    final Key key;
    AccessTerms access;
    Optional<Tls> tls;
    long welcomeMicrocredits;
    long blobBytes;
    long heartbeatMs;
    long silenceMs;
    Measuring measures;
    final String version;
    MarketTerms terms;
    MoneyTerms money;

    Parts(PoolConfig c) {
      dir = c.dir;
      host = c.host;
      port = c.port;
      key = c.key;
      access = c.access;
      tls = c.tls;
      welcomeMicrocredits = c.welcomeMicrocredits;
      blobBytes = c.blobBytes;
      heartbeatMs = c.heartbeatMs;
      silenceMs = c.silenceMs;
      measures = c.measures;
      version = c.version;
      terms = c.terms;
      money = c.money;
    }

    PoolConfig whole() {
      return new PoolConfig(
          dir,
          host,
          port,
          key,
          access,
          tls,
          welcomeMicrocredits,
          blobBytes,
          heartbeatMs,
          silenceMs,
          measures,
          version,
          terms,
          money);
    }
  }
}
