package dev.perseid.gateway;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpHeadersFactory;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.DefaultLastHttpContent;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.ScheduledFuture;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One connection: reads requests, one after another, finds who answers them, and writes answers.
/// Requests that a client sends ahead wait until those before them are answered.
///
/// Futures of writes are not looked at: a write fails only when the connection is gone, which
/// [#channelInactive] tells.
@SuppressWarnings("FutureReturnValueIgnored")
final class Front extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = Logger.getLogger(Front.class.getName());
  private static final Pattern LOOPBACK = Pattern.compile("127(\\.[0-9]{1,3}){3}");
  private static final byte[] NOTHING = new byte[0];
  private static final int FIRST_BYTES = 4 << 10;
  private static final int AT_ONCE_BYTES = 64 << 10;
  private static final long CHECK_MS = 5_000;

  private final Gateway gateway;
  private final String from;
  private final ArrayDeque<Object> ahead = new ArrayDeque<>();
  private int aheadBytes;
  private @Nullable ChannelHandlerContext context;
  private @Nullable ScheduledFuture<?> checking;

  // The request that is being read or answered.
  private @Nullable Inbound in;
  private @Nullable Dialect dialect;
  private @Nullable Route route;
  private @Nullable Problem refusal;
  private String allow = "";
  private byte[] body = NOTHING;
  private int bodyBytes;
  private int heldBytes;
  private boolean answering;
  private boolean keepAlive;
  private boolean chunks;
  private @Nullable Exchange exchange;

  private boolean closing;
  private int ignoredBytes;
  private boolean flushing;
  private @Nullable ByteBuf gathered;
  private long sinceMs = Gateway.nowMs();
  private final Drain drain = new Drain(sinceMs);
  private long givenBytes;

  Front(Gateway gateway, String from) {
    this.gateway = gateway;
    this.from = from;
  }

  // ---- reading --------------------------------------------------------------------------------

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    context = ctx;
    checking =
        ctx.channel()
            .eventLoop()
            .scheduleWithFixedDelay(this::check, CHECK_MS, CHECK_MS, TimeUnit.MILLISECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    if (closing) {
      // Read on for a while, so that the client gets to read why, instead of a reset.
      if (message instanceof HttpContent content) {
        ignoredBytes += content.content().readableBytes();
        if (ignoredBytes > gateway.config().bodyBytes()) {
          ctx.close();
        }
      }
      ReferenceCountUtil.release(message);
      return;
    }
    if (answering || !ahead.isEmpty() || !ctx.channel().isWritable()) {
      ahead.add(message);
      aheadBytes +=
          message instanceof HttpContent content ? content.content().readableBytes() + 64 : 1_024;
      if (aheadBytes > GatewayLimits.AHEAD_BYTES) {
        ctx.channel().config().setAutoRead(false);
      }
      return;
    }
    handle(message);
  }

  private void handle(Object message) {
    try {
      if (message instanceof HttpRequest request) {
        head(request);
      } else if (message instanceof HttpContent content && in != null) {
        content(content, in);
      }
    } finally {
      ReferenceCountUtil.release(message);
    }
  }

  private void head(HttpRequest request) {
    sinceMs = Gateway.nowMs();
    Inbound inbound =
        new Inbound(
            gateway.name(),
            request.method().name(),
            request.uri(),
            request.headers(),
            System.nanoTime());
    in = inbound;
    keepAlive = HttpUtil.isKeepAlive(request);
    chunks = request.protocolVersion().equals(HttpVersion.HTTP_1_1);
    dialect = gateway.owner(inbound.path());
    route = null;
    refusal = null;
    bodyBytes = 0;
    body = NOTHING;
    DecoderResult decoded = request.decoderResult();
    if (decoded.isFailure()) {
      refuseAndClose(unreadable(decoded.cause()));
      return;
    }
    long declared = HttpUtil.getContentLength(request, -1L);
    try {
      checkSource(inbound);
      find(inbound);
    } catch (Problem problem) {
      refusal = problem;
    }
    if (declared > gateway.config().bodyBytes()) {
      refuseAndClose(tooLarge());
      return;
    }
    if (HttpUtil.is100ContinueExpected(request)) {
      if (refusal != null) {
        refuseAndClose(refusal);
        return;
      }
      ctx()
          .writeAndFlush(
              new DefaultFullHttpResponse(
                  HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER));
    }
    if (refusal == null && declared > 0) {
      room((int) Math.min(declared, AT_ONCE_BYTES));
    }
  }

  private void find(Inbound inbound) throws Problem {
    TreeSet<String> methods = new TreeSet<>();
    for (Gateway.Served served : gateway.routes(inbound.path())) {
      Optional<Map<String, String>> match = served.route().match(inbound.path());
      if (match.isEmpty() || !served.dialect().speaks(inbound)) {
        continue;
      }
      if (!served.route().method().equals(inbound.method())) {
        methods.add(served.route().method());
        continue;
      }
      dialect = served.dialect();
      route = served.route();
      inbound.bind(match.get());
      inbound.shelf(gateway.shelf());
      if (!served.route().isOpen() && !pays(inbound, served.route())) {
        Market.Admission.In admitted =
            gateway.doors().admit(inbound, served.route(), from, Gateway.nowMs());
        inbound.caller(admitted.caller());
        admitted.body().ifPresent(inbound::signedBody);
      }
      return;
    }
    if (!methods.isEmpty()
        && inbound.method().equals("OPTIONS")
        && allowedOrigin(inbound) != null) {
      return;
    }
    if (methods.isEmpty()) {
      throw new Problem(
          Problem.Kind.NOT_FOUND,
          "There is no " + Problem.shown(inbound.method() + " " + inbound.path()) + " here.",
          "unknown_url");
    }
    allow = String.join(", ", methods);
    throw new Problem(
        Problem.Kind.METHOD,
        Problem.shown(inbound.path())
            + " answers "
            + allow
            + ", not "
            + Problem.shown(inbound.method())
            + ".",
        "method_not_allowed");
  }

  /// Whether a request pays for itself or must be told how: it brings a payment, or shows no key.
  private boolean pays(Inbound inbound, Route to) throws Problem {
    if (!to.isPriced()
        || !(inbound.headers().contains(PaymentHeaders.SIGNATURE) || Doors.isKeyless(inbound))) {
      return false;
    }
    Optional<Till> till = gateway.market().till().filter(t -> !t.ways().isEmpty());
    if (till.isEmpty()) {
      return false;
    }
    gateway.turnstile().enter(from, Gateway.nowMs());
    inbound.payAt(till.get());
    return true;
  }

  /// Where it comes from.
  String from() {
    return from;
  }

  /// Refuses web pages: one that rebinds its name to 127.0.0.1 shows itself by the Host header, and
  /// one that just sends a request by the Origin header.
  private void checkSource(Inbound inbound) throws Problem {
    List<String> hosts = inbound.headers().getAll(HttpHeaderNames.HOST);
    if (hosts.size() > 1 || (hosts.isEmpty() && chunks)) {
      keepAlive = false;
      throw Problem.invalid("host", "A request has exactly one Host header.");
    }
    if (gateway.isLoopback() && !hosts.isEmpty()) {
      String name = hostName(hosts.getFirst());
      boolean ours =
          name.equals("localhost")
              || name.endsWith(".localhost")
              || name.equals("[::1]")
              || LOOPBACK.matcher(name).matches()
              || gateway.config().hosts().contains(name);
      if (!ours) {
        throw new Problem(
            Problem.Kind.FORBIDDEN,
            "'"
                + Problem.shown(name)
                + "' is no name of this gateway, which listens on loopback. Ask for 127.0.0.1, or"
                + " allow the name in its settings.",
            "host_not_allowed");
      }
    }
    if (inbound.headers().contains(HttpHeaderNames.ORIGIN) && allowedOrigin(inbound) == null) {
      throw new Problem(
          Problem.Kind.FORBIDDEN,
          "Web pages may not ask this gateway. Allow the page's origin in its settings if it should.",
          "origin_not_allowed");
    }
  }

  private @Nullable String allowedOrigin(Inbound inbound) {
    String origin = inbound.headers().get(HttpHeaderNames.ORIGIN);
    return origin != null && gateway.config().origins().contains(origin) ? origin : null;
  }

  private static String hostName(String host) {
    String lower = host.toLowerCase(Locale.ROOT);
    int end = lower.startsWith("[") ? lower.indexOf(']') + 1 : lower.lastIndexOf(':');
    return end > 0 ? lower.substring(0, end) : lower;
  }

  private static Problem unreadable(Throwable cause) {
    if (cause instanceof TooLongHttpHeaderException) {
      return new Problem(
          Problem.Kind.HEADER_TOO_LARGE,
          "The headers of a request must not exceed " + GatewayLimits.HEADER_BYTES + " bytes.",
          "headers_too_large");
    }
    if (cause instanceof TooLongHttpLineException) {
      return new Problem(
          Problem.Kind.HEADER_TOO_LARGE,
          "The line of a request must not exceed " + GatewayLimits.LINE_BYTES + " bytes.",
          "url_too_long");
    }
    return new Problem(
        Problem.Kind.INVALID, "This is not a request that HTTP/1.1 allows.", "bad_request");
  }

  private Problem tooLarge() {
    return new Problem(
        Problem.Kind.TOO_LARGE,
        "The body must not exceed " + gateway.config().bodyBytes() + " bytes.",
        "request_too_large");
  }

  private void content(HttpContent content, Inbound inbound) {
    if (content.decoderResult().isFailure()) {
      refuseAndClose(unreadable(content.decoderResult().cause()));
      return;
    }
    ByteBuf bytes = content.content();
    int more = bytes.readableBytes();
    if (more > 0) {
      if ((long) bodyBytes + more > gateway.config().bodyBytes()) {
        refuseAndClose(tooLarge());
        return;
      }
      if (refusal == null && !room(bodyBytes + more)) {
        refusal = Lobby.tooMany("The gateway holds as many requests as it can.", 1_000);
        release();
      }
      if (refusal == null) {
        bytes.readBytes(body, bodyBytes, more);
      }
      bodyBytes += more;
    }
    if (content instanceof LastHttpContent) {
      whole(inbound);
    }
  }

  /// Makes room for so many bytes of the body, if the gateway has it.
  private boolean room(int bytes) {
    if (body.length >= bytes) {
      return true;
    }
    int size = Math.max(bytes, Math.max(FIRST_BYTES, body.length * 2));
    size = body.length == 0 && bytes > FIRST_BYTES ? bytes : size;
    if (keyless() && !gateway.turnstile().room(size - body.length)) {
      return false;
    }
    if (gateway.bodies().addAndGet(size - body.length) > GatewayLimits.BODIES_BYTES) {
      gateway.bodies().addAndGet(body.length - size);
      if (keyless()) {
        gateway.turnstile().free(size - body.length);
      }
      return false;
    }
    heldBytes += size - body.length;
    body = Arrays.copyOf(body, size);
    return true;
  }

  private boolean keyless() {
    return in != null && in.till().isPresent();
  }

  private void release() {
    gateway.bodies().addAndGet(-heldBytes);
    if (keyless()) {
      gateway.turnstile().free(heldBytes);
    }
    heldBytes = 0;
    body = NOTHING;
  }

  private void whole(Inbound inbound) {
    answering = true;
    Route found = route;
    Dialect speaker = dialect();
    if (refusal != null) {
      problem(refusal, List.of());
      return;
    }
    if (found == null) {
      preflight(inbound);
      return;
    }
    inbound.body(body.length == bodyBytes ? body : Arrays.copyOf(body, bodyBytes));
    if (!inbound.isBodyAsSigned()) {
      problem(
          new Problem(
              Problem.Kind.UNAUTHENTICATED,
              "The body is not the one that was signed: its SHA-256 differs.",
              "invalid_signature"),
          List.of());
      return;
    }
    try {
      switch (found.action().on(inbound)) {
        case Reply.Whole whole ->
            whole(whole.status(), whole.contentType(), whole.body(), whole.headers(), true);
        case Reply.Asked asked -> {
          Exchange fresh =
              new Exchange(gateway, this, inbound, speaker, asked.call(), asked.renderer());
          exchange = fresh;
          fresh.start();
        }
      }
    } catch (Problem problem) {
      problem(problem, List.of());
    } catch (RuntimeException e) {
      LOG.log(Level.SEVERE, "a request could not be handled: " + inbound.id(), e);
      bug();
    }
  }

  /// Something of ours broke.
  void bug() {
    if (exchange != null) {
      ctx().close();
    } else {
      problem(
          new Problem(Problem.Kind.INTERNAL, "The gateway made a mistake.", "internal_error"),
          List.of());
    }
  }

  private void preflight(Inbound inbound) {
    String wanted = inbound.header("access-control-request-headers").orElse("authorization");
    whole(
        204,
        "text/plain",
        NOTHING,
        List.of(
            Map.entry("access-control-allow-methods", "GET, POST, DELETE"),
            Map.entry(
                "access-control-allow-headers",
                wanted.matches("[A-Za-z0-9, _-]{1,1000}") ? wanted : "authorization"),
            Map.entry("access-control-max-age", "600")),
        true);
  }

  private void refuseAndClose(Problem problem) {
    answering = true;
    keepAlive = false;
    problem(problem, List.of());
  }

  // ---- writing --------------------------------------------------------------------------------

  EventLoop loop() {
    return ctx().channel().eventLoop();
  }

  private ChannelHandlerContext ctx() {
    if (context == null) {
      throw new IllegalStateException("the connection is not open yet");
    }
    return context;
  }

  private Dialect dialect() {
    return dialect == null ? gateway.owner("/") : dialect;
  }

  ByteBuf buffer(int bytes) {
    return ctx().alloc().buffer(bytes);
  }

  /// Answers with a problem, in the dialect's shape.
  void problem(Problem problem, List<Map.Entry<String, String>> headers) {
    Reply.Whole shape = dialect().error(problem, in == null ? "" : in.id());
    List<Map.Entry<String, String>> all = new ArrayList<>(shape.headers());
    all.addAll(headers);
    if (problem.kind() == Problem.Kind.METHOD) {
      all.add(Map.entry("allow", allow));
    }
    OptionalLong retry = problem.retryAfterMs();
    if (retry.isPresent()) {
      long ms = Math.clamp(retry.getAsLong(), 1, 86_400_000);
      all.add(Map.entry("retry-after", Long.toString((ms + 999) / 1_000)));
      all.add(Map.entry("retry-after-ms", Long.toString(ms)));
    }
    whole(shape.status(), shape.contentType(), shape.body(), all, true);
  }

  /// Answers with a body that is complete.
  void whole(
      int status,
      String contentType,
      byte[] bytes,
      List<Map.Entry<String, String>> headers,
      boolean keepOpen) {
    whole(status, contentType, Unpooled.wrappedBuffer(bytes), headers, keepOpen);
  }

  /// The same; takes the buffer over.
  void whole(
      int status,
      String contentType,
      ByteBuf bytes,
      List<Map.Entry<String, String>> headers,
      boolean keepOpen) {
    int length = bytes.readableBytes();
    boolean headOnly = in != null && in.method().equals(HttpMethod.HEAD.name());
    if (headOnly) {
      bytes.release();
    } else {
      givenBytes += length;
    }
    DefaultFullHttpResponse response =
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1,
            HttpResponseStatus.valueOf(status),
            headOnly ? Unpooled.EMPTY_BUFFER : bytes,
            DefaultHttpHeadersFactory.headersFactory().withValidation(false).newHeaders(),
            EmptyHttpHeaders.INSTANCE);
    if (status != 204) {
      response.headers().set(HttpHeaderNames.CONTENT_TYPE, contentType);
      response.headers().setInt(HttpHeaderNames.CONTENT_LENGTH, length);
    }
    boolean stay = keepOpen && keepAlive;
    dress(response, headers, stay);
    ctx().write(response, ctx().voidPromise());
    finished(stay);
  }

  /// Begins an answer that comes piece by piece.
  void begin(String contentType, List<Map.Entry<String, String>> headers) {
    DefaultHttpResponse response =
        new DefaultHttpResponse(
            HttpVersion.HTTP_1_1,
            HttpResponseStatus.OK,
            DefaultHttpHeadersFactory.headersFactory().withValidation(false));
    HttpHeaders head = response.headers();
    head.set(HttpHeaderNames.CONTENT_TYPE, contentType);
    head.set(HttpHeaderNames.CACHE_CONTROL, HttpHeaderValues.NO_CACHE);
    head.set("x-accel-buffering", "no");
    if (chunks) {
      head.set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
    } else {
      keepAlive = false;
    }
    dress(response, headers, keepAlive);
    ctx().write(response, ctx().voidPromise());
  }

  private void dress(HttpResponse response, List<Map.Entry<String, String>> headers, boolean stay) {
    HttpHeaders head = response.headers();
    Inbound inbound = in;
    if (inbound != null) {
      head.set("x-request-id", inbound.id());
      head.set(
          "openai-processing-ms",
          Long.toString((System.nanoTime() - inbound.arrivedNs()) / 1_000_000));
      String origin = allowedOrigin(inbound);
      if (origin != null) {
        head.set(HttpHeaderNames.ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        head.set(
            HttpHeaderNames.ACCESS_CONTROL_EXPOSE_HEADERS,
            "payment-required, payment-response, x-request-id, retry-after");
        head.set(HttpHeaderNames.VARY, "origin");
      }
    }
    for (Map.Entry<String, String> header : headers) {
      head.set(header.getKey(), header.getValue());
    }
    if (!stay) {
      head.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    } else if (!chunks) {
      head.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.KEEP_ALIVE);
    }
  }

  /// A piece; takes the buffer over. Pieces of one turn of the loop leave as one.
  ///
  /// @return false if the client does not read: more than [GatewayLimits#UNREAD_BYTES] wait for it
  boolean piece(ByteBuf bytes) {
    givenBytes += bytes.readableBytes();
    ByteBuf all = gathered;
    if (all == null) {
      all = bytes;
      gathered = all;
    } else {
      all.writeBytes(bytes);
      bytes.release();
    }
    if (all.readableBytes() >= AT_ONCE_BYTES) {
      spill();
    }
    flushSoon();
    if (!ctx().channel().isWritable()) {
      ctx().flush();
      return ctx().channel().isWritable();
    }
    return true;
  }

  private void spill() {
    ByteBuf bytes = gathered;
    if (bytes != null) {
      gathered = null;
      ctx().write(new DefaultHttpContent(bytes), ctx().voidPromise());
    }
  }

  /// Ends an answer that came piece by piece.
  ///
  /// @param trailers what is known only now, for clients that read it
  void end(boolean keepOpen, List<Map.Entry<String, String>> trailers) {
    ByteBuf bytes = gathered;
    gathered = null;
    LastHttpContent last = LastHttpContent.EMPTY_LAST_CONTENT;
    if (bytes != null || !trailers.isEmpty()) {
      last =
          new DefaultLastHttpContent(
              bytes == null ? Unpooled.EMPTY_BUFFER : bytes,
              DefaultHttpHeadersFactory.trailersFactory().withValidation(false));
      if (chunks) {
        for (Map.Entry<String, String> trailer : trailers) {
          last.trailingHeaders().set(trailer.getKey(), trailer.getValue());
        }
      }
    }
    ctx().write(last, ctx().voidPromise());
    finished(keepOpen && keepAlive);
  }

  /// One flush for all that is written in one turn of the loop.
  private void flushSoon() {
    if (!flushing) {
      flushing = true;
      loop()
          .execute(() -> {
            flushing = false;
            spill();
            ctx().flush();
          });
    }
  }

  private void finished(boolean stay) {
    exchange = null;
    release();
    Inbound inbound = in;
    sinceMs = Gateway.nowMs();
    if (!stay) {
      closing = true;
      dropAhead();
      ctx().channel().config().setAutoRead(true);
      ctx()
          .writeAndFlush(Unpooled.EMPTY_BUFFER)
          .addListener(
              (ChannelFutureListener)
                  written -> {
                    if (inbound != null && written.isSuccess()) {
                      lastWords();
                    } else {
                      written.channel().close();
                    }
                  });
      return;
    }
    in = null;
    flushSoon();
    if (ahead.isEmpty()) {
      answering = false;
    } else {
      loop().execute(this::goOn);
    }
  }

  /// Tells the client that no more comes, and waits for it to close, so that it can read the answer
  /// even where it was still sending or is slow.
  private void lastWords() {
    ChannelHandlerContext ctx = ctx();
    if (ctx.channel() instanceof DuplexChannel duplex
        && ctx.pipeline().get(SslHandler.class) == null) {
      duplex.shutdownOutput();
      loop().schedule(() -> ctx.close(), GatewayLimits.UNREAD_MS, TimeUnit.MILLISECONDS);
    } else {
      ctx.close();
    }
  }

  /// Takes what the client sent ahead, as long as it reads its answers.
  private void goOn() {
    answering = false;
    while (!answering && !closing && ctx().channel().isWritable()) {
      Object next = ahead.poll();
      if (next == null) {
        aheadBytes = 0;
        ctx().channel().config().setAutoRead(true);
        return;
      }
      handle(next);
    }
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (!answering && !closing && ctx.channel().isWritable()) {
      loop()
          .execute(() -> {
            if (!answering) {
              goOn();
            }
          });
    }
  }

  private void dropAhead() {
    for (Object left = ahead.poll(); left != null; left = ahead.poll()) {
      ReferenceCountUtil.release(left);
    }
    aheadBytes = 0;
  }

  // ---- watching -------------------------------------------------------------------------------

  /// Closes a connection whose client does nothing: sends no request, half of one, or does not
  /// read.
  private void check() {
    ChannelHandlerContext ctx = ctx();
    long now = Gateway.nowMs();
    ChannelOutboundBuffer out = ctx.channel().unsafe().outboundBuffer();
    long pending = out == null ? 0 : out.totalPendingWriteBytes();
    if (drain.isStuck(givenBytes, pending, now)) {
      ctx.close();
      return;
    }
    if (closing || answering) {
      return;
    }
    if (in != null && now - sinceMs > GatewayLimits.REQUEST_MS) {
      refuseAndClose(
          new Problem(
              Problem.Kind.SLOW,
              "The request was not there within " + GatewayLimits.REQUEST_MS / 1_000 + " s.",
              "request_timeout"));
    } else if (in == null && now - sinceMs > GatewayLimits.IDLE_CONNECTION_MS) {
      ctx.close();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    closing = true;
    if (checking != null) {
      checking.cancel(false);
    }
    Exchange running = exchange;
    exchange = null;
    if (running != null) {
      running.hungUp();
    }
    release();
    dropAhead();
    if (gathered != null) {
      gathered.release();
      gathered = null;
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (!(cause instanceof IOException) && !(cause instanceof DecoderException)) {
      LOG.log(Level.WARNING, "a connection broke", cause);
    }
    ctx.close();
  }
}
