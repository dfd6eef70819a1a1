package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.inference.Api;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// OpenAI's Responses API (and Open Responses, its public specification), as far as a server goes
/// that keeps nothing: each request carries the whole conversation, `store` is always false in
/// answers, and what refers to something kept is refused.
final class ResponsesDialect implements Dialect {
  private static final String NOTHING_KEPT =
      "this server keeps no responses. Send the whole conversation in 'input'";

  @Override
  public String name() {
    return "OpenAI Responses";
  }

  @Override
  public List<Route> routes() {
    return List.of(
        Route.priced("POST", "/v1/responses", ResponsesDialect::create),
        Route.of("GET", "/v1/responses/{id}", ResponsesDialect::kept),
        Route.of("DELETE", "/v1/responses/{id}", ResponsesDialect::kept),
        Route.of("POST", "/v1/responses/{id}/cancel", ResponsesDialect::kept),
        Route.of("GET", "/v1/responses/{id}/input_items", ResponsesDialect::kept));
  }

  @Override
  public boolean owns(String path) {
    return path.equals("/v1/responses") || path.startsWith("/v1/responses/");
  }

  @Override
  public Reply.Whole error(Problem problem) {
    return Reply.Whole.json(problem.status(), OpenAiDialect.shape(problem));
  }

  private static Reply kept(Inbound in) throws Problem {
    throw new Problem(
        Problem.Kind.NOT_FOUND,
        "There is no response '" + Problem.shown(in.variable("id")) + "': " + NOTHING_KEPT + ".",
        "response_not_found");
  }

  private static Reply create(Inbound in) throws Problem {
    Asked asked = read(Json.parse(in.body()));
    Call call =
        Call.of(
            Api.CHAT,
            asked.models(),
            asked.talk().body(),
            asked.stream(),
            asked.wishes(),
            asked.maxTokens(),
            1,
            asked.talk().affinity());
    String id = in.id().startsWith("req_") ? in.id().substring(4) : in.id();
    return new Reply.Asked(
        call,
        new ResponsesRenderer(
            id, System.currentTimeMillis() / 1_000, asked.stream(), asked.echo()));
  }

  /// A request, understood.
  ///
  /// @param models names to try
  /// @param talk the conversation in canonical form
  /// @param stream whether the client wants events
  /// @param maxTokens the most tokens of the answer, if it says so
  /// @param wishes by whom it may be answered
  /// @param echo what every response repeats of the request
  record Asked(
      List<String> models,
      Talk talk,
      boolean stream,
      OptionalLong maxTokens,
      Wishes wishes,
      ObjectNode echo) {}

  /// Understands a request.
  static Asked read(ObjectNode body) throws Problem {
    Form form = Form.of(body);
    List<String> models = new ArrayList<>();
    models.add(form.needName("model"));
    for (String other : form.texts("models", GatewayLimits.MODELS)) {
      if (!models.contains(other)) {
        models.add(other);
      }
    }
    form.refuse("previous_response_id", NOTHING_KEPT + ".");
    form.refuse("conversation", NOTHING_KEPT + ".");
    form.refuse("prompt", "this server has no prompt templates. Send the text itself.");
    if (form.flag("background", false)) {
      form.refuse("background", NOTHING_KEPT + ", and read the answer as it comes.");
    }
    if (form.whole("top_logprobs", 0, 20).orElse(0) > 0) {
      form.refuse("top_logprobs", "ask /v1/chat/completions for log probabilities.");
    }
    form.flag("store", false);

    Talk talk = new Talk();
    Optional<String> instructions = form.text("instructions");
    if (instructions.isPresent() && !instructions.get().isEmpty()) {
      talk.say("system", List.of(instructions.get()));
    }
    input(form, talk);
    ObjectNode echo = Json.object();
    echo.put("instructions", instructions.orElse(null));
    OptionalLong maxTokens = form.whole("max_output_tokens", 1, DialectLimits.ANSWER_TOKENS);
    talk.atMost(maxTokens);
    if (maxTokens.isPresent()) {
      echo.put("max_output_tokens", maxTokens.getAsLong());
    } else {
      echo.putNull("max_output_tokens");
    }
    OptionalLong maxCalls = form.whole("max_tool_calls", 1, Integer.MAX_VALUE);
    if (maxCalls.isPresent()) {
      echo.put("max_tool_calls", maxCalls.getAsLong());
    } else {
      echo.putNull("max_tool_calls");
    }
    talk.number("temperature", form, "temperature", 0, 2);
    talk.number("top_p", form, "top_p", 0, 1);
    talk.number("presence_penalty", form, "presence_penalty", -2, 2);
    talk.number("frequency_penalty", form, "frequency_penalty", -2, 2);
    echoed(echo, talk, "temperature", 1);
    echoed(echo, talk, "top_p", 1);
    echoed(echo, talk, "presence_penalty", 0);
    echoed(echo, talk, "frequency_penalty", 0);
    echo.put("top_logprobs", 0);
    tools(form, talk, echo);
    echo.set("text", text(form, talk));
    reasoning(form, talk, echo);
    echo.set("metadata", metadata(form));
    for (String name : List.of("safety_identifier", "prompt_cache_key")) {
      echo.put(name, form.text(name).orElse(null));
    }
    Optional<String> user = form.text("user");
    if (user.isPresent()) {
      talk.body().put("user", user.get());
      echo.put("user", user.get());
    }
    echo.put("truncation", "disabled");
    echo.put("service_tier", "default");
    echo.put("store", false);
    echo.put("background", false);
    echo.putNull("previous_response_id");
    return new Asked(
        models,
        talk,
        form.flag("stream", false),
        maxTokens,
        Wishes.of(body.path("provider")),
        echo);
  }

  private static void echoed(ObjectNode echo, Talk talk, String name, int otherwise) {
    JsonNode value = talk.body().get(name);
    if (value == null) {
      echo.put(name, otherwise);
    } else {
      echo.set(name, value);
    }
  }

  // ---- the conversation -----------------------------------------------------------------------

  private static void input(Form form, Talk talk) throws Problem {
    Optional<JsonNode> input = form.any("input");
    if (input.isEmpty()) {
      throw form.wrong("input", "is missing: it must be a string or a list of items");
    }
    if (input.get().isTextual()) {
      talk.say("user", List.of(input.get().textValue()));
      return;
    }
    if (!input.get().isArray()) {
      throw form.wrong("input", "must be a string or a list of items");
    }
    for (Form item : form.forms("input", DialectLimits.MESSAGES)) {
      String type = item.text("type").orElse("message");
      switch (type) {
        case "message" -> message(item, talk);
        case "function_call" ->
            talk.call(
                item.needName("call_id"), item.needName("name"), item.text("arguments").orElse(""));
        case "function_call_output" ->
            talk.result(item.needName("call_id"), pieces(item, "output"));
        // What a model thought before is not sent to it again: chat models do not take it.
        case "reasoning" -> {}
        case "item_reference" ->
            throw Problem.invalid(
                item.place(),
                "'" + item.place() + "' refers to an item, but " + NOTHING_KEPT + ".");
        default ->
            throw Problem.invalid(
                item.place("type"),
                "'"
                    + item.place("type")
                    + "' is '"
                    + Problem.shown(type)
                    + "'; this server takes 'message', 'function_call', 'function_call_output' and"
                    + " 'reasoning'.");
      }
    }
    if (talk.size() == 0) {
      throw form.wrong("input", "must not be empty");
    }
  }

  private static void message(Form item, Talk talk) throws Problem {
    String role = item.needText("role");
    String ours =
        switch (role) {
          case "user", "assistant", "system" -> role;
          // Templates of open models know no developer.
          case "developer" -> "system";
          default ->
              throw item.wrong("role", "must be 'user', 'assistant', 'system' or 'developer'");
        };
    if (ours.equals("user") && hasMore(item.node().path("content"))) {
      talk.show(parts(item));
    } else {
      talk.say(ours, pieces(item, "content"));
    }
  }

  private static boolean hasMore(JsonNode content) {
    for (JsonNode piece : content) {
      String type = piece.path("type").asText();
      if (type.equals("input_image") || type.equals("input_file")) {
        return true;
      }
    }
    return false;
  }

  /// A question with pictures or files. Whether a model reads them is for its provider to say.
  private static List<ObjectNode> parts(Form item) throws Problem {
    List<ObjectNode> out = new ArrayList<>();
    for (Form piece : item.forms("content", DialectLimits.PIECES)) {
      piece.refuse("file_id", "this server keeps no files. Send the file itself.");
      ObjectNode part = Json.object();
      switch (piece.needText("type")) {
        case "input_text", "text" -> part.put("type", "text").put("text", piece.needText("text"));
        case "input_image" -> {
          part.put("type", "image_url")
              .putObject("image_url")
              .put("url", piece.needName("image_url"));
          Optional<String> detail = piece.text("detail");
          if (detail.isPresent()) {
            part.withObject("/image_url").put("detail", detail.get());
          }
        }
        case "input_file" -> {
          piece.refuse("file_url", "this server fetches no files. Send 'file_data'.");
          ObjectNode file = part.put("type", "file").putObject("file");
          Optional<String> name = piece.text("filename");
          if (name.isPresent()) {
            file.put("filename", name.get());
          }
          file.put("file_data", piece.needName("file_data"));
        }
        default -> throw piece.wrong("type", "must be 'input_text', 'input_image' or 'input_file'");
      }
      out.add(part);
    }
    return out;
  }

  private static List<String> pieces(Form item, String name) throws Problem {
    Optional<JsonNode> content = item.any(name);
    if (content.isEmpty()) {
      throw item.wrong(name, "is missing");
    }
    if (content.get().isTextual()) {
      return List.of(content.get().textValue());
    }
    List<String> out = new ArrayList<>();
    for (Form piece : item.forms(name, DialectLimits.PIECES)) {
      String type = piece.needText("type");
      switch (type) {
        case "input_text", "output_text", "text" -> out.add(piece.needText("text"));
        case "refusal" -> out.add(piece.needText("refusal"));
        case "input_image", "input_file", "input_audio", "input_video" ->
            throw Problem.invalid(
                piece.place(),
                "'"
                    + piece.place()
                    + "' is an '"
                    + type
                    + "': only a user's message may have images and files. Send 'input_text'.");
        default -> throw piece.wrong("type", "must be 'input_text' or 'output_text'");
      }
    }
    return out;
  }

  // ---- tools ----------------------------------------------------------------------------------

  private static void tools(Form form, Talk talk, ObjectNode echo) throws Problem {
    ArrayNode shown = echo.putArray("tools");
    Set<String> allowed = new HashSet<>();
    boolean limited = false;
    Optional<JsonNode> choice = form.any("tool_choice");
    if (choice.isPresent() && choice.get().path("type").asText().equals("allowed_tools")) {
      limited = true;
      Form choiceForm = Form.at(choice.get(), "tool_choice");
      for (Form tool : choiceForm.forms("tools", DialectLimits.TOOLS)) {
        allowed.add(tool.needName("name"));
      }
    }
    Set<String> names = new HashSet<>();
    for (Form tool : form.forms("tools", DialectLimits.TOOLS)) {
      String type = tool.needText("type");
      if (!type.equals("function")) {
        throw Problem.invalid(
            tool.place("type"),
            "'"
                + tool.place("type")
                + "' is '"
                + Problem.shown(type)
                + "': this server has no tools of its own. Offer tools of the type 'function' and"
                + " run them yourself.");
      }
      String name = tool.needName("name");
      if (name.length() > DialectLimits.TOOL_NAME_CHARS || !names.add(name)) {
        throw tool.wrong(
            "name",
            "must be unique and have at most " + DialectLimits.TOOL_NAME_CHARS + " characters");
      }
      String description = tool.text("description").orElse(null);
      JsonNode parameters = tool.form("parameters").map(Form::node).orElse(null);
      Boolean strict = tool.has("strict") ? (Boolean) tool.flag("strict", false) : null;
      if (!limited || allowed.contains(name)) {
        talk.tool(name, description, parameters, strict);
      }
      ObjectNode repeated = shown.addObject().put("type", "function").put("name", name);
      repeated.put("description", description);
      repeated.set("parameters", parameters == null ? repeated.nullNode() : parameters);
      repeated.put("strict", strict != null && strict);
    }
    if (!names.containsAll(allowed)) {
      throw form.wrong("tool_choice", "allows a tool that is not among 'tools'");
    }
    echo.put("parallel_tool_calls", form.flag("parallel_tool_calls", true));
    if (talk.hasTools() && form.has("parallel_tool_calls")) {
      talk.body().put("parallel_tool_calls", form.flag("parallel_tool_calls", true));
    }
    if (choice.isEmpty()) {
      echo.put("tool_choice", "auto");
      return;
    }
    echo.set("tool_choice", choice.get());
    choose(form, choice.get(), names, talk);
  }

  private static void choose(Form form, JsonNode choice, Set<String> names, Talk talk)
      throws Problem {
    String how = choice.isTextual() ? choice.textValue() : choice.path("type").asText();
    switch (how) {
      case "auto", "none", "required" -> {
        if (how.equals("required") && names.isEmpty()) {
          throw form.wrong("tool_choice", "is 'required', but there are no 'tools'");
        }
        if (talk.hasTools()) {
          talk.choose(how);
        }
      }
      case "function" -> {
        String name = Form.at(choice, "tool_choice").needName("name");
        if (!names.contains(name)) {
          throw form.wrong(
              "tool_choice", "names '" + Problem.shown(name) + "', which is not among 'tools'");
        }
        talk.chooseFunction(name);
      }
      case "allowed_tools" -> {
        String mode = choice.path("mode").asText("auto");
        if (!mode.equals("auto") && !mode.equals("required")) {
          throw form.wrong("tool_choice", "has a 'mode' that is neither 'auto' nor 'required'");
        }
        if (talk.hasTools()) {
          talk.choose(mode);
        }
      }
      default ->
          throw form.wrong(
              "tool_choice",
              "must be 'auto', 'none', 'required', {\"type\":\"function\",\"name\":...} or"
                  + " {\"type\":\"allowed_tools\",...}");
    }
  }

  // ---- the rest -------------------------------------------------------------------------------

  private static ObjectNode text(Form form, Talk talk) throws Problem {
    ObjectNode out = Json.object();
    Optional<Form> format = Optional.empty();
    Optional<Form> text = form.form("text");
    if (text.isPresent()) {
      format = text.get().form("format");
      Optional<String> verbosity = text.get().text("verbosity");
      if (verbosity.isPresent()) {
        talk.body().put("verbosity", verbosity.get());
        out.put("verbosity", verbosity.get());
      }
    }
    if (format.isEmpty()) {
      out.putObject("format").put("type", "text");
      return out;
    }
    Form wanted = format.get();
    switch (wanted.needText("type")) {
      case "text" -> out.putObject("format").put("type", "text");
      case "json_object" -> {
        talk.answerInJson();
        out.putObject("format").put("type", "json_object");
      }
      case "json_schema" -> {
        String name = wanted.needName("name");
        Optional<Form> schema = wanted.form("schema");
        if (schema.isEmpty()) {
          throw wanted.wrong("schema", "is missing: it must be a JSON schema");
        }
        String description = wanted.text("description").orElse(null);
        Boolean strict = wanted.has("strict") ? (Boolean) wanted.flag("strict", false) : null;
        talk.answerBySchema(name, description, schema.get().node(), strict);
        ObjectNode repeated =
            out.putObject("format")
                .put("type", "json_schema")
                .put("name", name)
                .put("description", description);
        repeated.set("schema", schema.get().node());
        repeated.put("strict", strict != null && strict);
      }
      default -> throw wanted.wrong("type", "must be 'text', 'json_object' or 'json_schema'");
    }
    return out;
  }

  private static void reasoning(Form form, Talk talk, ObjectNode echo) throws Problem {
    Optional<Form> reasoning = form.form("reasoning");
    if (reasoning.isEmpty()) {
      echo.putNull("reasoning");
      return;
    }
    Optional<String> effort = reasoning.get().text("effort");
    if (effort.isPresent()) {
      talk.body().put("reasoning_effort", effort.get());
    }
    echo.putObject("reasoning").put("effort", effort.orElse(null)).putNull("summary");
  }

  private static ObjectNode metadata(Form form) throws Problem {
    ObjectNode out = Json.object();
    Optional<Form> metadata = form.form("metadata");
    if (metadata.isEmpty()) {
      return out;
    }
    if (metadata.get().node().size() > DialectLimits.METADATA) {
      throw form.wrong("metadata", "may have at most " + DialectLimits.METADATA + " pairs");
    }
    for (var pair : metadata.get().node().properties()) {
      if (pair.getKey().length() > DialectLimits.METADATA_NAME_CHARS
          || !pair.getValue().isTextual()
          || pair.getValue().textValue().length() > DialectLimits.METADATA_CHARS) {
        throw form.wrong(
            "metadata",
            "must have names of at most "
                + DialectLimits.METADATA_NAME_CHARS
                + " characters and texts of at most "
                + DialectLimits.METADATA_CHARS);
      }
      out.set(pair.getKey(), pair.getValue());
    }
    return out;
  }
}
