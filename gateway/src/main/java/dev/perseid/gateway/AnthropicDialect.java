package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Model;
import dev.perseid.inference.Api;
import dev.perseid.inference.Tokens;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;

/// Anthropic's Messages API. Any `anthropic-version` is taken. `thinking` is taken and has no
/// effect: answers have no thinking blocks. Blocks of earlier thinking and `cache_control` are
/// skipped.
final class AnthropicDialect implements Dialect {
  private final Market market;

  /// @param market whose tokenizers count
  AnthropicDialect(Market market) {
    this.market = market;
  }

  @Override
  public String name() {
    return "Anthropic";
  }

  @Override
  public List<Route> routes() {
    return List.of(
        Route.priced("POST", "/v1/messages", AnthropicDialect::messages),
        Route.of("POST", "/v1/messages/count_tokens", this::count),
        Route.of("GET", "/v1/models", AnthropicDialect::models),
        Route.of("GET", "/v1/models/{id...}", AnthropicDialect::model));
  }

  @Override
  public boolean speaks(Inbound in) {
    return !in.path().startsWith("/v1/models") || in.header("anthropic-version").isPresent();
  }

  @Override
  public boolean owns(String path) {
    return path.equals("/v1/messages") || path.startsWith("/v1/messages/");
  }

  // ---- errors ---------------------------------------------------------------------------------

  @Override
  public Reply.Whole error(Problem problem) {
    return Reply.Whole.json(problem.status(), shape(problem, ""));
  }

  @Override
  public Reply.Whole error(Problem problem, String id) {
    return new Reply.Whole(
        problem.status(),
        "application/json",
        Json.bytes(shape(problem, id)),
        List.of(Map.entry("request-id", id)));
  }

  /// `{"type":"error","error":{...},"request_id":...}`, as Anthropic's clients read it.
  static ObjectNode shape(Problem problem, String id) {
    ObjectNode body = Json.object().put("type", "error");
    String where = problem.param().isEmpty() ? "" : problem.param() + ": ";
    String text = problem.text().contains("'" + problem.param() + "'") ? "" : where;
    body.putObject("error").put("type", type(problem.kind())).put("message", text + problem.text());
    return body.put("request_id", id.isEmpty() ? null : id);
  }

  private static String type(Problem.Kind kind) {
    return switch (kind) {
      case INVALID, METHOD, SLOW, HEADER_TOO_LARGE -> "invalid_request_error";
      case UNAUTHENTICATED -> "authentication_error";
      case UNPAID -> "billing_error";
      case FORBIDDEN -> "permission_error";
      case NOT_FOUND -> "not_found_error";
      case TOO_LARGE -> "request_too_large";
      case TOO_MANY -> "rate_limit_error";
      case UNAVAILABLE -> "overloaded_error";
      case LATE -> "timeout_error";
      case INTERNAL, BROKEN -> "api_error";
    };
  }

  // ---- messages -------------------------------------------------------------------------------

  private static Reply messages(Inbound in) throws Problem {
    ObjectNode body = Json.parse(in.body());
    Form form = Form.of(body);
    OptionalLong maxTokens = form.whole("max_tokens", 1, DialectLimits.ANSWER_TOKENS);
    if (maxTokens.isEmpty()) {
      throw form.wrong("max_tokens", "is missing: say how many tokens the answer may have");
    }
    Talk talk = read(form);
    talk.atMost(maxTokens);
    List<String> stops = form.texts("stop_sequences", DialectLimits.STOPS);
    talk.stop(stops);
    talk.number("temperature", form, "temperature", 0, 2);
    talk.number("top_p", form, "top_p", 0, 1);
    OptionalLong topK = form.whole("top_k", 0, Integer.MAX_VALUE);
    if (topK.isPresent()) {
      talk.body().put("top_k", topK.getAsLong());
    }
    Optional<Form> metadata = form.form("metadata");
    if (metadata.isPresent()) {
      Optional<String> user = metadata.get().text("user_id");
      user.ifPresent(id -> talk.body().put("user", id));
    }
    boolean stream = form.flag("stream", false);
    Call call =
        Call.of(
            Api.CHAT,
            List.of(form.needName("model")),
            talk.body(),
            stream,
            Wishes.of(body.path("provider")),
            maxTokens,
            1,
            talk.affinity());
    return new Reply.Asked(call, new AnthropicRenderer(in.id(), stream, Set.copyOf(stops)));
  }

  private Reply count(Inbound in) throws Problem {
    Form form = Form.of(Json.parse(in.body()));
    String name = form.needName("model");
    Talk talk = read(form);
    Optional<Shelf.Named> found = in.shelf().find(name);
    if (found.isEmpty()) {
      throw Problem.noModel(name);
    }
    Optional<Tokens> tokens = market.tokens(found.get().model().manifest());
    if (tokens.isEmpty()) {
      throw new Problem(
          Problem.Kind.INVALID,
          "The tokenizer of '"
              + Problem.shown(name)
              + "' is not known here; tokens are counted when"
              + " the model answers.",
          "model",
          "no_tokenizer",
          OptionalLong.empty());
    }
    byte[] counted = Json.bytes(talk.body().put("model", name));
    if (counted.length > DialectLimits.COUNTED_BYTES) {
      throw new Problem(
          Problem.Kind.TOO_LARGE,
          "At most " + DialectLimits.COUNTED_BYTES + " bytes are counted at once.",
          "request_too_large");
    }
    int count = tokens.get().promptTokens(Api.CHAT, counted);
    return Reply.Whole.json(200, Json.object().put("input_tokens", count));
  }

  /// What both calls have: the conversation and its tools.
  static Talk read(Form form) throws Problem {
    form.refuse("container", "this server runs no code.");
    form.refuse("mcp_servers", "this server calls no other servers. Offer the tools in 'tools'.");
    Talk talk = new Talk();
    system(form, talk);
    if (!form.has("messages")) {
      throw form.wrong("messages", "is missing: it must be a list of messages");
    }
    String last = "";
    for (Form message : form.forms("messages", DialectLimits.MESSAGES)) {
      last = message.needText("role");
      switch (last) {
        case "user" -> user(message, talk);
        case "assistant" -> assistant(message, talk);
        case "system" -> talk.say("system", texts(message, "content"));
        default -> throw message.wrong("role", "must be 'user' or 'assistant'");
      }
    }
    if (last.isEmpty()) {
      throw form.wrong("messages", "must not be empty");
    }
    if (last.equals("assistant")) {
      throw form.wrong(
          "messages",
          "ends with a message of the assistant, which models on this market do not go on with."
              + " End with a message of the user");
    }
    tools(form, talk);
    Optional<Form> output = form.form("output_config");
    if (output.isPresent()) {
      format(output.get(), talk);
    }
    return talk;
  }

  private static void format(Form output, Talk talk) throws Problem {
    Optional<Form> format = output.form("format");
    if (format.isEmpty()) {
      return;
    }
    if (!format.get().needText("type").equals("json_schema")) {
      throw format.get().wrong("type", "must be 'json_schema'");
    }
    Optional<Form> schema = format.get().form("schema");
    if (schema.isEmpty()) {
      throw format.get().wrong("schema", "is missing: it must be a JSON schema");
    }
    talk.answerBySchema("answer", null, schema.get().node(), true);
  }

  private static void system(Form form, Talk talk) throws Problem {
    if (form.has("system")) {
      List<String> pieces = texts(form, "system");
      if (!pieces.isEmpty()) {
        talk.say("system", pieces);
      }
    }
  }

  /// A text, or blocks of text.
  private static List<String> texts(Form form, String name) throws Problem {
    Optional<JsonNode> content = form.any(name);
    if (content.isEmpty()) {
      return List.of();
    }
    if (content.get().isTextual()) {
      return content.get().textValue().isEmpty() ? List.of() : List.of(content.get().textValue());
    }
    List<String> out = new ArrayList<>();
    for (Form block : form.forms(name, DialectLimits.PIECES)) {
      if (!block.needText("type").equals("text")) {
        throw notText(block);
      }
      out.add(block.needText("text"));
    }
    return out;
  }

  private static Problem notText(Form block) throws Problem {
    return Problem.invalid(
        block.place(),
        "'"
            + block.place()
            + "' is of the type '"
            + Problem.shown(block.needText("type"))
            + "': models on this market read text only. Send 'text', 'tool_use' or 'tool_result'.");
  }

  private static void user(Form message, Talk talk) throws Problem {
    Optional<JsonNode> content = message.any("content");
    if (content.isEmpty()) {
      throw message.wrong("content", "is missing");
    }
    if (content.get().isTextual()) {
      talk.say("user", List.of(content.get().textValue()));
      return;
    }
    // Results of tools come first: they belong to the calls before them.
    List<String> pieces = new ArrayList<>();
    for (Form block : message.forms("content", DialectLimits.PIECES)) {
      switch (block.needText("type")) {
        case "text" -> pieces.add(block.needText("text"));
        case "tool_result" -> {
          List<String> result = new ArrayList<>(texts(block, "content"));
          if (block.flag("is_error", false)) {
            result.addFirst("Error: ");
          }
          talk.result(
              block.needName("tool_use_id"), result.isEmpty() ? List.of("") : joined(result));
        }
        default -> throw notText(block);
      }
    }
    if (!pieces.isEmpty()) {
      talk.say("user", pieces);
    }
  }

  private static List<String> joined(List<String> pieces) {
    return pieces.getFirst().equals("Error: ") ? List.of(String.join("", pieces)) : pieces;
  }

  private static void assistant(Form message, Talk talk) throws Problem {
    Optional<JsonNode> content = message.any("content");
    if (content.isPresent() && content.get().isTextual()) {
      talk.say("assistant", List.of(content.get().textValue()));
      return;
    }
    List<String> pieces = new ArrayList<>();
    List<Form> calls = new ArrayList<>();
    for (Form block : message.forms("content", DialectLimits.PIECES)) {
      switch (block.needText("type")) {
        case "text" -> pieces.add(block.needText("text"));
        case "tool_use" -> calls.add(block);
        // Not sent again: chat models do not take what was thought before.
        case "thinking", "redacted_thinking" -> {}
        default -> throw notText(block);
      }
    }
    if (!pieces.isEmpty() || calls.isEmpty()) {
      talk.say("assistant", pieces);
    }
    for (Form call : calls) {
      ObjectNode arguments = call.form("input").map(Form::node).orElseGet(Json::object);
      talk.call(call.needName("id"), call.needName("name"), arguments.toString());
    }
  }

  private static void tools(Form form, Talk talk) throws Problem {
    for (Form tool : form.forms("tools", DialectLimits.TOOLS)) {
      String type = tool.text("type").orElse("custom");
      if (!type.equals("custom")) {
        throw Problem.invalid(
            tool.place("type"),
            "'"
                + tool.place("type")
                + "' is '"
                + Problem.shown(type)
                + "': this server has no tools of its own. Offer tools with 'name' and"
                + " 'input_schema' and run them yourself.");
      }
      String name = tool.needName("name");
      if (name.length() > DialectLimits.TOOL_NAME_CHARS) {
        throw tool.wrong(
            "name", "may have at most " + DialectLimits.TOOL_NAME_CHARS + " characters");
      }
      Optional<Form> schema = tool.form("input_schema");
      if (schema.isEmpty()) {
        throw tool.wrong("input_schema", "is missing: it must be a JSON schema");
      }
      Boolean strict = tool.has("strict") ? (Boolean) tool.flag("strict", false) : null;
      talk.tool(name, tool.text("description").orElse(null), schema.get().node(), strict);
    }
    Optional<Form> choice = form.form("tool_choice");
    if (choice.isEmpty()) {
      return;
    }
    if (!talk.hasTools()) {
      throw form.wrong("tool_choice", "needs 'tools'");
    }
    switch (choice.get().needText("type")) {
      case "auto" -> talk.choose("auto");
      case "any" -> talk.choose("required");
      case "none" -> talk.choose("none");
      case "tool" -> talk.chooseFunction(choice.get().needName("name"));
      default -> throw choice.get().wrong("type", "must be 'auto', 'any', 'tool' or 'none'");
    }
    if (choice.get().flag("disable_parallel_tool_use", false)) {
      talk.body().put("parallel_tool_calls", false);
    }
  }

  // ---- models ---------------------------------------------------------------------------------

  private static Reply models(Inbound in) throws Problem {
    List<Map.Entry<String, Model>> all =
        in.shelf().names().stream()
            .flatMap(
                name -> in.shelf().find(name).map(found -> Map.entry(name, found.model())).stream())
            .collect(Collectors.toList());
    ObjectNode page = Json.object();
    ArrayNode data = page.putArray("data");
    all.forEach(entry -> data.add(model(entry.getKey(), entry.getValue())));
    page.put("has_more", false);
    page.put("first_id", all.isEmpty() ? null : all.getFirst().getKey());
    page.put("last_id", all.isEmpty() ? null : all.getLast().getKey());
    return Reply.Whole.json(200, page);
  }

  private static Reply model(Inbound in) throws Problem {
    String name = in.variable("id");
    Optional<Shelf.Named> found = in.shelf().find(name);
    if (found.isEmpty()) {
      throw Problem.noModel(name);
    }
    return Reply.Whole.json(200, model(name, found.get().model()));
  }

  private static ObjectNode model(String name, Model model) {
    Instant made = Instant.EPOCH.plus(model.madeUs(), ChronoUnit.MICROS);
    return Json.object()
        .put("type", "model")
        .put("id", name)
        .put("display_name", model.fullName())
        .put("created_at", made.truncatedTo(ChronoUnit.SECONDS).toString());
  }
}
