package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Limits;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ElectricityTest {
  private static final OptionalLong SECOND_NS = OptionalLong.of(1_000_000_000);
  private static final OptionalLong NOT_KNOWN = OptionalLong.empty();

  private static Electricity of(long mwPerCore) {
    return new Electricity(OptionalLong.of(mwPerCore), NOT_KNOWN, OptionalInt.empty());
  }

  @Test
  void coresTakePowerAsLongAsTheyAreInUse() {
    assertThat(of(6_500).energyUj(OptionalLong.of(2_000_000_000), SECOND_NS, 0))
        .as("two cores for a second")
        .hasValue(13_000_000);
    assertThat(of(6_500).by(0)).isEqualTo("declared: 6.5 W a core in use");
    assertThat(of(100_000).by(0)).isEqualTo("declared: 100 W a core in use");
  }

  @Test
  void gpusTakePowerAsLongAsTheyAreHeld() {
    Electricity e =
        new Electricity(OptionalLong.of(5_000), OptionalLong.of(300_000), OptionalInt.empty());
    assertThat(e.energyUj(OptionalLong.of(500_000_000), SECOND_NS, 2)).hasValue(602_500_000);
    assertThat(e.by(2)).isEqualTo("declared: 5 W a core in use, 300 W a GPU");
  }

  @Test
  void whatIsNotKnownIsNotSaid() {
    assertThat(Electricity.UNKNOWN.energyUj(SECOND_NS, SECOND_NS, 0)).isEmpty();
    assertThat(of(6_500).energyUj(NOT_KNOWN, SECOND_NS, 0)).isEmpty();
    assertThat(of(6_500).energyUj(SECOND_NS, SECOND_NS, 1)).as("of its GPUs").isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "0, , , a core takes 0 W; it must be 0.001 to 10000",
    "10000001, , , a core takes 10000.001 W",
    "1, 0, , a GPU takes 0 W",
    ", 5, , but not what a core takes",
    ", , -1, emits -1 g; it must be 0 to 5000",
    ", , 5001, emits 5001 g"
  })
  void nonsenseIsRefused(Long mwPerCore, Long mwPerGpu, Integer grams, String why) {
    assertThat(Limits.G_PER_KWH).isEqualTo(5_000);
    assertThatThrownBy(() ->
            new Electricity(
                mwPerCore == null ? NOT_KNOWN : OptionalLong.of(mwPerCore),
                mwPerGpu == null ? NOT_KNOWN : OptionalLong.of(mwPerGpu),
                grams == null ? OptionalInt.empty() : OptionalInt.of(grams)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(why);
  }
}
