package dev.perseid.inference;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import org.jspecify.annotations.Nullable;

/// One connection to a server, with at most one exchange on it.
final class HttpConnection extends ChannelInboundHandlerAdapter {
  private final HttpLane lane;
  private final Channel channel;
  private final ChannelFutureListener written = this::written;
  private @Nullable HttpExchange exchange;
  private boolean used;
  private boolean keep;
  private boolean informational;

  /// Since when nobody uses it.
  long idleNs;

  HttpConnection(HttpLane lane, Channel channel) {
    this.lane = lane;
    this.channel = channel;
  }

  /// Whether it can carry another exchange.
  boolean usable() {
    return channel.isActive() && exchange == null;
  }

  /// Sends a request and gives its answer to the exchange.
  void carry(HttpExchange x) {
    exchange = x;
    x.connection = this;
    keep = false;
    informational = false;
    x.sent();
    channel.writeAndFlush(x.encode(channel.alloc())).addListener(written);
  }

  private void written(ChannelFuture future) {
    if (!future.isSuccess()) {
      lost("It closed the connection.");
    }
  }

  /// Closes it without a word to the exchange.
  void drop() {
    exchange = null;
    var _ = channel.close();
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    try {
      HttpExchange x = exchange;
      if (x == null || !(msg instanceof HttpObject part)) {
        // Nobody asked for it: what follows could be taken for the answer to another request.
        drop();
        return;
      }
      x.heard = true;
      if (part.decoderResult().isFailure()) {
        broken(x, "It does not speak HTTP properly.");
        return;
      }
      if (part instanceof HttpResponse head) {
        informational = head.status().codeClass() == HttpStatusClass.INFORMATIONAL;
        if (!informational) {
          keep = HttpUtil.isKeepAlive(head);
          x.head(head);
        } else if (head.status().code() == 101) {
          broken(x, "It switched to another protocol.");
          return;
        }
      }
      if (part instanceof HttpContent content && !informational) {
        if (content.content().isReadable() && x.connection != null) {
          x.body(content.content());
        }
        if (content instanceof LastHttpContent && x.connection != null) {
          finish(x);
        }
      }
    } finally {
      ReferenceCountUtil.release(msg);
    }
  }

  private void finish(HttpExchange x) {
    exchange = null;
    x.connection = null;
    lane.forget(x);
    used = true;
    if (keep && channel.isActive()) {
      lane.keep(this);
    } else {
      var _ = channel.close();
    }
    x.ended();
  }

  private void broken(HttpExchange x, String message) {
    x.hangUp();
    x.failed(Failure.Kind.BROKEN, message);
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    lost("It closed the connection before the answer was complete.");
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    lost(
        cause instanceof javax.net.ssl.SSLException
                || cause.getCause() instanceof javax.net.ssl.SSLException
            ? "It could not prove who it is (TLS)."
            : "The connection to it broke.");
  }

  private void lost(String message) {
    HttpExchange x = exchange;
    drop();
    if (x == null) {
      lane.unkeep(this);
      return;
    }
    x.connection = null;
    if (used && !x.heard && x.open()) {
      // It had been kept too long: the server was just closing it, and has not read the request.
      lane.again(x);
    } else {
      lane.forget(x);
      x.failed(Failure.Kind.BROKEN, message);
    }
  }
}
