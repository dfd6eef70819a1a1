package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Tasks that need GPUs: who gets them, how many at once, and what they cost.
class GpuTest {
  private static final Gpus ONE = new Gpus(1, 8 * Sample.GB);
  private static final long PER_SECOND = 500;
  private static final long SECOND_US = 1_000_000;

  private final Fixture f = new Fixture();

  private static TaskKind kind(Gpus gpus) {
    return new TaskKind(
        "gpu",
        Sample.blob(97),
        0,
        1_000_000,
        10_000,
        10_000,
        1,
        3,
        new Form.Native(Platform.LINUX_X86_64, new Comparison.Exact(), gpus));
  }

  private static JobSpec job(long nonce, int tasks, Gpus gpus, long budget) {
    return Sample.job(nonce, tasks, kind(gpus), budget, new Verification.None());
  }

  private JobId submit(long nonce, int tasks, Gpus gpus) {
    return f.submit(job(nonce, tasks, gpus, 10_000_000));
  }

  private void join(int number, int cores, Gpus gpus) {
    long price = gpus.any() ? PER_SECOND : 0;
    Offer offer = Sample.offer(number, cores, 8 * Sample.GB, gpus, price);
    assertThat(f.run(Sample.joinNative(offer, 1))).isNotEmpty();
  }

  private ProviderView provider(int number) {
    return f.pool.provider(Sample.provider(number)).orElseThrow();
  }

  @Test
  void onlyWhoHasThemGetsTheTask() {
    join(1, 64, Gpus.NONE);
    JobId id = submit(1, 1, ONE);
    assertThat(f.schedule(9)).isEmpty();
    assertThat(f.pool.why(id, null, f.nowUs).sentence())
        .contains("1 GPU with 8000000000 bytes each", "0 GPUs with 0 bytes each");
    join(2, 64, new Gpus(4, 4 * Sample.GB));
    assertThat(f.schedule(9)).as("too small ones").isEmpty();
    join(3, 1, ONE);
    assertThat(f.schedule(9)).extracting(Lease::provider).containsExactly(Sample.provider(3));
  }

  @Test
  void noGpuIsGivenTwiceAndNothingWaitsAtTheProvider() {
    join(1, 64, new Gpus(3, 8 * Sample.GB));
    JobId id = submit(1, 9, ONE);
    List<Lease> first = f.schedule(99);
    assertThat(first).hasSize(3);
    assertThat(f.pool.why(id, "gpu[8]", f.nowUs).sentence())
        .contains("every provider large enough is busy");
    f.nowUs += 1_000_000;
    f.report(Sample.done(first.getFirst()));
    assertThat(f.schedule(99)).as("one is free again").hasSize(1);
  }

  @Test
  void whatNeedsTwoWaitsForTwo() {
    join(1, 64, new Gpus(3, 8 * Sample.GB));
    submit(1, 2, new Gpus(2, 0));
    List<Lease> first = f.schedule(99);
    assertThat(first).hasSize(1);
    submit(2, 1, ONE);
    assertThat(f.schedule(99)).as("the third one is kept").isEmpty();
    f.nowUs += SECOND_US;
    f.report(Sample.done(first.getFirst()));
    assertThat(f.schedule(99)).as("two and one").hasSize(2);
  }

  /// One comes free after the other, and others are there to take each.
  @Test
  void whatNeedsSeveralDoesNotWaitForEver() {
    join(1, 64, new Gpus(2, 8 * Sample.GB));
    submit(1, 20, ONE);
    List<Lease> running = new ArrayList<>(f.schedule(99));
    assertThat(running).hasSize(2);
    JobSpec both = job(2, 1, new Gpus(2, 0), 10_000_000);
    f.submit(
        new JobSpec(
            both.consumer(),
            both.nonce(),
            both.name(),
            1,
            both.budget(),
            both.kinds(),
            both.tasks(),
            both.results(),
            both.verification()));
    f.nowUs += SECOND_US;
    f.report(Sample.done(running.removeFirst()));
    assertThat(f.schedule(99)).as("the one that is free is kept").isEmpty();
    f.nowUs += SECOND_US;
    f.report(Sample.done(running.removeFirst()));
    List<Lease> next = f.schedule(99);
    assertThat(next).hasSize(1);
    assertThat(next.getFirst().job()).isEqualTo(both.id());
    f.nowUs += SECOND_US;
    f.report(Sample.done(next.getFirst()));
    assertThat(f.schedule(99)).hasSize(2);
  }

  @Test
  void whatIsKeptIsOnlyOneProvider() {
    join(1, 64, new Gpus(2, 8 * Sample.GB));
    join(2, 64, new Gpus(2, 8 * Sample.GB));
    submit(1, 20, ONE);
    List<Lease> running = f.schedule(99);
    assertThat(running).hasSize(4);
    JobSpec both = job(2, 1, new Gpus(2, 0), 10_000_000);
    f.submit(Sample.like(both, Urgency.NONE));
    f.nowUs += SECOND_US;
    List<Lease> firsts =
        List.of(
            running.stream().filter(l -> l.provider().equals(Sample.provider(1))).toList().get(0),
            running.stream().filter(l -> l.provider().equals(Sample.provider(2))).toList().get(0));
    firsts.forEach(l -> f.report(Sample.done(l)));
    assertThat(f.schedule(99)).as("equal jobs take turns").hasSizeBetween(1, 2);
  }

  /// A machine that shows eight GPUs and is as fast with all of them as another with one.
  @Test
  void whoShowsManySlowOnesIsTakenToBeSlow() {
    join(1, 8, new Gpus(8, 8 * Sample.GB));
    join(2, 8, ONE);
    f.run(new Command.Schedule(99, true, 7, true, false));
    for (Effect effect : List.copyOf(f.effects)) {
      if (effect instanceof Effect.Measure m) {
        f.run(
            new Command.RecordCapacity(
                m.provider(), 1, m.id(), 8, 8 * Sample.GB, m.gpus(), 1_000, 8_000_000, "", 5));
      }
    }
    submit(1, 1, ONE);
    assertThat(f.schedule(99)).extracting(Lease::provider).containsExactly(Sample.provider(2));
  }

  @Test
  void fastCoresBesideFreeGpusAreLeftToWhatNeedsThem() {
    join(1, 8, ONE);
    f.join(2, 8);
    f.run(new Command.Schedule(99, true, 7, true, false));
    for (Effect effect : List.copyOf(f.effects)) {
      if (effect instanceof Effect.Measure m) {
        boolean first = m.provider().equals(Sample.provider(1));
        f.run(
            new Command.RecordCapacity(
                m.provider(),
                1,
                m.id(),
                8,
                8 * Sample.GB,
                m.gpus(),
                first ? 9_000_000 : 1_000_000,
                8_000_000,
                "",
                5));
      }
    }
    assertThat(provider(1).speedPermille()).isGreaterThan(provider(2).speedPermille());
    f.submit(Sample.job(1, 1));
    assertThat(f.schedule(99)).extracting(Lease::provider).containsExactly(Sample.provider(2));
  }

  /// It comes back with one of the two that it had.
  @Test
  void whoComesBackWithFewerGpusStillRunsOtherTasks() throws Exception {
    join(1, 8, new Gpus(2, 8 * Sample.GB));
    submit(1, 1, new Gpus(2, 0));
    Lease onGpus = f.schedule(99).getFirst();
    Offer fewer = Sample.offer(1, 8, 8 * Sample.GB, ONE, PER_SECOND);
    f.run(Sample.joinNative(fewer, 2, onGpus.id()));
    f.submit(Sample.job(2, 1));
    assertThat(f.schedule(99)).hasSize(1);
    submit(3, 1, ONE);
    assertThat(f.schedule(99)).as("both are held").isEmpty();
    assertThat(Fixture.copy(f.pool).digest()).isEqualTo(f.pool.digest());
  }

  @Test
  void machinesWithFreeGpusAreLeftToWhatNeedsThem() {
    join(1, 8, ONE);
    join(2, 2, Gpus.NONE);
    f.submit(Sample.job(1, 2));
    assertThat(f.schedule(99))
        .extracting(Lease::provider)
        .containsExactly(Sample.provider(2), Sample.provider(2));
    f.submit(Sample.job(2, 1));
    assertThat(f.schedule(99))
        .as("the others have no room")
        .extracting(Lease::provider)
        .containsExactly(Sample.provider(1));
  }

  @Test
  void whatWasNotShownIsNotThere() {
    join(1, 4, new Gpus(4, 16 * Sample.GB));
    f.run(new Command.Schedule(99, true, 7, true, false));
    Effect.Measure asked =
        (Effect.Measure)
            f.effects.stream().filter(Effect.Measure.class::isInstance).findFirst().orElseThrow();
    assertThat(asked.gpus()).isEqualTo(new Gpus(4, 16 * Sample.GB));
    f.run(
        new Command.RecordCapacity(
            Sample.provider(1),
            1,
            asked.id(),
            4,
            8 * Sample.GB,
            new Gpus(2, 10 * Sample.GB),
            1_000,
            9_000,
            "",
            5));
    assertThat(provider(1).capacity().gpus()).isEqualTo(new Gpus(2, 10 * Sample.GB));
    assertThat(f.pool.why(Sample.provider(1), f.nowUs).sentence())
        .contains("2 of 4 GPUs with 9536 of 15258 MiB each", "is measured again in");
    submit(1, 9, new Gpus(1, 12 * Sample.GB));
    assertThat(f.schedule(99)).isEmpty();
    submit(2, 9, ONE);
    assertThat(f.schedule(99)).hasSize(2);
  }

  @Test
  void whoShowsNoneGetsNothingForThem() {
    join(1, 4, ONE);
    f.run(new Command.Schedule(99, true, 7, true, false));
    f.run(new Command.RecordCapacity(Sample.provider(1), 1, 1, 4, 8 * Sample.GB, 1_000, "", 5));
    submit(1, 1, ONE);
    assertThat(f.schedule(99)).isEmpty();
    f.submit(Sample.job(2, 1));
    assertThat(f.schedule(99)).as("its cores are there").hasSize(1);
  }

  @Test
  void eachSecondOfEachGpuCosts() {
    join(1, 4, new Gpus(2, 8 * Sample.GB));
    JobId id = submit(1, 1, new Gpus(2, 0));
    Lease lease = f.schedule(1).getFirst();
    long wallNs = 3_000_000_000L;
    f.nowUs += 4_000_000;
    f.report(Sample.done(lease, wallNs));
    long without = Sample.PRICE.charge(wallNs, 1_000_000, wallNs, 100);
    assertThat(f.view(id).charged()).isEqualTo(without + 3 * 2 * PER_SECOND);
  }

  @Test
  void aSmallRestOfABudgetBuysLessTime() {
    join(1, 4, ONE);
    // A second costs 500 for the GPU and 1,000 for the core.
    f.submit(job(1, 1, ONE, 4_500));
    Lease lease = f.schedule(1).getFirst();
    assertThat(lease.kind().wallLimitMs()).isEqualTo(3_000);
    assertThat(lease.maxCharge()).isEqualTo(4_500);
  }

  @Test
  void howFastGpusAreSaysNothingOfCores() {
    join(1, 4, ONE);
    join(2, 4, ONE);
    submit(1, 40, ONE);
    for (int i = 0; i < 20; i++) {
      List<Lease> leases = f.schedule(99);
      f.nowUs += 3_000_000;
      for (Lease lease : leases) {
        boolean slow = lease.provider().equals(Sample.provider(1));
        f.report(Sample.done(lease, slow ? 2_000_000_000L : 500_000_000));
      }
    }
    assertThat(provider(1).speedPermille()).isEqualTo(1_000);
    assertThat(provider(2).speedPermille()).isEqualTo(1_000);
    submit(2, 1, ONE);
    assertThat(f.schedule(99))
        .as("the faster GPU")
        .extracting(Lease::provider)
        .containsExactly(Sample.provider(2));
  }

  @Test
  void senselessOffersAndTasksAreRefused() {
    Offer priced = Sample.offer(1, 1, Sample.GB, Gpus.NONE, 5);
    assertThat(f.refused(Sample.join(priced, 1)).message())
        .contains("a price for GPUs and lends none");
    Offer without = Sample.offer(1, 1, Sample.GB, new Gpus(2, 0), 5);
    assertThat(f.refused(Sample.join(without, 1)).message())
        .contains("each of 2 GPUs has 0 bytes: write 1 to");
    Offer many = Sample.offer(1, 1, Sample.GB, new Gpus(65, 1), 5);
    assertThat(f.refused(Sample.join(many, 1)).message()).contains("lends 65 GPUs: write 0 to 64");
    assertThat(refused(new Gpus(65, 0))).contains("the number of GPUs is 65: write 0 to 64");
    assertThat(refused(new Gpus(0, 7)))
        .contains("the memory of each GPU in bytes is 7: write 0 to 0");
  }

  private String refused(Gpus gpus) {
    return f.refused(new Command.SubmitJob(job(1, 1, gpus, 1_000), Sample.SIGNATURE)).message();
  }
}
