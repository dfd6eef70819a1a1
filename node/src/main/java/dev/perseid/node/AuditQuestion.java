package dev.perseid.node;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Bodies of what a pool's audits ask: made after requests that consumers sent, so that they look
/// alike, and without a word of what those said.
final class AuditQuestion {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// What says how the answer shall come, and nothing of what it shall be about.
  private static final Set<String> MANNER =
      Set.of("stream", "stream_options", "max_tokens", "max_completion_tokens", "logprobs");

  private AuditQuestion() {}

  /// A prompt, asked in the manner of a consumer's chat; empty if that is none.
  ///
  /// @param greedy at temperature 0, else at the consumer's
  static Optional<byte[]> body(byte[] like, String prompt, boolean greedy) {
    JsonNode root = tree(like);
    ObjectNode body = JSON.createObjectNode();
    for (Map.Entry<String, JsonNode> field : root.properties()) {
      String name = field.getKey();
      if (name.equals("model") || MANNER.contains(name)) {
        body.set(name, field.getValue());
      } else if (name.equals("messages")) {
        body.putArray("messages").addObject().put("role", "user").put("content", prompt);
      } else if (name.equals("temperature")) {
        body.set(name, greedy ? JSON.getNodeFactory().numberNode(0) : field.getValue());
      }
    }
    if (!body.has("messages")) {
      return Optional.empty();
    }
    if (greedy && !body.has("temperature")) {
      body.put("temperature", 0);
    }
    limit(body, "max_tokens");
    limit(body, "max_completion_tokens");
    return Optional.of(body.toString().getBytes(UTF_8));
  }

  private static void limit(ObjectNode body, String name) {
    if (body.path(name).asLong() > MarketLimits.AUDIT_ANSWER_TOKENS) {
      body.put(name, MarketLimits.AUDIT_ANSWER_TOKENS);
    }
  }

  /// The most tokens of the answer that may be billed, as a gateway would say.
  static long mostTokens(byte[] body, int contextTokens) {
    JsonNode root = tree(body);
    String name = root.hasNonNull("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
    long context = contextTokens > 0 ? contextTokens : MarketLimits.AUDIT_ANSWER_TOKENS;
    long asked = root.path(name).asLong();
    return asked > 0 ? Math.min(asked, context) : context;
  }

  /// The name under which the model was asked for.
  static String model(byte[] body) {
    return tree(body).path("model").asText();
  }

  /// The same request without the seed that the pool gave it, so that it gets another; empty if the
  /// consumer chose the seed.
  static Optional<byte[]> unseeded(byte[] body) {
    byte[] mark = (PoolMarket.NAMED + "\"seed\":").getBytes(UTF_8);
    if (body.length <= mark.length + 1
        || Arrays.mismatch(body, 0, mark.length, mark, 0, mark.length) >= 0) {
      return Optional.empty();
    }
    int comma = mark.length;
    while (comma < body.length && body[comma] != ',') {
      comma++;
    }
    byte[] rest = Arrays.copyOfRange(body, Math.min(comma, body.length - 1), body.length);
    rest[0] = '{';
    return Optional.of(rest);
  }

  private static JsonNode tree(byte[] body) {
    try {
      JsonNode root = JSON.readTree(body);
      return root == null ? JSON.nullNode() : root;
    } catch (IOException e) {
      return JSON.nullNode();
    }
  }
}
