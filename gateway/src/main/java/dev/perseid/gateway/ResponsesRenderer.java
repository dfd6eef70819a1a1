package dev.perseid.gateway;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Writes an answer as OpenAI's Responses API does: one response, or its events with their numbers.
final class ResponsesRenderer implements Renderer, Speech.Ear {
  private static final byte[] END = "[DONE]".getBytes(StandardCharsets.US_ASCII);

  /// A message or a call of a function in the answer.
  private static final class Item {
    private final String id;
    private final int index;
    private final @Nullable String callId;
    private final String name;
    private final StringBuilder text = new StringBuilder();
    private boolean closed;

    Item(String id, int index, @Nullable String callId, String name) {
      this.id = id;
      this.index = index;
      this.callId = callId;
      this.name = name;
    }

    ObjectNode node(String status, boolean empty) {
      ObjectNode out = Json.object();
      if (callId != null) {
        out.put("type", "function_call").put("id", id).put("status", status);
        out.put("call_id", callId).put("name", name);
        return out.put("arguments", empty ? "" : text.toString());
      }
      out.put("type", "message").put("id", id).put("status", status).put("role", "assistant");
      ArrayNode content = out.putArray("content");
      if (!empty) {
        content.add(part(text.toString()));
      }
      return out;
    }

    static ObjectNode part(String text) {
      ObjectNode out = Json.object().put("type", "output_text").put("text", text);
      out.putArray("annotations");
      out.putArray("logprobs");
      return out;
    }
  }

  private final String id;
  private final long createdS;
  private final boolean stream;
  private final ObjectNode echo;

  private String model = "";
  private Speech speech;
  private final List<Item> items = new ArrayList<>();
  private final List<Item> calls = new ArrayList<>();
  private @Nullable Item message;
  private boolean begun;
  private long sequence;

  /// @param id of the request, unique
  /// @param createdS when it came, seconds since the epoch
  /// @param stream whether the client wants events
  /// @param echo what the response repeats of the request
  ResponsesRenderer(String id, long createdS, boolean stream, ObjectNode echo) {
    this.id = id;
    this.createdS = createdS;
    this.stream = stream;
    this.echo = echo;
    this.speech = new Speech(id, this);
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
    speech = new Speech(id, this);
    items.clear();
    calls.clear();
    message = null;
  }

  @Override
  public void part(byte[] json, Outlet out) throws Problem {
    speech.hear(json, out);
  }

  // ---- what the model says --------------------------------------------------------------------

  @Override
  public void text(String piece, Outlet out) {
    Item item = message;
    if (item == null) {
      item = openMessage(out);
    }
    item.text.append(piece);
    if (stream) {
      ObjectNode event = at("response.output_text.delta", item);
      event.put("content_index", 0).put("delta", piece).putArray("logprobs");
      send(event, out);
    }
  }

  private Item openMessage(Outlet out) {
    begin(out);
    Item item = new Item("msg_" + id + items.size(), items.size(), null, "");
    items.add(item);
    message = item;
    if (stream) {
      added(item, out);
      ObjectNode event = at("response.content_part.added", item).put("content_index", 0);
      event.set("part", Item.part(""));
      send(event, out);
    }
    return item;
  }

  private void added(Item item, Outlet out) {
    ObjectNode event = event("response.output_item.added").put("output_index", item.index);
    event.set("item", item.node("in_progress", true));
    send(event, out);
  }

  @Override
  public void thought(String piece, Outlet out) {
    // Not part of the answer's text; a summary of it is nothing that a market's models make.
  }

  @Override
  public void tool(int index, String callId, String name, Outlet out) {
    begin(out);
    if (message != null) {
      close(message, "completed", out);
      message = null;
    }
    Item item = new Item("fc_" + id + items.size(), items.size(), callId, name);
    items.add(item);
    calls.add(item);
    if (stream) {
      added(item, out);
    }
  }

  @Override
  public void arguments(int index, String piece, Outlet out) {
    Item item = calls.get(index);
    item.text.append(piece);
    if (stream) {
      send(at("response.function_call_arguments.delta", item).put("delta", piece), out);
    }
  }

  private void close(Item item, String status, Outlet out) {
    if (item.closed) {
      return;
    }
    item.closed = true;
    if (!stream) {
      return;
    }
    String text = item.text.toString();
    if (item.callId == null) {
      ObjectNode done = at("response.output_text.done", item);
      done.put("content_index", 0).put("text", text).putArray("logprobs");
      send(done, out);
      ObjectNode part = at("response.content_part.done", item).put("content_index", 0);
      part.set("part", Item.part(text));
      send(part, out);
    } else {
      ObjectNode done = at("response.function_call_arguments.done", item);
      send(done.put("name", item.name).put("arguments", text), out);
    }
    ObjectNode done = event("response.output_item.done").put("output_index", item.index);
    done.set("item", item.node(status, false));
    send(done, out);
  }

  // ---- its end --------------------------------------------------------------------------------

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    Speech.End end = speech.end();
    begin(out);
    if (items.isEmpty()) {
      openMessage(out);
    }
    String cut =
        switch (end) {
          case STOP, TOOLS -> "";
          case LENGTH -> "max_output_tokens";
          case FILTER -> "content_filter";
        };
    String status = cut.isEmpty() ? "completed" : "incomplete";
    ArrayNode output = Json.MAPPER.createArrayNode();
    for (Item item : items) {
      // Only the last item was cut.
      String ofItem = item == items.getLast() ? status : "completed";
      close(item, ofItem, out);
      output.add(item.node(ofItem, false));
    }
    ObjectNode response = response(status, output);
    if (cut.isEmpty()) {
      response.put("completed_at", System.currentTimeMillis() / 1_000);
    } else {
      response.putObject("incomplete_details").put("reason", cut);
    }
    ObjectNode usage = response.putObject("usage").put("input_tokens", bill.promptTokens());
    usage
        .putObject("input_tokens_details")
        .put("cached_tokens", bill.cachedTokens())
        .put("cache_write_tokens", 0);
    usage.put("output_tokens", bill.completionTokens());
    usage.putObject("output_tokens_details").put("reasoning_tokens", 0);
    usage.put("total_tokens", bill.promptTokens() + bill.completionTokens());
    if (!stream) {
      out.write(Json.bytes(response));
      return;
    }
    ObjectNode event = event("response." + status);
    event.set("response", response);
    send(event, out);
    out.event(END);
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    begin(out);
    String code = problem.code().isEmpty() ? "server_error" : problem.code();
    ObjectNode error = event("error").put("code", code).put("message", problem.text());
    error.put("param", problem.param().isEmpty() ? null : problem.param());
    send(error, out);
    ArrayNode output = Json.MAPPER.createArrayNode();
    for (Item item : items) {
      output.add(item.node(item.closed ? "completed" : "incomplete", false));
    }
    ObjectNode response = response("failed", output);
    boolean busy = problem.kind() == Problem.Kind.TOO_MANY;
    response
        .putObject("error")
        .put("code", busy ? "rate_limit_exceeded" : "server_error")
        .put("message", problem.text());
    ObjectNode event = event("response.failed");
    event.set("response", response);
    send(event, out);
    out.event(END);
  }

  private void begin(Outlet out) {
    if (begun || !stream) {
      return;
    }
    begun = true;
    for (String type : new String[] {"response.created", "response.in_progress"}) {
      ObjectNode event = event(type);
      event.set("response", response("in_progress", Json.MAPPER.createArrayNode()));
      send(event, out);
    }
  }

  private ObjectNode response(String status, ArrayNode output) {
    ObjectNode out = Json.object();
    out.put("id", "resp_" + id).put("object", "response").put("created_at", createdS);
    out.putNull("completed_at").put("status", status);
    out.putNull("error").putNull("incomplete_details");
    out.put("model", model);
    out.set("output", output);
    out.setAll(echo);
    return out.putNull("usage");
  }

  private ObjectNode event(String type) {
    return Json.object().put("type", type).put("sequence_number", sequence++);
  }

  private ObjectNode at(String type, Item item) {
    return event(type).put("item_id", item.id).put("output_index", item.index);
  }

  private static void send(ObjectNode event, Outlet out) {
    out.event(event.path("type").textValue(), Json.bytes(event));
  }
}
