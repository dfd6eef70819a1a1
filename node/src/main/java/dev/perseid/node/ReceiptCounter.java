package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.JobId;
import dev.perseid.core.Movement;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// A pool's counter for a [Wallet]: believes the pool only those charges whose receipts hold.
public final class ReceiptCounter implements Wallet.Counter {
  /// How far the pool's clock may be from this machine's.
  private static final long SKEW_US = 600_000_000;

  /// Charges whose receipts are waited for.
  private static final int OPEN = 1_000_000;

  /// Charges that are remembered one by one, so that each counts once.
  private static final int COUNTED = 1_000_000;

  private final PoolClient client;
  private final Address self;
  private final InstantSource clock;
  private final long madeUs;

  /// What a record is said to have cost.
  private record Said(JobId job, long amount) {}

  /// Charges that were counted, by the record's index. A result that is checked is paid later than
  /// what was recorded after it, so they come in no order.
  private final TreeSet<Long> counted = new TreeSet<>();

  /// Up to here all is taken to be counted.
  private long floor = -1;

  /// The number of the movement after the last that was looked at.
  private long listed;

  /// What was counted and not told yet, because a look was broken off.
  private long carried;

  /// Charges without a receipt that holds, by the record's index: it may come a moment later.
  private final Map<Long, Said> open = new LinkedHashMap<>();

  /// @param client the consumer's connection; not closed by this
  public ReceiptCounter(PoolClient client) {
    this(client, InstantSource.system());
  }

  ReceiptCounter(PoolClient client, InstantSource clock) {
    this.client = client;
    this.self = client.self();
    this.clock = clock;
    this.madeUs = nowUs();
  }

  private long nowUs() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }

  @Override
  public PurseState purse() throws PoolFailure {
    return client.purse(Optional.empty());
  }

  @Override
  public void pay(long cumulative, String signature) throws PoolFailure {
    client.pay(cumulative, signature);
  }

  @Override
  public synchronized Wallet.Proved proved(long number, boolean all) throws PoolFailure {
    if (all) {
      open.clear();
      counted.clear();
      floor = -1;
      listed = 0;
      carried = 0;
    }
    long next = number;
    for (Movement m : client.moved(Optional.empty(), 0, 0, number).movements()) {
      next = Math.max(next, m.number() + 1);
      if (m.number() < listed) {
        continue; // it was broken off after this
      }
      listed = m.number() + 1;
      if (m.to().equals(self) && m.kind() == Movement.Kind.CLAWBACK) {
        carried -= m.amount();
      }
      if (m.from().equals(self)
          && isCharge(m.kind())
          && m.ref() instanceof Movement.Ref.OfRecord r
          && (r.index() > floor && !counted.contains(r.index()))
          && open.size() < OPEN) {
        Said before = open.get(r.index());
        long sum = before == null ? m.amount() : before.amount() + m.amount();
        open.put(r.index(), new Said(r.job(), sum));
      }
    }
    Map<JobId, Long> from = new LinkedHashMap<>();
    open.forEach((index, said) -> from.merge(said.job(), index, Math::min));
    for (Map.Entry<JobId, Long> job : from.entrySet()) {
      client.receipts(
          job.getKey(),
          job.getValue(),
          receipt -> {
            if (Receipt.verify(receipt, Optional.of(client.pool()))
                    instanceof Receipt.Check.Verified(Entry entry, Address _, String _)
                && counts(entry)
                && (all || isRecent(entry.record()))) {
              open.remove(entry.index());
              count(entry.index());
              carried += entry.record().charge();
            }
          });
    }
    long charged = Math.max(0, carried);
    carried = Math.min(0, carried);
    return new Wallet.Proved(charged, next);
  }

  private void count(long index) {
    counted.add(index);
    if (counted.size() > COUNTED) {
      floor = counted.pollFirst();
    }
  }

  /// When an attempt was assigned stands in what its provider signed.
  private boolean isRecent(ExecutionRecord r) {
    return r.assignedUs() >= madeUs - SKEW_US && r.assignedUs() <= nowUs() + SKEW_US;
  }

  private boolean counts(Entry entry) {
    ExecutionRecord r = entry.record();
    Said said = open.get(entry.index());
    return said != null
        && r.consumer().equals(self)
        && r.job().equals(said.job())
        && r.charge() == said.amount();
  }

  private static boolean isCharge(Movement.Kind kind) {
    return switch (kind) {
      case CHARGE, ROYALTY, SHARE -> true;
      case GRANT,
          DEPOSIT,
          PREPAYMENT,
          RESERVATION,
          REFUND,
          AUDIT,
          VOUCHER,
          REDEEMED,
          PAYOUT,
          RETURN,
          EXCESS,
          EXIT,
          LOSS,
          REPAID,
          MOVED,
          REVERSAL,
          CLAWBACK ->
          false;
    };
  }
}
