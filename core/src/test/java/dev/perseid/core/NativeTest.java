package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Native tasks: who gets them, what they cost, and when their results count.
class NativeTest {
  private static final Comparison NEAR = new Comparison.Numeric(1e-6, 0);
  private static final long BUDGET = 1_000_000;

  private final Fixture f = new Fixture();

  private static TaskKind kind(Comparison comparison) {
    return new TaskKind(
        "native",
        Sample.blob(97),
        0,
        Sample.GB,
        10_000,
        1_000,
        2,
        3,
        new Form.Native(Platform.LINUX_X86_64, comparison));
  }

  private static JobSpec job(long nonce, int tasks, Comparison comparison, Verification how) {
    return Sample.job(nonce, tasks, kind(comparison), BUDGET, how);
  }

  private JobId submit(Comparison comparison, Verification how) {
    return f.submit(job(1, 1, comparison, how));
  }

  private void joinNative(int number, int cores) {
    f.run(Sample.joinNative(Sample.offer(number, cores, 8 * Sample.GB), 1));
  }

  private Lease next() {
    List<Lease> leases = f.schedule(1);
    assertThat(leases).hasSize(1);
    return leases.getFirst();
  }

  /// Reports other bytes than anybody else.
  private Effect.Compare reported(Lease lease) {
    f.report(Sample.wrong(lease));
    return asked().getLast();
  }

  private List<Effect.Compare> asked() {
    return f.effects.stream()
        .filter(Effect.Compare.class::isInstance)
        .map(Effect.Compare.class::cast)
        .toList();
  }

  private List<Event> compared(Effect.Compare c, long like) {
    return f.run(new Command.RecordComparison(c.job(), c.task(), c.what().entry(), like, ""));
  }

  private ProviderView.Trust trust(int number) {
    return f.pool.provider(Sample.provider(number)).orElseThrow().trust();
  }

  @Test
  void onlyWhoRunsThemGetsThem() {
    f.join(1, 64);
    JobId id = submit(NEAR, new Verification.None());
    assertThat(f.schedule(9)).isEmpty();
    assertThat(f.pool.why(id, null, f.nowUs).sentence())
        .contains("no provider runs native tasks for linux-x86_64 now");
    joinNative(2, 2);
    assertThat(next().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void whoDoesNotRunThemAnyMoreGetsThemNoMore() {
    joinNative(1, 4);
    assertThat(f.pool.provider(Sample.provider(1)).orElseThrow().nativeOn())
        .hasValue(Platform.LINUX_X86_64);
    f.run(Sample.join(1, 4, 2));
    submit(NEAR, new Verification.None());
    assertThat(f.schedule(9)).isEmpty();
  }

  @Test
  void portableTasksGoToEverybody() {
    joinNative(1, 4);
    f.submit(Sample.job(1, 1));
    assertThat(next().provider()).isEqualTo(Sample.provider(1));
  }

  @Test
  void eachCoreCostsGasForEachNanosecond() {
    joinNative(1, 2);
    JobId id = submit(NEAR, new Verification.None());
    Lease lease = next();
    assertThat(lease.kind().gasLimit()).isZero();
    long wallNs = 300_000_000;
    f.report(Sample.done(lease, wallNs));
    long work = 2 * wallNs;
    assertThat(f.view(id).charged())
        .isEqualTo(Sample.PRICE.charge(work, Sample.GB, wallNs, 100))
        .isGreaterThan(Sample.PRICE.charge(0, Sample.GB, wallNs, 100));
  }

  @Test
  void aSmallRestOfABudgetBuysLessTime() {
    joinNative(1, 2);
    JobSpec rich = job(1, 1, NEAR, new Verification.None());
    long all = Sample.PRICE.charge(2_000_000_000, 0, 0, 0);
    f.submit(
        new JobSpec(
            rich.consumer(),
            1,
            rich.name(),
            0,
            all / 2,
            rich.kinds(),
            rich.tasks(),
            rich.results(),
            rich.verification()));
    Lease lease = next();
    assertThat(lease.kind().wallLimitMs()).isBetween(1L, 500L);
    assertThat(lease.maxCharge()).isEqualTo(all / 2);
  }

  @Test
  void aResultOfOneProviderDoesNotCountWhereTheJobLeavesItToThePool() {
    joinNative(1, 2);
    joinNative(2, 2);
    ProviderView.Trust before = trust(1);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.RUNNING);
    Effect.Compare c = reported(next());
    assertThat(f.schedule(9)).as("nothing more is needed before that is known").isEmpty();
    assertThat(f.pool.why(id, "work[0]", f.nowUs).sentence()).isNotBlank();
    assertThat(f.pool.why(id, "native[0]", f.nowUs).sentence())
        .contains("the pool compares what the last one got with what the others got");
    compared(c, c.with().getFirst().entry());
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().agreed()).isEqualTo(1);
    assertThat(f.pool.results(id))
        .as("what the others were compared with")
        .extracting(Result::blob)
        .containsExactlyElementsOf(c.with().getFirst().outputs());
    assertThat(trust(1)).as("nothing is learned of it").isEqualTo(before);
    assertThat(trust(2)).isEqualTo(before);
  }

  @Test
  void theSameBytesNeedNotBeCompared() {
    joinNative(1, 2);
    joinNative(2, 2);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.right(next()));
    f.report(Sample.right(next()));
    assertThat(asked()).isEmpty();
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
  }

  @Test
  void whoGotSomethingElseIsNotPaidButKeepsItsName() {
    for (int p = 1; p <= 4; p++) {
      joinNative(p, 2);
    }
    JobId id = submit(NEAR, Verification.usual());
    Lease odd = next();
    f.report(Sample.wrong(odd));
    Effect.Compare second = reported(next());
    compared(second, second.what().entry());
    Effect.Compare third = reported(next());
    assertThat(third.with()).hasSize(2);
    compared(third, second.what().entry());
    Effect.Compare fourth = reported(next());
    assertThat(fourth.with()).as("the first of those that are alike").hasSize(2);
    compared(fourth, second.what().entry());
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().refuted()).isEqualTo(1);
    assertThat(f.pool.balance(odd.provider())).isZero();
    ProviderView.Trust trust = f.pool.provider(odd.provider()).orElseThrow().trust();
    assertThat(trust.refuted()).isZero();
    assertThat(trust.distrusted()).isFalse();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whereNoTwoGetTheSameEverybodyIsPaid() {
    for (int p = 1; p <= Limits.VERIFICATION_VOTES; p++) {
      joinNative(p, 2);
    }
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    while (f.view(id).state() == Event.JobState.RUNNING) {
      Effect.Compare c = reported(next());
      compared(c, c.what().entry());
    }
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(id).reason())
        .isEqualTo("task native[0] was given up: 9 providers do not agree on it");
    assertThat(f.view(id).attempts()).isEqualTo(Limits.VERIFICATION_VOTES);
    assertEachIsPaid(id, Limits.VERIFICATION_VOTES);
  }

  private void assertEachIsPaid(JobId id, int providers) {
    long each = f.view(id).charged() / providers;
    assertThat(each).isPositive();
    for (int p = 1; p <= providers; p++) {
      assertThat(f.pool.balance(Sample.provider(p))).isEqualTo(each);
    }
    assertThat(f.pool.reserved(Sample.ALICE)).isZero();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatThePoolCannotCompareIsNotHeldAgainstAnybody() {
    joinNative(1, 2);
    joinNative(2, 2);
    joinNative(3, 2);
    JobId id = f.submit(job(1, 2, NEAR, new Verification.Replicate(2)));
    List<Lease> both = f.schedule(9).stream().filter(l -> l.task() == 0).toList();
    f.report(Sample.wrong(both.getFirst()));
    Lease second = f.schedule(9).stream().filter(l -> l.task() == 0).findFirst().orElseThrow();
    Effect.Compare c = reported(second);
    assertThat(c.consumer()).isEqualTo(Sample.ALICE);
    f.run(
        new Command.RecordComparison(
            id,
            0,
            c.what().entry(),
            Command.RecordComparison.UNKNOWN,
            "sha256:00 is not here any more"));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.FAILED);
    assertThat(f.view(id).reason())
        .isEqualTo(
            "task native[0] was given up: the pool cannot compare what its providers got:"
                + " sha256:00 is not here any more");
    assertThat(f.view(id).results().refuted()).isZero();
    assertThat(f.pool.balance(both.getFirst().provider()))
        .isEqualTo(f.pool.balance(second.provider()))
        .isPositive();
    assertThat(f.sum()).isZero();
  }

  @Test
  void whatNobodyWantsToKnowIsNotCompared() {
    joinNative(1, 2);
    joinNative(2, 2);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    Effect.Compare c = reported(next());
    f.run(new Command.CancelJob(id, Sample.ALICE, false));
    assertThat(f.effects).contains(new Effect.DropComparison(id, 0, c.what().entry()));
    assertEachIsPaid(id, 2);
  }

  @Test
  void nobodyRunsForLongerThanItsLeaseIsOpen() {
    joinNative(1, 2);
    JobId id = submit(NEAR, new Verification.None());
    Lease lease = next();
    f.nowUs += 100_000;
    ExecutionRecord record = ended(f.report(Sample.done(lease, 1_200_000_000)));
    assertThat(record.outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(record.reason())
        .isEqualTo(
            "the report was refused: it ran for 1200000 us, but was leased only 100000 us ago");
    assertThat(f.view(id).charged()).isZero();
  }

  @Test
  void clocksDifferALittle() {
    joinNative(1, 2);
    submit(NEAR, new Verification.None());
    Lease lease = next();
    f.nowUs += 100_000;
    ExecutionRecord record = ended(f.report(Sample.done(lease, 900_000_000)));
    assertThat(record.outcome()).isEqualTo(Outcome.DONE);
  }

  @Test
  void aClockThatWasSetSaysNothing() {
    joinNative(1, 2);
    submit(NEAR, new Verification.None());
    Lease lease = next();
    List<Event> events =
        f.run(
            new Command.ReportAttempts(
                lease.provider(),
                1,
                List.of(Sample.done(lease, 2_000_000_000L)),
                Sample.SIGNATURE,
                0,
                lease.assignedUs()));
    assertThat(ended(events).outcome()).isEqualTo(Outcome.DONE);
  }

  private static ExecutionRecord ended(List<Event> events) {
    return events.stream()
        .filter(Event.AttemptEnded.class::isInstance)
        .map(e -> ((Event.AttemptEnded) e).entry().record())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void whatNobodyElseCanRunCountsOnOnesWord() {
    joinNative(1, 2);
    f.join(2, 64);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    assertThat(f.view(id).state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.view(id).results().alone()).isEqualTo(1);
  }

  @Test
  void itIsNeverCalledVerified() {
    joinNative(1, 2);
    joinNative(2, 2);
    JobId id = f.submit(job(1, 2, NEAR, Verification.usual()));
    f.report(Sample.right(next()));
    f.report(Sample.right(next()));
    assertThat(f.pool.why(id, "native[0]", f.nowUs).sentence())
        .contains("got what counts as alike")
        .endsWith("nobody can replay: its result was not verified.");
  }

  @Test
  void whatWasNotComparedBeforeARestartIsAskedForAgain() throws Exception {
    joinNative(1, 2);
    joinNative(2, 2);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    Effect.Compare c = reported(next());
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    f.pool.snapshot(new DataOutputStream(out));
    Pool restored = Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
    assertThat(restored.comparisons()).containsExactly(c);
    long like = c.with().getFirst().entry();
    restored.execute(
        new Command.RecordComparison(id, 0, c.what().entry(), like, ""),
        f.nowUs,
        new ArrayList<>());
    assertThat(restored.job(id).orElseThrow().state()).isEqualTo(Event.JobState.DONE);
    assertThat(restored.comparisons()).isEmpty();
  }

  @Test
  void whatIsNotComparedCannotBeRecorded() {
    joinNative(1, 2);
    joinNative(2, 2);
    JobId id = submit(NEAR, Verification.usual());
    f.report(Sample.wrong(next()));
    Effect.Compare c = reported(next());
    assertThat(f.refused(new Command.RecordComparison(id, 0, c.what().entry() + 1, 0, "")).code())
        .isEqualTo(Rejection.Code.STALE);
    assertThat(f.refused(new Command.RecordComparison(id, 0, c.what().entry(), 99, "")).code())
        .isEqualTo(Rejection.Code.INVALID);
    f.run(new Command.CancelJob(id, Sample.ALICE, false));
    assertThat(f.refused(new Command.RecordComparison(id, 0, c.what().entry(), 0, "")).code())
        .isEqualTo(Rejection.Code.STALE);
    assertThat(f.pool.comparisons()).isEmpty();
  }

  @Test
  void aReportMustSayWhatRanIt() {
    joinNative(1, 2);
    submit(NEAR, new Verification.None());
    Lease lease = next();
    Report r = Sample.done(lease);
    List<Event> events =
        f.report(
            new Report(
                r.lease(),
                r.outcome(),
                "",
                r.startedUs(),
                r.endedUs(),
                r.usage(),
                r.outputs(),
                "endive",
                r.isolation(),
                r.digest()));
    assertThat(events.getFirst()).isInstanceOf(Event.AttemptEnded.class);
    ExecutionRecord record = ((Event.AttemptEnded) events.getFirst()).entry().record();
    assertThat(record.outcome()).isEqualTo(Outcome.REFUSED);
    assertThat(record.reason()).contains("'endive' ran it, and the task is native");
    assertThat(record.isReplayable()).isFalse();
    assertThat(record.usage().gas()).isEqualTo(OptionalLong.empty());
  }

  @Test
  void nonsenseIsRefused() {
    TaskKind good = kind(NEAR);
    List<TaskKind> bad =
        List.of(
            new TaskKind("k", good.module(), 1, 1, 1, 1, 1, 1, good.form()),
            new TaskKind("k", good.module(), 0, 1, 1L << 30, 1, 1, 1, good.form()),
            new TaskKind("k", good.module(), 0, 1, 1, 1, 1, 1, near(-1, 0)),
            new TaskKind("k", good.module(), 0, 1, 1, 1, 1, 1, near(0, Double.NaN)),
            new TaskKind("k", good.module(), 0, 1, 1, 1, 1, 1, near(2, 0)),
            new TaskKind("k", good.module(), 0, 1, 1, 1, 1, 1, by(Blob.EMPTY)));
    List<String> said = new ArrayList<>();
    for (TaskKind one : bad) {
      JobSpec spec = Sample.job(1, 0, BUDGET, List.of(one), List.of(Sample.task(0)));
      said.add(f.refused(new Command.SubmitJob(spec, Sample.SIGNATURE)).message());
    }
    assertThat(said.get(0)).contains("native tasks are not metered: write 0");
    assertThat(said.get(1)).contains("outputs are to be compared: write at most 67108864");
    assertThat(said.subList(2, 5)).allMatch(s -> s.contains("write 0 to 1, and 0 or more"));
    assertThat(said.get(5)).contains("the module that compares is 0: write 1 to");
  }

  @Test
  void aModuleMustGetTheOutputsOfTwoResults() {
    TaskKind good = kind(NEAR);
    TaskKind compared = new TaskKind("k", good.module(), 0, 1, 1, 1, 1, 1, by(Sample.blob(98)));
    int most = Limits.TASK_INPUTS / 2;
    TaskSpec fits = new TaskSpec(null, 0, 0, "", List.of(), List.of(), most);
    TaskSpec not = new TaskSpec(null, 0, 1, "", List.of(), List.of(), most + 1);
    assertThat(JobCheck.problem(Sample.job(1, 0, BUDGET, List.of(compared), List.of(fits))))
        .isEmpty();
    assertThat(JobCheck.problem(Sample.job(1, 0, BUDGET, List.of(compared), List.of(fits, not))))
        .hasValueSatisfying(said ->
            assertThat(said).contains("2049 outputs are declared").contains("write at most 2048"));
    assertThat(JobCheck.problem(Sample.job(1, 0, BUDGET, List.of(good), List.of(fits, not))))
        .isEmpty();
  }

  private static Form near(double relative, double absolute) {
    return new Form.Native(Platform.LINUX_X86_64, new Comparison.Numeric(relative, absolute));
  }

  private static Form by(Blob module) {
    return new Form.Native(Platform.LINUX_X86_64, new Comparison.Module(module));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1.0|1.0000001|true",
        "1.0|1.1|false",
        "x=1e3, y=-2|x=1000.0001, y=-2.0000001|true",
        "{\"a\": [1, 2.5]}|{\"a\": [1.0, 2.5000001]}|true",
        "{\"a\": [1, 2.5]}|{\"a\": [1, 2.5, 3]}|false",
        "run1 ok|run2 ok|false",
        "a1|a1.0|false",
        "1 2|12|false",
        "1-2|1-3|false",
        "+5|5|true",
        "0|0.0000001|false",
        ".5|0.5|true",
        "5.|5|true",
        "1e999|1e999|true",
        "1e999|1|false",
        "nan|nan|true",
        "1.2.3|1.2.4|false",
        "3km|3.0km|false",
      })
  void numbersMayDifferALittle(String a, String b, boolean alike) {
    Comparison.Numeric near = new Comparison.Numeric(1e-6, 0);
    assertThat(near.alike(bytes(a), bytes(b))).isEqualTo(alike);
    assertThat(near.alike(bytes(b), bytes(a))).isEqualTo(alike);
  }

  @Test
  void anAbsoluteToleranceIsForWhatIsNearNothing() {
    assertThat(new Comparison.Numeric(0, 1e-6).alike(bytes("0"), bytes("-0.0000001"))).isTrue();
    assertThat(new Comparison.Numeric(0, 1e-6).alike(bytes("1000"), bytes("1000.1"))).isFalse();
  }

  @Test
  void whiteSpaceIsOneSpace() {
    Comparison.Numeric near = new Comparison.Numeric(0, 0);
    assertThat(near.alike(bytes(" 1\t 2\r\n"), bytes("1 2"))).isTrue();
    assertThat(near.alike(bytes(""), bytes(" \n"))).isTrue();
    assertThat(near.alike(bytes(""), bytes("0"))).isFalse();
  }

  @Test
  void linesMayComeInAnyOrder() {
    assertThat(Comparison.Lines.alike(bytes("b\na\n"), bytes("a\r\nb"))).isTrue();
    assertThat(Comparison.Lines.alike(bytes("a\na\nb\n"), bytes("a\nb\nb\n"))).isFalse();
    assertThat(Comparison.Lines.alike(bytes("a\n\n"), bytes("a\n"))).isFalse();
    assertThat(Comparison.Lines.alike(bytes(""), bytes(""))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"-", "+.", "1e+", "..", "e5", "1e", "-.e3", "1_000", "٣"})
  void whatLooksLikeANumberAndIsNoneIsText(String text) {
    assertThat(catchThrowable(() -> new Comparison.Numeric(1, 1).alike(bytes(text), bytes(text))))
        .isNull();
    assertThat(new Comparison.Numeric(1, 1).alike(bytes(text), bytes(text))).isTrue();
    assertThat(new Comparison.Numeric(1, 1).alike(bytes(text), bytes(text + "x"))).isFalse();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
