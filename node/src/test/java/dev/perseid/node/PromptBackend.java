package dev.perseid.node;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;

/// A backend that answers at once with as many tokens `t` as `max_tokens` says, in chunks or whole;
/// it fails if the prompt has the word "fail".
final class PromptBackend implements Backend {
  static final int PROMPT_TOKENS = 4;
  private static final JsonMapper JSON = JsonMapper.builder().build();

  final AtomicInteger asked = new AtomicInteger();

  @Override
  public Runnable ask(Request request, Answer answer) {
    asked.incrementAndGet();
    String body = new String(request.body(), StandardCharsets.UTF_8);
    if (body.contains("fail")) {
      answer.failed(new Failure(Failure.Kind.BROKEN, "it failed as it was told"), Claim.NONE);
      return () -> {};
    }
    int most;
    try {
      most = JSON.readTree(body).path("max_tokens").asInt();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    if (request.stream()) {
      for (int i = 1; i <= most; i++) {
        answer.part(
            """
            {"id":"c","object":"chat.completion.chunk","created":1,"model":"p",\
            "choices":[{"index":0,"delta":{%s"content":"t"},"finish_reason":%s}]}\
            """
                .formatted(i == 1 ? "\"role\":\"assistant\"," : "", i == most ? "\"stop\"" : "null")
                .getBytes(StandardCharsets.UTF_8));
      }
    } else {
      answer.part(
          """
          {"id":"c","object":"chat.completion","created":1,"model":"p","choices":[{"index":0,\
          "message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}]}\
          """
              .formatted("t".repeat(most))
              .getBytes(StandardCharsets.UTF_8));
    }
    answer.done(Claim.tokens(PROMPT_TOKENS, 0, most));
    return () -> {};
  }

  @Override
  public Health health() {
    return new Health(true, 64, 0, 0, "");
  }

  @Override
  public String name() {
    return "prompt";
  }

  @Override
  public void close() {}
}
