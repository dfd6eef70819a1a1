package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Hash;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The cutting of streams and the splicing of requests, in all positions.
class SpliceAndStreamTest {
  private static final String STREAM =
      "\ufeff: hello\r\n\r\ndata: one\r\rdata:two\ndata: 2\u00e9\ud83d\ude00\n\nid: 7\nretry: 1\n\n"
          + "event: error\ndata: {}\n\ndata\n\nevent: x\r\ndata:  y\r\n\r\nerror: z\n\n"
          + "dataset: no\n\n:\n\ndata: [DONE]\n\ndata: cut off";

  private static final List<String> EVENTS =
      List.of("one", "two\n2\u00e9\ud83d\ude00", "!{}", "", " y", "!z", "[DONE]");

  private static final class Kept implements EventStream.Sink {
    final List<String> events = new ArrayList<>();

    @Override
    public void event(boolean error, byte[] data) {
      events.add((error ? "!" : "") + new String(data, StandardCharsets.UTF_8));
    }

    @Override
    public boolean wanted() {
      return true;
    }
  }

  @Test
  void aStreamIsTheSameWhereverItIsCut() throws Exception {
    byte[] all = STREAM.getBytes(StandardCharsets.UTF_8);
    for (int a = 0; a <= all.length; a++) {
      for (int b = a; b <= all.length; b += 3) {
        Kept kept = new Kept();
        EventStream stream = new EventStream(kept, 1_000);
        stream.read(Unpooled.wrappedBuffer(all, 0, a));
        stream.read(Unpooled.wrappedBuffer(all, a, b - a));
        stream.read(Unpooled.wrappedBuffer(all, b, all.length - b));
        assertThat(kept.events).as("cut at %d and %d", a, b).isEqualTo(EVENTS);
      }
    }
    Kept kept = new Kept();
    EventStream stream = new EventStream(kept, 1_000);
    for (byte one : all) {
      stream.read(Unpooled.wrappedBuffer(new byte[] {one}));
    }
    assertThat(kept.events).isEqualTo(EVENTS);
  }

  @Test
  void anEventHasALimit() {
    for (String flood : List.of("data: ".repeat(400), "data: 12345678\n".repeat(200))) {
      EventStream stream = new EventStream(new Kept(), 1_000);
      assertThatThrownBy(() -> stream.read(Unpooled.copiedBuffer(flood, StandardCharsets.UTF_8)))
          .isInstanceOf(BrokenAnswer.class);
    }
  }

  private static String spliced(String body, boolean stream) throws BrokenAnswer {
    RequestSplice splice =
        RequestSplice.of(
            new Request("r", Api.CHAT, Hash.ZERO, body.getBytes(StandardCharsets.UTF_8), stream),
            JsonBytes.quote("the \"model\""));
    ByteBuf out = Unpooled.buffer();
    splice.writeTo(out);
    assertThat(out.readableBytes()).isEqualTo(splice.length());
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void onlyWhatMustChangeChanges() throws Exception {
    assertThat(spliced(" { \"a\" : 1e400 , \"model\" : \"x\\u0041\\\"\" ,\"b\":[ ] } ", false))
        .isEqualTo(" { \"a\" : 1e400 , \"model\" : \"the \\\"model\\\"\" ,\"b\":[ ] } ");
    // The comma between two fields that both come anew.
    assertThat(JsonBytes.MAPPER.readTree(spliced("{}", true)))
        .isEqualTo(
            JsonBytes.MAPPER.readTree(
                "{\"model\":\"the \\\"model\\\"\",\"stream_options\":{\"include_usage\":true}}"));
    assertThat(spliced("{\"model\":null,\"stream_options\":null}", true))
        .isEqualTo("{\"model\":\"the \\\"model\\\"\",\"stream_options\":{\"include_usage\":true}}");
    assertThat(spliced("{\"stream_options\":{\"x\":{\"include_usage\":0}},\"model\":1}", true))
        .isEqualTo(
            "{\"stream_options\":{\"include_usage\":true,\"x\":{\"include_usage\":0}},\"model\":\"the \\\"model\\\"\"}");
    assertThat(spliced("{\"stream_options\":{ \"include_usage\" : false },\"model\":1}", true))
        .isEqualTo(
            "{\"stream_options\":{ \"include_usage\" : true },\"model\":\"the \\\"model\\\"\"}");
  }

  @Test
  void anyBodyMeansTheSameButForWhatMustChange() throws Exception {
    long seed = 1_016;
    Random random = new Random(seed);
    for (int i = 0; i < 2_000; i++) {
      ObjectNode body = JsonBytes.MAPPER.createObjectNode();
      List<String> names =
          new ArrayList<>(List.of("model", "stream_options", "messages", "\u00e9", "n", "x"));
      java.util.Collections.shuffle(names, random);
      for (String name : names.subList(0, random.nextInt(names.size() + 1))) {
        switch (name) {
          case "n" -> body.put("n", 1 + random.nextInt(5));
          case "stream_options" -> {
            ObjectNode options = body.putObject(name);
            if (random.nextBoolean()) {
              options.set("o", value(random, 2));
            }
            if (random.nextBoolean()) {
              options.put("include_usage", random.nextBoolean());
            }
          }
          default -> body.set(name, value(random, 3));
        }
      }
      String text = random.nextBoolean() ? body.toString() : body.toPrettyString();
      JsonNode wanted = body.deepCopy();
      ((ObjectNode) wanted).put("model", "the \"model\"");
      ((ObjectNode) wanted).withObject("/stream_options").put("include_usage", true);
      assertThat(JsonBytes.MAPPER.readTree(spliced(text, true)))
          .as("seed %d, %s", seed, text)
          .isEqualTo(wanted);
    }
  }

  private static JsonNode value(Random random, int depth) {
    return switch (random.nextInt(depth > 0 ? 7 : 5)) {
      case 0 -> JsonBytes.MAPPER.getNodeFactory().textNode("t\u00e9\n\"\\" + random.nextInt());
      case 1 -> JsonBytes.MAPPER.getNodeFactory().numberNode(random.nextInt());
      case 2 -> JsonBytes.MAPPER.getNodeFactory().numberNode(random.nextDouble());
      case 3 -> JsonBytes.MAPPER.getNodeFactory().booleanNode(random.nextBoolean());
      case 4 -> JsonBytes.MAPPER.getNodeFactory().nullNode();
      case 5 -> {
        var list = JsonBytes.MAPPER.createArrayNode();
        for (int i = random.nextInt(4); i > 0; i--) {
          list.add(value(random, depth - 1));
        }
        yield list;
      }
      default -> {
        var object = JsonBytes.MAPPER.createObjectNode();
        for (String name : Arrays.asList("model", "y", "n").subList(0, random.nextInt(4))) {
          object.set(name, value(random, depth - 1));
        }
        yield object;
      }
    };
  }
}
