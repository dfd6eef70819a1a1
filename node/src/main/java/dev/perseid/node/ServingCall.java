package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Hash;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.settle.OpenedRequest;
import dev.perseid.settle.SealException;
import dev.perseid.settle.SealKey;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One stream of orders and answers, from its hello to its end.
///
/// Whoever has something to send puts it into a queue and empties the queue if nobody else does:
/// what comes while the stream is idle leaves at once, what comes together leaves together. While
/// the connection takes no more, parts wait in their order's share of the queue.
final class ServingCall
    implements ClientResponseObserver<Proto.FromServing, Proto.ToServing>, ServedOrder.Out {
  /// What a call needs to know of its provider.
  interface Host {
    /// The station that serves under an offer; null if there is none (any more).
    @Nullable Station station(Hash offer);

    /// Whether no new orders are taken.
    boolean leaving();

    /// A bill has come. [ServingCall#answer] follows, from any thread.
    void bill(ServingCall call, Proto.Bill bill);

    /// Orders may have ended.
    void changed();

    /// Runs something short on a thread of its own.
    void later(Runnable work, long delayNs);
  }

  private record Waiting(ServedOrder order, Proto.AnswerPart part, int bytes) {}

  private final Host host;
  private final ServedBook book;
  private final @Nullable SealKey sealKey;
  private final Map<Long, ServedOrder> orders = new ConcurrentHashMap<>();
  private final ConcurrentLinkedQueue<Proto.FromServing> first = new ConcurrentLinkedQueue<>();
  private final ConcurrentLinkedQueue<Waiting> parts = new ConcurrentLinkedQueue<>();
  private final AtomicLong waitingBytes = new AtomicLong();
  private final AtomicInteger turns = new AtomicInteger();
  private final AtomicBoolean comesSoon = new AtomicBoolean();
  private final AtomicBoolean over = new AtomicBoolean();
  private final CompletableFuture<Boolean> welcomed = new CompletableFuture<>();
  private final CompletableFuture<String> ended = new CompletableFuture<>();
  private volatile boolean refused;
  private volatile boolean completing;

  /// Of whoever empties the queue.
  private boolean completed;

  private volatile long flushedNs = System.nanoTime() - ServingLimits.TOGETHER_NS;

  private volatile @Nullable ClientCallStreamObserver<Proto.FromServing> out;

  /// @param sealKey opens sealed requests, if the provider takes them
  ServingCall(Host host, ServedBook book, @Nullable SealKey sealKey) {
    this.host = host;
    this.book = book;
    this.sealKey = sealKey;
  }

  /// Completes when the pool has welcomed the stream.
  CompletableFuture<Boolean> welcome() {
    return welcomed;
  }

  /// Completes with the reason when it is over.
  CompletableFuture<String> ended() {
    return ended;
  }

  /// Whether the pool ended it with a refusal.
  boolean refused() {
    return refused;
  }

  /// Tells the pool what is served from now on: first of all, and again when that changes.
  void hello(long session, List<SignedModelOffer> offers) {
    Proto.ServingHello.Builder hello = Proto.ServingHello.newBuilder().setSession(session);
    for (SignedModelOffer o : offers) {
      hello.addOffers(ModelParts.write(o.offer(), o.signature()));
    }
    say(Proto.FromServing.newBuilder().setHello(hello).build());
  }

  /// Tells how the models are doing.
  void health(List<Proto.ModelHealth> models) {
    say(
        Proto.FromServing.newBuilder()
            .setHealth(Proto.ServingHealth.newBuilder().addAllModels(models))
            .build());
  }

  /// Answers a bill.
  void answer(Proto.BillSignature signature) {
    say(Proto.FromServing.newBuilder().setSignature(signature).build());
  }

  private void say(Proto.FromServing message) {
    first.add(message);
    flush();
  }

  /// Ends this side of the stream after all that was said. The pool ends the other side when it has
  /// handled that: then it is over.
  void complete() {
    completing = true;
    flush();
  }

  /// Orders that have not ended.
  int running() {
    return orders.size();
  }

  @Override
  public void send(ServedOrder order, Proto.AnswerPart part, int bytes) {
    if (part.hasEnd()) {
      orders.remove(order.number(), order);
    }
    waitingBytes.addAndGet(bytes);
    parts.add(new Waiting(order, part, bytes));
  }

  @Override
  public boolean full() {
    return waitingBytes.get() > ServingLimits.WAITING_BYTES;
  }

  @Override
  public void flush() {
    if (turns.getAndIncrement() != 0) {
      return; // whoever is at it goes round once more
    }
    flushedNs = System.nanoTime();
    int missed = 1;
    do {
      drain();
      missed = turns.addAndGet(-missed);
    } while (missed != 0);
  }

  /// A message for each token would cost the thread that computes them, the network and the pool
  /// more than the token did: those of [ServingLimits#TOGETHER_NS] go together. The first after a
  /// pause goes at once.
  @Override
  public void flushSoon() {
    long sinceNs = System.nanoTime() - flushedNs;
    if (sinceNs >= ServingLimits.TOGETHER_NS) {
      flush();
    } else if (comesSoon.compareAndSet(false, true)) {
      host.later(
          () -> {
            comesSoon.set(false);
            flush();
          },
          ServingLimits.TOGETHER_NS - sinceNs);
    }
  }

  private void drain() {
    ClientCallStreamObserver<Proto.FromServing> to = out;
    if (to == null) {
      return;
    }
    try {
      while (!over.get() && to.isReady()) {
        Proto.FromServing next = next();
        if (next == null) {
          if (completing && !completed) {
            completed = true;
            to.onCompleted();
          }
          return;
        }
        if (completed) {
          return; // too late
        }
        to.onNext(next);
      }
    } catch (IllegalStateException e) {
      // The call was cancelled meanwhile; its end is on the way.
      end("the stream of orders was lost: " + e.getMessage());
    }
  }

  private Proto.@Nullable FromServing next() {
    Proto.FromServing important = first.poll();
    if (important != null) {
      return important;
    }
    Waiting w = parts.poll();
    if (w == null) {
      return null;
    }
    Proto.ServingParts.Builder together = Proto.ServingParts.newBuilder();
    long bytes = 0;
    boolean ends = false;
    while (true) {
      together.addParts(w.part());
      bytes += w.bytes();
      ends |= w.part().hasEnd();
      w.order().waitingBytes.addAndGet(-w.bytes());
      waitingBytes.addAndGet(-w.bytes());
      Waiting peek = parts.peek();
      if (peek == null
          || together.getPartsCount() >= ServingLimits.MESSAGE_PARTS
          || bytes + peek.bytes() > ServingLimits.MESSAGE_BYTES) {
        break;
      }
      w = parts.remove();
    }
    if (ends && host.leaving()) {
      host.changed();
    }
    return Proto.FromServing.newBuilder().setParts(together).build();
  }

  /// Breaks off what runs, and tells the pool so.
  void breakOff() {
    orders.values().forEach(ServedOrder::breakOff);
  }

  /// Ends the stream at once.
  void cancel(String why) {
    end(why);
    ClientCallStreamObserver<Proto.FromServing> to = out;
    if (to != null) {
      to.cancel(why, null);
    }
  }

  private void end(String why) {
    if (over.compareAndSet(false, true)) {
      orders.values().forEach(ServedOrder::abandon);
      orders.clear();
      parts.clear();
      first.clear();
      ended.complete(why);
      host.changed();
    }
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<Proto.FromServing> to) {
    to.disableAutoRequestWithInitial(ServingLimits.INCOMING_MESSAGES);
    to.setOnReadyHandler(this::flush);
    out = to;
  }

  @Override
  public void onNext(Proto.ToServing message) {
    try {
      switch (message.getMessageCase()) {
        case WELCOME -> {
          welcomed.complete(true);
          host.changed();
        }
        case ORDER -> take(message.getOrder());
        case CANCEL -> {
          ServedOrder order = orders.get(message.getCancel().getNumber());
          if (order != null) {
            order.cancel();
          }
        }
        case BILL -> host.bill(this, message.getBill());
        case REFUSAL -> {
          refused = true;
          end(
              "the pool refuses the models: "
                  + quoted(Translation.read(message.getRefusal()).message()));
        }
        case MESSAGE_NOT_SET -> throw new Malformed("it says nothing");
      }
    } catch (Malformed e) {
      cancel("the pool sent a malformed message: " + e.getMessage());
      return;
    }
    ClientCallStreamObserver<Proto.FromServing> to = out;
    if (to != null) {
      to.request(1);
    }
  }

  private static String quoted(String text) {
    return text.substring(0, Math.min(text.length(), ServingLimits.QUOTED_CHARS));
  }

  private void take(Proto.ModelOrder order) throws Malformed {
    Hash offer = Translation.hash(order.getOffer(), "order.offer");
    if (!book.taken(order)) {
      return; // it came before
    }
    Station station = host.station(offer);
    if (station == null || !Translation.bytes(station.model.manifest()).equals(order.getModel())) {
      refuse(order, Failure.Kind.BROKEN, "this provider does not serve that offer any more");
      return;
    }
    if (host.leaving()) {
      refuse(order, Failure.Kind.BUSY, "the provider is leaving");
      return;
    }
    Api api;
    try {
      api = Api.of(order.getApi());
    } catch (IllegalArgumentException e) {
      refuse(order, Failure.Kind.INVALID, String.valueOf(e.getMessage()));
      return;
    }
    byte[] body;
    Seal seal = null;
    if (order.getSealed() && sealKey == null) {
      refuse(order, Failure.Kind.INVALID, "this provider takes no sealed requests");
      return;
    }
    if (order.getSealed() && sealKey != null) {
      try {
        OpenedRequest opened =
            sealKey.open(
                order.getRequestId(),
                Seal.bound(offer, api, order.getStream()),
                order.getBody().toByteArray());
        body = opened.body();
        seal = new Seal(opened.answer());
      } catch (SealException e) {
        refuse(order, Failure.Kind.INVALID, String.valueOf(e.getMessage()));
        return;
      }
    } else {
      body = order.getBody().toByteArray();
    }
    Request request =
        new Request(order.getRequestId(), api, station.model.manifest(), body, order.getStream());
    Proto.ModelOrder small = order.toBuilder().setBody(ByteString.EMPTY).build();
    ServedOrder served = new ServedOrder(small, station, request, seal, book, this);
    orders.put(order.getNumber(), served);
    if (over.get()) {
      orders.remove(order.getNumber());
      served.abandon();
      return;
    }
    if (!station.take(served)) {
      served.end(
          new Failure(
              Failure.Kind.BUSY,
              "the provider answers "
                  + station.parallel()
                  + " requests to this model at once, and more wait already",
              "",
              "",
              OptionalLong.of(ServingLimits.BUSY_RETRY_MS)),
          Claim.NONE);
    }
  }

  private void refuse(Proto.ModelOrder order, Failure.Kind kind, String why) {
    book.ended(order.getNumber(), ServedBook.End.REFUSED);
    OptionalLong retry =
        kind == Failure.Kind.BUSY
            ? OptionalLong.of(ServingLimits.BUSY_RETRY_MS)
            : OptionalLong.empty();
    Proto.AnswerEnd end =
        Proto.AnswerEnd.newBuilder()
            .setClaim(InferenceParts.write(Claim.NONE))
            .setFailure(InferenceParts.write(new Failure(kind, why, "", "", retry)))
            .build();
    say(
        Proto.FromServing.newBuilder()
            .setParts(
                Proto.ServingParts.newBuilder()
                    .addParts(
                        Proto.AnswerPart.newBuilder().setNumber(order.getNumber()).setEnd(end)))
            .build());
  }

  @Override
  public void onError(Throwable t) {
    Status s = Status.fromThrowable(t);
    String detail = s.getDescription() == null ? "" : ": " + quoted(s.getDescription());
    end("the stream of orders was lost (" + s.getCode() + detail + ")");
  }

  @Override
  public void onCompleted() {
    end("the pool ended the stream of orders");
  }
}
