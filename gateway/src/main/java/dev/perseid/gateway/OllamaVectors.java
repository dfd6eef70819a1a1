package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/// Writes embeddings as Ollama does.
final class OllamaVectors implements Renderer {
  private final String name;
  private final long arrivedNs;
  private final boolean old;
  private final int texts;
  private @Nullable ArrayNode vectors;

  /// @param name of the model, as the client wrote it
  /// @param arrivedNs when the request came, by the monotonic clock
  /// @param old whether it is the older call, which has one vector and nothing else
  /// @param texts how many vectors there shall be
  OllamaVectors(String name, long arrivedNs, boolean old, int texts) {
    this.name = name;
    this.arrivedNs = arrivedNs;
    this.old = old;
    this.texts = texts;
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
  public void part(byte[] json, Outlet out) throws Problem {
    JsonNode data = Json.ofProvider(json).path("data");
    JsonNode[] inOrder = new JsonNode[texts];
    int position = 0;
    for (JsonNode one : data) {
      int index = one.path("index").asInt(position++);
      if (index < 0 || index >= texts || !one.path("embedding").isArray()) {
        throw Speech.rubbish("The provider sent something that is no list of vectors.");
      }
      inOrder[index] = one.path("embedding");
    }
    ArrayNode all = Json.MAPPER.createArrayNode();
    for (JsonNode vector : inOrder) {
      if (vector == null) {
        throw Speech.rubbish("The provider sent fewer vectors than there are texts.");
      }
      all.add(vector);
    }
    vectors = all;
  }

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    if (vectors == null) {
      throw Speech.rubbish("The provider sent no vectors.");
    }
    ObjectNode body = Json.object();
    if (old) {
      body.set("embedding", vectors.get(0));
    } else {
      body.put("model", name).set("embeddings", vectors);
      body.put("total_duration", System.nanoTime() - arrivedNs);
      body.put("prompt_eval_count", bill.promptTokens());
    }
    out.write(Json.bytes(body));
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    throw new IllegalStateException("an answer that comes whole has no error in band");
  }
}
