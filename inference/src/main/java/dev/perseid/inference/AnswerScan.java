package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.BitSet;

/// Reads of an answer what decides whether it is whole and what it used; by tokens, without a tree.
/// One scan per answer: it remembers which choices have begun and finished.
public final class AnswerScan {
  private final Api api;
  private final BitSet begun = new BitSet();
  private final BitSet finished = new BitSet();
  private long prompt;
  private long cached;
  private long completion;
  private boolean used;
  private long pieces;
  private int vectors;

  // Of the last object.
  private boolean error;
  private boolean usage;
  private int choices;

  /// @param api a call whose answers have choices or vectors: not [Api#INFER]
  public AnswerScan(Api api) {
    this.api = api;
  }

  /// Reads one chunk of a stream.
  ///
  /// @throws BrokenAnswer if it is no chunk
  public void chunk(byte[] json) throws BrokenAnswer {
    object(json, true);
  }

  /// Reads a whole answer.
  ///
  /// @throws BrokenAnswer if it is none, or not complete
  public void whole(byte[] json) throws BrokenAnswer {
    object(json, false);
  }

  private void object(byte[] json, boolean chunk) throws BrokenAnswer {
    error = false;
    usage = false;
    choices = 0;
    boolean listed = false;
    boolean content = false;
    try (JsonParser p = JsonBytes.parser(json)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        throw new BrokenAnswer("It sent something else than a JSON object.");
      }
      for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
        JsonToken value = p.nextToken();
        switch (name) {
          case "choices" -> {
            if (api != Api.EMBEDDING && value == JsonToken.START_ARRAY) {
              listed = true;
              content |= choices(p, chunk);
            }
          }
          case "data" -> {
            if (api == Api.EMBEDDING && value == JsonToken.START_ARRAY) {
              listed = true;
              vectors(p);
            }
          }
          case "usage" -> {
            if (value == JsonToken.START_OBJECT) {
              usage(p);
            }
          }
          case "error" -> error |= value != JsonToken.VALUE_NULL && value != JsonToken.VALUE_FALSE;
          case "object" -> error |= value == JsonToken.VALUE_STRING && p.getText().equals("error");
          default -> {}
        }
        p.skipChildren();
      }
      if (p.currentToken() != JsonToken.END_OBJECT || p.nextToken() != null) {
        throw new BrokenAnswer("It sent something after a JSON object.");
      }
    } catch (IOException e) {
      throw new BrokenAnswer("It sent JSON that is cut off or malformed.");
    }
    if (error) {
      return;
    }
    if (!listed) {
      throw new BrokenAnswer(
          "It sent an object without '" + (api == Api.EMBEDDING ? "data" : "choices") + "'.");
    }
    if (content) {
      pieces++;
    }
  }

  private boolean choices(JsonParser p, boolean chunk) throws IOException, BrokenAnswer {
    boolean content = false;
    for (JsonToken t = p.nextToken(); t != JsonToken.END_ARRAY; t = p.nextToken()) {
      if (t != JsonToken.START_OBJECT) {
        throw new BrokenAnswer("It sent a choice that is no object.");
      }
      int index = choices;
      boolean end = false;
      boolean body = false;
      for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
        JsonToken value = p.nextToken();
        switch (name) {
          case "index" -> {
            if (value != JsonToken.VALUE_NUMBER_INT) {
              throw new BrokenAnswer("It sent a choice whose index is no number.");
            }
            index = Math.clamp(p.getValueAsLong(-1), -1, BackendLimits.CHOICES);
          }
          case "finish_reason" -> {
            if (value == JsonToken.VALUE_STRING) {
              String reason = p.getText();
              if (reason.equals("error")) {
                throw new BrokenAnswer("It gave up the answer with an error.");
              }
              end = !reason.isEmpty();
            }
          }
          case "delta", "message" -> {
            if (value == JsonToken.START_OBJECT) {
              body = true;
              content |= delta(p);
            }
          }
          case "text" -> {
            if (value == JsonToken.VALUE_STRING) {
              body = true;
              content |= p.getTextLength() > 0;
            }
          }
          default -> {}
        }
        p.skipChildren();
      }
      if (index < 0 || index >= BackendLimits.CHOICES) {
        throw new BrokenAnswer("It sent a choice with an impossible index.");
      }
      if (!chunk && !body) {
        throw new BrokenAnswer("It sent a choice without a message.");
      }
      if (!chunk && !end) {
        throw new BrokenAnswer("It sent a choice without a finish_reason.");
      }
      begun.set(index);
      if (end) {
        finished.set(index);
      }
      choices++;
    }
    return content;
  }

  private static boolean delta(JsonParser p) throws IOException {
    boolean content = false;
    for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
      JsonToken value = p.nextToken();
      switch (name) {
        case "content", "reasoning_content", "reasoning", "refusal" ->
            content |= value == JsonToken.VALUE_STRING && p.getTextLength() > 0;
        case "tool_calls", "function_call", "audio" ->
            content |= value == JsonToken.START_ARRAY || value == JsonToken.START_OBJECT;
        default -> {}
      }
      p.skipChildren();
    }
    return content;
  }

  private void vectors(JsonParser p) throws IOException, BrokenAnswer {
    for (JsonToken t = p.nextToken(); t != JsonToken.END_ARRAY; t = p.nextToken()) {
      if (t != JsonToken.START_OBJECT) {
        throw new BrokenAnswer("It sent an embedding that is no object.");
      }
      int numbers = 0;
      for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
        JsonToken value = p.nextToken();
        if (name.equals("embedding") && value == JsonToken.START_ARRAY) {
          for (JsonToken x = p.nextToken(); x != JsonToken.END_ARRAY; x = p.nextToken()) {
            if (x == null || !x.isNumeric() || !Double.isFinite(p.getDoubleValue())) {
              throw new BrokenAnswer("It sent an embedding with something else than numbers.");
            }
            numbers++;
          }
        } else {
          p.skipChildren();
        }
      }
      if (numbers == 0) {
        throw new BrokenAnswer("It sent an embedding without numbers.");
      }
      vectors++;
    }
  }

  private void usage(JsonParser p) throws IOException {
    usage = true;
    used = true;
    for (String name = p.nextFieldName(); name != null; name = p.nextFieldName()) {
      JsonToken value = p.nextToken();
      switch (name) {
        case "prompt_tokens" -> prompt = tokens(p);
        case "completion_tokens" -> completion = tokens(p);
        case "prompt_tokens_details" -> {
          if (value == JsonToken.START_OBJECT) {
            for (String n = p.nextFieldName(); n != null; n = p.nextFieldName()) {
              p.nextToken();
              if (n.equals("cached_tokens")) {
                cached = tokens(p);
              }
              p.skipChildren();
            }
          }
        }
        default -> {}
      }
      p.skipChildren();
    }
  }

  private static long tokens(JsonParser p) throws IOException {
    return Math.clamp(p.getValueAsLong(0), 0, Integer.MAX_VALUE);
  }

  /// Whether the last object told of an error.
  public boolean error() {
    return error;
  }

  /// Whether the last object was the usage and nothing else.
  boolean usageAlone() {
    return usage && choices == 0;
  }

  /// Whether at least so many choices have come and each of them has finished.
  public boolean complete(int choices) {
    return finished.cardinality() >= choices && finished.equals(begun);
  }

  /// Choices that have come.
  int begun() {
    return begun.cardinality();
  }

  /// Vectors that have come.
  int vectors() {
    return vectors;
  }

  /// What was used up to here: what the server says, else the chunks that had content.
  Claim claim() {
    if (api == Api.EMBEDDING) {
      Claim rows = Claim.rows(vectors);
      return new Claim(
          prompt, 0, 0, vectors, rows.computeNs(), rows.gpuNs(), rows.energyUj(), "", rows.gas());
    }
    return used
        ? Claim.tokens(prompt, Math.min(cached, prompt), completion)
        : Claim.tokens(0, 0, pieces);
  }
}
