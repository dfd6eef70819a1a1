package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// What providers have at stake on a chain, and what follows from it.
class BondTest {
  private static final long DOLLARS = 1_000_000;

  private final Fixture f = new Fixture();

  /// A pool whose money is on a chain, with a consumer who has signed for all that it has.
  private void move() {
    long nowUs = f.nowUs;
    ChainPurse purse = new ChainPurse(Sample.ALICE, 200_000_000, 0, 0);
    f.run(new Command.AdoptEscrow(MoneyFixture.ESCROW, List.of(purse), Map.of(), 0, 5, nowUs));
    f.run(new Command.TakeVoucher(new Voucher(Sample.ALICE, 200_000_000, Sample.SIGNATURE)));
  }

  private List<Event> see(int provider, long amount, Address funder) {
    return f.run(new Command.SeeBond(Sample.provider(provider), amount, Optional.of(funder)));
  }

  private Bond bond(int provider) {
    return f.pool.provider(Sample.provider(provider)).orElseThrow().bond();
  }

  private void submit(long nonce) {
    JobSpec s = Sample.job(nonce, 1);
    f.submit(
        new JobSpec(
            s.consumer(),
            nonce,
            s.name(),
            0,
            1_000_000,
            s.kinds(),
            s.tasks(),
            s.results(),
            Verification.usual()));
  }

  private static Event.CheckDrawn drawn(List<Event> events) {
    return events.stream()
        .filter(Event.CheckDrawn.class::isInstance)
        .map(Event.CheckDrawn.class::cast)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void halfOfAProbationCanBeCoveredAndNoMore() {
    TrustRule rule = TrustRule.USUAL;
    Belief none = Evidence.NONE.whole();
    Bond hundred = new Bond(100 * DOLLARS, Optional.empty(), 0);
    // A wrong result costs 18 prices, here 18 dollars: covered five times and more.
    assertThat(rule.backed(none, hundred, DOLLARS, 0).rightMilli()).isEqualTo(5_000);
    assertThat(rule.backed(none, hundred, DOLLARS, 50).rightMilli()).isEqualTo(2_000);
    assertThat(rule.backed(none, hundred, 10 * DOLLARS, 0).rightMilli()).isEqualTo(555);
    assertThat(rule.backed(none, hundred, Long.MAX_VALUE, 0).rightMilli()).isZero();
    assertThat(rule.backed(none, hundred, 0, 0)).as("unknown price").isEqualTo(none);
    Bond most = new Bond(Long.MAX_VALUE, Optional.empty(), 1);
    assertThat(rule.backed(none, most, 1, 0).rightMilli()).isEqualTo(5_000);
    Bond little = new Bond(Bond.LEAST - 1, Optional.empty(), 1);
    assertThat(rule.backed(none, little, 1, 0)).isEqualTo(none);
    Belief caught = Evidence.NONE.wrong(rule, 1).whole();
    assertThat(rule.backed(caught, most, 1, 0)).as("found wrong once").isEqualTo(caught);
    assertThat(rule.isNew(rule.backed(none, most, 1, 0), TrustRule.Newcomers.NONE)).isTrue();
  }

  @Test
  void whoHasABondIsANewcomerForHalfAsLong() {
    move();
    f.join(1, 4);
    f.join(2, 4);
    see(1, 1_000 * DOLLARS, Sample.ALICE);
    see(2, 1_000 * DOLLARS, Sample.BOB);
    int checked = 0;
    for (int n = 0; n < 10; n++) {
      submit(n);
      Event.CheckDrawn drawn = drawn(f.report(Sample.right(f.schedule(1).getFirst())));
      boolean isNew = drawn.why() == Event.CheckReason.NEWCOMER;
      assertThat(isNew).as("result %d: %s", n, drawn).isEqualTo(n < 5);
      List<Lease> check = f.schedule(1);
      if (!check.isEmpty()) {
        f.report(Sample.right(check.getFirst()));
        checked++;
      }
    }
    assertThat(checked).isBetween(5, 9);
    assertThat(f.pool.why(Sample.provider(1), f.nowUs).sentence())
        .contains("is believed")
        .contains("1000 credits are bonded for it on the chain, most of it paid by")
        .contains("loses a tenth");
  }

  @Test
  void whatIsSeenIsKeptAndNothingTwice() throws IOException {
    f.join(1, 4);
    Rejection no = f.refused(new Command.SeeBond(Sample.provider(1), 1, Optional.empty()));
    assertThat(no.message()).contains("on no chain");
    move();
    assertThat(see(7, 5, Sample.ALICE)).as("not known").isEmpty();
    assertThat(see(1, 0, Sample.ALICE)).as("never had one").isEmpty();
    assertThat(see(1, 50, Sample.ALICE))
        .containsExactly(
            new Event.BondSeen(
                Sample.provider(1), new Bond(50, Optional.of(Sample.ALICE), f.nowUs), f.nowUs));
    assertThat(see(1, 50, Sample.ALICE)).isEmpty();
    assertThat(f.run(new Command.SeePenalty(Sample.provider(1), 0))).as("owes nothing").isEmpty();
    assertThat(f.refused(new Command.SeeBond(Sample.provider(1), -1, Optional.empty())).code())
        .isEqualTo(Rejection.Code.INVALID);
    long sinceUs = f.nowUs;
    f.nowUs += 5;
    assertThat(see(1, 0, Sample.ALICE)).hasSize(1);
    assertThat(bond(1)).isEqualTo(new Bond(0, Optional.of(Sample.ALICE), sinceUs));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    see(1, 70, Sample.BOB);
    f.pool.snapshot(new DataOutputStream(out));
    Pool again = Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
    assertThat(again.providers()).isEqualTo(f.pool.providers());
    assertThat(again.digest()).isEqualTo(f.pool.digest());
  }

  @Test
  void whoIsRefutedOwesForWhatCameAfterItsFirstBond() {
    move();
    for (int p = 1; p <= 5; p++) {
      f.join(p, 4);
    }
    see(1, 90 * DOLLARS, Sample.ALICE);
    submit(1);
    assertThat(refute()).isEqualTo(Sample.provider(1));
    assertThat(owes(1)).containsExactly(0L);
    assertThat(f.pool.why(Sample.provider(1), f.nowUs).sentence())
        .contains("it speaks for nothing while what was refuted weighs so much")
        .doesNotContain("so many more count as confirmed");
    see(1, 0, Sample.ALICE);
    assertThat(owes(1)).as("also when it took its bond away").containsExactly(0L);
    submit(2);
    assertThat(refute()).isEqualTo(Sample.provider(2));
    assertThat(f.pool.provider(Sample.provider(2)).orElseThrow().trust().refuted()).isEqualTo(1);
    see(2, 90 * DOLLARS, Sample.ALICE);
    assertThat(owes(2)).as("from before the first bond").isEmpty();
    assertThat(f.run(new Command.SeePenalty(Sample.provider(1), 0)))
        .containsExactly(new Event.PenaltySeen(Sample.provider(1), 0, f.nowUs));
    assertThat(owes(1)).isEmpty();
    assertThat(f.run(new Command.SeePenalty(Sample.provider(1), 0))).as("once").isEmpty();
  }

  @Test
  void whoOwesIsForgottenLast() {
    move();
    for (int p = 1; p <= 5; p++) {
      f.join(p, 4);
    }
    see(1, 90 * DOLLARS, Sample.ALICE);
    submit(1);
    assertThat(refute()).isEqualTo(Sample.provider(1));
    f.run(new Command.LoseProvider(Sample.provider(1), 1, "off"));
    f.nowUs++;
    f.run(new Command.LoseProvider(Sample.provider(2), 1, "off"));
    for (int p = 6; p <= Limits.PROVIDERS + 1; p++) {
      f.join(p, 1);
    }
    assertThat(f.pool.provider(Sample.provider(2))).as("owes nothing").isEmpty();
    assertThat(owes(1)).containsExactly(0L);
    f.join(Limits.PROVIDERS + 2, 1);
    assertThat(f.pool.provider(Sample.provider(1))).as("nobody else is gone").isEmpty();
  }

  private List<Long> owes(int provider) {
    return f.pool.provider(Sample.provider(provider)).orElseThrow().owes();
  }

  /// The first who is asked says something else than all others.
  private Address refute() {
    Lease first = f.schedule(1).getFirst();
    f.report(Sample.wrong(first));
    for (List<Lease> more = f.schedule(1); !more.isEmpty(); more = f.schedule(1)) {
      f.report(Sample.right(more.getFirst()));
    }
    return first.provider();
  }

  /// Whoever runs a task first, the sixth of six providers checks it: the others' bonds were paid
  /// by one.
  @Test
  void whoChecksHasItsBondFromSomebodyElse() {
    for (long luck = 0; luck < 20; luck++) {
      BondTest t = new BondTest();
      t.move();
      for (int p = 1; p <= 6; p++) {
        t.f.run(Sample.joinFrom("net" + p, Optional.empty(), p, 4));
        t.see(p, 10 * DOLLARS, p == 6 ? Sample.BOB : Sample.ALICE);
      }
      t.submit(1);
      Lease first = t.f.schedule(1).getFirst();
      assertThat(first.provider()).isNotEqualTo(Sample.provider(6));
      t.f.report(Sample.right(first));
      t.f.run(new Command.Schedule(1, true, luck));
      assertThat(t.f.sent().getFirst().provider())
          .as("luck %d", luck)
          .isEqualTo(Sample.provider(6));
    }
  }

  @Test
  void eventsAboutBondsKeepTheirBytes() {
    List<Event> events =
        List.of(
            new Event.BondSeen(Sample.provider(2), new Bond(300, Optional.of(Sample.ALICE), 2), 7),
            new Event.BondSeen(Sample.provider(2), new Bond(0, Optional.empty(), 9), 8),
            new Event.PenaltySeen(Sample.provider(2), 300, 9));
    byte[] bytes = EventCodec.encode(events);
    assertThat(EventCodec.decode(bytes)).isEqualTo(events);
    assertThat(java.util.HexFormat.of().formatHex(bytes))
        .isEqualTo(
            "01033b000000000000000002000000000000000000000002ac0201000000000000000100000000000000000000000102073b01000009083c01ac0209");
  }
}
