package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.JobId;
import dev.perseid.core.Movement;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// A pool's counter for a [Wallet]: believes the pool only those charges whose receipts hold.
public final class ReceiptCounter implements Wallet.Counter {
  private final PoolClient client;
  private final Address self;

  /// @param client the consumer's connection; not closed by this
  public ReceiptCounter(PoolClient client) {
    this.client = client;
    this.self = client.self();
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
  public Wallet.Proved proved(long number) throws PoolFailure {
    // What each record is said to have cost, and from which index on each job's receipts are
    // wanted.
    Map<Long, Long> said = new HashMap<>();
    Map<JobId, Long> from = new LinkedHashMap<>();
    long next = number;
    for (Movement m : client.moved(Optional.empty(), 0, 0, number).movements()) {
      next = Math.max(next, m.number() + 1);
      if (m.from().equals(self)
          && isCharge(m.kind())
          && m.ref() instanceof Movement.Ref.OfRecord r) {
        said.merge(r.index(), m.amount(), Long::sum);
        from.merge(r.job(), r.index(), Math::min);
      }
    }
    long charged = 0;
    for (Map.Entry<JobId, Long> job : from.entrySet()) {
      long[] sum = {0};
      client.receipts(
          job.getKey(),
          job.getValue(),
          receipt -> {
            if (Receipt.verify(receipt, Optional.of(client.pool()))
                    instanceof Receipt.Check.Verified(Entry entry, Address _, String _)
                && counts(entry, job.getKey(), said.getOrDefault(entry.index(), -1L))) {
              said.remove(entry.index());
              sum[0] += entry.record().charge();
            }
          });
      charged += sum[0];
    }
    return new Wallet.Proved(charged, next);
  }

  private boolean counts(Entry entry, JobId job, long said) {
    ExecutionRecord r = entry.record();
    return r.consumer().equals(self) && r.job().equals(job) && r.charge() == said;
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
          MOVED ->
          false;
    };
  }
}
