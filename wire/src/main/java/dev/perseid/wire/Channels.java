package dev.perseid.wire;

import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.ModelsGrpc;
import dev.perseid.wire.v1.MoneyGrpc;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NegotiationType;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslProvider;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import javax.net.ssl.X509TrustManager;

/// Opens gRPC channels to a pool.
public final class Channels {
  /// The calls with one answer that a pool may be asked twice: those that only read, and those of
  /// which it knows the second for the first (a job by its nonce, a voucher by its sum, a model by
  /// its version). A channel repeats these, and no others, when the connection breaks under them: a
  /// server that gives up one stream may take the whole connection with it.
  ///
  /// Not among them: Login (its nonce is used up), Cancel, MakeKey and Leave (the second is
  /// refused), Grant (it would give twice), Settle and Move (they last).
  public static final List<MethodDescriptor<?, ?>> REPEATABLE =
      List.of(
          IdentityGrpc.getAboutMethod(),
          IdentityGrpc.getChallengeMethod(),
          JobsGrpc.getSubmitMethod(),
          JobsGrpc.getListMethod(),
          JobsGrpc.getResultsMethod(),
          JobsGrpc.getWhyMethod(),
          JobsGrpc.getListProvidersMethod(),
          JobsGrpc.getAccountMethod(),
          JobsGrpc.getMissingBlobsMethod(),
          ModelsGrpc.getPublishMethod(),
          ModelsGrpc.getWithdrawMethod(),
          ModelsGrpc.getListKeysMethod(),
          MoneyGrpc.getPurseMethod(),
          MoneyGrpc.getTakeVoucherMethod(),
          MoneyGrpc.getStatusMethod(),
          MoneyGrpc.getRequireVouchersMethod(),
          MoneyGrpc.getClaimMethod());

  /// How a call ends whose connection broke. INTERNAL is among them because a server that closes a
  /// connection with an error of HTTP/2's (PROTOCOL_ERROR, say, for another stream) is reported so.
  private static final List<Status.Code> BROKEN =
      List.of(Status.Code.UNAVAILABLE, Status.Code.INTERNAL);

  private Channels() {}

  /// Whether a call that ended so may have lost its connection, rather than have been refused.
  public static boolean isBroken(Status status) {
    return BROKEN.contains(status.getCode());
  }

  /// A channel to `host:port`. It connects when first used and again after a broken connection; the
  /// caller shuts it down. Calls that are [#REPEATABLE] are made up to [WireLimits#CALL_ATTEMPTS]
  /// times if they end as a connection that broke may end them ([#isBroken]).
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
            .flowControlWindow(4 << 20)
            .disableServiceConfigLookUp()
            .defaultServiceConfig(repeating());
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

  /// The service config (gRFC A6) that has gRPC repeat calls. Its numbers must be doubles.
  private static Map<String, Object> repeating() {
    List<Map<String, String>> names =
        REPEATABLE.stream()
            .map(m ->
                Map.of(
                    "service", String.valueOf(m.getServiceName()),
                    "method", String.valueOf(m.getBareMethodName())))
            .toList();
    Map<String, Object> policy =
        Map.of(
            "maxAttempts",
            (double) WireLimits.CALL_ATTEMPTS,
            "initialBackoff",
            seconds(WireLimits.CALL_PAUSE_MS),
            "maxBackoff",
            seconds(WireLimits.CALL_PAUSE_MOST_MS),
            "backoffMultiplier",
            2.0,
            "retryableStatusCodes",
            BROKEN.stream().map(Status.Code::name).toList());
    return Map.of("methodConfig", List.of(Map.of("name", names, "retryPolicy", policy)));
  }

  private static String seconds(int ms) {
    return String.format(Locale.ROOT, "%d.%03ds", ms / 1_000, ms % 1_000);
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
