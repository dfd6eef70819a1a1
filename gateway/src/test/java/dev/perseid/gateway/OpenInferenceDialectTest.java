package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.ModelTask;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OpenInferenceDialectTest {
  private static final String INPUT =
      "{\"id\":\"7\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[[1.5,2]]}]}";

  private final ScriptedMarket market = new ScriptedMarket();
  private Gateway gateway;

  @BeforeEach
  void start() throws Exception {
    market.serve(
        "iris/tree",
        ModelTask.PREDICT,
        ScriptedMarket.answers(
            new Market.Bill(0, 0, 0, 1, 3),
            "{\"model_name\":\"theirs\",\"outputs\":[{\"name\":\"y\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[0.25,0.75]},"
                + "{\"name\":\"label\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"rose\"]}]}"));
    gateway = Gateway.start(GatewayConfig.loopback(), market);
  }

  @AfterEach
  void stop() {
    gateway.close();
  }

  private static JsonNode json(String text) throws Exception {
    return Json.MAPPER.readTree(text);
  }

  @Test
  void healthNeedsNoKey() throws Exception {
    try (HttpClient http = HttpClient.newHttpClient()) {
      for (String path : new String[] {"/v2/health/live", "/v2/health/ready"}) {
        HttpRequest request = HttpRequest.newBuilder(URI.create(gateway.url() + path)).build();
        assertThat(http.send(request, HttpResponse.BodyHandlers.ofString()).statusCode())
            .isEqualTo(200);
      }
      HttpRequest closed = HttpRequest.newBuilder(URI.create(gateway.url() + "/v2")).build();
      HttpResponse<String> r = http.send(closed, HttpResponse.BodyHandlers.ofString());
      assertThat(r.statusCode()).isEqualTo(401);
      assertThat(json(r.body()).path("error").isTextual()).isTrue();
    }
  }

  @Test
  void serverAndModelsDescribeThemselves() throws Exception {
    assertThat(json(Client.get(gateway, "/v2").body()).path("extensions").path(0).textValue())
        .isEqualTo("binary_tensor_data");
    for (String path :
        new String[] {
          "/v2/models/iris/tree", "/v2/models/iris%2Ftree", "/v2/models/iris/tree/versions/1"
        }) {
      JsonNode model = json(Client.get(gateway, path).body());
      assertThat(model.path("name").textValue()).isEqualTo("iris/tree");
      assertThat(model.path("versions").path(0).textValue()).isEqualTo("1");
      assertThat(model.path("inputs").isArray()).isTrue();
    }
    assertThat(Client.get(gateway, "/v2/models/iris/tree/ready").statusCode()).isEqualTo(200);
    assertThat(Client.get(gateway, "/v2/models/iris/tree/versions/1/ready").statusCode())
        .isEqualTo(200);
    HttpResponse<String> none = Client.get(gateway, "/v2/models/iris/tree/versions/2");
    assertThat(none.statusCode()).isEqualTo(404);
  }

  @Test
  void tensorsInJson() throws Exception {
    HttpResponse<String> r = Client.post(gateway, "/v2/models/iris/tree/versions/1/infer", INPUT);
    assertThat(r.statusCode()).isEqualTo(200);
    JsonNode answer = json(r.body());
    assertThat(answer.path("id").textValue()).isEqualTo("7");
    assertThat(answer.path("model_name").textValue()).isEqualTo("iris/tree");
    assertThat(answer.path("model_version").textValue()).isEqualTo("1");
    assertThat(answer.path("outputs").path(0).path("data").path(1).doubleValue()).isEqualTo(0.75);
    assertThat(answer.path("parameters").path("cost").decimalValue())
        .isEqualByComparingTo("0.000003");
  }

  @Test
  void tensorsInBytes() throws Exception {
    String head =
        "{\"parameters\":{\"binary_data_output\":true},\"inputs\":["
            + "{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":8}},"
            + "{\"name\":\"s\",\"shape\":[1],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":6}}]}";
    byte[] json = head.getBytes(StandardCharsets.UTF_8);
    ByteBuffer body =
        ByteBuffer.allocate(json.length + 14)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put(json)
            .putFloat(1.5f)
            .putFloat(-2)
            .putInt(2)
            .put((byte) 'h')
            .put((byte) 'i');
    HttpRequest request =
        Client.to(gateway, "/v2/models/iris/tree/infer")
            .setHeader("content-type", "application/octet-stream")
            .header("Inference-Header-Content-Length", Integer.toString(json.length))
            .POST(HttpRequest.BodyPublishers.ofByteArray(body.array()))
            .build();
    HttpResponse<byte[]> r;
    try (HttpClient http = HttpClient.newHttpClient()) {
      r = http.send(request, HttpResponse.BodyHandlers.ofByteArray());
    }
    assertThat(r.statusCode()).isEqualTo(200);
    JsonNode sent = json(market.asked.getFirst().body());
    assertThat(sent.path("inputs").path(0).path("data")).isEqualTo(json("[1.5,-2.0]"));
    assertThat(sent.path("inputs").path(1).path("data").path(0).textValue()).isEqualTo("hi");
    int length =
        Integer.parseInt(r.headers().firstValue("inference-header-content-length").orElseThrow());
    JsonNode answer = json(new String(Arrays.copyOf(r.body(), length), StandardCharsets.UTF_8));
    assertThat(answer.path("outputs").path(0).has("data")).isFalse();
    ByteBuffer tensors =
        ByteBuffer.wrap(r.body(), length, r.body().length - length).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(tensors.getFloat()).isEqualTo(0.25f);
    assertThat(tensors.getFloat()).isEqualTo(0.75f);
    assertThat(tensors.getInt()).isEqualTo(4);
    assertThat(tensors.remaining()).isEqualTo(4);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{}",
        "{\"inputs\":[]}",
        "{\"inputs\":[1]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[-1],\"datatype\":\"FP32\",\"data\":[1]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP8\",\"data\":[1]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[\"a\"]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[256]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[-129]}]}",
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}]}",
      })
  void whatIsWrongIsNamed(String body) throws Exception {
    HttpResponse<String> r = Client.post(gateway, "/v2/models/iris/tree/infer", body);
    assertThat(r.statusCode()).isEqualTo(400);
    assertThat(json(r.body()).path("error").textValue()).isNotEmpty();
    assertThat(market.asked).isEmpty();
  }
}
