package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.TreeMap;

/// A trace as OpenTelemetry spans, in the JSON of OTLP (opentelemetry-proto 1.x,
/// `ExportTraceServiceRequest`): a span for the run, and below it one for each attempt, with a link
/// to each attempt that it waited for; a forked task's span is below its forker's. A resource for
/// each place. Ids follow from the trace's id, task and attempt, so that sending twice makes
/// nothing twice. A run that another program's span started ([Trace#parent]) is in that trace,
/// below that span.
public final class Otlp {
  private static final JsonFactory JSON = new JsonFactory();

  private final Trace trace;
  private final String version;
  private final String traceId;
  private final String rootId;

  /// @param version of Perseid
  public Otlp(Trace trace, String version) {
    this.trace = trace;
    this.version = version;
    traceId =
        trace.parent().map(TraceParent::traceId).orElseGet(() -> hash("trace").substring(0, 32));
    rootId = hash("run").substring(0, 16);
  }

  private String hash(String what) {
    // In a trace of others a file's name alone would not tell two runs apart.
    String of = trace.parent().isPresent() ? trace.id() + "\n" + trace.epochUs() : trace.id();
    return Hash.sha256(("perseid span\n" + of + "\n" + what).getBytes(UTF_8)).hex();
  }

  /// The trace's id, 32 hexadecimal digits.
  public String traceId() {
    return traceId;
  }

  String spanId(int attempt) {
    return hash(trace.task(attempt) + "\n" + trace.number(attempt)).substring(0, 16);
  }

  /// How many requests it takes; each has at most [Limits#OTLP_SPANS] attempts.
  public int requests() {
    return Math.max(1, (trace.attempts() + Limits.OTLP_SPANS - 1) / Limits.OTLP_SPANS);
  }

  /// Writes all spans as one document, without a request's limit; the stream is flushed and left
  /// open.
  public void write(OutputStream out) throws IOException {
    write(0, trace.attempts(), out);
  }

  /// Writes one request; the first has the span of the run.
  public void write(int request, OutputStream out) throws IOException {
    int from = request * Limits.OTLP_SPANS;
    write(from, Math.min(trace.attempts(), from + Limits.OTLP_SPANS), out);
  }

  private void write(int from, int to, OutputStream out) throws IOException {
    TreeMap<String, List<Integer>> byPlace = new TreeMap<>();
    for (int a = from; a < to; a++) {
      byPlace.computeIfAbsent(trace.place(a), p -> new ArrayList<>()).add(a);
    }
    try (JsonGenerator json = JSON.createGenerator(out, JsonEncoding.UTF8)) {
      json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
      json.writeStartObject();
      json.writeArrayFieldStart("resourceSpans");
      if (from == 0) {
        open(json, "");
        root(json);
        close(json);
      }
      for (var place : byPlace.entrySet()) {
        open(json, place.getKey());
        for (int a : place.getValue()) {
          attempt(json, a);
        }
        close(json);
      }
      json.writeEndArray();
      json.writeEndObject();
    }
  }

  private void open(JsonGenerator json, String place) throws IOException {
    json.writeStartObject();
    json.writeObjectFieldStart("resource");
    json.writeArrayFieldStart("attributes");
    text(json, "service.name", "perseid");
    text(json, "service.version", version);
    if (!place.isEmpty()) {
      text(json, "service.instance.id", place);
    }
    json.writeEndArray();
    json.writeEndObject();
    json.writeArrayFieldStart("scopeSpans");
    json.writeStartObject();
    json.writeObjectFieldStart("scope");
    json.writeStringField("name", "perseid.records");
    json.writeEndObject();
    json.writeArrayFieldStart("spans");
  }

  private static void close(JsonGenerator json) throws IOException {
    json.writeEndArray();
    json.writeEndObject();
    json.writeEndArray();
    json.writeEndObject();
  }

  private void root(JsonGenerator json) throws IOException {
    long begin = Long.MAX_VALUE;
    long end = Long.MIN_VALUE;
    for (int a = 0; a < trace.attempts(); a++) {
      begin = Math.min(begin, Math.min(startOf(a), known(a, Measure.READY, startOf(a))));
      end = Math.max(end, endOf(a));
    }
    span(
        json,
        rootId,
        trace.parent().map(TraceParent::spanId).orElse(""),
        trace.title(),
        begin == Long.MAX_VALUE ? 0 : begin,
        Math.max(begin == Long.MAX_VALUE ? 0 : begin, end));
    json.writeArrayFieldStart("attributes");
    text(json, "perseid.source", trace.id());
    number(json, "perseid.tasks", trace.tasks());
    json.writeEndArray();
    json.writeEndObject();
  }

  private void attempt(JsonGenerator json, int a) throws IOException {
    int task = trace.task(a);
    int forker = trace.forkerOf(task);
    String parent = forker < 0 || last(forker) < 0 ? rootId : spanId(last(forker));
    span(json, spanId(a), parent, trace.name(task), startOf(a), endOf(a));
    json.writeArrayFieldStart("attributes");
    text(json, "perseid.kind", trace.kind(task));
    number(json, "perseid.task", task);
    number(json, "perseid.attempt", trace.number(a));
    text(json, "perseid.outcome", trace.ending(a).name().toLowerCase(Locale.ROOT));
    for (Measure measure : Measure.values()) {
      OptionalLong value = trace.get(a, measure);
      if (value.isPresent()) {
        number(json, "perseid." + measure.column(), value.getAsLong());
      }
    }
    json.writeEndArray();
    if (trace.parentsFrom(task) < trace.parentsTo(task)) {
      json.writeArrayFieldStart("links");
      for (int e = trace.parentsFrom(task); e < trace.parentsTo(task); e++) {
        int before = last(trace.parentAt(e));
        if (before >= 0) {
          json.writeStartObject();
          json.writeStringField("traceId", traceId);
          json.writeStringField("spanId", spanId(before));
          json.writeEndObject();
        }
      }
      json.writeEndArray();
    }
    json.writeObjectFieldStart("status");
    json.writeNumberField("code", trace.ending(a).good() ? 1 : 2);
    if (!trace.reason(a).isEmpty()) {
      json.writeStringField("message", trace.reason(a));
    }
    json.writeEndObject();
    json.writeEndObject();
  }

  /// The last attempt of a task, or -1.
  private int last(int task) {
    int to = trace.attemptsTo(task);
    return to == trace.attemptsFrom(task) ? -1 : trace.attemptAt(to - 1);
  }

  private void span(JsonGenerator json, String id, String parent, String name, long start, long end)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("traceId", traceId);
    json.writeStringField("spanId", id);
    if (!parent.isEmpty()) {
      json.writeStringField("parentSpanId", parent);
    }
    json.writeStringField("name", name);
    json.writeNumberField("kind", 1);
    json.writeStringField("startTimeUnixNano", nanos(start));
    json.writeStringField("endTimeUnixNano", nanos(Math.max(start, end)));
  }

  private String nanos(long ns) {
    return Long.toUnsignedString(Math.max(0, trace.epochUs() * 1_000 + ns));
  }

  private long known(int attempt, Measure measure, long otherwise) {
    long value = trace.raw(attempt, measure);
    return value == Trace.UNKNOWN ? otherwise : value;
  }

  private long startOf(int a) {
    return known(a, Measure.START, known(a, Measure.ASSIGNED, known(a, Measure.READY, 0)));
  }

  private long endOf(int a) {
    long start = startOf(a);
    long ran = trace.ranNs(a).orElse(0);
    return Math.max(start, known(a, Measure.END, known(a, Measure.RECORDED, start + ran)));
  }

  private static void text(JsonGenerator json, String key, String value) throws IOException {
    json.writeStartObject();
    json.writeStringField("key", key);
    json.writeObjectFieldStart("value");
    json.writeStringField("stringValue", value);
    json.writeEndObject();
    json.writeEndObject();
  }

  private static void number(JsonGenerator json, String key, long value) throws IOException {
    json.writeStartObject();
    json.writeStringField("key", key);
    json.writeObjectFieldStart("value");
    // 64-bit numbers are strings in protobuf's JSON.
    json.writeStringField("intValue", Long.toString(value));
    json.writeEndObject();
    json.writeEndObject();
  }
}
