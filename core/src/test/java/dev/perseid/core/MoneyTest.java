package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/// Vouchers, purses, payments and epochs. A task of the sample job may cost 3 microcredits, and
/// costs 3.
class MoneyTest {
  private static final Address ALICE = Sample.ALICE;
  private static final Address BOB = Sample.BOB;
  private static final Address POOL = Sample.POOL;

  private static Report done(Lease lease) {
    return Sample.done(lease);
  }

  @Test
  void onAnEscrowATaskWaitsForAVoucherAndIsPaidByAnEpoch() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.join(1, 4);
    f.deposit(ALICE, 5_000_000);
    assertThat(f.pool.balance(ALICE)).isEqualTo(5_000_000);
    JobId job = f.submit(Sample.job(1, 3));
    assertThat(f.schedule(10)).as("nothing is covered").isEmpty();

    assertThat(f.pool.wanted(ALICE)).isEqualTo(new Wanted(ALICE, 3, 1_000_000, 0, 0));
    assertThat(f.pool.job(job).orElseThrow().voucher()).hasValue(3);
    Answer why = f.pool.why(job, null, f.nowUs);
    assertThat(why.sentence())
        .contains("work[0] waits: no voucher covers it")
        .contains("this may cost 0.000003 credits")
        .contains("sign a voucher over at least 3 microcredits");

    f.voucher(ALICE, 7);
    List<Lease> leases = f.schedule(10);
    assertThat(leases).as("7 cover two of 3 each").hasSize(2);
    assertThat(f.purse(ALICE).inFlight()).isEqualTo(6);
    assertThat(f.schedule(10)).isEmpty();
    f.report(done(leases.get(0)));
    f.report(done(leases.get(1)));
    assertThat(f.purse(ALICE)).extracting(PurseView::spent, PurseView::inFlight).contains(6L, 0L);
    assertThat(f.due(Sample.provider(1))).isEqualTo(6);
    assertThat(f.pool.balance(Sample.provider(1))).as("not to be spent here").isZero();
    assertThat(f.schedule(10)).as("1 of 7 is left").isEmpty();
    f.voucher(ALICE, 9);
    f.report(done(f.schedule(10).getFirst()));
    assertThat(f.pool.job(job).orElseThrow().state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.pool.balance(ALICE)).as("refunded at once").isEqualTo(5_000_000 - 9);

    Epoch epoch = f.close(0, 5);
    assertThat(epoch.vouchers()).containsExactly(new Voucher(ALICE, 9, Sample.SIGNATURE));
    assertThat(epoch.payouts()).containsExactly(new Payout(Sample.provider(1), 9, true));
    assertThat(epoch.leastEarned()).isEqualTo(9);
    assertThat(f.run(new Command.CloseEpoch(0, 0, 9, Sample.hash(1))).getFirst())
        .as("only one at a time")
        .isInstanceOf(Event.Refused.class);
    f.confirm(epoch);
    assertThat(f.due(Sample.provider(1))).isZero();
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(9);
    assertThat(f.pool.earned()).isEqualTo(9);
    assertThat(f.pool.issued()).isEqualTo(5_000_000 - 9);
    assertThat(f.run(new Command.CloseEpoch(0, 0, 3, Sample.hash(1))))
        .as("nothing is new")
        .isEmpty();
    f.see(ALICE, 5_000_000, 9, 0);
    assertThat(f.effects).as("the chain says what is known").isEmpty();
  }

  @Test
  void onCreditsTheSameHappensInsideTheLog() {
    MoneyFixture f = MoneyFixture.onCredits();
    f.run(new Command.Grant(ALICE, 1_000_000, "start"));
    f.join(1, 4);
    f.submit(Sample.job(1, 1));
    assertThat(f.schedule(10)).isEmpty();
    f.voucher(ALICE, 3);
    f.report(done(f.schedule(10).getFirst()));
    assertThat(f.due(Sample.provider(1))).isEqualTo(3);
    Epoch epoch = f.close(0, 1_000);
    f.run(new Command.ConfirmEpoch(epoch.number()));
    assertThat(f.pool.balance(Sample.provider(1))).as("spendable on credits").isEqualTo(3);
    assertThat(f.purse(Sample.provider(1)).funded()).isEqualTo(3);
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(3);
    assertThat(f.run(new Command.ConfirmEpoch(epoch.number()))).as("again").isEmpty();
  }
}
