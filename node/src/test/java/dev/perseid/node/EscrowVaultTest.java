package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.chain.At;
import dev.perseid.chain.Outbox;
import dev.perseid.chain.SignedVoucher;
import dev.perseid.core.Address;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Command;
import dev.perseid.core.Epoch;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Payout;
import dev.perseid.core.Voucher;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Settlements that fail in their block, where nobody can say why: the pool is paid all the same.
class EscrowVaultTest {
  private static final long FUNDS = 1_000_000;

  /// The opcode INVALID: takes all gas and says nothing.
  private static final byte[] BROKEN = {(byte) 0xfe};

  @TempDir Path folder;

  private final Key poolKey = Key.generate();
  private final Key consumer = Key.generate();

  private ChainLab lab() throws Exception {
    ChainLab lab = new ChainLab(folder);
    lab.register(poolKey, folder);
    lab.deposit(poolKey.address(), consumer.address(), FUNDS);
    return lab;
  }

  private EscrowVault vault(ChainLab lab) throws Exception {
    return EscrowVault.open(
        lab.terms(1, 1).chain().orElseThrow(),
        poolKey,
        folder.resolve("vault"),
        InstantSource.system());
  }

  private Epoch epoch(ChainLab lab, long closedUs, List<Key> payees) {
    long each = 1_000;
    long sum = each * payees.size();
    Hash digest =
        Digests.voucher(
            lab.deployment.chainId(),
            lab.deployment.escrow(),
            consumer.address(),
            poolKey.address(),
            sum);
    List<Payout> payouts = new ArrayList<>();
    payees.forEach(key -> payouts.add(new Payout(key.address(), each, true)));
    payouts.sort(Comparator.comparing(Payout::payee));
    return new Epoch(
        1,
        List.of(new Voucher(consumer.address(), sum, consumer.sign(digest))),
        payouts,
        0,
        Hash.ZERO,
        sum,
        closedUs);
  }

  /// Has the transaction that waits fail in a block, without a word.
  private static void failOnce(ChainLab lab) throws Exception {
    Address escrow = lab.deployment.escrow();
    byte[] code = lab.local.chain().code(escrow, At.latest());
    lab.local.code(escrow, BROKEN);
    lab.local.mine(1);
    lab.local.code(escrow, code);
  }

  @Test
  void whatFailsWithoutAReasonIsSentAgain() throws Exception {
    Key payee = Key.generate();
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      Epoch epoch = epoch(lab, 1, List.of(payee));
      lab.local.automine(false);
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Waiting.class);
      failOnce(lab);
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Waiting.class);
      lab.local.mine(1);
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Settled.class);
      assertThat(lab.has(payee.address())).isEqualTo(1_000);
    }
  }

  @Test
  void whatAlwaysFailsIsOpenedAgainAndGoesThroughWhenItIsClosedAnew() throws Exception {
    Key payee = Key.generate();
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      Epoch epoch = epoch(lab, 1, List.of(payee));
      lab.local.automine(false);
      for (int i = 0; i < MoneyLimits.SETTLE_TRIES; i++) {
        assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Waiting.class);
        failOnce(lab);
      }
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Impossible.class);
      // After a restart between here and the log the same comes out.
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Impossible.class);
      Epoch anew = epoch(lab, 2, List.of(payee));
      assertThat(vault.settle(anew)).isInstanceOf(Vault.Step.Waiting.class);
      lab.local.mine(1);
      assertThat(vault.settle(anew)).isInstanceOf(Vault.Step.Settled.class);
      assertThat(lab.has(payee.address())).isEqualTo(1_000);
    }
  }

  @Test
  void payeesThatEmptyTheirBalancesInBetweenCostNoFailure() throws Exception {
    List<Key> payees = List.of(Key.generate(), Key.generate(), Key.generate());
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      for (Key payee : payees) {
        lab.done(lab.token.transfer(payee.address(), 1));
      }
      Epoch epoch = epoch(lab, 1, payees);
      lab.local.automine(false);
      assertThat(vault.settle(epoch)).isInstanceOf(Vault.Step.Waiting.class);
      Outbox outbox = vault.chain().outbox();
      String name = outbox.pending().keySet().iterator().next();
      Outbox.State.Waiting sent = (Outbox.State.Waiting) outbox.state(name).orElseThrow();
      lab.local.drop(sent.transaction());
      lab.local.automine(true);
      for (Key payee : payees) {
        lab.doneBy(payee, folder, lab.token.transfer(poolKey.address(), 1));
      }
      // The same bytes are sent again.
      Vault.Step step = vault.settle(epoch);
      for (int look = 0; look < 3 && step instanceof Vault.Step.Waiting; look++) {
        step = vault.settle(epoch);
      }
      assertThat(step).isInstanceOf(Vault.Step.Settled.class);
      assertThat(lab.local.chain().nonce(poolKey.address(), At.latest())).isEqualTo(2);
    }
  }

  private Voucher voucher(ChainLab lab, Key by, long cumulative) {
    Hash digest =
        Digests.voucher(
            lab.deployment.chainId(),
            lab.deployment.escrow(),
            by.address(),
            poolKey.address(),
            cumulative);
    return new Voucher(by.address(), cumulative, by.sign(digest));
  }

  @Test
  void aVoucherThatBroughtNothingIsNotTakenAtItsWord() throws Exception {
    Key friend = Key.generate();
    Key payee = Key.generate();
    Address pool = poolKey.address();
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      lab.deposit(pool, friend.address(), FUNDS);
      Epoch epoch =
          new Epoch(
              1,
              List.of(voucher(lab, consumer, 1_000), voucher(lab, friend, 1_000)),
              List.of(new Payout(payee.address(), 2_000, true)),
              0,
              Hash.ZERO,
              2_000,
              1);
      // While the pool was away, one left, and another redeemed more, so that the sum is right.
      lab.doneBy(consumer, folder, lab.escrow.askExit(pool));
      lab.local.pass(Limits.EXIT_DELAY_MS / 1_000 + 1);
      lab.doneBy(consumer, folder, lab.escrow.exit(pool, consumer.address()));
      Voucher more = voucher(lab, friend, 2_000);
      lab.done(
          lab.escrow.redeem(
              pool, List.of(SignedVoucher.byKey(friend.address(), 2_000, more.signature()))));
      Vault.Step.Settled settled = (Vault.Step.Settled) finished(vault, epoch);
      assertThat(lab.has(payee.address())).isEqualTo(2_000);
      assertThat(settled.command().redeemed()).isZero();
      assertThat(settled.command().skipped()).isEmpty();
      assertThat(settled.before())
          .singleElement()
          .isInstanceOfSatisfying(
              Command.SeePurse.class,
              c -> assertThat(c.purse()).isEqualTo(new ChainPurse(consumer.address(), 0, 0, 0)));

      // It comes back, before the pool has looked.
      lab.deposit(pool, consumer.address(), 500);
      settled = (Vault.Step.Settled) finished(vault, epoch);
      assertThat(settled.command().skipped()).containsExactly(consumer.address());
      assertThat(((Command.SeePurse) settled.before().getFirst()).purse().funded()).isEqualTo(500);
    }
  }

  /// The core counts on what a purse has not: it hears so before it closes anew, or it would close
  /// the same for ever.
  @Test
  void whatAPurseLacksIsToldBeforeTheEpochIsOpenedAgain() throws Exception {
    Key lost = Key.generate();
    Key payee = Key.generate();
    Address pool = poolKey.address();
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      lab.deposit(pool, lost.address(), FUNDS);
      lab.local.reorganise(1);
      Epoch epoch =
          new Epoch(
              1,
              List.of(voucher(lab, consumer, 1_000), voucher(lab, lost, 1_000)),
              List.of(new Payout(payee.address(), 2_000, true)),
              0,
              Hash.ZERO,
              2_000,
              1);
      Vault.Step.Impossible step = (Vault.Step.Impossible) finished(vault, epoch);
      assertThat(step.command().reason()).contains("a purse was emptied");
      assertThat(step.before())
          .singleElement()
          .isInstanceOfSatisfying(
              Command.SeePurse.class,
              c -> assertThat(c.purse()).isEqualTo(new ChainPurse(lost.address(), 0, 0, 0)));
    }
  }

  private static Vault.Step finished(EscrowVault vault, Epoch epoch) throws Exception {
    Vault.Step step = vault.settle(epoch);
    for (int look = 0; look < 1_000 && step instanceof Vault.Step.Waiting; look++) {
      step = vault.settle(epoch);
    }
    return step;
  }
}
