package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Movement;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Pool;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.ToProvider;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// The pool between its pure core and the world: collects commands into batches, executes them,
/// logs what happened, and carries out the effects only once the log has it.
///
/// Owns no thread, clock, socket or file: the node drives it on one thread, the simulator in
/// virtual time. All methods must be called on the owner's thread; none blocks. At most one batch
/// is on its way to the log; what comes meanwhile forms the next. So that nobody ever sees what a
/// crash could undo, queries wait while a batch is on its way.
public final class PoolLoop {
  /// The pool's log.
  public interface Log {
    /// Appends encoded events; runs `durable` on the loop's thread, at once or later, when a crash
    /// cannot lose them any more. Called only when nothing is outstanding. If appending fails, the
    /// owner calls [PoolLoop#fail], and `durable` never runs.
    void append(byte[] events, Runnable durable);
  }

  /// Where messages go.
  public interface Outbox {
    /// Sends to a provider's stream; does nothing if that stream is gone.
    void send(Address provider, long session, ToProvider message);

    /// Tells who watches that a job changed.
    void jobChanged(JobId job);

    /// Tells who watches that a consumer's purse changed.
    void purseChanged(Address consumer);
  }

  /// Where records go.
  public interface Archive {
    /// Keeps a batch, unless it is kept already.
    void batch(SignedBatch batch);

    /// Keeps an entry, unless it is kept already.
    void entry(Entry entry);

    /// Keeps a movement of money, unless it is kept already.
    void movement(Movement movement);
  }

  /// Which blobs the pool has.
  public interface Stored {
    /// Whether the pool has exactly this blob, and `by` has shown that it has it too (a provider
    /// that could name anybody's blob as its output would open it to its consumer).
    boolean has(Address by, Blob blob);
  }

  /// What became of a command.
  public sealed interface Reply {
    /// It was done, and the log has it.
    record Done() implements Reply {}

    /// It was refused; nothing else happened.
    record Refused(Rejection rejection) implements Reply {}
  }

  /// Times of the loop.
  ///
  /// @param heartbeatMs how often providers say that they are alive
  /// @param silenceMs after how much silence a provider is lost
  /// @param measures whether providers are measured
  public record Settings(long heartbeatMs, long silenceMs, Measuring measures) {
    /// Measures nobody.
    public Settings(long heartbeatMs, long silenceMs) {
      this(heartbeatMs, silenceMs, Measuring.OFF);
    }
  }

  /// Checks what providers show when they are measured.
  public interface Judge {
    /// Checks some of an answer, which takes a processor for some tens of milliseconds; `done`
    /// hears on the loop's thread, at once or later, what is wrong with it, or an empty text.
    void judge(Probe probe, ProbeAnswer answer, Consumer<String> done);
  }

  /// Compares results of native tasks.
  public interface Comparer {
    /// Does what is asked, which may take seconds. `done` hears on the loop's thread, at once or
    /// later, which record's result it is like, or its own record if it is like none, and why it
    /// could not be compared with all of them; the owner calls [PoolLoop#turn] after that.
    void compare(Effect.Compare asked, Compared done);

    /// Nobody wants to know any more what was asked for: `done` need not hear of it.
    default void drop(Effect.DropComparison what) {}
  }

  /// Hears what came of a comparison.
  public interface Compared {
    /// @param like index of a record, or [Command.RecordComparison#UNKNOWN] if the pool cannot
    ///   compare it
    /// @param problem empty if all was compared
    void is(long like, String problem);
  }

  /// What waits for the loop.
  private sealed interface Item {
    record Plain(Command command, Consumer<Reply> done) implements Item {}

    record Reported(Address provider, long session, FromProvider.Reports reports) implements Item {}
  }

  /// A provider's stream that has said Hello.
  private static final class Stream {
    final long session;
    boolean joined;
    int refusals;

    Stream(long session) {
      this.session = session;
    }
  }

  private record Answered(Consumer<Reply> done, Reply reply) {}

  private final Pool pool;
  private final Log log;
  private final Outbox outbox;
  private final Archive archive;
  private final Stored stored;
  private final RecordDigests digests;
  private final Settings settings;
  private final LongSupplier luck;
  private final Measurements measurements;
  private final Comparer comparer;

  /// What came of comparisons and was not executed yet: at most one for each task that is checked.
  private final ArrayDeque<Command> compared = new ArrayDeque<>();

  private final ArrayDeque<Item> items = new ArrayDeque<>();
  private final ArrayDeque<Consumer<Pool>> questions = new ArrayDeque<>();
  private final TreeMap<Address, Stream> streams = new TreeMap<>();
  // When each provider that is not gone was last heard; who is silent for too long is lost.
  private final TreeMap<Address, Long> heardUs = new TreeMap<>();
  // Who said something since the last turn.
  private final TreeSet<Address> spoke = new TreeSet<>();
  private boolean outstanding;
  private boolean started;
  private long startedUs;
  private long nowUs;
  // Up to when the clock may have been set, now or while the pool was down.
  private long steadySinceUs;
  private long scheduledUs = Long.MIN_VALUE / 2;
  private long copiedUs = Long.MIN_VALUE / 2;
  private @Nullable String failure;

  /// @param pool the state, rebuilt from the log
  /// @param stored which blobs are here; a report of outputs that are not is refused
  /// @param luck numbers that nobody can foresee: they decide which results are checked, and by
  ///   whom
  /// @param judge checks what providers show when they are measured
  /// @param comparer compares results of native tasks
  public PoolLoop(
      Pool pool,
      Log log,
      Outbox outbox,
      Archive archive,
      Stored stored,
      RecordDigests digests,
      Settings settings,
      LongSupplier luck,
      Judge judge,
      Comparer comparer) {
    this.pool = pool;
    this.comparer = comparer;
    this.log = log;
    this.outbox = outbox;
    this.archive = archive;
    this.stored = stored;
    this.digests = digests;
    this.settings = settings;
    this.luck = luck;
    measurements =
        new Measurements(
            outbox,
            judge,
            luck,
            settings.measures().leastGpuStepsPerS(),
            s -> submit(s.command(), s.done()));
  }

  /// Hands in a command. `done` runs on the loop's thread when the command is durable or refused;
  /// at once, with OVERLOADED, if too much waits already.
  public void submit(Command c, Consumer<Reply> done) {
    if (failure != null) {
      done.accept(stopped(failure));
    } else if (items.size() >= PoolLimits.QUEUED_COMMANDS) {
      done.accept(
          new Reply.Refused(
              new Rejection(
                  Rejection.Code.OVERLOADED,
                  PoolLimits.QUEUED_COMMANDS
                      + " commands wait already: try again in a few seconds")));
    } else {
      items.add(new Item.Plain(c, done));
    }
  }

  /// Hands in a question about the state. It runs on the loop's thread, in the next turn in which
  /// all that the state says is durable; false if too much waits already or the loop has failed.
  public boolean ask(Consumer<Pool> question) {
    return failure == null
        && questions.size() < PoolLimits.QUEUED_COMMANDS
        && questions.add(question);
  }

  /// Takes a message of a provider whose key the stream has proved.
  ///
  /// @param session number of the stream; a newer stream has a greater one, over restarts too
  public void receive(Address provider, long session, FromProvider message) {
    receive(provider, session, "", message);
  }

  /// The same of a provider that comes from a known network.
  public void receive(Address provider, long session, String network, FromProvider message) {
    if (failure != null) {
      refuse(provider, session, Rejection.Code.OVERLOADED, "the pool has stopped: " + failure);
      return;
    }
    Stream stream = streams.get(provider);
    if (message instanceof FromProvider.Hello hello) {
      hello(provider, session, network, stream, hello);
      return;
    }
    if (stream == null || stream.session < session) {
      refuse(provider, session, Rejection.Code.INVALID, "the first message must be Hello");
      return;
    }
    if (stream.session > session) {
      refuse(
          provider,
          session,
          Rejection.Code.STALE,
          "this provider has connected again: only the newest stream counts");
      return;
    }
    spoke.add(provider);
    switch (message) {
      case FromProvider.Hello _, FromProvider.Heartbeat _ -> {}
      case FromProvider.Reports r -> reports(provider, session, r);
      case FromProvider.ReturnLeases r ->
          command(provider, session, new Command.ReturnLeases(provider, session, r.leases()));
      case FromProvider.Probed p -> measurements.answered(provider, session, p.answer());
      case FromProvider.Drain _ ->
          command(provider, session, new Command.DrainProvider(provider, session));
      case FromProvider.Goodbye g ->
          command(
              provider,
              session,
              new Command.LoseProvider(
                  provider, session, g.reason().isEmpty() ? "it said goodbye" : g.reason()));
    }
  }

  private void hello(
      Address provider,
      long session,
      String network,
      @Nullable Stream stream,
      FromProvider.Hello hello) {
    if (stream != null && stream.session >= session) {
      refuse(
          provider,
          session,
          stream.session == session ? Rejection.Code.INVALID : Rejection.Code.STALE,
          "say Hello once, as the first message of the newest stream");
      return;
    }
    Offer offer = hello.offer();
    if (!offer.provider().equals(provider)) {
      refuse(
          provider,
          session,
          Rejection.Code.FORBIDDEN,
          "the offer is of " + offer.provider() + " but the stream is of " + provider);
      return;
    }
    Hash hash = digests.offer(offer);
    if (!signedBy(provider, hash, hello.signature())) {
      refuse(
          provider,
          session,
          Rejection.Code.FORBIDDEN,
          "the offer's signature is not "
              + provider
              + "'s over the offer's EIP-712 digest "
              + hash);
      return;
    }
    Operated by = hello.operator().orElse(null);
    if (by != null
        && !signedBy(by.operator(), digests.operated(by.operator(), provider), by.signature())) {
      refuse(
          provider,
          session,
          Rejection.Code.FORBIDDEN,
          by.operator()
              + " did not sign that it operates "
              + provider
              + ": name no operator, or sign over Operated(operator, provider)");
      return;
    }
    Stream fresh = new Stream(session);
    streams.put(provider, fresh);
    spoke.add(provider);
    submit(
        new Command.JoinProvider(
            offer,
            hash,
            hello.signature(),
            session,
            hello.held(),
            network,
            hello.platform(),
            hello.operator().map(Operated::operator),
            hello.gPerKwh()),
        reply -> {
          switch (reply) {
            case Reply.Done _ -> {
              fresh.joined = true;
              outbox.send(
                  provider,
                  session,
                  new ToProvider.Welcome(session, settings.heartbeatMs(), settings.silenceMs()));
            }
            case Reply.Refused r -> {
              streams.remove(provider, fresh);
              outbox.send(provider, session, new ToProvider.Refusal(r.rejection()));
            }
          }
        });
  }

  private void reports(Address provider, long session, FromProvider.Reports r) {
    List<Hash> leaves = new ArrayList<>(r.reports().size());
    for (Report report : r.reports()) {
      leaves.add(report.digest());
    }
    Hash root = digests.root(leaves);
    String wrong = null;
    if (!root.equals(r.root())) {
      wrong = "the root of a batch of reports is not the Merkle root of its digests";
    } else if (!signedBy(
        provider, digests.batch(pool.self(), root, leaves.size()), r.signature())) {
      wrong = "a batch of reports is not signed by " + provider;
    }
    if (wrong != null) {
      // Nothing of it can be believed, and it would come again: the provider is out.
      refuse(provider, session, Rejection.Code.FORBIDDEN, wrong);
      command(provider, session, new Command.LoseProvider(provider, session, wrong));
    } else if (items.size() >= PoolLimits.QUEUED_COMMANDS) {
      refuse(
          provider,
          session,
          Rejection.Code.OVERLOADED,
          "too many commands wait: connect again and send the reports again");
    } else {
      items.add(new Item.Reported(provider, session, r));
    }
  }

  private void command(Address provider, long session, Command c) {
    submit(
        c,
        reply -> {
          if (reply instanceof Reply.Refused r
              && r.rejection().code() == Rejection.Code.OVERLOADED) {
            outbox.send(provider, session, new ToProvider.Refusal(r.rejection()));
          }
        });
  }

  private boolean signedBy(Address who, Hash digest, String signature) {
    return digests.signer(digest, signature).equals(Optional.of(who));
  }

  private void refuse(Address provider, long session, Rejection.Code code, String message) {
    outbox.send(provider, session, new ToProvider.Refusal(new Rejection(code, message)));
  }

  /// Whether a batch is on its way to the log. If not, the state is exactly what the log says.
  public boolean busy() {
    return outstanding;
  }

  /// The state, for questions on the loop's thread; see [#ask].
  public Pool pool() {
    return pool;
  }

  /// The log cannot be written any more: everything that waits is refused, and everything that
  /// comes. What was executed but not logged is in the state, so that the state must not be used
  /// again.
  public void fail(String why) {
    if (failure != null) {
      return;
    }
    failure = why;
    while (!items.isEmpty()) {
      switch (items.remove()) {
        case Item.Plain p -> p.done().accept(stopped(why));
        case Item.Reported _ -> {}
      }
    }
    questions.clear();
  }

  /// Why the loop has failed, if it has.
  public Optional<String> failure() {
    return Optional.ofNullable(failure);
  }

  private static Reply stopped(String why) {
    return new Reply.Refused(
        new Rejection(Rejection.Code.OVERLOADED, "the pool has stopped: " + why));
  }

  /// Does what there is to do: answers questions, executes one batch of commands, schedules, hands
  /// the events to the log. To be called after commands came, after `durable` ran, and at least
  /// every [PoolLimits#IDLE_SCHEDULE_US].
  ///
  /// @param now microseconds since the epoch; a clock that went back is held
  /// @return whether there is more to do at once
  public boolean turn(long now) {
    if (now < nowUs) {
      steadySinceUs = nowUs;
    }
    nowUs = Math.max(nowUs, now);
    // Even if this turn comes late, what waited for it was said before it.
    for (Address provider : spoke) {
      heardUs.put(provider, nowUs);
    }
    spoke.clear();
    if (failure != null) {
      return false;
    }
    // Also while a batch is on its way: the time that a provider takes is taken here.
    measurements.turn(nowUs);
    if (outstanding) {
      return false;
    }
    if (!started) {
      started = true;
      startedUs = nowUs;
      steadySinceUs = Math.max(nowUs, pool.lastUs());
      for (ProviderView p : pool.providers()) {
        if (p.state() != ProviderView.State.GONE) {
          // After a restart everybody gets the full time to come back.
          heardUs.putIfAbsent(p.offer().provider(), nowUs);
        }
      }
      pool.comparisons().forEach(this::compare);
    }
    while (!questions.isEmpty()) {
      questions.remove().accept(pool);
    }
    while (!compared.isEmpty() && items.size() < PoolLimits.QUEUED_COMMANDS) {
      items.add(new Item.Plain(compared.remove(), _ -> {}));
    }
    boolean due = nowUs - scheduledUs >= PoolLimits.IDLE_SCHEDULE_US;
    if (due) {
      loseTheSilent();
    }
    if (!due && items.isEmpty()) {
      return false;
    }
    List<Event> events = new ArrayList<>();
    List<Effect> effects = new ArrayList<>();
    List<Answered> answers = new ArrayList<>();
    executeSome(events, effects, answers);
    int before = events.size();
    // After a restart leases do not expire before their providers had the time to come back.
    boolean expire = nowUs - startedUs > settings.silenceMs() * 1_000;
    boolean copy = nowUs - copiedUs >= PoolLimits.IDLE_SCHEDULE_US;
    events.addAll(
        pool.execute(
            new Command.Schedule(
                PoolLimits.TURN_ASSIGNMENTS,
                expire,
                luck.getAsLong(),
                settings.measures().on(),
                copy),
            nowUs,
            effects));
    copiedUs = copy ? nowUs : copiedUs;
    scheduledUs = nowUs;
    boolean more = events.size() - before >= PoolLimits.TURN_ASSIGNMENTS;
    if (more) {
      // Come back for the rest at once.
      scheduledUs = Long.MIN_VALUE / 2;
    }
    if (events.isEmpty()) {
      carryOut(effects, answers);
      return !items.isEmpty();
    }
    outstanding = true;
    log.append(
        EventCodec.encode(events),
        () -> {
          outstanding = false;
          carryOut(effects, answers);
        });
    return !outstanding && (more || !items.isEmpty());
  }

  private void executeSome(List<Event> events, List<Effect> effects, List<Answered> answers) {
    int commands = 0;
    int reports = 0;
    int tasks = 0;
    while (!items.isEmpty()
        && commands < PoolLimits.BATCH_COMMANDS
        && reports < PoolLimits.BATCH_REPORTS
        && tasks < PoolLimits.BATCH_TASKS) {
      Item item = items.remove();
      commands++;
      switch (item) {
        case Item.Plain(Command command, Consumer<Reply> done) -> {
          if (command instanceof Command.SubmitJob s) {
            tasks += s.spec().tasks().size();
          }
          List<Event> made = pool.execute(command, nowUs, effects);
          events.addAll(made);
          answers.add(new Answered(done, reply(made)));
          if (command instanceof Command.LoseProvider lost) {
            forget(lost.provider(), lost.session());
          }
        }
        case Item.Reported(Address provider, long session, FromProvider.Reports r) -> {
          reports += r.reports().size();
          report(provider, session, r, events, effects);
        }
      }
    }
  }

  /// Executes a batch of reports. The leases are looked up now, not when the batch came: a lease
  /// that was not there then could be there by now.
  private void report(
      Address provider,
      long session,
      FromProvider.Reports r,
      List<Event> events,
      List<Effect> effects) {
    int before = events.size();
    List<Optional<Hash>> expected = digests(provider, r.reports());
    for (int i = 0; i < expected.size(); i++) {
      Report report = r.reports().get(i);
      String wrong = problem(provider, report, expected.get(i));
      if (wrong != null) {
        // Ends the lease first, so that the batch that follows, whose leaves must all be there for
        // the provider's signature to hold, finds nothing to accept under it.
        events.addAll(
            pool.execute(
                new Command.RefuseReport(provider, session, report.lease(), wrong),
                nowUs,
                effects));
      }
    }
    events.addAll(
        pool.execute(
            new Command.ReportAttempts(
                provider, session, r.reports(), r.signature(), luck.getAsLong(), steadySinceUs),
            nowUs,
            effects));
    int refused = 0;
    for (Event e : events.subList(before, events.size())) {
      if (e instanceof Event.Refused) {
        refused++;
      }
    }
    Stream stream = streams.get(provider);
    if (refused > 0 && stream != null && stream.session == session) {
      stream.refusals += refused;
      if (stream.refusals > PoolLimits.REFUSALS_OF_ONE_STREAM) {
        String why =
            "it reported more than " + PoolLimits.REFUSALS_OF_ONE_STREAM + " leases not its own";
        refuse(provider, session, Rejection.Code.FORBIDDEN, why);
        events.addAll(
            pool.execute(new Command.LoseProvider(provider, session, why), nowUs, effects));
        forget(provider, session);
      }
    }
  }

  /// The digests of the records that follow from reports; empty for those whose lease is not the
  /// provider's.
  private List<Optional<Hash>> digests(Address provider, List<Report> reports) {
    List<ExecutionRecord> records = new ArrayList<>(reports.size());
    List<Integer> at = new ArrayList<>(reports.size());
    for (int i = 0; i < reports.size(); i++) {
      Optional<Lease> lease = lease(provider, reports.get(i));
      if (lease.isPresent()) {
        Lease l = lease.get();
        Optional<Offer> offer = pool.offer(l.offer());
        if (offer.isEmpty()) {
          throw new IllegalStateException("lease " + l.id() + " was made under an unknown offer");
        }
        at.add(i);
        records.add(ExecutionRecord.of(pool.self(), l, reports.get(i), offer.get().price()));
      }
    }
    List<Hash> made = digests.records(records);
    List<Optional<Hash>> out =
        new ArrayList<>(Collections.nCopies(reports.size(), Optional.empty()));
    for (int i = 0; i < made.size(); i++) {
      out.set(at.get(i), Optional.of(made.get(i)));
    }
    return out;
  }

  private Optional<Lease> lease(Address provider, Report report) {
    return pool.lease(report.lease()).filter(l -> l.provider().equals(provider));
  }

  /// What is wrong with a report of the provider's own lease; null if nothing, or if the core will
  /// refuse it anyway.
  ///
  /// @param digest of the record that follows from lease and report, if the lease was there
  private @Nullable String problem(Address provider, Report report, Optional<Hash> digest) {
    if (digest.isEmpty() || lease(provider, report).isEmpty()) {
      return null;
    }
    if (!digest.get().equals(report.digest())) {
      return "the report's digest is "
          + report.digest()
          + " but the record that follows from lease and report has "
          + digest.get();
    }
    for (int i = 0; i < report.outputs().size(); i++) {
      Blob b = report.outputs().get(i);
      if (!b.equals(Blob.EMPTY) && !stored.has(provider, b)) {
        return "output "
            + i
            + " ("
            + b.hash()
            + ", "
            + b.sizeBytes()
            + " bytes) was reported but not stored in the pool by its provider";
      }
    }
    return null;
  }

  private static Reply reply(List<Event> made) {
    for (Event e : made) {
      if (e instanceof Event.Refused r) {
        return new Reply.Refused(r.rejection());
      }
    }
    return new Reply.Done();
  }

  private void forget(Address provider, long session) {
    Stream stream = streams.get(provider);
    if (stream == null || stream.session <= session) {
      streams.remove(provider);
      heardUs.remove(provider);
      spoke.remove(provider);
      measurements.forget(provider);
    }
  }

  private void loseTheSilent() {
    long limitUs = settings.silenceMs() * 1_000;
    List<Address> silent = new ArrayList<>();
    for (Map.Entry<Address, Long> e : heardUs.entrySet()) {
      if (nowUs - e.getValue() > limitUs) {
        silent.add(e.getKey());
      }
    }
    for (Address provider : silent) {
      heardUs.remove(provider);
      measurements.forget(provider);
      Stream stream = streams.remove(provider);
      Optional<ProviderView> view = pool.provider(provider);
      if (view.isEmpty() || view.get().state() == ProviderView.State.GONE) {
        continue;
      }
      String why = "it was silent for more than " + settings.silenceMs() + " ms";
      if (stream != null) {
        refuse(provider, stream.session, Rejection.Code.STALE, why + ": connect again");
      }
      items.addFirst(
          new Item.Plain(new Command.LoseProvider(provider, view.get().session(), why), _ -> {}));
    }
  }

  /// What is collected for one provider.
  private static final class Parcel {
    final List<Lease> leases = new ArrayList<>();
    final List<Long> stop = new ArrayList<>();
    final List<Long> durable = new ArrayList<>();
  }

  private void carryOut(List<Effect> effects, List<Answered> answers) {
    Map<Address, Parcel> parcels = new LinkedHashMap<>();
    Map<JobId, Boolean> changed = new LinkedHashMap<>();
    TreeSet<Address> purses = new TreeSet<>();
    for (Effect e : effects) {
      switch (e) {
        case Effect.StoreBatch b -> archive.batch(b.batch());
        case Effect.StoreEntry s -> archive.entry(s.entry());
        case Effect.SendLease s -> parcel(parcels, s.lease().provider()).leases.add(s.lease());
        case Effect.StopLease s -> parcel(parcels, s.provider()).stop.add(s.lease());
        case Effect.ReportDurable d -> parcel(parcels, d.provider()).durable.add(d.lease());
        case Effect.JobChanged c -> changed.put(c.job(), true);
        case Effect.StoreMovement m -> archive.movement(m.movement());
        case Effect.PurseChanged p -> purses.add(p.consumer());
        case Effect.Compare c -> compare(c);
        case Effect.DropComparison d -> comparer.drop(d);
        case Effect.Measure m -> {
          Stream stream = streams.get(m.provider());
          if (stream != null) {
            measurements.start(stream.session, m);
          }
        }
      }
    }
    // Replies come before parcels: a provider is welcomed before it gets its first lease.
    for (Answered a : answers) {
      a.done().accept(a.reply());
    }
    parcels.forEach((provider, p) -> {
      Stream stream = streams.get(provider);
      if (stream == null || !stream.joined) {
        return; // It will hear of its leases when it joins again.
      }
      if (!p.durable.isEmpty()) {
        outbox.send(provider, stream.session, new ToProvider.Durable(p.durable));
      }
      if (!p.leases.isEmpty()) {
        outbox.send(provider, stream.session, new ToProvider.Leases(p.leases));
      }
      // Last: a lease that a returning provider gets again may be stopped in the same batch.
      if (!p.stop.isEmpty()) {
        outbox.send(provider, stream.session, new ToProvider.Stop(p.stop));
      }
    });
    changed.keySet().forEach(outbox::jobChanged);
    purses.forEach(outbox::purseChanged);
  }

  private void compare(Effect.Compare c) {
    comparer.compare(
        c,
        (like, problem) ->
            compared.add(
                new Command.RecordComparison(c.job(), c.task(), c.what().entry(), like, problem)));
  }

  private static Parcel parcel(Map<Address, Parcel> parcels, Address provider) {
    return parcels.computeIfAbsent(provider, _ -> new Parcel());
  }
}
