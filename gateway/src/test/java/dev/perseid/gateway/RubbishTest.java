package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Api;
import io.netty.handler.codec.http.DefaultHttpHeaders;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Bytes that nobody meant: they are refused, and nothing breaks.
class RubbishTest {
  private static final String BODY =
      "{\"model\":\"m\",\"models\":[\"a\"],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\"}]}],"
          + "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":5,\"n\":2,\"temperature\":0.5,"
          + "\"stop\":[\"a\",\"b\"],\"tools\":[{}],\"provider\":{\"sort\":\"price\",\"max_price\":{\"prompt\":\"1e3\"}},\"prompt\":[[1,2],\"x\"]}";

  private static byte[] mutated(byte[] bytes, Random random) {
    byte[] out = bytes.clone();
    int changes = 1 + random.nextInt(4);
    for (int i = 0; i < changes && out.length > 1; i++) {
      int at = random.nextInt(out.length);
      switch (random.nextInt(4)) {
        case 0 -> out[at] = (byte) random.nextInt(256);
        case 1 -> out[at] = (byte) "{}[]\",:0-e\\ntrue".charAt(random.nextInt(16));
        case 2 -> out = Arrays.copyOf(out, at);
        default -> {
          int from = random.nextInt(out.length);
          int length = Math.min(random.nextInt(20), out.length - Math.max(at, from));
          System.arraycopy(out, from, out, at, length);
        }
      }
    }
    return out;
  }

  @Test
  void bodiesAreReadOrRefused() {
    long seed = 1_013;
    Random random = new Random(seed);
    byte[] body = BODY.getBytes(StandardCharsets.UTF_8);
    int read = 0;
    int refused = 0;
    for (int i = 0; i < 20_000; i++) {
      byte[] bytes = mutated(body, random);
      Inbound in = new Inbound("req_1", "POST", "/", new DefaultHttpHeaders(), 0);
      in.caller(new Market.Caller(Address.ZERO, "k"));
      in.body(bytes);
      try {
        Reply.Asked asked = OpenAiScan.read(i % 2 == 0 ? Api.CHAT : Api.COMPLETION, in);
        // What was read can be sent on: it is JSON with the model's name.
        for (String model : asked.call().models()) {
          assertThat(Json.parse(asked.call().body(model)).path("model").textValue())
              .as("seed %d", seed)
              .isEqualTo(model);
        }
        read++;
      } catch (Problem problem) {
        assertThat(problem.status()).as("seed %d", seed).isEqualTo(400);
        assertThat(problem.text()).isNotEmpty();
        refused++;
      } catch (RuntimeException e) {
        throw new AssertionError(
            "seed " + seed + ": " + new String(bytes, StandardCharsets.UTF_8), e);
      }
    }
    assertThat(read).isGreaterThan(100);
    assertThat(refused).isGreaterThan(1_000);
  }

  @Test
  void fieldsAreFoundWhereATreeHasThem() throws Exception {
    long seed = 1_014;
    Random random = new Random(seed);
    for (int i = 0; i < 5_000; i++) {
      ObjectNode tree = Json.object();
      for (String name : new String[] {"id", "x", "choices", "model", "usage", "y"}) {
        if (random.nextInt(4) > 0) {
          tree.set(name, value(random, 3));
        }
      }
      byte[] json =
          random.nextBoolean()
              ? Json.bytes(tree)
              : Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(tree);
      Fields fields = Fields.of(json);
      check(seed, tree.get("model"), json, fields.modelFrom, fields.modelTo);
      check(seed, tree.get("usage"), json, fields.usageFrom, fields.usageTo);
      check(seed, tree.get("choices"), json, fields.choicesFrom, fields.choicesTo);
      check(seed, tree.get("id"), json, fields.idFrom, fields.idTo);
      assertThat(fields.hasChoices())
          .as("seed %d", seed)
          .isEqualTo(tree.path("choices").isArray() && !tree.path("choices").isEmpty());
    }
  }

  private static void check(long seed, JsonNode value, byte[] json, int from, int to)
      throws Exception {
    if (value == null) {
      assertThat(from).as("seed %d", seed).isEqualTo(-1);
    } else {
      assertThat(Json.MAPPER.readTree(Arrays.copyOfRange(json, from, to)))
          .as("seed %d", seed)
          .isEqualTo(Json.MAPPER.readTree(Json.bytes(value)));
    }
  }

  private static JsonNode value(Random random, int depth) {
    var nodes = Json.MAPPER.getNodeFactory();
    return switch (random.nextInt(depth > 0 ? 7 : 5)) {
      case 0 -> nodes.nullNode();
      case 1 -> nodes.numberNode(random.nextInt());
      case 2 -> nodes.booleanNode(random.nextBoolean());
      case 3 -> nodes.textNode("a\"}]\\,{[\u00e9\n".substring(random.nextInt(8)));
      case 4 -> nodes.textNode("");
      case 5 -> {
        ArrayNode list = nodes.arrayNode();
        for (int i = random.nextInt(4); i > 0; i--) {
          list.add(value(random, depth - 1));
        }
        yield list;
      }
      default -> {
        ObjectNode object = nodes.objectNode();
        for (int i = random.nextInt(4); i > 0; i--) {
          object.set("model" + i, value(random, depth - 1));
        }
        yield object;
      }
    };
  }

  @Test
  void connectionsSurviveOrAreClosedAndTheGatewayGoesOn() throws Exception {
    long seed = 1_015;
    Random random = new Random(seed);
    ScriptedMarket market =
        new ScriptedMarket()
            .serve(
                "m",
                ModelTask.CHAT,
                ScriptedMarket.answers(OpenAiDialectTest.BILL, OpenAiDialectTest.WHOLE));
    try (Gateway gateway = Gateway.start(GatewayConfig.loopback(), market)) {
      byte[] request =
          Client.request("/v1/chat/completions", OpenAiDialectTest.ASKED + "}")
              .getBytes(StandardCharsets.UTF_8);
      for (int i = 0; i < 300; i++) {
        try (Socket socket = Client.open(gateway)) {
          socket.getOutputStream().write(mutated(request, random));
          socket.shutdownOutput();
          String all = Client.all(socket);
          assertThat(all.isEmpty() || all.startsWith("HTTP/1.1 ")).as("seed %d", seed).isTrue();
          assertThat(all).as("seed %d", seed).doesNotContain("HTTP/1.1 500");
        } catch (SocketException e) {
          // Closed while it was still being written to.
        }
      }
      assertThat(
              Client.post(gateway, "/v1/chat/completions", OpenAiDialectTest.ASKED + "}")
                  .statusCode())
          .isEqualTo(200);
      assertThat(gateway.running()).isZero();
    }
  }
}
