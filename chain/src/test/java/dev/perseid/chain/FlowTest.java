package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Money through the real contracts on a real node.
class FlowTest {
  @TempDir Path folder;

  @Test
  void aConsumerPaysAPoolWhichPaysItsProviders() throws Exception {
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      lab.fundPurse(lab.consumer, pool, 1_000_000, new Hash(0, 0, 0, 1));
      assertThat(lab.escrow.purse(pool, lab.consumer.address(), At.latest()))
          .isEqualTo(new Escrow.Purse(1_000_000, 0, 0));
      Key pushed = Lab.key(50);
      Key claims = Lab.key(51);
      List<Due> dues =
          List.of(new Due(pushed.address(), 300_000), new Due(claims.address(), 200_000));
      Settlement s =
          lab.settlement(
              1, List.of(lab.voucher(lab.consumer, pool, 500_000)), List.of(dues.getFirst()), dues);
      assertThat(Settlement.ofJson(s.toJson())).isEqualTo(s);
      Receipt settled = lab.done(lab.escrow.settle(pool, s));
      assertThat(settled.gasUsed()).isLessThan(300_000);
      assertThat(lab.token.balanceOf(pushed.address(), At.latest())).isEqualTo(300_000);
      assertThat(lab.escrow.till(pool, At.latest()))
          .isEqualTo(new Escrow.Till(500_000, 300_000, 1));
      assertThat(lab.escrow.commitmentAt(pool, 1, At.latest())).isEqualTo(s.commitment().hash());

      Call claim =
          lab.escrow.claim(
              pool, 1, dues.get(1), s.tree().proof(claims.address()).orElseThrow(), s.commitment());
      lab.done(claim);
      assertThat(lab.token.balanceOf(claims.address(), At.latest())).isEqualTo(200_000);
      assertThatThrownBy(() -> lab.done(claim))
          .isInstanceOfSatisfying(
              ChainException.class,
              e -> {
                assertThat(e.kind()).isEqualTo(ChainException.Kind.REVERTED);
                assertThat(e.revert().orElseThrow().error()).isEqualTo("NothingDue");
              });

      // The same settlement again, and one of another epoch.
      assertThatThrownBy(() -> lab.done(lab.escrow.settle(pool, s)))
          .hasMessageContaining("next epoch is 2");

      // The rest leaves after the delay.
      try (Outbox own = lab.outbox(lab.consumer, "consumer")) {
        lab.done(own, lab.escrow.askExit(pool));
        assertThatThrownBy(() -> lab.done(own, lab.escrow.exit(pool, lab.consumer.address())))
            .hasMessageContaining("too early: wait until");
        lab.local.pass(4 * 24 * 3_600 + 1);
        lab.done(own, lab.escrow.exit(pool, lab.consumer.address()));
        assertThat(lab.token.balanceOf(lab.consumer.address(), At.latest())).isEqualTo(500_000);
      }
    }
  }

  @Test
  void aBondIsPutDownAndTakenBack() throws Exception {
    try (Lab lab = new Lab(folder)) {
      Address pool = lab.pool();
      Address court = lab.deployment.court();
      lab.done(lab.token.mint(pool, 5_000_000));
      lab.done(lab.token.approve(lab.deployment.collateral(), 5_000_000));
      lab.done(lab.collateral.bond(pool, court, 0, 5_000_000));
      assertThat(lab.collateral.valueOf(pool, court, At.latest())).isEqualTo(5_000_000);
      lab.done(lab.collateral.unbond(pool, court, 0, 2_000_000));
      Collateral.Bond bond = lab.collateral.bond(pool, court, 0, At.latest());
      assertThat(bond.active()).isEqualTo(3_000_000);
      assertThat(bond.leaving()).isEqualTo(2_000_000);
      assertThatThrownBy(() -> lab.done(lab.collateral.withdraw(pool, court, 0, pool)))
          .hasMessageContaining("too early");
      lab.local.pass(14 * 24 * 3_600 + 1);
      lab.done(lab.collateral.withdraw(pool, court, 0, pool));
      assertThat(lab.token.balanceOf(pool, At.latest())).isEqualTo(2_000_000);
      assertThat(lab.collateral.assets(At.latest()).getFirst().bonded()).isEqualTo(3_000_000);
    }
  }
}
