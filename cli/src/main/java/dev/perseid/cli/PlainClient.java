package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// Plain HTTP, for machines without Node.
final class PlainClient implements DemoClient {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String DATA = "data: ";

  private final HttpClient http = HttpClient.newHttpClient();

  @Override
  public String name() {
    return "plain HTTP";
  }

  @Override
  public Heard ask(String gateway, String key, byte[] request, Consumer<String> voice)
      throws IOException, InterruptedException {
    long begun = System.nanoTime();
    HttpResponse<Stream<String>> response =
        http.send(
            HttpRequest.newBuilder(URI.create(gateway + "/v1/chat/completions"))
                .header("authorization", "Bearer " + key)
                .header("content-type", "application/json")
                .timeout(Duration.ofSeconds(DemoLimits.ANSWER_S))
                .POST(HttpRequest.BodyPublishers.ofByteArray(request))
                .build(),
            HttpResponse.BodyHandlers.ofLines());
    Optional<String> provider = response.headers().firstValue("x-perseid-provider");
    long firstNs = -1;
    boolean whole = false;
    JsonNode usage = JSON.missingNode();
    boolean streams = JSON.readTree(request).path("stream").asBoolean();
    try (Stream<String> lines = response.body()) {
      for (String line : (Iterable<String>) lines::iterator) {
        if (response.statusCode() != 200) {
          return Heard.failed("status " + response.statusCode() + ": " + Errand.shown(line));
        }
        if (line.equals("data: [DONE]")) {
          whole = true;
          continue;
        }
        if (streams && !line.startsWith(DATA)) {
          continue;
        }
        JsonNode json = JSON.readTree(streams ? line.substring(DATA.length()) : line);
        JsonNode choice = json.path("choices").path(0);
        String text = choice.path(streams ? "delta" : "message").path("content").asText("");
        if (firstNs < 0 && !text.isEmpty()) {
          firstNs = System.nanoTime() - begun;
        }
        voice.accept(text);
        if (json.path("usage").isObject()) {
          usage = json.path("usage");
        }
        whole |= !streams && choice.path("finish_reason").isTextual();
      }
    }
    return new Heard(
        provider,
        firstNs < 0 ? OptionalLong.empty() : OptionalLong.of(firstNs),
        OptionalLong.of(System.nanoTime() - begun),
        tokens(usage),
        cost(usage),
        whole ? Optional.empty() : Optional.of("the answer has no end"));
  }

  /// The answer's tokens in a `usage`.
  static OptionalLong tokens(JsonNode usage) {
    JsonNode tokens = usage.path("completion_tokens");
    return tokens.isIntegralNumber() ? OptionalLong.of(tokens.longValue()) : OptionalLong.empty();
  }

  /// What it cost, without an exponent.
  static Optional<String> cost(JsonNode usage) {
    JsonNode cost = usage.path("cost");
    return cost.isNumber()
        ? Optional.of(new BigDecimal(cost.asText()).toPlainString())
        : Optional.empty();
  }
}
