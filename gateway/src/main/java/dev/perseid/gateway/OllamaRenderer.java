package dev.perseid.gateway;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Writes an answer as Ollama does: one object, or lines of JSON. Durations are measured at this
/// server, in nanoseconds; those of a stream's halves are absent where the answer came whole.
final class OllamaRenderer implements Renderer, Speech.Ear {
  /// Type of lines of JSON.
  static final String LINES = "application/x-ndjson";

  /// Which of Ollama's two calls.
  enum Shape {
    CHAT,
    GENERATE
  }

  private static final class Tool {
    private final String name;
    private final StringBuilder arguments = new StringBuilder();

    Tool(String name) {
      this.name = name;
    }
  }

  private final String name;
  private final String requestId;
  private final long arrivedNs;
  private final boolean stream;
  private final Shape shape;

  private Speech speech;
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder thoughts = new StringBuilder();
  private final List<Tool> tools = new ArrayList<>();
  private long askedNs;
  private long firstNs;

  /// @param name of the model, as the client wrote it
  /// @param requestId the request's name
  /// @param arrivedNs when it came, by the monotonic clock
  /// @param stream whether the client wants lines
  /// @param shape which call it is
  OllamaRenderer(String name, String requestId, long arrivedNs, boolean stream, Shape shape) {
    this.name = name;
    this.requestId = requestId;
    this.arrivedNs = arrivedNs;
    this.stream = stream;
    this.shape = shape;
    this.askedNs = arrivedNs;
    this.speech = new Speech(requestId, this);
  }

  @Override
  public String contentType() {
    return stream ? LINES : "application/json";
  }

  @Override
  public boolean streams() {
    return stream;
  }

  @Override
  public void serving(String model, Market.Listing listing) {
    begin();
  }

  /// Begins anew: nothing of an earlier attempt was rendered.
  void begin() {
    speech = new Speech(requestId, this);
    text.setLength(0);
    thoughts.setLength(0);
    tools.clear();
    askedNs = System.nanoTime();
    firstNs = 0;
  }

  @Override
  public void part(byte[] json, Outlet out) throws Problem {
    if (firstNs == 0) {
      firstNs = System.nanoTime();
    }
    speech.hear(json, out);
  }

  @Override
  public void text(String piece, Outlet out) {
    if (stream) {
      out.line(Json.bytes(piece(piece, "").put("done", false)));
    } else {
      text.append(piece);
    }
  }

  @Override
  public void thought(String piece, Outlet out) {
    if (stream) {
      out.line(Json.bytes(piece("", piece).put("done", false)));
    } else {
      thoughts.append(piece);
    }
  }

  @Override
  public void tool(int index, String callId, String toolName, Outlet out) {
    tools.add(new Tool(toolName));
  }

  @Override
  public void arguments(int index, String piece, Outlet out) {
    tools.get(index).arguments.append(piece);
  }

  @Override
  public void done(Market.Bill bill, Outlet out) throws Problem {
    Speech.End end = speech.end();
    ArrayNode calls = calls();
    if (stream && !calls.isEmpty()) {
      ObjectNode line = piece("", "");
      attach(line, calls);
      out.line(Json.bytes(line.put("done", false)));
    }
    ObjectNode last = stream ? piece("", "") : piece(text.toString(), thoughts.toString());
    if (!stream && !calls.isEmpty()) {
      attach(last, calls);
    }
    String reason =
        switch (end) {
          case STOP, TOOLS, FILTER -> "stop";
          case LENGTH -> "length";
        };
    last.put("done_reason", reason).put("done", true);
    long now = System.nanoTime();
    last.put("total_duration", now - arrivedNs);
    last.put("prompt_eval_count", bill.promptTokens());
    if (stream) {
      last.put("prompt_eval_duration", Math.max(0, firstNs - askedNs));
    }
    last.put("eval_count", bill.completionTokens());
    if (stream) {
      last.put("eval_duration", Math.max(0, now - firstNs));
    }
    if (stream) {
      out.line(Json.bytes(last));
    } else {
      out.write(Json.bytes(last));
    }
  }

  /// Ollama gives calls whole, with their arguments as objects.
  private ArrayNode calls() throws Problem {
    ArrayNode out = Json.MAPPER.createArrayNode();
    for (Tool tool : tools) {
      ObjectNode function = out.addObject().putObject("function").put("name", tool.name);
      function.set("arguments", Speech.arguments(tool.arguments.toString()));
    }
    return out;
  }

  private void attach(ObjectNode line, ArrayNode calls) {
    if (line.get("message") instanceof ObjectNode message) {
      message.set("tool_calls", calls);
    } else {
      line.set("tool_calls", calls);
    }
  }

  @Override
  public void failed(Problem problem, Outlet out) {
    out.line(Json.bytes(OllamaDialect.shape(problem)));
  }

  private ObjectNode piece(String words, String thinking) {
    ObjectNode out = empty(name, shape);
    if (out.get("message") instanceof ObjectNode message) {
      message.put("content", words);
      if (!thinking.isEmpty()) {
        message.put("thinking", thinking);
      }
    } else {
      out.put("response", words);
      if (!thinking.isEmpty()) {
        out.put("thinking", thinking);
      }
    }
    return out;
  }

  /// A line that says nothing yet.
  static ObjectNode empty(String name, Shape shape) {
    ObjectNode out = Json.object().put("model", name).put("created_at", Instant.now().toString());
    switch (shape) {
      case CHAT -> out.putObject("message").put("role", "assistant").put("content", "");
      case GENERATE -> out.put("response", "");
    }
    return out;
  }

  /// A body as a line.
  static byte[] line(byte[] body) {
    byte[] out = Arrays.copyOf(body, body.length + 1);
    out[body.length] = '\n';
    return out;
  }
}
