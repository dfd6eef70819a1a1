package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Failure;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ResponsesDialectTest {
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

  private JsonNode ask(int status, String body) throws Exception {
    HttpResponse<String> r = Client.post(gateway, "/v1/responses", body.replace('\'', '"'));
    assertThat(r.statusCode()).as(r.body()).isEqualTo(status);
    return Json.MAPPER.readTree(r.body());
  }

  private List<JsonNode> stream(Gateway of, String model) throws Exception {
    return events(of, "{\"model\":\"" + model + "\",\"input\":\"hi\",\"stream\":true}");
  }

  private static List<JsonNode> events(Gateway of, String body) throws Exception {
    HttpResponse<String> r = Client.post(of, "/v1/responses", body);
    assertThat(r.statusCode()).as(r.body()).isEqualTo(200);
    List<String> texts = Client.events(r.body());
    assertThat(texts.getLast()).isEqualTo("[DONE]");
    List<JsonNode> out = new ArrayList<>();
    for (String text : texts.subList(0, texts.size() - 1)) {
      JsonNode event = Json.MAPPER.readTree(text);
      assertThat(r.body()).contains("event: " + event.path("type").textValue() + "\n");
      assertThat(event.path("sequence_number").longValue()).isEqualTo(out.size());
      out.add(event);
    }
    return out;
  }

  private static List<String> types(List<JsonNode> events) {
    return events.stream().map(e -> e.path("type").textValue()).toList();
  }

  @Test
  void aConversationBecomesCanonical() throws Exception {
    ask(
        200,
        "{'model':'m','instructions':'be kind','input':["
            + "{'role':'developer','content':'be brief'},"
            + "{'type':'message','role':'user','content':[{'type':'input_text','text':'a'},{'type':'input_text','text':'b'}]},"
            + "{'type':'reasoning','id':'rs_1','summary':[]},"
            + "{'type':'message','id':'msg_1','status':'completed','role':'assistant','content':[{'type':'output_text','text':'I look','annotations':[]}]},"
            + "{'type':'function_call','call_id':'c1','name':'f','arguments':'{}'},"
            + "{'type':'function_call','call_id':'c2','name':'g','arguments':'{\\'x\\':1}'},"
            + "{'type':'function_call_output','call_id':'c1','output':'one'},"
            + "{'type':'function_call_output','call_id':'c2','output':[{'type':'input_text','text':'two'}]}],"
            + "'tools':[{'type':'function','name':'f','description':'d','parameters':{'type':'object'},'strict':true},{'type':'function','name':'g'}],"
            + "'tool_choice':{'type':'allowed_tools','mode':'required','tools':[{'type':'function','name':'f'}]},"
            + "'parallel_tool_calls':false,'max_output_tokens':9,'temperature':0.5,'top_p':0.25,"
            + "'reasoning':{'effort':'low'},'metadata':{'a':'b'},'user':'u','store':true,"
            + "'text':{'format':{'type':'json_schema','name':'n','schema':{'type':'object'},'strict':true}}}");
    assertThat(market.last())
        .isEqualTo(
            json(
                "{'model':'m','messages':[{'role':'system','content':'be kind'},{'role':'system','content':'be brief'},"
                    + "{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':'b'}]},"
                    + "{'role':'assistant','content':'I look','tool_calls':["
                    + "{'id':'c1','type':'function','function':{'name':'f','arguments':'{}'}},"
                    + "{'id':'c2','type':'function','function':{'name':'g','arguments':'{\\'x\\':1}'}}]},"
                    + "{'role':'tool','tool_call_id':'c1','content':'one'},{'role':'tool','tool_call_id':'c2','content':'two'}],"
                    + "'max_tokens':9,'temperature':0.5,'top_p':0.25,"
                    + "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'},'strict':true}}],"
                    + "'parallel_tool_calls':false,'tool_choice':'required',"
                    + "'response_format':{'type':'json_schema','json_schema':{'name':'n','schema':{'type':'object'},'strict':true}},"
                    + "'reasoning_effort':'low','user':'u'}"));
    assertThat(market.asked().getLast().maxTokens()).isEqualTo(9);
  }

  @Test
  void picturesAndFilesGoToTheProviderWhoMayReadThem() throws Exception {
    ask(
        200,
        "{'model':'m','input':[{'role':'user','content':[{'type':'input_text','text':'a'},"
            + "{'type':'input_image','image_url':'data:image/png;base64,AA==','detail':'low'},"
            + "{'type':'input_image','image_url':'https://x/y.png'},"
            + "{'type':'input_file','filename':'b.pdf','file_data':'data:application/pdf;base64,AA=='}]}]}");
    assertThat(market.last().path("messages"))
        .isEqualTo(
            json(
                "[{'role':'user','content':[{'type':'text','text':'a'},"
                    + "{'type':'image_url','image_url':{'url':'data:image/png;base64,AA==','detail':'low'}},"
                    + "{'type':'image_url','image_url':{'url':'https://x/y.png'}},"
                    + "{'type':'file','file':{'filename':'b.pdf','file_data':'data:application/pdf;base64,AA=='}}]}]"));
  }

  private static void isWhole(JsonNode response) {
    for (String field :
        ("id object created_at completed_at status incomplete_details model previous_response_id"
                + " instructions output error tools tool_choice truncation parallel_tool_calls text"
                + " top_p presence_penalty frequency_penalty top_logprobs temperature reasoning"
                + " usage max_output_tokens max_tool_calls store background service_tier metadata"
                + " safety_identifier prompt_cache_key")
            .split(" ")) {
      assertThat(response.has(field)).as(field).isTrue();
    }
  }

  /// The cases of Open Responses' own test suite that need nothing kept, whole and streamed.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          [{'type':'message','role':'user','content':'Say hello in three words.'}]                                                                     | message
          [{'type':'message','role':'system','content':'You are a pirate.'},{'type':'message','role':'user','content':'Hello.'}]                      | message
          [{'type':'message','role':'user','content':'Weather?'}],'tools':[{'type':'function','name':'get_weather','parameters':{'type':'object'}}]  | function_call
          [{'type':'message','role':'user','content':[{'type':'input_text','text':'What is it?'},{'type':'input_image','image_url':'data:x'}]}]      | message
          [{'type':'message','role':'user','content':[{'type':'input_file','filename':'a.pdf','file_data':'data:x'}]}]                              | message
          [{'role':'user','content':'I am Alice.'},{'role':'assistant','content':'Hello Alice!'},{'role':'user','content':'Who am I?'}]              | message
          """)
  void theCasesOfOpenResponses(String input, String type) throws Exception {
    String body = "{'model':'m','input':" + input;
    JsonNode whole = ask(200, body + "}");
    isWhole(whole);
    assertThat(whole.path("status").textValue()).isEqualTo("completed");
    assertThat(whole.path("output").get(0).path("type").textValue()).isEqualTo(type);
    List<JsonNode> events = events(gateway, (body + ",'stream':true}").replace('\'', '"'));
    assertThat(types(events))
        .startsWith("response.created", "response.in_progress", "response.output_item.added")
        .contains(
            type.equals("message")
                ? "response.output_text.delta"
                : "response.function_call_arguments.delta",
            type.equals("message")
                ? "response.output_text.done"
                : "response.function_call_arguments.done")
        .endsWith("response.output_item.done", "response.completed");
    assertThat(events.get(2).path("item").path("type").textValue()).isEqualTo(type);
    JsonNode last = events.getLast().path("response");
    isWhole(last);
    assertThat(last.path("output").get(0).path("type").textValue()).isEqualTo(type);
  }

  @Test
  void aResponseHasEveryFieldThatTheSpecificationRequires() throws Exception {
    JsonNode answer =
        ask(
            200,
            "{'model':'m','input':'hi','metadata':{'a':'b'},'max_output_tokens':9,'store':true}");
    isWhole(answer);
    assertThat(answer.path("store").booleanValue()).isFalse();
    assertThat(answer.path("metadata")).isEqualTo(json("{'a':'b'}"));
    assertThat(answer.path("max_output_tokens").intValue()).isEqualTo(9);
    assertThat(answer.path("usage"))
        .isEqualTo(
            json(
                "{'input_tokens':12,'input_tokens_details':{'cached_tokens':4,'cache_write_tokens':0},"
                    + "'output_tokens':5,'output_tokens_details':{'reasoning_tokens':0},'total_tokens':17}"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {'input':'x'}                                                                | model
          {'model':'m'}                                                                | input
          {'model':'m','input':[]}                                                     | input
          {'model':'m','input':7}                                                      | input
          {'model':'m','input':['x']}                                                  | input[0]
          {'model':'m','input':[{'role':'king','content':'x'}]}                        | input[0].role
          {'model':'m','input':[{'role':'user'}]}                                      | input[0].content
          {'model':'m','input':[{'role':'user','content':[{'type':'input_image'}]}]}   | input[0].content[0].image_url
          {'model':'m','input':[{'role':'user','content':[{'type':'input_image','file_id':'f'}]}]} | input[0].content[0].file_id
          {'model':'m','input':[{'role':'user','content':[{'type':'input_file','file_url':'http://x'}]}]} | input[0].content[0].file_url
          {'model':'m','input':[{'role':'user','content':[{'type':'input_file','filename':'x'}]}]} | input[0].content[0].file_data
          {'model':'m','input':[{'role':'user','content':[{'type':'input_file','file_data':'x'},{'type':'input_audio'}]}]} | input[0].content[1].type
          {'model':'m','input':[{'role':'system','content':[{'type':'input_image','image_url':'x'}]}]} | input[0].content[0]
          {'model':'m','input':[{'role':'user','content':[{'type':'input_text'}]}]}    | input[0].content[0].text
          {'model':'m','input':[{'type':'item_reference','id':'x'}]}                   | input[0]
          {'model':'m','input':[{'type':'computer_call'}]}                             | input[0].type
          {'model':'m','input':[{'type':'function_call_output','output':'x'}]}         | input[0].call_id
          {'model':'m','input':'x','previous_response_id':'resp_1'}                    | previous_response_id
          {'model':'m','input':'x','conversation':'conv_1'}                            | conversation
          {'model':'m','input':'x','prompt':{'id':'p'}}                                | prompt
          {'model':'m','input':'x','background':true}                                  | background
          {'model':'m','input':'x','top_logprobs':3}                                   | top_logprobs
          {'model':'m','input':'x','max_output_tokens':0}                              | max_output_tokens
          {'model':'m','input':'x','temperature':3}                                    | temperature
          {'model':'m','input':'x','stream':'yes'}                                     | stream
          {'model':'m','input':'x','tools':[{'type':'web_search'}]}                    | tools[0].type
          {'model':'m','input':'x','tools':[{'type':'function'}]}                      | tools[0].name
          {'model':'m','input':'x','tool_choice':'required'}                           | tool_choice
          {'model':'m','input':'x','tool_choice':{'type':'function','name':'f'}}       | tool_choice
          {'model':'m','input':'x','tool_choice':'sometimes'}                          | tool_choice
          {'model':'m','input':'x','text':{'format':{'type':'xml'}}}                   | text.format.type
          {'model':'m','input':'x','text':{'format':{'type':'json_schema','name':'n'}}} | text.format.schema
          {'model':'m','input':'x','metadata':{'a':1}}                                 | metadata
          """)
  void whatIsWrongIsNamed(String body, String param) throws Exception {
    JsonNode error = ask(400, body).path("error");
    assertThat(error.path("param").textValue()).isEqualTo(param);
    assertThat(error.path("type").textValue()).isEqualTo("invalid_request_error");
    assertThat(error.path("message").textValue()).contains(param).endsWith(".");
    assertThat(market.asked()).isEmpty();
  }

  @Test
  void nothingIsKept() throws Exception {
    HttpResponse<String> r = Client.get(gateway, "/v1/responses/resp_1");
    assertThat(r.statusCode()).isEqualTo(404);
    assertThat(r.body()).contains("keeps no responses");
  }

  @Test
  void aBrokenStreamEndsWithAnErrorAndAFailedResponse() throws Exception {
    List<JsonNode> events = stream(gateway, "midstream");
    assertThat(types(events).subList(events.size() - 2, events.size()))
        .containsExactly("error", "response.failed");
    JsonNode error = events.get(events.size() - 2);
    assertThat(error.path("message").textValue()).contains("went away");
    JsonNode response = events.getLast().path("response");
    assertThat(response.path("status").textValue()).isEqualTo("failed");
    assertThat(response.path("error").path("code").textValue()).isEqualTo("server_error");
    assertThat(response.path("output").get(0).path("status").textValue()).isEqualTo("incomplete");
    assertThat(response.path("output").get(0).path("content").get(0).path("text").textValue())
        .isEqualTo("Half an answer");
  }

  @Test
  void aProviderThatFailsBeforeTheFirstWordLeavesNoTrace() throws Exception {
    ScriptedMarket two = new ScriptedMarket();
    ScriptedMarket.Script fails =
        (request, most, to) -> {
          to.part(CannedMarket.chunk(CannedMarket.delta("role", "assistant"), null));
          to.failed(new Failure(Failure.Kind.BROKEN, "gone"), ScriptedMarket.NOTHING);
          return new Market.Placed.Running(() -> {});
        };
    ScriptedMarket.Script works =
        ScriptedMarket.answers(
            CannedMarket.BILL,
            new String(
                CannedMarket.chunk(CannedMarket.delta("content", "whole"), "stop"),
                StandardCharsets.UTF_8));
    // Whichever of them is asked first.
    boolean[] first = {true};
    ScriptedMarket.Script script =
        (request, most, to) -> {
          ScriptedMarket.Script now = first[0] ? fails : works;
          first[0] = false;
          return now.ask(request, most, to);
        };
    two.serve("r", ModelTask.CHAT, script).serve("r", ModelTask.CHAT, script);
    try (Gateway other = Gateway.start(GatewayConfig.loopback(), two)) {
      List<JsonNode> events = stream(other, "r");
      assertThat(two.asked).hasSize(2);
      assertThat(events.getLast().path("type").textValue()).isEqualTo("response.completed");
      assertThat(events.getLast().path("response").path("output")).hasSize(1);
    }
  }

  @Test
  void anAnswerWithoutAnEndIsNoAnswer() throws Exception {
    ScriptedMarket cut = new ScriptedMarket();
    String part =
        new String(
            CannedMarket.chunk(CannedMarket.delta("content", "half"), null),
            StandardCharsets.UTF_8);
    cut.serve("cut", ModelTask.CHAT, ScriptedMarket.answers(CannedMarket.BILL, part));
    try (Gateway other = Gateway.start(GatewayConfig.loopback(), cut)) {
      assertThat(types(stream(other, "cut"))).endsWith("error", "response.failed");
      HttpResponse<String> whole =
          Client.post(other, "/v1/responses", "{\"model\":\"cut\",\"input\":\"hi\"}");
      assertThat(whole.statusCode()).isEqualTo(502);
    }
  }
}
