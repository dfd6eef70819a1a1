package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.chain.At;
import dev.perseid.chain.ChainException;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Limits;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Settlements that are interrupted: by a kill at each step, by a chain that is down, by a node of
/// another chain. Nothing is lost and nobody is paid twice.
class SettlerTest {
  private static final long FUNDS = 2_000_000;
  private static final String CHEAP_WEI = "1";
  private static final String USUAL_WEI = "100000000000";

  /// Where a pool is killed.
  enum Step {
    /// The epoch is closed in the log, and nothing was sent: gas is too dear.
    CLOSED,
    /// The transaction was sent and is in no block.
    SENT,
    /// It is in a block that could still be reorganised away.
    INCLUDED
  }

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(Step.class)
  void aPoolThatIsKilledSettlesOnce(Step step) throws Exception {
    byte[] secret = new byte[32];
    secret[31] = 78;
    Key poolKey = Key.of(secret);
    Key consumer = Key.generate();
    Key provider = Key.generate();
    Path dir = folder.resolve("pool");
    try (ChainLab lab = new ChainLab(folder)) {
      lab.register(poolKey, folder);
      long charged;
      try (PoolChild child = start(dir, secret, lab, 1, USUAL_WEI)) {
        try (PoolClient operator = client(child, poolKey, PoolClient.Role.OPERATOR)) {
          operator.move(true, reply -> {});
        }
        lab.deposit(poolKey.address(), consumer.address(), FUNDS);
        charged = work(child, poolKey, consumer, provider);
      }
      // Killed without a word; the next one gets no further than the step.
      boolean deep = step == Step.INCLUDED;
      lab.local.automine(step != Step.SENT);
      try (PoolChild child =
              start(dir, secret, lab, deep ? 4 : 1, step == Step.CLOSED ? CHEAP_WEI : USUAL_WEI);
          PoolClient operator = client(child, poolKey, PoolClient.Role.OPERATOR)) {
        Thread asking = Thread.ofVirtual().start(() -> ask(operator));
        switch (step) {
          case CLOSED -> Until.holds(() -> status(operator).getClosedEpoch() == 1);
          case SENT -> Until.holds(() -> wrote(dir));
          case INCLUDED -> Until.holds(() -> till(lab, poolKey.address()) == 1);
        }
        assertThat(status(operator).getEpoch()).isZero();
        child.kill();
        asking.join();
      }
      lab.local.automine(true);
      lab.local.mine(deep ? 5 : 1);
      try (PoolChild child = start(dir, secret, lab, deep ? 4 : 1, USUAL_WEI);
          PoolClient operator = client(child, poolKey, PoolClient.Role.OPERATOR)) {
        Until.holds(() -> {
          mine(lab, deep);
          return status(operator).getEpoch() == 1;
        });
        assertThat(till(lab, poolKey.address())).isEqualTo(1);
        assertThat(lab.has(provider.address())).isEqualTo(charged);
        assertThat(operator.account(Optional.of(provider.address())).due()).isZero();
        assertThat(operator.account(Optional.of(provider.address())).paid()).isEqualTo(charged);
        // Once more changes nothing.
        assertThat(operator.settle().getNothing()).isTrue();
        assertThat(lab.has(provider.address())).isEqualTo(charged);
      }
    }
  }

  private static PoolChild start(
      Path dir, byte[] secret, ChainLab lab, int confirmations, String mostWei) throws Exception {
    return PoolChild.start(
        dir,
        secret,
        "http://127.0.0.1:" + lab.wire.port(),
        lab.deploymentFile.toString(),
        Integer.toString(confirmations),
        mostWei);
  }

  private static void mine(ChainLab lab, boolean deep) {
    if (deep) {
      try {
        lab.local.mine(1);
      } catch (ChainException e) {
        throw new AssertionError(e);
      }
    }
  }

  private static void ask(PoolClient operator) {
    try {
      operator.settle();
    } catch (PoolFailure e) {
      // It is killed meanwhile.
    }
  }

  private static boolean wrote(Path dir) {
    try {
      return Files.readString(dir.resolve("vault").resolve("outbox")).contains("settle-1-");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static long till(ChainLab lab, Address pool) {
    try {
      return lab.escrow.till(pool, At.latest()).epoch();
    } catch (ChainException e) {
      throw new AssertionError(e);
    }
  }

  private static MoneyProto.MoneyStatusReply status(PoolClient operator) {
    try {
      return operator.moneyStatus();
    } catch (PoolFailure e) {
      throw new AssertionError(e);
    }
  }

  private static PoolClient client(PoolChild child, Key key, PoolClient.Role role)
      throws PoolFailure {
    return PoolClient.connect(
        new PoolClient.Target("127.0.0.1", child.port, Optional.empty()), key, role);
  }

  /// A job of some tasks, paid as it proceeds.
  private static long work(PoolChild child, Key poolKey, Key consumer, Key provider)
      throws Exception {
    try (PuppetProvider puppet = new PuppetProvider(child.port, provider);
        PoolClient client = client(child, consumer, PoolClient.Role.CONSUMER);
        PoolCaller caller = new PoolCaller(child.port, consumer, "consumer")) {
      Until.holds(() -> balance(client) == FUNDS);
      puppet.joined().working();
      Blob module = caller.put(PoolNodeTest.MODULE);
      JobSpec job = Given.fan(consumer.address(), 1, module, 6);
      List<String> notices = new CopyOnWriteArrayList<>();
      Wallet wallet = client.wallet(new ReceiptCounter(client), Optional.empty(), notices::add);
      long charged;
      try (Payer payer =
          Payer.start(client, wallet, Payer.usualWindow(job.budget()), notices::add)) {
        Proto.JobProgress end = caller.finished(caller.accepted(job));
        assertThat(end.getState()).as("%s of %s", end, poolKey.address()).isEqualTo("done");
        charged = end.getCharged();
      }
      // Without its last voucher a settlement would pay nobody.
      assertThat(notices).isEmpty();
      return charged;
    }
  }

  private static long balance(PoolClient client) {
    try {
      return client.account(Optional.empty()).balance();
    } catch (PoolFailure e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void workGoesOnWhileTheChainIsDown() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1)) {
      ChainLab lab = scene.lab.orElseThrow();
      scene.fund(scene.consumerKey.address(), FUNDS);
      long charged;
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        charged = scene.work(provider, 3);
        lab.wire.down(true);
        charged += scene.work(provider, 3);
        assertThatThrownBy(scene::settle)
            .isInstanceOf(PoolFailure.class)
            .hasMessageContaining("goes on by itself");
        try (PoolClient operator = scene.operator()) {
          assertThat(operator.moneyStatus().getTrouble()).contains("the node at");
        }
      }
      // A pool starts without its chain, too.
      scene.restart();
      try (PoolClient operator = scene.operator()) {
        Until.holds(() -> !status(operator).getTrouble().isEmpty());
      }
      lab.wire.down(false);
      try (PoolClient operator = scene.operator()) {
        Until.holds(() -> status(operator).getTrouble().isEmpty());
      }
      assertThat(scene.settle().getEpoch()).isEqualTo(1);
      assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
      scene.booksAddUp();
    }
  }

  @Test
  void aDepositThatIsReorganisedAwayNeverCounted() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1, 3)) {
      ChainLab lab = scene.lab.orElseThrow();
      lab.deposit(scene.node.address(), scene.consumerKey.address(), FUNDS);
      lab.local.reorganise(1);
      Address other = Key.generate().address();
      lab.deposit(scene.node.address(), other, 5);
      lab.local.mine(5);
      Until.holds(() -> scene.account(other).balance() == 5);
      assertThat(scene.account(scene.consumerKey.address()).balance()).isZero();
      assertThat(scene.node.mill().ask(pool -> pool.sumOfAccounts()) == 0).isTrue();
    }
  }

  /// A reorganisation deeper than what the pool waits for breaks what it counts on. It says so in
  /// its books and goes on: the purse goes down, what was spent of it is lost until it is put in
  /// again.
  @Test
  void aDepositThatCountedAndIsReorganisedAwayIsALoss() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1)) {
      ChainLab lab = scene.lab.orElseThrow();
      Address consumer = scene.consumerKey.address();
      Address friend = Key.generate().address();
      scene.fund(consumer, FUNDS);
      long charged;
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        charged = scene.work(provider, 3);
      }
      lab.local.reorganise(1);
      scene.restart();
      Until.holds(() -> scene.account(consumer).balance() == 0);
      assertThat(scene.purse().funded()).isZero();
      assertThat(scene.purse().lost()).isEqualTo(charged);
      scene.fund(friend, 5);
      // Nothing can be paid, and nothing is closed and opened again for it.
      assertThat(scene.settle().getRedeemed()).isZero();
      try (PoolClient operator = scene.operator()) {
        assertThat(operator.moneyStatus().getTrouble()).isEmpty();
      }
      lab.deposit(scene.node.address(), consumer, FUNDS);
      Until.holds(() -> scene.account(consumer).balance() == FUNDS - charged);
      assertThat(scene.settle().getRedeemed()).isEqualTo(charged);
      assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
      assertThat(scene.purse().lost()).isZero();
      scene.booksAddUp();
    }
  }

  /// Who empties its purse while a settlement waits, and has a friend redeem as much, leaves a loss
  /// and blinds nobody.
  @Test
  void whatAnEpochRedeemedIsWhatTheChainSays() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1)) {
      ChainLab lab = scene.lab.orElseThrow();
      Address pool = scene.node.address();
      Address consumer = scene.consumerKey.address();
      Key friend = Key.generate();
      scene.fund(consumer, FUNDS);
      scene.fund(friend.address(), FUNDS);
      long charged;
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        charged = scene.work(provider, 3);
      }
      lab.local.automine(false);
      try (PoolClient operator = scene.operator()) {
        Thread asking = Thread.ofVirtual().start(() -> ask(operator));
        Until.holds(() -> wrote(folder.resolve("pool")));
        scene.node.close();
        asking.join();
      }
      lab.local.dropAll();
      lab.local.automine(true);
      lab.doneBy(scene.consumerKey, folder, lab.escrow.askExit(pool));
      lab.local.pass(Limits.EXIT_DELAY_MS / 1_000 + 1);
      lab.doneBy(scene.consumerKey, folder, lab.escrow.exit(pool, consumer));
      String signature =
          friend.sign(
              Digests.voucher(
                  lab.deployment.chainId(),
                  lab.deployment.escrow(),
                  friend.address(),
                  pool,
                  charged));
      lab.done(
          lab.escrow.redeem(
              pool, List.of(SignedVoucher.byKey(friend.address(), charged, signature))));
      // Only now the node has what it was sent days ago.
      try (Outbox outbox =
          Outbox.open(
              folder.resolve("pool").resolve("vault").resolve("outbox"),
              lab.local.chain(),
              scene.poolKey,
              new Outbox.Rules(BigInteger.TEN.pow(11), 1, 60_000),
              InstantSource.system())) {
        outbox.tick();
        Until.holds(() -> till(lab, pool) == 1);
      }
      scene.node = scene.open();
      try (PoolClient operator = scene.operator()) {
        Until.holds(() -> status(operator).getEpoch() == 1);
        lab.deposit(pool, friend.address(), 7);
        Until.holds(() -> scene.account(friend.address()).balance() == FUNDS + 7);
        Until.holds(() -> status(operator).getTrouble().isEmpty());
      }
      assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
      assertThat(scene.purse().redeemed()).isZero();
      assertThat(scene.purse().lost()).isEqualTo(charged);
      scene.booksAddUp();
    }
  }
}
