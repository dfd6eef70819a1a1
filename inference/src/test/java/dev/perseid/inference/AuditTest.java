package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class AuditTest {
  private static final DreamModel TRUE = DreamModel.exact(5);

  @Test
  void anHonestAnswerIsTheModelsChoiceAtEachToken() {
    for (Transcript.Sampling sampling :
        List.of(
            Transcript.Sampling.GREEDY,
            Transcript.Sampling.of(1, 3),
            Transcript.Sampling.of(0.4, -9),
            sampling(0.8, 5, 1, 0, new Draw.Shared(1)),
            sampling(1, 0, 0.7, 0, new Draw.Shared(2)),
            sampling(1.3, 0, 1, 0.1, new Draw.Shared(3)),
            sampling(0.9, 20, 0.9, 0.02, new Draw.Shared(4)),
            new Transcript.Sampling(
                new SamplingParams(0.9, 0.95, 0, 0, 0.3, 0.2, 1.1, Map.of(3, 2.0)),
                new Draw.Shared(5)))) {
      Evidence e = Audit.check(TRUE.answer("a", DreamModel.prompt(1), sampling), TRUE);
      assertThat(e.choices()).as("%s", sampling).isPositive();
      assertThat(e.matches()).as("%s", sampling).isEqualTo(e.choices());
      assertThat(e.meanMargin()).isZero();
      assertThat(e.meanLogprobDeviation()).isLessThan(1e-5);
      assertThat(e.finishFits()).isTrue();
      assertThat(e.excessCompletionTokens() + e.excessPromptTokens()).isZero();
    }
  }

  @Test
  void aSmallErrorGivesFewMismatchesAndSmallMargins() {
    Evidence[] es = evidence(new DreamModel(5, 1, 0.01, 1_000), Transcript.Sampling.of(1, 0), 40);
    double share = Arrays.stream(es).mapToInt(Evidence::matches).sum() / (double) choices(es);
    assertThat(share).isBetween(0.98, 0.9999);
    assertThat(meanMargin(es)).isBetween(1e-7, 5e-4);
  }

  @Test
  void cheatsGiveLargeMargins() {
    Transcript.Sampling said = Transcript.Sampling.of(1, 0);
    assertThat(meanMargin(evidence(DreamModel.exact(6), said, 10))).isGreaterThan(0.5);
    assertThat(meanMargin(evidence(new DreamModel(5, 1, 0.3, 1_000), said, 10)))
        .isGreaterThan(0.01);
    assertThat(meanMargin(evidence(new DreamModel(5, 0, 0, 4), said, 10))).isGreaterThan(0.01);
  }

  @Test
  void withoutASharedSeedOnlyTheDistributionIsCompared() {
    Transcript.Sampling own = sampling(1, 0, 1, 0, new Draw.Own());
    Evidence e = Audit.check(TRUE.answer("a", DreamModel.prompt(2), own), TRUE);
    assertThat(e.choices()).isZero();
    assertThat(e.tilted).isEqualTo(e.tokens());
    assertThat(e.surprise()).isPositive();
    Transcript.Sampling foreign = sampling(1, 0, 1, 0, new Draw.Foreign(42));
    Evidence f = Audit.check(TRUE.answer("a", DreamModel.prompt(2), foreign), TRUE);
    assertThat(f.choices() + f.tilted).isZero();
  }

  @Test
  void likelihoodRatiosHaveTheMeanOne() {
    // Over all tokens of one row, weighted by the model's own probability.
    Transcript.Sampling own = sampling(0.8, 0, 0.9, 0, new Draw.Own());
    int[] prompt = DreamModel.prompt(3);
    double[] mean = new double[Evidence.TILTS.length];
    double[] logits = new double[DreamModel.VOCABULARY];
    TRUE.read(prompt, new int[1], (i, row) -> Arrays.setAll(logits, t -> row[t]));
    float[] row = new float[logits.length];
    for (int t = 0; t < row.length; t++) {
      row[t] = (float) logits[t];
    }
    double floor = Sampler.least(row, own.params());
    double all = 0;
    double kept = 0;
    for (float x : row) {
      all += Math.exp(x / 0.8);
      kept += x >= floor ? Math.exp(x / 0.8) : 0;
    }
    assertThat(kept / all).isBetween(0.9, 0.99);
    for (int t = 0; t < row.length; t++) {
      double e = Math.exp(row[t] / 0.8);
      double p =
          AuditLimits.EDGE * e / all + (row[t] >= floor ? (1 - AuditLimits.EDGE) * e / kept : 0);
      Evidence found = Audit.check(transcript(prompt, new int[] {t}, own), TRUE);
      for (int k = 0; k < mean.length; k++) {
        mean[k] += p * Math.exp(found.tilts[k]);
      }
    }
    for (double m : mean) {
      assertThat(m).isCloseTo(1, within(1e-5));
    }
  }

  @Test
  void aTokenAtTheEdgeOfTheNucleusIsHardlyBlamed() {
    Transcript.Sampling s = sampling(1, 3, 1, 0, new Draw.Shared(1));
    Logits flat = row(2f, 1.5f, 1.0001f, 1f, -5f);
    Evidence fourth = Audit.check(transcript(new int[] {1}, new int[] {3}, s), flat);
    Evidence last = Audit.check(transcript(new int[] {1}, new int[] {4}, s), flat);
    assertThat(last.meanMargin()).isEqualTo(2);
    assertThat(fourth.meanMargin()).isLessThan(last.meanMargin());
  }

  @Test
  void claimsAreCountedByTheAuditor() {
    Transcript t = TRUE.answer("a", DreamModel.prompt(4), Transcript.Sampling.of(1, 8));
    int n = t.output().length;
    assertThat(claimed(t, n + 3, 12, t.said().finish()).excessCompletionTokens()).isEqualTo(3);
    assertThat(claimed(t, n, 20, t.said().finish()).excessPromptTokens()).isEqualTo(8);
    assertThat(claimed(t, n - 1, 5, t.said().finish()).counts).containsExactly(0);
    // Cut short, and said to have reached what was allowed.
    Transcript cut = transcript(t.prompt(), new int[] {4, 5}, t.sampling());
    assertThat(claimed(cut, 2, 12, Transcript.Finish.LENGTH).finishFits()).isFalse();
    // Cut short, and said to have ended by itself: there is no end token and no stop sequence.
    assertThat(claimed(cut, 2, 12, Transcript.Finish.STOP).finishFits()).isFalse();
  }

  @Test
  void rubbishFromAProviderIsEvidenceAndNoCrash() {
    Transcript.Sampling s = Transcript.Sampling.of(1, 1);
    for (int bad : new int[] {-1, DreamModel.VOCABULARY, Integer.MAX_VALUE}) {
      Transcript t = transcript(DreamModel.prompt(1), new int[] {1, bad, 2}, s);
      Evidence e = Audit.check(t, TRUE);
      assertThat(e.tokens()).isEqualTo(2);
      assertThat(e.margins[1]).isEqualTo(1);
    }
    Transcript nan =
        new Transcript(
            "x",
            DreamModel.prompt(1),
            new int[] {1},
            s,
            DreamModel.BOUNDS,
            new Transcript.Said(Transcript.Finish.LENGTH, Claim.NONE),
            new float[] {Float.NaN});
    assertThat(Audit.check(nan, TRUE).logprobs).containsExactly(1);
    assertThat(Audit.check(transcript(new int[] {1}, new int[0], s), TRUE).tokens()).isZero();
    assertThatThrownBy(() ->
            new Transcript(
                "x", new int[1], new int[2], s, DreamModel.BOUNDS, nan.said(), new float[3]))
        .hasMessageContaining("3 log probabilities for 2 tokens");
  }

  @Test
  void repeatedAnswersAreComparedUpToWhereTheyPart() {
    assertThat(Audit.repeat(new int[] {1, 2, 3}, new int[] {1, 2, 3}).repeats)
        .containsExactly(0, 0, 0);
    assertThat(Audit.repeat(new int[] {1, 2, 3}, new int[] {1, 9, 3}).repeats)
        .containsExactly(0, 1);
    assertThat(Audit.repeat(new int[] {1, 2}, new int[] {1, 2, 3}).repeats)
        .containsExactly(0, 0, 1);
    assertThat(Audit.repeat(new int[0], new int[0]).repeats).isEmpty();
  }

  @Test
  void aCopyIsAsTellingAsTheAnswerIsImprobable() {
    Transcript.Sampling own = sampling(1, 0, 1, 0, new Draw.Own());
    Transcript t = TRUE.answer("a", DreamModel.prompt(7), own);
    Evidence e = Audit.check(t, TRUE);
    assertThat(Audit.copy(t.output(), e, t.output()).copies[0])
        .isCloseTo(Math.min(50, 0.9 * e.surprise()) + Math.log(0.1), within(0.01));
    assertThat(Audit.copy(t.output(), e, new int[] {1}).copies[0]).isNegative();
    // At temperature 0 the same answer is what is expected.
    Transcript g = TRUE.answer("a", DreamModel.prompt(7), Transcript.Sampling.GREEDY);
    assertThat(Audit.copy(g.output(), Audit.check(g, TRUE), g.output()).copies[0]).isZero();
  }

  private static Logits row(float... logits) {
    return new Logits() {
      @Override
      public int vocabulary() {
        return logits.length;
      }

      @Override
      public void read(int[] prompt, int[] continuation, Row row) {
        for (int i = 0; i < continuation.length; i++) {
          row.at(i, logits.clone());
        }
      }
    };
  }

  private static Transcript.Sampling sampling(
      double temperature, int topK, double topP, double minP, Draw draw) {
    return new Transcript.Sampling(
        new SamplingParams(temperature, topP, topK, minP, 0, 0, 1, Map.of()), draw);
  }

  private static Evidence claimed(
      Transcript t, int completion, int prompt, Transcript.Finish finish) {
    return Audit.check(
        new Transcript(
            t.requestId(),
            t.prompt(),
            t.output(),
            t.sampling(),
            t.bounds(),
            new Transcript.Said(finish, Claim.tokens(prompt, 0, completion)),
            t.logprobs()),
        TRUE);
  }

  private static Transcript transcript(int[] prompt, int[] output, Transcript.Sampling sampling) {
    return new Transcript(
        "t",
        prompt,
        output,
        sampling,
        DreamModel.BOUNDS,
        new Transcript.Said(
            Transcript.Finish.LENGTH, Claim.tokens(prompt.length, 0, output.length)),
        new float[0]);
  }

  private static Evidence[] evidence(DreamModel provider, Transcript.Sampling said, int answers) {
    List<Evidence> es = new ArrayList<>();
    for (int i = 0; i < answers; i++) {
      Transcript.Sampling s = Transcript.Sampling.of(said.params().temperature(), 100 + i);
      es.add(Audit.check(provider.answer("r" + i, DreamModel.prompt(i), s), TRUE));
    }
    return es.toArray(Evidence[]::new);
  }

  private static int choices(Evidence[] es) {
    return Arrays.stream(es).mapToInt(Evidence::choices).sum();
  }

  private static double meanMargin(Evidence[] es) {
    return Arrays.stream(es).mapToDouble(e -> e.meanMargin() * e.choices()).sum() / choices(es);
  }
}
