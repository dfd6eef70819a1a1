package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the pool knows of one provider.
final class Provider {
  static final int ALL_PPM = 1_000_000;

  /// Charges over which the usual one is averaged.
  private static final long LEARNED_OVER = 16;

  /// Leases by which it is estimated when a core is free.
  private static final int LEASES_LOOKED_AT = 64;

  private static final long LATE = 8;
  private static final long LATER = 4;

  /// Less than that says more of how long it takes to ask than of how fast it comes.
  private static final long TELLING_BYTES = 16L << 20;

  /// More than that nobody fetches for one attempt.
  private static final long MOST_BYTES = 1L << 46;

  /// What an attempt takes beside its run though nothing moves: what runs it starts.
  private static final long BESIDE_NS = 1_000_000_000;

  /// No line is faster than 80 gigabits a second.
  private static final long MOST_BYTES_PER_NS = 10;

  /// None counts as slower than a tenth of the usual one: what else may have taken the time nobody
  /// knows, and who counts as slow is not asked again to show that it is not.
  private static final long MOST_NS_PER_BYTE = 10 * 1_000_000_000L / Limits.USUAL_BYTES_PER_S;

  /// Transfers over which its line is averaged.
  private static final long MOVED_OVER = 8;

  private static final long AHEAD_NS = Limits.LEASE_AHEAD_MS * 1_000_000;

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

  /// What others found of its results.
  Evidence evidence = Evidence.NONE;

  /// Results that others confirmed and refuted, ever.
  long confirmed;

  long refuted;

  /// About what it is paid for a result that counts on its word alone, microcredits.
  long usualCharge;

  /// When such a result counted last, microseconds since the epoch; 0 if none ever did.
  long believedUs;

  /// Whether it was found wrong so often that it gets no work.
  boolean distrusted;

  /// From which network it came last; empty if that is not known.
  String network = "";

  /// Who signed that it is its own; null if nobody did.
  @Nullable Address operator;

  /// What it has at stake on a chain.
  Bond bond = Bond.NONE;

  /// Indices of the records of refuted results for which nothing of its bond was taken yet.
  final List<Long> owes = new ArrayList<>();

  /// For which platform it runs native tasks; null if it runs none.
  @Nullable Platform platform;

  /// How much of what it has it gets work for, millionths; see [TrustRule#admittedPpm].
  int admittedPpm = ALL_PPM;

  /// The measurement for which it is asked; 0 if it is asked for none. It gets no new lease then.
  long askedId;

  /// What it showed of its hardware.
  Capacity shown = Capacity.UNKNOWN;

  /// When it is to be measured next.
  long nextMeasureUs;

  /// The network in which it counts among those that are asked; null if it is not asked.
  @Nullable String askedIn;

  /// Whether it counts among those that are measured, or that end their leases first.
  boolean isMeasured;

  boolean endsFirst;

  /// Whether it has passed its probation once.
  boolean hasPassed;

  /// Under which time it stands among those to be measured, or -1.
  long listedMeasureUs = -1;

  /// How fast it runs tasks without GPUs, and those with.
  final Speed speed = new Speed();

  final Speed gpuSpeed = new Speed();

  /// How much power it takes.
  final Power power = new Power();

  /// What a kilowatt hour emits where it stands, as it says, grams of carbon dioxide; -1 if it does
  /// not say.
  int gPerKwh = -1;

  /// What it fetched and sent for attempts of which little else took time, and how long that took;
  /// the old ones weigh less. 0 before the first.
  long movedBytes;

  long movedNs;

  int leases;
  long usedCores;
  long usedMemory;
  int usedGpus;

  /// Expected core time of all its leases.
  long expectedNs;

  /// The longest wall limit among its leases since it last had none.
  long longestWallMs;

  /// What runs of its leases, as far as the pool can tell: the first ones, as many as fit.
  private int runningCores;

  private long runningMemory;
  private int runningGpus;
  private @Nullable OpenLease firstQueued;

  @Nullable OpenLease firstLease;
  @Nullable OpenLease lastLease;

  /// Where it stands among the providers that take leases: see [OpenProviders].
  long rank;

  /// Where it stands in the listings there.
  final long[] listedAs = OpenProviders.unlisted();

  /// Where it is listed there, or null.
  OpenProviders.@Nullable Room listed;

  Provider(int index, Address address, Account account, OfferRow offer) {
    this.index = index;
    this.address = address;
    this.account = account;
    this.offer = offer;
  }

  /// How many cores count: those that it declares, and once it was measured no more than it showed.
  int cores() {
    int declared = offer.offer.cores();
    return shown.isShown() ? Math.min(declared, shown.cores()) : declared;
  }

  /// How much memory counts, likewise.
  long memoryBytes() {
    long declared = offer.offer.memoryBytes();
    return shown.isShown() ? Math.min(declared, shown.memoryBytes()) : declared;
  }

  /// Which GPUs count, likewise.
  Gpus gpus() {
    Gpus declared = offer.offer.gpus();
    return shown.isShown() ? declared.atMost(shown.gpus()) : declared;
  }

  String name() {
    return offer.offer.name();
  }

  /// Whether nothing stands in the way of the measurement for which it is asked.
  boolean canBeMeasured() {
    return askedId != 0 && leases == 0;
  }

  /// Whether a task of this shape can run here at all.
  boolean fits(Group.Shape shape) {
    return shape.cores() <= cores()
        && shape.memoryBytes() <= memoryBytes()
        && (shape.platform() == null || shape.platform() == platform)
        && gpus().hold(shape.gpus());
  }

  /// Whether a task of this shape can be leased to it now. One that needs GPUs is leased only when
  /// they are free: what runs on them takes long, and what waits behind it keeps cores idle.
  boolean takes(Group.Shape shape) {
    return isOpen() && fits(shape) && hasFree(shape.gpus());
  }

  private boolean hasFree(Gpus needed) {
    return needed.count() <= freeGpus();
  }

  /// How many GPUs no lease holds.
  int freeGpus() {
    return Math.max(0, gpus().count() - usedGpus);
  }

  /// How fast it runs tasks of this shape.
  Speed speedOf(Group.Shape shape) {
    return speedOf(shape.gpus());
  }

  private Speed speedOf(Gpus needed) {
    return needed.any() ? gpuSpeed : speed;
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

  /// What a kilowatt hour counts as where it stands.
  int countedGPerKwh() {
    return gPerKwh < 0 ? Limits.UNKNOWN_G_PER_KWH : gPerKwh;
  }

  /// Whether it gets work at all.
  boolean takesWork() {
    return state == ProviderView.State.SERVING && !distrusted && shown.problem().isEmpty();
  }

  /// Whether it takes another lease now: a core and memory are idle, or all that it has will not
  /// last for long. Of what it cannot begin soon it is not known yet where it would end first.
  boolean isOpen() {
    return takesWork()
        && askedId == 0
        && leases < Limits.PROVIDER_LEASES
        && (hasRoom() || loadNs() < AHEAD_NS);
  }

  /// How long all that it has will take, as far as that is known: by cores or by memory, whatever
  /// is scarcer. All leases count as equally long.
  private long loadNs() {
    long byCores = expectedNs / Math.max(1, admittedCores());
    long one = expectedNs / Math.max(1, usedCores);
    long byMemory = one / 1_000 * (usedMemory * 1_000 / Math.max(1, memoryBytes()));
    return Math.max(byCores, byMemory);
  }

  boolean hasRoom() {
    return usedCores < admittedCores() && usedMemory < memoryBytes();
  }

  /// On how many of its cores it gets work at once: at least on one.
  private long admittedCores() {
    return admittedPpm == ALL_PPM ? cores() : Math.max(1, (long) cores() * admittedPpm / ALL_PPM);
  }

  /// Lower is better: providers with room by free share times speed, then the others by how long
  /// their queue is.
  long newRank() {
    if (!hasRoom()) {
      return queuedNsPerCore();
    }
    long freeCores = (cores() - usedCores) * 1_000 / cores();
    long freeMemory = (memoryBytes() - usedMemory) * 1_000 / Math.max(1, memoryBytes());
    return -1 - Math.min(freeCores, freeMemory) * speed.value;
  }

  /// Expected work that cannot have begun: what is beyond its cores and memory, for each core. All
  /// leases count as equally long.
  private long queuedNsPerCore() {
    long byCores = expectedNs / Math.max(usedCores, cores()) * cores();
    long memoryPermille = Math.max(1_000, usedMemory * 1_000 / Math.max(1, memoryBytes()));
    long byMemory = expectedNs / memoryPermille * 1_000;
    return (expectedNs - Math.min(byCores, byMemory)) / cores();
  }

  /// What would take this long at usual speed takes here.
  long wallNs(Group.Shape shape, long usualNs) {
    return speedOf(shape).wallNs(usualNs);
  }

  /// About how long it takes to fetch something.
  long transferNs(long bytes) {
    if (bytes == 0) {
      return 0;
    }
    double ns =
        movedBytes == 0
            ? 1e9 / Limits.USUAL_BYTES_PER_S * bytes
            : (double) movedNs / movedBytes * bytes;
    return (long) Math.min(ns, Speed.LONGEST_NS);
  }

  /// Learns how fast it fetches and sends, from an attempt that began as soon as it was leased: the
  /// time that it did not run went into that, or most of it.
  ///
  /// @param bytes as it says
  /// @param ns how long the attempt was open and did not run
  void learnTransfer(long bytes, long ns) {
    if (bytes < TELLING_BYTES || ns < 0) {
      return;
    }
    long moved = Math.min(bytes, MOST_BYTES);
    long took = Math.clamp(ns - BESIDE_NS, moved / MOST_BYTES_PER_NS, moved * MOST_NS_PER_BYTE);
    movedBytes = movedBytes / MOVED_OVER * (MOVED_OVER - 1) + moved;
    movedNs = movedNs / MOVED_OVER * (MOVED_OVER - 1) + took;
  }

  /// The core time that a task of a kind is expected to take here.
  ///
  /// @param usualWallNs at usual speed
  long expectedNs(TaskKind kind, long usualWallNs) {
    long ns = speedOf(kind.gpus()).wallNs(usualWallNs);
    long wallNs = Math.max(ns, Limits.SHORTEST_TASK_US * 1_000);
    long most = Speed.LONGEST_NS / kind.cores();
    return Math.min(wallNs, most) * kind.cores();
  }

  /// About how long until it begins what it gets now: what its leases still need, spread over its
  /// cores, as far as that is known; 0 if there is room.
  long freeInNs(long nowUs) {
    if (hasRoom()) {
      return 0;
    }
    long left = 0;
    OpenLease lease = firstLease;
    for (int i = 0; lease != null && i < LEASES_LOOKED_AT; i++, lease = lease.afterAtProvider) {
      long ranNs = Math.min(Speed.LONGEST_NS, (nowUs - lease.assignedUs) * 1_000) * lease.cores;
      // The later it is already, the longer it will take: nobody waits for long for what hangs.
      long late = ranNs - lease.expectedNs;
      left += Math.max(lease.expectedNs / LATE, late < 0 ? -late : late / LATER);
    }
    return left / cores();
  }

  /// @param lines is told what begins to run
  void add(OpenLease lease, long wallLimitMs, Lines lines) {
    longestWallMs = leases == 0 ? wallLimitMs : Math.max(longestWallMs, wallLimitMs);
    leases++;
    usedCores += lease.cores;
    usedMemory += lease.memoryBytes;
    usedGpus += lease.gpus;
    expectedNs += lease.expectedNs;
    lease.beforeAtProvider = lastLease;
    if (lastLease == null) {
      firstLease = lease;
    } else {
      lastLease.afterAtProvider = lease;
    }
    lastLease = lease;
    firstQueued = firstQueued == null ? lease : firstQueued;
    begin(lines, lease.assignedUs);
  }

  /// @param lines is told what begins to run, and that this does no more
  void remove(OpenLease lease, Lines lines, long atUs) {
    if (lease.runs) {
      stop(lease, lines);
    } else if (lease == firstQueued) {
      firstQueued = lease.afterAtProvider;
    }
    leases--;
    usedCores -= lease.cores;
    usedMemory -= lease.memoryBytes;
    usedGpus -= lease.gpus;
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
    begin(lines, atUs);
  }

  /// Sees anew what runs, after its cores or memory may have changed.
  void beginAnew(Lines lines, long atUs) {
    for (OpenLease l = firstLease; l != null && l.runs; l = l.afterAtProvider) {
      stop(l, lines);
    }
    firstQueued = firstLease;
    begin(lines, atUs);
  }

  private void begin(Lines lines, long atUs) {
    while (firstQueued != null && fitsBesideRunning(firstQueued)) {
      runningCores += firstQueued.cores;
      runningMemory += firstQueued.memoryBytes;
      runningGpus += firstQueued.gpus;
      lines.run(firstQueued, true);
      firstQueued.beganUs = firstQueued.beganUs == 0 ? atUs : firstQueued.beganUs;
      firstQueued = firstQueued.afterAtProvider;
    }
  }

  private void stop(OpenLease lease, Lines lines) {
    runningCores -= lease.cores;
    runningMemory -= lease.memoryBytes;
    runningGpus -= lease.gpus;
    lines.run(lease, false);
  }

  private boolean fitsBesideRunning(OpenLease lease) {
    return runningCores == 0
        || (runningCores + lease.cores <= cores()
            && runningMemory + lease.memoryBytes <= memoryBytes()
            && (lease.gpus == 0 || runningGpus + lease.gpus <= gpus().count()));
  }
}
