package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import dev.perseid.inference.Failure;
import org.junit.jupiter.api.Test;

class BreakersTest {
  private static final Hash OFFER = Hash.sha256(new byte[] {1});

  @Test
  void whatFailsIsLeftAloneThenTriedByOneAndForgivenWhenItWorks() {
    Breakers breakers = new Breakers();
    assertThat(breakers.state(OFFER, 0)).isEqualTo(Breakers.State.CLOSED);
    breakers.failed(OFFER, Failure.Kind.BROKEN, 0);
    assertThat(breakers.state(OFFER, GatewayLimits.BREAK_FIRST_MS - 1))
        .isEqualTo(Breakers.State.OPEN);
    long half = GatewayLimits.BREAK_FIRST_MS;
    assertThat(breakers.state(OFFER, half)).isEqualTo(Breakers.State.HALF_OPEN);
    breakers.trying(OFFER, half);
    assertThat(breakers.state(OFFER, half)).isEqualTo(Breakers.State.OPEN);
    breakers.worked(OFFER);
    assertThat(breakers.state(OFFER, half)).isEqualTo(Breakers.State.CLOSED);
  }

  @Test
  void theWaitDoublesUpToTheMostAndIsLongForTheSilent() {
    Breakers breakers = new Breakers();
    for (int i = 0; i < 100; i++) {
      breakers.failed(OFFER, Failure.Kind.BUSY, 0);
    }
    assertThat(breakers.state(OFFER, GatewayLimits.BREAK_MOST_MS - 1))
        .isEqualTo(Breakers.State.OPEN);
    assertThat(breakers.state(OFFER, GatewayLimits.BREAK_MOST_MS))
        .isEqualTo(Breakers.State.HALF_OPEN);
    breakers.failed(OFFER, Failure.Kind.TIMEOUT, 0);
    assertThat(breakers.state(OFFER, GatewayLimits.BREAK_SILENT_MS - 1))
        .isEqualTo(Breakers.State.OPEN);
  }
}
