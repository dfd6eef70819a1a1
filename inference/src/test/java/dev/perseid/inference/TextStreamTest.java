package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class TextStreamTest {
  private static String bytewise(TextStream stream, String text) {
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      String now = stream.add(new byte[] {b});
      assertThat(now).doesNotContain("\uFFFD");
      out.append(now);
    }
    return out.append(stream.end()).toString();
  }

  @Test
  void charactersAreNeverSplit() {
    String text = "Grüße 東京 \uD83C\uDF0D!";
    assertThat(bytewise(new TextStream(List.of()), text)).isEqualTo(text);
  }

  @Test
  void halfACharacterAtTheEndIsMarked() {
    TextStream stream = new TextStream(List.of());
    assertThat(stream.add(new byte[] {'a', (byte) 0xe6, (byte) 0x9d})).isEqualTo("a");
    assertThat(stream.end()).isEqualTo("\uFFFD");
  }

  @Test
  void stopsAreFoundAcrossPiecesAndNeverSent() {
    TextStream stream = new TextStream(List.of("END", "NO"));
    assertThat(bytewise(stream, "one EN two ENDthree NO")).isEqualTo("one EN two ");
    assertThat(stream.stopped()).isTrue();
  }

  @Test
  void theBeginningOfAStopThatIsNoneIsSentAtTheEnd() {
    assertThat(bytewise(new TextStream(List.of("END")), "the EN")).isEqualTo("the EN");
  }

  @Test
  void toolCallsAreTakenOutOfTheText() {
    ToolCalls calls = new ToolCalls(true, false);
    StringBuilder text = new StringBuilder();
    String all =
        "Wait <b> <tool_call>{\"name\":\"a\",\"arguments\":{\"x\":1}}</tool_call>\n"
            + "<tool_call>{\"name\":\"b\"}</tool_call>";
    for (char c : all.toCharArray()) {
      text.append(calls.add(String.valueOf(c)));
    }
    text.append(calls.end());
    assertThat(text.toString()).isEqualTo("Wait <b> ");
    assertThat(calls.calls())
        .containsExactly(new ToolCalls.Call("a", "{\"x\":1}"), new ToolCalls.Call("b", "{}"));
  }

  @Test
  void whatIsNoCallStaysText() {
    ToolCalls calls = new ToolCalls(true, false);
    assertThat(calls.add("<tool_call>no json</tool_call>") + calls.end())
        .isEqualTo("<tool_call>no json</tool_call>");
    assertThat(calls.calls()).isEmpty();
  }
}
