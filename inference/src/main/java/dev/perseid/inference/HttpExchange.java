package dev.perseid.inference;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.codec.http.HttpResponse;
import org.jspecify.annotations.Nullable;

/// One request over HTTP and its answer. Everything in it happens on the event loop of its lane.
abstract class HttpExchange {
  /// Where it is under way.
  final HttpLane lane;

  /// Its connection, while it has one.
  @Nullable HttpConnection connection;

  /// Its place in the lane's list of open exchanges, -1 if it is not there.
  int place = -1;

  /// When its time is up, on the clock of `System.nanoTime`.
  long deadlineNs;

  /// Whether a byte of the answer has come.
  boolean heard;

  HttpExchange(HttpLane lane) {
    this.lane = lane;
  }

  /// Head and body, ready to be sent; may be asked for twice.
  abstract ByteBuf encode(ByteBufAllocator allocator);

  /// It was sent.
  abstract void sent();

  /// The head of the answer came.
  abstract void head(HttpResponse response);

  /// Bytes of the answer's body came. They are not the exchange's.
  abstract void body(ByteBuf bytes);

  /// The answer's HTTP message is complete, and the connection given back.
  abstract void ended();

  /// There will be no more of the answer; the connection is closed.
  abstract void failed(Failure.Kind kind, String message);

  /// Its deadline has come.
  abstract void expired();

  /// Whether what comes is still of interest.
  abstract boolean open();

  /// Closes its connection.
  final void hangUp() {
    HttpConnection c = connection;
    connection = null;
    lane.forget(this);
    if (c != null) {
      c.drop();
    }
  }
}
