package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/// OpenAI's answer to a request for embeddings: as numbers, or as little-endian 32-bit floats in
/// base64, which its clients ask for.
final class EmbeddingRenderer implements Renderer {
  private final boolean base64;
  private final int inputs;
  private String model = "";
  private @Nullable ObjectNode answer;

  EmbeddingRenderer(boolean base64, int inputs) {
    this.base64 = base64;
    this.inputs = inputs;
  }

  @Override
  public String contentType() {
    return "application/json";
  }

  @Override
  public boolean streams() {
    return false;
  }

  @Override
  public void serving(String name, Market.Listing listing) {
    model = name;
  }

  @Override
  public void part(byte[] json, Outlet out) throws Problem {
    ObjectNode tree = Json.ofProvider(json);
    JsonNode data = tree.path("data");
    if (!data.isArray() || data.size() != inputs) {
      throw wrong("The provider sent " + data.size() + " embeddings for " + inputs + " inputs.");
    }
    for (JsonNode one : data) {
      JsonNode vector = one.path("embedding");
      if (!(one instanceof ObjectNode object) || !vector.isArray() || vector.isEmpty()) {
        throw wrong("The provider sent an embedding that is no list of numbers.");
      }
      ByteBuffer floats = ByteBuffer.allocate(vector.size() * 4).order(ByteOrder.LITTLE_ENDIAN);
      for (JsonNode number : vector) {
        if (!number.isNumber() || !Float.isFinite(number.floatValue())) {
          throw wrong("The provider sent an embedding that is no list of numbers.");
        }
        floats.putFloat(number.floatValue());
      }
      if (base64) {
        object.put("embedding", Base64.getEncoder().encodeToString(floats.array()));
      }
    }
    answer = tree;
  }

  private static Problem wrong(String what) {
    return new Problem(Problem.Kind.BROKEN, what, "provider_failed");
  }

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    ObjectNode tree = answer;
    if (tree == null) {
      throw wrong("The provider's answer was empty.");
    }
    tree.put("object", "list");
    tree.put("model", model);
    ObjectNode usage = Json.objectIn(tree, "usage");
    JsonNode claimed = usage.path("prompt_tokens");
    long prompt =
        claimed.isIntegralNumber()
            ? Math.min(claimed.longValue(), bill.promptTokens())
            : bill.promptTokens();
    usage.put("prompt_tokens", prompt);
    usage.put("total_tokens", prompt);
    usage.put("cost", new BigDecimal(Cost.credits(bill.charge())));
    out.write(Json.bytes(tree));
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    out.write(OpenAiDialect.shape(problem));
  }
}
