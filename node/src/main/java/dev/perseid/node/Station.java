package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.inference.Backend;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A model on its backend: lets as many orders run as were offered, and a few wait. Safe for any
/// thread.
final class Station implements AutoCloseable {
  final Model model;
  final Backend backend;
  private final ServedModel served;
  private final String region;
  private final Optional<Hash> sealKey;
  private final long madeUs;
  private final int parallel;
  private final Set<ServedOrder> running = new LinkedHashSet<>();
  private final ArrayDeque<ServedOrder> waiting = new ArrayDeque<>();
  private long ended;
  private @Nullable SignedModelOffer offer;

  /// @param region where the provider stands, unless the model says otherwise
  /// @param sealKey to which requests may be encrypted, if the provider has such a key
  Station(
      ServedModel served,
      Model model,
      Backend backend,
      String region,
      Optional<Hash> sealKey,
      long madeUs) {
    this.served = served;
    this.model = model;
    this.backend = backend;
    this.region = served.region().orElse(region);
    this.sealKey = served.sealed() ? sealKey : Optional.empty();
    this.madeUs = madeUs;
    this.parallel =
        Math.clamp(served.parallel().orElse(backend.health().parallel()), 1, Limits.OFFER_PARALLEL);
  }

  /// What was chosen for the model.
  ServedModel served() {
    return served;
  }

  /// Requests that it answers at once.
  int parallel() {
    return parallel;
  }

  /// The signed terms; the same ones for as long as the pool's share stays the same.
  ///
  /// @param poolPermille what the pool asks of each charge
  synchronized SignedModelOffer offer(Key key, int poolPermille) {
    SignedModelOffer now = offer;
    if (now == null || now.offer().poolPermille() != poolPermille) {
      ModelOffer terms = terms(key.address(), poolPermille);
      Hash digest = Digests.modelOffer(terms);
      now = new SignedModelOffer(terms, digest, key.sign(digest));
      offer = now;
    }
    return now;
  }

  private ModelOffer terms(Address provider, int poolPermille) {
    String name = backend.name();
    return new ModelOffer(
        provider,
        model.manifest(),
        region,
        model.quantisation(),
        name.substring(0, Math.min(name.length(), Limits.MODEL_TEXT_CHARS)),
        served.price(),
        model.royaltyPermille(),
        poolPermille,
        parallel,
        served.contextTokens().orElse(model.contextTokens()),
        served.policy(),
        sealKey,
        served.endpoint(model.name()),
        madeUs);
  }

  /// Starts an order or lets it wait; false if too many wait already.
  boolean take(ServedOrder order) {
    synchronized (this) {
      if (running.size() >= parallel) {
        if (waiting.size() >= ServingLimits.waiting(parallel)) {
          return false;
        }
        waiting.add(order);
        return true;
      }
      running.add(order);
    }
    order.start();
    return true;
  }

  /// An order that waited does not want to any more.
  synchronized void leave(ServedOrder order) {
    waiting.remove(order);
  }

  /// The backend has done with an order: the next one may start.
  void done(ServedOrder order) {
    List<ServedOrder> next = new ArrayList<>(1);
    synchronized (this) {
      if (!running.remove(order)) {
        return;
      }
      ended++;
      while (running.size() < parallel && !waiting.isEmpty()) {
        ServedOrder first = waiting.remove();
        running.add(first);
        next.add(first);
      }
    }
    next.forEach(ServedOrder::start);
  }

  /// Gives up on orders that were cancelled and that the backend does not end.
  void sweep(long nowNs) {
    List<ServedOrder> now;
    synchronized (this) {
      now = List.copyOf(running);
    }
    for (ServedOrder order : now) {
      order.sweep(nowNs);
    }
  }

  /// How it is doing, for the pool.
  Proto.ModelHealth health(boolean leaving) {
    Backend.Health h = backend.health();
    int queued;
    int mine;
    synchronized (this) {
      queued = waiting.size();
      mine = running.size();
    }
    Proto.ModelHealth.Builder health = Proto.ModelHealth.newBuilder();
    served
        .honours()
        .or(backend::honours)
        .ifPresent(names -> health.setHonours(Proto.Honoured.newBuilder().addAllParameters(names)));
    return health
        .setModel(Translation.bytes(model.manifest()))
        .setHealthy(h.healthy() && !leaving)
        .setRunning(Math.max(mine, h.running()))
        .setWaiting(queued + h.waiting())
        .setProblem(leaving ? "the provider is leaving" : cut(h.problem()))
        .build();
  }

  private static String cut(String text) {
    return text.substring(0, Math.min(text.length(), Limits.REASON_CHARS));
  }

  /// How it is doing, for people.
  ModelStatus status() {
    Backend.Health h = backend.health();
    synchronized (this) {
      return new ModelStatus(
          model.fullName(),
          h.healthy() ? ModelStatus.Stage.SERVED : ModelStatus.Stage.BROKEN,
          running.size(),
          waiting.size() + h.waiting(),
          ended,
          h.problem());
    }
  }

  /// Whether nothing runs or waits.
  synchronized boolean idle() {
    return running.isEmpty() && waiting.isEmpty();
  }

  @Override
  public void close() {
    backend.close();
  }
}
