package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import org.junit.jupiter.api.Test;

class PayerMarksTest {
  private static final Address PAYER = new Address(1, 2, 3);

  @Test
  void whoFailsWaitsTwiceAsLongEachTimeUntilItPays() {
    PayerMarks marks = new PayerMarks();
    assertThat(marks.leftMs(PAYER, 5)).isZero();
    long pauseMs = MarketLimits.PAYER_PAUSE_MS;
    for (int failure = 0; failure < 80; failure++) {
      marks.failed(PAYER, 1_000);
      assertThat(marks.leftMs(PAYER, 1_000)).as("failure %d", failure).isEqualTo(pauseMs);
      pauseMs = Math.min(2 * pauseMs, MarketLimits.LONGEST_PAYER_PAUSE_MS);
    }
    assertThat(marks.leftMs(new Address(1, 2, 4), 1_000)).isZero();
    assertThat(marks.leftMs(PAYER, 1_000 + MarketLimits.LONGEST_PAYER_PAUSE_MS)).isZero();
    marks.paid(PAYER);
    assertThat(marks.leftMs(PAYER, 1_000)).isZero();
    marks.failed(PAYER, 1_000);
    assertThat(marks.leftMs(PAYER, 1_000)).isEqualTo(MarketLimits.PAYER_PAUSE_MS);
  }

  @Test
  void onlySoManyAreRemembered() {
    PayerMarks marks = new PayerMarks();
    for (int i = 0; i <= MarketLimits.PAYERS; i++) {
      marks.failed(new Address(9, 0, i), 0);
    }
    assertThat(marks.leftMs(new Address(9, 0, 0), 0)).as("the oldest").isZero();
    assertThat(marks.leftMs(new Address(9, 0, MarketLimits.PAYERS), 0)).isPositive();
  }
}
