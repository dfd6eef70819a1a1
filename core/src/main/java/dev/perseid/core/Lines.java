package dev.perseid.core;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;

/// Where ready tasks stand for providers: one line for each shape, in it the places of consumers.
/// What is served changes a consumer's share, and with it all of its places: they are put in order
/// anew when somebody looks, once for all that has happened since.
final class Lines {
  private final TreeMap<Group.Shape, NavigableSet<Place>> lines = new TreeMap<>();

  /// All with jobs that run or have open leases.
  private final TreeMap<Address, Consumer> consumers = new TreeMap<>();

  private final List<Consumer> moved = new ArrayList<>();

  /// A job begins to count, with a graph, or does not count any more.
  ///
  /// @param lastLease the number of the last lease of all: who comes stands behind those that wait,
  ///   so that nobody gains by leaving and coming back
  void count(Job job, int sign, long lastLease) {
    Consumer consumer =
        consumers.computeIfAbsent(job.consumer, address -> new Consumer(address, lastLease));
    consumer.jobs += sign;
    if (consumer.jobs == 0) {
      consumers.remove(job.consumer);
    }
  }

  /// All with jobs that run or have open leases, by address.
  Collection<Consumer> consumers() {
    return consumers.values();
  }

  private Consumer of(Address address) {
    Consumer consumer = consumers.get(address);
    if (consumer == null) {
      throw new IllegalStateException("consumer " + address + " has no jobs");
    }
    return consumer;
  }

  /// A lease of a job was made, or ended.
  void count(OpenLease lease, int sign) {
    Consumer consumer = of(lease.job.consumer);
    consumer.count(lease, sign);
    move(consumer);
  }

  /// A lease begins to run, as far as the pool can tell, or runs no more.
  void run(OpenLease lease, boolean runs) {
    Consumer consumer = of(lease.job.consumer);
    lease.runs = runs;
    consumer.runningCores += runs ? lease.cores : -lease.cores;
    move(consumer);
  }

  /// A consumer has a turn.
  void turn(Address address, long lease) {
    Consumer consumer = of(address);
    consumer.turn = lease;
    move(consumer);
  }

  private void move(Consumer consumer) {
    if (!consumer.isMoved) {
      consumer.isMoved = true;
      moved.add(consumer);
    }
  }

  void add(Group group) {
    Consumer consumer = of(group.job.consumer);
    Consumer.Key key = new Consumer.Key(group.shape, group.job.priority);
    Place place = consumer.places.get(key);
    if (place == null) {
      place = new Place(consumer, key.priority());
      consumer.places.put(key, place);
      lines.computeIfAbsent(group.shape, s -> new TreeSet<>(Place.ORDER)).add(place);
    }
    place.groups.add(group);
  }

  void remove(Group group) {
    Consumer consumer = of(group.job.consumer);
    Consumer.Key key = new Consumer.Key(group.shape, group.job.priority);
    Place place = consumer.places.get(key);
    if (place == null) {
      throw new IllegalStateException("a group of job " + group.job.id + " stands nowhere");
    }
    place.groups.remove(group);
    if (place.groups.isEmpty()) {
      consumer.places.remove(key);
      NavigableSet<Place> line = line(key.shape());
      line.remove(place);
      if (line.isEmpty()) {
        lines.remove(key.shape());
      }
    }
  }

  private NavigableSet<Place> line(Group.Shape shape) {
    NavigableSet<Place> line = lines.get(shape);
    if (line == null) {
      throw new IllegalStateException("nothing of " + shape + " stands in line");
    }
    return line;
  }

  /// All lines, in order; none is empty. What is served from then on moves nobody until the next
  /// call. O(log consumers) for each place of those whose share has changed.
  Collection<NavigableSet<Place>> inOrder() {
    for (Consumer consumer : moved) {
      consumer.isMoved = false;
      consumer.places.forEach((key, place) -> {
        NavigableSet<Place> line = line(key.shape());
        line.remove(place);
        place.settle();
        line.add(place);
      });
    }
    moved.clear();
    return lines.values();
  }

  /// How many other consumers are due before the one of this group, with the same priority.
  int dueBefore(Group group) {
    Place place =
        of(group.job.consumer).places.get(new Consumer.Key(group.shape, group.job.priority));
    if (place == null) {
      return 0;
    }
    return (int) line(group.shape).stream().filter(p -> p.isDueBefore(place)).count();
  }
}
