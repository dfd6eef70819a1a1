package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Pool;
import dev.perseid.core.ProviderView;
import dev.perseid.core.ToProvider;
import dev.perseid.node.Measuring;
import dev.perseid.node.PoolLimits;
import dev.perseid.node.PoolLoop;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The pool's process: the node's real [PoolLoop] on a simulated disk and network. It dies and
/// comes back from its log.
final class PoolHost implements PoolLoop.Outbox, Cable.End<FromProvider> {
  /// A comparison takes about so long at most.
  private static final long COMPARISON_US = 3_000_000;

  /// How often the pool cannot compare what it should.
  private static final int INCOMPARABLE_PER_MYRIAD = 100;

  private static final long HEARTBEAT_MS = 1_000;
  static final long SILENCE_MS = 6_000;
  private static final long LONGEST_PROCESSING_US = 2_000;
  private static final int CONTINUATION_CHECKS_PER_MYRIAD = 3_000;
  private static final int VIEWS = 1_000;
  private static final int PREFIX_CHECKS_PER_MYRIAD = 500;

  private final Address self;
  private final Agenda agenda;
  private final Diary diary;
  private final Dice dice;

  /// Which results are checked, and by whom.
  private final Dice luck;

  private final Weather weather;
  private final Seals seals;
  private final Disk disk;
  private final Auditor auditor;
  private final List<Address> providers;
  private final Set<Blob> stored = new HashSet<>();

  // The fold of the durable log, built by replay alone.
  private final Pool shadow;

  private @Nullable PoolLoop loop;
  private int life;
  private boolean calm;
  private boolean turnDue;
  private long newestSession;
  private long stepUs;
  private long startedUs;
  private final List<JobId> accepted = new ArrayList<>();
  private final Map<JobId, Long> overSinceUs = new TreeMap<>();
  private final Map<Long, Long> assignedUs = new TreeMap<>();
  private final Map<Long, Cable> cables = new TreeMap<>();
  private long restarts;
  private Runnable onStart = () -> {};
  private final Map<Integer, Hash> prefixes = new TreeMap<>();

  /// @param providers whose key each provider's connections prove
  PoolHost(
      Address self,
      Agenda agenda,
      Diary diary,
      Dice dice,
      Weather weather,
      Seals seals,
      Disk disk,
      Auditor auditor,
      List<Address> providers) {
    this.self = self;
    this.providers = providers;
    this.agenda = agenda;
    this.diary = diary;
    this.dice = dice;
    this.luck = dice.split();
    this.weather = weather;
    this.seals = seals;
    this.disk = disk;
    this.auditor = auditor;
    shadow = Pool.empty(self);
    disk.onDurable(this::durable);
  }

  /// No more crashes; if it is down it starts now.
  void calm() {
    calm = true;
    if (loop == null) {
      start();
    }
  }

  long restarts() {
    return restarts;
  }

  /// Since when a job is over; never, if it is not.
  long overSinceUs(JobId job) {
    return overSinceUs.getOrDefault(job, Long.MAX_VALUE);
  }

  /// Since when the log has this lease.
  long assignedUs(long lease) {
    return assignedUs.getOrDefault(lease, Long.MAX_VALUE);
  }

  /// How long it has been up since it last started.
  long upForUs() {
    return agenda.nowUs() - startedUs;
  }

  /// The live state, if the process is up and has nothing undurable.
  @Nullable Pool quiet() {
    PoolLoop l = loop;
    return l == null || l.busy() ? null : l.pool();
  }

  /// Whether the process lives.
  boolean isUp() {
    return loop != null;
  }

  /// Starts the process: the state is the newest snapshot and the log after it.
  void start() {
    Pool pool = restored();
    List<Effect> effects = new ArrayList<>();
    for (byte[] batch : disk.tail()) {
      for (Event e : EventCodec.decode(batch)) {
        pool.apply(e, effects);
      }
    }
    for (Effect e : effects) {
      switch (e) {
        case Effect.StoreBatch b -> disk.batch(b.batch());
        case Effect.StoreEntry s -> disk.entry(s.entry());
        case Effect.StoreMovement m -> disk.movement(m.movement());
        case Effect.SendLease _,
            Effect.StopLease _,
            Effect.ReportDurable _,
            Effect.PurseChanged _,
            Effect.JobChanged _,
            Effect.Measure _,
            Effect.Compare _,
            Effect.DropComparison _ -> {
          // Providers ask again when they join, the loop when it starts; nobody watches yet.
        }
      }
    }
    disk.checkArchive();
    auditor.compare(pool);
    same("the restarted pool", pool);
    if (restarts > 0 && dice.chance(CONTINUATION_CHECKS_PER_MYRIAD)) {
      goesOnAlike();
    }
    life++;
    startedUs = agenda.nowUs();
    stepUs = restarts == 0 ? 0 : dice.between(-weather.stepUs(), weather.stepUs());
    newestSession = 0;
    for (ProviderView p : pool.providers()) {
      newestSession = Math.max(newestSession, p.session());
    }
    loop =
        new PoolLoop(
            pool,
            (events, durable) -> {
              int now = life;
              disk.append(
                  events,
                  () -> {
                    if (now == life) {
                      settle(durable);
                    }
                  });
            },
            this,
            disk,
            (_, blob) -> stored.contains(blob),
            seals,
            new PoolLoop.Settings(
                HEARTBEAT_MS, SILENCE_MS, weather.measures() ? Measuring.ON : Measuring.OFF),
            luck::next,
            // Nobody here pretends to have done what it has not: that is for a test of its own.
            (_, _, done) -> done.accept(""),
            this::compare);
    onStart.run();
    turnSoon();
    tick();
    scheduleCrash();
  }

  private void compare(Effect.Compare asked, PoolLoop.Compared done) {
    int now = life;
    agenda.after(
        dice.skewed(100, COMPARISON_US),
        "results compared",
        asked.what().entry(),
        () -> {
          if (now != life) {
            return;
          }
          long like =
              asked.with().stream()
                  .filter(o -> Work.alike(o.outputs(), asked.what().outputs()))
                  .mapToLong(Effect.Compared::entry)
                  .findFirst()
                  .orElse(asked.what().entry());
          if (dice.chance(INCOMPARABLE_PER_MYRIAD)) {
            done.is(Command.RecordComparison.UNKNOWN, "a file is gone");
          } else {
            done.is(like, "");
          }
          turnSoon();
        });
  }

  /// Who is told that the process has started, with nothing in its memory but the state.
  void onStart(Runnable listener) {
    onStart = listener;
  }

  private Pool restored() {
    byte[] snapshot = disk.snapshot();
    if (snapshot == null) {
      return Pool.empty(self);
    }
    try {
      return Pool.restore(new DataInputStream(new ByteArrayInputStream(snapshot)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void scheduleCrash() {
    if (weather.poolCrashUs() > 0) {
      int now = life;
      agenda.after(
          dice.skewed(100_000, 3 * weather.poolCrashUs()),
          "pool crashes",
          0,
          () -> {
            if (!calm && now == life && loop != null) {
              crash();
            }
          });
    }
  }

  private void crash() {
    loop = null;
    life++;
    disk.powerCut();
    cables.values().forEach(Cable::cut);
    cables.clear();
    restarts++;
    agenda.after(
        dice.skewed(50_000, 20_000_000),
        "pool starts",
        0,
        () -> {
          if (loop == null) {
            start();
          }
        });
  }

  /// Events have become durable. The auditor and the shadow see them before the pool does.
  private void durable(List<Event> events) {
    for (Event e : events) {
      diary.note(agenda.nowUs(), "durable " + inWords(e), 0);
      switch (e) {
        case Event.JobAccepted a -> accepted.add(a.spec().id());
        case Event.JobEnded ended -> overSinceUs.put(accepted.get(ended.job()), agenda.nowUs());
        case Event.JobReopened again -> overSinceUs.remove(accepted.get(again.job()));
        case Event.TaskAssigned a -> assignedUs.put(a.lease(), agenda.nowUs());
        case Event.Granted _,
            Event.BatchSigned _,
            Event.CheckDrawn _,
            Event.AttemptEnded _,
            Event.TaskJudged _,
            Event.ResultsDoubted _,
            Event.LeaseReturned _,
            Event.ProviderJoined _,
            Event.NetworkSeen _,
            Event.PlatformSeen _,
            Event.OperatorSeen _,
            Event.CarbonSeen _,
            Event.BondSeen _,
            Event.PenaltySeen _,
            Event.ResultsCompared _,
            Event.CapacityAsked _,
            Event.CapacityMeasured _,
            Event.ProviderDraining _,
            Event.ProviderGone _,
            Event.ModelPublished _,
            Event.ModelWithdrawn _,
            Event.ModelsOffered _,
            Event.TabFilled _,
            Event.TabEmptied _,
            Event.InferenceRecorded _,
            Event.ApiKeyMade _,
            Event.ApiKeyRevoked _,
            Event.ScopedKeyMade _,
            Event.ApiKeySpent _,
            Event.Audited _,
            Event.AuditsFunded _,
            Event.AuditsClosed _,
            Event.MoneyAdopted _,
            Event.VoucherTaken _,
            Event.PurseSeen _,
            Event.PaidSeen _,
            Event.BlockSeen _,
            Event.PaymentTaken _,
            Event.PaymentReturned _,
            Event.PaymentReversed _,
            Event.ExcessReturned _,
            Event.EpochClosed _,
            Event.EpochConfirmed _,
            Event.EpochReopened _,
            Event.ExitAsked _,
            Event.ExitCancelled _,
            Event.Exited _,
            Event.Refused _ -> {}
      }
    }
    auditor.read(events);
    List<Effect> ignored = new ArrayList<>();
    for (Event e : events) {
      shadow.apply(e, ignored);
    }
  }

  private static String inWords(Event event) {
    return switch (event) {
      case Event.TaskAssigned e ->
          "TaskAssigned lease "
              + e.lease()
              + " task "
              + e.job()
              + "/"
              + e.task()
              + " to "
              + e.provider();
      case Event.AttemptEnded e ->
          "AttemptEnded lease "
              + e.entry().record().lease()
              + " "
              + e.entry().record().outcome()
              + ", next "
              + e.next();
      case Event.CheckDrawn e -> "CheckDrawn lease " + e.lease() + ": " + e.why();
      case Event.TaskJudged e ->
          "TaskJudged " + e.job() + "/" + e.task() + ": " + e.right() + " not " + e.wrong();
      case Event.ResultsDoubted e ->
          "ResultsDoubted " + e.job() + " by " + e.provider() + ", back " + e.reversed();
      case Event.EpochReopened e -> "EpochReopened " + e.epoch() + ": " + e.reason();
      case Event.JobReopened e -> "JobReopened " + e.job() + " with " + e.reserved();
      case Event.LeaseReturned e -> "LeaseReturned lease " + e.lease();
      case Event.JobEnded e -> "JobEnded " + e.job() + " " + e.state() + " " + e.reason();
      case Event.ProviderJoined e ->
          "ProviderJoined " + e.offer().provider() + " session " + e.session();
      case Event.CapacityAsked e -> "CapacityAsked " + e.id() + " of " + e.provider();
      case Event.CapacityMeasured e -> "CapacityMeasured " + e.id() + ": " + e.capacity();
      case Event.CarbonSeen e -> "CarbonSeen " + e.gPerKwh() + " of " + e.provider();
      case Event.BondSeen e -> "BondSeen " + e.bond() + " of " + e.provider();
      case Event.PenaltySeen e -> "PenaltySeen " + e.entry() + " of " + e.provider();
      case Event.OperatorSeen e -> "OperatorSeen " + e.operator() + " of " + e.provider();
      case Event.PlatformSeen e -> "PlatformSeen " + e.platform() + " of " + e.provider();
      case Event.ResultsCompared e ->
          "ResultsCompared " + e.entry() + " is like " + e.like() + " " + e.problem();
      case Event.NetworkSeen e -> "NetworkSeen " + e.network() + " of " + e.provider();
      case Event.ProviderGone e -> "ProviderGone " + e.provider() + ": " + e.reason();
      case Event.Refused e -> "Refused " + e.what() + ": " + e.rejection();
      case Event.ModelPublished e -> "ModelPublished " + e.model().fullName();
      case Event.ModelsOffered e -> "ModelsOffered " + e.offers().size() + " by " + e.provider();
      case Event.TabFilled e -> "TabFilled " + e.amount() + " of " + e.consumer();
      case Event.TabEmptied e -> "TabEmptied " + e.amount() + " of " + e.consumer();
      case Event.InferenceRecorded e ->
          "InferenceRecorded "
              + e.entry().record().lease()
              + " "
              + e.entry().record().outcome()
              + ", costs "
              + e.entry().record().charge();
      case Event.Granted _,
          Event.JobAccepted _,
          Event.BatchSigned _,
          Event.ProviderDraining _,
          Event.ModelWithdrawn _,
          Event.ApiKeyMade _,
          Event.ApiKeyRevoked _,
          Event.ScopedKeyMade _,
          Event.ApiKeySpent _,
          Event.Audited _,
          Event.AuditsFunded _,
          Event.AuditsClosed _,
          Event.MoneyAdopted _,
          Event.VoucherTaken _,
          Event.PurseSeen _,
          Event.PaidSeen _,
          Event.BlockSeen _,
          Event.PaymentTaken _,
          Event.PaymentReturned _,
          Event.PaymentReversed _,
          Event.ExcessReturned _,
          Event.EpochClosed _,
          Event.EpochConfirmed _,
          Event.ExitAsked _,
          Event.ExitCancelled _,
          Event.Exited _ ->
          event.getClass().getSimpleName();
    };
  }

  /// The pool's batch is durable and nothing else is under way: its state is what the log says.
  private void settle(Runnable durable) {
    PoolLoop l = loop;
    if (l == null) {
      return;
    }
    if (disk.isSynced()) {
      auditor.compare(l.pool());
    }
    if (disk.isSynced() && dice.chance(PREFIX_CHECKS_PER_MYRIAD)) {
      same("the pool", l.pool());
      prefixes.put(disk.log().size(), l.pool().digest());
    }
    durable.run();
    if (dice.chance(weather.snapshotPerMyriad()) && !l.busy() && disk.isSynced()) {
      disk.snapshot(snapshot(l.pool()));
    }
    turnSoon();
  }

  private static byte[] snapshot(Pool pool) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      pool.snapshot(new DataOutputStream(bytes));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  private void same(String who, Pool pool) {
    boolean same =
        pool.digest().equals(shadow.digest())
            && pool.jobs(null, VIEWS).equals(shadow.jobs(null, VIEWS))
            && pool.providers().equals(shadow.providers());
    if (!same) {
      throw new Violation(
          who + " is not what a replay of its log gives after " + disk.log().size() + " batches");
    }
  }

  /// A pool that went through snapshots must go on like one that never did, also where the
  /// difference is in nothing that a snapshot shows.
  private void goesOnAlike() {
    long thenUs = wallUs() + 1_000_000;
    Pool rebuilt = rebuilt();
    Pool replayed = Pool.empty(self);
    List<Effect> ignored = new ArrayList<>();
    for (byte[] batch : disk.log()) {
      EventCodec.decode(batch).forEach(e -> replayed.apply(e, ignored));
    }
    Command next = new Command.Schedule(PoolLimits.TURN_ASSIGNMENTS);
    List<Effect> effects = new ArrayList<>();
    List<Effect> sameEffects = new ArrayList<>();
    List<Event> events = rebuilt.execute(next, thenUs, effects);
    if (!events.equals(replayed.execute(next, thenUs, sameEffects))
        || !effects.equals(sameEffects)) {
      throw new Violation("the pool restored from its snapshot goes on in another way: " + events);
    }
  }

  /// The newest snapshot and the log after it.
  private Pool rebuilt() {
    Pool pool = restored();
    List<Effect> ignored = new ArrayList<>();
    for (byte[] batch : disk.tail()) {
      EventCodec.decode(batch).forEach(e -> pool.apply(e, ignored));
    }
    return pool;
  }

  /// Replays the whole log from nothing and compares the state at the prefixes that were noted, and
  /// the end.
  void checkReplay() {
    PoolLoop l = loop;
    if (l == null || l.busy()) {
      throw new AssertionError("check the replay when all is over");
    }
    same("the pool", l.pool());
    disk.checkArchive();
    prefixes.put(disk.log().size(), l.pool().digest());
    Pool replayed = Pool.empty(self);
    List<Effect> ignored = new ArrayList<>();
    int n = 0;
    for (byte[] batch : disk.log()) {
      for (Event e : EventCodec.decode(batch)) {
        replayed.apply(e, ignored);
      }
      n++;
      Hash then = prefixes.get(n);
      if (then != null && !then.equals(replayed.digest())) {
        throw new Violation("the first " + n + " batches of the log give another state than then");
      }
    }
  }

  // ---- time

  /// Something has come in: the loop's turn follows after a moment.
  private void turnSoon() {
    if (!turnDue) {
      turnDue = true;
      agenda.after(dice.between(1, LONGEST_PROCESSING_US), "pool turns", 0, this::turn);
    }
  }

  private void turn() {
    turnDue = false;
    PoolLoop l = loop;
    if (l != null && l.turn(wallUs())) {
      turnSoon();
    }
  }

  /// The pool's wall clock: somebody may have set it while the process was down.
  long wallUs() {
    return Simulation.EPOCH_US + stepUs + agenda.nowUs();
  }

  private void tick() {
    int now = life;
    agenda.after(
        PoolLimits.IDLE_SCHEDULE_US,
        "pool ticks",
        0,
        () -> {
          if (now == life) {
            turn();
            tick();
          }
        });
  }

  // ---- consumers

  /// Hands in a command, as a consumer's or the operator's connection does.
  ///
  /// @param done hears the reply unless the process dies first
  void submit(Command c, Consumer<PoolLoop.Reply> done) {
    PoolLoop l = loop;
    if (l != null) {
      int now = life;
      l.submit(
          c,
          reply -> {
            if (now == life) {
              done.accept(reply);
            }
          });
      turnSoon();
    }
  }

  /// A blob was uploaded and synced.
  void store(Blob blob) {
    stored.add(blob);
  }

  // ---- providers

  /// A provider opens a connection and has proved its key; null while the process is down.
  @Nullable Cable open(Cable.Net net, int provider, Cable.End<ToProvider> end) {
    if (loop == null) {
      return null;
    }
    int now = life;
    newestSession++;
    Cable cable = new Cable(net, provider, newestSession, () -> now == life, this, end);
    cables.put(cable.session(), cable);
    return cable;
  }

  @Override
  public void arrived(Cable cable, FromProvider message) {
    arrived(cable, cable.session(), message);
  }

  /// A message of a provider, under whatever session it claims.
  void arrived(Cable cable, long session, FromProvider message) {
    PoolLoop l = loop;
    if (l != null) {
      // Every third provider is in a network of another.
      String network = "network " + cable.provider() % 3;
      l.receive(providers.get(cable.provider()), session, network, message);
      turnSoon();
    }
  }

  @Override
  public void broken(Cable cable) {
    // A session that was not durable when the process died may have its number again.
    cables.remove(cable.session(), cable);
  }

  @Override
  public void send(Address provider, long session, ToProvider message) {
    if (message instanceof ToProvider.Leases m) {
      for (Lease lease : m.leases()) {
        if (!auditor.wasMade(lease.id())) {
          throw new Violation("lease " + lease.id() + " was sent before the log had it");
        }
        if (!lease.provider().equals(provider)) {
          throw new Violation("lease " + lease.id() + " was sent to somebody else");
        }
      }
    }
    if (message instanceof ToProvider.Durable m) {
      for (long lease : m.leases()) {
        if (!auditor.isLiar(provider)
            && !auditor.isOver(lease)
            && auditor.holder(lease).equals(Optional.of(provider))) {
          throw new Violation(
              "the report of lease " + lease + " was called durable and is not in the log");
        }
      }
    }
    Cable cable = cables.get(session);
    if (cable != null) {
      cable.toProvider(message);
    }
  }

  @Override
  public void purseChanged(Address consumer) {
    diary.note(agenda.nowUs(), "purse changed", consumer.a());
  }

  @Override
  public void jobChanged(JobId job) {
    diary.note(agenda.nowUs(), "job changed", job.a());
  }
}
