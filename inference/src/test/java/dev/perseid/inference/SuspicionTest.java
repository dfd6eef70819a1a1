package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class SuspicionTest {
  private static final DreamModel TRUE = DreamModel.exact(11);
  private static final DreamModel HONEST = new DreamModel(11, 3, 0.002, 1_000);
  private static final Transcript.Sampling OWN = sampling(1, 0, 1, 0, new Draw.Own());

  @Test
  void honestProvidersAreClearedAndNeverCaught() {
    int cleared = 0;
    for (int life = 0; life < 12; life++) {
      Suspicion s = Suspicion.fresh(Baseline.USUAL);
      for (int i = 0; i < 50; i++) {
        int n = life * 1_000 + i;
        s = s.with(shared(HONEST, n, 1, 1));
        s = s.with(own(HONEST, n, 1));
      }
      assertThat(s.verdict().decision())
          .as("life %d: %s", life, s.verdict())
          .isNotEqualTo(Verdict.Decision.CHEATING);
      cleared += s.verdict().decision() == Verdict.Decision.HONEST ? 1 : 0;
    }
    assertThat(cleared).isEqualTo(12);
  }

  @Test
  void nothingIsSaidOfTheUnknown() {
    Verdict v = Suspicion.fresh(Baseline.USUAL).verdict();
    assertThat(v.decision()).isEqualTo(Verdict.Decision.UNDECIDED);
    assertThat(v.tokens()).isZero();
  }

  @Test
  void cheatsAreCaughtWithinATokenBudget() {
    // Another model, an ignored seed, another temperature, a coarse quantisation, a short context.
    caught(i -> shared(DreamModel.exact(12), i, 1, 1), Sign.MARGIN, 60);
    caught(
        i -> check(TRUE.answer("r", DreamModel.prompt(i), seed(1, i), seed(1, i + 500_000))),
        Sign.MARGIN,
        60);
    caught(i -> shared(HONEST, i, 1, 0.7), Sign.MARGIN, 250);
    caught(i -> shared(new DreamModel(11, 4, 0.2, 1_000), i, 1, 1), Sign.MARGIN, 400);
    caught(i -> shared(new DreamModel(11, 3, 0.002, 8), i, 1, 1), Sign.MARGIN, 250);
    // The same without a shared seed.
    caught(i -> own(DreamModel.exact(12), i, 1), Sign.TILT, 60);
    caught(i -> own(HONEST, i, 0.7), Sign.TILT, 600);
    caught(i -> own(HONEST, i, 1.5), Sign.TILT, 600);
    caught(i -> own(HONEST, i, 0), Sign.TILT, 200);
  }

  @Test
  void itIsTakenUpExactlyWhereItWasLeft() {
    Suspicion whole = Suspicion.fresh(Baseline.USUAL);
    Suspicion written = whole;
    DreamModel cheat = new DreamModel(11, 4, 0.2, 1_000);
    for (int i = 0; i < 60; i++) {
      Evidence e = i % 3 == 0 ? own(HONEST, i, 1) : shared(i < 40 ? HONEST : cheat, i, 1, 1);
      whole = whole.with(e).with(Audit.repeat(new int[] {1, 2, i}, new int[] {1, 2, 7}));
      written =
          Suspicion.of(Baseline.USUAL, written.tests())
              .with(e)
              .with(Audit.repeat(new int[] {1, 2, i}, new int[] {1, 2, 7}));
      assertThat(written.tests()).isEqualTo(whole.tests());
      assertThat(written.verdict()).isEqualTo(whole.verdict());
    }
    assertThat(whole.verdict().decision()).isEqualTo(Verdict.Decision.CHEATING);
    Verdict again = Suspicion.of(Baseline.USUAL, whole.tests()).verdict();
    assertThat(again).isEqualTo(whole.verdict());
    assertThatThrownBy(() -> Suspicion.of(Baseline.USUAL, List.of(1L, 2L)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("another form");
  }

  @Test
  void aProviderThatTurnsIsStillCaught() {
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 150; i++) {
      s = s.with(shared(HONEST, i, 1, 1));
    }
    assertThat(s.verdict().decision()).isEqualTo(Verdict.Decision.HONEST);
    long before = s.tokens();
    int i = 0;
    while (s.verdict().decision() != Verdict.Decision.CHEATING && i < 100) {
      s = s.with(shared(new DreamModel(11, 4, 0.2, 1_000), 5_000 + i++, 1, 1));
    }
    assertThat(s.verdict().decision()).isEqualTo(Verdict.Decision.CHEATING);
    assertThat(s.tokens() - before).isLessThan(1_500);
    // Caught is caught.
    Verdict v = s.verdict();
    assertThat(s.with(shared(HONEST, 1, 1, 1)).verdict()).isEqualTo(v);
  }

  @Test
  void falseClaimsAreCaught() {
    for (int percent : new int[] {5, 20}) {
      Suspicion s = Suspicion.fresh(Baseline.USUAL);
      int i = 0;
      while (s.verdict().decision() != Verdict.Decision.CHEATING && i < 40) {
        Transcript t = HONEST.answer("r", DreamModel.prompt(i), seed(1, i));
        int n = t.output().length;
        s = s.with(claimed(t, (int) Math.round(n * (1 + percent / 100.0)), t.said().finish()));
        i++;
      }
      assertThat(s.verdict().sign()).as("%d %%", percent).isEqualTo(Optional.of(Sign.COUNT));
      assertThat(s.audits()).isLessThan(percent == 5 ? 25 : 10);
    }
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 10; i++) {
      s = s.with(cut(HONEST.answer("r", DreamModel.prompt(i), seed(1, i))));
    }
    assertThat(s.verdict().sign()).isEqualTo(Optional.of(Sign.FINISH));
  }

  @Test
  void aMilderClaimIsNotCalledACheat() {
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 200; i++) {
      Transcript t = HONEST.answer("r", DreamModel.prompt(i), seed(1, i));
      // One in ten answers counts one token more: another convention, not a cheat.
      s = s.with(claimed(t, t.output().length + (i % 10 == 0 ? 1 : 0), t.said().finish()));
    }
    assertThat(s.verdict().decision()).isEqualTo(Verdict.Decision.HONEST);
  }

  @Test
  void statedProbabilitiesAreChecked() {
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 10; i++) {
      Transcript t = TRUE.answer("r", DreamModel.prompt(i), seed(1, i));
      float[] lies = t.logprobs().clone();
      for (int k = 0; k < lies.length; k++) {
        lies[k] += 0.2f;
      }
      s =
          s.with(
              Audit.check(
                  new Transcript(
                      "r", t.prompt(), t.output(), t.sampling(), t.bounds(), t.said(), lies),
                  TRUE));
    }
    assertThat(s.verdict().sign()).isEqualTo(Optional.of(Sign.LOGPROB));
  }

  @Test
  void repetitionsAndCopiesAreChecked() {
    Suspicion different = Suspicion.fresh(Baseline.USUAL);
    Suspicion same = Suspicion.fresh(Baseline.USUAL);
    Suspicion copies = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 12; i++) {
      int[] a = TRUE.answer("a" + i, DreamModel.prompt(i), OWN).output();
      int[] b = TRUE.answer("b" + i, DreamModel.prompt(i), OWN).output();
      different = different.with(Audit.repeat(a, b));
      same = same.with(Audit.repeat(a, a));
      Evidence e = Audit.check(TRUE.answer("a" + i, DreamModel.prompt(i), OWN), TRUE);
      copies = copies.with(Audit.copy(a, e, i < 3 ? b : a));
    }
    assertThat(different.verdict().sign()).isEqualTo(Optional.of(Sign.REPEAT));
    assertThat(same.verdict().decision()).isEqualTo(Verdict.Decision.UNDECIDED);
    assertThat(copies.verdict().sign()).isEqualTo(Optional.of(Sign.COPY));
  }

  /// The worst honest provider: exactly at the threshold, at a false-alarm rate that can be seen.
  @Test
  void scalesKeepTheirFalseAlarmRate() {
    long seed = 42;
    SplittableRandom random = new SplittableRandom(seed);
    int alarms = 0;
    int cleared = 0;
    int lives = 600;
    for (int life = 0; life < lives; life++) {
      Scales scales = Scales.of(0.01, 0.05, 1);
      Scales cheat = Scales.of(0.01, 0.05, 1);
      float[] values = new float[1_000];
      float[] odd = new float[1_000];
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextDouble() < 0.02 ? 0.5f : 0;
        odd[i] = random.nextDouble() < 0.05 ? 1 : 0;
      }
      alarms += scales.with(values, 0.1, 0.1).tipped() ? 1 : 0;
      cleared += cheat.with(odd, 0.1, 0.1).cleared() ? 1 : 0;
    }
    assertThat(alarms / (double) lives).as("seed %d", seed).isLessThan(0.1);
    assertThat(cleared / (double) lives).as("seed %d", seed).isLessThan(0.1);
  }

  @Test
  void aBaselineIsMeasured() {
    List<Evidence> honest = new ArrayList<>();
    for (int i = 0; i < 60; i++) {
      honest.add(shared(new DreamModel(11, 9, 0.03, 1_000), i, 1, 1));
    }
    Baseline b = Baseline.of(honest);
    assertThat(b.margin()).isBetween(1e-5, 5e-3);
    assertThat(b.marginCheat()).isGreaterThan(Baseline.USUAL.marginCheat());
    assertThat(Baseline.of(List.of())).isEqualTo(Baseline.USUAL);
    assertThatThrownBy(() -> new Baseline(0.1, 0.1, 0.1, 0.1))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private interface Answers {
    Evidence audited(int n);
  }

  private static void caught(Answers provider, Sign sign, int tokens) {
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 60 && s.verdict().decision() != Verdict.Decision.CHEATING; i++) {
      s = s.with(provider.audited(i));
    }
    assertThat(s.verdict().sign()).isEqualTo(Optional.of(sign));
    assertThat(s.verdict().tokens()).isLessThanOrEqualTo(tokens);
    assertThat(s.verdict().why()).isNotEmpty();
  }

  private static Transcript.Sampling seed(double temperature, int n) {
    return Transcript.Sampling.of(temperature, 31L * n + 7);
  }

  private static Evidence shared(DreamModel provider, int n, double said, double drawn) {
    return check(provider.answer("r", DreamModel.prompt(n), seed(said, n), seed(drawn, n)));
  }

  private static Evidence own(DreamModel provider, int n, double drawn) {
    return check(
        provider.answer(
            "r" + n, DreamModel.prompt(n), OWN, sampling(drawn, 0, 1, 0, new Draw.Own())));
  }

  /// Without the stated probabilities, which would give most cheats away at once.
  private static Evidence check(Transcript t) {
    return Audit.check(
        new Transcript(
            t.requestId(),
            t.prompt(),
            t.output(),
            t.sampling(),
            t.bounds(),
            t.said(),
            new float[0]),
        TRUE);
  }

  private static Transcript.Sampling sampling(
      double temperature, int topK, double topP, double minP, Draw draw) {
    return new Transcript.Sampling(
        new SamplingParams(temperature, topP, topK, minP, 0, 0, 1, Map.of()), draw);
  }

  private static Evidence claimed(Transcript t, int completion, Transcript.Finish finish) {
    return check(
        new Transcript(
            "r",
            t.prompt(),
            t.output(),
            t.sampling(),
            t.bounds(),
            new Transcript.Said(finish, Claim.tokens(t.prompt().length, 0, completion)),
            new float[0]));
  }

  private static Evidence cut(Transcript t) {
    int n = Math.min(2, t.output().length - 1);
    return check(
        new Transcript(
            "r",
            t.prompt(),
            java.util.Arrays.copyOf(t.output(), n),
            t.sampling(),
            t.bounds(),
            new Transcript.Said(Transcript.Finish.STOP, Claim.tokens(t.prompt().length, 0, n)),
            new float[0]));
  }
}
