package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Random commands, good and bad, against three pools that must never differ: one that executes,
/// one that replays the encoded events, and one that is snapshot and restored now and then and
/// executes the same. An auditor checks every event.
class RandomHistoryTest {
  private static final int COMMANDS = 600;
  private static final int PROVIDERS = 4;

  /// Leases of tasks with GPUs, in all histories.
  private static final AtomicInteger GPU_LEASES = new AtomicInteger();

  @AfterAll
  static void someNeededGpus() {
    assertThat(GPU_LEASES).hasPositiveValue();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
  void everyHistoryHolds(long seed) throws IOException {
    try {
      new History(seed).run();
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
    }
  }

  private static final class History {
    private final Random random;
    private Pool executed = Pool.empty(Sample.POOL);
    private final Pool replayed = Pool.empty(Sample.POOL);
    private Pool restored = Pool.empty(Sample.POOL);
    private final Auditor auditor = new Auditor();

    /// What each provider holds, by lease, as far as messages reached it.
    private final List<TreeMap<Long, Lease>> held = new ArrayList<>();

    private final long[] sessions = new long[PROVIDERS];
    private final List<Lease> everGiven = new ArrayList<>();
    private final List<JobSpec> everSubmitted = new ArrayList<>();
    private long nowUs = 1_000_000;
    private long nextSession = 1;
    private long nextNonce;
    private int ends;
    private int checks;

    private final RandomModels models;
    private int requests;

    History(long seed) {
      random = new Random(seed);
      models = new RandomModels(random, PROVIDERS);
      for (int i = 0; i < PROVIDERS; i++) {
        held.add(new TreeMap<>());
      }
    }

    void run() throws IOException {
      execute(new Command.Grant(Sample.ALICE, 30_000, "hello"));
      execute(new Command.Grant(Sample.BOB, 20_000, ""));
      for (int i = 0; i < COMMANDS; i++) {
        nowUs += random.nextInt(50) == 0 ? 200_000_000L : random.nextInt(500_000);
        execute(command());
        if (random.nextInt(40) == 0) {
          restored = copy(restored);
        }
      }
      assertThat(ends).as("attempts that ended").isGreaterThan(30);
      assertThat(checks).as("results that were judged").isPositive();
      assertThat(requests).as("requests that were recorded").isGreaterThan(5);
      GPU_LEASES.addAndGet(auditor.gpuLeases);
      finish();
    }

    private void finish() throws IOException {
      for (JobView job : executed.jobs(null, 1_000_000)) {
        if (job.state() == Event.JobState.RUNNING) {
          execute(new Command.CancelJob(job.id(), Sample.POOL, true));
        }
      }
      for (int p = 0; p < PROVIDERS; p++) {
        execute(new Command.LoseProvider(Sample.provider(p), sessions[p], "end of the test"));
      }
      for (Address owner : executed.tabs()) {
        execute(new Command.EmptyTab(owner));
      }
      auditor.checkTheEnd(executed);
    }

    private Command command() {
      int p = random.nextInt(PROVIDERS);
      Address provider = Sample.provider(p);
      long session = random.nextInt(20) == 0 ? sessions[p] - 1 : sessions[p];
      if (random.nextInt(3) == 0) {
        return models.command(sessions);
      }
      if (!comparisons.isEmpty() && random.nextInt(4) == 0) {
        return compared();
      }
      return switch (random.nextInt(24)) {
        case 0, 1, 2 -> submit();
        case 3 -> cancel();
        case 4, 5 -> join(p);
        case 6 ->
            random.nextInt(4) == 0
                ? new Command.DrainProvider(provider, session)
                : new Command.Schedule(1);
        case 7 ->
            random.nextInt(3) == 0
                ? new Command.LoseProvider(provider, session, "unplugged")
                : new Command.Schedule(2);
        case 8 -> new Command.ReturnLeases(provider, session, List.of(anyLease(p)));
        case 9 -> new Command.RefuseReport(provider, session, anyLease(p), "wrong digest");
        case 10, 11, 12, 13, 14, 15, 16 -> report(p, provider, session);
        case 17 -> new Command.Grant(Sample.ALICE, random.nextInt(2_000) - 100, "more");
        case 18 -> measured(p, session);
        default ->
            new Command.Schedule(
                1 + random.nextInt(30), true, random.nextLong(), random.nextInt(60) == 0, true);
      };
    }

    /// What a provider showed that was asked, as a rule; or one that was not.
    private Command measured(int p, long session) {
      Map.Entry<Address, Long> asked = measures.isEmpty() ? null : measures.firstEntry();
      int who = asked == null ? p : asked.getKey().c();
      return new Command.RecordCapacity(
          Sample.provider(who),
          asked == null ? session : sessions[who],
          asked == null ? 1 : asked.getValue(),
          1 + random.nextInt(9),
          random.nextLong(1L << 38),
          new Gpus(random.nextInt(4), random.nextLong(4 * Sample.GB)),
          random.nextLong(1L << 40),
          random.nextLong(1L << 40),
          random.nextInt(40) == 0 ? "it answered nonsense" : "",
          random.nextLong());
    }

    private Command compared() {
      Effect.Compare c = comparisons.get(random.nextInt(comparisons.size()));
      int like = random.nextInt(c.with().size() + 1);
      return new Command.RecordComparison(
          c.job(),
          c.task(),
          c.what().entry(),
          random.nextInt(50) == 0
              ? random.nextInt(100) - 1
              : random.nextInt(20) == 0
                  ? Command.RecordComparison.UNKNOWN
                  : like == c.with().size() ? c.what().entry() : c.with().get(like).entry(),
          random.nextInt(9) == 0 ? "it trapped" : "");
    }

    private Command submit() {
      if (!everSubmitted.isEmpty() && random.nextInt(6) == 0) {
        JobSpec old = everSubmitted.get(random.nextInt(everSubmitted.size()));
        return new Command.SubmitJob(old, Sample.SIGNATURE);
      }
      Address consumer = random.nextBoolean() ? Sample.ALICE : Sample.BOB;
      JobSpec spec = Sample.randomJob(random, consumer, nextNonce++);
      everSubmitted.add(spec);
      return new Command.SubmitJob(spec, Sample.SIGNATURE);
    }

    private Command cancel() {
      JobId id =
          everSubmitted.isEmpty()
              ? new JobId(1, 1)
              : everSubmitted.get(random.nextInt(everSubmitted.size())).id();
      return new Command.CancelJob(id, random.nextBoolean() ? Sample.ALICE : Sample.BOB, false);
    }

    private Command join(int p) {
      long session = random.nextInt(8) == 0 ? sessions[p] : nextSession++;
      TreeMap<Long, Lease> mine = held.get(p);
      if (random.nextInt(3) == 0) {
        mine.clear();
      }
      sessions[p] = Math.max(sessions[p], session);
      Gpus gpus = Sample.gpus(random, 4);
      Offer offer =
          Sample.offer(
              p,
              1 + random.nextInt(4),
              4 * Sample.GB,
              gpus,
              gpus.any() ? random.nextLong(1_000) : 0);
      Long[] has = mine.keySet().toArray(Long[]::new);
      int how = random.nextInt(4);
      return how == 0
          ? random.nextBoolean()
              ? Sample.join(offer, session, has)
              : Sample.joinAt(random.nextInt(Limits.G_PER_KWH + 2), offer, session, has)
          : Sample.joinNative(offer, session, has);
    }

    /// A lease of this provider, of another, ended, or invented.
    private long anyLease(int p) {
      TreeMap<Long, Lease> mine = held.get(p);
      if (!mine.isEmpty() && random.nextInt(3) > 0) {
        return mine.firstKey();
      }
      return everGiven.isEmpty() || random.nextInt(4) == 0
          ? random.nextInt(10_000) - 10
          : everGiven.get(random.nextInt(everGiven.size())).id();
    }

    private Command report(int p, Address provider, long session) {
      List<Report> reports = new ArrayList<>();
      for (Lease lease : held.get(p).values()) {
        if (random.nextInt(3) > 0) {
          reports.add(report(lease));
        }
      }
      if (!everGiven.isEmpty() && random.nextInt(6) == 0) {
        reports.add(report(everGiven.get(random.nextInt(everGiven.size()))));
      }
      if (random.nextInt(20) == 0 && !reports.isEmpty()) {
        reports.add(reports.getFirst());
      }
      return new Command.ReportAttempts(
          provider, session, reports, Sample.SIGNATURE, random.nextLong());
    }

    private Report report(Lease lease) {
      boolean differs = random.nextInt(8) == 0 || lease.kind().isNative();
      long what = differs ? random.nextInt(3) : 1_000_000 + lease.task();
      Report good = Sample.done(lease, 1_000 + random.nextInt(3_000_000), what);
      return switch (random.nextInt(30)) {
        case 0 -> Sample.ended(lease, Outcome.TASK_FAILED, "it trapped");
        case 1, 2 -> Sample.ended(lease, Outcome.PROVIDER_FAILED, "engine died");
        case 3 -> Sample.ended(lease, Outcome.CANCELLED, "drained");
        case 8 -> Sample.done(lease, 1_000_000_000L * (1 + random.nextInt(5)), what);
        case 4 -> Sample.ended(lease, Outcome.LOST, "a lie");
        case 6, 7 -> Sample.stopped(lease);
        case 5 ->
            new Report(
                good.lease(),
                good.outcome(),
                good.reason(),
                good.startedUs(),
                OptionalLong.of(1),
                good.usage(),
                good.outputs(),
                good.engine(),
                good.isolation(),
                good.digest());
        default -> good;
      };
    }

    private void execute(Command command) throws IOException {
      List<Effect> effects = new ArrayList<>();
      List<Event> events = executed.execute(command, nowUs, effects);

      List<Event> decoded = EventCodec.decode(EventCodec.encode(events));
      assertThat(decoded).isEqualTo(events);
      for (Event event : decoded) {
        replayed.apply(event, new ArrayList<>());
        auditor.check(event, replayed);
        models.saw(event);
        if (event instanceof Event.InferenceRecorded e) {
          requests++;
          assertThat(EntryCodec.decode(EntryCodec.encode(e.entry()))).isEqualTo(e.entry());
        }
        checks += event instanceof Event.TaskJudged ? 1 : 0;
        if (event instanceof Event.ResultsCompared e) {
          comparisons.removeIf(c -> c.what().entry() == e.entry());
        }
        if (event instanceof Event.AttemptEnded e) {
          ends++;
          assertThat(EntryCodec.decode(EntryCodec.encode(e.entry()))).isEqualTo(e.entry());
        }
      }
      List<Effect> effectsOfRestored = new ArrayList<>();
      assertThat(restored.execute(command, nowUs, effectsOfRestored)).isEqualTo(events);
      assertThat(effectsOfRestored).isEqualTo(effects);

      Hash digest = executed.digest();
      assertThat(replayed.digest()).as("digest after replay of %s", events).isEqualTo(digest);
      assertThat(restored.digest()).as("digest of the restored pool").isEqualTo(digest);
      assertThat(copy(executed).digest()).as("digest of a copy").isEqualTo(digest);
      effects.forEach(this::deliver);
    }

    private long movements;

    private final TreeMap<Address, Long> measures = new TreeMap<>();
    private final List<Effect.Compare> comparisons = new ArrayList<>();

    private void deliver(Effect effect) {
      switch (effect) {
        case Effect.SendLease(Lease lease) -> {
          assertThat(executed.lease(lease.id())).hasValue(lease);
          everGiven.add(lease);
          if (random.nextInt(10) > 0) {
            held.get(lease.provider().c()).put(lease.id(), lease);
          }
        }
        case Effect.StopLease(Address provider, long lease) -> {}
        case Effect.ReportDurable(Address provider, long lease) ->
            held.get(provider.c()).remove(lease);
        case Effect.StoreBatch(SignedBatch batch) -> {}
        case Effect.StoreEntry(Entry entry) -> {}
        case Effect.StoreMovement(Movement movement) ->
            assertThat(movement.number()).as("movements without gaps").isEqualTo(movements++);
        case Effect.PurseChanged(Address consumer) -> {}
        case Effect.Compare c -> {
          assertThat(c.comparison().reads()).isTrue();
          assertThat(c.with()).isNotEmpty().doesNotContain(c.what());
          assertThat(executed.comparisons()).contains(c);
          comparisons.add(c);
        }
        case Effect.DropComparison d ->
            assertThat(executed.comparisons()).noneMatch(c -> c.what().entry() == d.entry());
        case Effect.Measure m -> {
          assertThat(executed.provider(m.provider()).orElseThrow().leases()).isZero();
          measures.put(m.provider(), m.id());
        }
        case Effect.JobChanged(JobId job) -> {
          assertThat(executed.why(job, null, nowUs).sentence()).isNotBlank();
          executed
              .spec(job)
              .ifPresent(s -> {
                int task = random.nextInt(s.tasks().size());
                Answer answer = executed.why(job, s.taskName(task), nowUs);
                assertThat(answer.sentence()).isNotBlank();
              });
        }
      }
    }

    private static Pool copy(Pool pool) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      pool.snapshot(new DataOutputStream(bytes));
      return Pool.restore(new DataInputStream(new ByteArrayInputStream(bytes.toByteArray())));
    }
  }
}
