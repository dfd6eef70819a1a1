package dev.perseid.node;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.perseid.inference.Api;
import java.io.IOException;

/// Counts what a request asks for where that is not tokens: the check of what a provider claims.
final class Rows {
  private static final JsonFactory JSON = new JsonFactory();

  private Rows() {}

  /// Texts of an embedding request, or the first dimension of an infer request's first input; 0 for
  /// a language model. A body that is not understood counts as one row.
  static long of(Api api, byte[] body) {
    try (JsonParser in = JSON.createParser(body)) {
      return switch (api) {
        case CHAT, COMPLETION -> 0;
        case EMBEDDING -> texts(in);
        case INFER -> firstDimension(in);
      };
    } catch (IOException e) {
      return 1;
    }
  }

  private static long texts(JsonParser in) throws IOException {
    if (!find(in, "input") || in.currentToken() != JsonToken.START_ARRAY) {
      return 1;
    }
    long count = 0;
    boolean numbers = true;
    for (JsonToken t = in.nextToken(); t != null && t != JsonToken.END_ARRAY; t = in.nextToken()) {
      numbers &= t == JsonToken.VALUE_NUMBER_INT;
      in.skipChildren();
      count++;
    }
    return numbers ? 1 : count;
  }

  private static long firstDimension(JsonParser in) throws IOException {
    if (!find(in, "inputs")
        || in.currentToken() != JsonToken.START_ARRAY
        || in.nextToken() != JsonToken.START_OBJECT) {
      return 1;
    }
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      boolean shape = in.currentName().equals("shape");
      JsonToken value = in.nextToken();
      if (shape && value == JsonToken.START_ARRAY) {
        return in.nextToken() == JsonToken.VALUE_NUMBER_INT ? Math.max(1, in.getLongValue()) : 1;
      }
      in.skipChildren();
    }
    return 1;
  }

  /// Goes to the value of a field of the outermost object.
  private static boolean find(JsonParser in, String field) throws IOException {
    if (in.nextToken() != JsonToken.START_OBJECT) {
      return false;
    }
    while (in.nextToken() == JsonToken.FIELD_NAME) {
      boolean found = in.currentName().equals(field);
      in.nextToken();
      if (found) {
        return true;
      }
      in.skipChildren();
    }
    return false;
  }
}
