package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Hash;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class AuditDrawTest {
  private static final AuditDraw DRAW = new AuditDraw(Hash.sha256(new byte[] {1}));

  @Test
  void ratesAreKeptAndDependOnWhatIsKnown() {
    AuditPolicy policy = new AuditPolicy(200, 10, 20, 5);
    for (Verdict.Decision decision : Verdict.Decision.values()) {
      Map<AuditDraw.Check, Integer> counts = new EnumMap<>(AuditDraw.Check.class);
      int canaries = 0;
      for (int i = 0; i < 20_000; i++) {
        counts.merge(DRAW.check("req-" + i, policy, decision), 1, Integer::sum);
        canaries += DRAW.canary("req-" + i, policy) ? 1 : 0;
      }
      int read = counts.getOrDefault(AuditDraw.Check.READ, 0);
      int again =
          counts.getOrDefault(AuditDraw.Check.REPEAT, 0)
              + counts.getOrDefault(AuditDraw.Check.ANEW, 0);
      switch (decision) {
        case UNDECIDED -> assertThat(read).isBetween(3_700, 4_300);
        case HONEST -> assertThat(read).isBetween(150, 250);
        case CHEATING -> assertThat(read + again).isZero();
      }
      if (decision != Verdict.Decision.CHEATING) {
        assertThat(again).isBetween(240, 480);
        assertThat(counts.get(AuditDraw.Check.REPEAT)).isBetween(80, 300);
      }
      assertThat(canaries).isBetween(60, 140);
    }
  }

  @Test
  void theDrawFollowsFromSecretAndIdAlone() {
    AuditDraw same = new AuditDraw(Hash.sha256(new byte[] {1}));
    AuditDraw other = new AuditDraw(Hash.sha256(new byte[] {2}));
    int differs = 0;
    for (int i = 0; i < 500; i++) {
      Verdict.Decision v = Verdict.Decision.UNDECIDED;
      AuditDraw.Check check = DRAW.check("r" + i, AuditPolicy.USUAL, v);
      assertThat(same.check("r" + i, AuditPolicy.USUAL, v)).isEqualTo(check);
      differs += other.check("r" + i, AuditPolicy.USUAL, v) == check ? 0 : 1;
    }
    assertThat(differs).isGreaterThan(50);
    assertThat(DRAW.commitment())
        .isEqualTo(Hash.sha256(Hash.sha256(new byte[] {1}).bytes()))
        .isNotEqualTo(other.commitment());
  }

  @Test
  void wrongRatesAreRefused() {
    assertThatThrownBy(() -> new AuditPolicy(1_001, 1, 1, 1)).hasMessageContaining("1001");
    assertThatThrownBy(() -> new AuditPolicy(1, 2, 1, 1)).hasMessageContaining("newcomers");
    assertThatThrownBy(() -> new AuditPolicy(1, -2, 1, 1)).hasMessageContaining("-2");
  }

  @Test
  void canariesVary() {
    CanaryPool pool = CanaryPool.everyday();
    Set<String> prompts = new HashSet<>();
    for (int i = 0; i < 1_000; i++) {
      String prompt = pool.prompt(DRAW, "canary-" + i);
      assertThat(prompt).doesNotContain("{").isEqualTo(pool.prompt(DRAW, "canary-" + i));
      prompts.add(prompt);
    }
    assertThat(prompts).hasSizeGreaterThan(700);
  }

  @Test
  void templatesAreChecked() {
    assertThatThrownBy(() -> new CanaryPool(List.of(), Map.of()))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new CanaryPool(List.of("Go to {city}."), Map.of()))
        .hasMessageContaining("{city}");
    assertThatThrownBy(() -> new CanaryPool(List.of("x".repeat(5_000)), Map.of()))
        .hasMessageContaining("4096");
    CanaryPool numbers = new CanaryPool(List.of("{7-7} and {1-3}"), Map.of());
    assertThat(numbers.prompt(DRAW, "a")).matches("7 and [123]");
  }

  @Test
  void aCanaryKnowsItsContinuation() {
    DreamModel model = DreamModel.exact(3);
    int[] prompt = DreamModel.prompt(1);
    Canary canary = Canary.of(prompt, model, 20, DreamModel.END);
    int[] said =
        java.util.Arrays.copyOf(
            model.answer("c", prompt, Transcript.Sampling.GREEDY).output(),
            canary.expected().length);
    assertThat(canary.expected()).isEqualTo(said).hasSizeBetween(1, 20);
    Evidence honest = canary.check(said);
    assertThat(honest.matches()).isEqualTo(said.length);
    assertThat(honest.meanMargin()).isZero();
    int[] odd = said.clone();
    odd[2] = (odd[2] + 1) % DreamModel.VOCABULARY;
    Evidence parts = canary.check(odd);
    assertThat(parts.tokens()).isEqualTo(3);
    assertThat(parts.matches()).isEqualTo(2);
    assertThat(parts.meanMargin()).isPositive();
    assertThat(canary.check(new int[0]).tokens()).isZero();
    Suspicion s = Suspicion.fresh(Baseline.USUAL);
    for (int i = 0; i < 40; i++) {
      int[] other =
          DreamModel.exact(4)
              .answer("c", DreamModel.prompt(i), Transcript.Sampling.GREEDY)
              .output();
      s = s.with(Canary.of(DreamModel.prompt(i), model, 20, DreamModel.END).check(other));
    }
    assertThat(s.verdict().decision()).isEqualTo(Verdict.Decision.CHEATING);
  }
}
