package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// A conversation in canonical form, as translators write it down: the body of
/// [dev.perseid.inference.Api#CHAT].
final class Talk {
  private final ObjectNode body = Json.object();
  private final ArrayNode messages = body.putArray("messages");
  private @Nullable ArrayNode tools;

  /// The body; further fields may be set in it.
  ObjectNode body() {
    return body;
  }

  /// Messages so far.
  int size() {
    return messages.size();
  }

  /// A message of a role that has nothing but text.
  void say(String role, List<String> pieces) {
    ObjectNode message = messages.addObject().put("role", role);
    content(message, pieces);
  }

  /// A question of pieces that are not only text, as OpenAI's chat has them.
  void show(List<ObjectNode> parts) {
    messages.addObject().put("role", "user").putArray("content").addAll(parts);
  }

  private static void content(ObjectNode message, List<String> pieces) {
    if (pieces.size() == 1) {
      message.put("content", pieces.getFirst());
      return;
    }
    if (pieces.isEmpty()) {
      message.put("content", "");
      return;
    }
    ArrayNode parts = message.putArray("content");
    for (String piece : pieces) {
      parts.addObject().put("type", "text").put("text", piece);
    }
  }

  /// The model called a tool. Calls that follow one another, or a text of the model, belong to one
  /// message.
  void call(String id, String name, String arguments) {
    ObjectNode last = messages.isEmpty() ? null : (ObjectNode) messages.get(messages.size() - 1);
    if (last == null || !last.path("role").asText().equals("assistant")) {
      last = messages.addObject().put("role", "assistant").putNull("content");
    }
    last.withArray("/tool_calls")
        .addObject()
        .put("id", id)
        .put("type", "function")
        .putObject("function")
        .put("name", name)
        .put("arguments", arguments);
  }

  /// What a tool answered.
  void result(String id, List<String> pieces) {
    ObjectNode message = messages.addObject().put("role", "tool").put("tool_call_id", id);
    content(message, pieces);
  }

  /// Offers a function.
  ///
  /// @param parameters its JSON schema, if it takes any
  /// @param strict whether arguments must follow the schema, if the client says
  void tool(
      String name,
      @Nullable String description,
      @Nullable JsonNode parameters,
      @Nullable Boolean strict) {
    if (tools == null) {
      tools = body.putArray("tools");
    }
    ObjectNode function =
        tools.addObject().put("type", "function").putObject("function").put("name", name);
    if (description != null) {
      function.put("description", description);
    }
    if (parameters != null) {
      function.set("parameters", parameters);
    }
    if (strict != null) {
      function.put("strict", strict);
    }
  }

  boolean hasTools() {
    return tools != null;
  }

  /// `auto`, `none` or `required`.
  void choose(String how) {
    body.put("tool_choice", how);
  }

  /// This function must be called.
  void chooseFunction(String name) {
    body.putObject("tool_choice").put("type", "function").putObject("function").put("name", name);
  }

  /// The answer must be any JSON object.
  void answerInJson() {
    body.putObject("response_format").put("type", "json_object");
  }

  /// The answer must follow a schema.
  void answerBySchema(
      String name, @Nullable String description, JsonNode schema, @Nullable Boolean strict) {
    ObjectNode format = body.putObject("response_format").put("type", "json_schema");
    ObjectNode inner = format.putObject("json_schema").put("name", name);
    if (description != null) {
      inner.put("description", description);
    }
    inner.set("schema", schema);
    if (strict != null) {
      inner.put("strict", strict);
    }
  }

  /// A number that means the same in both protocols.
  void number(String name, Form from, String theirs, double least, double most) throws Problem {
    JsonNode value = from.number(theirs, least, most).orElse(null);
    if (value != null) {
      body.set(name, value);
    }
  }

  /// The most tokens of the answer.
  void atMost(OptionalLong tokens) {
    if (tokens.isPresent()) {
      body.put("max_tokens", tokens.getAsLong());
    }
  }

  void stop(List<String> words) {
    if (!words.isEmpty()) {
      ArrayNode stop = body.putArray("stop");
      words.forEach(stop::add);
    }
  }

  /// Fingerprint of the conversation's beginning: equal as it grows.
  long affinity() {
    ArrayNode first = Json.MAPPER.createArrayNode();
    if (tools != null) {
      first.add(tools);
    }
    for (int i = 0; i < Math.min(2, messages.size()); i++) {
      first.add(messages.get(i));
    }
    byte[] bytes = Json.bytes(first);
    return Call.affinity(bytes, 0, bytes.length);
  }
}
