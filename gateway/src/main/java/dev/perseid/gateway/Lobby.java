package dev.perseid.gateway;

import dev.perseid.core.Hash;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// Where requests come in: so many at once, so many for each key; those for which no provider has
/// room wait in a fair queue for each model, or are told at once when to come again. Safe for any
/// thread.
final class Lobby {
  /// Somebody who waits.
  interface Guest {
    /// It is its turn: it tries, and then says [#found] or [#again].
    void turn();

    /// It waited too long.
    void expired(long retryAfterMs);
  }

  /// A place in the queue for a model.
  record Seat(Hash model, FairQueue.Place<Guest> place) {}

  private final GatewayConfig config;
  private final AtomicInteger running = new AtomicInteger();
  private final ConcurrentHashMap<String, AtomicInteger> keys = new ConcurrentHashMap<>();
  private final Map<Hash, FairQueue<Guest>> queues = new HashMap<>();
  private volatile int waiting;

  Lobby(GatewayConfig config) {
    this.config = config;
  }

  /// Lets a request in.
  ///
  /// @return requests of its key that are inside, with it
  /// @throws Problem if there are too many
  int enter(Market.Caller caller) throws Problem {
    if (running.incrementAndGet() > config.running()) {
      running.decrementAndGet();
      throw tooMany(
          "The gateway answers as many requests as it can.", GatewayLimits.RETRY_LEAST_MS);
    }
    int mine =
        keys.compute(
                caller.key(),
                (k, count) -> {
                  AtomicInteger c = count == null ? new AtomicInteger() : count;
                  c.incrementAndGet();
                  return c;
                })
            .get();
    if (mine > config.runningPerKey()) {
      leave(caller);
      throw tooMany(
          "This key has "
              + config.runningPerKey()
              + " requests under way, which is the most. Wait for some to end.",
          GatewayLimits.RETRY_LEAST_MS);
    }
    return mine;
  }

  /// A request is over.
  void leave(Market.Caller caller) {
    running.decrementAndGet();
    keys.computeIfPresent(caller.key(), (k, count) -> count.decrementAndGet() == 0 ? null : count);
  }

  int running() {
    return running.get();
  }

  /// Whether nobody waits for a model; if somebody does, newcomers wait behind.
  boolean isFree(Hash model) {
    if (waiting == 0) {
      return true;
    }
    synchronized (queues) {
      FairQueue<Guest> queue = queues.get(model);
      return queue == null || queue.size() == 0;
    }
  }

  /// Waits for room at a provider of a model.
  ///
  /// @throws Problem if too many wait
  Seat await(Hash model, Market.Caller caller, Guest guest, long nowMs) throws Problem {
    synchronized (queues) {
      FairQueue<Guest> queue =
          queues.computeIfAbsent(
              model,
              m -> new FairQueue<>(config.waiting(), config.waitingPerKey(), config.weight()));
      Optional<FairQueue.Place<Guest>> place =
          waiting < config.waiting() ? queue.offer(caller, guest, nowMs) : Optional.empty();
      if (place.isEmpty()) {
        throw tooMany("All providers of this model are busy.", queue.retryAfterMs());
      }
      waiting++;
      return new Seat(model, place.get());
    }
  }

  /// Somebody whose turn it was found room: the next one may try.
  void found(Seat seat, long nowMs) {
    synchronized (queues) {
      FairQueue<Guest> queue = queues.get(seat.model());
      if (queue != null) {
        queue.served(nowMs);
      }
    }
    next(seat.model());
  }

  /// There was no room after all.
  void again(Seat seat) {
    synchronized (queues) {
      queues
          .computeIfAbsent(
              seat.model(),
              m -> new FairQueue<>(config.waiting(), config.waitingPerKey(), config.weight()))
          .putBack(seat.place());
      waiting++;
    }
  }

  /// Gives up waiting.
  void giveUp(Seat seat) {
    synchronized (queues) {
      FairQueue<Guest> queue = queues.get(seat.model());
      if (queue != null) {
        int before = queue.size();
        queue.remove(seat.place());
        waiting -= before - queue.size();
      }
    }
  }

  /// Somewhere there may be room for a model now.
  void next(Hash model) {
    if (waiting == 0) {
      return;
    }
    FairQueue.@Nullable Place<Guest> place = null;
    synchronized (queues) {
      FairQueue<Guest> queue = queues.get(model);
      if (queue != null) {
        place = queue.poll().orElse(null);
        if (place != null) {
          waiting--;
        }
      }
    }
    if (place != null) {
      place.item().turn();
    }
  }

  /// Sends away who waited too long and lets one of each queue look for room. To be run every
  /// [GatewayLimits#LOOK_MS].
  void look(long nowMs) {
    if (waiting == 0) {
      return;
    }
    List<Hash> models = new ArrayList<>();
    List<FairQueue.Place<Guest>> late = new ArrayList<>();
    List<Long> retry = new ArrayList<>();
    synchronized (queues) {
      for (Iterator<Map.Entry<Hash, FairQueue<Guest>>> i = queues.entrySet().iterator();
          i.hasNext(); ) {
        Map.Entry<Hash, FairQueue<Guest>> e = i.next();
        long again = e.getValue().retryAfterMs();
        for (FairQueue.Place<Guest> place : e.getValue().expire(nowMs - config.waitingMs())) {
          waiting--;
          late.add(place);
          retry.add(again);
        }
        if (e.getValue().size() == 0) {
          i.remove();
        } else {
          models.add(e.getKey());
        }
      }
    }
    for (int i = 0; i < late.size(); i++) {
      late.get(i).item().expired(retry.get(i));
    }
    models.forEach(this::next);
  }

  /// Requests that wait, for a model.
  int waiting(Hash model) {
    if (waiting == 0) {
      return 0;
    }
    synchronized (queues) {
      FairQueue<Guest> queue = queues.get(model);
      return queue == null ? 0 : queue.size();
    }
  }

  static Problem tooMany(String what, long retryAfterMs) {
    return new Problem(
        Problem.Kind.TOO_MANY,
        what + " Try again in " + retryAfterMs + " ms.",
        "",
        "rate_limit_exceeded",
        OptionalLong.of(retryAfterMs));
  }
}
