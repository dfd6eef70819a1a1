package dev.perseid.node;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/// Messages on their way to one peer: they wait in a bounded queue and a thread of their own writes
/// them, so that a peer that does not read holds up nobody but itself.
final class Outflow<T> {
  /// Writes one message.
  interface Pen<T> {
    /// Returns whether more may follow.
    boolean write(T message) throws IOException;
  }

  private record Waiting<T>(T message, long bytes) {}

  private final StreamObserver<?> out;
  private final Pen<T> pen;
  private final int mostMessages;
  private final long mostBytes;
  private final Runnable ended;
  private final Thread writer;
  private final ArrayDeque<Waiting<T>> queue = new ArrayDeque<>();
  private long queuedBytes;
  private boolean ending;
  private boolean closed;

  /// @param ended runs once, on the writer's thread, when the stream is over
  Outflow(
      String name,
      StreamObserver<?> out,
      Pen<T> pen,
      int mostMessages,
      long mostBytes,
      Runnable ended) {
    this.out = out;
    this.pen = pen;
    this.mostMessages = mostMessages;
    this.mostBytes = mostBytes;
    this.ended = ended;
    this.writer = Thread.ofVirtual().name(name).start(this::run);
  }

  /// Queues a message; false if it is over or too much waits. Never blocks.
  synchronized boolean send(T message, long bytes) {
    if (closed || ending || queue.size() >= mostMessages || queuedBytes + bytes > mostBytes) {
      return false;
    }
    queue.add(new Waiting<>(message, bytes));
    queuedBytes += bytes;
    notifyAll();
    return true;
  }

  /// Ends the stream without a word.
  synchronized void close() {
    closed = true;
    notifyAll();
    writer.interrupt();
  }

  /// Ends the stream after what is queued.
  synchronized void end() {
    ending = true;
    notifyAll();
  }

  private synchronized @Nullable Waiting<T> next() throws InterruptedException {
    while (queue.isEmpty() && !ending && !closed) {
      wait();
    }
    if (closed) {
      throw new InterruptedException();
    }
    Waiting<T> next = queue.poll();
    if (next != null) {
      queuedBytes -= next.bytes;
    }
    return next;
  }

  private void run() {
    try {
      for (Waiting<T> next = next(); next != null; next = next()) {
        if (!pen.write(next.message)) {
          break;
        }
      }
      shut();
      out.onCompleted();
    } catch (InterruptedException e) {
      hangUp();
    } catch (IOException | RuntimeException e) {
      // The connection broke, or what must be written before cannot be; the peer will come back.
      hangUp();
    } finally {
      shut();
      ended.run();
    }
  }

  private synchronized void shut() {
    closed = true;
  }

  private void hangUp() {
    try {
      out.onError(
          Status.UNAVAILABLE
              .withDescription("the pool ended this stream: connect again")
              .asRuntimeException());
    } catch (RuntimeException e) {
      // It is gone already.
    }
  }
}
