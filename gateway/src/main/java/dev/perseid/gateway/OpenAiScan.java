package dev.perseid.gateway;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.inference.Api;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/// Reads an OpenAI chat or completion request in one pass over its bytes, without making a tree:
/// what the gateway must know is taken out, what it knows is checked, all else is left for the
/// provider.
final class OpenAiScan {
  /// Fields that the gateway itself answers to; providers do not get them.
  private static final List<String> OURS = List.of("models", "provider", "route", "transforms");

  private final Api api;
  private final byte[] body;
  private final Set<String> seen = new HashSet<>();
  private String model = "";
  private int modelFrom = -1;
  private int modelTo = -1;
  private final List<String> models = new ArrayList<>();
  private boolean stream;
  private boolean streamOptions;
  private boolean includeUsage;
  private OptionalLong maxTokens = OptionalLong.empty();
  private OptionalLong maxCompletionTokens = OptionalLong.empty();
  private int choices = 1;
  private int bestOf = 1;
  private Wishes wishes = Wishes.NONE;
  private boolean ours;
  private boolean content;
  private int prompts = 1;
  private long affinity;

  private OpenAiScan(Api api, byte[] body) {
    this.api = api;
    this.body = body;
  }

  /// Reads a request.
  static Reply.Asked read(Api api, Inbound in) throws Problem {
    OpenAiScan scan = new OpenAiScan(api, in.body());
    try (JsonParser parser = Json.FACTORY.createParser(in.body())) {
      scan.object(parser);
    } catch (IOException e) {
      throw Json.malformed(e);
    }
    Call call = scan.call(in.turn());
    return new Reply.Asked(call, new ChatRenderer(api, scan.stream, scan.includeUsage));
  }

  private void object(JsonParser parser) throws IOException, Problem {
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      throw Problem.invalid("", "The body must be a JSON object.");
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      field(name, value, parser);
    }
    if (parser.nextToken() != null) {
      throw Problem.invalid("", "There is something behind the JSON object in the body.");
    }
  }

  private Call call(long account) throws Problem {
    if (model.isEmpty() && models.isEmpty()) {
      throw Problem.invalid("model", "You must provide a model: \"model\": \"<name>\".");
    }
    String field = api == Api.CHAT ? "messages" : "prompt";
    if (!content) {
      throw Problem.invalid(field, "Missing required parameter: '" + field + "'.");
    }
    if (streamOptions && !stream) {
      throw Problem.invalid(
          "stream_options",
          "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    }
    List<String> names = new ArrayList<>();
    if (!model.isEmpty()) {
      names.add(model);
    }
    for (String other : models) {
      if (!names.contains(other)) {
        names.add(other);
      }
    }
    OptionalLong most = maxCompletionTokens.isPresent() ? maxCompletionTokens : maxTokens;
    int answers = Math.max(choices, bestOf) * prompts;
    long near = affinity ^ account;
    if (ours || modelFrom < 0) {
      ObjectNode tree = Json.parse(body);
      tree.remove(OURS);
      return Call.of(api, names, tree, stream, wishes, most, answers, near);
    }
    return new Call(api, names, body, modelFrom, modelTo, stream, wishes, most, answers, near);
  }

  private void field(String name, JsonToken value, JsonParser parser) throws IOException, Problem {
    if (value == JsonToken.VALUE_NULL
        && !name.equals("model")
        && !name.equals("messages")
        && !name.equals("prompt")) {
      if (OURS.contains(name)) {
        ours = true;
      }
      return;
    }
    switch (name) {
      case "model" -> {
        once(name);
        expect(name, value == JsonToken.VALUE_STRING, "a string", value);
        modelFrom = (int) parser.currentTokenLocation().getByteOffset();
        model = parser.getText();
        parser.finishToken();
        modelTo = (int) parser.currentLocation().getByteOffset();
        modelName(name, model);
      }
      case "models" -> {
        once(name);
        ours = true;
        expect(name, value == JsonToken.START_ARRAY, "an array of strings", value);
        for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
          String at = "models[" + models.size() + "]";
          expect(at, t == JsonToken.VALUE_STRING, "a string", t);
          modelName(at, parser.getText());
          models.add(parser.getText());
          if (models.size() > GatewayLimits.MODELS) {
            throw Problem.invalid(
                name, "'models' may name at most " + GatewayLimits.MODELS + " models.");
          }
        }
      }
      case "provider" -> {
        once(name);
        ours = true;
        JsonNode node = Json.PART.readTree(parser);
        wishes = Wishes.of(node);
      }
      case "route", "transforms" -> {
        ours = true;
        parser.skipChildren();
      }
      case "stream" -> {
        once(name);
        stream = flag(name, value);
      }
      case "stream_options" -> {
        once(name);
        expect(name, value == JsonToken.START_OBJECT, "an object", value);
        streamOptions = true;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String option = parser.currentName();
          JsonToken t = parser.nextToken();
          if (option.equals("include_usage") && t != JsonToken.VALUE_NULL) {
            includeUsage = flag("stream_options.include_usage", t);
          } else {
            parser.skipChildren();
          }
        }
      }
      case "max_tokens" -> {
        once(name);
        maxTokens = OptionalLong.of(whole(name, value, parser, 1, Integer.MAX_VALUE));
      }
      case "max_completion_tokens" -> {
        once(name);
        maxCompletionTokens = OptionalLong.of(whole(name, value, parser, 1, Integer.MAX_VALUE));
      }
      case "n" -> {
        once(name);
        choices = (int) whole(name, value, parser, 1, GatewayLimits.CHOICES);
      }
      case "best_of" -> {
        once(name);
        bestOf = (int) whole(name, value, parser, 1, GatewayLimits.CHOICES);
      }
      case "messages" -> {
        once(name);
        if (api == Api.CHAT) {
          messages(value, parser);
        } else {
          parser.skipChildren();
        }
      }
      case "prompt" -> {
        once(name);
        if (api == Api.COMPLETION) {
          prompt(value, parser);
        } else {
          parser.skipChildren();
        }
      }
      case "temperature" -> number(name, value, parser, 0, 2);
      case "top_p" -> number(name, value, parser, 0, 1);
      case "presence_penalty", "frequency_penalty" -> number(name, value, parser, -2, 2);
      case "seed" -> whole(name, value, parser, Long.MIN_VALUE, Long.MAX_VALUE);
      case "top_logprobs" -> whole(name, value, parser, 0, 20);
      case "logprobs" -> {
        if (api == Api.CHAT) {
          flag(name, value);
        } else {
          whole(name, value, parser, 0, 20);
        }
      }
      case "stop" -> stop(value, parser);
      case "tools", "functions" -> {
        expect(name, value == JsonToken.START_ARRAY, "an array of objects", value);
        int i = 0;
        for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
          expect(name + "[" + i++ + "]", t == JsonToken.START_OBJECT, "an object", t);
          parser.skipChildren();
        }
      }
      case "response_format" -> {
        expect(name, value == JsonToken.START_OBJECT, "an object", value);
        parser.skipChildren();
      }
      case "logit_bias", "metadata" -> {
        expect(name, value == JsonToken.START_OBJECT, "an object", value);
        parser.skipChildren();
      }
      case "user" -> expect(name, value == JsonToken.VALUE_STRING, "a string", value);
      default -> parser.skipChildren();
    }
  }

  private void once(String name) throws Problem {
    if (!seen.add(name)) {
      throw Problem.invalid(name, "The body has '" + name + "' twice.");
    }
  }

  private static void modelName(String field, String name) throws Problem {
    if (name.isEmpty() || name.length() > GatewayLimits.MODEL_CHARS) {
      throw Problem.invalid(
          field, "'" + field + "' must have 1 to " + GatewayLimits.MODEL_CHARS + " characters.");
    }
  }

  private static void expect(String field, boolean fits, String wanted, JsonToken got)
      throws Problem {
    if (!fits) {
      throw new Problem(
          Problem.Kind.INVALID,
          "Invalid type for '"
              + field
              + "': expected "
              + wanted
              + ", but got "
              + shown(got)
              + " instead.",
          field,
          "invalid_type",
          OptionalLong.empty());
    }
  }

  private static String shown(JsonToken token) {
    return switch (token) {
      case START_OBJECT, END_OBJECT -> "an object";
      case START_ARRAY, END_ARRAY -> "an array";
      case VALUE_STRING, FIELD_NAME -> "a string";
      case VALUE_NUMBER_INT -> "an integer";
      case VALUE_NUMBER_FLOAT -> "a decimal";
      case VALUE_TRUE, VALUE_FALSE -> "a boolean";
      case VALUE_NULL, VALUE_EMBEDDED_OBJECT, NOT_AVAILABLE -> "null";
    };
  }

  private static boolean flag(String field, JsonToken value) throws Problem {
    expect(field, value.isBoolean(), "a boolean", value);
    return value == JsonToken.VALUE_TRUE;
  }

  private static long whole(String field, JsonToken value, JsonParser parser, long least, long most)
      throws IOException, Problem {
    expect(field, value == JsonToken.VALUE_NUMBER_INT, "an integer", value);
    if (parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
      long n = parser.getLongValue();
      if (n >= least && n <= most) {
        return n;
      }
    }
    throw new Problem(
        Problem.Kind.INVALID,
        "Invalid '" + field + "': it must be from " + least + " to " + most + ".",
        field,
        "invalid_value",
        OptionalLong.empty());
  }

  private static void number(String field, JsonToken value, JsonParser parser, int least, int most)
      throws IOException, Problem {
    expect(field, value.isNumeric(), "a number", value);
    double n = parser.getDoubleValue();
    if (n < least || n > most) {
      throw new Problem(
          Problem.Kind.INVALID,
          "Invalid '" + field + "': it must be from " + least + " to " + most + ".",
          field,
          "invalid_value",
          OptionalLong.empty());
    }
  }

  private static void stop(JsonToken value, JsonParser parser) throws IOException, Problem {
    if (value == JsonToken.VALUE_STRING) {
      return;
    }
    expect("stop", value == JsonToken.START_ARRAY, "a string or an array of strings", value);
    int i = 0;
    for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
      expect("stop[" + i++ + "]", t == JsonToken.VALUE_STRING, "a string", t);
    }
  }

  private void messages(JsonToken value, JsonParser parser) throws IOException, Problem {
    expect("messages", value == JsonToken.START_ARRAY, "an array of objects", value);
    int from = (int) parser.currentLocation().getByteOffset();
    int i = 0;
    boolean user = false;
    for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
      if (t != JsonToken.START_OBJECT) {
        expect("messages[" + i + "]", false, "an object", t);
      }
      boolean role = false;
      boolean asks = false;
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        JsonToken field = parser.nextToken();
        if (name.equals("role")) {
          if (field != JsonToken.VALUE_STRING) {
            expect("messages[" + i + "].role", false, "a string", field);
          }
          role = true;
          asks = parser.getText().equals("user");
        } else if (name.equals("content")) {
          if (field != JsonToken.VALUE_STRING
              && field != JsonToken.START_ARRAY
              && field != JsonToken.VALUE_NULL) {
            expect("messages[" + i + "].content", false, "a string or an array of objects", field);
          }
          parser.skipChildren();
        } else {
          parser.skipChildren();
        }
      }
      if (!role) {
        throw Problem.invalid(
            "messages[" + i + "].role", "Missing required parameter: 'messages[" + i + "].role'.");
      }
      if (asks && !user) {
        // A conversation keeps its beginning: up to its first question, all its requests are equal.
        user = true;
        affinity = Call.affinity(body, from, (int) parser.currentLocation().getByteOffset());
      }
      i++;
    }
    if (i == 0) {
      throw new Problem(
          Problem.Kind.INVALID,
          "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an"
              + " empty array instead.",
          "messages",
          "empty_array",
          OptionalLong.empty());
    }
    content = true;
  }

  private void prompt(JsonToken value, JsonParser parser) throws IOException, Problem {
    int from = (int) parser.currentTokenLocation().getByteOffset();
    if (value == JsonToken.START_ARRAY) {
      int texts = 0;
      int tokens = 0;
      for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
        if (t == JsonToken.VALUE_NUMBER_INT) {
          tokens++;
        } else if (t == JsonToken.VALUE_STRING) {
          texts++;
        } else if (t == JsonToken.START_ARRAY) {
          texts++;
          while (parser.nextToken() != JsonToken.END_ARRAY) {
            JsonToken inner = parser.currentToken();
            expect("prompt", inner == JsonToken.VALUE_NUMBER_INT, "lists of integers", inner);
          }
        } else {
          expect("prompt", false, "a string, an array of strings or of tokens", t);
        }
      }
      if (texts + tokens == 0 || (texts > 0 && tokens > 0) || texts > GatewayLimits.CHOICES) {
        throw Problem.invalid(
            "prompt",
            "'prompt' must be a string, a list of tokens, or a list of at most "
                + GatewayLimits.CHOICES
                + " of those.");
      }
      prompts = Math.max(1, texts);
    } else {
      expect(
          "prompt",
          value == JsonToken.VALUE_STRING,
          "a string, an array of strings or of tokens",
          value);
      parser.finishToken();
    }
    affinity = Call.affinity(body, from, (int) parser.currentLocation().getByteOffset());
    content = true;
  }
}
