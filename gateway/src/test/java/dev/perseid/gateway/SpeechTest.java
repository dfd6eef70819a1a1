package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a model says, heard from parts, and what the translators make of several calls in one
/// answer.
class SpeechTest {
  /// Writes down what it is told.
  private static final class Notes implements Speech.Ear {
    final List<String> heard = new ArrayList<>();

    @Override
    public void text(String piece, Outlet out) {
      heard.add("text " + piece);
    }

    @Override
    public void thought(String piece, Outlet out) {
      heard.add("thought " + piece);
    }

    @Override
    public void tool(int index, String id, String name, Outlet out) {
      heard.add("tool " + index + " " + id + " " + name);
    }

    @Override
    public void arguments(int index, String piece, Outlet out) {
      heard.add("arguments " + index + " " + piece);
    }
  }

  private static final String[] TWO_CALLS = {
    "{'choices':[{'index':0,'delta':{'role':'assistant','content':'I look.'}}]}",
    "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'id':'a','function':{'name':'f','arguments':''}}]}}]}",
    "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'{\\'x\\':'}}]}}]}",
    "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'1}'}}]}}]}",
    "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':1,'id':'b','function':{'name':'g','arguments':'{}'}}]}}]}",
    "{'choices':[{'index':0,'delta':{},'finish_reason':'tool_calls'}]}"
  };

  private static byte[] bytes(String json) {
    return json.replace("\\'", "\\\"").replace('\'', '"').getBytes(StandardCharsets.UTF_8);
  }

  private static Speech hear(Notes notes, String... parts) throws Problem {
    Speech speech = new Speech("id", notes);
    Outlet out = new Outlet(Unpooled.buffer());
    for (String part : parts) {
      speech.hear(bytes(part), out);
    }
    return speech;
  }

  @Test
  void chunksAreHeardPieceByPiece() throws Exception {
    Notes notes = new Notes();
    assertThat(hear(notes, TWO_CALLS).end()).isEqualTo(Speech.End.TOOLS);
    assertThat(notes.heard)
        .containsExactly(
            "text I look.",
            "tool 0 a f",
            "arguments 0 {\"x\":",
            "arguments 0 1}",
            "tool 1 b g",
            "arguments 1 {}");
  }

  @Test
  void aWholeAnswerIsHeardAlike() throws Exception {
    Notes notes = new Notes();
    Speech speech =
        hear(
            notes,
            "{'choices':[{'index':0,'message':{'content':'So.','reasoning_content':'Hm.',"
                + "'tool_calls':[{'function':{'name':'f','arguments':'{}'}},{'id':'b','function':{'name':'g','arguments':'{}'}}]},"
                + "'finish_reason':'stop'},{'index':1,'message':{'content':'other'}}]}");
    // A provider says 'stop' though it calls tools; what it did counts.
    assertThat(speech.end()).isEqualTo(Speech.End.TOOLS);
    assertThat(notes.heard)
        .containsExactly(
            "thought Hm.",
            "text So.",
            "tool 0 call_id0 f",
            "arguments 0 {}",
            "tool 1 b g",
            "arguments 1 {}");
  }

  @Test
  void callsWithoutAnIndexAreCallsOfTheirOwn() throws Exception {
    Notes notes = new Notes();
    String call =
        "{'choices':[{'index':0,'delta':{'tool_calls':[{'function':{'name':'f','arguments':'{}'}}]}}]}";
    hear(notes, call, call);
    assertThat(notes.heard)
        .containsExactly(
            "tool 0 call_id0 f", "arguments 0 {}", "tool 1 call_id1 f", "arguments 1 {}");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nothing",
        "[]",
        "{'choices':[{'index':0,'delta':{},'finish_reason':'tired'}]}",
        "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]}}]}"
      })
  void rubbishIsAFailureOfTheProvider(String part) {
    assertThatThrownBy(() -> hear(new Notes(), part))
        .isInstanceOfSatisfying(
            Problem.class, p -> assertThat(p.kind()).isEqualTo(Problem.Kind.BROKEN));
  }

  @Test
  void noAnswerCallsToolsWithoutEnd() {
    Notes notes = new Notes();
    String[] calls = new String[DialectLimits.TOOL_CALLS + 1];
    for (int i = 0; i < calls.length; i++) {
      calls[i] =
          "{'choices':[{'index':0,'delta':{'tool_calls':[{'index':"
              + i
              + ",'function':{'name':'f'}}]}}]}";
    }
    assertThatThrownBy(() -> hear(notes, calls)).isInstanceOf(Problem.class);
    assertThat(notes.heard).hasSize(DialectLimits.TOOL_CALLS);
  }

  @Test
  void anAnswerWithoutAnEndIsNone() throws Exception {
    Speech speech = hear(new Notes(), TWO_CALLS[0]);
    assertThatThrownBy(speech::end).isInstanceOf(Problem.class);
  }

  private static String render(Renderer renderer, String... parts) throws Problem {
    ByteBuf bytes = Unpooled.buffer();
    Outlet out = new Outlet(bytes);
    for (String part : parts) {
      renderer.part(bytes(part), out);
    }
    renderer.done(CannedMarket.BILL, out);
    return bytes.toString(StandardCharsets.UTF_8);
  }

  @Test
  void everyTranslatorShowsATextAndTwoCalls() throws Exception {
    JsonNode response =
        Json.MAPPER.readTree(
            render(new ResponsesRenderer("1", 1, false, Json.object()), TWO_CALLS));
    assertThat(response.path("output").findValuesAsText("type"))
        .contains("message", "function_call");
    assertThat(response.path("output").get(1).path("arguments").textValue()).isEqualTo("{\"x\":1}");
    assertThat(response.path("output").get(2).path("name").textValue()).isEqualTo("g");

    JsonNode message =
        Json.MAPPER.readTree(render(new AnthropicRenderer("req_1", false, Set.of()), TWO_CALLS));
    assertThat(message.path("content")).hasSize(3);
    assertThat(message.path("content").get(1).path("input").path("x").intValue()).isEqualTo(1);
    assertThat(message.path("content").get(2).path("name").textValue()).isEqualTo("g");

    JsonNode line =
        Json.MAPPER.readTree(
            render(
                new OllamaRenderer(
                    "m", "req_1", System.nanoTime(), false, OllamaRenderer.Shape.CHAT),
                TWO_CALLS));
    assertThat(line.path("message").path("content").textValue()).isEqualTo("I look.");
    assertThat(line.path("message").path("tool_calls")).hasSize(2);
  }

  @Test
  void blocksOfAnthropicsStreamComeOneAfterAnother() throws Exception {
    String stream = render(new AnthropicRenderer("req_1", true, Set.of()), TWO_CALLS);
    List<String> blocks =
        stream
            .lines()
            .filter(l -> l.startsWith("data: ") && l.contains("content_block_"))
            .map(l -> l.replaceAll(".*content_block_(\\w+)\",\"index\":(\\d).*", "$2 $1"))
            .toList();
    assertThat(blocks)
        .containsExactly(
            "0 start", "0 delta", "0 stop", "1 start", "1 delta", "1 delta", "1 stop", "2 start",
            "2 delta", "2 stop");
  }

  @Test
  void mixedArgumentsAreRefusedWhereTheProtocolCannotSayThem() {
    assertThatThrownBy(() ->
            render(
                new AnthropicRenderer("req_1", true, Set.of()),
                TWO_CALLS[1],
                TWO_CALLS[4],
                TWO_CALLS[2]))
        .isInstanceOf(Problem.class);
  }
}
