package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A chat or completion request, read and checked.
///
/// @param api CHAT or COMPLETION
/// @param model the name under which the consumer asked
/// @param messages of a chat
/// @param tools that the model may call
/// @param forced text with which the answer has to begin, or empty
/// @param prompts of a completion: texts or arrays of tokens
/// @param grammar what the answer has to look like
/// @param maxTokens of one choice; 0 if the request does not say
/// @param topLogprobs how many other tokens' probabilities are wanted beside the chosen one's; -1
///   if none at all, not even its own
/// @param tokenIds whether the answer names its tokens, as vLLM's `return_token_ids` does
record ChatCall(
    Api api,
    String model,
    List<JsonNode> messages,
    List<JsonNode> tools,
    String forced,
    List<JsonNode> prompts,
    Optional<JsonGrammar> grammar,
    SamplingParams sampling,
    Optional<Long> seed,
    int choices,
    int maxTokens,
    List<String> stops,
    int topLogprobs,
    boolean echo,
    boolean usage,
    boolean tokenIds) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool", "function");

  /// Reads a request's body.
  static ChatCall of(Api api, byte[] body) throws InvalidCall {
    if (body.length > EngineLimits.MOST_BODY_BYTES) {
      throw new InvalidCall("", "The request is larger than 16 MiB.");
    }
    JsonNode root;
    try {
      root = JSON.readTree(body);
    } catch (IOException e) {
      throw new InvalidCall("", "The request's body is no JSON.");
    }
    if (root == null || !root.isObject()) {
      throw new InvalidCall("", "The request's body has to be a JSON object.");
    }
    boolean chat = api == Api.CHAT;
    List<JsonNode> messages = new ArrayList<>();
    List<JsonNode> tools = new ArrayList<>();
    List<JsonNode> prompts = new ArrayList<>();
    String forced = "";
    Optional<JsonGrammar> grammar = Optional.empty();
    if (chat) {
      messages(root.path("messages"), messages);
      JsonNode choice = root.path("tool_choice");
      tools(root.path("tools"), tools);
      if (choice.asText("").equals("none")) {
        tools.clear();
      }
      boolean named = choice.isObject();
      if (named || choice.asText("").equals("required")) {
        List<JsonNode> may = new ArrayList<>();
        String name = choice.path("function").path("name").asText("");
        for (JsonNode tool : tools) {
          if (!named || tool.path("function").path("name").asText("").equals(name)) {
            may.add(tool);
          }
        }
        if (may.isEmpty()) {
          throw new InvalidCall("tool_choice", "tool_choice asks for a tool that is not in tools.");
        }
        forced = "<tool_call>";
        grammar = Optional.of(JsonGrammar.ofTools(may));
      } else if (!choice.isMissingNode()
          && !choice.isNull()
          && !choice.asText("").equals("none")
          && !choice.asText("").equals("auto")) {
        throw new InvalidCall(
            "tool_choice", "tool_choice has to be none, auto, required or a function.");
      }
      if (grammar.isEmpty()) {
        grammar = format(root.path("response_format"));
      }
    } else {
      prompts(root.path("prompt"), prompts);
      if (root.hasNonNull("suffix")) {
        throw new InvalidCall(
            "suffix", "This model only continues a prompt: leave suffix out of the request.");
      }
      grammar = format(root.path("response_format"));
    }
    String limit =
        root.hasNonNull("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
    int maxTokens = whole(root, limit, chat ? 0 : 16, root.hasNonNull(limit) ? 1 : 0, 1 << 22);
    return new ChatCall(
        api,
        root.path("model").asText(""),
        messages,
        tools,
        forced,
        prompts,
        grammar,
        sampling(root),
        seed(root),
        whole(root, "n", 1, 1, EngineLimits.MOST_CHOICES),
        maxTokens,
        stops(root.path("stop")),
        logprobs(root, chat),
        !chat && flag(root, "echo"),
        flag(root.path("stream_options"), "include_usage"),
        flag(root, "return_token_ids"));
  }

  private static void messages(JsonNode node, List<JsonNode> out) throws InvalidCall {
    if (!node.isArray() || node.isEmpty()) {
      throw new InvalidCall("messages", "messages has to be a list with at least one message.");
    }
    for (JsonNode message : node) {
      String param = "messages[" + out.size() + "]";
      if (!ROLES.contains(message.path("role").asText(""))) {
        throw new InvalidCall(
            param + ".role", "The role of a message is one of system, user, assistant and tool.");
      }
      JsonNode content = message.path("content");
      if (content.isArray()) {
        for (JsonNode part : content) {
          String type = part.path("type").asText("");
          if (!type.equals("text") && !type.equals("refusal")) {
            throw new InvalidCall(
                param + ".content", "This model reads text only, not '" + type + "'.");
          }
        }
      } else if (!content.isTextual() && !content.isNull() && !content.isMissingNode()) {
        throw new InvalidCall(param + ".content", "A message's content is a text.");
      } else if (!content.isTextual() && !message.has("tool_calls")) {
        throw new InvalidCall(param + ".content", "The message has no content.");
      }
      out.add(message);
    }
  }

  private static void tools(JsonNode node, List<JsonNode> out) throws InvalidCall {
    if (node.isMissingNode() || node.isNull()) {
      return;
    }
    if (!node.isArray() || node.size() > EngineLimits.MOST_TOOLS) {
      throw new InvalidCall(
          "tools", "tools has to be a list of at most " + EngineLimits.MOST_TOOLS + " tools.");
    }
    for (JsonNode tool : node) {
      if (!tool.path("type").asText("").equals("function")
          || !tool.path("function").path("name").isTextual()) {
        throw new InvalidCall(
            "tools[" + out.size() + "]", "A tool has the type function and a function.name.");
      }
      out.add(tool);
    }
  }

  private static void prompts(JsonNode node, List<JsonNode> out) throws InvalidCall {
    if (node.isTextual()) {
      out.add(node);
    } else if (node.isArray() && !node.isEmpty()) {
      if (node.get(0).isNumber()) {
        out.add(node);
      } else {
        node.forEach(out::add);
      }
    }
    boolean right = !out.isEmpty() && out.size() <= EngineLimits.MOST_PROMPTS;
    for (JsonNode prompt : out) {
      right &= prompt.isTextual() || prompt.isArray();
      for (JsonNode token : prompt) {
        right &= token.isIntegralNumber() && token.canConvertToInt();
      }
    }
    if (!right) {
      throw new InvalidCall(
          "prompt",
          "prompt has to be a text, a list of tokens, or a list of at most "
              + EngineLimits.MOST_PROMPTS
              + " of either.");
    }
  }

  private static Optional<JsonGrammar> format(JsonNode format) throws InvalidCall {
    if (format.isMissingNode() || format.isNull()) {
      return Optional.empty();
    }
    String type = format.path("type").asText("");
    return switch (type) {
      case "text" -> Optional.empty();
      case "json_object" -> Optional.of(JsonGrammar.anyObject());
      case "json_schema" -> {
        JsonNode schema = format.path("json_schema").path("schema");
        if (!schema.isObject()) {
          throw new InvalidCall(
              "response_format.json_schema.schema", "json_schema needs a schema, an object.");
        }
        yield Optional.of(JsonGrammar.ofSchema(schema));
      }
      default ->
          throw new InvalidCall(
              "response_format.type",
              "response_format.type is text, json_object or json_schema, not '" + type + "'.");
    };
  }

  private static SamplingParams sampling(JsonNode root) throws InvalidCall {
    Map<Integer, Double> biases = new HashMap<>();
    JsonNode given = root.path("logit_bias");
    if (given.size() > EngineLimits.MOST_BIASES) {
      throw new InvalidCall("logit_bias", "logit_bias has too many tokens.");
    }
    for (Map.Entry<String, JsonNode> bias : given.properties()) {
      double by = bias.getValue().asDouble(Double.NaN);
      if (!(by >= -100 && by <= 100) || !bias.getKey().matches("[0-9]{1,8}")) {
        throw new InvalidCall(
            "logit_bias", "logit_bias maps tokens' numbers to numbers from -100 to 100.");
      }
      // OpenAI promises that -100 bans a token.
      biases.put(Integer.parseInt(bias.getKey()), by == -100 ? Double.NEGATIVE_INFINITY : by);
    }
    double repetition = real(root, "repetition_penalty", 1, 0.01, 10);
    return new SamplingParams(
        real(root, "temperature", 1, 0, 2),
        real(root, "top_p", 1, 0, 1),
        Math.max(0, whole(root, "top_k", 0, -1, Integer.MAX_VALUE)),
        real(root, "min_p", 0, 0, 1),
        real(root, "frequency_penalty", 0, -2, 2),
        real(root, "presence_penalty", 0, -2, 2),
        repetition,
        biases);
  }

  private static Optional<Long> seed(JsonNode root) throws InvalidCall {
    JsonNode seed = root.path("seed");
    if (seed.isMissingNode() || seed.isNull()) {
      return Optional.empty();
    }
    if (!seed.isIntegralNumber() || !seed.canConvertToLong()) {
      throw new InvalidCall("seed", "seed has to be a whole number of 64 bits.");
    }
    return Optional.of(seed.longValue());
  }

  private static List<String> stops(JsonNode node) throws InvalidCall {
    Set<String> out = new HashSet<>();
    if (node.isTextual()) {
      out.add(node.textValue());
    } else if (node.isArray()) {
      for (JsonNode stop : node) {
        if (!stop.isTextual()) {
          throw new InvalidCall("stop", "stop has to be a text or a list of texts.");
        }
        out.add(stop.textValue());
      }
    } else if (!node.isMissingNode() && !node.isNull()) {
      throw new InvalidCall("stop", "stop has to be a text or a list of texts.");
    }
    out.remove("");
    for (String stop : out) {
      if (stop.length() > EngineLimits.MOST_STOP_CHARS || out.size() > EngineLimits.MOST_STOPS) {
        throw new InvalidCall("stop", "There are too many stop texts, or one is too long.");
      }
    }
    return out.stream().sorted().toList();
  }

  private static int logprobs(JsonNode root, boolean chat) throws InvalidCall {
    if (chat) {
      int top = whole(root, "top_logprobs", 0, 0, EngineLimits.MOST_TOP_LOGPROBS);
      boolean wanted = flag(root, "logprobs");
      if (top > 0 && !wanted) {
        throw new InvalidCall("top_logprobs", "top_logprobs needs logprobs to be true.");
      }
      return wanted ? top : -1;
    }
    return root.hasNonNull("logprobs") ? whole(root, "logprobs", 0, 0, 5) : -1;
  }

  private static boolean flag(JsonNode root, String name) throws InvalidCall {
    JsonNode node = root.path(name);
    if (!node.isMissingNode() && !node.isNull() && !node.isBoolean()) {
      throw new InvalidCall(name, name + " has to be true or false.");
    }
    return node.asBoolean(false);
  }

  private static int whole(JsonNode root, String name, int otherwise, int least, int most)
      throws InvalidCall {
    JsonNode node = root.path(name);
    if (node.isMissingNode() || node.isNull()) {
      return otherwise;
    }
    if (!node.isIntegralNumber()
        || !node.canConvertToInt()
        || node.intValue() < least
        || node.intValue() > most) {
      throw new InvalidCall(
          name, name + " has to be a whole number from " + least + " to " + most + ".");
    }
    return node.intValue();
  }

  private static double real(
      JsonNode root, String name, double otherwise, double least, double most) throws InvalidCall {
    JsonNode node = root.path(name);
    if (node.isMissingNode() || node.isNull()) {
      return otherwise;
    }
    double value = node.isNumber() ? node.doubleValue() : Double.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidCall(name, name + " has to be a number from " + least + " to " + most + ".");
    }
    return value;
  }
}
