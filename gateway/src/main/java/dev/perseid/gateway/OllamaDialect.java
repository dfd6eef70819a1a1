package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Api;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/// Ollama's API. Answers come as lines of JSON unless the client says `"stream": false`. Names of
/// models may have `:latest` at their end. What depends on the machine that runs a model
/// (`num_ctx`, `num_gpu`, `keep_alive`, ...) is skipped: its provider decides it.
final class OllamaDialect implements Dialect {
  /// The version of Ollama whose API is spoken: clients look at it to know what they may send.
  private static final String SPOKEN = "0.12.6";

  private static final String LATEST = ":latest";

  @Override
  public String name() {
    return "Ollama";
  }

  @Override
  public List<Route> routes() {
    return List.of(
        Route.priced("POST", "/api/chat", OllamaDialect::chat),
        Route.priced("POST", "/api/generate", OllamaDialect::generate),
        Route.priced("POST", "/api/embed", in -> embed(in, false)),
        Route.priced("POST", "/api/embeddings", in -> embed(in, true)),
        Route.of("GET", "/api/tags", in -> list(in, false)),
        Route.of("GET", "/api/ps", in -> list(in, true)),
        Route.of("POST", "/api/show", OllamaDialect::show),
        Route.open("GET", "/api/version", OllamaDialect::version),
        Route.of("POST", "/api/pull", OllamaDialect::notHere),
        Route.of("POST", "/api/push", OllamaDialect::notHere),
        Route.of("POST", "/api/create", OllamaDialect::notHere),
        Route.of("POST", "/api/copy", OllamaDialect::notHere),
        Route.of("DELETE", "/api/delete", OllamaDialect::notHere));
  }

  @Override
  public boolean owns(String path) {
    return path.startsWith("/api/");
  }

  @Override
  public Reply.Whole error(Problem problem) {
    return Reply.Whole.json(problem.status(), shape(problem));
  }

  /// `{"error":"..."}`, as Ollama's clients read it.
  static ObjectNode shape(Problem problem) {
    return Json.object().put("error", problem.text());
  }

  private static Reply version(Inbound in) {
    return Reply.Whole.json(200, Json.object().put("version", SPOKEN));
  }

  private static Reply notHere(Inbound in) throws Problem {
    throw Problem.invalid(
        "",
        "Models are not kept by this server: a market serves them. GET /api/tags lists those that"
            + " can be asked.");
  }

  // ---- names ----------------------------------------------------------------------------------

  /// The name under which the market knows a model.
  private static String known(Shelf shelf, String name) {
    return name.endsWith(LATEST) && shelf.find(name).isEmpty() ? bare(name) : name;
  }

  static String bare(String name) {
    return name.endsWith(LATEST) ? name.substring(0, name.length() - LATEST.length()) : name;
  }

  private static String named(Form form) throws Problem {
    return form.has("model") || !form.has("name") ? form.needName("model") : form.needName("name");
  }

  private static Model find(Inbound in, String name) throws Problem {
    Optional<Shelf.Named> found = in.shelf().find(known(in.shelf(), name));
    if (found.isEmpty()) {
      throw Problem.noModel(name);
    }
    return found.get().model();
  }

  // ---- chat -----------------------------------------------------------------------------------

  private static Reply chat(Inbound in) throws Problem {
    Form form = Form.of(Json.parse(in.body()));
    String name = named(form);
    Talk talk = talk(form);
    boolean stream = form.flag("stream", true);
    if (talk.size() == 0) {
      find(in, name);
      return loaded(name, stream, OllamaRenderer.Shape.CHAT);
    }
    return ask(in, form, name, talk, Api.CHAT, OllamaRenderer.Shape.CHAT);
  }

  /// The conversation of a chat.
  static Talk talk(Form form) throws Problem {
    Talk talk = new Talk();
    // Calls that wait for the tool's answer: Ollama's messages need not name them.
    ArrayDeque<Pending> pending = new ArrayDeque<>();
    int calls = 0;
    for (Form message : form.forms("messages", DialectLimits.MESSAGES)) {
      if (!message.list("images", DialectLimits.PIECES).isEmpty()) {
        throw noImages(message.place("images"));
      }
      String role = message.needText("role");
      String content = message.text("content").orElse("");
      switch (role) {
        case "system", "user" -> talk.say(role, List.of(content));
        case "assistant" -> {
          List<Form> made = message.forms("tool_calls", DialectLimits.TOOL_CALLS);
          if (!content.isEmpty() || made.isEmpty()) {
            talk.say(role, List.of(content));
          }
          for (Form call : made) {
            Form function = Form.at(call.node().path("function"), call.place("function"));
            String id = call.text("id").orElse("call_" + calls);
            calls++;
            String called = function.needName("name");
            String arguments =
                function.form("arguments").map(Form::node).orElseGet(Json::object).toString();
            talk.call(id, called, arguments);
            pending.add(new Pending(id, called));
          }
        }
        case "tool" -> talk.result(answered(message, pending), List.of(content));
        default -> throw message.wrong("role", "must be 'system', 'user', 'assistant' or 'tool'");
      }
    }
    for (Form tool : form.forms("tools", DialectLimits.TOOLS)) {
      Form function = Form.at(tool.node().path("function"), tool.place("function"));
      JsonNode parameters = function.form("parameters").map(Form::node).orElse(null);
      talk.tool(
          function.needName("name"), function.text("description").orElse(null), parameters, null);
    }
    return talk;
  }

  private record Pending(String id, String name) {}

  private static String answered(Form message, ArrayDeque<Pending> pending) throws Problem {
    Optional<String> id = message.text("tool_call_id");
    if (id.isPresent()) {
      pending.removeIf(call -> call.id().equals(id.get()));
      return id.get();
    }
    Optional<String> name = message.text("tool_name");
    for (Pending call : pending) {
      if (name.isEmpty() || call.name().equals(name.get())) {
        pending.remove(call);
        return call.id();
      }
    }
    throw Problem.invalid(
        message.place(), "'" + message.place() + "' answers no call of the assistant before it.");
  }

  private static Problem noImages(String place) {
    return Problem.invalid(
        place, "'" + place + "' is not offered here: models on this market read text only.");
  }

  // ---- generate -------------------------------------------------------------------------------

  private static Reply generate(Inbound in) throws Problem {
    Form form = Form.of(Json.parse(in.body()));
    String name = named(form);
    if (!form.list("images", DialectLimits.PIECES).isEmpty()) {
      throw noImages("images");
    }
    form.refuse("suffix", "models on this market write on from the end.");
    form.refuse("template", "a model's own template is used. Send 'raw': true without one.");
    if (!form.list("context", Integer.MAX_VALUE).isEmpty()) {
      form.refuse("context", "nothing is kept. Send the conversation to /api/chat.");
    }
    String prompt = form.text("prompt").orElse("");
    boolean stream = form.flag("stream", true);
    if (prompt.isEmpty()) {
      find(in, name);
      return loaded(name, stream, OllamaRenderer.Shape.GENERATE);
    }
    Talk talk = new Talk();
    if (form.flag("raw", false)) {
      talk.body().remove("messages");
      talk.body().put("prompt", prompt);
      return ask(in, form, name, talk, Api.COMPLETION, OllamaRenderer.Shape.GENERATE);
    }
    Optional<String> system = form.text("system");
    if (system.isPresent() && !system.get().isEmpty()) {
      talk.say("system", List.of(system.get()));
    }
    talk.say("user", List.of(prompt));
    return ask(in, form, name, talk, Api.CHAT, OllamaRenderer.Shape.GENERATE);
  }

  /// A request without a prompt asks to load the model. Nothing is to be done for it.
  private static Reply loaded(String name, boolean stream, OllamaRenderer.Shape shape) {
    ObjectNode out = OllamaRenderer.empty(name, shape).put("done_reason", "load").put("done", true);
    byte[] body = Json.bytes(out);
    return stream
        ? new Reply.Whole(200, OllamaRenderer.LINES, OllamaRenderer.line(body), List.of())
        : Reply.Whole.json(200, body);
  }

  private static Reply ask(
      Inbound in, Form form, String name, Talk talk, Api api, OllamaRenderer.Shape shape)
      throws Problem {
    OptionalLong maxTokens = options(form, talk);
    format(form, talk, api);
    boolean stream = form.flag("stream", true);
    Call call =
        Call.of(
            api,
            List.of(known(in.shelf(), name)),
            talk.body(),
            stream,
            Wishes.NONE,
            maxTokens,
            1,
            talk.affinity());
    return new Reply.Asked(call, new OllamaRenderer(name, in.id(), in.arrivedNs(), stream, shape));
  }

  /// Ollama's options, as far as they are the request's.
  static OptionalLong options(Form form, Talk talk) throws Problem {
    Optional<JsonNode> think = form.any("think");
    if (think.isPresent() && think.get().isTextual()) {
      talk.body().put("reasoning_effort", think.get().textValue());
    }
    Optional<Form> given = form.form("options");
    if (given.isEmpty()) {
      return OptionalLong.empty();
    }
    Form options = given.get();
    talk.number("temperature", options, "temperature", 0, 100);
    talk.number("top_p", options, "top_p", 0, 1);
    talk.number("min_p", options, "min_p", 0, 1);
    talk.number("presence_penalty", options, "presence_penalty", -2, 2);
    talk.number("frequency_penalty", options, "frequency_penalty", -2, 2);
    talk.number("repetition_penalty", options, "repeat_penalty", 0, 100);
    OptionalLong topK = options.whole("top_k", 0, Integer.MAX_VALUE);
    if (topK.isPresent()) {
      talk.body().put("top_k", topK.getAsLong());
    }
    OptionalLong seed = options.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    if (seed.isPresent()) {
      talk.body().put("seed", seed.getAsLong());
    }
    Optional<JsonNode> stop = options.any("stop");
    if (stop.isPresent()) {
      talk.stop(
          stop.get().isTextual()
              ? List.of(stop.get().textValue())
              : options.texts("stop", DialectLimits.STOPS));
    }
    // -1 and -2 mean: as many as there is room for.
    OptionalLong most = options.whole("num_predict", -2, DialectLimits.ANSWER_TOKENS);
    if (most.isEmpty() || most.getAsLong() < 1) {
      return OptionalLong.empty();
    }
    talk.atMost(most);
    return most;
  }

  private static void format(Form form, Talk talk, Api api) throws Problem {
    Optional<JsonNode> format = form.any("format");
    if (format.isEmpty() || (format.get().isTextual() && format.get().textValue().isEmpty())) {
      return;
    }
    if (api != Api.CHAT) {
      throw form.wrong("format", "does not go together with 'raw'");
    }
    if (format.get().isObject()) {
      talk.answerBySchema("answer", null, format.get(), true);
    } else if (format.get().asText().equals("json")) {
      talk.answerInJson();
    } else {
      throw form.wrong("format", "must be \"json\" or a JSON schema");
    }
  }

  // ---- embeddings -----------------------------------------------------------------------------

  private static Reply embed(Inbound in, boolean old) throws Problem {
    Form form = Form.of(Json.parse(in.body()));
    String name = named(form);
    ObjectNode body = Json.object();
    String field = old ? "prompt" : "input";
    Optional<JsonNode> input = form.any(field);
    if (input.isEmpty()) {
      throw form.wrong(field, "is missing");
    }
    List<String> texts =
        input.get().isTextual()
            ? List.of(input.get().textValue())
            : form.texts(field, GatewayLimits.INPUTS);
    if (texts.isEmpty() || texts.contains("")) {
      throw form.wrong(field, "must be a text, or a list of texts, none of them empty");
    }
    if (old && !input.get().isTextual()) {
      throw form.wrong(field, "must be a string");
    }
    ArrayNode inputs = body.putArray("input");
    texts.forEach(inputs::add);
    body.put("encoding_format", "float");
    OptionalLong dimensions = form.whole("dimensions", 1, Integer.MAX_VALUE);
    if (dimensions.isPresent()) {
      body.put("dimensions", dimensions.getAsLong());
    }
    byte[] affinity = Json.bytes(inputs);
    Call call =
        Call.of(
            Api.EMBEDDING,
            List.of(known(in.shelf(), name)),
            body,
            false,
            Wishes.NONE,
            OptionalLong.of(0),
            1,
            Call.affinity(affinity, 0, affinity.length));
    return new Reply.Asked(call, new OllamaVectors(name, in.arrivedNs(), old, texts.size()));
  }

  // ---- models ---------------------------------------------------------------------------------

  /// All models, or those that somebody serves now.
  private static Reply list(Inbound in, boolean served) {
    ObjectNode out = Json.object();
    ArrayNode models = out.putArray("models");
    List<Model> all = new ArrayList<>(in.shelf().models());
    for (int i = all.size() - 1; i >= 0; i--) {
      Model model = all.get(i);
      boolean live =
          in.shelf().listings(model).stream().anyMatch(listing -> listing.live().reachable());
      if (served && !live) {
        continue;
      }
      boolean newest =
          in.shelf()
              .find(model.name())
              .filter(found -> found.model().manifest().equals(model.manifest()))
              .isPresent();
      String name = newest ? model.name() + LATEST : model.fullName();
      ObjectNode one = models.addObject().put("name", name).put("model", name);
      one.put("modified_at", made(model)).put("digest", model.manifest().hex());
      one.set("details", details(model));
    }
    return Reply.Whole.json(200, out);
  }

  private static String made(Model model) {
    return Instant.EPOCH.plus(model.madeUs(), ChronoUnit.MICROS).toString();
  }

  private static ObjectNode details(Model model) {
    ObjectNode out = Json.object().put("parent_model", "").put("format", model.format());
    out.put("family", model.name());
    out.putArray("families").add(model.name());
    if (model.parameters() > 0) {
      out.put("parameter_size", size(model.parameters()));
    }
    return out.put("quantization_level", model.quantisation().toUpperCase(Locale.ROOT));
  }

  /// As Ollama writes it: `7.2B`, `135M`.
  static String size(long parameters) {
    if (parameters >= 1_000_000_000) {
      return tenths(parameters, 1_000_000_000) + "B";
    }
    if (parameters >= 1_000_000) {
      return tenths(parameters, 1_000_000) + "M";
    }
    return parameters >= 1_000 ? tenths(parameters, 1_000) + "K" : Long.toString(parameters);
  }

  private static String tenths(long number, long unit) {
    long tenths = number / (unit / 10);
    return tenths % 10 == 0 ? Long.toString(tenths / 10) : tenths / 10 + "." + tenths % 10;
  }

  private static Reply show(Inbound in) throws Problem {
    Model model = find(in, named(Form.of(Json.parse(in.body()))));
    ObjectNode out = Json.object();
    out.put("license", model.licence()).put("modified_at", made(model));
    out.set("details", details(model));
    ObjectNode info = out.putObject("model_info").put("general.architecture", "perseid");
    if (model.parameters() > 0) {
      info.put("general.parameter_count", model.parameters());
    }
    if (model.contextTokens() > 0) {
      info.put("perseid.context_length", model.contextTokens());
    }
    ArrayNode can = out.putArray("capabilities");
    if (model.task() == ModelTask.CHAT) {
      can.add("completion").add("tools");
    } else if (model.task() == ModelTask.EMBED) {
      can.add("embedding");
    }
    return Reply.Whole.json(200, out);
  }
}
