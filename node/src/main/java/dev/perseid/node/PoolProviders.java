package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Rejection;
import dev.perseid.core.ToProvider;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import dev.perseid.wire.v1.ProvidersGrpc;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.InstantSource;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// Providers' streams, the side on which they speak. What a stream has sent and the loop has not
/// yet taken is bounded; beyond that the stream is not read, and the network holds the provider up.
final class PoolProviders extends ProvidersGrpc.ProvidersImplBase {
  private final PoolMill mill;
  private final PoolStreams streams;
  private final Sessions sessions;
  private final InstantSource clock;
  private final AtomicLong lastSession;
  private final Semaphore room;

  /// @param lastSession the highest session number that the state knows
  /// @param room bytes that all streams together may have waiting
  PoolProviders(
      PoolMill mill,
      PoolStreams streams,
      Sessions sessions,
      InstantSource clock,
      long lastSession,
      Semaphore room) {
    this.mill = mill;
    this.streams = streams;
    this.sessions = sessions;
    this.clock = clock;
    this.lastSession = new AtomicLong(lastSession);
    this.room = room;
  }

  @Override
  public StreamObserver<Proto.FromProvider> serve(StreamObserver<Proto.ToProvider> out) {
    Sessions.Session caller = PoolServer.CALLER.get();
    Optional<PoolStream> stream = streams.open(caller.caller, lastSession.incrementAndGet(), out);
    if (stream.isEmpty()) {
      out.onError(
          Status.RESOURCE_EXHAUSTED
              .withDescription(
                  "this provider has "
                      + PoolLimits.STREAMS_OF_ONE
                      + " streams open: end the others first")
              .asRuntimeException());
      return new Deaf();
    }
    return new Ear(stream.get(), caller, Network.of(PoolServer.FROM.get()));
  }

  /// Listens to nothing.
  private static final class Deaf implements StreamObserver<Proto.FromProvider> {
    @Override
    public void onNext(Proto.FromProvider m) {}

    @Override
    public void onError(Throwable t) {}

    @Override
    public void onCompleted() {}
  }

  /// Listens to one stream.
  private final class Ear implements StreamObserver<Proto.FromProvider> {
    private final PoolStream stream;
    private final Sessions.Session caller;
    private final String network;
    private boolean over;

    Ear(PoolStream stream, Sessions.Session caller, String network) {
      this.stream = stream;
      this.caller = caller;
      this.network = network;
    }

    @Override
    public void onNext(Proto.FromProvider m) {
      if (over) {
        return;
      }
      FromProvider message;
      try {
        message = Translation.read(m);
      } catch (Malformed e) {
        end(Rejection.Code.INVALID, String.valueOf(e.getMessage()));
        return;
      }
      if (!sessions.message(caller, clock.millis())) {
        end(
            Rejection.Code.OVERLOADED,
            "more than " + PoolLimits.CALLS_PER_S + " messages a second: send larger batches");
        return;
      }
      int bytes = Math.max(64, m.getSerializedSize());
      try {
        if (!stream.room.tryAcquire(bytes, PoolLimits.COMMAND_MS, TimeUnit.MILLISECONDS)) {
          end(Rejection.Code.OVERLOADED, "the pool is overloaded: connect again later");
          return;
        }
        if (!room.tryAcquire(bytes, PoolLimits.COMMAND_MS, TimeUnit.MILLISECONDS)) {
          stream.room.release(bytes);
          end(Rejection.Code.OVERLOADED, "the pool is overloaded: connect again later");
          return;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        stream.close();
        over = true;
        return;
      }
      Address provider = stream.provider;
      mill.post(loop -> {
        room.release(bytes);
        stream.room.release(bytes);
        loop.receive(provider, stream.session, network, message);
      });
    }

    private void end(Rejection.Code code, String message) {
      over = true;
      stream.send(new ToProvider.Refusal(new Rejection(code, message)));
    }

    @Override
    public void onError(Throwable t) {
      over = true;
      stream.close();
    }

    @Override
    public void onCompleted() {
      over = true;
      // The provider may have said goodbye; what the loop answers to that still goes out.
      mill.post(loop -> stream.end());
    }
  }
}
