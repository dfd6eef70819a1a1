package dev.perseid.core;

import org.jspecify.annotations.Nullable;

/// What the pool knows of one provider.
final class Provider {
  static final int USUAL_SPEED = 1_000;
  private static final int SLOWEST = 20;
  private static final int FASTEST = 50_000;

  /// Charges over which the usual one is averaged.
  private static final long LEARNED_OVER = 16;

  private static final long AHEAD_NS = Limits.LEASE_AHEAD_MS * 1_000_000;

  /// A day and a bit; longer tasks count as this long, so that no product here exceeds 2^63.
  private static final long LONGEST_NS = 100_000_000_000_000L;

  /// Order of first joining, from 0, never used again.
  final int index;

  final Address address;
  final Account account;
  OfferRow offer;
  long session;
  ProviderView.State state = ProviderView.State.SERVING;
  long joinedUs;
  long goneUs;
  long attemptsDone;
  long attemptsFailed;
  long earned;
  long busyNs;

  /// What is believed of its results.
  Belief belief = Belief.NONE;

  /// Results that others confirmed and refuted, ever.
  long confirmed;

  long refuted;

  /// About what it is paid for a result that counts on its word alone, microcredits.
  long usualCharge;

  /// When such a result counted last, microseconds since the epoch; 0 if none ever did.
  long believedUs;

  /// Whether it was found wrong so often that it gets no work.
  boolean distrusted;

  /// Learned speed, 1000 = usual.
  int speed = USUAL_SPEED;

  int leases;
  long usedCores;
  long usedMemory;

  /// Expected core time of all its leases.
  long expectedNs;

  /// The longest wall limit among its leases since it last had none.
  long longestWallMs;

  @Nullable OpenLease firstLease;
  @Nullable OpenLease lastLease;

  /// Where it stands among the providers that take leases: see [OpenProviders].
  long rank;

  /// Where it is listed there, or null.
  OpenProviders.@Nullable Room listed;

  Provider(int index, Address address, Account account, OfferRow offer) {
    this.index = index;
    this.address = address;
    this.account = account;
    this.offer = offer;
  }

  int cores() {
    return offer.offer.cores();
  }

  long memoryBytes() {
    return offer.offer.memoryBytes();
  }

  String name() {
    return offer.offer.name();
  }

  /// Whether a task of this shape can run here at all.
  boolean fits(int taskCores, long taskMemory) {
    return taskCores <= cores() && taskMemory <= memoryBytes();
  }

  /// A result counts on its word alone and was paid.
  void believed(long charge, long atUs) {
    long step = (charge - usualCharge) / LEARNED_OVER;
    usualCharge = believedUs == 0 ? charge : usualCharge + step;
    believedUs = Math.max(believedUs, atUs);
  }

  /// What of its earnings is withheld as long as what it was believed may be looked at again.
  long retained(long nowUs) {
    boolean open = believedUs > 0 && nowUs - believedUs <= Limits.REVIEWABLE_MS * 1_000;
    return open ? Limits.RETAINED_PRICES * usualCharge : 0;
  }

  /// Whether it gets work at all.
  boolean takesWork() {
    return state == ProviderView.State.SERVING && !distrusted;
  }

  /// Whether it takes another lease now: a core and memory are idle, or what waits here will not
  /// last for long.
  boolean isOpen() {
    return takesWork()
        && leases < Limits.PROVIDER_LEASES
        && (hasRoom() || queuedNsPerCore() < AHEAD_NS);
  }

  private boolean hasRoom() {
    return usedCores < cores() && usedMemory < memoryBytes();
  }

  /// Lower is better: providers with room by free share times speed, then the others by how long
  /// their queue is.
  long newRank() {
    if (!hasRoom()) {
      return queuedNsPerCore();
    }
    long freeCores = (cores() - usedCores) * 1_000 / cores();
    long freeMemory = (memoryBytes() - usedMemory) * 1_000 / memoryBytes();
    return -1 - Math.min(freeCores, freeMemory) * speed;
  }

  /// Expected work that cannot have begun: what is beyond its cores and memory, for each core. All
  /// leases count as equally long.
  private long queuedNsPerCore() {
    long byCores = expectedNs / Math.max(usedCores, cores()) * cores();
    long memoryPermille = Math.max(1_000, usedMemory * 1_000 / memoryBytes());
    long byMemory = expectedNs / memoryPermille * 1_000;
    return (expectedNs - Math.min(byCores, byMemory)) / cores();
  }

  /// The core time that a task of a kind is expected to take here.
  ///
  /// @param usualWallNs learned for the kind at usual speed, or 0 where nothing is known: then one
  ///   lease more than there are cores is enough
  long expectedNs(TaskKind kind, long usualWallNs) {
    long wallNs =
        usualWallNs == 0
            ? AHEAD_NS * cores()
            : Math.max(usualWallNs * USUAL_SPEED / speed, Limits.SHORTEST_TASK_US * 1_000);
    long most = LONGEST_NS / kind.cores();
    return Math.min(wallNs, most) * kind.cores();
  }

  /// What a wall time measured at some speed would be at usual speed.
  static long atUsualSpeed(long wallNs, int speed) {
    return Math.min(wallNs, LONGEST_NS) * speed / USUAL_SPEED;
  }

  /// Learns from one attempt how fast it is against what is usual for the kind.
  void learnSpeed(long usualWallNs, long wallNs) {
    long seen = Math.clamp(usualWallNs * USUAL_SPEED / wallNs, SLOWEST, FASTEST);
    speed = Math.clamp(speed + (seen - speed) / 16, SLOWEST, FASTEST);
  }

  void add(OpenLease lease, long wallLimitMs) {
    longestWallMs = leases == 0 ? wallLimitMs : Math.max(longestWallMs, wallLimitMs);
    leases++;
    usedCores += lease.cores;
    usedMemory += lease.memoryBytes;
    expectedNs += lease.expectedNs;
    lease.beforeAtProvider = lastLease;
    if (lastLease == null) {
      firstLease = lease;
    } else {
      lastLease.afterAtProvider = lease;
    }
    lastLease = lease;
  }

  void remove(OpenLease lease) {
    leases--;
    usedCores -= lease.cores;
    usedMemory -= lease.memoryBytes;
    expectedNs -= lease.expectedNs;
    OpenLease before = lease.beforeAtProvider;
    OpenLease after = lease.afterAtProvider;
    if (before == null) {
      firstLease = after;
    } else {
      before.afterAtProvider = after;
    }
    if (after == null) {
      lastLease = before;
    } else {
      after.beforeAtProvider = before;
    }
  }
}
