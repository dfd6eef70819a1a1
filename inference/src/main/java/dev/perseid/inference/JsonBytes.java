package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;

/// How this package reads JSON: UTF-8 only, bounded, no liberties.
final class JsonBytes {
  static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(BackendLimits.JSON_DEPTH)
                  .maxStringLength(BackendLimits.JSON_STRING)
                  .build())
          .disable(JsonFactory.Feature.CHARSET_DETECTION)
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER)
          // A message of a parser would show the text around an error: other people's words.
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  static final JsonMapper MAPPER = JsonMapper.builder(FACTORY).build();

  private JsonBytes() {}

  static JsonParser parser(byte[] json) throws IOException {
    return FACTORY.createParser(json);
  }

  /// The text as a JSON string, with its quotes.
  static byte[] quote(String text) {
    try {
      return MAPPER.writeValueAsBytes(text);
    } catch (IOException e) {
      throw new AssertionError("a string can be written", e);
    }
  }
}
