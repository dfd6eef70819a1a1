package dev.perseid.gateway;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Writes an answer as Anthropic's Messages API does: one message, or its events.
final class AnthropicRenderer implements Renderer, Speech.Ear {
  /// A piece of the answer: a text, or a call of a tool.
  private static final class Block {
    private final @Nullable String callId;
    private final String name;
    private final StringBuilder text = new StringBuilder();

    Block(@Nullable String callId, String name) {
      this.callId = callId;
      this.name = name;
    }

    /// As it is in the message.
    ObjectNode node(boolean empty) throws Problem {
      if (callId != null) {
        ObjectNode out = Json.object().put("type", "tool_use").put("id", callId).put("name", name);
        out.set("input", empty ? Json.object() : Speech.arguments(text.toString()));
        out.putObject("caller").put("type", "direct");
        return out;
      }
      ObjectNode out = Json.object().put("type", "text").put("text", empty ? "" : text.toString());
      return out.putNull("citations");
    }
  }

  private final String requestId;
  private final boolean stream;
  private final Set<String> stops;

  private String model = "";
  private Speech speech;
  private final List<Block> blocks = new ArrayList<>();
  private int currentTool;
  private boolean open;
  private boolean begun;

  /// @param requestId the request's name
  /// @param stream whether the client wants events
  /// @param stops words at which the answer shall stop
  AnthropicRenderer(String requestId, boolean stream, Set<String> stops) {
    this.requestId = requestId;
    this.stream = stream;
    this.stops = stops;
    this.speech = new Speech(suffix(), this);
  }

  private String suffix() {
    return requestId.startsWith("req_") ? requestId.substring(4) : requestId;
  }

  @Override
  public String contentType() {
    return stream ? "text/event-stream; charset=utf-8" : "application/json";
  }

  @Override
  public boolean streams() {
    return stream;
  }

  @Override
  public void serving(String name, Market.Listing listing) {
    serving(name);
  }

  /// Begins anew: nothing of an earlier attempt was rendered.
  void serving(String name) {
    model = name;
    speech = new Speech(suffix(), this);
    blocks.clear();
    currentTool = 0;
    open = false;
  }

  @Override
  public void part(byte[] json, Outlet out) throws Problem {
    speech.hear(json, out);
  }

  // ---- what the model says --------------------------------------------------------------------

  @Override
  public void text(String piece, Outlet out) throws Problem {
    if (blocks.isEmpty() || blocks.getLast().callId != null) {
      open(new Block(null, ""), out);
    }
    blocks.getLast().text.append(piece);
    delta("text_delta", "text", piece, out);
  }

  @Override
  public void thought(String piece, Outlet out) {
    // A thinking block would need a signature of Anthropic's.
  }

  @Override
  public void tool(int index, String callId, String name, Outlet out) throws Problem {
    open(new Block(callId, name), out);
    currentTool = index;
  }

  @Override
  public void arguments(int index, String piece, Outlet out) throws Problem {
    // Blocks come one after another, so a call is over when the next thing begins.
    if (index != currentTool || blocks.getLast().callId == null) {
      throw Speech.rubbish("The provider mixed the arguments of several calls.");
    }
    blocks.getLast().text.append(piece);
    delta("input_json_delta", "partial_json", piece, out);
  }

  private void open(Block block, Outlet out) throws Problem {
    begin(out);
    close(out);
    blocks.add(block);
    open = true;
    if (stream) {
      ObjectNode event = event("content_block_start").put("index", blocks.size() - 1);
      event.set("content_block", block.node(true));
      send(event, out);
    }
  }

  private void delta(String type, String field, String piece, Outlet out) {
    if (stream) {
      ObjectNode event = event("content_block_delta").put("index", blocks.size() - 1);
      event.putObject("delta").put("type", type).put(field, piece);
      send(event, out);
    }
  }

  private void close(Outlet out) {
    if (open && stream) {
      send(event("content_block_stop").put("index", blocks.size() - 1), out);
    }
    open = false;
  }

  private void begin(Outlet out) {
    if (begun || !stream) {
      return;
    }
    begun = true;
    ObjectNode event = event("message_start");
    event.set("message", message(Json.MAPPER.createArrayNode(), new Market.Bill(0, 0, 0, 0, 0)));
    send(event, out);
    send(event("ping"), out);
  }

  private ObjectNode message(ArrayNode content, Market.Bill bill) {
    ObjectNode out = Json.object();
    out.put("id", "msg_" + suffix()).put("type", "message").put("role", "assistant");
    out.put("model", model);
    out.set("content", content);
    out.putNull("stop_reason").putNull("stop_sequence").putNull("stop_details");
    out.putNull("container").putNull("diagnostics");
    ObjectNode usage = usage(out.putObject("usage"), bill);
    usage.putNull("cache_creation").putNull("inference_geo").putNull("speed");
    usage.put("service_tier", "standard");
    return out;
  }

  /// Anthropic counts tokens from the cache apart from the others.
  private static ObjectNode usage(ObjectNode usage, Market.Bill bill) {
    usage.put("input_tokens", Math.max(0, bill.promptTokens() - bill.cachedTokens()));
    usage.put("cache_creation_input_tokens", 0);
    usage.put("cache_read_input_tokens", bill.cachedTokens());
    usage.put("output_tokens", bill.completionTokens());
    usage.putNull("output_tokens_details").putNull("server_tool_use");
    return usage;
  }

  // ---- its end --------------------------------------------------------------------------------

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    Speech.End end = speech.end();
    String word = speech.stopWord().filter(stops::contains).orElse(null);
    String reason =
        switch (end) {
          case STOP -> word == null ? "end_turn" : "stop_sequence";
          case LENGTH -> "max_tokens";
          case TOOLS -> "tool_use";
          case FILTER -> "refusal";
        };
    begin(out);
    ArrayNode content = Json.MAPPER.createArrayNode();
    for (Block block : blocks) {
      // A call that was cut has half an object: its end says so, and a stream has shown it already.
      boolean cut = end == Speech.End.LENGTH && block == blocks.getLast();
      content.add(cut && block.callId != null ? halfCall(block) : block.node(false));
    }
    if (!stream) {
      ObjectNode message = message(content, bill);
      message.put("stop_reason", reason).put("stop_sequence", word);
      out.write(Json.bytes(message));
      return;
    }
    close(out);
    ObjectNode event = event("message_delta");
    ObjectNode delta = event.putObject("delta");
    delta.put("stop_reason", reason).put("stop_sequence", word);
    delta.putNull("stop_details").putNull("container");
    usage(event.putObject("usage"), bill);
    send(event, out);
    send(event("message_stop"), out);
  }

  private static ObjectNode halfCall(Block block) throws Problem {
    try {
      return block.node(false);
    } catch (Problem problem) {
      return block.node(true);
    }
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    send(AnthropicDialect.shape(problem, requestId), out);
  }

  @Override
  public void waiting(Outlet out) {
    send(event("ping"), out);
  }

  private static ObjectNode event(String type) {
    return Json.object().put("type", type);
  }

  private static void send(ObjectNode event, Outlet out) {
    out.event(event.path("type").textValue(), Json.bytes(event));
  }
}
