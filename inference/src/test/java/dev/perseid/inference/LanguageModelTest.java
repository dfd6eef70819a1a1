package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LanguageModelTest {
  private static final String WEATHER =
      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":"
          + "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"maxLength\":12}},"
          + "\"required\":[\"city\"]}}}]";
  // So that an answer goes on to its limit: neither of the tokens that end one.
  private static final String ENDLESS = "\"logit_bias\":{\"765\":-100,\"767\":-100}";

  private static LanguageModel model;

  private static LanguageModel load(int threads, int parallel, int waiting, long kvBytes)
      throws Exception {
    return LanguageModel.load(
        Ear.TINY, new LanguageModel.Options(threads, kvBytes, parallel, waiting, 0));
  }

  @BeforeAll
  static void load() throws Exception {
    model = load(2, 8, 64, 64 << 20);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static Ear chat(String text, String more) throws Exception {
    return Ear.ask(model, Api.CHAT, Ear.chat(text, more)).await();
  }

  @Test
  void aStreamSaysWhatTheWholeAnswerSays() throws Exception {
    String more = "\"seed\":5,\"max_tokens\":40";
    Ear whole = chat("Tell me a story.", more);
    Ear stream =
        chat(
            "Tell me a story.",
            more + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    assertThat(whole.parts).hasSize(1);
    JsonNode object = whole.parts.getFirst();
    assertThat(object.path("object").asText()).isEqualTo("chat.completion");
    assertThat(object.path("id").asText()).isEqualTo("chatcmpl-r1");
    assertThat(object.path("model").asText()).isEqualTo("tiny");
    assertThat(object.path("choices").get(0).path("message").has("refusal")).isTrue();
    assertThat(stream.text(0)).isEqualTo(whole.text(0)).isNotEmpty();
    assertThat(stream.finish(0)).isEqualTo(whole.finish(0));
    JsonNode last = stream.parts.getLast();
    assertThat(last.path("choices")).isEmpty();
    assertThat(last.path("perseid_seed").asLong()).isEqualTo(5);
    assertThat(last.path("usage").path("completion_tokens").asLong())
        .isEqualTo(whole.claim().completionTokens());
    assertThat(stream.claim().completionTokens()).isEqualTo(whole.claim().completionTokens());
  }

  /// Odds of tokens can have words drawn letter by letter: what is paid is what a text has.
  @Test
  void noMoreIsClaimedThanTheTextHas() throws Exception {
    // Nothing but "a" and "n", though "an" is a token.
    Ear ear =
        chat(
            "Tell me a story.",
            "\"seed\":1,\"temperature\":2,\"max_tokens\":60,\"logprobs\":true,"
                + "\"logit_bias\":{\"97\":100,\"110\":100}");
    int drawn = ear.parts.getFirst().path("choices").get(0).path("logprobs").path("content").size();
    assertThat(drawn).isEqualTo(60);
    assertThat(ear.claim().completionTokens())
        .isEqualTo(model.tokens().count(ear.text(0)) + 1)
        .isLessThan(drawn);
  }

  @Test
  void anAnswerIsTheSameAloneAndInACrowd() throws Exception {
    Map<Integer, String> alone = new HashMap<>();
    for (int i = 0; i < 12; i++) {
      try (LanguageModel fresh = load(1, 1, 4, 64 << 20)) {
        alone.put(i, Ear.ask(fresh, Api.CHAT, story(i)).await().text(0));
      }
    }
    for (int round = 0; round < 2; round++) {
      List<Ear> crowd = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        crowd.add(Ear.ask(model, Api.CHAT, story(i)));
      }
      for (int i = 0; i < 12; i++) {
        assertThat(crowd.get(i).await().text(0)).isEqualTo(alone.get(i));
      }
    }
  }

  private static String story(int i) {
    return Ear.chat(
        "Tell me a story." + " Please.".repeat(i % 4 * 12), "\"max_tokens\":60,\"seed\":" + i);
  }

  @Test
  void whatIsKnownIsNotReadAgainAndChangesNothing() throws Exception {
    String long1 = "Count from 1 to 9. ".repeat(9);
    try (LanguageModel fresh = load(1, 2, 4, 64 << 20)) {
      String body = Ear.chat(long1, "\"seed\":3,\"max_tokens\":30");
      Ear first = Ear.ask(fresh, Api.CHAT, body).await();
      Ear second = Ear.ask(fresh, Api.CHAT, body).await();
      assertThat(first.claim().cachedTokens()).isZero();
      assertThat(second.claim().cachedTokens()).isEqualTo(second.claim().promptTokens() - 1);
      assertThat(second.text(0)).isEqualTo(first.text(0));
      assertThat(
              second
                  .parts
                  .getFirst()
                  .path("usage")
                  .path("prompt_tokens_details")
                  .path("cached_tokens")
                  .asLong())
          .isEqualTo(second.claim().cachedTokens());
    }
  }

  @Test
  void littleMemoryMakesRequestsWaitButAllAreAnswered() throws Exception {
    // A page is 32 tokens; about 100 tokens find room at once.
    try (LanguageModel small = load(1, 8, 64, 4L * 32 * 6 * 2 * 2 * 32 * 3)) {
      List<Ear> all = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        // Without a seed an answer may be drawn that counts fewer tokens than were drawn.
        String more = "\"max_tokens\":50,\"seed\":" + i + "," + ENDLESS;
        all.add(Ear.ask(small, Api.CHAT, Ear.chat("Hello " + i, more)));
      }
      for (Ear one : all) {
        assertThat(one.await().claim().completionTokens()).isEqualTo(50);
      }
    }
  }

  @Test
  void choicesDifferAndOneSeedRepeatsThem() throws Exception {
    String more = "\"n\":3,\"seed\":8,\"max_tokens\":30";
    Ear once = chat("Tell me a story.", more);
    Ear again = chat("Tell me a story.", more + ",\"stream\":true");
    for (int i = 0; i < 3; i++) {
      assertThat(again.text(i)).isEqualTo(once.text(i)).isNotEmpty();
    }
    Ear second = chat("Tell me a story.", "\"seed\":9,\"max_tokens\":30");
    assertThat(second.text(0)).isEqualTo(once.text(1));
  }

  @Test
  void aTeacherSeesEveryTokenAsTheEngineChoseIt() throws Exception {
    String body = Ear.chat("Tell me a story.", "\"seed\":21,\"max_tokens\":50," + ENDLESS);
    Ear heard =
        Ear.ask(model, Api.CHAT, body.replace("{\"model\"", "{\"return_token_ids\":true,\"model\""))
            .await();
    int[] prompt =
        model.tokens().prompts(Api.CHAT, body.getBytes(StandardCharsets.UTF_8)).getFirst();
    JsonNode ids = heard.parts.getFirst().path("choices").get(0).path("token_ids");
    int[] written = new int[ids.size()];
    for (int i = 0; i < written.length; i++) {
      written[i] = ids.get(i).intValue();
    }
    assertThat(written).hasSize(50);
    SamplingParams params =
        new SamplingParams(
            1,
            1,
            0,
            0,
            0,
            0,
            1,
            Map.of(765, Double.NEGATIVE_INFINITY, 767, Double.NEGATIVE_INFINITY));
    model.teach(
        prompt,
        written,
        (i, logits) ->
            assertThat(Sampler.choose(Sampler.penalised(logits, params, new int[0]), params, 21, i))
                .isEqualTo(written[i]));
  }

  @Test
  void aCancelledAnswerEndsAtTheNextToken() throws Exception {
    try (LanguageModel slow = load(1, 1, 4, 64 << 20)) {
      Ear ear = new Ear();
      // Far more to write than a test waits for.
      String body = Ear.chat("Go", "\"n\":16,\"stream\":true," + ENDLESS);
      Runnable cancel = slow.ask(Ear.request("r1", Api.CHAT, body), ear);
      ear.first.await();
      cancel.run();
      cancel.run();
      assertThat(ear.await().failure().kind()).isEqualTo(Failure.Kind.CANCELLED);
      assertThat(Ear.ask(slow, Api.CHAT, Ear.chat("Go", "\"max_tokens\":3")).await().claim())
          .isNotNull();
    }
  }

  @Test
  void tooManyAreToldToComeBack() throws Exception {
    try (LanguageModel busy = load(1, 1, 0, 64 << 20)) {
      Runnable cancel =
          busy.ask(Ear.request("r1", Api.CHAT, Ear.chat("Go", "\"n\":16," + ENDLESS)), new Ear());
      Failure failure = Ear.ask(busy, Api.CHAT, Ear.chat("Go", "")).await().failure();
      assertThat(failure.kind()).isEqualTo(Failure.Kind.BUSY);
      assertThat(failure.retryAfterMs()).isPresent();
      cancel.run();
    }
  }

  @Test
  void aClosedModelSaysSo() throws Exception {
    LanguageModel closed = load(1, 1, 4, 64 << 20);
    Ear running = Ear.ask(closed, Api.CHAT, Ear.chat("Go", "\"n\":16," + ENDLESS));
    closed.close();
    assertThat(running.await().failure().kind()).isEqualTo(Failure.Kind.BROKEN);
    assertThat(closed.health().healthy()).isFalse();
    assertThat(Ear.ask(closed, Api.CHAT, Ear.chat("Go", "")).await().failure().kind())
        .isEqualTo(Failure.Kind.BROKEN);
  }

  @Test
  void stopTextsAreNeverSent() throws Exception {
    String more = "\"seed\":1,\"max_tokens\":60," + ENDLESS;
    String whole = chat("Tell me a story.", more).text(0);
    String stop = whole.substring(10, 14);
    Ear stopped =
        chat(
            "Tell me a story.",
            more + ",\"stream\":true,\"stop\":[" + Ear.JSON.writeValueAsString(stop) + "]");
    assertThat(stopped.text(0)).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    assertThat(stopped.finish(0)).isEqualTo("stop");
  }

  @Test
  void aSchemaIsHeldWhateverTheModelThinks() throws Exception {
    String schema =
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"p\",\"schema\":"
            + "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":6},"
            + "\"age\":{\"type\":\"integer\"},\"ok\":{\"type\":\"boolean\"},"
            + "\"colour\":{\"enum\":[\"red\",\"blue\"]}},"
            + "\"required\":[\"name\",\"age\",\"ok\",\"colour\"]}}}";
    for (int seed = 0; seed < 15; seed++) {
      Ear heard = chat("Say something.", schema + ",\"temperature\":2,\"seed\":" + seed);
      assertThat(heard.finish(0)).isEqualTo("stop");
      JsonNode read = Ear.JSON.readTree(heard.text(0));
      assertThat(read.path("name").isTextual()).isTrue();
      assertThat(read.path("age").isIntegralNumber()).isTrue();
      assertThat(read.path("ok").isBoolean()).isTrue();
      assertThat(read.path("colour").asText()).isIn("red", "blue");
    }
  }

  @Test
  void aRequiredToolIsCalled() throws Exception {
    for (int seed = 0; seed < 5; seed++) {
      Ear heard =
          chat(
              "What now?",
              WEATHER + ",\"tool_choice\":\"required\",\"stream\":true,\"seed\":" + seed);
      assertThat(heard.finish(0)).isEqualTo("tool_calls");
      List<JsonNode> calls = new ArrayList<>();
      for (JsonNode part : heard.parts) {
        part.path("choices").path(0).path("delta").path("tool_calls").forEach(calls::add);
      }
      assertThat(calls).hasSize(1);
      JsonNode function = calls.getFirst().path("function");
      assertThat(function.path("name").asText()).isEqualTo("get_weather");
      assertThat(Ear.JSON.readTree(function.path("arguments").asText()).has("city")).isTrue();
      assertThat(heard.text(0)).isEmpty();
    }
  }

  @Test
  void logprobsAreThoseOfTheTokens() throws Exception {
    Ear heard =
        chat("Hi", "\"temperature\":0,\"logprobs\":true,\"top_logprobs\":3,\"max_tokens\":5");
    JsonNode content =
        heard.parts.getFirst().path("choices").get(0).path("logprobs").path("content");
    assertThat(content.size()).isEqualTo((int) heard.claim().completionTokens()).isPositive();
    for (JsonNode token : content) {
      assertThat(token.path("top_logprobs")).hasSize(3);
      // At temperature 0 the likeliest is the one taken.
      assertThat(token.path("top_logprobs").get(0).path("token")).isEqualTo(token.path("token"));
      assertThat(token.path("logprob").asDouble()).isNotPositive();
    }
  }

  @Test
  void aCompletionMayRepeatItsPrompt() throws Exception {
    String body =
        "{\"model\":\"tiny\",\"prompt\":[\"The capital of\",\"One\"],\"echo\":true,"
            + "\"logprobs\":1,\"max_tokens\":4,\"temperature\":0}";
    Ear heard = Ear.ask(model, Api.COMPLETION, body).await();
    assertThat(heard.text(0)).startsWith("The capital of");
    assertThat(heard.text(1)).startsWith("One");
    JsonNode logprobs = heard.parts.getFirst().path("choices").get(0).path("logprobs");
    assertThat(logprobs.path("token_logprobs").get(0).isNull()).isTrue();
    assertThat(logprobs.path("token_logprobs").get(1).isNumber()).isTrue();
    assertThat(logprobs.path("tokens").size()).isEqualTo(logprobs.path("text_offset").size());
    String tokens = "{\"model\":\"tiny\",\"prompt\":[5,6,7],\"max_tokens\":2}";
    assertThat(Ear.ask(model, Api.COMPLETION, tokens).await().claim().promptTokens()).isEqualTo(3);
  }

  @Test
  void aPromptBeyondTheContextIsTooLong() throws Exception {
    Failure failure = chat("word ".repeat(2_000), "").failure();
    assertThat(failure.kind()).isEqualTo(Failure.Kind.TOO_LONG);
    assertThat(failure.code()).isEqualTo("context_length_exceeded");
  }

  @Test
  void theContextEndsAnAnswer() throws Exception {
    Ear heard = chat("Go", ENDLESS);
    assertThat(heard.finish(0)).isEqualTo("length");
    assertThat(heard.claim().promptTokens() + heard.claim().completionTokens())
        .isEqualTo(model.context());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"temperature\":3|temperature",
        "\"top_p\":-1|top_p",
        "\"n\":0|n",
        "\"n\":\"two\"|n",
        "\"max_tokens\":0|max_tokens",
        "\"seed\":1.5|seed",
        "\"stop\":5|stop",
        "\"top_logprobs\":2|top_logprobs",
        "\"logprobs\":true,\"top_logprobs\":50|top_logprobs",
        "\"logit_bias\":{\"5\":500}|logit_bias",
        "\"response_format\":{\"type\":\"xml\"}|response_format.type",
        "\"tool_choice\":\"required\"|tool_choice",
        "\"tools\":[{}]|tools[0]",
        "\"messages\":[]|messages"
      })
  void aWrongParameterIsNamed(String more, String param) throws Exception {
    Failure failure = chat("Hi", more).failure();
    assertThat(failure.kind()).isEqualTo(Failure.Kind.INVALID);
    assertThat(failure.param()).isEqualTo(param);
    assertThat(failure.message()).isNotBlank();
  }

  @Test
  void otherCallsAndPicturesAreRefused() throws Exception {
    assertThat(Ear.ask(model, Api.EMBEDDING, "{}").await().failure().kind())
        .isEqualTo(Failure.Kind.INVALID);
    String picture = "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}";
    assertThat(Ear.ask(model, Api.CHAT, picture).await().failure().param())
        .isEqualTo("messages[0].content");
    String suffix = "{\"prompt\":\"a\",\"suffix\":\"b\"}";
    assertThat(Ear.ask(model, Api.COMPLETION, suffix).await().failure().param())
        .isEqualTo("suffix");
  }
}
