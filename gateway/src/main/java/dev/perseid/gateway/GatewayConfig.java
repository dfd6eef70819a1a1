package dev.perseid.gateway;

import dev.perseid.core.Address;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.ssl.SslContext;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;

/// How a gateway listens and what it bears.
///
/// @param host address to listen on
/// @param port 0 for any that is free
/// @param tls what to serve HTTPS with; needed beyond loopback
/// @param loops threads to share with others, e.g. backends; the gateway makes its own otherwise
/// @param origins web pages that may ask (`https://example.org`), in browsers; none by default
/// @param hosts further names in the `Host` header that mean this gateway when it listens on
///   loopback; others are refused, so that no web page reaches it by rebinding a name
/// @param bodyBytes longest body of a request
/// @param connections open at once
/// @param running requests at once
/// @param runningPerKey requests of one key at once
/// @param waiting requests that wait for a provider
/// @param waitingPerKey requests of one key that wait
/// @param waitingMs how long they wait at most
/// @param firstTokenMs how long a provider may be silent before the first part of a stream while
///   another one could be asked; four times its own 90th percentile if that is longer
/// @param answerMs the same for answers that come whole
/// @param idleMs how long a stream may be silent between parts
/// @param wholeMs how long an answer may take in all
/// @param keepAliveMs after which silence a stream's client gets a comment
/// @param weight turns of an account in the queue, 1 by default
/// @param seed decides between equals
public record GatewayConfig(
    String host,
    int port,
    Optional<SslContext> tls,
    Optional<EventLoopGroup> loops,
    List<String> origins,
    List<String> hosts,
    int bodyBytes,
    int connections,
    int running,
    int runningPerKey,
    int waiting,
    int waitingPerKey,
    long waitingMs,
    long firstTokenMs,
    long answerMs,
    long idleMs,
    long wholeMs,
    long keepAliveMs,
    ToIntFunction<Address> weight,
    long seed) {
  public GatewayConfig {
    origins = List.copyOf(origins);
    hosts = List.copyOf(hosts);
  }

  /// On a free port of 127.0.0.1, without TLS.
  public static GatewayConfig loopback() {
    return new GatewayConfig(
        "127.0.0.1",
        0,
        Optional.empty(),
        Optional.empty(),
        List.of(),
        List.of(),
        GatewayLimits.BODY_BYTES,
        GatewayLimits.CONNECTIONS,
        GatewayLimits.RUNNING,
        GatewayLimits.RUNNING_PER_KEY,
        GatewayLimits.WAITING,
        GatewayLimits.WAITING_PER_KEY,
        GatewayLimits.WAITING_MS,
        5_000,
        120_000,
        20_000,
        900_000,
        10_000,
        account -> 1,
        0);
  }

  /// On another address, with TLS if it is given.
  public GatewayConfig at(String newHost, int newPort, Optional<SslContext> newTls) {
    return new GatewayConfig(
        newHost,
        newPort,
        newTls,
        loops,
        origins,
        hosts,
        bodyBytes,
        connections,
        running,
        runningPerKey,
        waiting,
        waitingPerKey,
        waitingMs,
        firstTokenMs,
        answerMs,
        idleMs,
        wholeMs,
        keepAliveMs,
        weight,
        seed);
  }

  /// On threads that are shared.
  public GatewayConfig on(EventLoopGroup newLoops) {
    return new GatewayConfig(
        host,
        port,
        tls,
        Optional.of(newLoops),
        origins,
        hosts,
        bodyBytes,
        connections,
        running,
        runningPerKey,
        waiting,
        waitingPerKey,
        waitingMs,
        firstTokenMs,
        answerMs,
        idleMs,
        wholeMs,
        keepAliveMs,
        weight,
        seed);
  }

  /// With other web pages and names.
  public GatewayConfig with(List<String> newOrigins, List<String> newHosts) {
    return new GatewayConfig(
        host,
        port,
        tls,
        loops,
        newOrigins,
        newHosts,
        bodyBytes,
        connections,
        running,
        runningPerKey,
        waiting,
        waitingPerKey,
        waitingMs,
        firstTokenMs,
        answerMs,
        idleMs,
        wholeMs,
        keepAliveMs,
        weight,
        seed);
  }

  /// With other sizes.
  public GatewayConfig sized(int newBodyBytes, int newConnections, int newRunning, int newPerKey) {
    return new GatewayConfig(
        host,
        port,
        tls,
        loops,
        origins,
        hosts,
        newBodyBytes,
        newConnections,
        newRunning,
        newPerKey,
        waiting,
        waitingPerKey,
        waitingMs,
        firstTokenMs,
        answerMs,
        idleMs,
        wholeMs,
        keepAliveMs,
        weight,
        seed);
  }

  /// With another queue.
  public GatewayConfig queued(
      int newWaiting, int newPerKey, long newWaitingMs, ToIntFunction<Address> newWeight) {
    return new GatewayConfig(
        host,
        port,
        tls,
        loops,
        origins,
        hosts,
        bodyBytes,
        connections,
        running,
        runningPerKey,
        newWaiting,
        newPerKey,
        newWaitingMs,
        firstTokenMs,
        answerMs,
        idleMs,
        wholeMs,
        keepAliveMs,
        newWeight,
        seed);
  }

  /// With other times, milliseconds.
  public GatewayConfig timed(
      long newFirstTokenMs,
      long newAnswerMs,
      long newIdleMs,
      long newWholeMs,
      long newKeepAliveMs) {
    return new GatewayConfig(
        host,
        port,
        tls,
        loops,
        origins,
        hosts,
        bodyBytes,
        connections,
        running,
        runningPerKey,
        waiting,
        waitingPerKey,
        waitingMs,
        newFirstTokenMs,
        newAnswerMs,
        newIdleMs,
        newWholeMs,
        newKeepAliveMs,
        weight,
        seed);
  }
}
