package dev.perseid.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/// Puts the chunks of a chat answer of one choice together, as far as audits need it.
final class WholeAnswer {
  private static final ObjectMapper JSON = new ObjectMapper();

  private WholeAnswer() {}

  /// The answer as if it had not been streamed; empty if it has several choices, calls tools, or is
  /// no answer.
  static Optional<byte[]> of(List<byte[]> chunks) {
    StringBuilder text = new StringBuilder();
    ObjectNode whole = JSON.createObjectNode();
    ObjectNode choice = whole.putArray("choices").addObject();
    ArrayNode logprobs = JSON.createArrayNode();
    ArrayNode tokens = JSON.createArrayNode();
    try {
      for (byte[] bytes : chunks) {
        JsonNode chunk = JSON.readTree(bytes);
        if (chunk.has("perseid_seed")) {
          whole.set("perseid_seed", chunk.get("perseid_seed"));
        }
        JsonNode choices = chunk.path("choices");
        if (choices.size() > 1 || choices.path(0).path("index").asInt() != 0) {
          return Optional.empty();
        }
        JsonNode one = choices.path(0);
        JsonNode delta = one.path("delta");
        if (delta.has("tool_calls")) {
          return Optional.empty();
        }
        text.append(delta.path("content").asText(""));
        one.path("logprobs").path("content").forEach(logprobs::add);
        one.path("token_ids").forEach(tokens::add);
        if (one.path("finish_reason").isTextual()) {
          choice.set("finish_reason", one.get("finish_reason"));
        }
      }
      choice.putObject("message").put("role", "assistant").put("content", text.toString());
      if (!logprobs.isEmpty()) {
        choice.putObject("logprobs").set("content", logprobs);
      }
      if (!tokens.isEmpty()) {
        choice.set("token_ids", tokens);
      }
      return Optional.of(JSON.writeValueAsBytes(whole));
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
