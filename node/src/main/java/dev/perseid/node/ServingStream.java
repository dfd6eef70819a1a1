package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;

/// A provider's stream for requests to models, the pool's end.
final class ServingStream {
  final Address provider;
  final long session;
  private final Outflow<Proto.ToServing> outflow;
  private final Map<Long, PlacedOrder> orders = new ConcurrentHashMap<>();
  private volatile Map<Hash, Proto.ModelHealth> health = Map.of();
  private volatile boolean over;

  /// @param session the session of the provider's other stream to which this one belongs
  /// @param ended runs once when the stream is over
  ServingStream(
      Address provider, long session, StreamObserver<Proto.ToServing> out, Runnable ended) {
    this.provider = provider;
    this.session = session;
    this.outflow =
        new Outflow<>(
            "serving-" + provider,
            out,
            message -> {
              out.onNext(message);
              return !message.hasRefusal();
            },
            MarketLimits.STREAM_MESSAGES,
            MarketLimits.STREAM_BYTES,
            ended);
  }

  /// Sends a message; false if the stream is over or too full. Never blocks.
  boolean send(Proto.ToServing message, long bytes) {
    return outflow.send(message, bytes);
  }

  /// Hands an order to the provider.
  ///
  /// @return whether it is on its way; if not, nothing happened
  boolean place(PlacedOrder order, Proto.ModelOrder message) {
    if (over) {
      return false;
    }
    long number = message.getNumber();
    orders.put(number, order);
    if (!send(Proto.ToServing.newBuilder().setOrder(message).build(), message.getBody().size())) {
      orders.remove(number);
      return false;
    }
    if (over && orders.remove(number) != null) {
      order.lost("the provider is gone");
    }
    order.stopWith(() -> {
      if (orders.containsKey(number)) {
        send(
            Proto.ToServing.newBuilder()
                .setCancel(Proto.CancelOrder.newBuilder().setNumber(number))
                .build(),
            64);
      }
    });
    return true;
  }

  /// What the provider says of a model.
  Optional<Proto.ModelHealth> health(Hash model) {
    return Optional.ofNullable(health.get(model));
  }

  void health(Proto.ServingHealth said) throws Malformed {
    Map<Hash, Proto.ModelHealth> now = new HashMap<>();
    List<Proto.ModelHealth> models = said.getModelsList();
    for (Proto.ModelHealth m : models) {
      if (now.size() < Limits.MODEL_OFFERS_OF_ONE) {
        now.put(Translation.hash(m.getModel(), "health.model"), m);
      }
    }
    health = Map.copyOf(now);
  }

  /// Parts of answers have come. Orders that are not known (any more) are passed over.
  void parts(Proto.ServingParts parts) {
    for (Proto.AnswerPart part : parts.getPartsList()) {
      PlacedOrder order = orders.get(part.getNumber());
      if (order == null) {
        continue;
      }
      if (part.getTokens() > 0) {
        order.visible(part.getTokens());
      }
      switch (part.getWhatCase()) {
        case JSON -> order.part(part.getJson().toByteArray());
        case END -> {
          orders.remove(part.getNumber());
          end(order, part.getEnd());
        }
        case WHAT_NOT_SET -> {}
      }
    }
  }

  private static void end(PlacedOrder order, Proto.AnswerEnd end) {
    order.times(
        new PlacedOrder.Times(
            time(end.hasStartedUs(), end.getStartedUs()),
            time(end.hasFirstTokenUs(), end.getFirstTokenUs()),
            time(end.hasEndedUs(), Math.max(end.getStartedUs(), end.getEndedUs()))));
    if (end.hasFailure()) {
      order.failed(InferenceParts.read(end.getFailure()), InferenceParts.read(end.getClaim()));
    } else {
      order.done(InferenceParts.read(end.getClaim()));
    }
  }

  private static OptionalLong time(boolean present, long us) {
    return present && us >= 0 ? OptionalLong.of(us) : OptionalLong.empty();
  }

  /// Ends orders that were cancelled a while ago and that the provider has not ended.
  void sweep(long nowNs) {
    List<PlacedOrder> silent = new ArrayList<>();
    orders
        .values()
        .removeIf(order -> {
          boolean late = order.cancelledFor(nowNs) > MarketLimits.CANCEL_NS;
          if (late) {
            silent.add(order);
          }
          return late;
        });
    for (PlacedOrder order : silent) {
      order.failed(
          new Failure(Failure.Kind.CANCELLED, "cancelled; the provider did not confirm it"),
          Claim.NONE);
    }
  }

  /// The stream is over: nobody will answer what was placed.
  void lost(String why) {
    over = true;
    for (Long number : List.copyOf(orders.keySet())) {
      PlacedOrder order = orders.remove(number);
      if (order != null) {
        order.lost(why);
      }
    }
  }

  /// Ends the stream without a word.
  void close() {
    outflow.close();
  }

  /// Ends the stream after what is queued.
  void end() {
    outflow.end();
  }
}
