package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Listens to the canonical answer of a language model, whole or in chunks, and tells what it hears
/// piece by piece, so that a translator is written once for both. Only the first choice is heard.
final class Speech {
  /// Who is told.
  interface Ear {
    /// More of the text.
    void text(String piece, Outlet out) throws Problem;

    /// More of what the model thinks before it answers.
    void thought(String piece, Outlet out) throws Problem;

    /// The model begins to call a tool.
    ///
    /// @param index 0 for the first tool, counted in the order of their beginnings
    void tool(int index, String id, String name, Outlet out) throws Problem;

    /// More of the arguments of a call.
    void arguments(int index, String piece, Outlet out) throws Problem;
  }

  /// How an answer ended.
  enum End {
    /// By itself.
    STOP,
    /// It was cut at its limit.
    LENGTH,
    /// With calls of tools.
    TOOLS,
    /// It was cut for its content.
    FILTER
  }

  private final String id;
  private final Ear ear;
  private final Map<Integer, Integer> tools = new HashMap<>();
  private int count;
  private long chars;
  private @Nullable End end;
  private @Nullable String stopWord;

  /// @param id from which names of tool calls are made where a provider gives none
  Speech(String id, Ear ear) {
    this.id = id;
    this.ear = ear;
  }

  /// Hears one part.
  void hear(byte[] json, Outlet out) throws Problem {
    ObjectNode part = Json.ofProvider(json);
    for (JsonNode choice : part.path("choices")) {
      if (choice.path("index").asInt(0) == 0) {
        boolean whole = choice.has("message");
        said(whole ? choice.path("message") : choice.path("delta"), whole, out);
        String text = choice.path("text").asText("");
        if (!text.isEmpty()) {
          count(text);
          ear.text(text, out);
        }
        ended(choice);
      }
    }
  }

  private void said(JsonNode message, boolean whole, Outlet out) throws Problem {
    String thought = message.path("reasoning_content").asText(message.path("reasoning").asText(""));
    if (!thought.isEmpty()) {
      count(thought);
      ear.thought(thought, out);
    }
    for (String field : new String[] {"content", "refusal"}) {
      String text = message.path(field).isTextual() ? message.path(field).textValue() : "";
      if (!text.isEmpty()) {
        count(text);
        ear.text(text, out);
      }
    }
    int position = 0;
    for (JsonNode call : message.path("tool_calls")) {
      // A provider that gives no index sends each call whole.
      int theirs = call.path("index").asInt(whole ? position : count + position);
      position++;
      Integer index = tools.get(theirs);
      JsonNode function = call.path("function");
      if (index == null) {
        index = begin(theirs, call.path("id").asText(""), function.path("name").asText(""), out);
      }
      String piece = function.path("arguments").asText("");
      if (!piece.isEmpty()) {
        count(piece);
        ear.arguments(index, piece, out);
      }
    }
  }

  private int begin(int theirs, String callId, String name, Outlet out) throws Problem {
    if (name.isEmpty()) {
      throw rubbish("The provider sent a call of a tool without a name.");
    }
    int index = tools.size();
    if (index == DialectLimits.TOOL_CALLS) {
      throw rubbish("The answer calls more than " + DialectLimits.TOOL_CALLS + " tools.");
    }
    tools.put(theirs, index);
    count = Math.max(count, theirs + 1);
    ear.tool(index, callId.isEmpty() ? "call_" + id + index : callId, name, out);
    return index;
  }

  private void count(String piece) throws Problem {
    chars += piece.length();
    if (chars > DialectLimits.ANSWER_CHARS) {
      throw rubbish("The answer has more than " + DialectLimits.ANSWER_CHARS + " characters.");
    }
  }

  private void ended(JsonNode choice) throws Problem {
    String reason = choice.path("finish_reason").asText("");
    if (reason.isEmpty() || reason.equals("null")) {
      return;
    }
    end =
        switch (reason) {
          case "stop" -> tools.isEmpty() ? End.STOP : End.TOOLS;
          case "length" -> End.LENGTH;
          case "tool_calls", "function_call" -> End.TOOLS;
          case "content_filter" -> End.FILTER;
          default ->
              throw rubbish("The provider ended with the reason '" + Problem.shown(reason) + "'.");
        };
    if (choice.path("stop_reason").isTextual()) {
      stopWord = choice.path("stop_reason").textValue();
    }
  }

  /// How it ended.
  ///
  /// @throws Problem if it did not: then the answer is not complete
  End end() throws Problem {
    if (end == null) {
      throw rubbish("The provider's answer has no end.");
    }
    return end;
  }

  /// The word at which it stopped, where the provider says so.
  Optional<String> stopWord() {
    return Optional.ofNullable(stopWord);
  }

  /// Arguments of a call as the object that they should be.
  static ObjectNode arguments(String text) throws Problem {
    if (text.isBlank()) {
      return Json.object();
    }
    try {
      return Json.ofProvider(text.getBytes(StandardCharsets.UTF_8));
    } catch (Problem problem) {
      throw rubbish("The model called a tool with arguments that are no JSON object.");
    }
  }

  static Problem rubbish(String what) {
    return new Problem(Problem.Kind.BROKEN, what, "provider_failed");
  }
}
