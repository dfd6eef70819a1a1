package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Comparison;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Price;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/// The provider's logic against a pool, a key and a sandbox that are lists of what was said.
final class ProviderLoopTest {
  private static final Address POOL = Address.parse("0x" + "11".repeat(20));
  private static final Address SELF = Address.parse("0x" + "22".repeat(20));
  private static final Address CONSUMER = Address.parse("0x" + "33".repeat(20));
  private static final long MIB = 1 << 20;
  private static final Offer OFFER =
      new Offer(
          SELF, "p1", "test", "", 2, 100 * MIB, new Price(1_000, 0, 0), Capability.UNMEASURED, 1);

  private static final Offer WITH_GPUS =
      new Offer(
          SELF,
          "p1",
          "test",
          "",
          3,
          100 * MIB,
          new Gpus(2, 64 * MIB),
          new Price(1_000, 0, 0, 5),
          Capability.UNMEASURED,
          1);

  /// Digests are hashes of the text; signatures say what they sign.
  private static final ProviderLoop.Signer SIGNER =
      new ProviderLoop.Signer() {
        @Override
        public Hash digest(ExecutionRecord record) {
          return text(record.toString());
        }

        @Override
        public Hash digest(Offer offer) {
          return text(offer.toString());
        }

        @Override
        public String signBatch(Address pool, Hash root, int count) {
          return pool + "/" + root + "/" + count;
        }

        @Override
        public String signOffer(Offer offer) {
          return "offer";
        }
      };

  private final List<FromProvider> said = new ArrayList<>();
  private final List<Long> started = new ArrayList<>();
  private final List<Long> stopped = new ArrayList<>();
  private final List<Probe> probes = new ArrayList<>();
  private long nowUs = 1_000_000;
  private final ProviderLoop.Runner runner =
      new ProviderLoop.Runner() {
        @Override
        public void start(Lease lease) {
          started.add(lease.id());
        }

        @Override
        public void stop(long lease) {
          stopped.add(lease);
        }

        @Override
        public void probe(Probe probe) {
          probes.add(probe);
        }
      };
  private ProviderLoop loop = new ProviderLoop(POOL, OFFER, SIGNER, runner);

  private static Hash text(String s) {
    return Hash.sha256(s.getBytes(StandardCharsets.UTF_8));
  }

  private static Lease lease(long id) {
    return lease(id, 1, MIB, 0);
  }

  private static Lease lease(long id, int cores, long memoryBytes, int outputs) {
    TaskKind kind =
        new TaskKind("k", new Blob(text("m"), 9), 1_000, memoryBytes, 1_000, 1_000, cores, 3);
    return lease(id, OFFER, kind, outputs);
  }

  private static Lease lease(long id, Gpus gpus) {
    Form form = new Form.Native(Platform.LINUX_X86_64, new Comparison.Exact(), gpus);
    return lease(
        id, WITH_GPUS, new TaskKind("k", new Blob(text("m"), 9), 0, MIB, 9, 1_000, 1, 3, form), 0);
  }

  private static Lease lease(long id, Offer offer, TaskKind kind, int outputs) {
    return new Lease(
        id,
        JobId.of(CONSUMER, 7),
        (int) id,
        "k[" + id + "]",
        CONSUMER,
        SELF,
        SIGNER.digest(offer),
        1,
        kind,
        "",
        List.of(),
        List.of(),
        outputs,
        1,
        2,
        3,
        1_000_000);
  }

  private static Attempt done() {
    Usage usage =
        new Usage(
            OptionalLong.of(500),
            OptionalLong.empty(),
            OptionalLong.of(1),
            OptionalLong.empty(),
            OptionalLong.of(0),
            OptionalLong.of(0),
            OptionalLong.of(0),
            OptionalLong.empty(),
            OptionalLong.empty(),
            "");
    return new Attempt(
        Outcome.DONE,
        "",
        OptionalLong.of(10),
        OptionalLong.of(11),
        usage,
        List.of(),
        "engine",
        "none");
  }

  private void connect() {
    loop.connected(said::add, nowUs);
    receive(new ToProvider.Welcome(1, 1_000, 5_000));
  }

  private void receive(ToProvider m) {
    loop.receive(m, nowUs);
    loop.turn(nowUs);
  }

  private void give(Lease... leases) {
    receive(new ToProvider.Leases(List.of(leases)));
  }

  private void end(long lease) {
    end(lease, done());
  }

  private void end(long lease, Attempt a) {
    loop.ended(lease, a, nowUs);
    loop.turn(nowUs);
  }

  private void pass(long us) {
    nowUs += us;
    loop.turn(nowUs);
  }

  private <T extends FromProvider> List<T> said(Class<T> kind) {
    return said.stream().filter(kind::isInstance).map(kind::cast).toList();
  }

  private List<Long> reported() {
    return said(FromProvider.Reports.class).stream()
        .flatMap(r -> r.reports().stream())
        .map(Report::lease)
        .toList();
  }

  private List<Long> returned() {
    return said(FromProvider.ReturnLeases.class).stream()
        .flatMap(r -> r.leases().stream())
        .toList();
  }

  @Test
  void saysHelloFirstAndNothingElseBeforeTheWelcome() {
    loop.connected(said::add, nowUs);
    loop.turn(nowUs);
    pass(60_000_000);
    assertThat(said).containsExactly(new FromProvider.Hello(OFFER, "offer", List.of()));
    assertThat(loop.welcomed()).isFalse();
  }

  @Test
  void anEndedAttemptIsReportedUnderOneSignatureOverItsRecord() {
    connect();
    give(lease(1));
    assertThat(started).containsExactly(1L);
    end(1);
    FromProvider.Reports r = said(FromProvider.Reports.class).getFirst();
    Report report = r.reports().getFirst();
    Hash digest = SIGNER.digest(ExecutionRecord.of(POOL, lease(1), report, OFFER.price()));
    assertThat(report.digest()).isEqualTo(digest);
    assertThat(r.root()).isEqualTo(Merkle.root(List.of(Merkle.leafHash(digest.bytes()))));
    assertThat(r.signature()).isEqualTo(POOL + "/" + r.root() + "/1");
    assertThat(loop.load()).isEqualTo(new ProviderLoop.Load(0, 0, 1));
    receive(new ToProvider.Durable(List.of(1L)));
    assertThat(loop.load()).isEqualTo(new ProviderLoop.Load(0, 0, 0));
  }

  @Test
  void reportsShareASignatureWhileTasksStillRun() {
    connect();
    give(lease(1), lease(2), lease(3));
    end(1);
    end(2);
    assertThat(reported()).isEmpty();
    assertThat(loop.wakeUs(nowUs)).isEqualTo(nowUs + ProviderLimits.BATCH_WAIT_US);
    pass(ProviderLimits.BATCH_WAIT_US);
    assertThat(said(FromProvider.Reports.class)).hasSize(1);
    assertThat(reported()).containsExactly(1L, 2L);
    end(3); // the last one has nothing to wait for
    assertThat(reported()).containsExactly(1L, 2L, 3L);
  }

  @Test
  void manyReportsWaitLongerForAStillLargerBatch() {
    connect();
    int many = ProviderLimits.FEW_REPORTS;
    give(LongStream.rangeClosed(1, many + 1).mapToObj(id -> lease(id)).toArray(Lease[]::new));
    for (long id = 1; id <= many; id++) {
      end(id);
    }
    pass(ProviderLimits.BUSY_BATCH_WAIT_US - 1);
    assertThat(reported()).isEmpty();
    assertThat(loop.wakeUs(nowUs)).isEqualTo(nowUs + 1);
    pass(1);
    assertThat(said(FromProvider.Reports.class)).hasSize(1);
    assertThat(reported()).hasSize(many);
  }

  @Test
  void noBatchIsLargerThanTheLimit() {
    int many = Limits.BATCH_REPORTS + 10;
    connect();
    loop.disconnected(nowUs);
    connect();
    Lease[] leases =
        LongStream.rangeClosed(1, many).mapToObj(id -> lease(id)).toArray(Lease[]::new);
    give(leases);
    loop.disconnected(nowUs);
    for (long id = 1; id <= many; id++) {
      end(id);
    }
    assertThat(reported()).isEmpty();
    connect();
    assertThat(said(FromProvider.Reports.class)).hasSize(2);
    assertThat(said(FromProvider.Reports.class).getFirst().reports()).hasSize(Limits.BATCH_REPORTS);
    assertThat(reported()).hasSize(many).doesNotHaveDuplicates();
  }

  @Test
  void aDoubledLeaseRunsOnce() {
    connect();
    give(lease(1));
    give(lease(1));
    end(1);
    give(lease(1)); // ended, not yet durable
    receive(new ToProvider.Durable(List.of(1L)));
    give(lease(1)); // a late copy
    assertThat(started).containsExactly(1L);
    assertThat(reported()).containsExactly(1L);
    assertThat(returned()).isEmpty();
  }

  @Test
  void afterAReconnectItNamesWhatItHoldsAndSendsItsResultsAgain() {
    connect();
    give(lease(1), lease(2), lease(3));
    end(1);
    pass(ProviderLimits.BATCH_WAIT_US);
    assertThat(reported()).containsExactly(1L);
    loop.disconnected(nowUs);
    loop.turn(nowUs);
    end(2);
    said.clear();
    loop.connected(said::add, nowUs);
    loop.turn(nowUs);
    assertThat(said).containsExactly(new FromProvider.Hello(OFFER, "offer", List.of(1L, 2L, 3L)));
    receive(new ToProvider.Welcome(2, 1_000, 5_000));
    pass(ProviderLimits.BATCH_WAIT_US);
    assertThat(reported()).containsExactly(1L, 2L);
    assertThat(loop.session()).isEqualTo(2);
    assertThat(started).containsExactly(1L, 2L, 3L);
    receive(new ToProvider.Durable(List.of(1L, 2L)));
    assertThat(loop.load()).isEqualTo(new ProviderLoop.Load(0, 1, 0));
  }

  @Test
  void aReportThatIsNeverAnsweredIsSentAgain() {
    connect();
    give(lease(1));
    end(1);
    pass(ProviderLimits.RESEND_US - 1);
    assertThat(reported()).containsExactly(1L);
    pass(1);
    assertThat(reported()).containsExactly(1L, 1L);
    receive(new ToProvider.Durable(List.of(1L)));
    pass(2 * ProviderLimits.RESEND_US);
    assertThat(reported()).containsExactly(1L, 1L);
  }

  @Test
  void startsNoMoreThanItsCoresAllow() {
    connect();
    give(lease(1), lease(2), lease(3), lease(4, 2, MIB, 0));
    assertThat(started).containsExactly(1L, 2L);
    end(1);
    assertThat(started).containsExactly(1L, 2L, 3L);
    end(2);
    assertThat(started).containsExactly(1L, 2L, 3L); // the last needs both cores
    end(3);
    assertThat(started).containsExactly(1L, 2L, 3L, 4L);
  }

  @Test
  void startsNoMoreThanItsMemoryAllowsAndSmallOnesMayPassALargeOne() {
    connect();
    give(lease(1, 1, 60 * MIB, 0), lease(2, 1, 60 * MIB, 0), lease(3, 1, 40 * MIB, 0));
    assertThat(started).containsExactly(1L, 3L);
    end(3);
    assertThat(started).containsExactly(1L, 3L);
    end(1);
    assertThat(started).containsExactly(1L, 3L, 2L);
  }

  @Test
  void aLargeOneIsNotPassedForEver() {
    connect();
    give(lease(1, 1, 60 * MIB, 0), lease(2, 1, 60 * MIB, 0));
    long id = 3;
    while (started.size() < ProviderLimits.OVERTAKERS + 1) {
      give(lease(id));
      assertThat(started.getLast()).isEqualTo(id);
      end(id);
      receive(new ToProvider.Durable(List.of(id++)));
    }
    give(lease(id));
    assertThat(started.getLast()).isEqualTo(id - 1);
    end(1);
    assertThat(started.subList(started.size() - 2, started.size())).containsExactly(2L, id);
  }

  @Test
  void whatFitsNowhereHereIsReportedAsTheProvidersFault() {
    connect();
    give(lease(1, 3, MIB, 0), lease(2, 1, 101 * MIB, 0));
    assertThat(started).isEmpty();
    List<Report> reports =
        said(FromProvider.Reports.class).stream().flatMap(r -> r.reports().stream()).toList();
    assertThat(reports).extracting(Report::outcome).containsOnly(Outcome.PROVIDER_FAILED);
    assertThat(reports.getFirst().reason()).contains("needs 3 cores").contains("lends 2");
    assertThat(reports.getFirst().startedUs()).isEmpty();
  }

  @Test
  void aLeaseUnderForeignTermsIsGivenBack() {
    connect();
    Lease l = lease(1);
    Lease foreign =
        new Lease(
            2,
            l.job(),
            l.task(),
            l.taskName(),
            l.consumer(),
            SELF,
            Hash.ZERO,
            1,
            l.kind(),
            "",
            List.of(),
            List.of(),
            0,
            1,
            2,
            3,
            4);
    give(foreign);
    assertThat(started).isEmpty();
    assertThat(returned()).containsExactly(2L);
  }

  @Test
  void stopReturnsWhatHasNotBegunAndEndsWhatRuns() {
    connect();
    give(lease(1), lease(2), lease(3));
    receive(new ToProvider.Stop(List.of(1L, 3L, 99L)));
    receive(new ToProvider.Stop(List.of(1L, 3L)));
    assertThat(stopped).containsExactly(1L);
    assertThat(returned()).containsExactly(3L);
    end(1, Attempt.unstarted(Outcome.CANCELLED, "stopped"));
    pass(ProviderLimits.BATCH_WAIT_US);
    Report r = said(FromProvider.Reports.class).getFirst().reports().getFirst();
    assertThat(r.outcome()).isEqualTo(Outcome.CANCELLED);
    assertThat(r.reason()).as("is paid for what it used").isEqualTo(Report.STOPPED);
  }

  @Test
  void whatWasStoppedBeforeItsLeaseCameIsGivenBackUnstarted() {
    connect();
    receive(new ToProvider.Stop(List.of(1L)));
    assertThat(returned()).as("of a lease that may never come nothing is said").isEmpty();
    give(lease(1), lease(2));
    assertThat(started).containsExactly(2L);
    assertThat(returned()).containsExactly(1L);
  }

  @Test
  void aLateStopDoesNotUndoThatAReportIsDurable() {
    connect();
    give(lease(1));
    end(1);
    receive(new ToProvider.Durable(List.of(1L)));
    receive(new ToProvider.Stop(List.of(1L)));
    give(lease(1));
    assertThat(started).containsExactly(1L);
    assertThat(returned()).isEmpty();
  }

  @Test
  void whatAHastyDrainStopsIsNotThePoolsDoing() {
    connect();
    give(lease(1));
    loop.stopAll();
    assertThat(stopped).containsExactly(1L);
    end(1, Attempt.unstarted(Outcome.CANCELLED, "stopped"));
    pass(ProviderLimits.BATCH_WAIT_US);
    Report r = said(FromProvider.Reports.class).getFirst().reports().getFirst();
    assertThat(r.reason()).isEqualTo("stopped");
  }

  @Test
  void whatThePoolDeclaresOverIsEndedUnheard() {
    connect();
    give(lease(1), lease(2), lease(3));
    receive(new ToProvider.Durable(List.of(1L, 3L)));
    assertThat(stopped).containsExactly(1L);
    end(1, Attempt.unstarted(Outcome.CANCELLED, "stopped"));
    end(2);
    assertThat(reported()).containsExactly(2L);
    assertThat(started).containsExactly(1L, 2L);
  }

  @Test
  void drainReturnsTheQueueEndsWhatRunsDeliversAndSaysGoodbye() {
    connect();
    give(lease(1), lease(2), lease(3));
    loop.drain(nowUs);
    loop.drain(nowUs);
    loop.turn(nowUs);
    assertThat(said(FromProvider.Drain.class)).hasSize(1);
    assertThat(returned()).containsExactly(3L);
    give(lease(4)); // crossed the drain on its way
    assertThat(returned()).containsExactly(3L, 4L);
    end(1);
    end(2);
    pass(ProviderLimits.BATCH_WAIT_US);
    assertThat(reported()).containsExactly(1L, 2L);
    assertThat(loop.drained()).isFalse();
    assertThat(said(FromProvider.Goodbye.class)).isEmpty();
    receive(new ToProvider.Durable(List.of(1L, 2L)));
    assertThat(loop.drained()).isTrue();
    assertThat(said.getLast()).isEqualTo(new FromProvider.Goodbye("drained"));
    pass(10_000_000);
    assertThat(said.getLast()).isEqualTo(new FromProvider.Goodbye("drained"));
  }

  @Test
  void aDrainIsToldAgainAfterAReconnect() {
    connect();
    give(lease(1), lease(2), lease(3));
    loop.disconnected(nowUs);
    loop.drain(nowUs);
    loop.turn(nowUs);
    said.clear();
    connect();
    assertThat(said(FromProvider.Drain.class)).hasSize(1);
    assertThat(said(FromProvider.Hello.class).getFirst().held()).containsExactly(1L, 2L);
    assertThat(returned()).containsExactly(3L);
    loop.stopAll();
    assertThat(stopped).containsExactly(1L, 2L);
  }

  @Test
  void heartbeatsFillTheSilence() {
    connect();
    pass(499_999);
    assertThat(said(FromProvider.Heartbeat.class)).isEmpty();
    assertThat(loop.wakeUs(nowUs)).isEqualTo(nowUs + 1);
    pass(1);
    assertThat(said(FromProvider.Heartbeat.class)).hasSize(1);
    give(lease(1));
    pass(100_000);
    end(1); // a report is a sign of life too
    pass(499_999);
    assertThat(said(FromProvider.Heartbeat.class)).hasSize(1);
  }

  @Test
  void whenCutOffForLongerThanThePoolWaitsNothingNewStarts() {
    connect();
    give(lease(1), lease(2), lease(3), lease(4));
    loop.disconnected(nowUs);
    nowUs += 4_999_999;
    end(1);
    assertThat(started).containsExactly(1L, 2L, 3L);
    nowUs += 1;
    end(2);
    assertThat(started).containsExactly(1L, 2L, 3L);
    connect();
    assertThat(started).containsExactly(1L, 2L, 3L, 4L);
  }

  @Test
  void noMoreLeasesAreHeldThanTheLimit() {
    connect();
    Lease[] leases =
        LongStream.rangeClosed(1, ProviderLimits.HELD_LEASES + 2)
            .mapToObj(id -> lease(id))
            .toArray(Lease[]::new);
    give(leases);
    assertThat(returned())
        .containsExactly(ProviderLimits.HELD_LEASES + 1L, ProviderLimits.HELD_LEASES + 2L);
  }

  @Test
  void aRefusalIsKeptForWhoeverAsks() {
    loop.connected(said::add, nowUs);
    Rejection why = new Rejection(Rejection.Code.FORBIDDEN, "no");
    receive(new ToProvider.Refusal(why));
    assertThat(loop.refusal()).contains(why);
    assertThat(loop.welcomed()).isFalse();
    loop.disconnected(nowUs);
    connect();
    assertThat(loop.refusal()).isEmpty();
  }

  @Test
  void aReasonIsCutToWhatAPoolTakes() {
    connect();
    give(lease(1));
    String halves = "x".repeat(Limits.REASON_CHARS - 1) + "\ud83d\ude00 and more";
    end(1, Attempt.unstarted(Outcome.TASK_FAILED, halves));
    Report r = said(FromProvider.Reports.class).getFirst().reports().getFirst();
    assertThat(r.reason()).isEqualTo("x".repeat(Limits.REASON_CHARS - 1) + "?");
  }

  @Test
  void anEndWithoutAStartIsABug() {
    connect();
    assertThatThrownBy(() -> loop.ended(5, done(), nowUs))
        .isInstanceOf(IllegalStateException.class);
    give(lease(1, 1, MIB, 2));
    assertThatThrownBy(() -> loop.ended(1, done(), nowUs))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("declares 2 outputs");
  }

  private void asked(Probe probe) {
    receive(new ToProvider.Show(probe));
  }

  @Test
  void itDoesWhatAProbeAsksForAndSaysSo() {
    connect();
    Probe probe = new Probe(1, Probe.Part.ALL_CORES, 5, OFFER.cores(), 3, 0);
    asked(probe);
    asked(probe);
    assertThat(probes).as("a doubled message").containsExactly(probe);
    ProbeAnswer answer = new ProbeAnswer(1, Probe.Part.ALL_CORES, List.of(1L, 2L, 3L), List.of());
    loop.probed(answer, nowUs);
    assertThat(said(FromProvider.Probed.class)).containsExactly(new FromProvider.Probed(answer));
    asked(probe);
    assertThat(probes).hasSize(2);
  }

  /// The connection broke while it worked: what the new one is asked is what counts.
  @Test
  void whatANewConnectionAsksTakesThePlaceOfTheOld() {
    connect();
    Probe old = new Probe(1, Probe.Part.ONE_CORE, 5, 1, 3, 0);
    asked(old);
    loop.disconnected(nowUs);
    connect();
    Probe fresh = new Probe(2, Probe.Part.ONE_CORE, 6, 1, 3, 0);
    asked(fresh);
    assertThat(probes).containsExactly(old, fresh);
    loop.probed(new ProbeAnswer(1, Probe.Part.ONE_CORE, List.of(1L), List.of()), nowUs);
    assertThat(said(FromProvider.Probed.class)).isEmpty();
    ProbeAnswer answer = new ProbeAnswer(2, Probe.Part.ONE_CORE, List.of(2L), List.of());
    loop.probed(answer, nowUs);
    assertThat(said(FromProvider.Probed.class)).containsExactly(new FromProvider.Probed(answer));
  }

  /// Lends two GPUs, and as many cores.
  private void lendGpus() {
    loop =
        new ProviderLoop(
            POOL,
            WITH_GPUS,
            Optional.of(Platform.LINUX_X86_64),
            Optional.empty(),
            OptionalInt.empty(),
            SIGNER,
            runner);
    connect();
  }

  @Test
  void startsNoMoreThanItsGpusAllow() {
    lendGpus();
    Gpus one = new Gpus(1, 64 * MIB);
    give(lease(1, one), lease(2, new Gpus(2, 0)), lease(3, one), lease(4, Gpus.NONE));
    assertThat(started).containsExactly(1L, 3L, 4L);
    end(1);
    end(4);
    assertThat(started).containsExactly(1L, 3L, 4L);
    end(3);
    assertThat(started).containsExactly(1L, 3L, 4L, 2L);
  }

  @Test
  void gpusThatItDoesNotLendAreTheProvidersFault() {
    lendGpus();
    give(lease(1, new Gpus(3, 0)), lease(2, new Gpus(1, 65 * MIB)));
    assertThat(started).isEmpty();
    assertThat(said(FromProvider.Reports.class).stream().flatMap(r -> r.reports().stream()))
        .hasSize(2)
        .allMatch(r -> r.outcome() == Outcome.PROVIDER_FAILED)
        .allMatch(
            r -> r.reason().contains("lends 3 and 104857600, and 2 GPUs with 67108864 bytes"));
  }

  @Test
  void aPoolThatAsksGpusForTooMuchGetsNothing() {
    lendGpus();
    int words = (int) (64 * MIB / 8);
    for (Probe much :
        List.of(
            new Probe(1, Probe.Part.ONE_GPU, 5, ProviderLimits.PROBE_GPU_LANES + 1, 1, 0),
            new Probe(1, Probe.Part.ONE_GPU, 5, 1, ProviderLimits.PROBE_GPU_LINKS + 1, 0),
            new Probe(1, Probe.Part.ALL_GPUS, 5, 2 * ProviderLimits.PROBE_GPU_LANES + 1, 1, 0),
            new Probe(1, Probe.Part.GPU_MEMORY, 5, 3, 2, words),
            new Probe(1, Probe.Part.GPU_MEMORY, 5, 2, 3, words))) {
      asked(much);
      assertThat(probes).as("%s", much).isEmpty();
    }
    Probe fair = new Probe(1, Probe.Part.GPU_MEMORY, 5, 2, 2, words);
    asked(fair);
    assertThat(probes).containsExactly(fair);
  }

  @Test
  void whoLendsNoGpuIsAskedForNone() {
    connect();
    asked(new Probe(1, Probe.Part.ONE_GPU, 5, 1, 1, 0));
    asked(new Probe(1, Probe.Part.ALL_GPUS, 5, 1, 1, 0));
    asked(new Probe(1, Probe.Part.GPU_MEMORY, 5, 1, 1, 1));
    assertThat(probes).isEmpty();
  }

  @Test
  void aPoolThatAsksForTooMuchGetsNothing() {
    connect();
    long words = OFFER.memoryBytes() / 8;
    for (Probe much :
        List.of(
            new Probe(1, Probe.Part.ALL_CORES, 5, OFFER.cores() + 1, 3, 0),
            new Probe(1, Probe.Part.ALL_CORES, 5, 0, 3, 0),
            new Probe(1, Probe.Part.ALL_CORES, 5, 1, ProviderLimits.PROBE_LINKS + 1, 0),
            new Probe(1, Probe.Part.ALL_CORES, 5, 1, -1, 0),
            new Probe(1, Probe.Part.MEMORY, 5, 1, 1, 3),
            new Probe(1, Probe.Part.MEMORY, 5, 1, 1, Integer.MIN_VALUE),
            new Probe(1, Probe.Part.MEMORY, 5, 1, 2, Integer.highestOneBit((int) words)),
            new Probe(1, Probe.Part.MEMORY, 5, 1, ProviderLimits.PROBE_CHUNKS + 1, 1))) {
      asked(much);
      assertThat(probes).as("%s", much).isEmpty();
    }
    Probe fair = new Probe(1, Probe.Part.ONE_CORE, 5, 1, 1, 0);
    for (int i = 0; i <= ProviderLimits.PROBES_AN_HOUR; i++) {
      asked(fair);
      loop.probed(new ProbeAnswer(1, Probe.Part.ONE_CORE, List.of(1L), List.of()), nowUs);
    }
    assertThat(probes).as("so many an hour").hasSize(ProviderLimits.PROBES_AN_HOUR);
    nowUs += 3_600_000_001L;
    asked(fair);
    assertThat(probes).hasSize(ProviderLimits.PROBES_AN_HOUR + 1);
  }
}
