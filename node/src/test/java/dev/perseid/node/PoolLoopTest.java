package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Command;
import dev.perseid.core.Comparison;
import dev.perseid.core.Effect;
import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Lease;
import dev.perseid.core.Movement;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Pool;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// The loop alone: no thread, clock, socket or file, and a cryptography that costs nothing.
class PoolLoopTest {
  private static final Address POOL = new Address(9, 9, 9);
  private static final Address CONSUMER = new Address(1, 0, 0);
  private static final Address PROVIDER = new Address(2, 0, 0);
  private static final Blob MODULE = new Blob(Hash.sha256(new byte[] {1}), 8);

  /// Digests are hashes of the text, and a signature is the signer's name.
  private static final class Cheap implements RecordDigests {
    @Override
    public Hash record(ExecutionRecord r) {
      return Hash.sha256(r.toString().getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public Hash offer(Offer o) {
      return Hash.sha256(o.toString().getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public Hash operated(Address operator, Address provider) {
      return new Hash(operator.a(), operator.b(), provider.a(), provider.b() + 17);
    }

    @Override
    public Hash root(List<Hash> digests) {
      return Merkle.rootOfDigests(digests);
    }

    @Override
    public Hash batch(Address pool, Hash root, int count) {
      return root;
    }

    @Override
    public Optional<Address> signer(Hash digest, String signature) {
      return signature.equals(signed(PROVIDER)) ? Optional.of(PROVIDER) : Optional.empty();
    }
  }

  private static String signed(Address who) {
    return (who.toString().substring(2) + "0".repeat(130)).substring(0, 130);
  }

  private static final class Scene
      implements PoolLoop.Log, PoolLoop.Outbox, PoolLoop.Archive, PoolLoop.Stored {
    final List<Event> logged = new ArrayList<>();
    final ArrayDeque<Runnable> outstanding = new ArrayDeque<>();
    final List<ToProvider> sent = new ArrayList<>();
    final List<Entry> archived = new ArrayList<>();
    final List<JobId> changed = new ArrayList<>();
    final List<Movement> moved = new ArrayList<>();
    boolean slowLog;
    final Pool pool = Pool.empty(POOL);
    final PoolLoop loop =
        new PoolLoop(
            pool,
            this,
            this,
            this,
            this,
            new Cheap(),
            new PoolLoop.Settings(1_000, 5_000),
            () -> 1,
            (_, _, _) -> {},
            (_, _) -> {});
    long nowUs = 1_000_000;

    @Override
    public void append(byte[] events, Runnable durable) {
      assertThat(outstanding).as("one batch at a time").isEmpty();
      logged.addAll(EventCodec.decode(events));
      if (slowLog) {
        outstanding.add(durable);
      } else {
        durable.run();
      }
    }

    @Override
    public void send(Address provider, long session, ToProvider message) {
      sent.add(message);
    }

    @Override
    public void jobChanged(JobId job) {
      changed.add(job);
    }

    @Override
    public void purseChanged(Address consumer) {}

    @Override
    public void movement(Movement movement) {
      assertThat(movement.number()).isEqualTo(moved.size());
      moved.add(movement);
    }

    @Override
    public void batch(SignedBatch batch) {}

    @Override
    public void entry(Entry e) {
      archived.add(e);
    }

    @Override
    public boolean has(Address by, Blob blob) {
      return blob.sizeBytes() != 666;
    }

    void turn() {
      nowUs += 1_000;
      while (loop.turn(nowUs)) {
        nowUs += 1;
      }
    }

    PoolLoop.Reply submit(Command c) {
      List<PoolLoop.Reply> replies = new ArrayList<>();
      loop.submit(c, replies::add);
      turn();
      assertThat(replies).hasSize(1);
      return replies.getFirst();
    }

    void hello(long session, Long... held) {
      helloOnly(session, held);
      turn();
    }

    void helloOnly(long session, Long... held) {
      Offer offer =
          new Offer(
              PROVIDER, "p", "", "", 4, 8L << 30, PuppetProvider.PRICE, Capability.UNMEASURED, 1);
      loop.receive(
          PROVIDER, session, new FromProvider.Hello(offer, signed(PROVIDER), List.of(held)));
    }

    JobId job(int width) {
      JobSpec spec = Given.fan(CONSUMER, 1, MODULE, width);
      submit(new Command.Grant(CONSUMER, 10_000_000, ""));
      assertThat(submit(new Command.SubmitJob(spec, signed(CONSUMER))))
          .isInstanceOf(PoolLoop.Reply.Done.class);
      return spec.id();
    }

    List<Lease> leases() {
      List<Lease> all = new ArrayList<>();
      for (ToProvider m : sent) {
        if (m instanceof ToProvider.Leases l) {
          all.addAll(l.leases());
        }
      }
      sent.clear();
      return all;
    }

    Report done(Lease l, List<Blob> outputs) {
      Report r =
          new Report(
              l.id(),
              Outcome.DONE,
              "",
              OptionalLong.of(5),
              OptionalLong.of(6),
              Usage.UNMEASURED,
              outputs,
              "e",
              "i",
              Hash.ZERO);
      return PuppetProvider.withDigest(
          r, new Cheap().record(ExecutionRecord.of(POOL, l, r, PuppetProvider.PRICE)));
    }

    void report(long session, Report... reports) {
      Hash root = Merkle.rootOfDigests(List.of(reports).stream().map(Report::digest).toList());
      loop.receive(
          PROVIDER, session, new FromProvider.Reports(List.of(reports), root, signed(PROVIDER)));
      turn();
    }
  }

  @Test
  void nobodyIsAnotherOperatorsWithoutItsSignature() {
    Scene s = new Scene();
    Offer offer =
        new Offer(
            PROVIDER, "p", "", "", 4, 8L << 30, PuppetProvider.PRICE, Capability.UNMEASURED, 1);
    s.loop.receive(PROVIDER, 1, hello(offer, new Operated(CONSUMER, signed(PROVIDER))));
    s.loop.turn(s.nowUs);
    assertThat(s.sent)
        .singleElement()
        .isInstanceOfSatisfying(
            ToProvider.Refusal.class,
            r ->
                assertThat(r.rejection().message())
                    .contains("did not sign that it operates", "name no operator"));
    assertThat(s.pool.provider(PROVIDER)).isEmpty();
    s.loop.receive(PROVIDER, 1, hello(offer, new Operated(PROVIDER, signed(PROVIDER))));
    s.loop.turn(s.nowUs);
    assertThat(s.pool.provider(PROVIDER).orElseThrow().operator()).contains(PROVIDER);
  }

  private static FromProvider.Hello hello(Offer offer, Operated operator) {
    return new FromProvider.Hello(
        offer,
        signed(PROVIDER),
        List.of(),
        Optional.empty(),
        Optional.of(operator),
        OptionalInt.empty());
  }

  @Test
  void NothingLeavesBeforeTheLogHasIt() {
    Scene s = new Scene();
    s.hello(1);
    s.sent.clear();
    s.slowLog = true;
    List<PoolLoop.Reply> replies = new ArrayList<>();
    s.loop.submit(new Command.Grant(CONSUMER, 10_000_000, ""), replies::add);
    JobSpec spec = Given.fan(CONSUMER, 1, MODULE, 2);
    s.loop.submit(new Command.SubmitJob(spec, signed(CONSUMER)), replies::add);
    s.turn();
    List<Long> answers = new ArrayList<>();
    assertThat(s.loop.ask(p -> answers.add(p.balance(CONSUMER)))).isTrue();
    s.turn();
    assertThat(replies).isEmpty();
    assertThat(s.sent).isEmpty();
    assertThat(s.changed).isEmpty();
    assertThat(answers).as("a question waits, too").isEmpty();
    s.outstanding.remove().run();
    assertThat(replies).hasSize(2);
    assertThat(s.leases()).hasSize(2);
    assertThat(s.changed).contains(spec.id());
    s.turn();
    assertThat(answers).containsExactly(9_000_000L);
  }

  @Test
  void AProviderIsWelcomedBeforeItGetsLeases() {
    Scene s = new Scene();
    s.job(3);
    s.hello(7);
    assertThat(s.sent.getFirst()).isInstanceOf(ToProvider.Welcome.class);
    assertThat(s.leases()).hasSize(3);
  }

  @Test
  void LeasesOfOneTurnAreOneMessage() {
    Scene s = new Scene();
    s.hello(1);
    s.sent.clear();
    s.job(4);
    assertThat(s.sent).hasSize(1);
  }

  @Test
  void ALeaseThatIsSentAndStoppedInOneTurnIsStoppedLast() {
    Scene s = new Scene();
    s.hello(1);
    JobId job = s.job(1);
    long lease = s.leases().getFirst().id();
    // The provider comes back without its lease just when the job is cancelled.
    s.helloOnly(2);
    s.submit(new Command.CancelJob(job, CONSUMER, false));
    assertThat(s.sent).hasSize(3);
    assertThat(s.sent.get(0)).isInstanceOf(ToProvider.Welcome.class);
    assertThat(s.sent.get(1))
        .isInstanceOfSatisfying(
            ToProvider.Leases.class,
            m -> assertThat(m.leases()).extracting(Lease::id).containsExactly(lease));
    assertThat(s.sent.get(2)).isEqualTo(new ToProvider.Stop(List.of(lease)));
  }

  @Test
  void ASilentProviderLosesItsLeases() {
    Scene s = new Scene();
    s.hello(1);
    JobId job = s.job(1);
    s.nowUs += 4_900_000;
    s.loop.receive(PROVIDER, 1, new FromProvider.Heartbeat());
    s.turn();
    s.nowUs += 4_900_000;
    s.turn();
    assertThat(s.archived).as("heard in time").isEmpty();
    s.nowUs += 200_000;
    s.turn();
    assertThat(s.archived).hasSize(1);
    assertThat(s.archived.getFirst().record().outcome()).isEqualTo(Outcome.LOST);
    assertThat(s.pool.provider(PROVIDER).orElseThrow().state()).isEqualTo(ProviderView.State.GONE);
    assertThat(s.pool.job(job).orElseThrow().ready()).isEqualTo(1);
    s.loop.receive(PROVIDER, 1, new FromProvider.Heartbeat());
    assertThat(s.sent.getLast()).isInstanceOf(ToProvider.Refusal.class);
    s.sent.clear();
    s.hello(2);
    assertThat(s.leases()).as("it comes back and gets the task again").hasSize(1);
  }

  @Test
  void AfterARestartEverybodyHasTimeToComeBack() {
    Scene s = new Scene();
    s.hello(1);
    s.job(1);
    Lease held = s.leases().getFirst();
    Pool again = Pool.empty(POOL);
    List<Effect> effects = new ArrayList<>();
    for (Event e : s.logged) {
      again.apply(e, effects);
    }
    Scene other = new Scene();
    PoolLoop restarted =
        new PoolLoop(
            again,
            other,
            other,
            other,
            other,
            new Cheap(),
            new PoolLoop.Settings(1_000, 5_000),
            () -> 1,
            (_, _, _) -> {},
            (_, _) -> {});
    long later = s.nowUs + 7_000_000;
    restarted.turn(later);
    restarted.turn(later + 4_900_000);
    assertThat(again.lease(held.id())).isPresent();
    restarted.turn(later + 5_200_000);
    assertThat(again.lease(held.id())).isEmpty();
  }

  /// What becomes of a native task that is said to have run for five seconds.
  private static ExecutionRecord ranForLong(Scene s, Lease lease) {
    Usage usage =
        new Usage(
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.of(5_000_000_000L),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            "");
    Report r =
        new Report(
            lease.id(),
            Outcome.TASK_FAILED,
            "it ended with exit code 1",
            OptionalLong.of(5),
            OptionalLong.of(6),
            usage,
            List.of(),
            Report.NATIVE,
            "i",
            Hash.ZERO);
    Report signed =
        PuppetProvider.withDigest(
            r, new Cheap().record(ExecutionRecord.of(POOL, lease, r, PuppetProvider.PRICE)));
    s.report(1, signed);
    return s.archived.getLast().record();
  }

  private static Lease nativeLease(Scene s) {
    Offer offer =
        new Offer(
            PROVIDER, "p", "", "", 4, 8L << 30, PuppetProvider.PRICE, Capability.UNMEASURED, 1);
    s.loop.receive(
        PROVIDER,
        1,
        new FromProvider.Hello(
            offer,
            signed(PROVIDER),
            List.of(),
            Optional.of(Platform.LINUX_X86_64),
            Optional.empty(),
            OptionalInt.empty()));
    s.submit(new Command.Grant(CONSUMER, 10_000_000, ""));
    TaskKind kind =
        new TaskKind(
            "n",
            MODULE,
            0,
            1 << 20,
            1 << 20,
            10_000,
            1,
            3,
            new Form.Native(Platform.LINUX_X86_64, new Comparison.Exact()));
    s.submit(
        new Command.SubmitJob(
            new JobSpec(
                CONSUMER,
                1,
                "n",
                0,
                1_000_000,
                List.of(kind),
                List.of(new TaskSpec(null, 0, 0, "", List.of(), List.of(), 1)),
                List.of()),
            signed(CONSUMER)));
    return s.leases().getFirst();
  }

  @Test
  void NobodyIsPaidForMoreTimeThanThePoolSawGo() {
    Scene s = new Scene();
    s.turn();
    ExecutionRecord record = ranForLong(s, nativeLease(s));
    assertThat(record.outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(record.reason()).contains("it ran for 5000000 us, but was leased only");
    assertThat(record.charge()).isZero();
  }

  @Test
  void ThePoolsClockThatWasSetBackHarmsNobody() {
    Scene s = new Scene();
    s.turn();
    s.nowUs += 100_000_000;
    s.turn();
    Lease lease = nativeLease(s);
    s.nowUs -= 50_000_000;
    ExecutionRecord record = ranForLong(s, lease);
    assertThat(record.outcome()).isEqualTo(Outcome.TASK_FAILED);
    assertThat(record.charge()).isPositive();
  }

  @Test
  void ALeaseGuessedInAdvanceIsCheckedWhenItExists() {
    Scene s = new Scene();
    s.hello(1);
    s.sent.clear();
    s.submit(new Command.Grant(CONSUMER, 10_000_000, ""));
    // In one batch: the job whose first lease will be 1, and a report of lease 1 with a made-up
    // digest.
    s.slowLog = true;
    s.loop.submit(
        new Command.SubmitJob(Given.fan(CONSUMER, 1, MODULE, 1), signed(CONSUMER)), _ -> {});
    s.turn();
    Report forged =
        new Report(
            1,
            Outcome.DONE,
            "",
            OptionalLong.of(5),
            OptionalLong.of(6),
            Usage.UNMEASURED,
            List.of(Blob.EMPTY),
            "e",
            "i",
            Hash.sha256(new byte[] {66}));
    Hash root = Merkle.rootOfDigests(List.of(forged.digest()));
    s.loop.receive(PROVIDER, 1, new FromProvider.Reports(List.of(forged), root, signed(PROVIDER)));
    s.slowLog = false;
    s.outstanding.remove().run();
    s.turn();
    assertThat(s.archived.getFirst().record().outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(s.archived.getFirst().record().charge()).isZero();
  }

  @Test
  void OutputsMustBeStored() {
    Scene s = new Scene();
    s.hello(1);
    s.job(1);
    Lease l = s.leases().getFirst();
    s.report(1, s.done(l, List.of(new Blob(Hash.sha256(new byte[] {6}), 666))));
    assertThat(s.archived.getFirst().record().outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(s.archived.getFirst().record().reason()).contains("not stored in the pool");
  }

  @Test
  void AQueueThatIsFullRefusesAtOnce() {
    Scene s = new Scene();
    s.slowLog = true;
    s.loop.submit(new Command.Grant(CONSUMER, 1, ""), _ -> {});
    s.turn();
    List<PoolLoop.Reply> replies = new ArrayList<>();
    for (int i = 0; i < PoolLimits.QUEUED_COMMANDS; i++) {
      s.loop.submit(new Command.Grant(CONSUMER, 1, ""), replies::add);
    }
    assertThat(replies).isEmpty();
    s.loop.submit(new Command.Grant(CONSUMER, 1, ""), replies::add);
    assertThat(replies).hasSize(1);
    assertThat(((PoolLoop.Reply.Refused) replies.getFirst()).rejection().code())
        .isEqualTo(Rejection.Code.OVERLOADED);
    s.slowLog = false;
    s.outstanding.remove().run();
    s.turn();
    assertThat(replies).hasSize(PoolLimits.QUEUED_COMMANDS + 1);
    assertThat(s.pool.balance(CONSUMER)).isEqualTo(PoolLimits.QUEUED_COMMANDS + 1);
  }

  @Test
  void AFailedLogStopsEverything() {
    Scene s = new Scene();
    s.slowLog = true;
    List<PoolLoop.Reply> replies = new ArrayList<>();
    s.loop.submit(new Command.Grant(CONSUMER, 1, ""), replies::add);
    s.turn();
    s.loop.submit(new Command.Grant(CONSUMER, 2, ""), replies::add);
    s.loop.fail("the disk is full");
    s.loop.submit(new Command.Grant(CONSUMER, 3, ""), replies::add);
    assertThat(replies).as("what was on its way is never acknowledged").hasSize(2);
    for (PoolLoop.Reply r : replies) {
      assertThat(((PoolLoop.Reply.Refused) r).rejection().message()).contains("the disk is full");
    }
    assertThat(s.loop.ask(p -> {})).isFalse();
    assertThat(s.loop.turn(s.nowUs + 1_000_000)).isFalse();
  }

  @Test
  void WhoReportsForeignLeasesWithoutEndIsCutOff() {
    Scene s = new Scene();
    s.hello(1);
    s.job(1);
    Lease mine = s.leases().getFirst();
    Report r = s.done(mine, List.of(Blob.EMPTY));
    for (int i = 0; i <= PoolLimits.REFUSALS_OF_ONE_STREAM; i++) {
      s.report(
          1,
          new Report(
              1_000_000 + i,
              r.outcome(),
              r.reason(),
              r.startedUs(),
              r.endedUs(),
              r.usage(),
              r.outputs(),
              r.engine(),
              r.isolation(),
              Hash.sha256(new byte[] {(byte) i, (byte) (i >> 8)})));
    }
    assertThat(s.sent).anyMatch(m -> m instanceof ToProvider.Refusal);
    assertThat(s.pool.provider(PROVIDER).orElseThrow().state()).isEqualTo(ProviderView.State.GONE);
  }
}
