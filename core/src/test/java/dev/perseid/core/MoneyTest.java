package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
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

  // ---- vouchers -------------------------------------------------------------------------------

  @Test
  void vouchersThatAreOfNoUseAreRefusedWithWhatToSignInstead() {
    MoneyFixture f = MoneyFixture.onEscrow();
    Rejection.Code invalid = Rejection.Code.INVALID;
    f.refused(
        MoneyFixture.take(BOB, 5),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "has nothing that a voucher could promise",
        "deposit into your purse for pool " + MoneyFixture.IDENTITY,
        "on chain 31337");
    f.deposit(ALICE, 1_000_000);
    f.refused(
        MoneyFixture.take(ALICE, 1_000_001),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "above the 1 credits that came into the account in all",
        "at most 1000000 microcredits");
    f.refused(MoneyFixture.take(ALICE, 0), Rejection.Code.STALE, "worth nothing any more");
    f.refused(MoneyFixture.take(ALICE, -1), Rejection.Code.STALE, "worth nothing any more");
    f.refused(
        MoneyFixture.take(ALICE, Long.MAX_VALUE),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "at most 1000000 microcredits");
    f.refused(
        new Command.TakeVoucher(new Voucher(ALICE, 5, "")), invalid, "signature has none or more");
    f.refused(new Command.TakeVoucher(new Voucher(ALICE, 5, "a".repeat(2_051))), invalid, "2050");

    f.join(1, 4);
    f.submit(Sample.job(1, 3));
    f.voucher(ALICE, 6);
    f.voucher(ALICE, 3);
    assertThat(f.run(MoneyFixture.take(ALICE, 3))).as("the same again").isEmpty();
    f.schedule(10).forEach(lease -> f.report(done(lease)));
    assertThat(f.purse(ALICE).spent()).isEqualTo(6);
    f.refused(
        MoneyFixture.take(ALICE, 5),
        invalid,
        "below the 0.000006 credits that were spent",
        "sign one over 6 microcredits or more");
    f.confirm(f.close(0, 1));
    f.refused(
        MoneyFixture.take(ALICE, 6),
        Rejection.Code.STALE,
        "0.000006 credits have been redeemed",
        "sign one over 6 microcredits or more");
  }

  @Test
  void aPoolOfPlainCreditsTakesNoVouchersAndNeedsNone() {
    MoneyFixture f = new MoneyFixture();
    f.run(new Command.Grant(ALICE, 1_000_000, ""));
    f.refused(MoneyFixture.take(ALICE, 5), Rejection.Code.INVALID, "asks for no vouchers");
    f.refused(
        new Command.CloseEpoch(0, 0, 0, Hash.ZERO), Rejection.Code.INVALID, "nothing to settle");
    f.refused(new Command.AskExit(ALICE), Rejection.Code.INVALID, "ask its operator");
    Rejection.Code no = Rejection.Code.INVALID;
    String chain = "credits, which lie on no chain";
    f.refused(new Command.SeePurse(new ChainPurse(ALICE, 1, 0, 0), 1), no, chain);
    f.refused(new Command.SeePaid(ALICE, 1, 1), no, chain);
    f.refused(new Command.SeeBlock(1, 1), no, chain);
    f.refused(new Command.TakePayment(ALICE, 1, Sample.hash(1)), no, chain);
    f.refused(new Command.ReturnPayment(ALICE), no, chain);
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    f.report(done(f.schedule(1).getFirst()));
    assertThat(f.pool.balance(Sample.provider(1))).as("spendable at once").isEqualTo(3);
    assertThat(f.pool.purses()).isEmpty();
  }

  @Test
  void aLadderHasAsManyRungsAsItMayAndForgetsThoseThatAreMissedLeast() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    for (int i = 1; i <= Limits.VOUCHER_RUNGS; i++) {
      f.voucher(ALICE, 3L * i);
    }
    f.voucher(ALICE, 1_000);
    assertThat(f.purse(ALICE).vouchers())
        .as("one that is missed least was forgotten")
        .hasSize(Limits.VOUCHER_RUNGS)
        .extracting(Voucher::cumulative)
        .startsWith(3L, 9L)
        .endsWith(1_000L);
    f.join(1, 8);
    f.submit(Sample.job(1, 3));
    f.schedule(10).forEach(lease -> f.report(done(lease)));
    f.voucher(ALICE, 2_000);
    assertThat(f.purse(ALICE).vouchers())
        .as("9 is the highest that was used up")
        .hasSize(Limits.VOUCHER_RUNGS)
        .first()
        .extracting(Voucher::cumulative)
        .isEqualTo(9L);
    Epoch epoch = f.close(0, 1);
    assertThat(epoch.vouchers()).extracting(Voucher::cumulative).containsExactly(9L);
  }

  @Test
  void aBudgetBeyondThePurseIsRefusedAndATabBeyondTheCoverNamesTheVoucher() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 500_000);
    f.refused(
        new Command.SubmitJob(Sample.job(1, 1), Sample.SIGNATURE),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "has 0.5 credits",
        "deposit into your purse");
    f.refused(
        new Command.FillTab(ALICE, 600_000), Rejection.Code.INSUFFICIENT_CREDITS, "deposit into");
    f.refused(
        new Command.FillTab(ALICE, 1_000),
        Rejection.Code.UNCOVERED,
        "sign a voucher over at least 1000 microcredits");
    assertThat(f.pool.wanted(ALICE, 1_000)).isEqualTo(new Wanted(ALICE, 1_000, 0, 0, 0));
    assertThat(f.pool.wanted(ALICE, 700_000).missing()).isEqualTo(200_000);
    assertThat(f.pool.wanted(BOB, 7)).isEqualTo(new Wanted(BOB, 7, 0, 0, 7));
    f.voucher(ALICE, 1_500);
    f.one(Event.TabFilled.class, new Command.FillTab(ALICE, 1_000));
    assertThat(f.purse(ALICE).inFlight()).isEqualTo(1_000);
    f.refused(
        new Command.FillTab(ALICE, 501),
        Rejection.Code.UNCOVERED,
        "0.001 credits may be by what runs",
        "over at least 1501 microcredits");
    f.one(Event.TabEmptied.class, new Command.EmptyTab(ALICE));
    assertThat(f.purse(ALICE).inFlight()).isZero();
    f.refused(new Command.Grant(ALICE, 5, ""), Rejection.Code.INVALID, "cannot be granted");
    assertThat(f.run(new Command.Welcome(BOB, 5))).as("nobody is welcomed on a chain").isEmpty();
  }

  // ---- the chain ------------------------------------------------------------------------------

  @Test
  void aChainThatWasNotSeenForHoursBuysNothingNewAndEndsNothing() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 5_000_000);
    f.voucher(ALICE, 1_000_000);
    f.join(1, 1);
    JobId job = f.submit(Sample.job(1, 3));
    f.block();
    f.nowUs += MoneyFixture.HOUR_US;
    Lease afterAnHour = f.schedule(1).getFirst();
    f.nowUs += 6 * MoneyFixture.HOUR_US;
    f.report(done(afterAnHour));
    assertThat(f.due(Sample.provider(1))).as("what began is paid").isEqualTo(3);
    assertThat(f.pool.trustsVouchers(f.nowUs)).isFalse();
    assertThat(f.schedule(1)).as("nothing new after six hours").isEmpty();
    assertThat(f.pool.why(job, null, f.nowUs).sentence())
        .contains("the chain was not seen for 420 minutes");
    f.refused(
        new Command.FillTab(ALICE, 5), Rejection.Code.UNCOVERED, "wait until the pool sees it");
    f.block();
    assertThat(f.schedule(1)).as("it is seen again").hasSize(1);
  }

  @Test
  void blocksThatAreOldGoBackOrComeTooOftenAreNotNoted() {
    MoneyFixture f = MoneyFixture.onEscrow();
    long first = f.nowUs;
    assertThat(f.run(new Command.SeeBlock(101, first + 1))).as("too soon").isEmpty();
    f.nowUs += MoneyFixture.HOUR_US;
    f.one(Event.BlockSeen.class, new Command.SeeBlock(200, f.nowUs + 5));
    assertThat(f.pool.block()).isEqualTo(200);
    f.refused(new Command.SeeBlock(199, f.nowUs), Rejection.Code.STALE, "before block 200");
    f.refused(new Command.SeeBlock(201, first), Rejection.Code.STALE, "older than the one before");
    f.refused(
        new Command.SeePurse(new ChainPurse(ALICE, 5, 0, 0), 150), Rejection.Code.STALE, "200");
    f.refused(new Command.SeePaid(ALICE, 5, 150), Rejection.Code.STALE, "200");
  }

  @Test
  void whatAChainCannotSayIsRefused() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000);
    f.voucher(ALICE, 900);
    f.see(ALICE, 1_000, 900, 0);
    assertThat(f.purse(ALICE))
        .as("somebody redeemed it before it was spent: still the consumer's")
        .extracting(PurseView::redeemed, PurseView::spent, PurseView::cover)
        .containsExactly(900L, 0L, 900L);
    assertThat(f.pool.balance(ALICE)).isEqualTo(1_000);
    long block = f.block + 1;
    Rejection.Code invalid = Rejection.Code.INVALID;
    f.refused(
        new Command.SeePurse(new ChainPurse(ALICE, 1_000, 899, 0), block),
        invalid,
        "never goes back");
    f.refused(new Command.SeePurse(new ChainPurse(ALICE, 10, 11, 0), block), invalid, "is none");
    f.refused(new Command.SeePurse(new ChainPurse(ALICE, 10, -1, 0), block), invalid, "is none");
    f.refused(new Command.SeePaid(ALICE, 5, block), invalid, "which was due only 0 in all");
  }

  @Test
  void moreThanAPoolCanCountCountsVisiblyOnlySoFar() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(BOB, 1_000);
    List<Event> events =
        f.run(new Command.SeePurse(new ChainPurse(ALICE, Long.MAX_VALUE, 0, 0), ++f.block));
    assertThat(events).hasSize(2);
    assertThat(((Event.Refused) events.getFirst()).rejection().message())
        .contains("holds 9223372036854775807 microcredits, of which 999999999999999000 count");
    assertThat(f.pool.balance(ALICE)).isEqualTo(Limits.CREDITS - 1_000);
    f.refused(
        new Command.TakePayment(Sample.provider(9), 1, Sample.hash(1)),
        Rejection.Code.INVALID,
        "at most 0 can be counted yet");
    f.voucher(ALICE, Limits.CREDITS - 1_000);
    f.see(ALICE, 0, 0, 0);
    assertThat(f.pool.issued()).as("it left again").isEqualTo(1_000);
  }

  // ---- leaving --------------------------------------------------------------------------------

  @Test
  void whoLeavesHasItsJobsEndedAndWhatRanIsRedeemedFirst() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 5_000_000);
    f.join(1, 4);
    JobId job = f.submit(Sample.job(1, 4));
    f.voucher(ALICE, 100);
    List<Lease> leases = f.schedule(2);
    f.report(done(leases.getFirst()));
    long leavingUs = f.nowUs + 4 * MoneyFixture.DAY_US;
    f.see(ALICE, 5_000_000, 0, leavingUs);
    assertThat(f.pool.job(job).orElseThrow().state()).isEqualTo(Event.JobState.CANCELLED);
    assertThat(f.pool.job(job).orElseThrow().reason()).contains("is leaving the pool");
    assertThat(f.purse(ALICE).leavingAtUs()).hasValue(leavingUs);
    f.refused(
        new Command.SubmitJob(Sample.job(2, 1), Sample.SIGNATURE),
        Rejection.Code.FORBIDDEN,
        "is leaving the pool: cancel the exit first");
    f.refused(new Command.FillTab(ALICE, 5), Rejection.Code.UNCOVERED, "is leaving the pool");
    f.report(Sample.stopped(leases.get(1)));
    assertThat(f.purse(ALICE).spent()).isEqualTo(6);

    Epoch epoch = f.close(1_000_000, 0);
    assertThat(epoch.vouchers())
        .as("worth more than was spent, less than it costs, and yet redeemed")
        .extracting(Voucher::cumulative)
        .containsExactly(100L);
    assertThat(epoch.payouts())
        .as("what is beyond goes back to its consumer")
        .containsExactly(new Payout(ALICE, 94, true), new Payout(Sample.provider(1), 6, true));
    f.confirm(epoch);
    assertThat(f.pool.balance(ALICE)).isEqualTo(5_000_000 - 100);
    f.see(ALICE, 100, 100, 0);
    assertThat(f.pool.balance(ALICE)).isZero();
    assertThat(f.pool.issued()).isZero();
    assertThat(f.pool.lost()).isZero();
    f.deposit(ALICE, 1_000_100);
    f.submit(Sample.job(3, 1));
    assertThat(f.schedule(1)).as("it came back and its old vouchers are used up").isEmpty();
  }

  @Test
  void whoTookOutWhatItHadSpentOwesIt() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.join(1, 4);
    f.submit(Sample.job(1, 4));
    f.voucher(ALICE, 100);
    List<Lease> leases = f.schedule(4);
    leases.subList(0, 3).forEach(lease -> f.report(done(lease)));
    // The pool saw nothing for days; the exit is over. One lease still runs.
    f.see(ALICE, 0, 0, 0);
    assertThat(f.purse(ALICE).lost()).as("9 spent, 3 held").isEqualTo(9 + 3);
    assertThat(f.pool.balance(ALICE)).isZero();
    f.report(Sample.ended(leases.get(3), Outcome.PROVIDER_FAILED, "engine died"));
    assertThat(f.purse(ALICE).lost()).as("what came back makes it good").isEqualTo(9);
    assertThat(f.pool.lost()).isEqualTo(9);
    f.refused(
        new Command.SubmitJob(Sample.job(2, 1), Sample.SIGNATURE),
        Rejection.Code.FORBIDDEN,
        "owes 0.000009 credits that it spent and took out");
    f.see(ALICE, 5, 0, 0);
    assertThat(f.pool.lost()).isEqualTo(4);
    assertThat(f.pool.balance(ALICE)).isZero();
    f.see(ALICE, 30, 0, 0);
    assertThat(f.pool.lost()).isZero();
    assertThat(f.pool.balance(ALICE)).isEqualTo(21);
    Epoch epoch = f.close(0, 1);
    assertThat(epoch.vouchers()).as("the old voucher is over more than was spent").isEmpty();
    f.confirm(epoch);
    f.voucher(ALICE, 9);
    f.confirm(f.close(0, 1));
    assertThat(f.due(Sample.provider(1))).isZero();
  }

  @Test
  void nearTheEndOfAnExitWhatStillRunsIsRedeemedToo() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.join(1, 4);
    f.submit(Sample.job(1, 4));
    f.voucher(ALICE, 3);
    f.voucher(ALICE, 6);
    f.voucher(ALICE, 50);
    List<Lease> leases = f.schedule(4);
    f.report(done(leases.getFirst()));
    f.see(ALICE, 1_000_000, 0, f.nowUs + 4 * MoneyFixture.DAY_US);
    assertThat(f.purse(ALICE).inFlight()).isEqualTo(9);
    Epoch early = f.close(0, 0);
    assertThat(early.vouchers()).extracting(Voucher::cumulative).containsExactly(3L);
    f.confirm(early);
    f.nowUs += 3 * MoneyFixture.DAY_US + 1;
    Epoch late = f.close(0, 0);
    assertThat(late.vouchers()).extracting(Voucher::cumulative).containsExactly(50L);
    f.confirm(late);
    f.see(ALICE, 50, 50, 0);
    assertThat(f.pool.lost()).isZero();
    f.report(done(leases.get(1)));
    f.report(done(leases.get(2)));
    f.report(Sample.stopped(leases.get(3)));
    assertThat(f.due(Sample.provider(1))).isEqualTo(9);
    f.see(ALICE, 50, 50, f.nowUs + MoneyFixture.DAY_US);
    Epoch rest = f.close(0, 0);
    assertThat(rest.payouts())
        .containsExactly(new Payout(ALICE, 38, true), new Payout(Sample.provider(1), 12, true));
    f.confirm(rest);
  }

  @Test
  void whoIsGoneWithoutAWordIsRedeemedAfterAWhile() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    f.voucher(ALICE, 500);
    f.report(done(f.schedule(1).getFirst()));
    Epoch none = f.close(0, 1);
    assertThat(none.vouchers()).as("500 is above the 3 that were spent").isEmpty();
    assertThat(none.payouts())
        .as("the till is empty")
        .extracting(Payout::pushed)
        .containsOnly(false);
    f.confirm(none);
    f.nowUs += 8 * MoneyFixture.DAY_US;
    Epoch epoch = f.close(100, 1);
    assertThat(epoch.vouchers()).extracting(Voucher::cumulative).containsExactly(500L);
    f.confirm(epoch);
    assertThat(f.pool.account(ALICE).paid()).isEqualTo(497);
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(3);
  }

  @Test
  void aVoucherAloneIsNoUse() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    f.voucher(ALICE, 500);
    f.report(done(f.schedule(1).getFirst()));
    f.nowUs += 6 * MoneyFixture.DAY_US;
    f.voucher(ALICE, 501);
    f.nowUs += 2 * MoneyFixture.DAY_US;
    Epoch epoch = f.close(1, 1);
    assertThat(epoch.vouchers()).extracting(Voucher::cumulative).containsExactly(500L);
    assertThat(epoch.payouts()).contains(new Payout(ALICE, 500 - 3, true));
    f.confirm(epoch);
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(3);
  }

  /// It signs more each day, never what it spent exactly, has something running all the time, and
  /// all that it has reserved.
  @Test
  void whoSignsOnAndOnBeyondWhatItSpentIsRedeemedAllTheSame() {
    MoneyFixture f = MoneyFixture.onEscrow();
    long budget = Sample.job(1, 4).budget();
    f.deposit(ALICE, budget);
    f.join(1, 4);
    f.submit(Sample.job(1, 4));
    f.voucher(ALICE, 500);
    List<Lease> leases = f.schedule(4);
    f.report(done(leases.getFirst()));
    assertThat(f.pool.account(ALICE).balance()).as("all is reserved").isZero();
    for (int day = 1; day <= 7; day++) {
      f.nowUs += MoneyFixture.DAY_US;
      f.voucher(ALICE, 500 + day);
      assertThat(f.run(new Command.CloseEpoch(1, 1, 0, Hash.ZERO)))
          .as("day %d", day)
          .filteredOn(e -> e instanceof Event.EpochClosed c && !c.epoch().vouchers().isEmpty())
          .isEmpty();
      f.pool.closedEpoch().ifPresent(f::confirm);
      if (day == 3) {
        // A charge in between makes nothing younger that waits.
        f.report(done(leases.get(1)));
      }
    }
    f.nowUs += MoneyFixture.DAY_US;
    f.voucher(ALICE, 600);
    Epoch epoch = f.close(1, 1);
    assertThat(epoch.vouchers()).extracting(Voucher::cumulative).containsExactly(500L);
    f.confirm(epoch);
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(6);
    assertThat(f.purse(ALICE)).extracting(PurseView::redeemed, PurseView::spent).contains(500L, 6L);
    assertThat(f.due(ALICE)).as("it works on: what is beyond is still its to spend").isZero();
    f.see(ALICE, budget, 500, 0);

    // What it spends now was redeemed ahead; when it is gone, the rest is given back.
    f.report(done(leases.get(2)));
    f.report(done(leases.get(3)));
    f.nowUs += 6 * MoneyFixture.DAY_US;
    Epoch between = f.close(1, 1);
    assertThat(between.vouchers()).isEmpty();
    f.confirm(between);
    assertThat(f.due(ALICE)).isZero();
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(12);
    f.nowUs += 2 * MoneyFixture.DAY_US;
    Epoch last = f.close(1, 1);
    assertThat(last.payouts()).contains(new Payout(ALICE, 500 - 12, true));
    f.confirm(last);
  }

  @Test
  void aVoucherWithinWhatWasSpentLetsTheRestWaitFromThenOn() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.join(1, 4);
    f.submit(Sample.job(1, 4));
    f.voucher(ALICE, 5);
    f.voucher(ALICE, 500);
    List<Lease> leases = f.schedule(4);
    f.report(done(leases.get(0)));
    f.nowUs += 6 * MoneyFixture.DAY_US;
    f.report(done(leases.get(1)));
    f.nowUs += 2 * MoneyFixture.DAY_US;
    Epoch epoch = f.close(1, 1);
    assertThat(epoch.vouchers()).extracting(Voucher::cumulative).containsExactly(5L);
    f.confirm(epoch);
    f.nowUs += 6 * MoneyFixture.DAY_US;
    assertThat(f.close(1, 1).vouchers()).extracting(Voucher::cumulative).containsExactly(500L);
  }

  @Test
  void onCreditsAConsumerLeavesByItself() {
    MoneyFixture f = MoneyFixture.onCredits();
    f.run(new Command.Grant(ALICE, 2_000_000, ""));
    f.join(1, 1);
    f.submit(Sample.job(1, 2));
    f.voucher(ALICE, 3);
    Lease lease = f.schedule(1).getFirst();
    f.refused(new Command.Exit(ALICE), Rejection.Code.INVALID, "ask to leave first");
    f.refused(new Command.AskExit(BOB), Rejection.Code.INVALID, "has nothing here");
    f.one(Event.ExitAsked.class, new Command.AskExit(ALICE));
    assertThat(f.run(new Command.AskExit(ALICE))).as("twice").isEmpty();
    f.refused(new Command.Exit(ALICE), Rejection.Code.INVALID, "it may leave in 345600 s");
    f.one(Event.ExitCancelled.class, new Command.CancelExit(ALICE));
    f.one(Event.ExitAsked.class, new Command.AskExit(ALICE));
    f.nowUs += 4 * MoneyFixture.DAY_US;
    f.refused(new Command.Exit(ALICE), Rejection.Code.INVALID, "may still cost 0.000003 credits");
    f.report(Sample.stopped(lease));
    assertThat(f.one(Event.Exited.class, new Command.Exit(ALICE)).amount()).isEqualTo(1_999_997);
    assertThat(f.pool.issued()).isEqualTo(3);
    assertThat(f.pool.balance(ALICE)).isZero();
    f.run(new Command.ConfirmEpoch(f.close(0, 0).number()));
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
  }

  @Test
  void aPurseThatWasEmptiedWhileItsEpochWasUnderWayIsSeenBeforeTheEpochCounts() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.voucher(ALICE, 3);
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    f.report(done(f.schedule(1).getFirst()));
    Epoch epoch = f.close(0, 1_000_000);
    assertThat(epoch.vouchers()).hasSize(1);
    f.see(ALICE, 0, 0, 0);
    f.run(new Command.ConfirmEpoch(epoch.number()));
    assertThat(f.purse(ALICE).redeemed()).as("nothing was").isZero();
    assertThat(f.purse(ALICE).lost()).isEqualTo(3);
    // What the chain says later is no contradiction.
    f.see(ALICE, 50, 0, 0);
    assertThat(f.purse(ALICE).funded()).isEqualTo(50);
    assertThat(f.purse(ALICE).lost()).isZero();
  }

  // ---- payments ahead -------------------------------------------------------------------------

  @Test
  void aPaymentNeedsNoVoucherCountsOnceAndWhatIsLeftIsPaidBack() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.join(1, 1);
    Hash payment = Sample.hash(77);
    f.one(Event.PaymentTaken.class, new Command.TakePayment(ALICE, 1_000_000, payment));
    assertThat(f.run(new Command.TakePayment(ALICE, 1_000_000, payment))).as("again").isEmpty();
    f.refused(
        new Command.TakePayment(BOB, 1_000_000, payment),
        Rejection.Code.FORBIDDEN,
        "was taken already, as 1 credits of " + ALICE);
    f.refused(new Command.TakePayment(ALICE, 0, Sample.hash(78)), Rejection.Code.INVALID, "of 0");
    f.refused(new Command.TakePayment(POOL, 5, Sample.hash(78)), Rejection.Code.INVALID, "pays");
    f.refused(new Command.ReturnPayment(BOB), Rejection.Code.UNKNOWN, "paid nothing ahead");
    assertThat(f.pool.taken()).isEqualTo(1_000_000);
    f.submit(Sample.job(1, 2));
    f.report(done(f.schedule(1).getFirst()));
    assertThat(f.purse(ALICE)).extracting(PurseView::spent, PurseView::prepaid).contains(0L);
    assertThat(f.purse(POOL).spent()).as("the pool's own purse pays it").isEqualTo(3);
    assertThat(f.close(0, 1).vouchers()).as("it has not signed yet").isEmpty();
    f.confirm(f.pool.closedEpoch().orElseThrow());

    f.run(new Command.CancelJob(JobId.of(ALICE, 1), ALICE, false));
    f.one(Event.PaymentReturned.class, new Command.ReturnPayment(ALICE));
    assertThat(f.run(new Command.ReturnPayment(ALICE))).as("nothing is left").isEmpty();
    assertThat(f.due(ALICE)).isEqualTo(999_997);
    // The pool puts what it took into its own purse and signs for what was spent of it.
    f.deposit(POOL, 1_500_000);
    assertThat(f.pool.taken()).isZero();
    assertThat(f.pool.balance(POOL)).as("its own").isEqualTo(500_000);
    f.voucher(POOL, f.purse(POOL).spent());
    Epoch epoch = f.close(0, 1);
    assertThat(epoch.payouts())
        .containsExactly(new Payout(ALICE, 999_997, true), new Payout(Sample.provider(1), 3, true));
    f.confirm(epoch);
    assertThat(f.pool.issued()).isEqualTo(500_000);
  }

  @Test
  void aPaymentThatTheChainTookBackCostsThePoolWhatWasSpentOfItAndThePayerTheRest() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.join(1, 1);
    Hash payment = Sample.hash(77);
    f.one(Event.PaymentTaken.class, new Command.TakePayment(ALICE, 1_000_000, payment));
    f.submit(Sample.job(1, 1));
    f.report(done(f.schedule(1).getFirst()));
    f.refused(
        new Command.ReversePayment(BOB, payment), Rejection.Code.FORBIDDEN, "one of " + ALICE);
    Event.PaymentReversed reversed =
        f.one(Event.PaymentReversed.class, new Command.ReversePayment(ALICE, payment));
    assertThat(reversed.left()).isEqualTo(999_997);
    assertThat(f.pool.balance(ALICE)).as("it has paid nothing").isZero();
    assertThat(f.purse(ALICE)).extracting(PurseView::prepaid, PurseView::lost).contains(0L);
    assertThat(f.pool.taken()).isZero();
    assertThat(f.purse(POOL).lost()).as("what was earned of it").isEqualTo(3);
    assertThat(f.due(Sample.provider(1))).isEqualTo(3);
    assertThat(f.run(new Command.ReversePayment(ALICE, payment))).as("again").isEmpty();
    assertThat(f.run(new Command.ReturnPayment(ALICE))).as("nothing is left").isEmpty();

    // The pool puts in what is missing: it makes the loss good, and whoever earned it is paid.
    f.deposit(POOL, 10);
    assertThat(f.purse(POOL).lost()).isZero();
    assertThat(f.pool.balance(POOL)).isEqualTo(7);
    f.voucher(POOL, f.purse(POOL).spent());
    Epoch epoch = f.close(0, 1);
    assertThat(epoch.payouts()).containsExactly(new Payout(Sample.provider(1), 3, true));
    f.confirm(epoch);

    // If the chain has it after all, it is taken like any.
    f.one(Event.PaymentTaken.class, new Command.TakePayment(ALICE, 1_000_000, payment));
    assertThat(f.pool.balance(ALICE)).isEqualTo(1_000_000);
  }

  @Test
  void whatThePoolPutInForAPaymentThatIsNotThereIsItsOwn() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.one(Event.PaymentTaken.class, new Command.TakePayment(ALICE, 1_000, Sample.hash(1)));
    // Out of its own pocket, as it turns out.
    f.deposit(POOL, 1_000);
    assertThat(f.pool.taken()).isZero();
    f.one(Event.TabFilled.class, new Command.FillTab(ALICE, 400));
    assertThat(
            f.one(Event.PaymentReversed.class, new Command.ReversePayment(ALICE, Sample.hash(1)))
                .left())
        .as("what runs is not taken back")
        .isEqualTo(600);
    assertThat(f.pool.balance(POOL)).isEqualTo(600);
    assertThat(f.pool.lost()).isZero();
  }

  @Test
  void whateverIsTakenAndTakenBackTheBooksHold() {
    int reversed = 0;
    int lossy = 0;
    for (long seed = 1; seed <= 20; seed++) {
      Random random = new Random(seed);
      MoneyFixture f = MoneyFixture.onEscrow();
      List<Address> payers = List.of(ALICE, BOB);
      for (int step = 0; step < 600; step++) {
        Address who = payers.get(random.nextInt(2));
        Hash payment = Sample.hash(1_000 + random.nextInt(12));
        switch (random.nextInt(7)) {
          case 0, 1 -> f.run(new Command.TakePayment(who, 1 + random.nextInt(500), payment));
          case 2 -> f.run(new Command.FillTab(who, 1 + random.nextInt(200)));
          case 3 -> f.run(new Command.EmptyTab(who));
          case 4 -> f.run(new Command.ReturnPayment(who));
          case 5 -> f.deposit(POOL, f.purse(POOL).funded() + random.nextInt(300));
          default -> {
            List<Event> events = f.run(new Command.ReversePayment(who, payment));
            reversed += events.stream().anyMatch(Event.PaymentReversed.class::isInstance) ? 1 : 0;
            lossy += f.pool.lost() > 0 ? 1 : 0;
          }
        }
        assertThat(f.pool.sumOfAccounts()).as("seed %d, step %d", seed, step).isZero();
      }
    }
    assertThat(reversed).as("payments that were taken back").isGreaterThan(100);
    assertThat(lossy).as("and of which something was spent").isPositive();
  }

  @Test
  void whatRunsOnAPaymentIsNotPaidBack() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.one(Event.PaymentTaken.class, new Command.TakePayment(ALICE, 1_000, Sample.hash(1)));
    f.one(Event.TabFilled.class, new Command.FillTab(ALICE, 400));
    assertThat(f.one(Event.PaymentReturned.class, new Command.ReturnPayment(ALICE)).amount())
        .isEqualTo(600);
    f.refused(
        new Command.FillTab(ALICE, 1), Rejection.Code.INSUFFICIENT_CREDITS, "has 0 credits free");
  }

  @Test
  void auditsArePaidAheadByThePool() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(POOL, 1_000);
    Address auditor = new Address(5, 5, 5);
    f.one(Event.AuditsFunded.class, new Command.FundAudits(auditor, 100, 600));
    assertThat(f.purse(auditor).prepaid()).isEqualTo(600);
    f.one(Event.TabFilled.class, new Command.FillTab(auditor, 500));
    f.one(Event.TabEmptied.class, new Command.EmptyTab(auditor));
    f.one(Event.AuditsClosed.class, new Command.CloseAudits(auditor));
    assertThat(f.pool.balance(POOL)).isEqualTo(1_000);
    assertThat(f.purse(auditor).prepaid()).isZero();
  }

  // ---- epochs ---------------------------------------------------------------------------------

  /// Alice, Bob and others each run one task of their own at provider 1.
  private static List<Address> spenders(MoneyFixture f, int count, long[] spend) {
    List<Address> all = new ArrayList<>();
    f.join(1, 64);
    for (int i = 0; i < count; i++) {
      Address who = new Address(3, 0, i);
      all.add(who);
      f.deposit(who, 10_000);
      f.voucher(who, spend[i] * 3);
      List<TaskSpec> tasks = new ArrayList<>();
      for (int t = 0; t < spend[i]; t++) {
        tasks.add(Sample.task(t));
      }
      JobSpec like = Sample.job(i, 0, 10_000, List.of(Sample.kind("work")), tasks);
      f.submit(new JobSpec(who, i, "j", 0, 10_000, like.kinds(), like.tasks(), like.results()));
      f.schedule(100).forEach(lease -> f.report(done(lease)));
    }
    return all;
  }

  @Test
  void anEpochRedeemsWhatBringsMostAndLeavesWhatIsNotWorthItsGas() {
    MoneyFixture f = MoneyFixture.onEscrow();
    List<Address> who = spenders(f, 4, new long[] {2, 1, 3, 1});
    f.see(who.get(3), 10_000, 0, f.nowUs + 4 * MoneyFixture.DAY_US);
    Epoch epoch = f.close(6, 0);
    assertThat(epoch.vouchers())
        .as("leaving first, then by gain; 3 of the second is below 6")
        .extracting(Voucher::consumer)
        .containsExactly(who.get(3), who.get(2), who.get(0));
    assertThat(epoch.leastEarned()).isEqualTo(3 + 9 + 6);
    assertThat(epoch.payouts())
        .as("21 are due, 18 will be in the till")
        .containsExactly(new Payout(Sample.provider(1), 21, false));
    f.confirm(epoch);
    f.run(new Command.SeePaid(Sample.provider(1), 18, ++f.block));
    assertThat(f.due(Sample.provider(1))).isEqualTo(3);
    assertThat(f.run(new Command.SeePaid(Sample.provider(1), 18, f.block))).isEmpty();
    f.refused(
        new Command.SeePaid(Sample.provider(1), 17, f.block),
        Rejection.Code.STALE,
        "never goes back");
    f.refused(
        new Command.SeePaid(Sample.provider(1), 22, f.block),
        Rejection.Code.INVALID,
        "was due only 21 in all: another pool pays under this identity");
    Epoch rest = f.close(0, 0);
    assertThat(rest.vouchers()).extracting(Voucher::consumer).containsExactly(who.get(1));
    assertThat(rest.payouts()).containsExactly(new Payout(Sample.provider(1), 21, true));
    f.confirm(rest);
    assertThat(f.due(Sample.provider(1))).isZero();
  }

  @Test
  void aPushThatTheTokenRefusesStaysDue() {
    MoneyFixture f = MoneyFixture.onEscrow();
    spenders(f, 1, new long[] {2});
    f.confirm(f.close(0, 0), Sample.provider(1));
    assertThat(f.due(Sample.provider(1))).isEqualTo(6);
    f.run(new Command.SeePaid(Sample.provider(1), 6, ++f.block));
    assertThat(f.due(Sample.provider(1))).isZero();
  }

  @Test
  void aClaimBetweenClosingAndSettlingIsNotPaidTwice() {
    MoneyFixture f = MoneyFixture.onEscrow();
    spenders(f, 1, new long[] {2});
    f.confirm(f.close(0, 1_000));
    assertThat(f.due(Sample.provider(1))).isEqualTo(6);
    f.submit(
        new JobSpec(
            new Address(3, 0, 0),
            99,
            "j",
            0,
            100,
            List.of(Sample.kind("work")),
            List.of(Sample.task(0)),
            List.of()));
    f.voucher(new Address(3, 0, 0), 9);
    f.report(done(f.schedule(1).getFirst()));
    Epoch epoch = f.close(0, 1);
    assertThat(epoch.payouts()).containsExactly(new Payout(Sample.provider(1), 9, true));
    f.run(new Command.SeePaid(Sample.provider(1), 6, ++f.block));
    f.confirm(epoch);
    assertThat(f.pool.account(Sample.provider(1)).paid()).isEqualTo(9);
    assertThat(f.pool.paidOut()).isEqualTo(9);
  }

  @Test
  void anEpochThatCannotBeSettledIsOpenedAgainWithoutTheDenied() {
    MoneyFixture f = MoneyFixture.onEscrow();
    List<Address> who = spenders(f, 2, new long[] {2, 1});
    Epoch epoch = f.close(0, 0);
    f.refused(new Command.ConfirmEpoch(7), Rejection.Code.UNKNOWN, "epoch 7 is not closed");
    f.refused(
        new Command.ReopenEpoch(2, List.of(), "?"),
        Rejection.Code.UNKNOWN,
        "epoch 2 is not closed");
    f.one(
        Event.EpochReopened.class,
        new Command.ReopenEpoch(epoch.number(), List.of(who.get(0)), "it reverted: EarnedLess"));
    Epoch again = f.close(0, 0);
    assertThat(again.number()).isEqualTo(epoch.number());
    assertThat(again.vouchers()).extracting(Voucher::consumer).containsExactly(who.get(1));
    assertThat(again.payouts()).extracting(Payout::pushed).containsExactly(false);
    f.run(
        new Command.ConfirmEpoch(
            again.number(), 0, List.of(who.get(1)), List.of(), Sample.hash(3), 300, 5));
    assertThat(f.pool.earned()).as("a contract denied").isZero();
    assertThat(f.purse(who.get(1)).vouchers()).isEmpty();
  }

  @Test
  void anEpochHasAnEndBelowTheGasOfATransaction() {
    MoneyFixture f = MoneyFixture.onEscrow();
    int count = 30;
    long[] each = new long[count];
    java.util.Arrays.fill(each, 1);
    spenders(f, count, each);
    Epoch epoch = f.close(0, 0);
    assertThat(epoch.vouchers()).hasSize(count).hasSizeLessThanOrEqualTo(Limits.EPOCH_VOUCHERS);
    assertThat(epoch.vouchers())
        .as("equal gains by address")
        .isSortedAccordingTo(java.util.Comparator.comparing(Voucher::consumer));
    f.refused(new Command.CloseEpoch(0, 0, 5, Hash.ZERO), Rejection.Code.INVALID, "closed already");
    f.confirm(epoch);
    f.refused(
        new Command.CloseEpoch(0, 0, 5, Hash.ZERO),
        Rejection.Code.INVALID,
        "over 5 records cannot follow one over 30");
  }

  // ---- moving a pool --------------------------------------------------------------------------

  private static Command.AdoptEscrow adopt(MoneyFixture f, ChainPurse... purses) {
    return adopt(f, Map.of(), purses);
  }

  private static Command.AdoptEscrow adopt(
      MoneyFixture f, Map<Address, Long> own, ChainPurse... purses) {
    return new Command.AdoptEscrow(MoneyFixture.ESCROW, List.of(purses), own, 0, f.block, f.nowUs);
  }

  @Test
  void aPoolMovesToAnEscrowUnderLoadAndNoBalanceIsLost() {
    MoneyFixture f = new MoneyFixture();
    f.run(new Command.Grant(ALICE, 2_000_000, ""));
    f.run(new Command.Grant(POOL, 1_000, ""));
    f.run(new Command.FundAudits(new Address(5, 5, 5), 1, 400));
    f.join(1, 4);
    JobId job = f.submit(Sample.job(1, 3));
    List<Lease> leases = f.schedule(2);
    f.report(done(leases.getFirst()));
    f.run(new Command.FillTab(ALICE, 500));

    f.refused(
        adopt(f),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "account "
            + ALICE
            + " has 1.999997 credits here and 0 credits were brought into its purse for pool",
        "deposit 1.999997 credits more");
    ChainPurse alice = new ChainPurse(ALICE, 3_000_000, 0, 0);
    ChainPurse provider = new ChainPurse(Sample.provider(1), 3, 0, 0);
    f.refused(
        adopt(f, alice, provider, new ChainPurse(POOL, 600, 0, 0)),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "account " + POOL + " has 0.001 credits here and 0.0006 credits",
        "deposit 0.0004 credits more");
    ChainPurse pool = new ChainPurse(POOL, 1_000, 0, 0);
    Rejection.Code invalid = Rejection.Code.INVALID;
    f.refused(
        adopt(f, new ChainPurse(ALICE, 3_000_000, 0, 5), provider, pool), invalid, "is leaving");
    f.refused(adopt(f, alice, alice, provider, pool), invalid, "named twice");
    f.refused(
        adopt(f, alice, provider, new ChainPurse(POOL, 1_000, 1, 0)), invalid, "were redeemed");
    f.refused(adopt(f, new ChainPurse(ALICE, -1, 0, 0)), invalid, "less than nothing");
    f.refused(
        adopt(f, alice, new ChainPurse(BOB, Long.MAX_VALUE, 0, 0)), invalid, "hold more than");
    f.refused(
        new Command.AdoptEscrow(MoneyFixture.ESCROW, List.of(alice), Map.of(), 3, 1, 1),
        invalid,
        "has settled 3 epochs already",
        "register a new one");

    f.one(Event.MoneyAdopted.class, adopt(f, alice, provider, pool));
    assertThat(f.pool.balance(ALICE)).as("what the purse has beyond is hers").isEqualTo(1_999_503);
    assertThat(f.pool.reserved(ALICE)).isEqualTo(1_000_000 - 3 + 500);
    assertThat(f.purse(ALICE).inFlight()).isEqualTo(3 + 500);
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
    assertThat(f.schedule(1)).as("from now on by voucher").isEmpty();
    f.report(done(leases.get(1)));
    assertThat(f.due(Sample.provider(1))).isEqualTo(3);
    assertThat(f.pool.wanted(ALICE).cumulative()).isEqualTo(3 + 500 + 3);
    f.voucher(ALICE, 506);
    f.report(done(f.schedule(1).getFirst()));
    assertThat(f.pool.job(job).orElseThrow().state()).isEqualTo(Event.JobState.DONE);
    assertThat(f.run(adopt(f, alice, provider, pool))).as("again").isEmpty();
    f.refused(
        new Command.AdoptEscrow(
            new Money.Escrow(1, MoneyFixture.CONTRACT, MoneyFixture.TOKEN, POOL),
            List.of(),
            Map.of(),
            0,
            1,
            1),
        invalid,
        "lies in the escrow " + MoneyFixture.CONTRACT + " of chain 31337 already");
    f.refused(new Command.RequireVouchers(), invalid, "asks for vouchers");
  }

  @Test
  void whatAConsumerPutInItselfPaysForNothingThatItHasHere() {
    MoneyFixture f = new MoneyFixture();
    f.run(new Command.Grant(ALICE, 1_000, ""));
    ChainPurse alice = new ChainPurse(ALICE, 1_700, 0, 0);
    f.refused(
        adopt(f, Map.of(ALICE, 900L), alice),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "account " + ALICE + " has 0.001 credits here and 0.0008 credits were brought",
        "deposit 0.0002 credits more");
    f.refused(adopt(f, Map.of(ALICE, 1_701L), alice), Rejection.Code.INVALID, "more than it has");
    f.refused(adopt(f, Map.of(ALICE, -1L), alice), Rejection.Code.INVALID, "less than nothing");
    f.one(Event.MoneyAdopted.class, adopt(f, Map.of(ALICE, 700L), alice));
    assertThat(f.pool.balance(ALICE)).as("its credits and what it put in").isEqualTo(1_700);
  }

  @Test
  void whatStrangersPutIntoAPurseOfAuditsIsNotThePools() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(POOL, 1_000);
    Address auditor = new Address(5, 5, 5);
    f.one(Event.AuditsFunded.class, new Command.FundAudits(auditor, 100, 600));
    f.deposit(auditor, 50);
    f.one(Event.AuditsClosed.class, new Command.CloseAudits(auditor));
    assertThat(f.pool.balance(POOL)).as("what its own purse backs").isEqualTo(1_000);
    assertThat(f.purse(auditor).prepaid()).isZero();
    assertThat(f.pool.balance(auditor)).as("nobody can sign for it").isEqualTo(50);
  }

  @Test
  void whatIsDueOnCreditsIsFreeAfterAMove() {
    MoneyFixture f = MoneyFixture.onCredits();
    f.run(new Command.Grant(ALICE, 1_000_000, ""));
    f.join(1, 1);
    f.submit(Sample.job(1, 1));
    f.voucher(ALICE, 3);
    f.report(done(f.schedule(1).getFirst()));
    Epoch epoch = f.close(0, 0);
    ChainPurse alice = new ChainPurse(ALICE, 999_997, 0, 0);
    f.refused(adopt(f, alice), Rejection.Code.INVALID, "epoch 1 is closed: confirm it first");
    f.run(new Command.ReopenEpoch(epoch.number(), List.of(), "moving"));
    f.refused(adopt(f, alice), Rejection.Code.INSUFFICIENT_CREDITS, "" + Sample.provider(1));
    f.one(Event.MoneyAdopted.class, adopt(f, alice, new ChainPurse(Sample.provider(1), 3, 0, 0)));
    assertThat(f.pool.balance(Sample.provider(1))).isEqualTo(3);
    assertThat(f.due(Sample.provider(1))).isZero();
    assertThat(f.purse(ALICE).vouchers()).as("signed for credits").isEmpty();
  }

  @Test
  void theOfferOfALeaseHoldsWhateverTheProviderAsksMeanwhile() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(ALICE, 1_000_000);
    f.voucher(ALICE, 6);
    f.join(1, 4);
    f.submit(Sample.job(1, 3));
    Lease lease = f.schedule(1).getFirst();
    Offer dear =
        new Offer(
            Sample.provider(1),
            "p1",
            "a machine",
            "here",
            4,
            8 * Sample.GB,
            new Price(5_000_000, 10, 100),
            Capability.UNMEASURED,
            2);
    f.run(Sample.join(dear, 2, lease.id()));
    assertThat(f.schedule(1)).as("the new price is not covered").isEmpty();
    assertThat(f.pool.wanted(ALICE).cumulative()).isEqualTo(3 + 5_000 + 2);
    List<Event> events =
        f.run(
            new Command.ReportAttempts(
                Sample.provider(1), 2, List.of(done(lease)), Sample.SIGNATURE));
    assertThat(events)
        .anyMatch(e -> e instanceof Event.AttemptEnded a && a.entry().record().charge() == 3);
  }
}
