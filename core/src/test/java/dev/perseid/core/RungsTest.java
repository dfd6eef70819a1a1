package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/// A consumer that signs a voucher for each request signs many more than are kept.
class RungsTest {
  @Test
  void whoSignsForEachRequestIsNeverRefused() {
    MoneyFixture f = MoneyFixture.onEscrow();
    f.deposit(Sample.ALICE, 5_000_000);
    for (long i = 1; i <= 1_000; i++) {
      f.voucher(Sample.ALICE, 1_000_000 + i);
      assertThat(f.purse(Sample.ALICE).cover()).isEqualTo(1_000_000 + i);
    }
    List<Long> kept = f.purse(Sample.ALICE).vouchers().stream().map(Voucher::cumulative).toList();
    assertThat(kept).hasSize(Limits.VOUCHER_RUNGS).startsWith(1_000_001L).endsWith(1_001_000L);
    // No gap is much wider than others must be.
    for (int i = 1; i < kept.size(); i++) {
      assertThat(kept.get(i) - kept.get(i - 1)).isLessThanOrEqualTo(2 * 1_000 / kept.size() + 4);
    }
    // What comes late, below the highest, does no harm.
    f.voucher(Sample.ALICE, 500_000);
    assertThat(f.purse(Sample.ALICE).cover()).isEqualTo(1_001_000);
    assertThat(f.purse(Sample.ALICE).vouchers()).hasSize(Limits.VOUCHER_RUNGS);
  }
}
