package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Providers that have to show the hardware that they declare.
class CapacityTest {
  private final Fixture f = new Fixture();

  private static final Address P = Sample.provider(1);

  private List<Effect.Measure> measures() {
    return f.effects.stream()
        .filter(Effect.Measure.class::isInstance)
        .map(Effect.Measure.class::cast)
        .toList();
  }

  private void schedule() {
    f.run(new Command.Schedule(99, true, 7, true, false));
  }

  private void shows(long id, int cores, long memoryBytes) {
    f.run(new Command.RecordCapacity(P, 1, id, cores, memoryBytes, 1_000, "", 5));
  }

  private ProviderView view() {
    return f.pool.provider(P).orElseThrow();
  }

  @Test
  void nobodyIsMeasuredWhereTheOperatorDoesNotWantIt() {
    f.join(1, 4);
    f.submit(Sample.job(1, 3));
    f.schedule(9);
    assertThat(f.sent()).hasSize(3);
    assertThat(measures()).isEmpty();
    assertThat(view().capacity()).isEqualTo(Capacity.UNKNOWN);
  }

  @Test
  void whoComesIsMeasuredBeforeItGetsWork() {
    f.join(1, 4);
    f.submit(Sample.job(1, 9));
    schedule();
    assertThat(f.sent()).isEmpty();
    assertThat(measures())
        .containsExactly(new Effect.Measure(P, 1, 4, view().offer().memoryBytes(), Gpus.NONE));
    assertThat(view().measuring()).isTrue();
    assertThat(f.pool.why(f.pool.jobs(null, 1).getFirst().id(), null, f.nowUs).sentence())
        .contains("is being measured");
    schedule();
    assertThat(f.sent()).as("still").isEmpty();
    assertThat(measures()).as("asked once").isEmpty();

    shows(1, 4, view().offer().memoryBytes());
    schedule();
    assertThat(f.sent()).isNotEmpty();
    assertThat(view().measuring()).isFalse();
    assertThat(measures()).isEmpty();
  }

  @Test
  void whoShowsLessGetsWorkForNoMore() {
    f.join(1, 64);
    schedule();
    shows(1, 2, 1L << 30);
    assertThat(view().capacity().cores()).isEqualTo(2);
    f.submit(
        Sample.job(
            1, 0, 1_000_000, List.of(Sample.kind("wide", 3, 1 << 20)), List.of(Sample.task(0))));
    schedule();
    assertThat(f.sent()).as("three cores at once are not there").isEmpty();
    assertThat(f.pool.why(f.pool.jobs(null, 1).getFirst().id(), null, f.nowUs).sentence())
        .contains("the largest offers are 2 cores");
    assertThat(f.pool.why(P, f.nowUs).sentence())
        .contains("it showed 2 of the 64 cores that it declares");
  }

  @Test
  void nobodyShowsMoreThanItDeclares() {
    f.join(1, 4);
    schedule();
    shows(1, 99, Long.MAX_VALUE);
    assertThat(view().capacity().cores()).isEqualTo(4);
    assertThat(view().capacity().memoryBytes()).isEqualTo(view().offer().memoryBytes());
  }

  @Test
  void whoPretendsGetsNoWorkUntilItIsMeasuredAgain() {
    f.join(1, 4);
    f.submit(Sample.job(1, 3));
    schedule();
    f.run(new Command.RecordCapacity(P, 1, 1, 4, 1, 1, "link 3 of lane 0 is wrong", 5));
    schedule();
    assertThat(f.sent()).isEmpty();
    assertThat(f.pool.why(P, f.nowUs).sentence())
        .contains("gets no work", "link 3 of lane 0 is wrong", "measured again");
    f.nowUs += 2 * Limits.MEASURED_AGAIN_AFTER_MS * 1_000;
    schedule();
    assertThat(measures()).extracting(Effect.Measure::id).containsExactly(2L);
    shows(2, 4, Long.MAX_VALUE);
    schedule();
    assertThat(f.sent()).isNotEmpty();
  }

  @Test
  void whoHasLeasesIsMeasuredWhenTheyHaveEnded() {
    f.join(1, 2);
    f.submit(Sample.job(1, 9));
    List<Lease> leases = f.schedule(2);
    assertThat(leases).hasSize(2);
    schedule();
    assertThat(f.sent()).as("nothing new").isEmpty();
    assertThat(measures()).as("not while it works").isEmpty();
    f.report(Sample.done(leases.get(0)));
    assertThat(measures()).isEmpty();
    f.report(Sample.done(leases.get(1)));
    assertThat(measures()).hasSize(1);
  }

  @Test
  void whatAnEarlierConnectionWasAskedIsVoid() {
    f.join(1, 4);
    schedule();
    f.run(Sample.join(1, 4, 2));
    assertThat(view().measuring()).isFalse();
    Rejection old = f.refused(new Command.RecordCapacity(P, 2, 1, 4, 1, 1, "", 5));
    assertThat(old.code()).isEqualTo(Rejection.Code.STALE);
    schedule();
    assertThat(measures()).extracting(Effect.Measure::id).containsExactly(2L);
  }

  @Test
  void itIsMeasuredAgainAtATimeThatNobodyKnows() {
    f.join(1, 4);
    schedule();
    shows(1, 4, Long.MAX_VALUE);
    f.nowUs += Limits.MEASURED_AFTER_MS / 2 * 1_000 - 1;
    schedule();
    assertThat(measures()).as("not before half a day").isEmpty();
    f.nowUs += Limits.MEASURED_AFTER_MS * 1_000;
    schedule();
    assertThat(measures()).as("within a day and a half").hasSize(1);
  }

  /// A machine without any free memory shows none of it.
  @Test
  void whoShowsNoMemoryGetsNothingAndStopsNobody() {
    f.join(1, 4);
    f.submit(Sample.job(1, 3));
    schedule();
    shows(1, 4, 0);
    schedule();
    assertThat(f.sent()).isEmpty();
    assertThat(view().capacity().memoryBytes()).isEqualTo(1);
    f.join(2, 4);
    f.run(new Command.Schedule(9));
    assertThat(f.sent()).hasSize(3);
  }

  /// A lease that may last for longer is not waited for; a new offer does not hide anybody.
  @Test
  void whoHasLongLeasesIsMeasuredWhenItHasNone() {
    f.join(1, 4);
    TaskKind k = Sample.kind("long");
    TaskKind kind =
        new TaskKind(
            k.name(),
            k.module(),
            k.gasLimit(),
            k.memoryBytes(),
            k.outputBytesLimit(),
            Limits.MEASURED_SOON_MS + 1,
            1,
            3);
    f.submit(Sample.job(1, 0, 90_000_000, List.of(kind), List.of(Sample.task(0), Sample.task(1))));
    Lease lease = f.schedule(1).getFirst();
    schedule();
    assertThat(view().measuring()).isFalse();
    assertThat(f.sent()).as("it goes on working").hasSize(1);
    Lease second = f.sent().getFirst();
    f.report(Sample.done(lease));
    f.report(Sample.done(second));
    schedule();
    assertThat(measures()).hasSize(1);
  }

  @Test
  void whoIsFastIsKnownToBeBeforeAnyRecordSaysSo() {
    f.join(1, 4);
    f.join(2, 4);
    schedule();
    long all = view().offer().memoryBytes();
    f.run(new Command.RecordCapacity(P, 1, 1, 4, all, 4_000, "", 5));
    f.run(new Command.RecordCapacity(Sample.provider(2), 1, 2, 4, all, 1_000, "", 5));
    assertThat(view().speedPermille()).isEqualTo(1_000);
    assertThat(f.pool.provider(Sample.provider(2)).orElseThrow().speedPermille())
        .as("a quarter of about what is usual")
        .isBetween(240, 300);
  }

  /// As many as can be are asked, then the state is restored: it asks no more and no fewer.
  @Test
  void aRestoredPoolMeasuresAsManyAtOnce() throws IOException {
    for (int i = 1; i <= Limits.MEASURED_AT_ONCE + 9; i++) {
      f.join(i, 1);
    }
    schedule();
    assertThat(measures()).hasSize(Limits.MEASURED_AT_ONCE);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    f.pool.snapshot(new DataOutputStream(out));
    Pool restored = Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
    Command again = new Command.Schedule(99, true, 7, true, false);
    assertThat(restored.execute(again, f.nowUs, new ArrayList<>())).isEmpty();
    assertThat(f.run(again)).isEmpty();
    shows(1, 1, Long.MAX_VALUE);
    assertThat(f.run(again)).hasSize(1);
  }

  /// Whoever has many keys in one network answers none of what they are asked.
  @Test
  void oneNetworkDoesNotKeepOthersFromBeingMeasured() {
    int many = Limits.MEASURED_LOOKED_AT + 9;
    for (int i = 1; i <= many; i++) {
      joinFrom("c00002/24", i);
    }
    schedule();
    assertThat(measures()).hasSize(Limits.MEASURED_OF_NETWORK);
    schedule();
    assertThat(measures()).as("no more of it").isEmpty();
    shows(1, 1, Long.MAX_VALUE);
    schedule();
    assertThat(measures()).as("one for the one that is done").hasSize(1);
    joinFrom("c63364/24", many + 1);
    schedule();
    assertThat(measures())
        .extracting(Effect.Measure::provider)
        .containsExactly(Sample.provider(many + 1));
  }

  @Test
  void whoEndsItsLeasesFirstCountsToo() {
    int many = 3 * Limits.MEASURED_OF_NETWORK;
    f.submit(Sample.job(1, many));
    for (int i = 1; i <= many; i++) {
      joinFrom("c00002/24", i);
    }
    f.schedule(many);
    assertThat(f.sent()).hasSize(many);
    for (int turn = 0; turn < 3; turn++) {
      schedule();
    }
    assertThat(f.pool.providers().stream().filter(ProviderView::measuring))
        .hasSize(Limits.MEASURED_OF_NETWORK);
  }

  private void joinFrom(String network, int number) {
    f.run(Sample.joinFrom(network, Optional.empty(), number, 1));
  }

  @Test
  void onlySomeAreMeasuredAtOnce() {
    for (int i = 1; i <= Limits.MEASURED_AT_ONCE + 1; i++) {
      f.join(i, 1);
    }
    schedule();
    assertThat(measures()).hasSize(Limits.MEASURED_AT_ONCE);
    f.submit(Sample.job(1, 3));
    schedule();
    assertThat(f.sent()).as("the last one works meanwhile").hasSize(1);
  }
}
