package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonGrammarTest {
  private static final long SEED = 4;
  private static final String PERSON =
      """
      {"type":"object","properties":{
        "name":{"type":"string","maxLength":4},
        "age":{"type":"integer"},
        "sex":{"enum":["f","m",null]},
        "tags":{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2},
        "next":{"anyOf":[{"type":"null"},{"$ref":"#"}]}},
       "required":["name","sex","tags"]}
      """;

  private static boolean reads(JsonGrammar grammar, String text) {
    JsonGrammar.State state = grammar.start().after(text.getBytes(StandardCharsets.UTF_8));
    return state != null && state.complete();
  }

  private static JsonGrammar person() throws Exception {
    return JsonGrammar.ofSchema(Ear.JSON.readTree(PERSON));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"name\":\"Mia\",\"sex\":\"f\",\"tags\":[true]}",
        "{ \"name\": \"\u6771\\n\u00e9\", \"age\": -3, \"sex\": null, \"tags\": [true, false]}",
        "{\"name\":\"\",\"sex\":\"m\",\"tags\":[false],\"next\":"
            + "{\"name\":\"b\",\"sex\":\"m\",\"tags\":[true],\"next\":null}}"
      })
  void whatTheSchemaAllowsIsRead(String text) throws Exception {
    assertThat(reads(person(), text)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{\"name\":\"Maria\",\"sex\":\"f\",\"tags\":[true]}",
        "{\"name\":\"Mia\",\"sex\":\"x\",\"tags\":[true]}",
        "{\"name\":\"Mia\",\"sex\":\"f\",\"tags\":[]}",
        "{\"name\":\"Mia\",\"age\":1.5,\"sex\":\"f\",\"tags\":[true]}",
        "{\"name\":\"Mia\",\"sex\":\"f\",\"tags\":[true]},",
        "{\"name\":\"Mia\",\"sex\":\"f\",\"tags\":[true]"
      })
  void whatItForbidsIsNot(String text) throws Exception {
    assertThat(reads(person(), text)).isFalse();
  }

  /// Whatever way a writer goes, what is complete parses.
  @Test
  void everyCompleteTextIsJson() throws Exception {
    Random dice = new Random(SEED);
    int complete = 0;
    for (int round = 0; round < 300; round++) {
      JsonGrammar.State state = round % 2 == 0 ? person().start() : JsonGrammar.anyObject().start();
      byte[] text = new byte[3_000];
      int n = 0;
      while (!state.over() && n < text.length) {
        byte next = (byte) dice.nextInt(256);
        // Ends are more likely than they would be by chance, or no text would have one.
        byte[] ends = "\"}]:,".getBytes(StandardCharsets.UTF_8);
        if (dice.nextInt(3) == 0) {
          next = ends[dice.nextInt(ends.length)];
        }
        if (state.allows(next)) {
          JsonGrammar.State after = state.after(new byte[] {next});
          assertThat(after).isNotNull();
          state = after;
          text[n++] = next;
        }
      }
      if (state.complete()) {
        complete++;
        JsonNode read = Ear.JSON.readTree(new String(text, 0, n, StandardCharsets.UTF_8));
        assertThat(read.isObject()).as("seed %d, round %d", SEED, round).isTrue();
      }
    }
    assertThat(complete).isGreaterThan(50);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"type\":\"thing\"}",
        "{\"$ref\":\"#/nowhere\"}",
        "{\"enum\":[]}",
        "{\"type\":\"string\",\"maxLength\":100000}",
        "{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}"
      })
  void aSchemaThatCannotBeHeldIsRefused(String schema) {
    assertThatThrownBy(() -> JsonGrammar.ofSchema(Ear.JSON.readTree(schema)))
        .isInstanceOf(InvalidCall.class)
        .hasMessageContaining("schema");
  }
}
