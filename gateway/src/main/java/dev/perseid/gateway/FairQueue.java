package dev.perseid.gateway;

import dev.perseid.core.Address;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToIntFunction;

/// Who waits, and who is next: accounts take turns by weight, the keys of an account share its
/// turn, and each key's requests go in the order in which they came. Bounded in all and for each
/// key. Knows by how fast it empties when it is worth to come again. Pure: the clock is an
/// argument. Not safe for several threads.
final class FairQueue<T> {
  /// A place in the queue.
  static final class Place<T> {
    private final Market.Caller caller;
    private final T item;
    private final long sinceMs;
    private boolean waits;

    private Place(Market.Caller caller, T item, long sinceMs) {
      this.caller = caller;
      this.item = item;
      this.sinceMs = sinceMs;
      this.waits = true;
    }

    T item() {
      return item;
    }

    long sinceMs() {
      return sinceMs;
    }
  }

  private static final long STRIDE = 1_000_000;

  /// The keys of one account that wait, the next one first.
  private final class Line {
    private final LinkedHashMap<String, ArrayDeque<Place<T>>> keys = new LinkedHashMap<>();
    private long turn;
  }

  private final int most;
  private final int mostPerKey;
  private final ToIntFunction<Address> weight;
  private final Map<Address, Line> lines = new LinkedHashMap<>();
  private int size;
  private long turn;
  private long lastMs = Long.MIN_VALUE;
  private long apartUs = 1_000_000;

  /// @param most that wait in all
  /// @param mostPerKey that wait with one key
  /// @param weight of an account, at least 1: how many turns it gets while others get one
  FairQueue(int most, int mostPerKey, ToIntFunction<Address> weight) {
    this.most = most;
    this.mostPerKey = mostPerKey;
    this.weight = weight;
  }

  int size() {
    return size;
  }

  /// Waits, unless too many do.
  Optional<Place<T>> offer(Market.Caller caller, T item, long nowMs) {
    Line line = lines.get(caller.account());
    ArrayDeque<Place<T>> key = line == null ? null : line.keys.get(caller.key());
    if (size >= most || (key != null && key.size() >= mostPerKey)) {
      return Optional.empty();
    }
    Place<T> place = new Place<>(caller, item, nowMs);
    line(caller).keys.computeIfAbsent(caller.key(), k -> new ArrayDeque<>()).addLast(place);
    size++;
    return Optional.of(place);
  }

  private Line line(Market.Caller caller) {
    return lines.computeIfAbsent(
        caller.account(),
        a -> {
          Line fresh = new Line();
          // Who comes now has no claim on turns of the past.
          fresh.turn = turn;
          return fresh;
        });
  }

  /// Takes who is next out of the queue.
  Optional<Place<T>> poll() {
    Line next = null;
    Address account = Address.ZERO;
    for (Map.Entry<Address, Line> e : lines.entrySet()) {
      if (next == null || e.getValue().turn < next.turn) {
        next = e.getValue();
        account = e.getKey();
      }
    }
    if (next == null) {
      return Optional.empty();
    }
    turn = next.turn;
    next.turn += STRIDE / Math.max(1, weight.applyAsInt(account));
    Map.Entry<String, ArrayDeque<Place<T>>> key = next.keys.pollFirstEntry();
    Place<T> place = key.getValue().removeFirst();
    if (!key.getValue().isEmpty()) {
      next.keys.putLast(key.getKey(), key.getValue());
    }
    if (next.keys.isEmpty()) {
      lines.remove(account);
    }
    place.waits = false;
    size--;
    return Optional.of(place);
  }

  /// Back to the front, because there was no room after all.
  void putBack(Place<T> place) {
    Line line = line(place.caller);
    line.turn = Math.min(line.turn, turn);
    ArrayDeque<Place<T>> key = line.keys.remove(place.caller.key());
    ArrayDeque<Place<T>> again = key == null ? new ArrayDeque<>() : key;
    again.addFirst(place);
    line.keys.putFirst(place.caller.key(), again);
    place.waits = true;
    size++;
  }

  /// Somebody who was polled found room: that is how fast the queue empties.
  void served(long nowMs) {
    if (lastMs != Long.MIN_VALUE) {
      long us = Math.clamp(nowMs - lastMs, 0, GatewayLimits.RETRY_MOST_MS) * 1_000;
      apartUs = (apartUs * 7 + us) / 8;
    }
    lastMs = nowMs;
  }

  /// Gives up waiting.
  void remove(Place<T> place) {
    Line line = lines.get(place.caller.account());
    if (!place.waits || line == null) {
      return;
    }
    ArrayDeque<Place<T>> key = line.keys.get(place.caller.key());
    if (key != null && key.remove(place)) {
      place.waits = false;
      size--;
      if (key.isEmpty()) {
        line.keys.remove(place.caller.key());
        if (line.keys.isEmpty()) {
          lines.remove(place.caller.account());
        }
      }
    }
  }

  /// Takes out who came before a time.
  List<Place<T>> expire(long beforeMs) {
    List<Place<T>> late = new ArrayList<>();
    for (Line line : lines.values()) {
      for (ArrayDeque<Place<T>> key : line.keys.values()) {
        for (Place<T> place : key) {
          if (place.sinceMs < beforeMs) {
            late.add(place);
          }
        }
      }
    }
    late.forEach(this::remove);
    return late;
  }

  /// When somebody who comes again would find room, at the rate at which the queue empties.
  long retryAfterMs() {
    return Math.clamp(
        (size + 1L) * apartUs / 1_000, GatewayLimits.RETRY_LEAST_MS, GatewayLimits.RETRY_MOST_MS);
  }
}
