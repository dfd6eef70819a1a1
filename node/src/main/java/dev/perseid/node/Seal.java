package dev.perseid.node;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.perseid.core.Hash;
import dev.perseid.inference.Api;
import dev.perseid.settle.AnswerSealer;
import dev.perseid.settle.SealException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/// Seals the parts of one answer that the pool must not read, and counts for it what it cannot
/// count itself. One thread at a time.
final class Seal {
  private static final JsonFactory JSON = new JsonFactory();

  private final AnswerSealer sealer;
  private long tokens;

  Seal(AnswerSealer sealer) {
    this.sealer = sealer;
  }

  /// What a sealed request is bound to: the offer under which it was asked, and with it model,
  /// provider and price; the call; and whether the answer shall stream. Consumer's gateway and
  /// provider must write the same.
  static byte[] bound(Hash offer, Api api, boolean stream) {
    return (offer.hex() + " " + api.word() + " " + (stream ? "stream" : "whole"))
        .getBytes(StandardCharsets.US_ASCII);
  }

  /// Seals the next part.
  ///
  /// @param json one part, or nothing if it only says that the answer is complete
  /// @throws SealException if the answer is too long; it cannot go on
  byte[] part(byte[] json, boolean last) throws SealException {
    byte[] sealed = sealer.seal(json, last);
    if (json.length > 0) {
      count(json);
    }
    return sealed;
  }

  /// Completion tokens in the parts so far: what the backend says in them, else one for each chunk
  /// with content.
  long tokens() {
    return tokens;
  }

  private void count(byte[] json) {
    long said = -1;
    boolean content = false;
    try (JsonParser p = JSON.createParser(json)) {
      int choices = 0; // the depth at which the list of choices stands, 0 outside of it
      int depth = 0;
      String field = "";
      for (JsonToken t = p.nextToken(); t != null; t = p.nextToken()) {
        switch (t) {
          case START_OBJECT, START_ARRAY -> {
            depth++;
            if (depth == 2 && field.equals("choices")) {
              choices = depth;
            }
            content |= choices > 0 && (field.equals("tool_calls") || field.equals("function_call"));
          }
          case END_OBJECT, END_ARRAY -> {
            depth--;
            choices = depth < choices ? 0 : choices;
          }
          case FIELD_NAME -> field = p.currentName();
          case VALUE_STRING ->
              content |=
                  choices > 0
                      && p.getTextLength() > 0
                      && switch (field) {
                        case "content", "text", "reasoning_content", "reasoning", "refusal" -> true;
                        default -> false;
                      };
          case VALUE_NUMBER_INT -> {
            if (choices == 0 && depth == 2 && field.equals("completion_tokens")) {
              said = p.getLongValue();
            }
          }
          case VALUE_NUMBER_FLOAT,
              VALUE_TRUE,
              VALUE_FALSE,
              VALUE_NULL,
              VALUE_EMBEDDED_OBJECT,
              NOT_AVAILABLE -> {}
        }
      }
    } catch (IOException e) {
      // The consumer's gateway will say so; what cannot be read has no tokens.
      return;
    }
    tokens = said >= 0 ? Math.max(tokens, said) : tokens + (content ? 1 : 0);
  }
}
