package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A released event keeps its meaning for ever: the bytes in the `.hex` files must never change.
class CodecTest {
  /// Bytes at the end of a snapshot that tell how many providers passed their probation and were
  /// measured, that no consumer has a turn, no GPU was measured and nobody has a large blob.
  private static final int AFTER_MONEY = 7;

  private static byte[] golden(String name) {
    try (InputStream in = CodecTest.class.getResourceAsStream(name)) {
      return HexFormat.of()
          .parseHex(new String(in.readAllBytes(), StandardCharsets.US_ASCII).replace("\n", ""));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static JobSpec job() {
    return new JobSpec(
        Sample.ALICE,
        -3,
        "jöb",
        -7,
        1_000_000,
        List.of(Sample.kind("work")),
        List.of(
            new TaskSpec(
                null, 0, 0, "a=1", List.of(new Input.Stored(Sample.blob(5))), List.of(), 2),
            new TaskSpec("last", 0, -1, "", List.of(new Input.Produced(0, 1)), List.of(0), 1)),
        List.of(new Input.Produced(1, 0)));
  }

  private static Entry entry() {
    Usage usage =
        new Usage(
            OptionalLong.of(123_456),
            OptionalLong.of(0),
            OptionalLong.of(1_000_000),
            OptionalLong.empty(),
            OptionalLong.of(103),
            OptionalLong.of(7),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.of(5),
            "rapl");
    ExecutionRecord record =
        new ExecutionRecord(
            Sample.POOL,
            job().id(),
            1,
            "last",
            "work",
            2,
            77,
            Sample.ALICE,
            Sample.provider(4),
            Sample.hash(8),
            Sample.hash(99),
            Hash.EMPTY_BLOB,
            List.of(Sample.blob(6)),
            List.of(0),
            1_000_000,
            65_536,
            1,
            1_790_000_000_000_000L,
            1_790_000_000_000_500L,
            1_790_000_000_001_000L,
            OptionalLong.of(1_789_999_999_999_000L),
            OptionalLong.of(1_790_000_000_000_000L),
            Outcome.DONE,
            "",
            usage,
            List.of(Sample.blob(10)),
            "endive 1.0.0",
            "bubblewrap",
            150);
    return new Entry(12, 1_790_000_000_002_000L, record, new Entry.Attestation.Signed(3, 1));
  }

  private static List<Event> events() {
    return List.of(
        new Event.Granted(Sample.ALICE, 5_000_000, "wëlcome", 1),
        new Event.JobAccepted(job(), Sample.SIGNATURE, 2),
        new Event.ProviderJoined(
            new Offer(
                Sample.provider(4),
                "p4",
                "a machine",
                "eu",
                8,
                Sample.GB,
                Sample.PRICE,
                new Capability(OptionalLong.of(5), OptionalLong.empty(), OptionalLong.of(6)),
                9),
            Sample.hash(8),
            Sample.SIGNATURE,
            11,
            3),
        new Event.TaskAssigned(77, 0, 1, 2, Sample.provider(4), 150, 4),
        new Event.BatchSigned(
            new SignedBatch(
                3, Sample.provider(4), List.of(Sample.hash(1), Sample.hash(2)), Sample.SIGNATURE)),
        new Event.AttemptEnded(entry(), Event.Next.DONE),
        new Event.LeaseReturned(78, 5),
        new Event.JobEnded(0, Event.JobState.FAILED, "why", 850, 6),
        new Event.ProviderDraining(Sample.provider(4), 7),
        new Event.ProviderGone(Sample.provider(4), "unplugged", 8),
        new Event.Refused(
            "CancelJob",
            Sample.BOB,
            new Rejection(Rejection.Code.FORBIDDEN, "it belongs to another account"),
            9));
  }

  private static Entry inferenceEntry() {
    Model model = ModelSample.model(1);
    SignedModelOffer offer = ModelSample.signed(4, model);
    return new Entry(
        13,
        1_790_000_000_003_000L,
        ModelSample.record(9, offer, model),
        new Entry.Attestation.Signed(4, 0));
  }

  private static List<Event> modelEvents() {
    Model model = ModelSample.model(1);
    Model other =
        new Model(
            Sample.BOB,
            "tiny",
            "2",
            Sample.hash(3),
            ModelTask.PREDICT,
            "onnx",
            "",
            0,
            0,
            "CC-BY-4.0",
            0,
            1_790_000_000_000_000L);
    SignedModelOffer offer = ModelSample.signed(4, model);
    ModelOffer o = offer.offer();
    ModelOffer plain =
        new ModelOffer(
            o.provider(),
            other.manifest(),
            "",
            "",
            "onnxruntime 1",
            new TokenPrice(0, 0, 0, 5, 6),
            0,
            1,
            1,
            0,
            DataPolicy.COLLECTS,
            java.util.Optional.empty(),
            "",
            8);
    Entry unsigned =
        new Entry(
            14,
            9,
            ExecutionRecord.of(
                Sample.POOL,
                ModelSample.order(10, offer, 0),
                new Served(
                    Outcome.LOST,
                    "it vanished",
                    OptionalLong.empty(),
                    OptionalLong.empty(),
                    OptionalLong.empty(),
                    0,
                    0,
                    0,
                    0,
                    Usage.UNMEASURED,
                    Blob.EMPTY),
                o,
                model),
            new Entry.Attestation.PoolOnly());
    return List.of(
        new Event.ModelPublished(model, Sample.hash(1), Sample.SIGNATURE, 1),
        new Event.ModelPublished(other, Sample.hash(2), Sample.SIGNATURE, 2),
        new Event.ModelsOffered(
            o.provider(),
            List.of(offer, new SignedModelOffer(plain, Sample.hash(6), Sample.SIGNATURE)),
            3),
        new Event.ModelsOffered(Sample.provider(5), List.of(), 4),
        new Event.TabFilled(Sample.ALICE, 1_000_000, 5),
        new Event.InferenceRecorded(inferenceEntry()),
        new Event.InferenceRecorded(unsigned),
        new Event.TabEmptied(Sample.ALICE, 999_619, 6),
        new Event.ModelWithdrawn(model.manifest(), 7),
        new Event.ApiKeyMade(Sample.ALICE, Sample.hash(7), "läptop", 8),
        new Event.ApiKeyRevoked(Sample.hash(7), 9));
  }

  private static List<Event> keyEvents() {
    return List.of(
        new Event.ScopedKeyMade(
            Sample.ALICE, Sample.hash(8), "ci", Rights.ALL, Optional.empty(), 10),
        new Event.ScopedKeyMade(
            Sample.ALICE,
            Sample.hash(9),
            "",
            new Rights(
                EnumSet.of(Scope.READ),
                List.of("b", "a/c"),
                OptionalLong.of(0),
                OptionalLong.of(Long.MAX_VALUE)),
            Optional.of(Sample.hash(8)),
            11),
        new Event.ApiKeySpent(List.of(Sample.hash(9), Sample.hash(8)), Long.MAX_VALUE, 12));
  }

  private static List<Event> auditEvents() {
    AuditNote note =
        AuditNotesTest.note(
            1, Sample.hash(1), Sample.POOL, Standing.CHEATING, 3, 0, -1, Long.MAX_VALUE);
    return List.of(
        new Event.AuditsFunded(new Address(9, 9, 9), 500, 1),
        new Event.Audited(note, 2),
        new Event.Audited(
            new AuditNote(
                note.provider(),
                note.model(),
                Sample.provider(2),
                "req_x",
                AuditKind.READ,
                List.of(),
                Standing.HONEST,
                "",
                1,
                0,
                List.of()),
            3),
        new Event.AuditsClosed(new Address(9, 9, 9), 499, 4));
  }

  private static List<Event> moneyEvents() {
    Voucher voucher = new Voucher(Sample.ALICE, 123_456_789, Sample.SIGNATURE);
    ChainPurse purse = new ChainPurse(Sample.ALICE, 9_000_000_000L, 17, 1_790_000_000_000_000L);
    Epoch epoch =
        new Epoch(
            3,
            List.of(voucher),
            List.of(new Payout(Sample.BOB, 77, true), new Payout(Sample.ALICE, 5, false)),
            12,
            Sample.hash(5),
            1_000,
            9);
    return List.of(
        new Event.MoneyAdopted(new Money.Credits(true), List.of(), 0, 0, 1),
        new Event.MoneyAdopted(MoneyFixture.ESCROW, List.of(purse), 100, 2, 3),
        new Event.VoucherTaken(voucher, 4),
        new Event.PurseSeen(purse, 101, 5),
        new Event.PaidSeen(Sample.BOB, 77, 102, 6),
        new Event.BlockSeen(103, 7, 8),
        new Event.PaymentTaken(Sample.BOB, 500, Sample.hash(5), 9),
        new Event.PaymentReturned(Sample.BOB, 400, 10),
        new Event.ExcessReturned(Sample.ALICE, 3, 11),
        new Event.EpochClosed(epoch),
        new Event.EpochConfirmed(
            3, 900, List.of(Sample.ALICE), List.of(Sample.BOB), Sample.hash(5), 104, 21_000, 12),
        new Event.EpochReopened(4, List.of(Sample.ALICE), "reverted", 13),
        new Event.ExitAsked(Sample.ALICE, 99, 14),
        new Event.ExitCancelled(Sample.ALICE, 15),
        new Event.Exited(Sample.ALICE, 16, 17),
        new Event.Refused(
            "FillTab", Sample.ALICE, new Rejection(Rejection.Code.UNCOVERED, "sign"), 18));
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  @Test
  void eventsKeepTheirBytes() {
    assertThat(hex(EventCodec.encode(events()))).isEqualTo(hex(golden("events-v1.hex")));
    assertThat(EventCodec.decode(golden("events-v1.hex"))).isEqualTo(events());
  }

  @Test
  void entriesKeepTheirBytes() {
    assertThat(hex(EntryCodec.encode(entry()))).isEqualTo(hex(golden("entry-v1.hex")));
    assertThat(EntryCodec.decode(golden("entry-v1.hex"))).isEqualTo(entry());
  }

  @Test
  void eventsAboutModelsKeepTheirBytes() {
    assertThat(hex(EventCodec.encode(modelEvents())))
        .isEqualTo(hex(golden("events-v1-models.hex")));
    assertThat(EventCodec.decode(golden("events-v1-models.hex"))).isEqualTo(modelEvents());
  }

  @Test
  void eventsAboutAuditsKeepTheirBytes() {
    assertThat(hex(EventCodec.encode(auditEvents())))
        .isEqualTo(hex(golden("events-v1-audits.hex")));
    assertThat(EventCodec.decode(golden("events-v1-audits.hex"))).isEqualTo(auditEvents());
  }

  @Test
  void eventsAboutKeysKeepTheirBytes() {
    assertThat(hex(EventCodec.encode(keyEvents()))).isEqualTo(hex(golden("events-v1-keys.hex")));
    assertThat(EventCodec.decode(golden("events-v1-keys.hex"))).isEqualTo(keyEvents());
  }

  @Test
  void eventsAboutMoneyKeepTheirBytes() {
    assertThat(hex(EventCodec.encode(moneyEvents()))).isEqualTo(hex(golden("events-v1-money.hex")));
    assertThat(EventCodec.decode(golden("events-v1-money.hex"))).isEqualTo(moneyEvents());
  }

  @Test
  void eventsAboutPaymentsKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.PaymentTaken(Sample.BOB, 500, Sample.hash(5), 9),
            new Event.PaymentReversed(Sample.BOB, Sample.hash(5), 500, 200, 10));
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(golden("events-v1-payments.hex")));
    assertThat(EventCodec.decode(golden("events-v1-payments.hex"))).isEqualTo(events);
  }

  @Test
  void eventsAboutTrustKeepTheirBytes() {
    List<Event> events = new ArrayList<>();
    for (Event.CheckReason why : EnumSet.complementOf(EnumSet.of(Event.CheckReason.NATIVE))) {
      events.add(new Event.CheckDrawn(7, why, 250_000, 30_000, 11));
    }
    events.add(new Event.TaskJudged(3, 4, List.of(5L, 9L), List.of(6L), true, 12));
    events.add(new Event.ResultsDoubted(3, Sample.provider(2), 777, 13));
    events.add(new Event.JobReopened(3, 888, 14));
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(golden("events-v1-trust.hex")));
    assertThat(EventCodec.decode(golden("events-v1-trust.hex"))).isEqualTo(events);
  }

  @Test
  void entriesOfRequestsKeepTheirBytes() {
    assertThat(hex(EntryCodec.encode(inferenceEntry()))).isEqualTo(hex(golden("entry-v2.hex")));
    assertThat(EntryCodec.decode(golden("entry-v2.hex"))).isEqualTo(inferenceEntry());
    byte[] fourth = golden("entry-v2.hex");
    fourth[0] = 4;
    assertThatThrownBy(() -> EntryCodec.decode(fourth))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("version 4");
    byte[] first = golden("entry-v2.hex");
    first[0] = 1;
    assertThatThrownBy(() -> EntryCodec.decode(first))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("unexpected bytes follow");
  }

  /// Bytes of the last release that knew no models: they are read, and the pool goes on.
  @Test
  void anOldSnapshotIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v1.hex"));
    assertThat(pool.self()).isEqualTo(Sample.POOL);
    assertThat(pool.records()).isEqualTo(1);
    assertThat(pool.jobsAccepted()).isEqualTo(3);
    assertThat(pool.sumOfAccounts()).isZero();
    assertThat(pool.models()).isEmpty();
    assertThat(pool.tabs()).isEmpty();
    assertThat(pool.execute(new Command.FillTab(Sample.ALICE, 5), 1, new ArrayList<>()))
        .singleElement()
        .isInstanceOf(Event.TabFilled.class);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that recorded no audits.
  @Test
  void aSnapshotWithoutAuditsIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v2.hex"));
    assertThat(pool.models()).hasSize(1);
    assertThat(pool.tab(Sample.ALICE)).isEqualTo(1_000);
    assertThat(pool.sumOfAccounts()).isZero();
    assertThat(pool.audited()).isEmpty();
    assertThat(pool.auditAccounts()).isEmpty();
  }

  /// Version 3 ended before the rights of keys, version 4 before the treasury; where there are
  /// none, nothing else differs.
  @ParameterizedTest
  @ValueSource(ints = {3, 4})
  void aSnapshotWithoutRightsOrTreasuryIsRead(int version) throws IOException {
    Pool pool = new Fixture().pool;
    pool.execute(new Command.MakeApiKey(Sample.ALICE, Sample.hash(1), "k"), 1, new ArrayList<>());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    ByteBuffer now = ByteBuffer.wrap(out.toByteArray());
    byte[] whole = new byte[now.getInt()];
    now.position(8).get(whole);
    assertThat(whole[0]).isEqualTo((byte) 14);
    // Money, movements (one grant), epoch, none closed, 7 sums, no payments, no rows.
    byte[] treasury = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    int end = whole.length - AFTER_MONEY;
    int rights = end - treasury.length - 1;
    assertThat(Arrays.copyOfRange(whole, rights + 1, end)).isEqualTo(treasury);
    assertThat(whole[rights]).as("rights of no key").isZero();
    byte[] content = Arrays.copyOf(whole, version == 3 ? rights : rights + 1);
    content[0] = (byte) version;
    CRC32C sum = new CRC32C();
    sum.update(content);
    byte[] old =
        ByteBuffer.allocate(content.length + 16)
            .putInt(content.length)
            .putInt((int) sum.getValue())
            .put(content)
            .putLong(0)
            .array();
    Pool read = restored(old);
    assertThat(read.accounts()).isEqualTo(pool.accounts());
    assertThat(read.money()).isEqualTo(new Money.Credits(false));
    assertThat(read.movements()).as("statements begin here").isZero();
    assertThat(read.apiKeys(Sample.ALICE))
        .extracting(ApiKeyView::rights)
        .containsExactly(Rights.INFERENCE);
  }

  /// Version 5 had not since when a purse owes, here the third number from the end.
  @Test
  void aSnapshotWithoutSinceWhenPursesOweIsRead() throws IOException {
    MoneyFixture f = MoneyFixture.onCredits();
    f.run(new Command.Grant(Sample.ALICE, 7, ""));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    f.pool.snapshot(new DataOutputStream(out));
    ByteBuffer now = ByteBuffer.wrap(out.toByteArray());
    byte[] whole = new byte[now.getInt()];
    now.position(8).get(whole);
    int end = whole.length - AFTER_MONEY;
    assertThat(Arrays.copyOfRange(whole, end - 3, end))
        .as("owes since, block, no vouchers")
        .containsOnly(0);
    byte[] content = Arrays.copyOf(whole, end - 1);
    content[0] = 5;
    CRC32C sum = new CRC32C();
    sum.update(content);
    byte[] old =
        ByteBuffer.allocate(content.length + 16)
            .putInt(content.length)
            .putInt((int) sum.getValue())
            .put(content)
            .putLong(0)
            .array();
    assertThat(restored(old).digest()).isEqualTo(f.pool.digest());
  }

  /// Bytes of the last release that checked no results: two jobs, one over, one with a lease.
  @Test
  void aSnapshotWithoutChecksIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v6.hex"));
    JobView live = pool.job(JobId.of(Sample.ALICE, 2)).orElseThrow();
    assertThat(live.done()).isEqualTo(1);
    assertThat(live.ready()).isEqualTo(3);
    assertThat(live.leased()).isEqualTo(1);
    assertThat(pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow().state())
        .isEqualTo(Event.JobState.DONE);
    assertThat(pool.balance(Sample.provider(1))).isEqualTo(6);
    assertThat(pool.sumOfAccounts()).isZero();
    assertThat(pool.spec(live.id()).orElseThrow().verification())
        .isEqualTo(new Verification.None());
    assertThat(pool.providers())
        .extracting(ProviderView::trust)
        .containsOnly(pool.provider(Sample.provider(2)).orElseThrow().trust())
        .allMatch(t -> t.confirmed() == 0 && t.refuted() == 0 && t.isNew() && !t.distrusted());
    assertThat(pool.execute(new Command.Schedule(9), 2_000_000, new ArrayList<>())).hasSize(3);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that doubted nothing in hindsight: a job that is over, and one with
  /// a lease and a result that is checked.
  @Test
  void aSnapshotWithoutDoubtsIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v7.hex"));
    JobView over = pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow();
    assertThat(over.state()).isEqualTo(Event.JobState.DONE);
    assertThat(over.results()).isEqualTo(new JobView.Results(0, 3, 0, 0, 0, 0, 0, 0, 0));
    JobView live = pool.job(JobId.of(Sample.ALICE, 2)).orElseThrow();
    assertThat(live.leased()).isEqualTo(1);
    assertThat(live.ready()).isEqualTo(2);
    assertThat(pool.why(live.id(), "work[0]", 2_000_000).sentence()).contains("1 provider has run");
    assertThat(pool.sumOfAccounts()).isZero();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that served all jobs of one consumer before those of the next: two
  /// jobs, the leases of both cores with the first.
  @Test
  void aSnapshotWithoutTurnsIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v8.hex"));
    assertThat(pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow().leased()).isEqualTo(2);
    assertThat(pool.job(JobId.of(Sample.BOB, 1)).orElseThrow().ready()).isEqualTo(4);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
    List<Effect> effects = new ArrayList<>();
    pool.execute(Sample.join(2, 2, 1), 2_000_000, effects);
    effects.clear();
    pool.execute(new Command.Schedule(9), 2_000_000, effects);
    assertThat(effects.stream().filter(Effect.SendLease.class::isInstance))
        .extracting(e -> ((Effect.SendLease) e).lease().consumer())
        .containsExactly(Sample.BOB, Sample.BOB);
  }

  /// The same release measured no provider.
  @Test
  void aSnapshotWithoutCapacityIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v8.hex"));
    assertThat(pool.providers())
        .isNotEmpty()
        .allMatch(p -> p.capacity().equals(Capacity.UNKNOWN) && !p.measuring());
    assertThat(pool.sumOfAccounts()).isZero();
    List<Event> asked =
        pool.execute(new Command.Schedule(1, false, 0, true, false), 2_000_000, new ArrayList<>());
    assertThat(asked)
        .as("all of them are due")
        .hasAtLeastOneElementOfType(Event.CapacityAsked.class);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that ran portable tasks only: a job with a result that waits for a
  /// second provider.
  @Test
  void aSnapshotWithoutNativeTasksIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v9.hex"));
    JobView live = pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow();
    assertThat(pool.why(live.id(), "work[0]", 2_000_000).sentence()).contains("1 provider has run");
    assertThat(pool.providers()).hasSize(2).allMatch(p -> p.nativeOn().isEmpty());
    assertThat(pool.comparisons()).isEmpty();
    List<Effect> effects = new ArrayList<>();
    pool.execute(new Command.Schedule(9), 2_000_000, effects);
    Lease second =
        effects.stream()
            .filter(Effect.SendLease.class::isInstance)
            .map(e -> ((Effect.SendLease) e).lease())
            .filter(l -> l.task() == 0)
            .findFirst()
            .orElseThrow();
    pool.execute(
        new Command.ReportAttempts(
            second.provider(), 1, List.of(Sample.right(second)), Sample.SIGNATURE),
        2_100_000,
        new ArrayList<>());
    assertThat(pool.job(live.id()).orElseThrow().results().agreed()).isEqualTo(1);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that knew nothing of energy: a provider that has two leases and was
  /// paid for one more.
  @Test
  void aSnapshotWithoutEnergyIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v13.hex"));
    JobView live = pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow();
    assertThat(live.footprint()).isEqualTo(Footprint.NONE);
    assertThat(pool.spec(live.id()).orElseThrow().thrift()).isEqualTo(Thrift.ofCredits(60_000));
    ProviderView p = pool.provider(Sample.provider(1)).orElseThrow();
    assertThat(p.attemptsDone()).isEqualTo(1);
    assertThat(p.mwPerCore()).isEmpty();
    assertThat(p.gPerKwh()).isEmpty();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release without second attempts: a native task whose two results are being
  /// compared, and a job that has its deadline.
  @Test
  void aSnapshotWithoutSecondAttemptsIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v10.hex"));
    assertThat(pool.comparisons()).hasSize(1);
    JobView live = pool.job(JobId.of(Sample.ALICE, 2)).orElseThrow();
    assertThat(live.copies()).isZero();
    assertThat(live.done()).isEqualTo(1);
    assertThat(live.leased()).isEqualTo(2);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release without GPUs: an operator, measured providers, and leases.
  @Test
  void aSnapshotWithoutGpusIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v11.hex"));
    assertThat(pool.providers())
        .hasSize(2)
        .allMatch(p -> p.offer().gpus().equals(Gpus.NONE) && p.offer().price().perGpuSecond() == 0)
        .allMatch(p -> p.capacity().isShown() && p.capacity().gpus().equals(Gpus.NONE));
    assertThat(pool.provider(Sample.provider(1)).orElseThrow().operator()).hasValue(Sample.BOB);
    assertThat(pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow().leased()).isEqualTo(3);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  /// Bytes of the last release that knew of no bonds.
  @Test
  void aSnapshotWithoutBondsIsRead() throws IOException {
    Pool pool = restored(golden("snapshot-v12.hex"));
    assertThat(pool.providers())
        .hasSize(2)
        .allMatch(p -> p.bond().equals(Bond.NONE) && p.owes().isEmpty());
    assertThat(pool.job(JobId.of(Sample.ALICE, 1)).orElseThrow().leased()).isEqualTo(3);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    assertThat(restored(out.toByteArray()).digest()).isEqualTo(pool.digest());
  }

  private static final Gpus TWO = new Gpus(2, 24L << 30);

  private static Entry gpuEntry() {
    return entry().with(TWO);
  }

  private static JobSpec gpuJob() {
    return withMore(new Form.Native(Platform.LINUX_X86_64, new Comparison.Lines(), TWO));
  }

  @Test
  void whatIsAboutGpusKeepsItsBytes() {
    List<Event> events =
        List.of(
            new Event.JobAccepted(gpuJob(), Sample.SIGNATURE, 3),
            new Event.ProviderJoined(
                Sample.offer(2, 4, Sample.GB, TWO, 500), Sample.hash(8), Sample.SIGNATURE, 11, 3),
            new Event.CapacityMeasured(
                1, Sample.provider(2), new Capacity(7, 3, 1 << 20, TWO, 99, 1_000, ""), 1_000),
            new Event.AttemptEnded(gpuEntry(), Event.Next.DONE));
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(golden("events-v1-gpus.hex")));
    assertThat(EventCodec.decode(golden("events-v1-gpus.hex"))).isEqualTo(events);
    everyCutIsNoticed(EventCodec.encode(events));
    assertThat(hex(EntryCodec.encode(gpuEntry()))).isEqualTo(hex(golden("entry-v3.hex")));
    assertThat(EntryCodec.decode(golden("entry-v3.hex"))).isEqualTo(gpuEntry());
    byte[] none = EntryCodec.encode(gpuEntry());
    byte[] gpus = EntryCodec.encode(entry().with(new Gpus(0, 0)));
    assertThat(none).startsWith(3);
    assertThat(gpus).as("without any it is as ever").startsWith(1);
    byte[] noGpu = Arrays.copyOf(none, gpus.length + 2);
    noGpu[gpus.length] = 0;
    noGpu[gpus.length + 1] = 0;
    assertThatThrownBy(() -> EntryCodec.decode(noGpu))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("no GPU");
  }

  @Test
  void eventsAboutCapacityKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.NetworkSeen(Sample.provider(2), "c00002/24", 4),
            new Event.CapacityAsked(1, Sample.provider(2), 5),
            new Event.CapacityMeasured(
                1, Sample.provider(2), new Capacity(7, 3, 1 << 20, 99, ""), 1_000),
            new Event.CapacityMeasured(
                2, Sample.provider(2), new Capacity(8, 0, 0, 0, "no answer"), 2_000));
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(golden("events-v1-capacity.hex")));
    assertThat(EventCodec.decode(golden("events-v1-capacity.hex"))).isEqualTo(events);
  }

  private static JobSpec nativeJob() {
    return withMore(
        Stream.of(
                new Comparison.Exact(),
                new Comparison.Numeric(1e-6, 0.5),
                new Comparison.Lines(),
                new Comparison.Module(Sample.blob(98)))
            .map(comparison -> new Form.Native(Platform.LINUX_AARCH64, comparison))
            .toArray(Form[]::new));
  }

  /// The job with more kinds, which no task is of.
  private static JobSpec withMore(Form... forms) {
    JobSpec plain = job();
    List<TaskKind> kinds = new ArrayList<>(plain.kinds());
    for (Form form : forms) {
      kinds.add(
          new TaskKind(
              "native-" + kinds.size(), Sample.blob(97), 0, Sample.GB, 10_000, 1_000, 2, 3, form));
    }
    return new JobSpec(
        plain.consumer(),
        plain.nonce(),
        plain.name(),
        plain.priority(),
        plain.budget(),
        kinds,
        plain.tasks(),
        plain.results(),
        new Verification.None());
  }

  @Test
  void eventsAboutNativeTasksKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.JobAccepted(nativeJob(), Sample.SIGNATURE, 3),
            new Event.PlatformSeen(Sample.provider(2), Optional.of(Platform.LINUX_AARCH64), 5),
            new Event.PlatformSeen(Sample.provider(2), Optional.empty(), 6),
            new Event.CheckDrawn(9, Event.CheckReason.NATIVE, 1_000_000, 20_000, 7),
            new Event.ResultsCompared(3, 4, 90, 88, "it trapped", 8));
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(golden("events-v1-native.hex")));
    assertThat(EventCodec.decode(golden("events-v1-native.hex"))).isEqualTo(events);
    everyCutIsNoticed(EventCodec.encode(events));
  }

  @Test
  void eventsAboutCarbonKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.CarbonSeen(Sample.provider(2), OptionalInt.of(0), 7),
            new Event.CarbonSeen(Sample.provider(2), OptionalInt.empty(), 8));
    byte[] bytes =
        HexFormat.of().parseHex("01023d00000000000000000200000000000000000000000201073d010008");
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(bytes));
    assertThat(EventCodec.decode(bytes)).isEqualTo(events);
  }

  @Test
  void eventsAboutOperatorsKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.OperatorSeen(Sample.provider(2), Optional.of(Sample.ALICE), 7),
            new Event.OperatorSeen(Sample.provider(2), Optional.empty(), 8));
    byte[] bytes =
        HexFormat.of()
            .parseHex(
                "0102370000000000000000020000000000000000000000020100000000000000010000000000000000000000010737010008");
    assertThat(hex(EventCodec.encode(events))).isEqualTo(hex(bytes));
    assertThat(EventCodec.decode(bytes)).isEqualTo(events);
    everyCutIsNoticed(bytes);
  }

  @Test
  void jobsWithoutNativeTasksAreNotWrittenAsIfTheyHadSome() {
    byte[] bytes = JobCodec.encode(nativeJob());
    assertThat(bytes[0]).isEqualTo((byte) 5);
    assertThat(JobCodec.decode(bytes)).isEqualTo(nativeJob());
    JobSpec plain = job();
    String head = hex(JobCodec.encode(plain));
    String kind = hex(kindBytes(plain.kinds().getFirst()));
    int after = head.indexOf(kind) + kind.length();
    // Version 5, a provider's word counts, no thrift, no deadline, and a kind that is portable.
    String longer = "05000000" + head.substring(2, after) + "00" + head.substring(after);
    assertThatThrownBy(() -> JobCodec.decode(HexFormat.of().parseHex(longer)))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
  }

  private static byte[] kindBytes(TaskKind kind) {
    Out out = Out.plain();
    JobCodec.writeKind(out, kind);
    return out.bytes();
  }

  @Test
  void jobsKeepTheirBytes() {
    assertThat(hex(JobCodec.encode(job()))).isEqualTo(hex(golden("job-v1.hex")));
    assertThat(JobCodec.decode(golden("job-v1.hex"))).isEqualTo(job());
    assertThat(JobCodec.specHash(job())).isEqualTo(Hash.sha256(golden("job-v1.hex")));
  }

  @Test
  void jobsWithThriftHaveOtherBytesAndOthersNot() {
    JobSpec plain = job();
    JobSpec thrifty = Sample.like(plain, 3_600_000, 0);
    byte[] bytes = JobCodec.encode(thrifty);
    // Version 3, a provider's word counts, an hour for a credit, and then as ever.
    assertThat(hex(bytes))
        .startsWith("0300" + "80dddb01")
        .endsWith(hex(JobCodec.encode(plain)).substring(2));
    assertThat(JobCodec.decode(bytes)).isEqualTo(thrifty);
    byte[] none = HexFormat.of().parseHex("030000" + hex(bytes).substring(12));
    assertThatThrownBy(() -> JobCodec.decode(none))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
    JobSpec timed = Sample.like(plain, 0, 3_600_000);
    // Version 4, a provider's word counts, no thrift, an hour, and then as ever.
    String within = hex(JobCodec.encode(timed));
    assertThat(within)
        .startsWith("040000" + "80dddb01")
        .endsWith(hex(JobCodec.encode(plain)).substring(2));
    assertThat(JobCodec.decode(HexFormat.of().parseHex(within))).isEqualTo(timed);
    byte[] whenever = HexFormat.of().parseHex("04000000" + within.substring(14));
    assertThatThrownBy(() -> JobCodec.decode(whenever))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
    JobSpec copied = Sample.like(plain, new Urgency(0, 0, 10));
    byte[] twice = JobCodec.encode(copied);
    // Version 6, a provider's word counts, no thrift, no deadline, a tenth of the tasks, as usual.
    assertThat(hex(twice)).startsWith("060000000a00");
    assertThat(JobCodec.decode(twice)).isEqualTo(copied);
    JobSpec asItStands = Sample.like(plain, new Urgency(Thrift.NONE, 0, 0, Scheduling.FIFO));
    assertThat(hex(JobCodec.encode(asItStands))).startsWith("060000000001");
    assertThat(JobCodec.decode(JobCodec.encode(asItStands))).isEqualTo(asItStands);
    byte[] once = HexFormat.of().parseHex("060000000000" + hex(twice).substring(12));
    assertThatThrownBy(() -> JobCodec.decode(once))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
    JobSpec frugal =
        Sample.like(plain, new Urgency(new Thrift(0, 60_000, 1), 0, 0, Scheduling.LEARNED));
    byte[] sparing = JobCodec.encode(frugal);
    // Version 8, a provider's word counts, nothing for a credit, no deadline, no copies, as usual,
    // a minute for a kilowatt hour and a millisecond for a kilogram.
    assertThat(hex(sparing)).startsWith("080000000000" + "e0d403" + "01");
    assertThat(JobCodec.decode(sparing)).isEqualTo(frugal);
    byte[] heedless = HexFormat.of().parseHex("0800000000000000" + hex(sparing).substring(20));
    assertThatThrownBy(() -> JobCodec.decode(heedless))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
    byte[] believing = HexFormat.of().parseHex("0200" + hex(bytes).substring(12));
    assertThatThrownBy(() -> JobCodec.decode(believing))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("written shorter");
  }

  @Test
  void everyCutIsNoticed() {
    everyCutIsNoticed(EventCodec.encode(events()));
    everyCutIsNoticed(EventCodec.encode(modelEvents()));
    everyCutIsNoticed(EventCodec.encode(moneyEvents()));
    everyCutIsNoticed(EventCodec.encode(auditEvents()));
    everyCutIsNoticed(EventCodec.encode(keyEvents()));
  }

  private static void everyCutIsNoticed(byte[] whole) {
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      assertThatThrownBy(() -> EventCodec.decode(cut))
          .as("cut to %d bytes", length)
          .isInstanceOf(MalformedException.class)
          .hasMessageContaining(" at byte ");
    }
    byte[] longer = Arrays.copyOf(whole, whole.length + 1);
    assertThatThrownBy(() -> EventCodec.decode(longer))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("unexpected bytes follow");
  }

  @Test
  void hugeClaimsAllocateNothing() {
    // A count of 2^31 - 1 events, and a text of 2^31 - 1 bytes, in a few bytes.
    assertThatThrownBy(() -> EventCodec.decode(HexFormat.of().parseHex("01ffffffff07")))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("does not fit");
    assertThatThrownBy(() ->
            EventCodec.decode(
                HexFormat.of().parseHex("010101" + "00" + "11".repeat(20) + "05ffffffff07")))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("does not fit");
    assertThatThrownBy(() -> EventCodec.decode(HexFormat.of().parseHex("0200")))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("version 2");
    assertThatThrownBy(() -> EventCodec.decode(HexFormat.of().parseHex("0101ee")))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("no event has the tag 238");
  }

  @Test
  void thereIsOneEncodingOnly() {
    assertThatThrownBy(() -> EventCodec.decode(new byte[] {1, (byte) 0x80, 0}))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("longer than needed");
    byte[] job = JobCodec.encode(job());
    int text = hex(job).indexOf(hex("jöb".getBytes(StandardCharsets.UTF_8))) / 2;
    job[text + 2] = 'x';
    assertThatThrownBy(() -> JobCodec.decode(job))
        .isInstanceOf(MalformedException.class)
        .hasMessageContaining("not UTF-8");
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void damagedBytesAreRefusedOrMeanWhatTheySay(long seed) {
    Random random = new Random(seed);
    byte[] events = EventCodec.encode(events());
    byte[] modelEvents = EventCodec.encode(modelEvents());
    byte[] entry = EntryCodec.encode(seed % 2 == 0 ? entry() : inferenceEntry());
    byte[] job = JobCodec.encode(job());
    for (int i = 0; i < 4_000; i++) {
      byte[] someEvents = damaged(random, i % 2 == 0 ? events : modelEvents);
      byte[] someEntry = damaged(random, entry);
      byte[] someJob = damaged(random, job);
      try {
        EventCodec.decode(someEvents);
      } catch (MalformedException e) {
        assertThat(e).hasMessageContaining(" at byte ");
      }
      try {
        assertThat(EntryCodec.encode(EntryCodec.decode(someEntry)))
            .as("seed %d, entry %d", seed, i)
            .isEqualTo(someEntry);
      } catch (MalformedException e) {
        assertThat(e).hasMessageContaining(" at byte ");
      }
      try {
        assertThat(JobCodec.encode(JobCodec.decode(someJob)))
            .as("seed %d, job %d", seed, i)
            .isEqualTo(someJob);
      } catch (MalformedException e) {
        assertThat(e).hasMessageContaining(" at byte ");
      }
    }
  }

  private static byte[] damaged(Random random, byte[] good) {
    if (random.nextInt(4) == 0) {
      byte[] garbage = new byte[random.nextInt(300)];
      random.nextBytes(garbage);
      if (garbage.length > 0) {
        garbage[0] = 1;
      }
      return garbage;
    }
    byte[] bad = good.clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
    }
    return bad;
  }

  @Test
  void aDamagedSnapshotIsRefused() throws IOException {
    Pool pool = Pool.empty(Sample.POOL);
    pool.execute(new Command.Grant(Sample.ALICE, 10_000_000, ""), 1, new ArrayList<>());
    pool.execute(new Command.SubmitJob(Sample.job(1, 100), Sample.SIGNATURE), 2, new ArrayList<>());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    byte[] good = out.toByteArray();
    assertThat(restored(good).digest()).isEqualTo(pool.digest());
    Random random = new Random(1);
    for (int i = 0; i < 300; i++) {
      byte[] bad = good.clone();
      int at = random.nextInt(bad.length);
      bad[at] ^= (byte) (1 << random.nextInt(8));
      assertThatThrownBy(() -> restored(bad))
          .as("a wrong bit in byte %d", at)
          .isInstanceOfAny(MalformedException.class, IOException.class);
    }
    for (int length = 0; length < good.length; length += 7) {
      byte[] cut = Arrays.copyOf(good, length);
      assertThatThrownBy(() -> restored(cut))
          .as("cut to %d bytes", length)
          .isInstanceOfAny(MalformedException.class, IOException.class);
    }
  }

  private static Pool restored(byte[] bytes) throws IOException {
    return Pool.restore(new DataInputStream(new ByteArrayInputStream(bytes)));
  }
}
