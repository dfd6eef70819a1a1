package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// A request's body with the few fields changed that another server must see otherwise; all other
/// bytes go through as they came. Found in one pass over the tokens, without a tree.
final class RequestSplice {
  private static final byte[] USAGE = ascii("{\"include_usage\":true}");
  private static final byte[] TRUE = ascii("true");

  /// Bytes `from` to `to` of the body are replaced by `with`.
  private static final class Edit {
    final int from;
    final int to;
    final byte[] with;

    Edit(int from, int to, byte[] with) {
      this.from = from;
      this.to = to;
      this.with = with;
    }
  }

  private final byte[] body;
  private final List<Edit> edits = new ArrayList<>(2);
  private int n = 1;
  private int prompts = 1;
  private int inputs = 1;
  private boolean usageAsked;

  private RequestSplice(byte[] body) {
    this.body = body;
  }

  /// @param model the other server's name of the model, as a JSON string with its quotes
  /// @throws BrokenAnswer if the body is no JSON object or a field that is read here is wrong
  static RequestSplice of(Request request, byte[] model) throws BrokenAnswer {
    RequestSplice splice = new RequestSplice(request.body());
    boolean stream =
        request.stream() && (request.api() == Api.CHAT || request.api() == Api.COMPLETION);
    try (JsonParser p = JsonBytes.parser(splice.body)) {
      splice.read(p, model, stream);
    } catch (IOException e) {
      throw new BrokenAnswer("The request's body is not a JSON object.");
    }
    return splice;
  }

  private void read(JsonParser p, byte[] model, boolean stream) throws IOException, BrokenAnswer {
    if (p.nextToken() != JsonToken.START_OBJECT) {
      throw new BrokenAnswer("The request's body is not a JSON object.");
    }
    int open = end(p);
    boolean named = false;
    boolean optioned = false;
    boolean empty = true;
    for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
      empty = false;
      JsonToken value = p.nextToken();
      switch (name) {
        case "model" -> {
          int from = start(p);
          skip(p);
          edits.add(new Edit(from, end(p), model));
          named = true;
        }
        case "stream_options" -> {
          if (stream) {
            options(p, value);
            optioned = true;
          } else {
            skip(p);
          }
        }
        case "n" -> {
          if (value == JsonToken.VALUE_NUMBER_INT) {
            n = bounded(p.getValueAsLong(-1), "n");
          } else {
            skip(p);
          }
        }
        case "prompt" -> prompts = count(p, value, "prompt");
        case "input" -> inputs = count(p, value, "input");
        default -> skip(p);
      }
    }
    if (p.currentToken() != JsonToken.END_OBJECT || p.nextToken() != null) {
      throw new BrokenAnswer("The request's body has more than one JSON object.");
    }
    if (!named) {
      insert(open, concat(ascii("\"model\":"), model), empty);
      empty = false;
    }
    if (stream && !optioned) {
      insert(open, concat(ascii("\"stream_options\":"), USAGE), empty);
    }
    edits.sort((a, b) -> Integer.compare(a.from, b.from));
  }

  private void options(JsonParser p, JsonToken value) throws IOException, BrokenAnswer {
    if (value == JsonToken.VALUE_NULL) {
      int from = start(p);
      p.finishToken();
      edits.add(new Edit(from, end(p), USAGE));
      return;
    }
    if (value != JsonToken.START_OBJECT) {
      throw new BrokenAnswer("'stream_options' must be an object.");
    }
    int open = end(p);
    boolean found = false;
    boolean empty = true;
    for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
      empty = false;
      JsonToken inner = p.nextToken();
      if (name.equals("include_usage")) {
        int from = start(p);
        usageAsked = inner == JsonToken.VALUE_TRUE;
        skip(p);
        edits.add(new Edit(from, end(p), TRUE));
        found = true;
      } else {
        skip(p);
      }
    }
    if (!found) {
      insert(open, ascii("\"include_usage\":true"), empty);
    }
  }

  private void insert(int at, byte[] field, boolean empty) {
    // Before what was inserted at the same place, so that only the last one ends without a comma.
    edits.addFirst(new Edit(at, at, empty ? field : concat(field, ascii(","))));
  }

  /// How many texts a field holds: one string, one list of token numbers, or a list of either.
  private static int count(JsonParser p, JsonToken value, String field)
      throws IOException, BrokenAnswer {
    if (value != JsonToken.START_ARRAY) {
      skip(p);
      return 1;
    }
    long count = 0;
    boolean numbers = false;
    for (JsonToken t = p.nextToken(); t != JsonToken.END_ARRAY; t = p.nextToken()) {
      if (t == null) {
        throw new BrokenAnswer("The request's body is cut off.");
      }
      numbers |= t.isNumeric();
      skip(p);
      count++;
    }
    return numbers ? 1 : bounded(count, field);
  }

  private static int bounded(long count, String field) throws BrokenAnswer {
    if (count < 1 || count > BackendLimits.CHOICES) {
      throw new BrokenAnswer("'" + field + "' must ask for 1 to " + BackendLimits.CHOICES + ".");
    }
    return (int) count;
  }

  private static void skip(JsonParser p) throws IOException {
    p.skipChildren();
    p.finishToken();
  }

  private static int start(JsonParser p) {
    return (int) p.currentTokenLocation().getByteOffset();
  }

  private static int end(JsonParser p) {
    return (int) p.currentLocation().getByteOffset();
  }

  /// Bytes of the changed body.
  int length() {
    int length = body.length;
    for (Edit e : edits) {
      length += e.with.length - (e.to - e.from);
    }
    return length;
  }

  /// Writes the changed body.
  void writeTo(ByteBuf out) {
    int at = 0;
    for (Edit e : edits) {
      out.writeBytes(body, at, e.from - at).writeBytes(e.with);
      at = e.to;
    }
    out.writeBytes(body, at, body.length - at);
  }

  /// Choices that the answer must have.
  int choices() {
    return (int) Math.min(BackendLimits.CHOICES, (long) n * prompts);
  }

  /// Vectors that the answer must have.
  int inputs() {
    return inputs;
  }

  /// Whether the client asked for the usage at the end of its stream.
  boolean usageAsked() {
    return usageAsked;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] concat(byte[] a, byte[] b) {
    byte[] both = new byte[a.length + b.length];
    System.arraycopy(a, 0, both, 0, a.length);
    System.arraycopy(b, 0, both, a.length, b.length);
    return both;
  }
}
