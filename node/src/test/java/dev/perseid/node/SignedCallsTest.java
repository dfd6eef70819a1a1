package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import dev.perseid.settle.SignedRequest;
import org.junit.jupiter.api.Test;

class SignedCallsTest {
  private static final long NOW_MS = 1_000_000;
  private static final String TARGET = "/v1/models";

  private final Address pool = Key.generate().address();
  private final Key key = Key.generate();
  private final SignedCalls calls = new SignedCalls(pool, AccessTerms.NONE, 0);

  private String signed(int number) {
    Hash nonce = new Hash(0, 0, 0, number);
    return SignedRequest.sign(key, pool, "consumer", "GET", TARGET, Hash.EMPTY_BLOB, NOW_MS, nonce)
        .header();
  }

  private Entrance.Admission come(String header, String target, String from) {
    return calls.admit(header, "GET", target, from, NOW_MS);
  }

  /// A signature that was seen can be sent again by whoever saw it: that must cost us nothing.
  @Test
  void whatWasUsedIsRefusedBeforeItsSignatureIsLookedAt() {
    String once = signed(0);
    assertThat(come(once, TARGET, "there")).isInstanceOf(Entrance.Admission.In.class);
    for (int i = 0; i < 10 * PoolLimits.SIGNED_LOOKS_FROM_ONE_PER_S; i++) {
      assertThat(come(once, TARGET, "there")).isInstanceOf(Entrance.Admission.Nobody.class);
    }
    assertThat(come(signed(1), TARGET, "there")).isInstanceOf(Entrance.Admission.In.class);
  }

  @Test
  void onePlaceThatSendsWrongSignaturesMakesOnlyItselfWait() {
    int looked = 0;
    while (come(signed(1), "/v1/other", "there") instanceof Entrance.Admission.Nobody) {
      looked++;
    }
    assertThat(looked).isEqualTo(4 * PoolLimits.SIGNED_LOOKS_FROM_ONE_PER_S);
    assertThat(come(signed(2), TARGET, "there")).isInstanceOf(Entrance.Admission.TooOften.class);
    assertThat(come(signed(2), TARGET, "here")).isInstanceOf(Entrance.Admission.In.class);
  }
}
