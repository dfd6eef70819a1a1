package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.chain.At;
import dev.perseid.core.AccountView;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Limits;
import dev.perseid.core.Pool;
import dev.perseid.core.PurseView;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.MoneyProto;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A pool that was on credits goes over to an escrow, with what everybody has.
class MoverTest {
  @TempDir Path folder;

  @Test
  void nobodyLosesAnythingAlsoIfItIsBrokenOff() throws Exception {
    Key poolKey = Key.generate();
    Key consumer = Key.generate();
    Key provider = Key.generate();
    try (ChainLab lab = new ChainLab(folder)) {
      lab.register(poolKey, folder);
      PoolConfig config =
          PoolConfig.usual(folder.resolve("pool"), poolKey)
              .withTimes(200, 20_000)
              .withMoney(lab.terms(1, 1));
      List<AccountView> before;
      try (PoolNode node = PoolNode.start(config);
          PoolClient operator = client(node, poolKey, PoolClient.Role.OPERATOR)) {
        operator.grant(consumer.address(), 3_000_000, "");
        long charged = work(node, consumer, provider);
        before = node.mill().ask(pool -> pool.accounts());
        long held = before.stream().mapToLong(a -> a.balance() + a.reserved()).sum();
        assertThat(held).isEqualTo(3_000_000);
        assertThat(charged).isPositive();

        // What it would cost, and nothing else.
        List<MoneyProto.MoveReply> told = new ArrayList<>();
        operator.move(false, told::add);
        MoneyProto.MovePlan plan = told.getFirst().getPlan();
        assertThat(plan.getAccounts()).isEqualTo(2);
        assertThat(plan.getAmount()).isEqualTo(3_000_000);
        assertThat(plan.getGas()).isBetween(200_000L, 500_000L);
        assertThat(plan.getPayerUnits()).isEqualTo("0");
        assertThat(node.mill().ask(pool -> pool.money()).isVouched()).isFalse();

        // The pool's pocket has too little: nothing is lost, and it says how much is needed.
        assertThatThrownBy(() -> operator.move(true, told::add))
            .hasMessageContaining("3000000 must go into 2 purses");

        // Broken off after the first deposit: the chain is gone in the middle.
        lab.done(lab.token.transfer(poolKey.address(), 3_000_000));
        assertThatThrownBy(() ->
                operator.move(
                    true,
                    reply -> {
                      if (reply.getLine().startsWith("put ")) {
                        down(lab, true);
                      }
                    }))
            .isInstanceOf(PoolFailure.class);
        assertThat(deposited(lab, poolKey, consumer) + deposited(lab, poolKey, provider))
            .isBetween(1L, 3_000_000L);
      }
      down(lab, false);
      try (PoolNode node = PoolNode.start(config);
          PoolClient operator = client(node, poolKey, PoolClient.Role.OPERATOR)) {
        operator.move(true, reply -> {});
        assertThat(lab.has(poolKey.address())).isZero();
        for (AccountView was : before) {
          AccountView is = node.mill().ask(pool -> pool.account(was.account()));
          assertThat(is.balance() + is.reserved())
              .as("%s", was)
              .isEqualTo(was.balance() + was.reserved());
          assertThat(lab.escrow.purse(poolKey.address(), was.account(), At.latest()).left())
              .isEqualTo(was.balance() + was.reserved());
        }
        assertThatThrownBy(() -> operator.move(true, reply -> {})).hasMessageContaining("already");
        // And it works there.
        long charged = work(node, consumer, provider);
        assertThat(operator.settle().getRedeemed()).isEqualTo(charged);
        assertThat(lab.has(provider.address())).isEqualTo(charged);
      }
    }
  }

  @Test
  void aPoolThatAuditsMovesAndWhatAConsumerPutInItselfStaysItsOwn() throws Exception {
    Key poolKey = Key.generate();
    Address pool = poolKey.address();
    Address consumer = Key.generate().address();
    Address audits = Key.generate().address();
    try (ChainLab lab = new ChainLab(folder)) {
      lab.register(poolKey, folder);
      lab.deposit(pool, consumer, 700);
      try (PoolNode node =
              PoolNode.start(
                  PoolConfig.usual(folder.resolve("pool"), poolKey)
                      .withTimes(200, 20_000)
                      .withMoney(lab.terms(1, 1)));
          PoolClient operator = client(node, poolKey, PoolClient.Role.OPERATOR)) {
        operator.grant(consumer, 5_000, "");
        operator.grant(pool, 1_000, "");
        done(node, new Command.FundAudits(audits, 1, 400));
        done(node, new Command.FillTab(audits, 150));

        List<MoneyProto.MoveReply> told = new ArrayList<>();
        operator.move(false, told::add);
        assertThat(told.getFirst().getPlan().getAmount()).isEqualTo(6_000);
        assertThat(told.getFirst().getPlan().getAccounts()).isEqualTo(2);
        lab.done(lab.token.transfer(pool, 6_000));
        operator.move(true, reply -> {});

        assertThat(lab.escrow.purse(pool, audits, At.latest()).funded())
            .as("nobody has a key for it")
            .isZero();
        assertThat(lab.escrow.purse(pool, pool, At.latest()).funded()).isEqualTo(1_000);
        assertThat(lab.escrow.purse(pool, consumer, At.latest()).funded()).isEqualTo(5_700);
        assertThat(balance(node, consumer)).isEqualTo(5_700);
        assertThat(balance(node, pool)).isEqualTo(600);
        PurseView purse = node.mill().ask(p -> p.purse(audits)).orElseThrow();
        assertThat(purse.prepaid()).isEqualTo(400);
        assertThat(purse.inFlight()).isEqualTo(150);
        // And it goes on: what the audits do not use comes back.
        done(node, new Command.EmptyTab(audits));
        done(node, new Command.CloseAudits(audits));
        assertThat(balance(node, pool)).isEqualTo(1_000);
        long sum = node.mill().ask(Pool::sumOfAccounts);
        assertThat(sum).isZero();
      }
    }
  }

  @Test
  void whoTookOutWhatAMoveBroughtIsNotPaidTwice() throws Exception {
    Key poolKey = Key.generate();
    Address pool = poolKey.address();
    Key consumer = Key.generate();
    try (ChainLab lab = new ChainLab(folder)) {
      lab.register(poolKey, folder);
      lab.done(lab.token.transfer(pool, 5_000));
      try (PoolNode node =
              PoolNode.start(
                  PoolConfig.usual(folder.resolve("pool"), poolKey)
                      .withTimes(200, 20_000)
                      .withMoney(lab.terms(1, 1)));
          PoolClient operator = client(node, poolKey, PoolClient.Role.OPERATOR)) {
        operator.grant(consumer.address(), 5_000, "");
        // Broken off when the consumer's part was done.
        Key third = Key.generate();
        assertThatThrownBy(() ->
                operator.move(
                    true,
                    reply -> {
                      if (reply.getLine().startsWith("put ")) {
                        grant(operator, third);
                      }
                    }))
            .hasMessageContaining("must go into 1 purses");
        lab.doneBy(consumer, folder, lab.escrow.askExit(pool));
        assertThatThrownBy(() -> operator.move(true, reply -> {}))
            .hasMessageContaining("is leaving the escrow");
        lab.local.pass(Limits.EXIT_DELAY_MS / 1_000 + 1);
        lab.doneBy(consumer, folder, lab.escrow.exit(pool, consumer.address()));
        assertThat(lab.has(consumer.address())).isEqualTo(5_000);

        lab.done(lab.token.transfer(pool, 10_000));
        assertThatThrownBy(() -> operator.move(true, reply -> {}))
            .hasMessageContaining("took out of the escrow what a move")
            .hasMessageContaining("put 5000 microcredits into its purse");
        assertThat(lab.has(pool)).isEqualTo(10_000);

        // The operator wants it all the same, and does what it was told.
        lab.doneBy(poolKey, folder, lab.token.approve(lab.deployment.escrow(), 5_000));
        lab.doneBy(poolKey, folder, lab.escrow.deposit(pool, consumer.address(), 5_000));
        operator.move(true, reply -> {});
        assertThat(balance(node, consumer.address())).isEqualTo(5_000);
        assertThat(balance(node, third.address())).isEqualTo(300);
        assertThat(lab.has(pool)).isEqualTo(10_000 - 5_000 - 300);
      }
    }
  }

  private static void grant(PoolClient operator, Key to) {
    try {
      operator.grant(to.address(), 300, "");
    } catch (PoolFailure e) {
      throw new AssertionError(e);
    }
  }

  private static long balance(PoolNode node, Address of) throws Exception {
    return node.mill().ask(pool -> pool.balance(of));
  }

  private static void done(PoolNode node, Command command) throws Exception {
    assertThat(node.mill().command(command)).isInstanceOf(PoolLoop.Reply.Done.class);
  }

  private static void down(ChainLab lab, boolean down) {
    try {
      lab.wire.down(down);
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
  }

  private static long deposited(ChainLab lab, Key pool, Key who) throws Exception {
    return lab.escrow.purse(pool.address(), who.address(), At.latest()).funded();
  }

  private static PoolClient client(PoolNode node, Key key, PoolClient.Role role)
      throws PoolFailure {
    return PoolClient.connect(
        new PoolClient.Target("127.0.0.1", node.port(), Optional.empty()), key, role);
  }

  private int nonce;

  private long work(PoolNode node, Key consumer, Key provider) throws Exception {
    Address self = consumer.address();
    try (PuppetProvider puppet = new PuppetProvider(node.port(), provider);
        PoolClient client = client(node, consumer, PoolClient.Role.CONSUMER);
        PoolCaller caller = new PoolCaller(node.port(), consumer, "consumer")) {
      puppet.joined().working();
      Blob module = caller.put(PoolNodeTest.MODULE);
      JobSpec job = Given.fan(self, ++nonce, module, 6);
      Optional<Payer> payer =
          client.terms().vouched()
              ? Optional.of(
                  Payer.start(
                      client,
                      client.wallet(new ReceiptCounter(client), Optional.empty(), note -> {}),
                      Payer.usualWindow(job.budget()),
                      note -> {}))
              : Optional.empty();
      try {
        return caller.finished(caller.accepted(job)).getCharged();
      } finally {
        payer.ifPresent(Payer::close);
      }
    }
  }
}
