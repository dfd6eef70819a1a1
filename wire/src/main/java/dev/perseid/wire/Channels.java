package dev.perseid.wire;

import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NegotiationType;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslProvider;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import javax.net.ssl.X509TrustManager;

/// Opens gRPC channels to a pool.
public final class Channels {
  private Channels() {}

  /// A channel to `host:port`. It connects when first used and again after a broken connection; the
  /// caller shuts it down.
  ///
  /// @param trust decides whether the pool's certificate is good, e.g. because it is bound to the
  ///   pool's address (it also decides about names if it is an X509ExtendedTrustManager); empty for
  ///   plain text, which is for loopback only
  /// @throws IllegalArgumentException if plain text was asked for a host that is not loopback
  public static ManagedChannel open(String host, int port, Optional<X509TrustManager> trust) {
    NettyChannelBuilder b =
        NettyChannelBuilder.forAddress(host, port)
            .maxInboundMessageSize(WireLimits.MESSAGE_BYTES)
            .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, WireLimits.CONNECT_MS)
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS)
            .flowControlWindow(4 << 20);
    if (trust.isPresent()) {
      try {
        b.sslContext(
            GrpcSslContexts.configure(
                    GrpcSslContexts.forClient().trustManager(trust.get()), SslProvider.JDK)
                .build());
      } catch (SSLException e) {
        throw new IllegalStateException("this JDK offers no TLS: " + e.getMessage(), e);
      }
    } else if (isLoopback(host)) {
      b.negotiationType(NegotiationType.PLAINTEXT);
    } else {
      throw new IllegalArgumentException(
          "plain text is for loopback only, and '"
              + host
              + "' is not: name the pool's address, so that its certificate can be checked");
    }
    return b.build();
  }

  /// Whether a host name means this machine and cannot mean another. A name that cannot be resolved
  /// does not.
  public static boolean isLoopback(String host) {
    try {
      for (InetAddress a : InetAddress.getAllByName(host)) {
        if (!a.isLoopbackAddress()) {
          return false;
        }
      }
      return true;
    } catch (UnknownHostException e) {
      return false;
    }
  }
}
