package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Pool;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Out of which accounts a pool's audits ask. A provider sees who pays for a request; if that were
/// the pool, it would know an audit when it sees one. So they are fresh accounts, filled from the
/// pool's own, used for some requests and then closed. Belongs to one thread.
final class AuditPurse {
  private final Address pool;
  private final PoolMill mill;
  private final SecureRandom random;
  private final List<Address> used = new ArrayList<>();
  private Optional<Address> now = Optional.empty();
  private long left;
  private int requests;
  private boolean poor;

  AuditPurse(Address pool, PoolMill mill, SecureRandom random) {
    this.pool = pool;
    this.mill = mill;
    this.random = random;
  }

  /// Closes what was open before a restart; tabs must be empty.
  void open() throws PoolMill.Unavailable {
    for (Address account : mill.ask(Pool::auditAccounts)) {
      mill.command(new Command.CloseAudits(account));
    }
  }

  /// An account that can pay this much; empty while the pool's own cannot, which is said once.
  Optional<Address> pay(long amount) throws PoolMill.Unavailable {
    long need = Math.max(1, amount);
    if (now.isPresent() && (requests <= 0 || left < need)) {
      used.add(now.get());
      now = Optional.empty();
    }
    if (now.isEmpty()) {
      long there = mill.ask(p -> p.balance(pool));
      byte[] bytes = new byte[20];
      random.nextBytes(bytes);
      Address account = Address.of(bytes);
      long many =
          need < Long.MAX_VALUE / MarketLimits.TAB_REQUESTS
              ? need * MarketLimits.TAB_REQUESTS
              : need;
      Command fund = new Command.FundAudits(account, need, Math.max(many, MarketLimits.TAB_LEAST));
      if (there < need || mill.command(fund) instanceof PoolLoop.Reply.Refused) {
        sayPoor(there, need);
        return Optional.empty();
      }
      poor = false;
      left = mill.ask(p -> p.balance(account));
      requests = 1 + random.nextInt(MarketLimits.AUDIT_ACCOUNT_REQUESTS);
      now = Optional.of(account);
    }
    left -= need;
    requests--;
    return now;
  }

  private void sayPoor(long there, long need) {
    if (!poor) {
      poor = true;
      System.getLogger(AuditPurse.class.getName())
          .log(
              System.Logger.Level.WARNING,
              "the pool's own account "
                  + pool
                  + " has "
                  + there
                  + " microcredits and a question of its audits may cost "
                  + need
                  + ": it asks none until somebody grants it more (perseid account grant); answers"
                  + " are still read again where the pool has the weights");
    }
  }

  /// Gives back what is left on accounts that are not used any more.
  void tick() throws PoolMill.Unavailable {
    if (used.isEmpty()) {
      return;
    }
    List<Address> tabs = mill.ask(Pool::tabs);
    for (Address account : List.copyOf(used)) {
      if (!tabs.contains(account)
          && mill.command(new Command.CloseAudits(account)) instanceof PoolLoop.Reply.Done) {
        used.remove(account);
      }
    }
  }
}
