package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// Tasks go where what they read is, if fetching it would take longer than to wait or to run there.
class HoldingsTest {
  private static final long MB = 1_000_000;
  private static final long SECOND_US = 1_000_000;

  private final Fixture f = new Fixture();

  private static TaskKind kind(String name) {
    return new TaskKind(
        name, Sample.blob(99), 1_000_000, MB, 8L << 30, 100_000_000, 1, 3, new Form.Portable());
  }

  /// What each task of a kind reads, and with how many outputs.
  private static TaskSpec task(int kind, int copy, Input... inputs) {
    return new TaskSpec(null, kind, copy, "", List.of(inputs), List.of(), 1);
  }

  private JobId submit(long nonce, TaskSpec... tasks) {
    return f.submit(
        new JobSpec(
            Sample.ALICE,
            nonce,
            "data",
            0,
            10_000_000,
            List.of(kind("make"), kind("use")),
            List.of(tasks),
            List.of()));
  }

  private static Blob blob(long number, long bytes) {
    return new Blob(Sample.hash(number), bytes);
  }

  /// Reports what made so much, after a time of which all but its run time went into moving data.
  private void report(Lease lease, long outputBytes, long wallNs, long fetchedBytes) {
    Report done = Sample.done(lease, wallNs);
    long bytesIn = done.usage().bytesIn().orElseThrow();
    f.report(moved(done, bytesIn, outputBytes, fetchedBytes, 1_000 + lease.id()));
  }

  private static Report withInputs(Report done, long bytesIn, long outputBytes, long number) {
    return moved(done, bytesIn, outputBytes, 0, number);
  }

  private static Report moved(
      Report done, long bytesIn, long outputBytes, long fetchedBytes, long number) {
    Usage u = done.usage();
    Usage usage =
        new Usage(
            u.gas(),
            u.cpuNs(),
            u.wallNs(),
            u.peakMemoryBytes(),
            OptionalLong.of(bytesIn),
            OptionalLong.of(outputBytes),
            OptionalLong.of(fetchedBytes),
            u.gpuNs(),
            u.energyUj(),
            u.energyBy());
    return new Report(
        done.lease(),
        done.outcome(),
        done.reason(),
        done.startedUs(),
        done.endedUs(),
        usage,
        List.of(blob(number, outputBytes)),
        done.engine(),
        done.isolation(),
        done.digest());
  }

  private Lease only() {
    List<Lease> leases = f.schedule(99);
    assertThat(leases).hasSize(1);
    return leases.getFirst();
  }

  /// Whoever gets the first task, provider 1 gets the next, as both are idle and alike; so the
  /// maker is the one that joined later.
  private Lease makeOn(int provider, long nonce, long bytes) {
    submit(nonce, task(0, 0), task(1, 1, new Input.Produced(0, 0)));
    Lease made = only();
    assertThat(made.provider()).isEqualTo(Sample.provider(provider));
    f.nowUs += 2 * SECOND_US;
    report(made, bytes, 1_000_000_000, 0);
    return made;
  }

  /// Two that are alike and idle, of which the second made what the next task reads.
  private Lease afterMaking(long bytes) {
    f.join(1, 1);
    Lease other = busyWith(1, 9);
    f.join(2, 1);
    submit(1, task(0, 0), task(1, 1, new Input.Produced(0, 0)));
    Lease made = only();
    assertThat(made.provider()).isEqualTo(Sample.provider(2));
    f.nowUs += 2 * SECOND_US;
    f.report(withInputs(Sample.done(other, 1_000_000_000), 0, 10, 77));
    report(made, bytes, 1_000_000_000, 0);
    return only();
  }

  @Test
  void aTaskGoesWhereWhatItReadsWasMade() {
    assertThat(afterMaking(500 * MB).provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void smallInputsDoNotMatter() {
    assertThat(afterMaking(100_000).provider()).isEqualTo(Sample.provider(1));
  }

  @Test
  void itWaitsForWhoHasItIfFetchingTakesLonger() {
    f.join(2, 1);
    makeOn(2, 1, 2_000 * MB);
    Lease other = busyWith(2, 2);
    f.join(1, 1);
    assertThat(f.schedule(99)).as("160 s of fetching against a second").isEmpty();
    assertThat(f.pool.why(JobId.of(Sample.ALICE, 1), "use[1]", f.nowUs).sentence())
        .contains("waits for provider p2");
    f.nowUs += SECOND_US;
    f.report(withInputs(Sample.done(other, 1_000_000_000), 0, 10, 77));
    assertThat(only().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void itDoesNotWaitIfFetchingIsQuicker() {
    f.join(2, 1);
    makeOn(2, 1, 5 * MB);
    busyWith(2, 2);
    f.join(1, 1);
    assertThat(only().provider()).isEqualTo(Sample.provider(1));
  }

  /// Gives the provider, which alone is there, a task of the kind that takes a second, by a job
  /// that goes before.
  private Lease busyWith(int provider, long nonce) {
    JobSpec first =
        new JobSpec(
            Sample.ALICE,
            nonce,
            "first",
            5,
            1_000_000,
            List.of(kind("make")),
            List.of(task(0, 0)),
            List.of());
    f.submit(first);
    Lease lease = f.schedule(1).getFirst();
    assertThat(lease.job()).isEqualTo(first.id());
    assertThat(lease.provider()).isEqualTo(Sample.provider(provider));
    return lease;
  }

  @Test
  void whoFetchedSomethingHasIt() {
    Blob reference = blob(50, 3_000 * MB);
    f.join(2, 1);
    submit(1, task(1, 0, new Input.Stored(reference)));
    Lease first = only();
    f.nowUs += 300 * SECOND_US;
    f.report(withInputs(Sample.done(first, 1_000_000_000), reference.sizeBytes(), 10, 60));
    Lease other = busyWith(2, 7);
    f.join(3, 1);
    submit(2, task(1, 0, new Input.Stored(blob(51, 3_000 * MB))));
    Lease later = only();
    assertThat(later.provider()).isEqualTo(Sample.provider(3));
    f.nowUs += 300 * SECOND_US;
    f.report(withInputs(Sample.done(later, 1_000_000_000), reference.sizeBytes(), 10, 61));
    f.report(withInputs(Sample.done(other, 1_000_000_000), 0, 10, 62));
    submit(3, task(1, 0, new Input.Stored(blob(51, 3_000 * MB))));
    assertThat(only().provider()).as("of two that are idle").isEqualTo(Sample.provider(3));
    submit(4, task(1, 0, new Input.Stored(reference)));
    assertThat(only().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void aFastLineIsLearned() throws IOException {
    f.join(2, 1);
    // 2,000 MB in a tenth of a second beside the run.
    submit(1, task(0, 0));
    Lease made = only();
    f.nowUs += SECOND_US + SECOND_US / 10;
    report(made, 2_000 * MB, 1_000_000_000, 0);
    Lease slow = busyWith(2, 2);
    f.join(1, 1);
    submit(3, task(1, 0, new Input.Stored(blob(70, 2_000 * MB))));
    Lease on1 = only();
    assertThat(on1.provider()).isEqualTo(Sample.provider(1));
    f.nowUs += SECOND_US;
    f.report(withInputs(Sample.done(slow, 1_000_000_000), 0, 10, 78));
    f.nowUs += 160 * SECOND_US;
    f.report(withInputs(Sample.done(on1, 1_000_000_000), 2_000 * MB, 10, 79));
    // Provider 1 has it and is idle; provider 2 could have it in a tenth of a second.
    assertThat(Fixture.copy(f.pool).digest()).isEqualTo(f.pool.digest());
    submit(4, task(1, 0, new Input.Stored(blob(70, 2_000 * MB))));
    assertThat(only().provider()).isEqualTo(Sample.provider(1));
    submit(5, task(1, 0, new Input.Stored(blob(71, 2_000 * MB))));
    assertThat(only().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void whateverAProviderSaysOfItsLineIsBounded() {
    for (long bytes :
        new long[] {1 << 20, 1L << 24, 100_000_000_000_000L, 1L << 62, Long.MAX_VALUE}) {
      for (long ns : new long[] {Long.MIN_VALUE, -1, 0, 1, 1_000_000_000, Long.MAX_VALUE}) {
        Provider p = provider(1);
        for (int i = 0; i < 100; i++) {
          p.learnTransfer(bytes, ns);
        }
        long gbNs = p.transferNs(Sample.GB);
        assertThat(gbNs)
            .as("%d bytes in %d ns", bytes, ns)
            .isBetween(99_000_000L, 801_000_000_000L);
        assertThat(p.transferNs(Long.MAX_VALUE)).isPositive();
      }
    }
  }

  @Test
  void aReportOfManyFetchedBytesStopsNobody() {
    f.join(2, 1);
    submit(1, task(0, 0));
    Lease lease = only();
    f.nowUs += 2 * SECOND_US;
    report(lease, 500 * MB, 1_000_000_000, Long.MAX_VALUE);
    submit(2, task(0, 0));
    assertThat(only().provider()).isEqualTo(Sample.provider(2));
  }

  @Test
  void holdersAreBounded() {
    Holdings holdings = new Holdings();
    List<Blob> seen = new ArrayList<>();
    for (int i = 0; i < Limits.HELD_BLOBS + 10; i++) {
      seen.add(blob(10_000 + i, 2 * MB));
    }
    seen.forEach(blob -> holdings.add(blob, 0));
    for (int p = 0; p < 9; p++) {
      holdings.add(seen.getLast(), p);
    }
    assertThat(holdings.holders(seen.getFirst().hash())).as("the first was forgotten").isEmpty();
    int[] lately = holdings.holders(seen.getLast().hash());
    assertThat(lately).containsExactly(5, 6, 7, 8);
    Holdings.Needs needs =
        new Holdings.Needs(new long[] {2 * MB, 2 * MB}, new int[][] {{}, lately});
    assertThat(needs.lackedBy(provider(8))).isEqualTo(2 * MB);
    assertThat(needs.lackedBy(provider(1))).isEqualTo(4 * MB);
  }

  private static Provider provider(int index) {
    return new Provider(
        index,
        Sample.provider(index),
        new Account(),
        new OfferRow(Sample.offer(index, 1, MB), Sample.hash(index), ""));
  }
}
