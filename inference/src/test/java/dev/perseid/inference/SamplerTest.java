package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final long SEED = 99;

  private static float[] someLogits(int n) {
    Random dice = new Random(SEED);
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) (3 * dice.nextGaussian());
    }
    return out;
  }

  @Test
  void theTokenWithTheHighestNoisyLogitIsTaken() {
    float[] logits = someLogits(500);
    SamplingParams params = SamplingParams.at(0.8);
    for (int position = 0; position < 300; position++) {
      int best = 0;
      double most = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < logits.length; i++) {
        double score = logits[i] / 0.8 + Sampler.noise(SEED, position, i);
        if (score > most) {
          most = score;
          best = i;
        }
      }
      assertThat(Sampler.choose(logits, params, SEED, position)).isEqualTo(best);
      assertThat(Sampler.margin(logits, params, SEED, position, best)).isZero();
      int other = (best + 1) % logits.length;
      assertThat(Sampler.margin(logits, params, SEED, position, other)).isPositive();
    }
  }

  @Test
  void tokensComeAsOftenAsTheirProbabilitiesSay() {
    float[] logits = {(float) Math.log(0.5), (float) Math.log(0.3), (float) Math.log(0.2)};
    int[] count = new int[3];
    int n = 20_000;
    for (int position = 0; position < n; position++) {
      count[Sampler.choose(logits, SamplingParams.at(1), SEED, position)]++;
    }
    assertThat(count[0] / (double) n).isBetween(0.48, 0.52);
    assertThat(count[1] / (double) n).isBetween(0.28, 0.32);
  }

  @Test
  void filtersKeepTheBest() {
    float[] logits = {(float) Math.log(0.5), (float) Math.log(0.3), (float) Math.log(0.2)};
    SamplingParams topP = new SamplingParams(1, 0.7, 0, 0, 0, 0, 1, Map.of());
    SamplingParams topK = new SamplingParams(1, 1, 1, 0, 0, 0, 1, Map.of());
    SamplingParams minP = new SamplingParams(1, 1, 0, 0.5, 0, 0, 1, Map.of());
    for (int position = 0; position < 500; position++) {
      assertThat(Sampler.choose(logits, topP, SEED, position)).isLessThan(2);
      assertThat(Sampler.choose(logits, topK, SEED, position)).isZero();
      assertThat(Sampler.choose(logits, minP, SEED, position)).isLessThan(2);
    }
    assertThat(Sampler.margin(logits, topP, SEED, 0, 2)).isInfinite();
    assertThat(Sampler.choose(logits, SamplingParams.GREEDY, SEED, 0)).isZero();
  }

  @Test
  void penaltiesAndBiasesChangeLogits() {
    float[] logits = {1, -1, 2};
    SamplingParams params = new SamplingParams(1, 1, 0, 0, 0.5, 0.25, 2, Map.of(2, -3.0));
    assertThat(Sampler.penalised(logits, params, new int[] {0, 0, 1}))
        .containsExactly(0.5f - 1 - 0.25f, -2 - 0.5f - 0.25f, -1);
    assertThat(Sampler.penalised(logits, SamplingParams.GREEDY, new int[] {0})).isSameAs(logits);
  }

  @Test
  void logProbabilitiesSumToOne() {
    double sum = 0;
    for (double log : Sampler.logProbs(someLogits(300))) {
      sum += Math.exp(log);
    }
    assertThat(sum).isBetween(0.99999, 1.00001);
  }
}
