package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// A pool whose money asks for vouchers. After each command what must hold of all money is checked,
/// and that a replay, a snapshot and the movements say the same.
final class MoneyFixture {
  static final Address CONTRACT = new Address(9, 0, 1);
  static final Address TOKEN = new Address(9, 0, 2);
  static final Address IDENTITY = new Address(9, 0, 3);
  static final Money.Escrow ESCROW = new Money.Escrow(31_337, CONTRACT, TOKEN, IDENTITY);
  static final long HOUR_US = 3_600L * 1_000_000;
  static final long DAY_US = 24 * HOUR_US;

  final Pool pool = Pool.empty(Sample.POOL);
  final List<Effect> effects = new ArrayList<>();
  final List<Event> log = new ArrayList<>();
  private final Pool replayed = Pool.empty(Sample.POOL);
  private final Statement statement = new Statement();
  long nowUs = 10 * DAY_US;
  long block = 100;

  static MoneyFixture onEscrow() {
    MoneyFixture f = new MoneyFixture();
    f.run(new Command.AdoptEscrow(ESCROW, List.of(), Map.of(), 0, f.block, f.nowUs));
    assertThat(f.pool.money()).isEqualTo(ESCROW);
    return f;
  }

  static MoneyFixture onCredits() {
    MoneyFixture f = new MoneyFixture();
    f.run(new Command.RequireVouchers());
    assertThat(f.pool.money()).isEqualTo(new Money.Credits(true));
    return f;
  }

  List<Event> run(Command command) {
    effects.clear();
    List<Event> events = pool.execute(command, nowUs, effects);
    log.addAll(events);
    assertThat(EventCodec.decode(EventCodec.encode(events))).isEqualTo(events);
    List<Effect> again = new ArrayList<>();
    for (Event event : EventCodec.decode(EventCodec.encode(events))) {
      List<Effect> ofOne = new ArrayList<>();
      replayed.apply(event, ofOne);
      for (Effect effect : ofOne) {
        if (effect instanceof Effect.StoreMovement(Movement movement)) {
          statement.add(movement, replayed.money().isVouched());
        }
      }
      again.addAll(ofOne);
    }
    assertThat(movements(again)).isEqualTo(movements(effects));
    check();
    return events;
  }

  private static List<Movement> movements(List<Effect> effects) {
    return effects.stream()
        .filter(Effect.StoreMovement.class::isInstance)
        .map(e -> ((Effect.StoreMovement) e).movement())
        .toList();
  }

  List<Movement> movements() {
    return movements(effects);
  }

  private void check() {
    assertThat(pool.digest()).as("a replay").isEqualTo(replayed.digest());
    assertThat(copy().digest()).as("a snapshot").isEqualTo(pool.digest());
    statement.compare(pool);
    checkMoney(pool);
  }

  /// What must hold of all money at any time.
  static void checkMoney(Pool pool) {
    assertThat(pool.sumOfAccounts()).as("sum of all accounts").isZero();
    if (!pool.money().isVouched()) {
      return;
    }
    long funded = 0;
    long redeemed = 0;
    long lost = 0;
    long prepaid = 0;
    for (Address who : pool.purses()) {
      PurseView p = pool.purse(who).orElseThrow();
      if (!who.equals(pool.self())) {
        prepaid += p.prepaid();
      }
    }
    for (Address who : pool.purses()) {
      PurseView p = pool.purse(who).orElseThrow();
      AccountView a = pool.account(who);
      long has = a.balance() + a.reserved();
      long should =
          who.equals(pool.self())
              ? p.funded() + pool.taken() - p.spent() - prepaid + p.lost()
              : p.funded() - p.spent() + p.lost() + p.prepaid();
      assertThat(has).as("what %s has, by its purse %s", who, p).isEqualTo(should);
      assertThat(p.redeemed()).as("redeemed of %s", who).isLessThanOrEqualTo(p.cover());
      assertThat(p.redeemed()).isLessThanOrEqualTo(p.funded());
      assertThat(p.vouchers().size()).isLessThanOrEqualTo(Limits.VOUCHER_RUNGS + 1);
      assertThat(p.inFlight()).isNotNegative();
      funded += p.funded();
      redeemed += p.redeemed();
      lost += p.lost();
    }
    assertThat(pool.issued()).isEqualTo(funded + pool.taken() - pool.paidOut());
    assertThat(pool.earned()).isEqualTo(redeemed);
    assertThat(pool.lost()).isEqualTo(lost);
    assertThat(pool.paidOut()).as("never more than the till had").isLessThanOrEqualTo(redeemed);
  }

  Pool copy() {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      pool.snapshot(new DataOutputStream(bytes));
      return Pool.restore(new DataInputStream(new ByteArrayInputStream(bytes.toByteArray())));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Exactly one refusal, which it returns.
  Rejection refused(Command command) {
    List<Event> events = run(command);
    assertThat(events).singleElement().isInstanceOf(Event.Refused.class);
    return ((Event.Refused) events.getFirst()).rejection();
  }

  void refused(Command command, Rejection.Code code, String... parts) {
    Rejection rejection = refused(command);
    assertThat(rejection.code()).as("%s", rejection).isEqualTo(code);
    assertThat(rejection.message()).contains(parts);
  }

  <T extends Event> T one(Class<T> type, Command command) {
    List<Event> events = run(command);
    return events.stream()
        .filter(type::isInstance)
        .map(type::cast)
        .reduce((a, b) -> {
          throw new AssertionError("two of " + events);
        })
        .orElseThrow(() -> new AssertionError("none in " + events));
  }

  void see(Address consumer, long funded, long spent, long leavingAtUs) {
    run(new Command.SeePurse(new ChainPurse(consumer, funded, spent, leavingAtUs), ++block));
  }

  void deposit(Address consumer, long funded) {
    see(consumer, funded, purse(consumer).redeemed(), 0);
    assertThat(purse(consumer).funded()).isEqualTo(funded);
  }

  void block() {
    run(new Command.SeeBlock(++block, nowUs));
  }

  void voucher(Address consumer, long cumulative) {
    assertThat(run(take(consumer, cumulative)))
        .singleElement()
        .isInstanceOf(Event.VoucherTaken.class);
  }

  static Command.TakeVoucher take(Address consumer, long cumulative) {
    return new Command.TakeVoucher(new Voucher(consumer, cumulative, Sample.SIGNATURE));
  }

  PurseView purse(Address consumer) {
    return pool.purse(consumer)
        .orElse(
            new PurseView(
                consumer, 0, 0, 0, 0, 0, 0, 0, java.util.OptionalLong.empty(), List.of()));
  }

  long due(Address payee) {
    return pool.account(payee).due();
  }

  void join(int number, int cores) {
    run(Sample.join(number, cores, 1));
  }

  JobId submit(JobSpec spec) {
    one(Event.JobAccepted.class, new Command.SubmitJob(spec, Sample.SIGNATURE));
    return spec.id();
  }

  List<Lease> schedule(int max) {
    run(new Command.Schedule(max));
    return all(Effect.SendLease.class).map(Effect.SendLease::lease).toList();
  }

  <T extends Effect> Stream<T> all(Class<T> type) {
    return effects.stream().filter(type::isInstance).map(type::cast);
  }

  List<Event> report(Report report) {
    Lease lease = pool.lease(report.lease()).orElseThrow();
    return run(new Command.ReportAttempts(lease.provider(), 1, List.of(report), Sample.SIGNATURE));
  }

  Epoch close(long leastGain, long leastPush) {
    return one(
            Event.EpochClosed.class,
            new Command.CloseEpoch(leastGain, leastPush, pool.records(), Sample.hash(1)))
        .epoch();
  }

  void confirm(Epoch epoch, Address... failedPushes) {
    long redeemed = epoch.leastEarned() - pool.earned();
    run(
        new Command.ConfirmEpoch(
            epoch.number(),
            redeemed,
            List.of(),
            List.of(failedPushes),
            Sample.hash(2),
            ++block,
            100_000));
    assertThat(pool.epoch()).isEqualTo(epoch.number());
    assertThat(pool.closedEpoch()).isEmpty();
  }
}
