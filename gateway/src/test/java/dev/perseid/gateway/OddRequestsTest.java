package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Requests with anything in any place: translators understand them or say what is wrong.
class OddRequestsTest {
  private static final int ROUNDS = 20_000;

  private interface Reader {
    void read(ObjectNode body) throws Problem;
  }

  private static void check(String valid, Reader reader) throws Exception {
    long seed = 1_012;
    Random random = new Random(seed);
    byte[] body = valid.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
    reader.read(Json.parse(body));
    int refused = 0;
    for (int i = 0; i < ROUNDS; i++) {
      ObjectNode odd = Json.parse(body);
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        spoil(odd, random);
      }
      try {
        reader.read(odd);
      } catch (Problem problem) {
        assertThat(problem.status()).as("seed %d: %s", seed, odd).isEqualTo(400);
        assertThat(problem.text()).as("seed %d: %s", seed, odd).endsWith(".");
        refused++;
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed + ": " + odd, e);
      }
    }
    assertThat(refused).isBetween(ROUNDS / 10, ROUNDS - ROUNDS / 100);
  }

  /// Puts something else in some place.
  private static void spoil(ObjectNode root, Random random) {
    List<JsonNode> holders = new ArrayList<>();
    gather(root, holders);
    JsonNode holder = holders.get(random.nextInt(holders.size()));
    JsonNode value =
        switch (random.nextInt(9)) {
          case 0 -> Json.object();
          case 1 -> Json.MAPPER.createArrayNode();
          case 2 -> Json.object().nullNode();
          case 3 -> Json.object().textNode("");
          case 4 -> Json.object().textNode("odd");
          case 5 -> Json.object().numberNode(random.nextLong());
          case 6 -> Json.object().numberNode(random.nextGaussian());
          case 7 -> Json.object().booleanNode(random.nextBoolean());
          default -> holders.get(random.nextInt(holders.size())).deepCopy();
        };
    if (holder instanceof ObjectNode object) {
      List<String> names = new ArrayList<>();
      object.fieldNames().forEachRemaining(names::add);
      String name = names.get(random.nextInt(names.size()));
      if (random.nextInt(5) == 0) {
        object.remove(name);
      } else {
        object.set(name, value);
      }
    } else if (holder instanceof ArrayNode array) {
      array.set(random.nextInt(array.size()), value);
    }
  }

  private static void gather(JsonNode node, List<JsonNode> to) {
    if (!node.isEmpty()) {
      to.add(node);
    }
    node.forEach(child -> gather(child, to));
    if (to.isEmpty()) {
      to.add(Json.object().put("x", 1));
    }
  }

  @Test
  void responses() throws Exception {
    check(
        "{'model':'m','models':['n'],'instructions':'i','input':[{'role':'user','content':[{'type':'input_text','text':'a'}]},"
            + "{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},{'type':'function_call_output','call_id':'c','output':'x'}],"
            + "'tools':[{'type':'function','name':'f','description':'d','parameters':{'type':'object'},'strict':true}],"
            + "'tool_choice':{'type':'allowed_tools','mode':'auto','tools':[{'type':'function','name':'f'}]},"
            + "'text':{'verbosity':'low','format':{'type':'json_schema','name':'n','schema':{'type':'object'},'strict':true}},"
            + "'reasoning':{'effort':'low'},'metadata':{'a':'b'},'provider':{'sort':'price'},'max_output_tokens':9,'temperature':1,'stream':true}",
        ResponsesDialect::read);
  }

  @Test
  void anthropic() throws Exception {
    check(
        "{'model':'m','system':[{'type':'text','text':'s'}],'messages':[{'role':'user','content':'x'},"
            + "{'role':'assistant','content':[{'type':'text','text':'t'},{'type':'tool_use','id':'i','name':'f','input':{'x':1}}]},"
            + "{'role':'user','content':[{'type':'tool_result','tool_use_id':'i','is_error':true,'content':[{'type':'text','text':'t'}]},{'type':'text','text':'u'}]}],"
            + "'tools':[{'name':'f','description':'d','input_schema':{'type':'object'}}],'tool_choice':{'type':'tool','name':'f'},"
            + "'output_config':{'format':{'type':'json_schema','schema':{'type':'object'}}}}",
        body -> AnthropicDialect.read(Form.of(body)));
  }

  @Test
  void ollama() throws Exception {
    check(
        "{'model':'m','messages':[{'role':'system','content':'s'},{'role':'user','content':'x','images':[]},"
            + "{'role':'assistant','content':'','tool_calls':[{'id':'i','function':{'name':'f','arguments':{'x':1}}}]},"
            + "{'role':'tool','tool_name':'f','tool_call_id':'i','content':'y'}],"
            + "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':'object'}}}],"
            + "'options':{'num_predict':9,'temperature':1,'top_k':1,'top_p':0.5,'min_p':0.5,'seed':1,'stop':['x'],'repeat_penalty':1},'think':'low'}",
        body -> OllamaDialect.options(Form.of(body), OllamaDialect.talk(Form.of(body))));
  }
}
