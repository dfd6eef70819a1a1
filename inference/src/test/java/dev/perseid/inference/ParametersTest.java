package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class ParametersTest {
  private static final String CHAT =
      "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"prompt\":\"x\"";

  /// For each parameter of the own engine a value that nobody who reads it accepts.
  private static final Map<String, String> ILL =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("echo", "5"),
              Map.entry("frequency_penalty", "\"x\""),
              Map.entry("logit_bias", "{\"a\":1}"),
              Map.entry("logprobs", "\"x\""),
              Map.entry("max_completion_tokens", "0"),
              Map.entry("max_tokens", "0"),
              Map.entry("min_p", "2"),
              Map.entry("n", "0"),
              Map.entry("presence_penalty", "5"),
              Map.entry("repetition_penalty", "0"),
              Map.entry("response_format", "{\"type\":\"yaml\"}"),
              Map.entry("return_token_ids", "5"),
              Map.entry("seed", "\"x\""),
              Map.entry("stop", "5"),
              Map.entry("temperature", "3"),
              Map.entry("tool_choice", "\"maybe\""),
              Map.entry("tools", "5"),
              Map.entry("top_k", "\"x\""),
              Map.entry("top_logprobs", "-1"),
              Map.entry("top_p", "2")));

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void theOwnEngineReadsEachParameterThatItSaysItHonours() throws Exception {
    assertThat(ILL.keySet()).isEqualTo(Parameters.OF_OWN_ENGINE);
    ChatCall.of(Api.CHAT, utf8(CHAT + "}"));
    ChatCall.of(Api.COMPLETION, utf8(CHAT + "}"));
    for (Map.Entry<String, String> ill : ILL.entrySet()) {
      Api api = ill.getKey().equals("echo") ? Api.COMPLETION : Api.CHAT;
      byte[] body = utf8(CHAT + ",\"" + ill.getKey() + "\":" + ill.getValue() + "}");
      assertThatThrownBy(() -> ChatCall.of(api, body))
          .as(ill.getKey())
          .isInstanceOf(InvalidCall.class);
      assertThat(Parameters.named(body)).containsExactly(ill.getKey());
    }
  }

  @Test
  void whatIsNoParameterAndWhatSaysNothingIsNotNamed() throws Exception {
    String body =
        "{\"model\":\"m\",\"messages\":[{\"seed\":1}],\"stream\":true,\"stream_options\":{\"a\":1},"
            + "\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"stop\":null,\"tools\":[],\"logit_bias\":{},"
            + "\"n\":1,\"made_up\":0}";
    assertThat(Parameters.named(utf8(body))).containsExactly("made_up", "n");
    for (String broken : new String[] {"[]", "{\"a\":", "", "7"}) {
      assertThatThrownBy(() -> Parameters.named(utf8(broken))).isInstanceOf(IOException.class);
    }
  }

  @Test
  void aServerIsKnownByItsListOfModels() {
    String llama = "{\"data\":[{\"id\":\"x\",\"owned_by\":\"llamacpp\"}]}";
    assertThat(Parameters.ofServer(utf8(llama))).contains(Parameters.OF_LLAMA_SERVER);
    assertThat(new TreeSet<>(Parameters.OF_LLAMA_SERVER))
        .doesNotContain("tool_choice", "repetition_penalty");
    String other = "{\"data\":[{\"id\":\"x\",\"owned_by\":\"me\"}]}";
    for (String unknown : new String[] {other, "{}", "[]", "", "{\"data\":7}", "null"}) {
      assertThat(Parameters.ofServer(utf8(unknown))).as(unknown).isEmpty();
    }
  }
}
