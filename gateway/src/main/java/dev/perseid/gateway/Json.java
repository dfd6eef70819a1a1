package dev.perseid.gateway;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;

/// JSON from and to bytes, within the gateway's limits.
final class Json {
  /// Bounded in depth and in the length of names and numbers; strings are bounded with the body.
  static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(GatewayLimits.JSON_DEPTH)
                  .maxNumberLength(GatewayLimits.JSON_NUMBER_CHARS)
                  .maxNameLength(GatewayLimits.JSON_NAME_CHARS)
                  .maxStringLength(Integer.MAX_VALUE)
                  .build())
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  /// Reads and writes trees. Numbers keep every digit.
  static final ObjectMapper MAPPER =
      new ObjectMapper(FACTORY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

  /// Reads a value in the middle of a text.
  static final ObjectReader PART =
      MAPPER.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private Json() {}

  /// A fresh object.
  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /// A client's body, which must be one object.
  static ObjectNode parse(byte[] body) throws Problem {
    try {
      JsonNode node = MAPPER.readTree(body);
      if (node instanceof ObjectNode object) {
        return object;
      }
      throw Problem.invalid("", "The body must be a JSON object.");
    } catch (IOException e) {
      throw malformed(e);
    }
  }

  /// A provider's part, which must be one object.
  static ObjectNode ofProvider(byte[] part) throws Problem {
    try {
      if (MAPPER.readTree(part) instanceof ObjectNode object) {
        return object;
      }
    } catch (IOException e) {
      // Told below: what a provider sends in place of JSON is nothing for a client.
    }
    throw new Problem(
        Problem.Kind.BROKEN,
        "The provider sent something that is no JSON object.",
        "provider_failed");
  }

  /// The object in a field, which is made where something else, or nothing, stands there.
  static ObjectNode objectIn(ObjectNode tree, String field) {
    return tree.get(field) instanceof ObjectNode object ? object : tree.putObject(field);
  }

  /// What is wrong with a client's JSON, and where.
  static Problem malformed(IOException e) {
    if (e instanceof JsonProcessingException json) {
      JsonLocation at = json.getLocation();
      String where =
          at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
      return Problem.invalid(
          "",
          "The body is not valid JSON" + where + ": " + Problem.shown(json.getOriginalMessage()));
    }
    return Problem.invalid("", "The body is not valid JSON.");
  }

  /// As bytes, without line breaks.
  static byte[] bytes(JsonNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (IOException e) {
      throw new UncheckedIOException("a tree in memory can be written", e);
    }
  }

  /// A text as a JSON string, with its quotes, in UTF-8.
  static byte[] quoted(String text) {
    return bytes(MAPPER.getNodeFactory().textNode(text));
  }
}
