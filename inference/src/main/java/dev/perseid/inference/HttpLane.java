package dev.perseid.inference;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpResponseDecoder;
import java.net.ConnectException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The connections to one server on one event loop: those that carry an exchange and those that are
/// kept. One timer looks at all deadlines, so that an exchange costs none of its own.
final class HttpLane {
  /// The thread on which all of this happens.
  final EventLoop loop;

  private final HttpPeer peer;
  private final Bootstrap bootstrap;
  private final ArrayDeque<HttpConnection> kept = new ArrayDeque<>();
  private final List<HttpExchange> open = new ArrayList<>();
  private boolean ticking;
  private boolean closed;

  HttpLane(EventLoop loop, Class<? extends Channel> type, HttpPeer peer) {
    this.loop = loop;
    this.peer = peer;
    this.bootstrap =
        new Bootstrap()
            .group(loop)
            .channel(type)
            .option(ChannelOption.TCP_NODELAY, true)
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, peer.settings().connectMs())
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    peer.secure(channel);
                    channel
                        .pipeline()
                        .addLast(
                            new HttpResponseDecoder(
                                new HttpDecoderConfig()
                                    .setMaxHeaderSize(BackendLimits.HEAD_BYTES)
                                    .setMaxChunkSize(64 << 10)))
                        .addLast(new HttpConnection(HttpLane.this, channel));
                  }
                });
  }

  /// Sends an exchange on its way.
  void start(HttpExchange x) {
    if (closed) {
      x.failed(Failure.Kind.BROKEN, "The backend is closed.");
      return;
    }
    x.place = open.size();
    open.add(x);
    x.deadlineNs =
        System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(peer.settings().connectMs() + 1_000L);
    tickLater();
    for (HttpConnection c = kept.pollLast(); c != null; c = kept.pollLast()) {
      if (c.usable()) {
        c.carry(x);
        return;
      }
      c.drop();
    }
    connect(x);
  }

  /// Sends an exchange on its way once more, over a new connection.
  void again(HttpExchange x) {
    connect(x);
  }

  private void connect(HttpExchange x) {
    var _ =
        bootstrap
            .connect(peer.address())
            .addListener((ChannelFuture future) -> connected(future, x));
  }

  private void connected(ChannelFuture future, HttpExchange x) {
    if (!future.isSuccess()) {
      Throwable cause = future.cause();
      forget(x);
      peer.unreachable(cause instanceof ConnectException);
      if (x.open()) {
        x.failed(Failure.Kind.BROKEN, "The model's server cannot be reached.");
      }
      return;
    }
    HttpConnection c = future.channel().pipeline().get(HttpConnection.class);
    if (c == null) {
      // Closed in the meantime, before anything could be sent.
      forget(x);
      if (x.open()) {
        x.failed(Failure.Kind.BROKEN, "The model's server closed the connection.");
      }
    } else if (x.open() && !closed) {
      c.carry(x);
    } else {
      keep(c);
    }
  }

  /// The exchange needs no more time.
  void forget(HttpExchange x) {
    int at = x.place;
    if (at < 0) {
      return;
    }
    x.place = -1;
    HttpExchange last = open.removeLast();
    if (at < open.size()) {
      open.set(at, last);
      last.place = at;
    }
  }

  /// Keeps a connection for the next exchange.
  void keep(HttpConnection c) {
    if (closed || kept.size() >= BackendLimits.KEEP_CONNECTIONS) {
      c.drop();
      return;
    }
    c.idleNs = System.nanoTime();
    kept.addLast(c);
    tickLater();
  }

  /// A kept connection is gone.
  void unkeep(HttpConnection c) {
    kept.remove(c);
  }

  private void tickLater() {
    if (!ticking) {
      ticking = true;
      var _ = loop.schedule(this::tick, BackendLimits.TICK_MS, TimeUnit.MILLISECONDS);
    }
  }

  private void tick() {
    ticking = false;
    long now = System.nanoTime();
    for (int i = open.size() - 1; i >= 0; i--) {
      // An exchange that ends takes others along: the list may have become shorter.
      if (i < open.size() && now - open.get(i).deadlineNs >= 0) {
        open.get(i).expired();
      }
    }
    long old = now - TimeUnit.MILLISECONDS.toNanos(BackendLimits.KEEP_MS);
    for (HttpConnection c = oldest(); c != null && c.idleNs - old < 0; c = oldest()) {
      kept.removeFirst();
      c.drop();
    }
    if (!open.isEmpty() || !kept.isEmpty()) {
      tickLater();
    }
  }

  private @Nullable HttpConnection oldest() {
    return kept.peekFirst();
  }

  /// Ends everything on this lane.
  void close() {
    closed = true;
    while (!open.isEmpty()) {
      HttpExchange x = open.getLast();
      x.hangUp();
      if (x.open()) {
        x.failed(Failure.Kind.BROKEN, "The backend is closed.");
      }
    }
    for (HttpConnection c = kept.pollLast(); c != null; c = kept.pollLast()) {
      c.drop();
    }
  }
}
