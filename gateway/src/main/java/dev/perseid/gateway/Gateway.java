package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.ssl.SslContext;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.ScheduledFuture;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// The APIs that people's clients speak, over HTTP/1.1, in front of a [Market].
///
/// One thread for each processor does all the work and none of it blocks: a request is read, routed
/// and asked on its connection's loop, and its answer is written there.
public final class Gateway implements AutoCloseable {
  private final GatewayConfig config;
  private final Market market;
  private final EventLoopGroup loops;
  private final boolean ownLoops;
  private final boolean loopback;
  private final ChannelGroup open = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
  private final List<Dialect> dialects;
  private final Map<String, List<Served>> exact = new HashMap<>();
  private final List<Served> patterns = new ArrayList<>();
  private final Lobby lobby;
  private final Doors doors;
  private final Turnstile turnstile = new Turnstile();
  private final Breakers breakers = new Breakers();
  private final Congestion congestion = new Congestion();
  private final AtomicLong bodies = new AtomicLong();
  private final ThreadLocal<SplittableRandom> chance =
      ThreadLocal.withInitial(() -> new SplittableRandom(new SecureRandom().nextLong()));
  private volatile Shelf shelf;
  private final Channel listening;
  private final ScheduledFuture<?> looking;

  /// A route and whose it is.
  record Served(Dialect dialect, Route route) {}

  private Gateway(GatewayConfig config, Market market, InetAddress address) throws IOException {
    this.config = config;
    this.market = market;
    this.loopback = address.isLoopbackAddress();
    this.dialects = Dialects.all(market);
    for (Dialect dialect : dialects) {
      for (Route route : dialect.routes()) {
        if (route.isExact()) {
          exact
              .computeIfAbsent(route.pattern(), p -> new ArrayList<>())
              .add(new Served(dialect, route));
        } else {
          patterns.add(new Served(dialect, route));
        }
      }
    }
    this.lobby = new Lobby(config);
    this.doors = new Doors(market);
    this.shelf = new Shelf(market.catalog(), this::permille);
    this.ownLoops = config.loops().isEmpty();
    this.loops =
        config
            .loops()
            .orElseGet(() ->
                new MultiThreadIoEventLoopGroup(
                    Runtime.getRuntime().availableProcessors(),
                    new DefaultThreadFactory("gateway", true),
                    Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory()));
    boolean epoll = loops instanceof IoEventLoopGroup group && group.isIoType(EpollIoHandler.class);
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loops)
            .channel(epoll ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, 4_096)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(
                ChannelOption.WRITE_BUFFER_WATER_MARK,
                new WriteBufferWaterMark(
                    GatewayLimits.UNREAD_BYTES / 2, GatewayLimits.UNREAD_BYTES))
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    opened(channel);
                  }
                });
    ChannelFuture bound =
        bootstrap.bind(new InetSocketAddress(address, config.port())).awaitUninterruptibly();
    if (!bound.isSuccess()) {
      if (ownLoops) {
        stop(loops);
      }
      throw new IOException(
          "cannot listen on "
              + config.host()
              + ":"
              + config.port()
              + ": "
              + bound.cause().getMessage()
              + ". Choose another port or address.");
    }
    this.listening = bound.channel();
    this.looking =
        loops
            .next()
            .scheduleAtFixedRate(
                () -> lobby.look(nowMs()),
                GatewayLimits.LOOK_MS,
                GatewayLimits.LOOK_MS,
                TimeUnit.MILLISECONDS);
  }

  /// Listens.
  ///
  /// @throws IOException if it cannot listen there
  /// @throws IllegalArgumentException if the address is not loopback and there is no TLS
  public static Gateway start(GatewayConfig config, Market market) throws IOException {
    InetAddress address = InetAddress.getByName(config.host());
    if (!address.isLoopbackAddress() && config.tls().isEmpty()) {
      throw new IllegalArgumentException(
          "the gateway would listen on "
              + config.host()
              + ", where others can read keys and prompts on the way: give it a certificate, or"
              + " listen on 127.0.0.1");
    }
    return new Gateway(config, market, address);
  }

  /// The port.
  public int port() {
    return ((InetSocketAddress) listening.localAddress()).getPort();
  }

  /// Where clients find it, e.g. `http://127.0.0.1:8080`; OpenAI's clients want `/v1` after it.
  public String url() {
    InetSocketAddress at = (InetSocketAddress) listening.localAddress();
    String host = at.getAddress().getHostAddress();
    return (config.tls().isPresent() ? "https://" : "http://")
        + (host.contains(":") ? "[" + host + "]" : host)
        + ":"
        + at.getPort();
  }

  /// The threads, to share with backends: a request that stays on its loop costs no change of
  /// threads.
  public EventLoopGroup loops() {
    return loops;
  }

  /// Requests that are being answered.
  public int running() {
    return lobby.running();
  }

  /// A route and whether it needs no key.
  ///
  /// @param method e.g. `POST`
  /// @param pattern e.g. `/v1/models/{id...}`
  public record Door(String method, String pattern, boolean open) {}

  /// All routes that a gateway answers.
  public static List<Door> doors(Market market) {
    List<Door> all = new ArrayList<>();
    for (Dialect dialect : Dialects.all(market)) {
      for (Route route : dialect.routes()) {
        all.add(new Door(route.method(), route.pattern(), route.isOpen()));
      }
    }
    return all;
  }

  /// Stops: closes all connections, which cancels what runs.
  @Override
  public void close() {
    looking.cancel(false);
    listening.close().awaitUninterruptibly();
    open.close().awaitUninterruptibly();
    if (ownLoops) {
      stop(loops);
    }
  }

  private static void stop(EventLoopGroup group) {
    Future<?> stopped = group.shutdownGracefully(0, 2, TimeUnit.SECONDS);
    stopped.awaitUninterruptibly(5, TimeUnit.SECONDS);
  }

  /// Refuses what the decoder would only tolerate: a request with both a length and chunks is how
  /// requests are smuggled past proxies (RFC 9112, 6.1).
  private static final class StrictDecoder extends HttpRequestDecoder {
    StrictDecoder() {
      super(
          new HttpDecoderConfig()
              .setMaxInitialLineLength(GatewayLimits.LINE_BYTES)
              .setMaxHeaderSize(GatewayLimits.HEADER_BYTES)
              .setMaxChunkSize(64 << 10)
              .setAllowDuplicateContentLengths(false));
    }

    @Override
    protected void handleTransferEncodingChunkedWithContentLength(HttpMessage message) {
      throw new IllegalArgumentException(
          "a request has either Content-Length or Transfer-Encoding, not both");
    }
  }

  private void opened(SocketChannel channel) {
    if (open.size() >= config.connections()) {
      channel.unsafe().closeForcibly();
      return;
    }
    open.add(channel);
    if (config.tls().isPresent()) {
      SslContext tls = config.tls().get();
      channel.pipeline().addLast(tls.newHandler(channel.alloc()));
    }
    channel
        .pipeline()
        .addLast(new StrictDecoder(), new HttpResponseEncoder(), new Front(this, from(channel)));
  }

  private static String from(Channel channel) {
    SocketAddress address = channel.remoteAddress();
    return address instanceof InetSocketAddress inet && inet.getAddress() != null
        ? inet.getAddress().getHostAddress()
        : "";
  }

  GatewayConfig config() {
    return config;
  }

  Market market() {
    return market;
  }

  boolean isLoopback() {
    return loopback;
  }

  /// Routes that may fit a path: those that name it, if there are any, else all that have
  /// variables.
  List<Served> routes(String path) {
    return exact.getOrDefault(path, patterns);
  }

  /// Whose errors a path has that nobody answers.
  Dialect owner(String path) {
    for (Dialect dialect : dialects) {
      if (dialect.owns(path)) {
        return dialect;
      }
    }
    return dialects.getLast();
  }

  Lobby lobby() {
    return lobby;
  }

  Doors doors() {
    return doors;
  }

  Turnstile turnstile() {
    return turnstile;
  }

  Breakers breakers() {
    return breakers;
  }

  /// Bytes of all bodies that are held.
  AtomicLong bodies() {
    return bodies;
  }

  /// The catalog now.
  Shelf shelf() {
    Market.Catalog catalog = market.catalog();
    Shelf known = shelf;
    if (known.version() != catalog.version()) {
      known = new Shelf(catalog, this::permille);
      shelf = known;
    }
    return known;
  }

  Congestion congestion() {
    return congestion;
  }

  private int permille(Shelf of, Model model) {
    return congestion.permille(of, model, lobby.waiting(model.manifest()), nowMs());
  }

  /// The order in which offers are asked.
  Router router(Shelf of) {
    long now = nowMs();
    return new Router(of, (Hash offer) -> breakers.state(offer, now), config.seed());
  }

  /// A fresh name for a request.
  String name() {
    return RequestName.fresh(chance.get());
  }

  /// Milliseconds of a clock that never goes back.
  static long nowMs() {
    return System.nanoTime() / 1_000_000;
  }
}
