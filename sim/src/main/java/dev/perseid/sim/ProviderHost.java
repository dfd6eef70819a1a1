package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Price;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Report;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.node.Attempt;
import dev.perseid.node.ProviderLimits;
import dev.perseid.node.ProviderLoop;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// A provider's process: the node's real [ProviderLoop] with a simulated sandbox, clock and
/// network. It dies, comes back without its memory, drains, or never comes back.
final class ProviderHost implements Cable.End<ToProvider>, ProviderLoop.Runner {
  /// Seeds of the keys of those who operate providers.
  private static final long OPERATORS = 7_000_000;

  private static final long LONGEST_PROCESSING_US = 2_000;
  private static final long LONGEST_BACKOFF_US = 5_000_000;
  private static final long STOP_US = 20_000;

  /// How much more a boaster declares than it has.
  private static final int BOAST = 4;

  /// How long a link of a probe takes at usual speed, and a chunk of memory.
  private static final long LINK_US = 6_000;

  /// A GPU makes that many more at once.
  private static final long GPU_LINK_US = 200;

  private static final long CHUNK_US = 400;

  /// How long it takes at most until a provider hears that a job is over.
  private static final long STOPPING_US = 5_000_000;

  /// How long it takes at most to tell the pool of a result over a connection that works: a report
  /// that went astray is sent again.
  private static final long TELLING_US = ProviderLimits.RESEND_US + 5_000_000;

  private final int number;
  private final Address address;
  private final Address pool;
  private final PoolHost poolHost;
  private final Cable.Net net;
  private final Agenda agenda;
  private final Dice dice;
  private final Weather weather;
  private final Seals seals;
  private final Auditor auditor;
  private final Sabotage sabotage;
  private final @Nullable Liar liar;
  private final @Nullable Cheat cheat;
  private final int cores;
  private final long memoryBytes;
  private final Gpus gpus;
  private final int boast;
  private final Price price;
  private final int slownessPercent;
  private final long skewUs;
  private final boolean staysForEver;

  private @Nullable ProviderLoop loop;
  private @Nullable Cable cable;
  private int life;
  private boolean dialling;
  private boolean calm;
  private boolean vanished;
  private boolean turnDue;
  private long wakeAtUs = Long.MAX_VALUE;
  private final Map<Long, Run> running = new TreeMap<>();
  private final Set<Long> startedInThisLife = new HashSet<>();
  private final Set<Long> receivedInThisLife = new HashSet<>();
  private final Map<Long, Long> endedInThisLifeUs = new TreeMap<>();
  private long welcomedUs = Long.MAX_VALUE;

  /// An attempt that runs.
  private record Run(Lease lease, long startedUs) {}

  /// @param liar how it lies, or null
  /// @param cheat which wrong results it gives, or null
  /// @param boasts whether it declares more than it has
  /// @param first whether it is the one that fits every task and always comes back
  ProviderHost(
      int number,
      Address address,
      Address pool,
      PoolHost poolHost,
      Cable.Net net,
      Agenda agenda,
      Dice dice,
      Weather weather,
      Seals seals,
      Auditor auditor,
      Sabotage sabotage,
      @Nullable Liar liar,
      @Nullable Cheat cheat,
      boolean boasts,
      boolean first) {
    this.number = number;
    this.address = address;
    this.pool = pool;
    this.poolHost = poolHost;
    this.net = net;
    this.agenda = agenda;
    this.dice = dice;
    this.weather = weather;
    this.seals = seals;
    this.auditor = auditor;
    this.sabotage = sabotage;
    this.liar = liar;
    this.cheat = cheat;
    staysForEver = first;
    boast = boasts ? BOAST : 1;
    cores = first ? Customer.MOST_CORES + dice.below(3) : 1 + dice.below(6);
    memoryBytes = first ? Customer.MOST_MEMORY_BYTES * 2 : dice.between(1, 8) << 28;
    // Whoever stays has what anybody may need; of the others every other one has GPUs.
    int most = first ? Customer.MOST_GPUS : number % 2 * Customer.MOST_GPUS;
    gpus = most == 0 ? Gpus.NONE : new Gpus(most, Customer.MOST_GPU_BYTES);
    price =
        new Price(
            dice.between(0, 5_000),
            dice.between(0, 5_000),
            dice.between(0, 100_000),
            gpus.any() ? dice.between(0, 5_000) : 0);
    slownessPercent = (int) dice.between(50, 300);
    skewUs = dice.between(-weather.skewUs(), weather.skewUs());
  }

  int number() {
    return number;
  }

  Address address() {
    return address;
  }

  /// What it really has.
  int cores() {
    return cores;
  }

  long memoryBytes() {
    return memoryBytes;
  }

  Gpus gpus() {
    return gpus;
  }

  /// The session under which the pool has welcomed it, if that is so now. A liar has none: what it
  /// says of its session need not be so.
  OptionalLong session() {
    ProviderLoop l = loop;
    Cable c = cable;
    return liar == null && l != null && c != null && l.welcomed()
        ? OptionalLong.of(c.session())
        : OptionalLong.empty();
  }

  /// Whether it is wrong to give this lease up: its attempt has ended here, and the pool should
  /// know that by now or has not yet given this provider the time to say so; or the lease was never
  /// sent. A liar's word does not count.
  boolean isWronged(long lease, long assignedUs) {
    long nowUs = agenda.nowUs();
    if (loop == null || liar != null) {
      return false;
    }
    if (nowUs - TELLING_US >= Math.max(assignedUs, welcomedUs)
        && !receivedInThisLife.contains(lease)) {
      return true;
    }
    long endedUs = endedInThisLifeUs.getOrDefault(lease, Long.MAX_VALUE);
    boolean couldNotTell =
        nowUs - PoolHost.SILENCE_MS * 1_000 >= endedUs
            && poolHost.upForUs() <= PoolHost.SILENCE_MS * 1_000;
    return couldNotTell || nowUs - TELLING_US >= Math.max(endedUs, welcomedUs);
  }

  /// A provider that can be told does not go on with a job that is over.
  void checkStopped() {
    for (Run run : running.values()) {
      long overUs = poolHost.overSinceUs(run.lease().job());
      if (agenda.nowUs() - STOPPING_US >= Math.max(overUs, welcomedUs)) {
        throw new Violation(
            "provider "
                + number
                + " still runs lease "
                + run.lease().id()
                + ", whose job was over long ago");
      }
    }
  }

  /// Nothing may be left when all is over.
  void checkIdle() {
    ProviderLoop l = loop;
    if (l != null && !l.load().equals(new ProviderLoop.Load(0, 0, 0))) {
      throw new Violation("everything is over and yet: " + state());
    }
  }

  /// What it is doing, for people.
  String state() {
    ProviderLoop l = loop;
    return "provider "
        + number
        + (l == null
            ? vanished ? " has vanished" : " is down"
            : (l.welcomed() ? " is in" : " is out") + ", " + l.load());
  }

  /// Whose it is: every third is somebody's who has others, too.
  private Optional<Operated> operated() {
    if (number % 3 != 0) {
      return Optional.empty();
    }
    Address operator = seals.admit(OPERATORS + number % 2);
    return Optional.of(
        new Operated(operator, seals.sign(operator, seals.operated(operator, address))));
  }

  /// Starts the process with nothing in memory.
  void start() {
    life++;
    running.clear();
    startedInThisLife.clear();
    receivedInThisLife.clear();
    endedInThisLifeUs.clear();
    welcomedUs = Long.MAX_VALUE;
    Offer made =
        new Offer(
            address,
            "p" + number,
            "simulated",
            "",
            boast * cores,
            boast * memoryBytes,
            gpus.any() ? new Gpus(boast * gpus.count(), boast * gpus.memoryBytes()) : gpus,
            price,
            Capability.UNMEASURED,
            wallUs());
    // Some run no native tasks, but whoever stays does.
    boolean lends = staysForEver || number % 4 != 3;
    loop =
        new ProviderLoop(
            pool,
            made,
            lends ? Optional.of(Platform.LINUX_X86_64) : Optional.empty(),
            operated(),
            // Two of three say what a kilowatt hour emits.
            number % 3 == 2 ? OptionalInt.empty() : OptionalInt.of(100 * number),
            new Pen(),
            this);
    dialSoon();
    scheduleCrash();
    scheduleDrain();
  }

  /// No more faults; whoever can come back does so now.
  void calm() {
    calm = true;
    if (liar != null) {
      liar.repent();
    }
    if (loop == null && !vanished) {
      start();
    }
  }

  private void scheduleCrash() {
    if (weather.providerCrashUs() > 0) {
      int now = life;
      agenda.after(
          dice.skewed(100_000, 3 * weather.providerCrashUs()),
          "provider crashes",
          number,
          () -> {
            if (!calm && now == life && loop != null) {
              boolean forEver = !staysForEver && dice.chance(weather.vanishPerMyriad());
              stop(forEver);
            }
          });
    }
  }

  private void scheduleDrain() {
    if (weather.providerDrainUs() > 0) {
      int now = life;
      agenda.after(
          dice.skewed(100_000, 3 * weather.providerDrainUs()),
          "provider drains",
          number,
          () -> {
            ProviderLoop l = loop;
            if (!calm && now == life && l != null) {
              l.drain(monotonicUs());
              turnSoon();
            }
          });
    }
  }

  /// The process ends, by a crash or after a drain.
  private void stop(boolean forEver) {
    life++;
    loop = null;
    vanished = forEver;
    running.clear();
    Cable c = cable;
    if (c != null) {
      c.cut();
      cable = null;
    }
    if (!forEver) {
      agenda.after(
          dice.skewed(10_000, 20_000_000),
          "provider starts",
          number,
          () -> {
            if (loop == null && !vanished) {
              start();
            }
          });
    }
  }

  // ---- connection

  private void dialSoon() {
    if (dialling) {
      return;
    }
    dialling = true;
    agenda.after(dice.skewed(1_000, LONGEST_BACKOFF_US), "provider dials", number, this::dial);
  }

  private void dial() {
    dialling = false;
    ProviderLoop l = loop;
    if (l == null || cable != null) {
      return;
    }
    Cable c = poolHost.open(net, number, this);
    if (c == null) {
      dialSoon();
      return;
    }
    cable = c;
    l.connected(m -> sent(c, m), monotonicUs());
    turnSoon();
  }

  private void sent(Cable c, FromProvider message) {
    if (liar != null) {
      liar.twist(c, message, poolHost, agenda);
    } else {
      c.toPool(message);
    }
    if (message instanceof FromProvider.Goodbye) {
      int now = life;
      agenda.after(
          net.latencyUs() * 4,
          "provider exits",
          number,
          () -> {
            if (now == life) {
              stop(false);
            }
          });
    }
  }

  @Override
  public void arrived(Cable from, ToProvider message) {
    ProviderLoop l = loop;
    if (l == null || from != cable) {
      return;
    }
    if (message instanceof ToProvider.Leases m) {
      for (Lease lease : m.leases()) {
        receivedInThisLife.add(lease.id());
        if (liar != null) {
          liar.learn(lease);
        }
      }
    }
    l.receive(message, monotonicUs());
    if (!l.welcomed()) {
      welcomedUs = Long.MAX_VALUE;
    } else if (welcomedUs == Long.MAX_VALUE) {
      welcomedUs = agenda.nowUs();
    }
    if (l.refusal().isPresent()) {
      from.cut();
    }
    turnSoon();
  }

  @Override
  public void broken(Cable which) {
    ProviderLoop l = loop;
    if (l == null || which != cable) {
      return;
    }
    cable = null;
    welcomedUs = Long.MAX_VALUE;
    l.disconnected(monotonicUs());
    dialSoon();
    turnSoon();
  }

  // ---- time

  /// Microseconds since some moment of its own, never backwards.
  private long monotonicUs() {
    return 1_000_000L * number + agenda.nowUs();
  }

  private long wallUs() {
    return Simulation.EPOCH_US + skewUs + agenda.nowUs();
  }

  private void turnSoon() {
    if (!turnDue) {
      turnDue = true;
      agenda.after(dice.between(1, LONGEST_PROCESSING_US), "provider turns", number, this::turn);
    }
  }

  private void turn() {
    turnDue = false;
    ProviderLoop l = loop;
    if (l == null) {
      return;
    }
    l.turn(monotonicUs());
    long wakeUs = l.wakeUs(monotonicUs());
    if (wakeUs == Long.MAX_VALUE) {
      return;
    }
    long at = agenda.nowUs() + Math.max(0, wakeUs - monotonicUs());
    if (at < wakeAtUs || wakeAtUs <= agenda.nowUs()) {
      wakeAtUs = at;
      agenda.after(
          at - agenda.nowUs(),
          "provider wakes",
          number,
          () -> {
            if (wakeAtUs == at) {
              wakeAtUs = Long.MAX_VALUE;
              turn();
            }
          });
    }
  }

  // ---- sandbox

  @Override
  public void start(Lease lease) {
    for (int i = 0; i < sabotage.runs(lease); i++) {
      begin(lease);
    }
  }

  private void begin(Lease lease) {
    if (!auditor.wasMade(lease.id())) {
      throw new Violation("provider " + number + " runs lease " + lease.id() + ", not in the log");
    }
    if (!startedInThisLife.add(lease.id())) {
      throw new Violation("provider " + number + " runs lease " + lease.id() + " twice");
    }
    running.put(lease.id(), new Run(lease, agenda.nowUs()));
    int usedCores = 0;
    long usedBytes = 0;
    int usedGpus = 0;
    for (Run r : running.values()) {
      usedGpus += r.lease().kind().gpus().count();
      usedCores += r.lease().kind().cores();
      usedBytes += r.lease().kind().memoryBytes();
    }
    if (usedCores > boast * cores
        || usedBytes > boast * memoryBytes
        || usedGpus > boast * gpus.count()) {
      throw new Violation(
          "provider "
              + number
              + " runs "
              + usedCores
              + " cores and "
              + usedBytes
              + " bytes and "
              + usedGpus
              + " GPUs at once");
    }
    long takesUs = Math.max(1, dice.skewed(1, weather.taskUs()) * slownessPercent / 100);
    long limitUs = lease.kind().wallLimitMs() * 1_000;
    boolean fault = !calm && dice.chance(weather.attemptFailsPerMyriad());
    boolean late = takesUs > limitUs;
    long untilUs = Math.min(takesUs, limitUs);
    if (!calm && dice.chance(weather.hangPerMyriad())) {
      return; // until it is stopped
    }
    int now = life;
    agenda.after(
        untilUs,
        "task ends",
        lease.id(),
        () -> {
          Run run = running.get(lease.id());
          if (now != life || run == null) {
            return;
          }
          if (late) {
            finish(run, Outcome.PROVIDER_FAILED, "it ran into its wall limit");
          } else if (fault) {
            finish(run, Outcome.PROVIDER_FAILED, "the engine died");
          } else if (Work.fails(lease) || word(lease) == Cheat.Word.FAILED) {
            finish(run, Outcome.TASK_FAILED, "it returned exit code 3");
          } else {
            finish(run, Outcome.DONE, "");
          }
        });
  }

  @Override
  public void stop(long lease) {
    int now = life;
    agenda.after(
        dice.between(1, STOP_US),
        "task stops",
        lease,
        () -> {
          Run run = running.get(lease);
          if (now == life && run != null) {
            finish(run, Outcome.CANCELLED, "it was stopped");
          }
        });
  }

  @Override
  public void probe(Probe probe) {
    boolean memory = probe.part().isMemory();
    boolean onGpus = probe.part().isOfGpus();
    int gpusAtOnce = probe.part() == Probe.Part.ONE_GPU ? 1 : Math.max(1, gpus.count());
    int lanes = Math.min(probe.lanes(), cores);
    int done = probe.length();
    long eachUs =
        onGpus ? GPU_LINK_US * probe.lanes() / gpusAtOnce : LINK_US * probe.lanes() / lanes;
    if (memory && onGpus) {
      done = (int) Math.min(done, gpus.count() * (gpus.memoryBytes() / (8L * probe.chunkWords())));
      eachUs = CHUNK_US;
    } else if (memory) {
      done = (int) Math.min(done, memoryBytes / (8L * probe.chunkWords()));
      eachUs = CHUNK_US * (probe.chunkWords() >> 17) / lanes;
    }
    int now = life;
    int digests = memory ? done : done * probe.lanes();
    agenda.after(
        Math.max(1, done * eachUs * slownessPercent / 100),
        "probe ends",
        number,
        () -> {
          ProviderLoop l = loop;
          if (now == life && l != null) {
            l.probed(
                new ProbeAnswer(
                    probe.id(), probe.part(), Collections.nCopies(digests, 0L), List.of()),
                monotonicUs());
            turnSoon();
          }
        });
  }

  private Cheat.Word word(Lease lease) {
    return cheat == null ? Cheat.Word.TRUE : cheat.word(lease);
  }

  private List<Blob> outputs(Lease lease) {
    return cheat != null && cheat.word(lease) == Cheat.Word.WRONG
        ? cheat.outputs(lease)
        : Work.outputs(lease);
  }

  private void finish(Run run, Outcome outcome, String reason) {
    Lease lease = run.lease();
    running.remove(lease.id());
    endedInThisLifeUs.put(lease.id(), agenda.nowUs());
    // What hangs is killed at its limit; only word of it comes when it is asked for.
    long tookUs = Math.min(agenda.nowUs() - run.startedUs(), lease.kind().wallLimitMs() * 1_000);
    List<Blob> outputs = outcome == Outcome.DONE ? outputs(lease) : List.of();
    outputs.forEach(poolHost::store);
    long in = lease.args().length();
    for (Blob b : lease.inputs()) {
      in += b.sizeBytes();
    }
    long out = 0;
    for (Blob b : outputs) {
      out += b.sizeBytes();
    }
    Usage usage =
        new Usage(
            Work.gas(lease),
            OptionalLong.empty(),
            OptionalLong.of(tookUs * 1_000),
            OptionalLong.of(lease.kind().memoryBytes() / 2),
            OptionalLong.of(in),
            OptionalLong.of(out),
            OptionalLong.empty(),
            OptionalLong.empty(),
            // From 2 W on; some do not know.
            number % 4 == 3 ? OptionalLong.empty() : OptionalLong.of(tookUs * (2 + number)),
            number % 4 == 3 ? "" : "declared");
    long endedWallUs = wallUs();
    Attempt attempt =
        new Attempt(
            outcome,
            reason,
            OptionalLong.of(endedWallUs - tookUs),
            OptionalLong.of(endedWallUs),
            usage,
            outputs,
            lease.kind().isNative() ? Report.NATIVE : "simulated 1",
            "none");
    ProviderLoop l = loop;
    if (l != null) {
      l.ended(lease.id(), attempt, monotonicUs());
      turnSoon();
    }
  }

  /// The provider's key.
  private final class Pen implements ProviderLoop.Signer {
    @Override
    public Hash digest(ExecutionRecord record) {
      return seals.record(record);
    }

    @Override
    public Hash digest(Offer o) {
      return seals.offer(o);
    }

    @Override
    public String signBatch(Address forPool, Hash root, int count) {
      return seals.sign(address, seals.batch(forPool, root, count));
    }

    @Override
    public String signOffer(Offer o) {
      return seals.sign(address, seals.offer(o));
    }
  }
}
