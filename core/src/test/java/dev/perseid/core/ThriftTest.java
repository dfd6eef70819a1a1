package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/// Jobs that would rather wait than pay more.
class ThriftTest {
  private static final Address CHEAP = Sample.provider(1);
  private static final Address DEAR = Sample.provider(2);

  /// A task uses so much gas, all that it may; at 1,000 microcredits for 10^9 it costs one credit.
  private static final long GAS = 1_000_000_000_000L;

  private static final long MINUTE_MS = 60_000;

  private final Fixture f = new Fixture();

  private void join(int number, int cores, long perBillionGas) {
    Offer o = Sample.offer(number, cores, 8 * Sample.GB);
    f.run(
        Sample.join(
            new Offer(
                o.provider(),
                o.name(),
                o.machine(),
                o.region(),
                cores,
                o.memoryBytes(),
                new Price(perBillionGas, 0, 0),
                o.capability(),
                o.madeUs()),
            1));
  }

  private JobId submit(int tasks, long thriftMs) {
    return f.submit(many(tasks, thriftMs));
  }

  private static JobSpec many(int tasks, long thriftMs) {
    JobSpec s = Sample.job(1, tasks);
    TaskKind k = s.kinds().getFirst();
    TaskKind kind =
        new TaskKind(
            k.name(), k.module(), GAS, k.memoryBytes(), k.outputBytesLimit(), 600_000, 1, 3);
    return new JobSpec(
        s.consumer(),
        1,
        s.name(),
        0,
        90_000_000,
        List.of(kind),
        s.tasks(),
        s.results(),
        new Verification.None(),
        new Urgency(thriftMs, 0, 0));
  }

  private List<Address> assigned() {
    return f.schedule(99).stream().map(Lease::provider).toList();
  }

  /// The dear one has more cores free, so that it is the best where money does not matter.
  private void bothIdle() {
    join(1, 2, 1_000);
    join(2, 4, 2_000);
    f.submit(Sample.job(9, List.of(Sample.task(0))));
    assertThat(assigned()).hasSize(1);
  }

  @Test
  void whereTimeIsAllTheBestIdleProviderGetsIt() {
    join(1, 2, 1_000);
    join(2, 2, 2_000);
    f.submit(Sample.job(9, 1));
    Address other = assigned().getFirst().equals(CHEAP) ? DEAR : CHEAP;
    submit(1, 0);
    assertThat(assigned()).as("the one that has nothing yet").containsExactly(other);
  }

  @Test
  void theCheaperOfTwoIdleOnesGetsIt() {
    bothIdle();
    submit(1, 1);
    assertThat(assigned()).containsExactly(CHEAP);
  }

  @Test
  void itWaitsForTheCheapOneWhileThatIsWorthIt() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    // Each task is taken to last a second; a credit is worth a minute.
    JobId id = submit(9, MINUTE_MS);
    assertThat(assigned()).as("the rest waits for the cheap one").containsExactly(CHEAP);
    assertThat(f.pool.why(id, "work[1]", f.nowUs).sentence())
        .contains("waits for provider p1", "cheaper");
    assertThat(f.pool.why(id, "work[1]", f.nowUs).wouldHelp())
        .contains("submit it with less thrift");
  }

  @Test
  void itDoesNotWaitLongerThanThatIsWorth() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    // A credit is worth three seconds: two tasks may wait for their turn, those after them do not.
    submit(9, 3_000);
    List<Address> first = assigned();
    assertThat(first).contains(CHEAP).contains(DEAR);
    assertThat(first.stream().filter(DEAR::equals)).hasSize(4);
  }

  @Test
  void itDoesNotWaitForWhatWouldEndTooLate() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    // As above, but two seconds are all there is: the third at the cheap one would end after them.
    f.submit(Sample.like(many(9, MINUTE_MS), MINUTE_MS, 2_000));
    List<Address> first = assigned();
    assertThat(first.stream().filter(CHEAP::equals)).hasSize(1);
    assertThat(first.stream().filter(DEAR::equals)).isNotEmpty();
  }

  @Test
  void aCheapProviderThatHangsIsGivenUp() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    submit(2, MINUTE_MS);
    assertThat(assigned()).containsExactly(CHEAP);
    f.nowUs += 30_000_000;
    assertThat(assigned()).as("it may still end soon").isEmpty();
    f.nowUs += 400_000_000;
    assertThat(assigned()).containsExactly(DEAR);
  }

  /// After the first attempt a task is taken to cost what it did, not all that it may.
  @Test
  void whatTasksCostIsLearned() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    submit(4, MINUTE_MS);
    Lease first = f.schedule(9).getFirst();
    assertThat(first.provider()).isEqualTo(CHEAP);
    // A second, and next to no gas: nothing is saved by waiting.
    f.report(Sample.done(first, 1_000_000_000));
    assertThat(assigned()).contains(DEAR);
  }

  /// A thousand tasks would wait for a thousand seconds, which is more than a credit is worth here,
  /// though the first few would wait.
  @Test
  void aLongLineIsSeenToBeLong() {
    join(1, 1, 1_000);
    join(2, 4, 2_000);
    f.submit(many(1_000, 10 * MINUTE_MS));
    List<Address> first = assigned();
    assertThat(first.getFirst()).isEqualTo(CHEAP);
    assertThat(first.stream().filter(DEAR::equals)).hasSize(4);
  }

  /// Sixteen providers of one core that ask for nothing hide nobody from tasks of two cores.
  @Test
  void whoDoesNotFitHidesNobody() {
    for (int p = 3; p < 3 + Limits.CHEAP_LOOKED_AT; p++) {
      join(p, 1, 0);
    }
    join(1, 2, 1_000);
    join(2, 16, 2_000);
    for (int p = 30; p < 30 + Limits.FAST_LOOKED_AT; p++) {
      join(p, 2, 3_000);
    }
    JobSpec s = many(1, 1);
    TaskKind k = s.kinds().getFirst();
    f.submit(
        new JobSpec(
            s.consumer(),
            5,
            s.name(),
            0,
            s.budget(),
            List.of(
                new TaskKind(
                    k.name(),
                    k.module(),
                    k.gasLimit(),
                    k.memoryBytes(),
                    k.outputBytesLimit(),
                    k.wallLimitMs(),
                    2,
                    3)),
            s.tasks(),
            s.results(),
            s.verification(),
            new Urgency(MINUTE_MS, 0, 0)));
    assertThat(assigned()).containsExactly(CHEAP);
  }

  @Test
  void manyThatWaitCostLittle() {
    join(1, 1, 1_000);
    join(2, 4, 1_000_000);
    submit(2_000, 1_000 * MINUTE_MS);
    assertThat(assigned()).containsExactly(CHEAP);
    assertThat(assigned()).isEmpty();
  }

  private void joinAt(int number, int cores, int gPerKwh) {
    f.run(Sample.joinAt(gPerKwh, Sample.offer(number, cores, 8 * Sample.GB), 1));
  }

  private JobId submit(int tasks, Thrift thrift) {
    return f.submit(Sample.like(many(tasks, 0), new Urgency(thrift, 0, 0, Scheduling.LEARNED)));
  }

  private static final Thrift OF_ENERGY = new Thrift(0, 36_000_000_000L, 0);
  private static final Thrift OF_CARBON = new Thrift(0, 0, 36_000_000_000L);

  private static final long JOULE_UJ = 1_000_000;
  private static final long SECOND_NS = 1_000_000_000;

  /// Both providers run a task of a second of another job, and say what energy it took.
  private void showPower(long firstUj, long secondUj) {
    f.submit(Sample.like(Sample.job(9, 2), 0, 0));
    for (Lease lease : f.schedule(9)) {
      long uj = lease.provider().equals(CHEAP) ? firstUj : secondUj;
      f.report(Sample.powered(lease, SECOND_NS, uj));
    }
  }

  @Test
  void whatEnergyACoreTakesIsLearnedFromRecords() {
    join(1, 1, 1_000);
    join(2, 1, 1_000);
    showPower(2 * JOULE_UJ, 10 * JOULE_UJ);
    assertThat(f.pool.provider(CHEAP).orElseThrow().mwPerCore()).hasValue(2_000);
    assertThat(f.pool.provider(DEAR).orElseThrow().mwPerCore()).hasValue(10_000);
    JobView view = f.pool.jobs(Sample.ALICE, 99).getFirst();
    assertThat(view.footprint()).isEqualTo(new Footprint(2, 12 * JOULE_UJ, 0, 0));
  }

  /// Eight joules a second less are worth a wait of 80 s, at 10 s a joule (36,000,000 s a kWh).
  @Test
  void itWaitsForTheFrugalOne() {
    join(1, 1, 1_000);
    join(2, 4, 1_000);
    showPower(2 * JOULE_UJ, 10 * JOULE_UJ);
    JobId id = submit(9, OF_ENERGY);
    assertThat(assigned()).as("the rest waits for the frugal one").containsExactly(CHEAP);
    assertThat(f.pool.why(id, "work[1]", f.nowUs).sentence())
        .contains("waits for provider p1", "more frugal or faster");
    assertThat(f.pool.why(id, "work[1]", f.nowUs).wouldHelp())
        .contains("start another provider that is as frugal");
  }

  /// Nobody is preferred for having said nothing: it counts as one of 20 W a core.
  @Test
  void whoSaysNothingOfEnergyCountsAsHungry() {
    join(1, 1, 1_000);
    join(2, 4, 1_000);
    f.submit(Sample.like(Sample.job(9, 2), 0, 0));
    for (Lease lease : f.schedule(9)) {
      f.report(
          lease.provider().equals(CHEAP)
              ? Sample.powered(lease, SECOND_NS, 19 * JOULE_UJ)
              : Sample.done(lease, SECOND_NS));
    }
    submit(1, OF_ENERGY);
    assertThat(assigned()).containsExactly(CHEAP);
    f.submit(Sample.job(8, 1));
    assertThat(assigned()).as("who has more cores free").containsExactly(DEAR);
  }

  @Test
  void itWaitsForWhereEnergyIsCleaner() {
    joinAt(1, 1, 50);
    joinAt(2, 4, 700);
    showPower(10 * JOULE_UJ, 5 * JOULE_UJ);
    submit(9, OF_CARBON);
    // 10 J of 50 g/kWh emit 0.14 mg, 5 J of 700 g/kWh 0.97: at 36 s a mg worth a wait of 30 s.
    assertThat(assigned()).containsExactly(CHEAP);
    f.pool
        .jobs(Sample.ALICE, 99)
        .forEach(j -> f.run(new Command.CancelJob(j.id(), Sample.ALICE, false)));
    JobView over =
        f.pool.jobs(Sample.ALICE, 99).stream()
            .filter(j -> j.tasks() == 2)
            .findFirst()
            .orElseThrow();
    assertThat(over.footprint())
        .as("10 J at 50 g/kWh and 5 J at 700, rounded up each")
        .isEqualTo(new Footprint(2, 15 * JOULE_UJ, 2, 139 + 973));
  }

  @Test
  void whereEnergyComesFromMayBeSaidAnew() {
    joinAt(1, 1, 50);
    assertThat(f.pool.provider(CHEAP).orElseThrow().gPerKwh()).hasValue(50);
    assertThat(f.run(Sample.joinAt(60, Sample.offer(1, 1, 8 * Sample.GB), 2)))
        .hasAtLeastOneElementOfType(Event.CarbonSeen.class);
    assertThat(f.run(Sample.joinAt(60, Sample.offer(1, 1, 8 * Sample.GB), 3)))
        .doesNotHaveAnyElementsOfTypes(Event.CarbonSeen.class);
    f.run(Sample.join(Sample.offer(1, 1, 8 * Sample.GB), 4));
    assertThat(f.pool.provider(CHEAP).orElseThrow().gPerKwh()).isEmpty();
    for (int nonsense : new int[] {-1, Limits.G_PER_KWH + 1}) {
      assertThat(f.refused(Sample.joinAt(nonsense, Sample.offer(1, 1, 8 * Sample.GB), 5)).message())
          .contains("a kilowatt hour emits");
    }
  }

  /// What a provider claims is bounded: sums stay sums.
  @Test
  void absurdClaimsOfEnergyBreakNothing() {
    join(1, 1, 1_000);
    for (int i = 0; i < 3; i++) {
      f.submit(Sample.like(Sample.job(20 + i, 1), 0, 0));
      f.report(Sample.powered(f.schedule(9).getFirst(), SECOND_NS, Long.MAX_VALUE));
    }
    assertThat(f.pool.provider(CHEAP).orElseThrow().mwPerCore()).hasValue(10_000_000);
    assertThat(f.pool.jobs(Sample.ALICE, 99))
        .allMatch(j -> j.footprint().equals(new Footprint(1, Limits.ENERGY_UJ, 0, 0)));
    submit(1, new Thrift(Limits.THRIFT_MS, Limits.THRIFT_MS_OF_ENERGY, Limits.THRIFT_MS_OF_ENERGY));
    assertThat(assigned()).containsExactly(CHEAP);
  }

  @Test
  void nonsenseIsRefused() {
    for (long thrift : new long[] {-1, Limits.THRIFT_MS + 1}) {
      JobSpec bad = Sample.like(Sample.job(1, 1), thrift, 0);
      assertThat(f.refused(new Command.SubmitJob(bad, Sample.SIGNATURE)).message())
          .contains("thrift", "write 0 to");
    }
    for (long ms : new long[] {-1, Limits.THRIFT_MS_OF_ENERGY + 1}) {
      for (Thrift thrift : List.of(new Thrift(0, ms, 0), new Thrift(0, 0, ms))) {
        JobSpec bad = Sample.like(Sample.job(1, 1), new Urgency(thrift, 0, 0, Scheduling.LEARNED));
        assertThat(f.refused(new Command.SubmitJob(bad, Sample.SIGNATURE)).message())
            .contains("a thrift of " + ms, "write 0 to");
      }
    }
  }
}
