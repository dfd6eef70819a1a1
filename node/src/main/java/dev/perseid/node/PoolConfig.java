package dev.perseid.node;

import dev.perseid.settle.Key;
import dev.perseid.settle.Tls;
import java.nio.file.Path;
import java.util.Optional;

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
    boolean measures,
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
        false,
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
    return new PoolConfig(
        dir,
        newHost,
        newPort,
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

  /// The same with other welcome credits.
  public PoolConfig withWelcome(long microcredits) {
    return new PoolConfig(
        dir,
        host,
        port,
        key,
        access,
        tls,
        microcredits,
        blobBytes,
        heartbeatMs,
        silenceMs,
        measures,
        version,
        terms,
        money);
  }

  /// The same with other times.
  public PoolConfig withTimes(long newHeartbeatMs, long newSilenceMs) {
    return new PoolConfig(
        dir,
        host,
        port,
        key,
        access,
        tls,
        welcomeMicrocredits,
        blobBytes,
        newHeartbeatMs,
        newSilenceMs,
        measures,
        version,
        terms,
        money);
  }

  /// The same with other disk space for blobs.
  public PoolConfig withBlobBytes(long bytes) {
    return new PoolConfig(
        dir,
        host,
        port,
        key,
        access,
        tls,
        welcomeMicrocredits,
        bytes,
        heartbeatMs,
        silenceMs,
        measures,
        version,
        terms,
        money);
  }

  /// The same, believing what providers declare of their hardware or not.
  public PoolConfig withMeasures(boolean newMeasures) {
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
        newMeasures,
        version,
        terms,
        money);
  }

  /// The same with the operator's own certificate.
  public PoolConfig withTls(Tls certificate) {
    return new PoolConfig(
        dir,
        host,
        port,
        key,
        access,
        Optional.of(certificate),
        welcomeMicrocredits,
        blobBytes,
        heartbeatMs,
        silenceMs,
        measures,
        version,
        terms,
        money);
  }

  /// The same as another market for inference.
  public PoolConfig withTerms(MarketTerms newTerms) {
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
        newTerms,
        money);
  }

  /// The same, settling otherwise.
  public PoolConfig withMoney(MoneyTerms newMoney) {
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
        newMoney);
  }

  /// The same with other people who may come as more than consumers.
  public PoolConfig withAccess(AccessTerms newAccess) {
    return new PoolConfig(
        dir,
        host,
        port,
        key,
        newAccess,
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
