package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

final class DiceTest {
  @Test
  void isSplitMix64() {
    Dice dice = new Dice(1234567);
    List<String> drawn =
        List.of(dice.next(), dice.next(), dice.next(), dice.next(), dice.next()).stream()
            .map(Long::toUnsignedString)
            .toList();
    assertThat(drawn)
        .containsExactly(
            "6457827717110365317",
            "3203168211198807973",
            "9817491932198370423",
            "4593380528125082431",
            "16408922859458223821");
  }

  @Test
  void drawsStayWithinTheirBounds() {
    Dice dice = new Dice(7);
    boolean[] seen = new boolean[5];
    for (int i = 0; i < 10_000; i++) {
      seen[dice.below(5)] = true;
      assertThat(dice.between(-3, 3)).isBetween(-3L, 3L);
      assertThat(dice.skewed(10, 20)).isBetween(10L, 20L);
    }
    assertThat(seen).containsOnly(true);
    assertThat(dice.between(9, 9)).isEqualTo(9);
    assertThat(dice.skewed(9, 9)).isEqualTo(9);
    assertThat(dice.chance(0)).isFalse();
    assertThat(dice.chance(10_000)).isTrue();
  }

  @Test
  void aSplitDrawsAnotherSequenceAndTheSameOneAgain() {
    Dice left = new Dice(1);
    Dice right = new Dice(1);
    Dice a = left.split();
    Dice b = right.split();
    for (int i = 0; i < 100; i++) {
      long drawn = a.next();
      assertThat(drawn).isEqualTo(b.next());
      assertThat(drawn).isNotEqualTo(left.next());
      right.next();
    }
  }
}
