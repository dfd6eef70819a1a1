package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.FromProvider;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// One connection's stream to the pool. The pool is read no faster than its messages are handled.
final class ProviderStream implements ClientResponseObserver<Proto.FromProvider, Proto.ToProvider> {
  private final Address self;
  private final Channel channel;
  private final ProviderConnector.Events events;
  private final CompletableFuture<String> ended = new CompletableFuture<>();
  private final CompletableFuture<Boolean> welcomed = new CompletableFuture<>();
  private volatile @Nullable ClientCallStreamObserver<Proto.FromProvider> requests;

  /// @param channel the connection on which it is
  ProviderStream(Address self, Channel channel, ProviderConnector.Events events) {
    this.self = self;
    this.channel = channel;
    this.events = events;
  }

  /// The connection on which it is.
  Channel channel() {
    return channel;
  }

  /// Completes with the reason when the stream is over.
  CompletableFuture<String> ended() {
    return ended;
  }

  /// Completes when the pool has welcomed it.
  CompletableFuture<Boolean> welcome() {
    return welcomed;
  }

  /// Tells that the pool has welcomed it.
  void welcomed() {
    welcomed.complete(true);
  }

  /// Sends one message; does nothing when the stream is over.
  void send(FromProvider message) {
    ClientCallStreamObserver<Proto.FromProvider> out = requests;
    if (out == null || ended.isDone()) {
      return;
    }
    try {
      out.onNext(Translation.write(message));
      if (message instanceof FromProvider.Goodbye) {
        out.onCompleted();
      }
    } catch (IllegalStateException e) {
      // The call was cancelled meanwhile; its end is on the way.
      ended.complete("the connection to the pool was lost: " + e.getMessage());
    }
  }

  /// One received message is handled; the next may come.
  void handled() {
    ClientCallStreamObserver<Proto.FromProvider> out = requests;
    if (out != null) {
      out.request(1);
    }
  }

  /// Ends the stream from this side.
  void cancel(String why) {
    ended.complete(why);
    ClientCallStreamObserver<Proto.FromProvider> out = requests;
    if (out != null) {
      out.cancel(why, null);
    }
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<Proto.FromProvider> out) {
    out.disableAutoRequestWithInitial(ProviderLimits.WAITING_MESSAGES);
    requests = out;
  }

  @Override
  public void onNext(Proto.ToProvider message) {
    try {
      events.received(this, Translation.read(message, self));
    } catch (Malformed e) {
      cancel("the pool sent a malformed message: " + e.getMessage());
    }
  }

  @Override
  public void onError(Throwable t) {
    Status s = Status.fromThrowable(t);
    String detail = s.getDescription() == null ? "" : ": " + s.getDescription();
    ended.complete("the connection to the pool was lost (" + s.getCode() + detail + ")");
  }

  @Override
  public void onCompleted() {
    ended.complete("the pool ended the connection");
  }
}
