package dev.perseid.node;

import dev.perseid.gateway.Gateway;
import dev.perseid.gateway.GatewayConfig;
import dev.perseid.gateway.Market;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import io.netty.channel.EventLoopGroup;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLException;

/// Opens the gateway of a pool: a port of its own, since the clients of these APIs speak HTTP/1.1.
final class GatewayPort {
  private GatewayPort() {}

  static Gateway open(
      PoolConfig config,
      MarketTerms.GatewayAt at,
      Market market,
      EventLoopGroup loops,
      InstantSource clock)
      throws IOException {
    boolean encrypted = !Channels.isLoopback(at.host()) || config.tls().isPresent();
    Optional<SslContext> tls = Optional.empty();
    if (encrypted) {
      tls =
          Optional.of(
              context(
                  config
                      .tls()
                      .orElseGet(() -> NodeCertificate.make(config.key(), clock.instant()))));
    }
    GatewayConfig gateway = GatewayConfig.loopback().at(at.host(), at.port(), tls).on(loops);
    try {
      return Gateway.start(gateway, market);
    } catch (IOException e) {
      throw new PoolStartException(
          "the gateway cannot listen at "
              + at.host()
              + ":"
              + at.port()
              + ": another program has the port, or the address is not this machine's; choose"
              + " another port, or 0 for a free one",
          e);
    }
  }

  private static SslContext context(Tls tls) {
    try {
      return SslContextBuilder.forServer(tls.privateKey(), List.copyOf(tls.chain()))
          .sslProvider(SslProvider.JDK)
          .build();
    } catch (SSLException e) {
      throw new IllegalStateException("this JDK offers no TLS: " + e.getMessage(), e);
    }
  }
}
