package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.ToProvider;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Semaphore;

/// One provider's stream, the pool's end: what is sent waits in a queue of its own, so that a
/// provider that does not read holds up nobody but itself.
final class PoolStream {
  final Address provider;
  final long session;
  final Semaphore room = new Semaphore(PoolLimits.STREAM_WAITING_BYTES);
  private final StreamObserver<Proto.ToProvider> out;
  private final BlobGrants grants;
  private final Runnable ended;
  // An empty one ends the stream.
  private final ArrayBlockingQueue<Optional<ToProvider>> queue =
      new ArrayBlockingQueue<>(PoolLimits.STREAM_OUTGOING);
  private final Thread writer;
  private volatile boolean closed;

  /// @param ended runs once, on the writer's thread, when the stream is over
  PoolStream(
      Address provider,
      long session,
      StreamObserver<Proto.ToProvider> out,
      BlobGrants grants,
      Runnable ended) {
    this.provider = provider;
    this.session = session;
    this.out = out;
    this.grants = grants;
    this.ended = ended;
    this.writer = Thread.ofVirtual().name("to-" + provider).start(this::write);
  }

  /// Queues a message; cuts the provider off if too many wait. Never blocks.
  void send(ToProvider m) {
    if (!closed && !queue.offer(Optional.of(m))) {
      close();
    }
  }

  /// Ends the stream without a word.
  void close() {
    closed = true;
    writer.interrupt();
  }

  /// Ends the stream after what is queued.
  void end() {
    if (!queue.offer(Optional.empty())) {
      close();
    }
  }

  private void write() {
    try {
      while (!closed) {
        Optional<ToProvider> next = queue.take();
        if (next.isEmpty()) {
          break;
        }
        ToProvider m = next.get();
        if (m instanceof ToProvider.Leases l) {
          grant(l.leases());
        }
        for (Proto.ToProvider part : Translation.write(m)) {
          out.onNext(part);
        }
        if (m instanceof ToProvider.Refusal) {
          break;
        }
      }
      closed = true;
      out.onCompleted();
    } catch (InterruptedException e) {
      hangUp();
    } catch (IOException | RuntimeException e) {
      // The connection broke, or the grants cannot be written; the provider will come back.
      hangUp();
    } finally {
      closed = true;
      ended.run();
    }
  }

  private void hangUp() {
    try {
      out.onError(
          io.grpc.Status.UNAVAILABLE
              .withDescription("the pool ended this stream: connect again")
              .asRuntimeException());
    } catch (RuntimeException e) {
      // It is gone already.
    }
  }

  private void grant(List<Lease> leases) throws IOException {
    Set<Hash> named = new LinkedHashSet<>();
    for (Lease l : leases) {
      named.add(l.kind().module().hash());
      for (Blob b : l.inputs()) {
        named.add(b.hash());
      }
    }
    grants.give(provider, new ArrayList<>(named));
  }
}
