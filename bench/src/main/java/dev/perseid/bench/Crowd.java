package dev.perseid.bench;

import dev.perseid.inference.HttpBackend;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A process full of clients that ask a chat model over HTTP: reads one [Wave] a line, answers each
/// with one line, its [Tally]. All clients are on one thread, so that they take at most one
/// processor from what they measure.
@SuppressWarnings("FutureReturnValueIgnored")
final class Crowd {
  /// How long answers may be out after a wave's time.
  private static final long AFTER_MS = 15_000;

  private static final long AGAIN_MS = 10;

  /// Over this time the clients of a wave begin, so that they do not all speak at once.
  private static final long BEGIN_MS = 500;

  private static final String PROMPT = "Say hello to the world. ".repeat(20);

  enum Kind {
    /// Each client asks again when it has its answer.
    CLOSED,
    /// So many requests a second, whether answers come or not.
    OPEN,
    /// As [#CLOSED], with answers in streams.
    STREAMS
  }

  /// @param clients of [Kind#OPEN]: requests a second
  /// @param tokens of one answer
  /// @param intervalUs between two tokens; 0 for as fast as can be
  /// @param headers further ones, each with its line end written as `|`
  record Wave(
      Kind kind,
      int port,
      long ms,
      int clients,
      int tokens,
      long intervalUs,
      String model,
      String headers) {
    String line() {
      return String.join(
          "\t",
          kind.name(),
          "" + port,
          "" + ms,
          "" + clients,
          "" + tokens,
          "" + intervalUs,
          model,
          headers);
    }

    static Wave of(String line) {
      String[] f = line.split("\t", -1);
      return new Wave(
          Kind.valueOf(f[0]),
          Integer.parseInt(f[1]),
          Long.parseLong(f[2]),
          Integer.parseInt(f[3]),
          Integer.parseInt(f[4]),
          Long.parseLong(f[5]),
          f[6],
          f[7]);
    }

    byte[] request() {
      boolean stream = kind == Kind.STREAMS;
      String body =
          """
          {"model":"%s","messages":[{"role":"system","content":"You are a helpful assistant."},\
          {"role":"user","content":"%s"}],"max_tokens":%d,"temperature":0.7,"stream":%b,\
          "user":"interval_us=%d"}\
          """
              .formatted(model, PROMPT, tokens, stream, intervalUs);
      return ("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:"
              + port
              + "\r\nContent-Type: application/json\r\n"
              + headers.replace("|", "\r\n")
              + "Content-Length: "
              + body.length()
              + "\r\n\r\n"
              + body)
          .getBytes(StandardCharsets.US_ASCII);
    }
  }

  /// What came of a wave. A quarter of its time passes before anything but requests is counted.
  ///
  /// @param perSecond answers
  /// @param tokensPerS streamed ones
  /// @param p50Us from when a request was due to the end of its answer
  /// @param firstP50Us from a request to the first byte of the answer's body
  /// @param delayP50Us of tokens, from the model to the client
  /// @param problem the first thing that went wrong
  record Tally(
      long done,
      long failed,
      double perSecond,
      double tokensPerS,
      long p50Us,
      long p99Us,
      long firstP50Us,
      long firstP99Us,
      long delayP50Us,
      long delayP99Us,
      String problem) {
    String line() {
      return String.join(
          "\t",
          "" + done,
          "" + failed,
          "" + perSecond,
          "" + tokensPerS,
          "" + p50Us,
          "" + p99Us,
          "" + firstP50Us,
          "" + firstP99Us,
          "" + delayP50Us,
          "" + delayP99Us,
          problem.replaceAll("[\\p{Cntrl}]", " "));
    }

    static Tally of(String line) {
      String[] f = line.split("\t", -1);
      return new Tally(
          Long.parseLong(f[0]),
          Long.parseLong(f[1]),
          Double.parseDouble(f[2]),
          Double.parseDouble(f[3]),
          Long.parseLong(f[4]),
          Long.parseLong(f[5]),
          Long.parseLong(f[6]),
          Long.parseLong(f[7]),
          Long.parseLong(f[8]),
          Long.parseLong(f[9]),
          f[10]);
    }
  }

  private final EventLoop loop;
  private final Wave wave;
  private final byte[] request;
  private final CompletableFuture<Tally> over = new CompletableFuture<>();
  private final ArrayDeque<Client> idle = new ArrayDeque<>();
  private final List<Client> all = new ArrayList<>();
  private final byte[] bytes = new byte[64 << 10];
  private final Longs latencies = new Longs();
  private final Longs firsts = new Longs();
  private final Longs delays = new Longs();
  private long begunNs;
  private long countNs;
  private long endNs;
  private long asked;
  private long running;
  private long done;
  private long counted;
  private long failed;
  private long tokens;
  private String problem = "";

  private Crowd(EventLoop loop, Wave wave) {
    this.loop = loop;
    this.wave = wave;
    this.request = wave.request();
  }

  public static void main(String[] args) throws IOException {
    EventLoopGroup loops = HttpBackend.loops(1);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      Crowd crowd = new Crowd(loops.next(), Wave.of(line));
      crowd.loop.execute(crowd::begin);
      System.out.println(crowd.over.join().line());
    }
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(5, TimeUnit.SECONDS);
  }

  private void begin() {
    begunNs = System.nanoTime();
    long ns = TimeUnit.MILLISECONDS.toNanos(wave.ms());
    countNs = begunNs + ns / 4;
    endNs = begunNs + ns;
    if (wave.kind() == Kind.OPEN) {
      due();
    } else {
      for (int i = 0; i < wave.clients(); i++) {
        long ms = Math.min(BEGIN_MS, wave.ms() / 8) * i / wave.clients();
        running++;
        loop.schedule(() -> new Client(0).open(), ms, TimeUnit.MILLISECONDS);
      }
    }
    loop.schedule(this::look, wave.ms(), TimeUnit.MILLISECONDS);
    loop.schedule(this::giveUp, wave.ms() + AFTER_MS, TimeUnit.MILLISECONDS);
  }

  /// Asks what is due by now, and comes again when the next one is.
  private void due() {
    long gapNs = 1_000_000_000L / wave.clients();
    long now = System.nanoTime();
    long dueNs = begunNs + asked * gapNs;
    while (dueNs - now <= 0 && dueNs - endNs < 0) {
      asked++;
      running++;
      Client client = idle.poll();
      if (client == null) {
        new Client(dueNs).open();
      } else {
        client.ask(dueNs);
      }
      dueNs += gapNs;
    }
    if (dueNs - endNs < 0) {
      loop.schedule(this::due, dueNs - System.nanoTime(), TimeUnit.NANOSECONDS);
    }
  }

  private void look() {
    if (running == 0 && System.nanoTime() - endNs >= 0 && !over.isDone()) {
      finish();
    }
  }

  private void giveUp() {
    if (!over.isDone()) {
      failed += running;
      problem = problem.isEmpty() ? "no answer in " + AFTER_MS + " ms" : problem;
      finish();
    }
  }

  private void finish() {
    double seconds = (endNs - countNs) / 1e9;
    over.complete(
        new Tally(
            done,
            failed,
            counted / seconds,
            tokens / seconds,
            latencies.percentile(50),
            latencies.percentile(99),
            firsts.percentile(50),
            firsts.percentile(99),
            delays.percentile(50),
            delays.percentile(99),
            problem));
    all.forEach(Client::close);
  }

  private boolean counts(long nowNs) {
    return nowNs - countNs >= 0 && nowNs - endNs < 0;
  }

  /// One connection.
  private final class Client extends ChannelInboundHandlerAdapter implements AnswerReader.Heard {
    private final AnswerReader reader = new AnswerReader(this);
    private @Nullable Channel channel;
    private long dueNs;
    private boolean asking;

    Client(long dueNs) {
      this.dueNs = dueNs;
    }

    void open() {
      all.add(this);
      asking = true;
      ChannelFuture opening =
          new Bootstrap()
              .group(loop)
              .channel(Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class)
              .option(ChannelOption.TCP_NODELAY, true)
              .handler(
                  new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel opened) {
                      opened.pipeline().addLast(Client.this);
                    }
                  })
              .connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), wave.port()));
      opening.addListener(
          (ChannelFutureListener)
              opened -> {
                if (opened.isSuccess()) {
                  channel = opened.channel();
                  ask(dueNs);
                } else {
                  failed("cannot connect: " + opened.cause().getMessage());
                }
              });
    }

    /// @param from when it was due; 0 for now
    void ask(long from) {
      dueNs = from == 0 ? System.nanoTime() : from;
      asking = true;
      if (channel != null) {
        channel.writeAndFlush(Unpooled.wrappedBuffer(request));
      }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) throws IOException {
      ByteBuf in = (ByteBuf) message;
      try {
        while (in.isReadable()) {
          int n = Math.min(bytes.length, in.readableBytes());
          in.readBytes(bytes, 0, n);
          reader.read(bytes, n);
        }
      } finally {
        in.release();
      }
    }

    @Override
    public void begun() {
      firsts.add((System.nanoTime() - dueNs) / 1_000);
    }

    @Override
    public void token(long stampNs) {
      long now = System.nanoTime();
      if (counts(now)) {
        tokens++;
        delays.add((now - stampNs) / 1_000);
      }
    }

    @Override
    public void ended() {
      if (reader.status() != 200) {
        failed("status " + reader.status() + ": " + reader.said());
        return;
      }
      long now = System.nanoTime();
      done++;
      if (counts(now)) {
        counted++;
      }
      if (counts(dueNs)) {
        latencies.add((now - dueNs) / 1_000);
      }
      asking = false;
      if (wave.kind() == Kind.OPEN) {
        running--;
        idle.push(this);
        look();
      } else if (now - endNs < 0) {
        ask(0);
      } else {
        running--;
        look();
      }
    }

    private void failed(String why) {
      if (!asking) {
        return;
      }
      asking = false;
      failed++;
      problem = problem.isEmpty() ? why : problem;
      close();
      if (wave.kind() != Kind.OPEN && System.nanoTime() - endNs < 0 && !over.isDone()) {
        loop.schedule(() -> new Client(0).open(), AGAIN_MS, TimeUnit.MILLISECONDS);
      } else {
        running--;
        look();
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      idle.remove(this);
      failed("the connection was closed before the answer ended");
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      failed(String.valueOf(cause.getMessage()));
    }

    void close() {
      asking = false;
      if (channel != null) {
        channel.close();
      }
    }
  }
}
