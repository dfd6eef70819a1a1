package dev.perseid.node;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.settle.SealException;
import dev.perseid.wire.v1.Proto;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One order of the pool, on its way through a backend. Listens to the backend, and passes its
/// answer on. It ends exactly once towards the pool, and once towards its station.
final class ServedOrder implements Answer {
  /// Where the answer goes. Does not block.
  interface Out {
    /// One part; the last one has an end.
    void send(ServedOrder order, Proto.AnswerPart part, int bytes);

    /// Whether too much waits already, of all orders together.
    boolean full();

    /// Everything that was sent goes now.
    void flush();

    /// Everything that was sent goes now, or a moment later together with what follows.
    void flushSoon();
  }

  private enum State {
    WAITING,
    RUNNING,
    /// The pool has been told of the end, or is gone.
    ENDED
  }

  final Proto.ModelOrder order;
  final Hash model;

  /// Bytes of the answer that wait for the pool.
  final AtomicLong waitingBytes = new AtomicLong();

  private final Station station;
  private final Request request;
  private final @Nullable Seal seal;
  private final ServedBook book;
  private final Out out;
  private final MessageDigest digest = sha256();

  // All below guarded by this.
  private State state = State.WAITING;
  private boolean backendEnded;
  private @Nullable Runnable stop;
  private boolean stopped;
  private long stoppedNs;
  private OptionalLong startedUs = OptionalLong.empty();
  private OptionalLong firstUs = OptionalLong.empty();
  private long bytes;

  /// @param seal what seals the answer, if the request was sealed
  ServedOrder(
      Proto.ModelOrder order,
      Station station,
      Request request,
      @Nullable Seal seal,
      ServedBook book,
      Out out) {
    this.order = order;
    this.model = station.model.manifest();
    this.station = station;
    this.request = request;
    this.seal = seal;
    this.book = book;
    this.out = out;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  long number() {
    return order.getNumber();
  }

  /// Its turn has come. Called by its station, once.
  void start() {
    synchronized (this) {
      if (state != State.WAITING) {
        backendEnded = true;
      } else {
        state = State.RUNNING;
        startedUs = OptionalLong.of(wallUs());
      }
    }
    if (backendEnded()) {
      station.done(this); // it was cancelled in the same moment
      return;
    }
    Runnable how;
    try {
      how = station.backend.ask(request, this);
    } catch (RuntimeException bug) {
      failed(
          new Failure(Failure.Kind.BROKEN, "the backend failed before it began: " + bug),
          Claim.NONE);
      return;
    }
    boolean now;
    synchronized (this) {
      stop = how;
      now = stopped;
    }
    if (now) {
      how.run();
    }
  }

  private synchronized boolean backendEnded() {
    return backendEnded;
  }

  /// The pool does not want the rest.
  void cancel() {
    boolean waited;
    synchronized (this) {
      if (state == State.ENDED || stopped) {
        return;
      }
      book.cancelled(number());
      waited = state == State.WAITING;
    }
    if (waited) {
      station.leave(this);
      end(new Failure(Failure.Kind.CANCELLED, "cancelled before it began"), Claim.NONE);
    } else {
      stop();
    }
  }

  /// The pool is gone: what runs is stopped, and nobody hears of it.
  void abandon() {
    boolean waited;
    synchronized (this) {
      if (state == State.ENDED) {
        return;
      }
      waited = state == State.WAITING;
      state = State.ENDED;
      book.lost(number());
    }
    if (waited) {
      station.leave(this);
    } else {
      stop();
    }
  }

  /// The provider stops: it ends now, as broken.
  void breakOff() {
    boolean waited;
    synchronized (this) {
      if (state == State.ENDED) {
        return;
      }
      waited = state == State.WAITING;
    }
    end(new Failure(Failure.Kind.BROKEN, "the provider was stopped"), Claim.NONE);
    if (waited) {
      station.leave(this);
    } else {
      stop();
    }
  }

  private void stop() {
    Runnable how;
    synchronized (this) {
      if (stopped) {
        return;
      }
      stopped = true;
      stoppedNs = System.nanoTime();
      how = stop;
    }
    if (how != null) {
      how.run();
    }
  }

  /// Ends it if its backend was told to stop long ago and goes on.
  void sweep(long nowNs) {
    synchronized (this) {
      if (!stopped || nowNs - stoppedNs < ServingLimits.CANCEL_MS * 1_000_000 || backendEnded) {
        return;
      }
      backendEnded = true;
    }
    end(
        new Failure(Failure.Kind.CANCELLED, "cancelled; the backend did not confirm it"),
        Claim.NONE);
    station.done(this);
  }

  @Override
  public void part(byte[] json) {
    boolean full = false;
    synchronized (this) {
      if (state != State.RUNNING) {
        return;
      }
      if (firstUs.isEmpty()) {
        firstUs = OptionalLong.of(wallUs());
      }
      if (json.length > ServingLimits.PART_BYTES) {
        endHere(
            new Failure(
                Failure.Kind.BROKEN,
                "the answer has a part of "
                    + json.length
                    + " bytes; "
                    + ServingLimits.PART_BYTES
                    + " are the limit: ask for less at once"),
            Claim.NONE);
        full = true;
      } else if (waitingBytes.get() > 0
          && (out.full() || waitingBytes.get() + json.length > ServingLimits.ORDER_WAITING_BYTES)) {
        endHere(
            new Failure(
                Failure.Kind.BROKEN, "the pool does not take the answer as fast as it is made"),
            Claim.NONE);
        full = true;
      } else {
        full = !send(json, !request.stream());
      }
    }
    out.flushSoon();
    if (full) {
      stop();
    }
  }

  /// Holds the lock. False if that was the end.
  private boolean send(byte[] json, boolean last) {
    byte[] part = json;
    if (seal != null) {
      try {
        part = seal.part(json, last);
      } catch (SealException e) {
        endHere(
            new Failure(
                Failure.Kind.BROKEN, "the answer cannot be sealed any further: " + e.getMessage()),
            Claim.NONE);
        return false;
      }
    }
    bytes += part.length;
    digest.update(part);
    waitingBytes.addAndGet(part.length);
    Proto.AnswerPart.Builder b =
        Proto.AnswerPart.newBuilder()
            .setNumber(number())
            .setJson(UnsafeByteOperations.unsafeWrap(part));
    if (seal != null) {
      b.setTokens(seal.tokens());
    }
    out.send(this, b.build(), part.length);
    return true;
  }

  @Override
  public void done(Claim claim) {
    backendEnds(null, claim);
  }

  @Override
  public void failed(Failure failure, Claim claim) {
    backendEnds(failure, claim);
  }

  private void backendEnds(@Nullable Failure failure, Claim claim) {
    synchronized (this) {
      if (backendEnded) {
        return;
      }
      backendEnded = true;
      if (state == State.RUNNING) {
        // The last part says that nothing is missing; which one is the last is known only now.
        boolean close = failure == null && seal != null && request.stream();
        if (!close || send(new byte[0], true)) {
          endHere(failure, claim);
        }
      }
    }
    out.flush();
    station.done(this);
  }

  /// Ends it before it got to a backend.
  void end(Failure failure, Claim claim) {
    synchronized (this) {
      if (state == State.ENDED) {
        return;
      }
      endHere(failure, claim);
    }
    out.flush();
  }

  /// Holds the lock.
  private void endHere(@Nullable Failure failure, Claim claim) {
    state = State.ENDED;
    OptionalLong endedUs =
        startedUs.isEmpty()
            ? OptionalLong.empty()
            : OptionalLong.of(Math.max(startedUs.getAsLong(), wallUs()));
    Proto.AnswerEnd.Builder end =
        Proto.AnswerEnd.newBuilder().setClaim(InferenceParts.write(claim));
    if (failure != null) {
      end.setFailure(InferenceParts.write(failure));
    }
    startedUs.ifPresent(end::setStartedUs);
    firstUs.ifPresent(end::setFirstTokenUs);
    endedUs.ifPresent(end::setEndedUs);
    Blob answer = bytes == 0 ? Blob.EMPTY : new Blob(Hash.of(digest.digest()), bytes);
    // Before the pool can hear of it: it may bill at once.
    book.ended(
        number(), new ServedBook.End(failure == null, claim, startedUs, firstUs, endedUs, answer));
    Proto.AnswerPart.Builder part = Proto.AnswerPart.newBuilder().setNumber(number()).setEnd(end);
    if (seal != null) {
      part.setTokens(Math.max(seal.tokens(), claim.completionTokens()));
    }
    out.send(this, part.build(), 0);
  }

  /// By the clock that records of this provider are in.
  static long wallUs() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }

  /// SHA-256 of a body as it came.
  static Hash hash(ByteString body) {
    MessageDigest sha256 = sha256();
    body.asReadOnlyByteBufferList().forEach(sha256::update);
    return Hash.of(sha256.digest());
  }
}
