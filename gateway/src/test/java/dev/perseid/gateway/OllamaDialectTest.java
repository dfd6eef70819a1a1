package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OllamaDialectTest {
  private final CannedMarket market = new CannedMarket();
  private Gateway gateway;

  @BeforeEach
  void start() throws Exception {
    gateway = Gateway.start(GatewayConfig.loopback(), market);
  }

  @AfterEach
  void stop() {
    gateway.close();
  }

  private static JsonNode json(String text) throws Exception {
    return Json.MAPPER.readTree(text.replace('\'', '"'));
  }

  private HttpResponse<String> ask(int status, String path, String body) throws Exception {
    HttpResponse<String> r = Client.post(gateway, path, body.replace('\'', '"'));
    assertThat(r.statusCode()).as(r.body()).isEqualTo(status);
    return r;
  }

  private static List<JsonNode> lines(HttpResponse<String> r) throws Exception {
    assertThat(r.headers().firstValue("content-type").orElseThrow())
        .startsWith("application/x-ndjson");
    assertThat(r.body()).endsWith("\n");
    List<JsonNode> out = new ArrayList<>();
    for (String line : r.body().split("\n")) {
      out.add(Json.MAPPER.readTree(line));
    }
    return out;
  }

  @Test
  void aConversationBecomesCanonical() throws Exception {
    ask(
        200,
        "/api/chat",
        "{'model':'m:latest','stream':false,'keep_alive':'5m','think':'low','messages':["
            + "{'role':'system','content':'be kind'},{'role':'user','content':'a'},"
            + "{'role':'assistant','content':'','tool_calls':[{'function':{'name':'f','arguments':{'x':1}}},{'function':{'name':'g','arguments':{}}}]},"
            + "{'role':'tool','tool_name':'g','content':'two'},{'role':'tool','content':'one'}],"
            + "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],'format':'json',"
            + "'options':{'num_predict':9,'temperature':0.5,'top_k':7,'top_p':0.25,'min_p':0.125,'seed':3,'stop':['END'],'repeat_penalty':1.5,'num_ctx':2048,'num_gpu':1}}");
    assertThat(market.last())
        .isEqualTo(
            json(
                "{'model':'m','messages':[{'role':'system','content':'be kind'},{'role':'user','content':'a'},"
                    + "{'role':'assistant','content':null,'tool_calls':["
                    + "{'id':'call_0','type':'function','function':{'name':'f','arguments':'{\\'x\\':1}'}},"
                    + "{'id':'call_1','type':'function','function':{'name':'g','arguments':'{}'}}]},"
                    + "{'role':'tool','tool_call_id':'call_1','content':'two'},{'role':'tool','tool_call_id':'call_0','content':'one'}],"
                    + "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],"
                    + "'reasoning_effort':'low','temperature':0.5,'top_p':0.25,'min_p':0.125,'repetition_penalty':1.5,'top_k':7,'seed':3,"
                    + "'stop':['END'],'max_tokens':9,'response_format':{'type':'json_object'}}"));
    assertThat(market.asked().getLast().maxTokens()).isEqualTo(9);
  }

  @Test
  void linesAreTheDefault() throws Exception {
    List<JsonNode> lines =
        lines(
            ask(
                200,
                "/api/chat",
                "{'model':'m','messages':[{'role':'user','content':'hi'}],'options':{'num_predict':-1}}"));
    StringBuilder text = new StringBuilder();
    for (JsonNode line : lines) {
      assertThat(line.path("model").textValue()).isEqualTo("m");
      assertThat(line.path("created_at").textValue()).matches("20..-.*Z");
      text.append(line.path("message").path("content").textValue());
    }
    assertThat(text.toString()).isEqualTo(CannedMarket.HELLO);
    assertThat(lines.stream().filter(line -> line.path("done").booleanValue())).hasSize(1);
    JsonNode last = lines.getLast();
    assertThat(last.path("done_reason").textValue()).isEqualTo("stop");
    assertThat(last.path("prompt_eval_count").intValue()).isEqualTo(12);
    assertThat(last.path("eval_count").intValue()).isEqualTo(5);
    long parts =
        last.path("prompt_eval_duration").longValue() + last.path("eval_duration").longValue();
    assertThat(last.path("total_duration").longValue()).isPositive().isGreaterThanOrEqualTo(parts);
    // What was not measured is not there.
    assertThat(last.has("load_duration")).isFalse();
  }

  @Test
  void aBrokenStreamEndsWithAnErrorAndIsNeverDone() throws Exception {
    List<JsonNode> lines =
        lines(
            ask(
                200,
                "/api/chat",
                "{'model':'midstream','messages':[{'role':'user','content':'hi'}]}"));
    assertThat(lines.getLast().path("error").textValue()).contains("went away");
    assertThat(lines).noneMatch(line -> line.path("done").booleanValue());
  }

  @Test
  void anAnswerThatWasCutSaysSo() throws Exception {
    JsonNode answer =
        Json.MAPPER.readTree(
            ask(
                    200,
                    "/api/generate",
                    "{'model':'m','prompt':'hi','stream':false,'options':{'num_predict':1}}")
                .body());
    assertThat(answer.path("response").textValue()).isEqualTo("Hello");
    assertThat(answer.path("done_reason").textValue()).isEqualTo("length");
    assertThat(answer.has("eval_duration")).isFalse();
  }

  @Test
  void anEmptyRequestFindsOutWhetherTheModelIsThere() throws Exception {
    JsonNode line = lines(ask(200, "/api/chat", "{'model':'m'}")).getFirst();
    assertThat(line.path("done_reason").textValue()).isEqualTo("load");
    ask(404, "/api/generate", "{'model':'nobody'}");
    assertThat(market.asked()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          /api/chat     | {'messages':[{'role':'user','content':'x'}]}                            | model
          /api/chat     | {'model':'m','messages':[{'role':'king','content':'x'}]}                | messages[0].role
          /api/chat     | {'model':'m','messages':[{'role':'user','content':'x','images':['A']}]} | text only
          /api/chat     | {'model':'m','messages':[{'role':'tool','content':'x'}]}                | answers no call
          /api/chat     | {'model':'m','messages':[{'role':'user','content':'x'}],'format':'xml'} | format
          /api/generate | {'model':'m','prompt':'x','suffix':'y'}                                 | suffix
          /api/generate | {'model':'m','prompt':'x','template':'y'}                               | template
          /api/generate | {'model':'m','prompt':'x','context':[1]}                                | context
          /api/generate | {'model':'m','prompt':'x','raw':true,'format':'json'}                   | raw
          /api/generate | {'model':'m','prompt':'x','options':{'top_k':'y'}}                      | options.top_k
          /api/embed    | {'model':'e'}                                                           | input
          /api/embed    | {'model':'e','input':['']}                                              | input
          /api/pull     | {'model':'m'}                                                           | /api/tags
          """)
  void whatIsWrongIsSaid(String path, String body, String said) throws Exception {
    JsonNode error = Json.MAPPER.readTree(ask(400, path, body).body());
    assertThat(error.path("error").textValue()).contains(said).endsWith(".");
    assertThat(market.asked()).isEmpty();
  }

  @Test
  void whoeverShowsNoKeyLearnsTheVersionAndNothingElse() throws Exception {
    HttpResponse<String> version =
        Client.send(HttpRequest.newBuilder(URI.create(gateway.url() + "/api/version")).build());
    assertThat(version.statusCode()).isEqualTo(200);
    HttpResponse<String> tags =
        Client.send(HttpRequest.newBuilder(URI.create(gateway.url() + "/api/tags")).build());
    assertThat(tags.statusCode()).isEqualTo(401);
    assertThat(Json.MAPPER.readTree(tags.body()).path("error").textValue())
        .contains("Authorization: Bearer");
  }

  @ParameterizedTest
  @CsvSource({"7200000000,7.2B", "8000000000,8B", "135000000,135M", "1500,1.5K", "999,999"})
  void sizesAreWrittenAsOllamaDoes(long parameters, String shown) {
    assertThat(OllamaDialect.size(parameters)).isEqualTo(shown);
  }
}
