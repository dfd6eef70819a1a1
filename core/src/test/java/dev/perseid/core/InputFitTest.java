package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/// What the bytes that a task reads say of its run time.
class InputFitTest {
  private static final long SEED = 5;

  private final Random random = new Random(SEED);
  private final InputFit fit = new InputFit();

  @Test
  void whatIsInProportionToItsInputIsExpectedToBe() {
    long mean = 0;
    for (int i = 1; i <= 60; i++) {
      long bytes = 1_000L + random.nextInt(100_000_000);
      long tookNs = (long) (bytes * 20 * (0.9 + 0.2 * random.nextDouble()));
      fit.learn(bytes, tookNs, mean);
      mean += (tookNs - mean) / i;
    }
    assertThat(fit.isBetter()).as("seed %d", SEED).isTrue();
    for (long bytes : new long[] {1_000_000, 50_000_000, 400_000_000}) {
      assertThat(fit.wallNs(bytes)).isCloseTo(bytes * 20, Percentage.withPercentage(15));
    }
  }

  @Test
  void whatHasNothingToDoWithItsInputIsNot() {
    long mean = 0;
    for (int i = 1; i <= 60; i++) {
      long tookNs = 1_000_000_000L + random.nextInt(100_000_000);
      fit.learn(random.nextInt(100_000_000), tookNs, mean);
      mean += (tookNs - mean) / i;
    }
    assertThat(fit.isBetter()).as("seed %d", SEED).isFalse();
  }

  @Test
  void whatIsFarFromAllThatWasSeenIsNotBelievedToTakeForEver() {
    for (int i = 1; i <= 9; i++) {
      fit.learn(i, 1L << 4 * i, 1);
    }
    assertThat(fit.wallNs(Long.MAX_VALUE)).isPositive().isLessThan(Long.MAX_VALUE);
    assertThat(fit.wallNs(0)).isPositive();
  }
}
