package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Listens to one answer and keeps what it heard.
final class Ear implements Answer {
  static final Path TINY = Path.of("../examples/models/tiny-chat/q8_0/tiny-chat-q8_0.gguf");
  static final ObjectMapper JSON = new ObjectMapper();
  private static final int WAIT_S = 120;

  final List<JsonNode> parts = new ArrayList<>();
  final CountDownLatch first = new CountDownLatch(1);
  private final CountDownLatch end = new CountDownLatch(1);
  private Optional<Failure> failure = Optional.empty();
  private Claim claim = Claim.NONE;

  @Override
  public void part(byte[] json) {
    try {
      parts.add(JSON.readTree(json));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    first.countDown();
  }

  @Override
  public void done(Claim claim) {
    this.claim = claim;
    end.countDown();
  }

  @Override
  public void failed(Failure failure, Claim claim) {
    this.failure = Optional.of(failure);
    this.claim = claim;
    end.countDown();
  }

  Ear await() throws InterruptedException {
    if (!end.await(WAIT_S, TimeUnit.SECONDS)) {
      throw new AssertionError("the answer has no end");
    }
    return this;
  }

  Failure failure() {
    return failure.orElseThrow(() -> new AssertionError("it did not fail: " + parts));
  }

  Claim claim() {
    if (failure.isPresent()) {
      throw new AssertionError("it failed: " + failure);
    }
    return claim;
  }

  static Request request(String id, Api api, String body) {
    return new Request(
        id,
        api,
        Hash.EMPTY_BLOB,
        body.getBytes(StandardCharsets.UTF_8),
        body.contains("\"stream\":true"));
  }

  static Ear ask(LanguageModel model, Api api, String body) {
    Ear ear = new Ear();
    model.ask(request("r1", api, body), ear);
    return ear;
  }

  /// A chat with one message, and more fields.
  static String chat(String text, String more) {
    return "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\""
        + text
        + "\"}]"
        + (more.isEmpty() ? "" : "," + more)
        + "}";
  }

  /// The text of one choice, out of one object or of many chunks.
  String text(int index) {
    StringBuilder out = new StringBuilder();
    for (JsonNode part : parts) {
      for (JsonNode choice : part.path("choices")) {
        if (choice.path("index").asInt() == index) {
          out.append(choice.path("text").asText(""));
          out.append(choice.path("delta").path("content").asText(""));
          out.append(choice.path("message").path("content").asText(""));
        }
      }
    }
    return out.toString();
  }

  String finish(int index) {
    String finish = "";
    for (JsonNode part : parts) {
      for (JsonNode choice : part.path("choices")) {
        if (choice.path("index").asInt() == index && choice.hasNonNull("finish_reason")) {
          finish = choice.path("finish_reason").asText();
        }
      }
    }
    return finish;
  }
}
