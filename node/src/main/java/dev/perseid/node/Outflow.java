package dev.perseid.node;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
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
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
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
  boolean send(T message, long bytes) {
    lock.lock();
    try {
      if (closed || ending || queue.size() >= mostMessages || queuedBytes + bytes > mostBytes) {
        return false;
      }
      queue.add(new Waiting<>(message, bytes));
      queuedBytes += bytes;
      changed.signal();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /// Ends the stream without a word.
  void close() {
    shut();
    writer.interrupt();
  }

  /// Ends the stream after what is queued.
  void end() {
    lock.lock();
    try {
      ending = true;
      changed.signal();
    } finally {
      lock.unlock();
    }
  }

  private @Nullable Waiting<T> next() throws InterruptedException {
    lock.lock();
    try {
      while (queue.isEmpty() && !ending && !closed) {
        changed.await();
      }
      if (closed) {
        throw new InterruptedException();
      }
      Waiting<T> next = queue.poll();
      if (next != null) {
        queuedBytes -= next.bytes;
      }
      return next;
    } finally {
      lock.unlock();
    }
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

  private void shut() {
    lock.lock();
    try {
      closed = true;
      changed.signal();
    } finally {
      lock.unlock();
    }
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
