package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.ProviderView;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.WireLimits;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall;
import io.grpc.ForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.grpc.GrpcConfig;
import io.helidon.webserver.grpc.GrpcRouting;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http1.Http1Config;
import io.helidon.webserver.http2.Http2Config;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.logging.Level;
import java.util.logging.Logger;

/// The pool's one port: gRPC (docs/protocol.md) and blobs over HTTP, with or without TLS. Decides
/// who may call what; what is called is in [PoolIdentity], [PoolJobs], [PoolProviders] and
/// [BlobPages].
final class PoolServer implements Closeable {
  /// Who calls.
  static final Context.Key<Sessions.Session> CALLER = Context.key("perseid-caller");

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final Set<Sessions.Role> CLIENTS =
      EnumSet.of(Sessions.Role.CONSUMER, Sessions.Role.OPERATOR);

  /// Which roles may call which method; a method that is not here is for nobody.
  private static final Map<String, Set<Sessions.Role>> MAY_CALL =
      Map.ofEntries(
          Map.entry("perseid.v1.Providers/Serve", EnumSet.of(Sessions.Role.PROVIDER)),
          Map.entry("perseid.v1.Jobs/Submit", CLIENTS),
          Map.entry("perseid.v1.Jobs/Cancel", CLIENTS),
          Map.entry("perseid.v1.Jobs/List", CLIENTS),
          Map.entry("perseid.v1.Jobs/Watch", CLIENTS),
          Map.entry("perseid.v1.Jobs/Results", CLIENTS),
          Map.entry("perseid.v1.Jobs/Why", CLIENTS),
          Map.entry("perseid.v1.Jobs/Records", CLIENTS),
          Map.entry("perseid.v1.Jobs/Receipts", CLIENTS),
          Map.entry("perseid.v1.Jobs/ListProviders", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Jobs/Account", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Jobs/Grant", EnumSet.of(Sessions.Role.OPERATOR)),
          Map.entry("perseid.v1.Jobs/MissingBlobs", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Models/Publish", CLIENTS),
          Map.entry("perseid.v1.Models/Withdraw", CLIENTS),
          Map.entry("perseid.v1.Models/Catalog", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Models/MakeKey", CLIENTS),
          Map.entry("perseid.v1.Models/ListKeys", CLIENTS),
          Map.entry("perseid.v1.Models/RevokeKey", CLIENTS),
          Map.entry("perseid.v1.Inference/Serve", EnumSet.of(Sessions.Role.PROVIDER)),
          Map.entry("perseid.v1.Inference/Ask", CLIENTS),
          Map.entry("perseid.v1.Money/Purse", CLIENTS),
          Map.entry("perseid.v1.Money/WatchPurse", CLIENTS),
          Map.entry("perseid.v1.Money/TakeVoucher", CLIENTS),
          Map.entry("perseid.v1.Money/Leave", CLIENTS),
          Map.entry("perseid.v1.Money/Statement", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Money/Claim", EnumSet.allOf(Sessions.Role.class)),
          Map.entry("perseid.v1.Money/Status", EnumSet.of(Sessions.Role.OPERATOR)),
          Map.entry("perseid.v1.Money/Settle", EnumSet.of(Sessions.Role.OPERATOR)),
          Map.entry("perseid.v1.Money/RequireVouchers", EnumSet.of(Sessions.Role.OPERATOR)),
          Map.entry("perseid.v1.Money/Move", EnumSet.of(Sessions.Role.OPERATOR)));

  /// What Helidon would log, with a stack trace, for every piece of garbage that somebody sends.
  /// Held here because loggers that nobody holds forget their level.
  private static final List<Logger> NOISY =
      List.of(
          Logger.getLogger("io.helidon.webserver.grpc.GrpcProtocolHandler"),
          Logger.getLogger("io.helidon.common.socket.SocketContext"),
          Logger.getLogger("io.helidon.webserver.ConnectionHandler"));

  private final WebServer web;
  private final PoolStreams streams;

  private PoolServer(WebServer web, PoolStreams streams) {
    this.web = web;
    this.streams = streams;
  }

  /// Opens the port and sets the mill going.
  static PoolServer start(
      PoolConfig config,
      InstantSource clock,
      PoolMill mill,
      PoolStreams streams,
      BlobStore blobs,
      BlobGrants grants,
      PublishedFiles published,
      PoolMarket market,
      PoolMoney money,
      boolean encrypted)
      throws IOException {
    for (Logger noisy : NOISY) {
      noisy.setLevel(Level.OFF);
    }
    mill.start();
    long lastSession;
    try {
      lastSession =
          mill.ask(pool -> {
            long last = 0;
            for (ProviderView p : pool.providers()) {
              last = Math.max(last, p.session());
            }
            return last;
          });
    } catch (PoolMill.Unavailable e) {
      throw new PoolStartException(String.valueOf(e.getMessage()), e);
    }
    PoolModels models =
        new PoolModels(mill, market, blobs, grants, published, config.terms().poolPermille());
    try {
      models.openListed();
      market.start();
    } catch (PoolMill.Unavailable e) {
      throw new PoolStartException(String.valueOf(e.getMessage()), e);
    }
    Address self = config.key().address();
    Set<Address> operators = new HashSet<>(config.operators());
    operators.add(self);
    Sessions sessions = new Sessions(self, operators);
    Http2Config http2 =
        Http2Config.builder()
            .initialWindowSize(1 << 20)
            .maxConcurrentStreams(256)
            .maxHeaderListSize(16 << 10)
            .build();
    var builder =
        WebServer.builder()
            .address(address(config.host()))
            .port(config.port())
            .shutdownHook(false)
            .shutdownGracePeriod(Duration.ofMillis(500))
            .maxTcpConnections(PoolLimits.CONNECTIONS)
            // An answer is several small writes; Nagle's algorithm would hold each one up 40 ms.
            .connectionOptions(o -> o.tcpNoDelay(true))
            .maxPayloadSize(-1)
            .idleConnectionTimeout(Duration.ofMinutes(10))
            .protocolsDiscoverServices(true)
            .addProtocol(http2)
            .addProtocol(Http1Config.builder().maxHeadersSize(16 << 10).build())
            .addProtocol(
                GrpcConfig.builder()
                    .maxReadBufferSize(WireLimits.MESSAGE_BYTES)
                    .enableCompression(false)
                    .build())
            .addRouting(
                GrpcRouting.builder()
                    .intercept(new Gate(sessions, clock))
                    .service(new PoolIdentity(config, sessions, mill, clock))
                    .service(new PoolJobs(config, mill, streams.watchers(), blobs, grants, clock))
                    .service(models)
                    .service(money)
                    .service(new PoolOpenInference(market, config.version()))
                    .service(new PoolInference(mill, market, config.terms().poolPermille()))
                    .service(
                        new PoolProviders(
                            mill,
                            streams,
                            sessions,
                            clock,
                            lastSession,
                            new Semaphore(PoolLimits.STREAMS_WAITING_BYTES))))
            .routing(
                HttpRouting.builder()
                    .register(
                        "/v1/blobs", new BlobPages(sessions, blobs, grants, published, clock)));
    if (encrypted) {
      Tls tls = config.tls().orElseGet(() -> NodeCertificate.make(config.key(), clock.instant()));
      builder.tls(t ->
          t.privateKey(tls.privateKey())
              .privateKeyCertChain(tls.chain())
              .applicationProtocols(List.of("h2", "http/1.1")));
    }
    WebServer web = builder.build();
    web.start();
    if (!web.isRunning()) {
      throw new PoolStartException(
          "cannot listen at "
              + config.host()
              + ":"
              + config.port()
              + ": another program has the port, or the address is not this machine's; choose"
              + " another port, or 0 for a free one");
    }
    return new PoolServer(web, streams);
  }

  private static InetAddress address(String host) throws PoolStartException {
    try {
      return InetAddress.getByName(host);
    } catch (UnknownHostException e) {
      throw new PoolStartException("the host '" + host + "' is not known", e);
    }
  }

  int port() {
    return web.port();
  }

  @Override
  public void close() {
    streams.close();
    web.stop();
  }

  /// The token in an `Authorization` header, if there is one.
  static Optional<String> token(String header) {
    return header.length() > 7 && header.substring(0, 7).toLowerCase(Locale.ROOT).equals("bearer ")
        ? Optional.of(header.substring(7).strip())
        : Optional.empty();
  }

  /// Closes once, and with a message that a header can carry: Helidon does not encode it.
  private static final class Plain<Q, A>
      extends ForwardingServerCall.SimpleForwardingServerCall<Q, A> {
    private final AtomicBoolean closed = new AtomicBoolean();

    Plain(ServerCall<Q, A> call) {
      super(call);
    }

    @Override
    public void close(Status status, Metadata trailers) {
      if (closed.compareAndSet(false, true)) {
        String text = status.getDescription();
        super.close(text == null ? status : status.withDescription(plain(text)), trailers);
      }
    }

    private static String plain(String text) {
      StringBuilder b = new StringBuilder();
      for (int i = 0; i < Math.min(text.length(), PoolLimits.STATUS_CHARS); i++) {
        char c = text.charAt(i);
        b.append(c < ' ' || c > '~' || c == '%' ? '?' : c);
      }
      return b.toString();
    }
  }

  /// Lets nobody through without a session of the right role.
  private record Gate(Sessions sessions, InstantSource clock) implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      Plain<Q, A> plain = new Plain<>(call);
      ServerCall.Listener<Q> listener = enter(plain, headers, next);
      return new ForwardingServerCallListener.SimpleForwardingServerCallListener<>(listener) {
        @Override
        public void onCancel() {
          // Helidon says this, and nothing to the caller, if it could not read a message.
          if (!plain.isCancelled()) {
            plain.close(
                Status.INVALID_ARGUMENT.withDescription(
                    "a message could not be read: it is not of the type that this call takes, or"
                        + " longer than "
                        + WireLimits.MESSAGE_BYTES
                        + " bytes"),
                new Metadata());
          }
          super.onCancel();
        }
      };
    }

    private <Q, A> ServerCall.Listener<Q> enter(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      String method = call.getMethodDescriptor().getFullMethodName();
      if (method.startsWith("perseid.v1.Identity/")) {
        return next.startCall(call, headers);
      }
      String header = headers.get(AUTHORIZATION);
      Optional<String> token = header == null ? Optional.empty() : token(header);
      if (method.startsWith(PoolOpenInference.SERVICE + "/")) {
        // Its clients have API keys, which it looks at itself.
        return Contexts.interceptCall(
            Context.current().withValue(PoolOpenInference.API_KEY, token.orElse("")),
            call,
            headers,
            next);
      }
      if (token.isEmpty()) {
        return refuse(
            call,
            Status.UNAUTHENTICATED.withDescription(
                "log in first: this call needs the metadata `authorization: Bearer TOKEN`"));
      }
      return switch (sessions.use(token.get(), clock.millis())) {
        case Sessions.Found.Unknown _ ->
            refuse(
                call,
                Status.UNAUTHENTICATED.withDescription(
                    "the session is not known or has expired: log in again"));
        case Sessions.Found.TooOften _ ->
            refuse(
                call,
                Status.RESOURCE_EXHAUSTED.withDescription(
                    "this session calls more than "
                        + PoolLimits.CALLS_PER_S
                        + " times a second: wait a little"));
        case Sessions.Found.Good(Sessions.Session session) -> {
          Set<Sessions.Role> may = MAY_CALL.getOrDefault(method, Set.of());
          if (!may.contains(session.role)) {
            yield refuse(
                call,
                Status.PERMISSION_DENIED.withDescription(
                    "a " + session.role.word() + " may not call " + method));
          }
          yield Contexts.interceptCall(
              Context.current().withValue(CALLER, session), call, headers, next);
        }
      };
    }

    private static <Q, A> ServerCall.Listener<Q> refuse(ServerCall<Q, A> call, Status status) {
      call.close(status, new Metadata());
      return new ServerCall.Listener<>() {};
    }
  }
}
