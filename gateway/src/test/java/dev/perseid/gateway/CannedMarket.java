package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/// A market whose models answer the same every time, so that clients can be checked against it.
/// What a model says depends on what it is asked: it calls a tool if it is offered one and has no
/// answer of it yet, follows a schema if there is one, repeats the system's words, and is cut at
/// `max_tokens` of 1.
final class CannedMarket implements Market {
  static final String HELLO = "Hello from the market";
  static final String SUNNY = "It is sunny in Paris.";
  static final String OBJECT = "{\"city\":\"Paris\",\"degrees\":21}";
  static final Bill BILL = new Bill(12, 4, 5, 0, 22);

  private final ScriptedMarket market = new ScriptedMarket();
  private final Map<String, AtomicInteger> asks = new ConcurrentHashMap<>();

  CannedMarket() {
    market.serve("m", ModelTask.CHAT, (request, most, to) -> answer(request, to));
    market.serve("e", ModelTask.EMBED, (request, most, to) -> vectors(request, to));
    market.serve(
        "midstream",
        ModelTask.CHAT,
        (request, most, to) -> {
          to.part(chunk(delta("content", "Half an "), null));
          to.part(chunk(delta("content", "answer"), null));
          to.failed(
              new Failure(Failure.Kind.BROKEN, "The provider went away."),
              new Bill(12, 0, 2, 0, 1));
          return new Placed.Running(() -> {});
        });
    market.serve(
        "midtool",
        ModelTask.CHAT,
        (request, most, to) -> {
          to.part(chunk(call("call_1", "get_weather", "{\"ci"), null));
          to.failed(
              new Failure(Failure.Kind.BROKEN, "The provider went away."),
              new Bill(12, 0, 2, 0, 1));
          return new Placed.Running(() -> {});
        });
    market.serve("busy", ModelTask.CHAT, (request, most, to) -> fail(to, Failure.Kind.BUSY));
    market.serve(
        "busyonce",
        ModelTask.CHAT,
        (request, most, to) ->
            count("busyonce") == 1 ? fail(to, Failure.Kind.BUSY) : answer(request, to));
    market.serve("refuses", ModelTask.CHAT, (request, most, to) -> fail(to, Failure.Kind.INVALID));
    market.serve("broken", ModelTask.CHAT, (request, most, to) -> fail(to, Failure.Kind.BROKEN));
    market.serve(
        "unpaid", ModelTask.CHAT, (request, most, to) -> new Placed.Unpaid("You have 0 credits."));
  }

  private int count(String model) {
    return asks.computeIfAbsent(model, m -> new AtomicInteger()).incrementAndGet();
  }

  /// What reached providers.
  List<ScriptedMarket.Asked> asked() {
    return market.asked;
  }

  /// The body of the last request that reached one.
  JsonNode last() throws Exception {
    return Json.MAPPER.readTree(market.asked.getLast().body());
  }

  private static Placed fail(Receiver to, Failure.Kind kind) {
    to.failed(
        new Failure(kind, "The provider says no.", "", "", OptionalLong.of(5)),
        ScriptedMarket.NOTHING);
    return new Placed.Running(() -> {});
  }

  private static byte[] bytes(JsonNode node) {
    return node.toString().getBytes(StandardCharsets.UTF_8);
  }

  static ObjectNode delta(String field, String text) {
    return Json.object().put(field, text);
  }

  static ObjectNode call(String id, String name, String arguments) {
    ObjectNode out = Json.object();
    ObjectNode call = out.putArray("tool_calls").addObject().put("index", 0);
    if (id != null) {
      call.put("id", id).put("type", "function");
    }
    ObjectNode function = call.putObject("function");
    if (name != null) {
      function.put("name", name);
    }
    function.put("arguments", arguments);
    return out;
  }

  static byte[] chunk(ObjectNode delta, String finish) {
    ObjectNode out = Json.object().put("id", "chatcmpl-1").put("object", "chat.completion.chunk");
    out.put("created", 1_700_000_000).put("model", "theirs");
    ObjectNode choice = out.putArray("choices").addObject().put("index", 0);
    choice.set("delta", delta);
    choice.put("finish_reason", finish);
    return bytes(out);
  }

  private static byte[] whole(ObjectNode message, String finish) {
    ObjectNode out = Json.object().put("id", "chatcmpl-1").put("object", "chat.completion");
    out.put("created", 1_700_000_000).put("model", "theirs");
    ObjectNode choice = out.putArray("choices").addObject().put("index", 0);
    choice.set("message", message);
    choice.putNull("logprobs").put("finish_reason", finish);
    return bytes(out);
  }

  private static Placed answer(Request request, Receiver to) {
    JsonNode body;
    try {
      body = Json.MAPPER.readTree(request.body());
    } catch (IOException e) {
      throw new IllegalStateException("the gateway sent no JSON", e);
    }
    if (request.api() == Api.COMPLETION) {
      for (String piece : new String[] {"Once", " upon", " a time"}) {
        if (request.stream()) {
          to.part(completion(piece, null));
        }
      }
      to.part(completion(request.stream() ? "" : "Once upon a time", "stop"));
    } else {
      chat(body, request.stream(), to);
    }
    to.done(BILL);
    return new Placed.Running(() -> {});
  }

  private static byte[] completion(String text, String finish) {
    ObjectNode out = Json.object().put("id", "cmpl-1").put("object", "text_completion");
    out.put("created", 1_700_000_000).put("model", "theirs");
    ObjectNode choice = out.putArray("choices").addObject().put("index", 0).put("text", text);
    choice.putNull("logprobs").put("finish_reason", finish);
    return bytes(out);
  }

  private static void chat(JsonNode body, boolean stream, Receiver to) {
    boolean answered = false;
    String system = "";
    for (JsonNode message : body.path("messages")) {
      answered |= message.path("role").asText().equals("tool");
      if (message.path("role").asText().equals("system")) {
        system = message.path("content").asText();
      }
    }
    boolean calls =
        body.has("tools") && !answered && !body.path("tool_choice").asText().equals("none");
    if (calls) {
      ObjectNode message = Json.object().put("role", "assistant").putNull("content");
      if (!stream) {
        message.setAll(call("call_1", "get_weather", "{\"city\":\"Paris\"}"));
        ((ObjectNode) message.path("tool_calls").get(0)).remove("index");
        message.putNull("refusal");
        to.part(whole(message, "tool_calls"));
        return;
      }
      to.part(chunk(message, null));
      to.part(chunk(call("call_1", "get_weather", ""), null));
      to.part(chunk(call(null, null, "{\"city\":"), null));
      to.part(chunk(call(null, null, "\"Paris\"}"), null));
      to.part(chunk(Json.object(), "tool_calls"));
      return;
    }
    String text = answered ? SUNNY : body.has("response_format") ? OBJECT : HELLO;
    text += system.isEmpty() || text.equals(OBJECT) ? "" : " (" + system + ")";
    boolean cut = body.path("max_tokens").asInt(body.path("max_completion_tokens").asInt(9)) == 1;
    text = cut ? "Hello" : text;
    String finish = cut ? "length" : "stop";
    if (!stream) {
      ObjectNode message = Json.object().put("role", "assistant").put("content", text);
      to.part(whole(message.putNull("refusal"), finish));
      return;
    }
    to.part(chunk(Json.object().put("role", "assistant").put("content", ""), null));
    for (String piece : pieces(text)) {
      to.part(chunk(delta("content", piece), null));
    }
    to.part(chunk(Json.object(), finish));
  }

  private static List<String> pieces(String text) {
    List<String> out = new ArrayList<>();
    for (int at = 0; at < text.length(); at += 6) {
      out.add(text.substring(at, Math.min(text.length(), at + 6)));
    }
    return out;
  }

  private static Placed vectors(Request request, Receiver to) {
    ObjectNode out = Json.object().put("object", "list").put("model", "theirs");
    ArrayNode data = out.putArray("data");
    JsonNode body;
    try {
      body = Json.MAPPER.readTree(request.body());
    } catch (IOException e) {
      throw new IllegalStateException("the gateway sent no JSON", e);
    }
    for (int i = 0; i < body.path("input").size(); i++) {
      ObjectNode one = data.addObject().put("object", "embedding").put("index", i);
      one.putArray("embedding").add(0.5).add(-1.25).add(i);
    }
    to.part(bytes(out));
    to.done(new Bill(3, 0, 0, data.size(), 3));
    return new Placed.Running(() -> {});
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return market.caller(apiKey);
  }

  @Override
  public Catalog catalog() {
    return market.catalog();
  }

  /// A token is a byte of the body; only `m` has a tokenizer.
  @Override
  public Optional<Tokens> tokens(Hash model) {
    if (!model.equals(Hash.sha256("m".getBytes(StandardCharsets.UTF_8)))) {
      return Optional.empty();
    }
    return Optional.of(
        new Tokens() {
          @Override
          public int count(String text) {
            return text.length();
          }

          @Override
          public int promptTokens(Api api, byte[] body) {
            return body.length;
          }
        });
  }

  @Override
  public Placed ask(
      Caller caller, Listing listing, Request request, long maxTokens, Receiver receiver) {
    return market.ask(caller, listing, request, maxTokens, receiver);
  }
}
