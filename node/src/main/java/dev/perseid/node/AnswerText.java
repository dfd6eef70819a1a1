package dev.perseid.node;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.perseid.inference.Tokens;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What a language model said, out of the parts of its answer: so that its tokens can be counted by
/// somebody else than who sells them.
final class AnswerText {
  private static final JsonFactory JSON = new JsonFactory();

  private final Map<String, StringBuilder> texts = new HashMap<>();
  private int choices;
  private String place = "";
  private int calls;

  private AnswerText() {}

  /// The most tokens that may be billed for these parts.
  ///
  /// @param parts chunks, or one whole answer
  static long mostTokens(List<byte[]> parts, Tokens tokens) {
    AnswerText text = new AnswerText();
    for (byte[] part : parts) {
      try (JsonParser in = JSON.createParser(part)) {
        text.read(in);
      } catch (IOException e) {
        // What of a part is no JSON counts for nothing; the gateway refuses such parts anyway.
        text.place = "";
      }
    }
    long sum =
        (long) Math.max(1, text.choices) * MarketLimits.EXTRA_TOKENS_A_CHOICE
            + (long) text.calls * MarketLimits.EXTRA_TOKENS_A_CALL;
    for (StringBuilder one : text.texts.values()) {
      sum += tokens.count(one.toString());
    }
    return sum;
  }

  private void read(JsonParser in) throws IOException {
    int index = 0;
    boolean inChoices = false;
    int depth = 0;
    for (JsonToken t = in.nextToken(); t != null; t = in.nextToken()) {
      switch (t) {
        case START_OBJECT, START_ARRAY -> depth++;
        case END_OBJECT, END_ARRAY -> {
          depth--;
          inChoices = inChoices && depth > 1;
        }
        case FIELD_NAME -> {
          String name = in.currentName();
          if (depth == 1) {
            inChoices = name.equals("choices");
          } else if (inChoices && name.equals("logprobs")) {
            in.nextToken();
            in.skipChildren();
          } else if (inChoices && name.equals("index") && depth == 3) {
            index = in.nextIntValue(0);
            choices = Math.max(choices, index + 1);
          } else if (inChoices) {
            place = name;
          }
        }
        case VALUE_STRING -> {
          if (inChoices && isSaid(place)) {
            texts
                .computeIfAbsent(index + " " + place, _ -> new StringBuilder())
                .append(in.getText());
            calls += place.equals("name") ? 1 : 0;
          }
        }
        case NOT_AVAILABLE,
            VALUE_EMBEDDED_OBJECT,
            VALUE_FALSE,
            VALUE_NULL,
            VALUE_NUMBER_FLOAT,
            VALUE_NUMBER_INT,
            VALUE_TRUE -> {}
      }
    }
  }

  private static boolean isSaid(String place) {
    return switch (place) {
      case "content", "text", "reasoning_content", "reasoning", "refusal", "arguments", "name" ->
          true;
      default -> false;
    };
  }
}
