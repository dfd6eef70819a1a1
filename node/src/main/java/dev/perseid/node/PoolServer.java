package dev.perseid.node;

import com.google.protobuf.MessageLite;
import dev.perseid.core.Hash;
import dev.perseid.core.ProviderView;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import dev.perseid.wire.WireLimits;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ForwardingServerCall;
import io.grpc.ForwardingServerCallListener;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.grpc.GrpcConfig;
import io.helidon.webserver.grpc.GrpcRouting;
import io.helidon.webserver.http1.Http1Config;
import io.helidon.webserver.http2.Http2Config;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Level;
import java.util.logging.Logger;

/// The pool's one port: gRPC (docs/protocol.md) and blobs over HTTP, with or without TLS. Decides
/// who may call what; what is called is in [PoolIdentity], [PoolJobs], [PoolProviders] and
/// [BlobPages].
final class PoolServer implements Closeable {
  /// Who calls.
  static final Context.Key<Sessions.Session> CALLER = Context.key("perseid-caller");

  /// From where, as the network tells; empty if it does not.
  static final Context.Key<String> FROM = Context.keyWithDefault("perseid-from", "");

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  /// What Helidon would log, with a stack trace, for every piece of garbage that somebody sends.
  /// Held here because loggers that nobody holds forget their level.
  private static final List<Logger> NOISY =
      List.of(
          Logger.getLogger("io.helidon.webserver.grpc.GrpcProtocolHandler"),
          Logger.getLogger("io.helidon.common.socket.SocketContext"),
          Logger.getLogger("io.helidon.webserver.ConnectionHandler"));

  private final WebServer web;
  private final PoolStreams streams;
  private final List<String> routes;

  private PoolServer(WebServer web, PoolStreams streams, List<String> routes) {
    this.web = web;
    this.streams = streams;
    this.routes = List.copyOf(routes);
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
      Security security,
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
    KeyDesk desk = new KeyDesk(mill, market);
    PoolModels models =
        new PoolModels(
            mill,
            market,
            blobs,
            grants,
            published,
            config.terms().poolPermille(),
            desk,
            security.signatures());
    try {
      models.openListed();
      market.start();
    } catch (PoolMill.Unavailable e) {
      throw new PoolStartException(String.valueOf(e.getMessage()), e);
    }
    Sessions sessions = security.sessions();
    Newcomers newcomers = new Newcomers(mill, config.welcomeMicrocredits());
    List<BindableService> services =
        List.of(
            new PoolIdentity(config, sessions, newcomers, clock),
            new PoolJobs(
                config, mill, streams.watchers(), blobs, grants, clock, security.signatures()),
            models,
            money,
            new PoolOpenInference(market, config.version()),
            new PoolInference(mill, market, config.terms().poolPermille()),
            new PoolProviders(
                mill,
                streams,
                sessions,
                clock,
                lastSession,
                new Semaphore(PoolLimits.STREAMS_WAITING_BYTES)));
    AtomicInteger port = new AtomicInteger(config.port());
    boolean loopback = Channels.isLoopback(config.host());
    AuthPages auth =
        new AuthPages(
            sessions,
            desk,
            newcomers,
            () -> config.access().at(config.key().address(), config.host(), port.get(), loopback),
            clock);
    List<Pages.Page> pages = new ArrayList<>(auth.pages());
    pages.addAll(new BlobPages(blobs, grants, published).pages());
    List<String> routes = new ArrayList<>();
    GrpcRouting.Builder grpc = GrpcRouting.builder().intercept(new Gate(security.entrance()));
    for (BindableService service : services) {
      for (ServerMethodDefinition<?, ?> method : service.bindService().getMethods()) {
        String name = method.getMethodDescriptor().getFullMethodName();
        routes.add(Access.rule(Access.Port.GRPC, name).route());
      }
      grpc.service(service);
    }
    pages.forEach(page -> routes.add(page.route()));
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
            .addRouting(grpc)
            .routing(Pages.routing(pages, security.entrance()));
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
    port.set(web.port());
    return new PoolServer(web, streams, routes);
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

  /// All routes that are registered: full names of gRPC methods, and HTTP methods with paths.
  List<String> routes() {
    return routes;
  }

  @Override
  public void close() {
    streams.close();
    web.stop();
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

  /// Lets nobody through whom the rule of a method does not let.
  private record Gate(Entrance entrance) implements ServerInterceptor {
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
      MethodDescriptor<Q, A> method = call.getMethodDescriptor();
      Access.Rule rule = Access.rule(Access.Port.GRPC, method.getFullMethodName());
      if (rule.open()) {
        Context from = Context.current().withValue(FROM, from(call));
        return Contexts.interceptCall(from, call, headers, next);
      }
      String header = headers.get(AUTHORIZATION);
      return switch (entrance.admit(
          rule,
          header == null ? "" : header,
          "POST",
          "/" + method.getFullMethodName(),
          from(call))) {
        case Entrance.Admission.Nobody(String why) ->
            refuse(call, Status.UNAUTHENTICATED.withDescription(why));
        case Entrance.Admission.TooOften(String why) ->
            refuse(call, Status.RESOURCE_EXHAUSTED.withDescription(why));
        case Entrance.Admission.Forbidden(String why) ->
            refuse(call, Status.PERMISSION_DENIED.withDescription(why));
        case Entrance.Admission.In(Sessions.Session session, Optional<Hash> body) -> {
          if (body.isPresent() && !method.getType().clientSendsOneMessage()) {
            yield refuse(
                call,
                Status.UNAUTHENTICATED.withDescription(
                    "a call whose request is a stream cannot be signed: log in"));
          }
          ServerCall.Listener<Q> inside =
              Contexts.interceptCall(
                  Context.current().withValues(CALLER, session, FROM, from(call)),
                  call,
                  headers,
                  next);
          yield body.isPresent() ? new Sealed<>(inside, call, body.get()) : inside;
        }
      };
    }

    private static String from(ServerCall<?, ?> call) {
      return call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR)
              instanceof InetSocketAddress at
          ? at.getHostString()
          : "";
    }

    /// Refuses once the request is there: to frames that come after its end Helidon answers by
    /// ending the whole connection, and with it the calls of others behind the same proxy.
    private static <Q, A> ServerCall.Listener<Q> refuse(ServerCall<Q, A> call, Status status) {
      boolean one = call.getMethodDescriptor().getType().clientSendsOneMessage();
      call.request(2);
      // Who opens a call and says nothing is refused all the same.
      CompletableFuture.delayedExecutor(PoolLimits.REFUSAL_MS, TimeUnit.MILLISECONDS)
          .execute(() -> call.close(status, new Metadata()));
      return new ServerCall.Listener<>() {
        @Override
        public void onMessage(Q message) {
          if (!one) {
            call.close(status, new Metadata());
          }
        }

        @Override
        public void onHalfClose() {
          call.close(status, new Metadata());
        }
      };
    }
  }

  /// Lets only the message through that was signed.
  private static final class Sealed<Q>
      extends ForwardingServerCallListener.SimpleForwardingServerCallListener<Q> {
    private final ServerCall<Q, ?> call;
    private final Hash body;
    private boolean refused;

    Sealed(ServerCall.Listener<Q> inside, ServerCall<Q, ?> call, Hash body) {
      super(inside);
      this.call = call;
      this.body = body;
    }

    @Override
    public void onMessage(Q message) {
      if (message instanceof MessageLite m && Hash.sha256(m.toByteArray()).equals(body)) {
        super.onMessage(message);
        return;
      }
      refused = true;
      call.close(
          Status.UNAUTHENTICATED.withDescription(
              "the message is not the one that was signed: SHA-256 of its bytes differs"),
          new Metadata());
    }

    @Override
    public void onHalfClose() {
      if (!refused) {
        super.onHalfClose();
      }
    }
  }
}
