package dev.perseid.bench;

import dev.perseid.inference.HttpBackend;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/// A process that speaks OpenAI's protocol and computes nothing: what a gateway is measured in
/// front of. Prints its port, ends with its standard input.
///
/// `max_tokens` says how many tokens an answer has, and `interval_us=N` in `user` how far apart
/// they leave; without it they leave as fast as they are read. Each streamed token carries
/// `t=NANOSECONDS` of the machine's monotonic clock, so that who reads it on the same machine knows
/// how long it was on its way.
@SuppressWarnings("FutureReturnValueIgnored")
final class MockModel {
  private static final int BODY_BYTES = 1 << 20;
  private static final int USUAL_TOKENS = 40;
  private static final int MOST_TOKENS = 1_000_000;

  private static final byte[] WHOLE =
      ascii(
          """
          {"id":"chatcmpl-mock","object":"chat.completion","created":1,"model":"mock","choices":[\
          {"index":0,"message":{"role":"assistant","content":"%s","refusal":null},\
          "logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,\
          "completion_tokens":40,"total_tokens":50},"system_fingerprint":"fp_mock"}\
          """
              .formatted("hello world ".repeat(20)));
  private static final String CHUNK =
      """
      data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1,"model":"mock",\
      "choices":[%s]%s}

      """;
  private static final byte[] BEFORE;
  private static final byte[] AFTER;

  static {
    String[] parts =
        CHUNK
            .formatted(
                """
                {"index":0,"delta":{"content":"t=@ "},"logprobs":null,"finish_reason":null}\
                """,
                "")
            .split("@", -1);
    BEFORE = ascii(parts[0]);
    AFTER = ascii(parts[1]);
  }

  private static final byte[] MODELS =
      ascii(
          """
          {"object":"list","data":[{"id":"mock","object":"model","created":1,"owned_by":"mock"}]}\
          """);

  private MockModel() {}

  public static void main(String[] args) throws IOException {
    EventLoopGroup loops = HttpBackend.loops(2);
    Channel listening =
        new ServerBootstrap()
            .group(loops)
            .channel(
                Epoll.isAvailable() ? EpollServerSocketChannel.class : NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, 4_096)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    channel
                        .pipeline()
                        .addLast(
                            new HttpServerCodec(),
                            new HttpObjectAggregator(BODY_BYTES),
                            new Answering());
                  }
                })
            .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .syncUninterruptibly()
            .channel();
    System.out.println(((InetSocketAddress) listening.localAddress()).getPort());
    System.in.transferTo(OutputStream.nullOutputStream());
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(5, TimeUnit.SECONDS);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /// The number that follows a word in a body.
  private static int number(String body, String word, int usual) {
    int at = body.indexOf(word);
    if (at < 0) {
      return usual;
    }
    at += word.length();
    int value = 0;
    for (; at < body.length() && value < MOST_TOKENS; at++) {
      char c = body.charAt(at);
      if (c >= '0' && c <= '9') {
        value = value * 10 + c - '0';
      } else if (c != ' ') {
        break;
      }
    }
    return Math.min(value, MOST_TOKENS);
  }

  /// One connection.
  private static final class Answering extends SimpleChannelInboundHandler<FullHttpRequest> {
    private int made;
    private int left;
    private long intervalNs;
    private long dueNs;
    private boolean streaming;

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
      if (request.method().equals(HttpMethod.GET)) {
        boolean models = request.uri().equals("/v1/models");
        whole(
            ctx,
            models ? HttpResponseStatus.OK : HttpResponseStatus.NOT_FOUND,
            models ? MODELS : new byte[0]);
        return;
      }
      String body = request.content().toString(StandardCharsets.ISO_8859_1);
      if (!body.contains("\"stream\":true")) {
        whole(ctx, HttpResponseStatus.OK, WHOLE);
        return;
      }
      made = 0;
      left = number(body, "\"max_tokens\":", USUAL_TOKENS);
      intervalNs = number(body, "interval_us=", 0) * 1_000L;
      streaming = true;
      HttpResponse head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
      head.headers()
          .set(HttpHeaderNames.CONTENT_TYPE, "text/event-stream")
          .set(HttpHeaderNames.TRANSFER_ENCODING, "chunked");
      ctx.write(head);
      dueNs = System.nanoTime();
      if (intervalNs == 0) {
        pour(ctx);
      } else {
        tick(ctx);
      }
    }

    private static void whole(ChannelHandlerContext ctx, HttpResponseStatus status, byte[] body) {
      DefaultFullHttpResponse answer =
          new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status, Unpooled.wrappedBuffer(body));
      answer
          .headers()
          .set(HttpHeaderNames.CONTENT_TYPE, "application/json")
          .setInt(HttpHeaderNames.CONTENT_LENGTH, body.length);
      ctx.writeAndFlush(answer);
    }

    private void token(ChannelHandlerContext ctx) {
      ByteBuf out = ctx.alloc().buffer(BEFORE.length + 20 + AFTER.length);
      out.writeBytes(BEFORE);
      ByteBufUtil.writeAscii(out, Long.toString(System.nanoTime()));
      out.writeBytes(AFTER);
      ctx.write(new DefaultHttpContent(out));
      made++;
      left--;
    }

    private void end(ChannelHandlerContext ctx) {
      streaming = false;
      String finish =
          CHUNK.formatted(
              """
              {"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}\
              """,
              "");
      String usage =
          CHUNK.formatted(
              "",
              """
              ,"usage":{"prompt_tokens":10,"completion_tokens":%d,"total_tokens":%d}\
              """
                  .formatted(made, made + 10));
      ctx.write(
          new DefaultHttpContent(
              Unpooled.wrappedBuffer(ascii(finish + usage + "data: [DONE]\n\n"))));
      ctx.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
    }

    private void tick(ChannelHandlerContext ctx) {
      if (!ctx.channel().isActive()) {
        return;
      }
      if (left == 0) {
        end(ctx);
        return;
      }
      token(ctx);
      ctx.flush();
      dueNs += intervalNs;
      ctx.executor()
          .schedule(() -> tick(ctx), Math.max(0, dueNs - System.nanoTime()), TimeUnit.NANOSECONDS);
    }

    /// As many as are read, eight to a packet, as a server makes that answers many at once.
    private void pour(ChannelHandlerContext ctx) {
      while (streaming && ctx.channel().isWritable()) {
        for (int i = 0; i < 8 && left > 0; i++) {
          token(ctx);
        }
        if (left == 0) {
          end(ctx);
        } else {
          ctx.flush();
        }
      }
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
      if (streaming && intervalNs == 0) {
        pour(ctx);
      }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      ctx.close();
    }
  }
}
