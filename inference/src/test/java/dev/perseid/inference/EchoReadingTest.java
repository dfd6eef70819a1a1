package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// An answer of the real engine is read by another server of the same model.
final class EchoReadingTest {
  private static LanguageModel model;

  @BeforeAll
  static void load() throws Exception {
    model = LanguageModel.load(Ear.TINY, new LanguageModel.Options(1, 64 << 20, 2, 8, 0));
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Transcript answered(String more) throws Exception {
    String body = Ear.chat("Tell me a story about an owl.", more + ",\"return_token_ids\":true");
    Ear ear = Ear.ask(model, Api.CHAT, body).await();
    return new TranscriptReader(model.tokens(), 512, true)
        .read(
            "r", body.getBytes(UTF_8), ear.parts.getFirst().toString().getBytes(UTF_8), ear.claim())
        .orElseThrow();
  }

  /// The same with the tokens of another place at some of them.
  private static Transcript changed(Transcript t) {
    int[] output = t.output().clone();
    for (int i = 2; i + 1 < output.length; i += 4) {
      output[i] = t.output()[i + 1];
    }
    return new Transcript(
        "r", t.prompt(), output, t.sampling(), t.bounds(), t.said(), new float[0]);
  }

  private static JsonNode read(Transcript t) throws Exception {
    Ear ear =
        Ear.ask(model, Api.COMPLETION, new String(EchoReading.body("tiny", t), UTF_8)).await();
    assertThat(ear.claim().promptTokens()).isEqualTo(t.prompt().length + t.output().length);
    assertThat(ear.claim().completionTokens()).isLessThanOrEqualTo(1);
    return ear.parts.getFirst();
  }

  private static Optional<Evidence> evidence(Transcript t, JsonNode answer) {
    return EchoReading.evidence(t, answer.toString().getBytes(UTF_8), model.tokens());
  }

  private static Evidence own(Transcript t) {
    AuditReference reference = new AuditReference(model);
    return Audit.check(t, reference);
  }

  private record AuditReference(LanguageModel of) implements Logits {
    @Override
    public int vocabulary() {
      return of.vocabulary();
    }

    @Override
    public void read(int[] prompt, int[] continuation, Row row) {
      of.teach(prompt, continuation, row::at);
    }
  }

  @Test
  void anHonestAnswerHasNoMarginAndNeverMoreThanItHas() throws Exception {
    for (String how : new String[] {"\"seed\":7", "\"seed\":9", "\"temperature\":0"}) {
      Transcript honest = answered(how + ",\"max_tokens\":40");
      Evidence found = evidence(honest, read(honest)).orElseThrow();
      assertThat(found.choices()).isEqualTo(honest.output().length);
      assertThat(found.matches()).as(how).isEqualTo(found.choices());
      assertThat(found.meanMargin()).isZero();
      // Claims are not the reader's to judge.
      assertThat(found.weighed()).extracting(w -> w.sign()).containsExactly("margin");
      Transcript lie = changed(honest);
      Evidence odd = evidence(lie, read(lie)).orElseThrow();
      assertThat(odd.meanMargin()).as(how).isBetween(0.05, own(lie).meanMargin() + 1e-4);
    }
  }

  @Test
  void anAnswerThatTheModelEndsIsReadToItsEnd() throws Exception {
    Transcript ended = answered("\"seed\":7,\"max_tokens\":300");
    assertThat(ended.said().finish()).isEqualTo(Transcript.Finish.STOP);
    assertThat(evidence(ended, read(ended)).orElseThrow().meanMargin()).isZero();
    // Of the other tokens that could have ended it the reader says nothing.
    Transcript lie = changed(ended);
    Evidence odd = evidence(lie, read(lie)).orElseThrow();
    assertThat(odd.meanMargin()).isBetween(0.05, 2.0);
    Suspicion s = Suspicion.fresh(Baseline.USUAL).with(odd).with(odd);
    assertThat(s.verdict().sign()).contains(Sign.MARGIN);
  }

  @Test
  void whatIsNoReadingSaysNothing() throws Exception {
    Transcript t = answered("\"seed\":7,\"max_tokens\":20");
    JsonNode good = read(t);
    assertThat(evidence(t, good)).isPresent();
    assertThat(evidence(changed(t), good)).as("of another answer").isEmpty();
    assertThat(EchoReading.evidence(t, "{".getBytes(UTF_8), model.tokens())).isEmpty();
    assertThat(EchoReading.evidence(t, "{}".getBytes(UTF_8), model.tokens())).isEmpty();
    ObjectNode bare = good.deepCopy();
    ((ObjectNode) bare.path("choices").get(0)).putNull("logprobs");
    assertThat(evidence(t, bare)).isEmpty();
    Transcript nucleus = answered("\"seed\":7,\"max_tokens\":20,\"top_p\":0.9");
    assertThat(evidence(nucleus, read(nucleus))).as("a nucleus").isEmpty();
  }
}
