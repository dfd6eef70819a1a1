package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DrainTest {
  private static final long STEP_MS = GatewayLimits.UNREAD_MS / 4;

  @Test
  void whoReadsIsNotStuckThoughAsMuchWaitsAtEachLook() {
    Drain drain = new Drain(0);
    for (int i = 1; i < 100; i++) {
      assertThat(drain.isStuck(1_000L * i, 1_300, i * STEP_MS)).isFalse();
    }
  }

  @Test
  void whoReadsNothingIsStuckThoughMoreAndMoreWaits() {
    Drain drain = new Drain(0);
    boolean stuck = false;
    for (int i = 1; i < 7; i++) {
      stuck = drain.isStuck(1_000L * i, 1_300L * i, i * STEP_MS);
    }
    assertThat(stuck).isTrue();
  }

  @Test
  void whoReadSlowlyToTheEndIsNotStuck() {
    Drain drain = new Drain(0);
    for (int i = 0; i < 100; i++) {
      assertThat(drain.isStuck(100_000, 100_000 - 1_000L * i, i * STEP_MS)).isFalse();
    }
    assertThat(drain.isStuck(100_000, 0, 1_000 * STEP_MS)).isFalse();
  }
}
