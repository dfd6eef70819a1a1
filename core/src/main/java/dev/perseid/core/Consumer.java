package dev.perseid.core;

import java.util.TreeMap;

/// A consumer whose jobs run or whose leases are open: what it has of the pool now, and its places
/// in the lines. All of it but its turn follows from jobs and leases.
final class Consumer {
  private static final long AHEAD_NS = Limits.LEASE_AHEAD_MS * 1_000_000;

  final Address address;

  /// Jobs that run, or have ended and have open leases.
  int jobs;

  /// Cores under those of its leases that run, as far as the pool can tell.
  long runningCores;

  /// Core time of the next [Limits#LEASE_AHEAD_MS] that its leases need: of each what it was
  /// expected to take, but no more than that time on each of its cores.
  long neededNs;

  /// The number of the lease that it got last, or of the last one of all when it came.
  long turn;

  /// Whether share or turn have changed since its places were put in order.
  boolean isMoved;

  final TreeMap<Key, Place> places = new TreeMap<>();

  /// What is one place of a consumer.
  record Key(Group.Shape shape, int priority) implements Comparable<Key> {
    @Override
    public int compareTo(Key o) {
      int x = Integer.compare(o.priority, priority);
      return x != 0 ? x : shape.compareTo(o.shape);
    }
  }

  Consumer(Address address, long turn) {
    this.address = address;
    this.turn = turn;
  }

  /// What it has of the pool now, as core time of the next [Limits#LEASE_AHEAD_MS]: its cores, or
  /// what its leases need if that is more, as when many short ones are queued.
  long shareNs() {
    return Math.max(runningCores * AHEAD_NS, neededNs);
  }

  /// A lease was made, or ended.
  void count(OpenLease lease, int sign) {
    neededNs += sign * Math.min(lease.expectedNs, lease.cores * AHEAD_NS);
  }
}
