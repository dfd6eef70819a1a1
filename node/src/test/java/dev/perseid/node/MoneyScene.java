package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.chain.At;
import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Movement;
import dev.perseid.core.PurseView;
import dev.perseid.journal.Statement;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/// A pool on one of the ledgers, with its operator, a consumer and a provider.
final class MoneyScene implements AutoCloseable {
  /// Where the pool's money rests.
  enum Ledger {
    CREDITS,
    ESCROW
  }

  private final Path folder;
  final Ledger ledger;
  final Key poolKey = Key.generate();
  final Key consumerKey = Key.generate();
  final Key providerKey = Key.generate();
  final Optional<ChainLab> lab;
  final long leastPush;
  final int confirmations;
  final AtomicLong offsetMs = new AtomicLong();
  final List<String> notices = new ArrayList<>();
  PoolNode node;
  int nonce;

  MoneyScene(Path folder, Ledger ledger, long leastPush) throws Exception {
    this(folder, ledger, leastPush, 1);
  }

  /// @param confirmations how deep a block must be for the pool
  MoneyScene(Path folder, Ledger ledger, long leastPush, int confirmations) throws Exception {
    this.folder = folder;
    this.confirmations = confirmations;
    this.ledger = ledger;
    this.leastPush = leastPush;
    this.lab =
        switch (ledger) {
          case CREDITS -> Optional.empty();
          case ESCROW -> Optional.of(new ChainLab(folder));
        };
    if (lab.isPresent()) {
      lab.get().register(poolKey, folder);
    }
    node = open();
    try (PoolClient operator = operator()) {
      switch (ledger) {
        case CREDITS -> operator.requireVouchers();
        case ESCROW -> operator.move(true, reply -> {});
      }
    }
  }

  PoolNode open() throws Exception {
    PoolConfig config = PoolConfig.usual(folder.resolve("pool"), poolKey).withTimes(200, 20_000);
    InstantSource clock = () -> Instant.now().plusMillis(offsetMs.get());
    return PoolNode.start(
        config.withMoney(
            lab.isPresent()
                ? lab.get().terms(confirmations, leastPush)
                : new MoneyTerms(Optional.empty(), MoneyLimits.EPOCH_MS, 1, leastPush)),
        clock);
  }

  void restart() throws Exception {
    node.close();
    node = open();
  }

  PoolClient client(Key key, PoolClient.Role role) throws PoolFailure {
    return PoolClient.connect(
        new PoolClient.Target("127.0.0.1", node.port(), Optional.of(node.address())), key, role);
  }

  PoolClient operator() throws PoolFailure {
    return client(poolKey, PoolClient.Role.OPERATOR);
  }

  PoolClient consumer() throws PoolFailure {
    return client(consumerKey, PoolClient.Role.CONSUMER);
  }

  void fund(Address consumer, long amount) throws Exception {
    long before = account(consumer).balance();
    switch (ledger) {
      case CREDITS -> {
        try (PoolClient operator = operator()) {
          operator.grant(consumer, amount, "test");
        }
      }
      case ESCROW -> lab.orElseThrow().deposit(node.address(), consumer, amount);
    }
    Until.holds(() -> account(consumer).balance() == before + amount);
  }

  AccountView account(Address of) {
    try {
      return node.mill().ask(pool -> pool.account(of));
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  PurseView purse() throws Exception {
    return node.mill().ask(pool -> pool.purse(consumerKey.address())).orElseThrow();
  }

  /// What a payee has got for good.
  long got(Address payee) throws Exception {
    return switch (ledger) {
      case CREDITS -> account(payee).balance();
      case ESCROW -> lab.orElseThrow().has(payee);
    };
  }

  Wallet wallet(PoolClient client) throws PoolFailure {
    return client.wallet(new ReceiptCounter(client), Optional.empty(), notices::add);
  }

  /// Runs a job to its end, paying as it goes, and returns what it cost.
  long work(PuppetProvider provider, int width) throws Exception {
    try (PoolClient client = consumer();
        PoolCaller caller = new PoolCaller(node.port(), consumerKey, "consumer")) {
      JobSpec job = job(caller, width);
      try (Payer payer =
          Payer.start(client, wallet(client), Payer.usualWindow(job.budget()), notices::add)) {
        Proto.JobProgress end = caller.finished(caller.accepted(job));
        assertThat(end.getState()).as("%s", end).isEqualTo("done");
        return end.getCharged();
      }
    }
  }

  JobSpec job(PoolCaller caller, int width) throws Exception {
    Blob module = caller.put(PoolNodeTest.MODULE);
    return Given.fan(consumerKey.address(), ++nonce, module, width);
  }

  MoneyProto.SettleReply settle() throws PoolFailure {
    try (PoolClient operator = operator()) {
      return operator.settle();
    }
  }

  /// Every account's statement must add up, and end with what the account has.
  void booksAddUp() throws Exception {
    for (AccountView a : node.mill().ask(pool -> pool.accounts())) {
      try (PoolClient operator = operator()) {
        PoolClient.Moved moved = operator.moved(Optional.of(a.account()), 0, 0, 0);
        Statement s = Statement.of(a.account(), moved.movements());
        assertThat(s.after())
            .as("%s", a)
            .isEqualTo(
                moved.movements().isEmpty()
                    ? Movement.Holding.NONE
                    : new Movement.Holding(a.balance(), a.reserved(), a.due()));
        assertThat(s.change()).isEqualTo(a.balance() + a.reserved() + a.due());
      }
    }
    long sum = node.mill().ask(pool -> pool.sumOfAccounts());
    assertThat(sum).isZero();
    if (lab.isPresent()) {
      var there = lab.get().escrow.purse(node.address(), consumerKey.address(), At.latest());
      assertThat(purse().funded()).isEqualTo(there.funded());
      assertThat(purse().redeemed()).isEqualTo(there.spent());
    }
  }

  @Override
  public void close() throws Exception {
    node.close();
    if (lab.isPresent()) {
      lab.get().close();
    }
  }
}
