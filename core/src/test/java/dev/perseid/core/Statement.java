package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.TreeMap;

/// Adds up movements and knows nothing else: what accounts hold must follow from them alone.
final class Statement {
  private static final class Row {
    long free;
    long reserved;
    long due;

    Movement.Holding holding() {
      return new Movement.Holding(free, reserved, due);
    }
  }

  private final Map<Address, Row> rows = new TreeMap<>();
  private long next;

  /// @param earnsDue whether earnings go to what is due, by the pool's money at that time
  void add(Movement m, boolean earnsDue) {
    assertThat(m.number()).as("movements without gaps").isEqualTo(next++);
    assertThat(m.amount()).as("%s", m).isPositive();
    Row from = row(m.from());
    Row to = row(m.to());
    switch (m.kind()) {
      case GRANT, DEPOSIT, PREPAYMENT -> to.free += m.amount();
      case RESERVATION -> {
        from.free -= m.amount();
        from.reserved += m.amount();
      }
      case REFUND -> {
        from.reserved -= m.amount();
        from.free += m.amount();
      }
      case CHARGE, ROYALTY, SHARE -> {
        from.reserved -= m.amount();
        if (earnsDue) {
          to.due += m.amount();
        } else {
          to.free += m.amount();
        }
      }
      case AUDIT -> {
        from.free -= m.amount();
        to.free += m.amount();
      }
      case VOUCHER, REDEEMED, LOSS -> {}
      case PAYOUT -> {
        from.due -= m.amount();
        if (!m.to().equals(Address.ZERO)) {
          to.free += m.amount();
        }
      }
      case RETURN, EXCESS -> {
        from.free -= m.amount();
        from.due += m.amount();
      }
      case EXIT, REPAID, REVERSAL -> from.free -= m.amount();
      case MOVED -> {
        from.due -= m.amount();
        from.free += m.amount();
      }
    }
    check(m, m.from(), from, m.fromAfter());
    check(m, m.to(), to, m.toAfter());
  }

  private Row row(Address who) {
    return rows.computeIfAbsent(who, w -> new Row());
  }

  private static void check(Movement m, Address who, Row row, Movement.Holding said) {
    if (who.equals(Address.ZERO)) {
      assertThat(said).isEqualTo(Movement.Holding.NONE);
    } else {
      assertThat(said).as("%s after %s", who, m).isEqualTo(row.holding());
      assertThat(row.free).as("%s", m).isNotNegative();
      assertThat(row.reserved).as("%s", m).isNotNegative();
      assertThat(row.due).as("%s", m).isNotNegative();
    }
  }

  void compare(Pool pool) {
    for (AccountView account : pool.accounts()) {
      assertThat(row(account.account()).holding())
          .as("what movements say of %s", account)
          .isEqualTo(new Movement.Holding(account.balance(), account.reserved(), account.due()));
    }
    assertThat(pool.movements()).isEqualTo(next);
  }
}
