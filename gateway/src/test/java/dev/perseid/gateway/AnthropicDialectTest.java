package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.ModelTask;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AnthropicDialectTest {
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

  private HttpResponse<String> send(String path, String key, String body) throws Exception {
    return Client.send(
        HttpRequest.newBuilder(URI.create(gateway.url() + path))
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body.replace('\'', '"')))
            .build());
  }

  private JsonNode ask(int status, String body) throws Exception {
    HttpResponse<String> r = send("/v1/messages", "sk-test", body);
    assertThat(r.statusCode()).as(r.body()).isEqualTo(status);
    return Json.MAPPER.readTree(r.body());
  }

  @Test
  void aConversationBecomesCanonical() throws Exception {
    ask(
        200,
        "{'model':'m','max_tokens':9,'system':[{'type':'text','text':'be kind','cache_control':{'type':'ephemeral'}}],"
            + "'messages':[{'role':'user','content':[{'type':'text','text':'a'}]},"
            + "{'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s'},{'type':'text','text':'I look'},"
            + "{'type':'tool_use','id':'t1','name':'f','input':{'x':1}},{'type':'tool_use','id':'t2','name':'f','input':{}}]},"
            + "{'role':'user','content':[{'type':'tool_result','tool_use_id':'t1','content':'one'},"
            + "{'type':'tool_result','tool_use_id':'t2','is_error':true,'content':[{'type':'text','text':'no'}]},{'type':'text','text':'so?'}]}],"
            + "'tools':[{'name':'f','description':'d','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool','name':'f','disable_parallel_tool_use':true},"
            + "'stop_sequences':['END'],'temperature':1,'top_p':0.5,'top_k':7,'metadata':{'user_id':'u'},'thinking':{'type':'adaptive'}}");
    assertThat(market.last())
        .isEqualTo(
            json(
                "{'model':'m','messages':[{'role':'system','content':'be kind'},{'role':'user','content':'a'},"
                    + "{'role':'assistant','content':'I look','tool_calls':["
                    + "{'id':'t1','type':'function','function':{'name':'f','arguments':'{\\'x\\':1}'}},"
                    + "{'id':'t2','type':'function','function':{'name':'f','arguments':'{}'}}]},"
                    + "{'role':'tool','tool_call_id':'t1','content':'one'},{'role':'tool','tool_call_id':'t2','content':'Error: no'},"
                    + "{'role':'user','content':'so?'}],"
                    + "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],"
                    + "'tool_choice':{'type':'function','function':{'name':'f'}},'parallel_tool_calls':false,"
                    + "'max_tokens':9,'stop':['END'],'temperature':1,'top_p':0.5,'top_k':7,'user':'u'}"));
    assertThat(market.asked().getLast().maxTokens()).isEqualTo(9);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {'max_tokens':5,'messages':[{'role':'user','content':'x'}]}                                | model
          {'model':'m','messages':[{'role':'user','content':'x'}]}                                   | max_tokens
          {'model':'m','max_tokens':0,'messages':[{'role':'user','content':'x'}]}                    | max_tokens
          {'model':'m','max_tokens':5}                                                               | messages
          {'model':'m','max_tokens':5,'messages':[]}                                                 | messages
          {'model':'m','max_tokens':5,'messages':[{'role':'assistant','content':'x'}]}               | messages
          {'model':'m','max_tokens':5,'messages':[{'role':'tool','content':'x'}]}                    | messages[0].role
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':[{'type':'image'}]}]}     | messages[0].content[0]
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':'x'}],'tools':[{'name':'f'}]} | tools[0].input_schema
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':'x'}],'tools':[{'type':'web_search_20250305','name':'w'}]} | tools[0].type
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':'x'}],'tool_choice':{'type':'any'}} | tool_choice
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':'x'}],'mcp_servers':[{}]} | mcp_servers
          {'model':'m','max_tokens':5,'messages':[{'role':'user','content':'x'}],'container':'c'}    | container
          """)
  void whatIsWrongIsNamed(String body, String param) throws Exception {
    JsonNode error = ask(400, body);
    assertThat(error.path("type").textValue()).isEqualTo("error");
    assertThat(error.path("error").path("type").textValue()).isEqualTo("invalid_request_error");
    assertThat(error.path("error").path("message").textValue()).contains(param);
    assertThat(error.path("request_id").textValue()).startsWith("req_");
    assertThat(market.asked()).isEmpty();
  }

  @Test
  void everyProblemHasAnthropicsShape() throws Exception {
    String body = "{'model':'%s','max_tokens':5,'messages':[{'role':'user','content':'x'}]}";
    HttpResponse<String> stranger = send("/v1/messages", "sk-wrong", body.formatted("m"));
    assertThat(stranger.statusCode()).isEqualTo(401);
    assertThat(stranger.body()).contains("authentication_error");
    assertThat(ask(404, body.formatted("nobody")).toString()).contains("not_found_error");
    assertThat(ask(402, body.formatted("unpaid")).toString()).contains("billing_error");
    assertThat(ask(502, body.formatted("broken")).toString()).contains("api_error");
    HttpResponse<String> busy = send("/v1/messages", "sk-test", body.formatted("busy"));
    assertThat(busy.statusCode()).isEqualTo(429);
    assertThat(busy.headers().firstValue("retry-after")).isPresent();
    assertThat(busy.headers().firstValue("request-id"))
        .contains(Json.MAPPER.readTree(busy.body()).path("request_id").textValue());
    HttpResponse<String> lost = send("/v1/messages/batches", "sk-test", "{}");
    assertThat(lost.statusCode()).isEqualTo(404);
    assertThat(lost.body()).contains("not_found_error");
  }

  @Test
  void aStreamHasItsEventsByName() throws Exception {
    String body =
        "{'model':'%s','max_tokens':5,'stream':true,'messages':[{'role':'user','content':'x'}]}";
    HttpResponse<String> r = send("/v1/messages", "sk-test", body.formatted("m"));
    assertThat(r.headers().firstValue("content-type").orElseThrow())
        .startsWith("text/event-stream");
    assertThat(r.body())
        .startsWith("event: message_start\ndata: {\"type\":\"message_start\"")
        .contains("event: ping\ndata: {\"type\":\"ping\"}\n\n")
        .contains(
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello \"}}")
        .endsWith("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    assertThat(send("/v1/messages", "sk-test", body.formatted("midstream")).body())
        .contains("event: error\ndata: {\"type\":\"error\"")
        .doesNotContain("message_stop");
  }

  @Test
  void aStopSequenceIsNamedWhereTheProviderNamesIt() throws Exception {
    ScriptedMarket stops = new ScriptedMarket();
    stops.serve(
        "s",
        ModelTask.CHAT,
        ScriptedMarket.answers(
            CannedMarket.BILL,
            "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\",\"stop_reason\":\"END\"}]}"));
    try (Gateway other = Gateway.start(GatewayConfig.loopback(), stops)) {
      HttpResponse<String> r =
          Client.post(
              other,
              "/v1/messages",
              "{\"model\":\"s\",\"max_tokens\":5,\"stop_sequences\":[\"END\"],\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
      JsonNode answer = Json.MAPPER.readTree(r.body());
      assertThat(answer.path("stop_reason").textValue()).isEqualTo("stop_sequence");
      assertThat(answer.path("stop_sequence").textValue()).isEqualTo("END");
    }
  }

  @Test
  void argumentsThatAreNoObjectAreNoAnswer() throws Exception {
    ScriptedMarket rubbish = new ScriptedMarket();
    String part =
        new String(
            CannedMarket.chunk(CannedMarket.call("c", "f", "{oops"), "tool_calls"),
            StandardCharsets.UTF_8);
    rubbish.serve("r", ModelTask.CHAT, ScriptedMarket.answers(CannedMarket.BILL, part));
    try (Gateway other = Gateway.start(GatewayConfig.loopback(), rubbish)) {
      HttpResponse<String> r =
          Client.post(
              other,
              "/v1/messages",
              "{\"model\":\"r\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
      assertThat(r.statusCode()).isEqualTo(502);
    }
  }

  @Test
  void modelsAreListedInTheShapeOfWhoAsks() throws Exception {
    HttpResponse<String> theirs =
        Client.send(
            Client.to(gateway, "/v1/models").header("anthropic-version", "2023-06-01").build());
    assertThat(theirs.body()).contains("\"display_name\"");
    assertThat(Client.get(gateway, "/v1/models").body()).contains("\"object\":\"list\"");
  }

  @Test
  void tokensAreCountedWhereATokenizerIsKnown() throws Exception {
    String body = "{'model':'%s','messages':[{'role':'user','content':'x'}]}";
    HttpResponse<String> counted =
        send("/v1/messages/count_tokens", "sk-test", body.formatted("m"));
    assertThat(counted.body()).matches("\\{\"input_tokens\":[1-9][0-9]*\\}");
    HttpResponse<String> unknown =
        send("/v1/messages/count_tokens", "sk-test", body.formatted("busy"));
    assertThat(unknown.statusCode()).isEqualTo(400);
    assertThat(unknown.body()).contains("tokenizer");
    assertThat(market.asked()).isEmpty();
  }
}
