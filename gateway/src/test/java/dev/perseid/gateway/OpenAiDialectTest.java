package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Failure;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OpenAiDialectTest {
  static final String WHOLE =
      "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"theirs\",\"choices\":[{\"index\":0,"
          + "\"message\":{\"role\":\"assistant\",\"content\":\"hi\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
          + "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":40,\"total_tokens\":50}}";
  static final String ASKED =
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]";
  static final Market.Bill BILL = new Market.Bill(10, 0, 2, 0, 14);

  private final ScriptedMarket market = new ScriptedMarket();
  private Gateway gateway;

  static String chunk(String content, String finish) {
    return "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"theirs\",\"choices\":[{\"index\":0,\"delta\":{"
        + (content.isEmpty() ? "" : "\"content\":\"" + content + "\"")
        + "},\"finish_reason\":"
        + (finish.isEmpty() ? "null" : "\"" + finish + "\"")
        + "}]}";
  }

  static final String USAGE =
      "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"theirs\",\"choices\":[],"
          + "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}";

  @BeforeEach
  void start() throws Exception {
    market.serve("m", ModelTask.CHAT, ScriptedMarket.answers(BILL, WHOLE));
    market.serve(
        "org/s",
        ModelTask.CHAT,
        ScriptedMarket.answers(BILL, chunk("a", ""), chunk("b", ""), chunk("", "stop"), USAGE));
    market.serve(
        "e",
        ModelTask.EMBED,
        ScriptedMarket.answers(
            new Market.Bill(4, 0, 0, 2, 8),
            "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.5,-1.25]},"
                + "{\"object\":\"embedding\",\"index\":1,\"embedding\":[1,2]}],\"model\":\"x\",\"usage\":{\"prompt_tokens\":9,\"total_tokens\":9}}"));
    gateway = Gateway.start(GatewayConfig.loopback(), market);
  }

  @AfterEach
  void stop() {
    gateway.close();
  }

  private static JsonNode json(String text) throws Exception {
    return Json.MAPPER.readTree(text);
  }

  @Test
  void aWholeAnswerCarriesTheNameThatWasAskedAndWhatWasBilled() throws Exception {
    HttpResponse<String> r =
        Client.post(gateway, "/v1/chat/completions", ASKED + ",\"max_tokens\":7,\"top_k\":3}");
    assertThat(r.statusCode()).isEqualTo(200);
    assertThat(r.version()).isEqualTo(java.net.http.HttpClient.Version.HTTP_1_1);
    JsonNode body = json(r.body());
    assertThat(body.path("model").textValue()).isEqualTo("m");
    assertThat(body.path("choices").path(0).path("message").path("content").textValue())
        .isEqualTo("hi");
    // The provider claimed 40; 2 were billed.
    assertThat(body.path("usage").path("completion_tokens").intValue()).isEqualTo(2);
    assertThat(body.path("usage").path("total_tokens").intValue()).isEqualTo(12);
    assertThat(body.path("usage").path("cost").decimalValue()).isEqualByComparingTo("0.000014");
    assertThat(r.headers().firstValue("x-request-id").orElseThrow()).matches("req_[0-9a-z]{24}");
    assertThat(r.headers().firstValue("x-perseid-request"))
        .isEqualTo(r.headers().firstValue("x-request-id"));
    assertThat(r.headers().firstValue("x-perseid-model").orElseThrow())
        .matches("sha256:[0-9a-f]{64}");
    assertThat(r.headers().firstValue("x-perseid-provider").orElseThrow())
        .matches("0x[0-9a-f]{40}");
    assertThat(r.headers().firstValue("openai-processing-ms").orElseThrow()).matches("[0-9]+");
    assertThat(r.headers().firstValue("x-ratelimit-limit-requests")).isPresent();
    assertThat(market.asked).hasSize(1);
    // What the gateway does not know goes through.
    assertThat(market.asked.getFirst().body()).isEqualTo(ASKED + ",\"max_tokens\":7,\"top_k\":3}");
    assertThat(market.asked.getFirst().maxTokens()).isEqualTo(7);
    assertThat(market.asked.getFirst().request().stream()).isFalse();
  }

  @Test
  void aStreamEndsWithUsageCostAndDone() throws Exception {
    String asked = ASKED.replace("\"m\"", "\"org/s\"");
    HttpResponse<String> r =
        Client.post(
            gateway,
            "/v1/chat/completions",
            asked + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assertThat(r.statusCode()).isEqualTo(200);
    assertThat(r.headers().firstValue("content-type").orElseThrow())
        .startsWith("text/event-stream");
    List<String> events = Client.events(r.body());
    assertThat(events).hasSize(5);
    assertThat(events.getLast()).isEqualTo("[DONE]");
    JsonNode usage = json(events.get(3));
    assertThat(usage.path("choices")).isEmpty();
    assertThat(usage.path("usage").path("prompt_tokens").intValue()).isEqualTo(10);
    assertThat(usage.path("usage").path("completion_tokens").intValue()).isEqualTo(2);
    assertThat(usage.path("usage").path("cost").decimalValue()).isEqualByComparingTo("0.000014");
    for (String event : events.subList(0, 4)) {
      assertThat(json(event).path("model").textValue()).isEqualTo("org/s");
    }
  }

  @Test
  void withoutIncludeUsageThereIsNoUsageChunk() throws Exception {
    String asked = ASKED.replace("\"m\"", "\"org/s\"");
    List<String> events =
        Client.events(
            Client.post(gateway, "/v1/chat/completions", asked + ",\"stream\":true}").body());
    assertThat(events).hasSize(4);
    assertThat(events.getLast()).isEqualTo("[DONE]");
  }

  @Test
  void usageIsMadeFromTheBillWhereTheProviderSendsNone() throws Exception {
    market.serve(
        "quiet", ModelTask.CHAT, ScriptedMarket.answers(BILL, chunk("a", ""), chunk("", "stop")));
    List<String> events =
        Client.events(
            Client.post(
                    gateway,
                    "/v1/chat/completions",
                    ASKED.replace("\"m\"", "\"quiet\"")
                        + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
                .body());
    JsonNode usage = json(events.get(2));
    assertThat(usage.path("id").textValue()).isEqualTo("c1");
    assertThat(usage.path("object").textValue()).isEqualTo("chat.completion.chunk");
    assertThat(usage.path("usage").path("total_tokens").intValue()).isEqualTo(12);
    assertThat(events.getLast()).isEqualTo("[DONE]");
  }

  @Test
  void fieldsOfTheGatewayDoNotReachProviders() throws Exception {
    HttpResponse<String> r =
        Client.post(
            gateway,
            "/v1/chat/completions",
            ASKED
                + ",\"models\":[\"m\",\"org/s\"],\"route\":\"fallback\",\"transforms\":[],"
                + "\"provider\":{\"sort\":\"price\"},\"seed\":12345678901234567}");
    assertThat(r.statusCode()).isEqualTo(200);
    JsonNode sent = json(market.asked.getFirst().body());
    assertThat(sent.fieldNames()).toIterable().containsExactly("model", "messages", "seed");
    assertThat(sent.path("seed").longValue()).isEqualTo(12345678901234567L);
  }

  @Test
  void anotherModelIsAskedUnderItsOwnName() throws Exception {
    market.serve(
        "broken",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          receiver.failed(new Failure(Failure.Kind.BUSY, "busy"), ScriptedMarket.NOTHING);
          return new Market.Placed.Running(() -> {});
        });
    HttpResponse<String> r =
        Client.post(
            gateway,
            "/v1/chat/completions",
            ASKED.replace("\"m\"", "\"broken\"") + ",\"models\":[\"m\"]}");
    assertThat(json(r.body()).path("model").textValue()).isEqualTo("m");
    assertThat(json(market.asked.getLast().body()).path("model").textValue()).isEqualTo("m");
  }

  @Test
  void embeddingsComeAsNumbersOrBase64() throws Exception {
    String asked = "{\"model\":\"e\",\"input\":[\"a\",\"b\"],\"dimensions\":2";
    JsonNode plain = json(Client.post(gateway, "/v1/embeddings", asked + "}").body());
    assertThat(plain.path("data").path(0).path("embedding").path(1).doubleValue()).isEqualTo(-1.25);
    assertThat(plain.path("usage").path("prompt_tokens").intValue()).isEqualTo(4);
    JsonNode coded =
        json(
            Client.post(gateway, "/v1/embeddings", asked + ",\"encoding_format\":\"base64\"}")
                .body());
    ByteBuffer floats =
        ByteBuffer.wrap(
                Base64.getDecoder()
                    .decode(coded.path("data").path(0).path("embedding").textValue()))
            .order(ByteOrder.LITTLE_ENDIAN);
    assertThat(floats.getFloat()).isEqualTo(0.5f);
    assertThat(floats.getFloat()).isEqualTo(-1.25f);
    assertThat(floats.hasRemaining()).isFalse();
    JsonNode sent = json(market.asked.getLast().body());
    assertThat(sent.path("encoding_format").textValue()).isEqualTo("float");
    assertThat(sent.path("dimensions").intValue()).isEqualTo(2);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[1,2,3] | [[1,2,3]]",
        "\"a\" | [\"a\"]",
        "[[1],[2,3]] | [[1],[2,3]]",
      })
  void inputsAreAlwaysAList(String input, String canonical) throws Exception {
    Client.post(gateway, "/v1/embeddings", "{\"model\":\"e\",\"input\":" + input + "}");
    assertThat(json(market.asked.getFirst().body()).path("input")).isEqualTo(json(canonical));
  }

  @Test
  void modelsAreListedAndFoundByNamesWithSlashes() throws Exception {
    JsonNode list = json(Client.get(gateway, "/v1/models").body());
    assertThat(list.path("data").findValuesAsText("id")).containsExactly("m", "org/s", "e");
    JsonNode one = list.path("data").path(0);
    assertThat(one.path("created").longValue()).isEqualTo(1_700_000_000L);
    assertThat(one.path("pricing").path("prompt").textValue()).isEqualTo("0.000001");
    assertThat(one.path("x-perseid-congestion").isInt()).isTrue();
    for (String path : List.of("org/s", "org%2Fs", "org/s:1", "org/s:floor", "org/s:1:nitro")) {
      HttpResponse<String> r = Client.get(gateway, "/v1/models/" + path);
      assertThat(r.statusCode()).as(path).isEqualTo(200);
    }
    HttpResponse<String> none = Client.get(gateway, "/v1/models/../../etc/passwd%00");
    assertThat(none.statusCode()).isEqualTo(404);
    assertThat(json(none.body()).path("error").path("code").textValue())
        .isEqualTo("model_not_found");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{ | 400 | ",
        "[] | 400 | ",
        "{\"model\":\"m\",\"messages\":[}]} | 400 | ",
        "{\"model\":\"m\"} | 400 | messages",
        "{\"messages\":[{\"role\":\"user\"}]} | 400 | model",
        "{\"model\":1,\"messages\":[{\"role\":\"user\"}]} | 400 | model",
        "{\"model\":\"m\",\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]} | 400 | model",
        "{\"model\":\"m\",\"messages\":[]} | 400 | messages",
        "{\"model\":\"m\",\"messages\":\"hi\"} | 400 | messages",
        "{\"model\":\"m\",\"messages\":[\"hi\"]} | 400 | messages[0]",
        "{\"model\":\"m\",\"messages\":[{}]} | 400 | messages[0].role",
        "{\"model\":\"m\",\"messages\":[{\"role\":1}]} | 400 | messages[0].role",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":1}]} | 400 | messages[0].content",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"stream\":\"yes\"} | 400 | stream",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"n\":0} | 400 | n",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"n\":1e9} | 400 | n",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"max_tokens\":-1} | 400 | max_tokens",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"max_tokens\":99999999999999999999} | 400 | max_tokens",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"temperature\":9} | 400 | temperature",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"stop\":{}} | 400 | stop",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"tools\":[1]} | 400 | tools[0]",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"stream_options\":{}} | 400 | stream_options",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"provider\":{\"sort\":\"best\"}} | 400 | provider.sort",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"provider\":{\"only\":[\"x\"]}} | 400 | provider.only[0]",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"provider\":{\"max_price\":{\"prompt\":-1}}} | 400 | provider.max_price.prompt",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"provider\":{\"fast\":1}} | 400 | provider.fast",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"provider\":{\"region\":\"us\"}} | 404 | provider.region",
        "{\"model\":\"nobody\",\"messages\":[{\"role\":\"user\"}]} | 404 | model",
        "{\"model\":\"e\",\"messages\":[{\"role\":\"user\"}]} | 400 | model",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]} {} | 400 | ",
      })
  void whatIsWrongIsNamed(String body, int status, String param) throws Exception {
    HttpResponse<String> r = Client.post(gateway, "/v1/chat/completions", body);
    assertThat(r.statusCode()).isEqualTo(status);
    JsonNode error = json(r.body()).path("error");
    assertThat(error.path("message").textValue()).isNotEmpty();
    assertThat(error.path("type").textValue()).isEqualTo("invalid_request_error");
    assertThat(error.path("param").textValue()).isEqualTo(param);
    assertThat(market.asked).isEmpty();
  }

  @Test
  void malformedJsonTellsWhere() throws Exception {
    HttpResponse<String> r =
        Client.post(gateway, "/v1/chat/completions", "{\"model\":\"m\",\n  \"messages\": nope}");
    assertThat(json(r.body()).path("error").path("message").textValue())
        .contains("line 2")
        .contains("column");
  }

  @Test
  void deepNestingIsRefused() throws Exception {
    String deep = "[".repeat(5_000) + "]".repeat(5_000);
    HttpResponse<String> r =
        Client.post(gateway, "/v1/chat/completions", ASKED + ",\"x\":" + deep + "}");
    assertThat(r.statusCode()).isEqualTo(400);
  }

  @Test
  void pathsAndMethodsThatDoNotExistAreToldInShape() throws Exception {
    HttpResponse<String> none = Client.get(gateway, "/v1/files");
    assertThat(none.statusCode()).isEqualTo(404);
    assertThat(json(none.body()).path("error").path("code").textValue()).isEqualTo("unknown_url");
    HttpResponse<String> method = Client.get(gateway, "/v1/chat/completions");
    assertThat(method.statusCode()).isEqualTo(405);
    assertThat(method.headers().firstValue("allow").orElseThrow()).isEqualTo("POST");
    assertThat(json(method.body()).path("error").path("message").textValue()).contains("POST");
  }

  @Test
  void failuresOfProvidersHaveTheirStatus() throws Exception {
    record Case(Failure failure, int status, String code) {}
    List<Case> cases =
        List.of(
            new Case(
                new Failure(Failure.Kind.INVALID, "no", "tools", "bad", OptionalLong.empty()),
                400,
                "bad"),
            new Case(new Failure(Failure.Kind.TOO_LONG, "long"), 400, "context_length_exceeded"),
            new Case(new Failure(Failure.Kind.REFUSED, "no"), 400, "content_filter"),
            new Case(
                new Failure(Failure.Kind.BUSY, "busy", "", "", OptionalLong.of(1_500)),
                429,
                "provider_busy"),
            new Case(new Failure(Failure.Kind.BROKEN, "gone"), 502, "provider_failed"),
            new Case(new Failure(Failure.Kind.TIMEOUT, "late"), 504, "provider_timeout"));
    for (int i = 0; i < cases.size(); i++) {
      Case c = cases.get(i);
      market.serve(
          "f" + i,
          ModelTask.CHAT,
          (request, max, receiver) -> {
            receiver.failed(c.failure, ScriptedMarket.NOTHING);
            return new Market.Placed.Running(() -> {});
          });
      HttpResponse<String> r =
          Client.post(
              gateway, "/v1/chat/completions", ASKED.replace("\"m\"", "\"f" + i + "\"") + "}");
      assertThat(r.statusCode()).as(c.code).isEqualTo(c.status);
      assertThat(json(r.body()).path("error").path("code").textValue()).isEqualTo(c.code);
      if (c.status == 429) {
        assertThat(r.headers().firstValue("retry-after")).contains("2");
        assertThat(r.headers().firstValue("retry-after-ms")).contains("1500");
      }
    }
  }

  @Test
  void whoCannotPayIsTold() throws Exception {
    market.serve(
        "dear", ModelTask.CHAT, (request, max, receiver) -> new Market.Placed.Unpaid("too dear"));
    HttpResponse<String> r =
        Client.post(gateway, "/v1/chat/completions", ASKED.replace("\"m\"", "\"dear\"") + "}");
    assertThat(r.statusCode()).isEqualTo(402);
    assertThat(json(r.body()).path("error").path("code").textValue())
        .isEqualTo("insufficient_quota");
  }
}
