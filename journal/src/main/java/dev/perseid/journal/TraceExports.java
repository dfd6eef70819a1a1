package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.io.SerializedString;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/// A trace in the formats of other people's tools. Streams are flushed and left open; the same
/// trace gives the same bytes. [Exports] says more of a pool's entries: digests, hashes, prices.
public final class TraceExports {
  private static final JsonFactory JSON = new JsonFactory();
  private static final Pattern PLAIN_ID = Pattern.compile("[0-9a-zA-Z._-]+");

  private TraceExports() {}

  /// JSON Lines: an object for each attempt.
  public static void jsonl(Trace trace, OutputStream out) throws IOException {
    try (JsonGenerator json = generator(out)) {
      json.setRootValueSeparator(new SerializedString("\n"));
      for (int a = 0; a < trace.attempts(); a++) {
        json.writeStartObject();
        fields(json, trace, a);
        json.writeEndObject();
      }
      if (trace.attempts() > 0) {
        json.writeRaw('\n');
      }
    }
  }

  private static void fields(JsonGenerator json, Trace trace, int a) throws IOException {
    int task = trace.task(a);
    json.writeNumberField("task", task);
    json.writeStringField("name", trace.name(task));
    json.writeStringField("kind", trace.kind(task));
    json.writeNumberField("attempt", trace.number(a));
    json.writeStringField("place", trace.place(a));
    json.writeStringField("outcome", trace.ending(a).name());
    if (!trace.reason(a).isEmpty()) {
      json.writeStringField("reason", trace.reason(a));
    }
    json.writeArrayFieldStart("waits_for");
    for (int e = trace.parentsFrom(task); e < trace.parentsTo(task); e++) {
      json.writeNumber(trace.parentAt(e));
    }
    json.writeEndArray();
    if (trace.forkerOf(task) >= 0) {
      json.writeNumberField("forked_by", trace.forkerOf(task));
    }
    for (Measure measure : Measure.values()) {
      OptionalLong value = trace.get(a, measure);
      if (value.isPresent()) {
        json.writeNumberField(measure.column(), value.getAsLong());
      }
    }
  }

  /// CSV (RFC 4180) with a header line: a line for each attempt; what is unknown is empty.
  public static void csv(Trace trace, OutputStream out) throws IOException {
    Writer writer = new BufferedWriter(new OutputStreamWriter(out, UTF_8));
    writer.write("task,name,kind,attempt,place,outcome,reason,waits_for,forked_by");
    for (Measure measure : Measure.values()) {
      writer.write("," + measure.column());
    }
    writer.write("\r\n");
    for (int a = 0; a < trace.attempts(); a++) {
      int task = trace.task(a);
      StringBuilder waits = new StringBuilder();
      for (int e = trace.parentsFrom(task); e < trace.parentsTo(task); e++) {
        waits.append(waits.isEmpty() ? "" : " ").append(trace.parentAt(e));
      }
      writer.write(
          String.join(
              ",",
              Integer.toString(task),
              CsvTable.quoted(trace.name(task)),
              CsvTable.quoted(trace.kind(task)),
              Integer.toString(trace.number(a)),
              CsvTable.quoted(trace.place(a)),
              trace.ending(a).name(),
              CsvTable.quoted(trace.reason(a)),
              waits,
              trace.forkerOf(task) < 0 ? "" : Integer.toString(trace.forkerOf(task))));
      for (Measure measure : Measure.values()) {
        OptionalLong value = trace.get(a, measure);
        writer.write(value.isPresent() ? "," + value.getAsLong() : ",");
      }
      writer.write("\r\n");
    }
    writer.flush();
  }

  /// Chrome's trace event format, which Perfetto opens: a process for each place, a thread for each
  /// attempt that it ran at once.
  public static void chrome(Trace trace, OutputStream out) throws IOException {
    Lanes lanes = new Lanes(Pieces.of(trace));
    try (JsonGenerator json = generator(out)) {
      json.writeStartObject();
      json.writeStringField("displayTimeUnit", "ms");
      json.writeArrayFieldStart("traceEvents");
      for (int place = 0; place < trace.places().size(); place++) {
        json.writeStartObject();
        json.writeStringField("name", "process_name");
        json.writeStringField("ph", "M");
        json.writeNumberField("pid", place + 1);
        json.writeObjectFieldStart("args");
        json.writeStringField("name", trace.places().get(place));
        json.writeEndObject();
        json.writeEndObject();
      }
      for (int p : lanes.pieces()) {
        int a = lanes.of().attempt[p];
        json.writeStartObject();
        json.writeStringField("name", trace.name(trace.task(a)));
        json.writeStringField("cat", trace.kind(trace.task(a)));
        json.writeStringField("ph", "X");
        json.writeNumberField("ts", trace.epochUs() + lanes.of().start[p] / 1e3);
        json.writeNumberField("dur", lanes.of().ran(p) / 1e3);
        json.writeNumberField("pid", trace.placeOf(a) + 1);
        json.writeNumberField("tid", lanes.lane(p) + 1);
        json.writeObjectFieldStart("args");
        fields(json, trace, a);
        json.writeEndObject();
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
      json.writeRaw('\n');
    }
  }

  /// WfFormat 1.5 (WfCommons): the graph, and of each task that ran its last attempt. A forked task
  /// is a child of its forker. With it `perseid run` runs what was recorded elsewhere.
  ///
  /// @param version of Perseid
  public static void wfformat(Trace trace, String version, OutputStream out) throws IOException {
    int n = trace.tasks();
    List<List<Integer>> children = new ArrayList<>();
    for (int t = 0; t < n; t++) {
      children.add(new ArrayList<>());
    }
    for (int t = 0; t < n; t++) {
      for (int parent : parents(trace, t)) {
        children.get(parent).add(t);
      }
    }
    try (JsonGenerator json = generator(out)) {
      json.useDefaultPrettyPrinter();
      json.writeStartObject();
      json.writeStringField("name", trace.title());
      json.writeStringField("description", "Recorded; written by Perseid from " + trace.id());
      json.writeStringField("createdAt", instant(trace.epochUs()));
      json.writeStringField("schemaVersion", "1.5");
      json.writeObjectFieldStart("runtimeSystem");
      json.writeStringField("name", "Perseid");
      json.writeStringField("version", version);
      json.writeEndObject();
      json.writeObjectFieldStart("workflow");
      json.writeObjectFieldStart("specification");
      json.writeArrayFieldStart("tasks");
      for (int t = 0; t < n; t++) {
        json.writeStartObject();
        json.writeStringField("name", trace.name(t));
        json.writeStringField("id", id(trace, t));
        ids(json, "parents", trace, parents(trace, t));
        ids(json, "children", trace, children.get(t));
        json.writeArrayFieldStart("inputFiles");
        json.writeEndArray();
        json.writeArrayFieldStart("outputFiles");
        json.writeEndArray();
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeArrayFieldStart("files");
      json.writeEndArray();
      json.writeEndObject();
      execution(json, trace);
      json.writeEndObject();
      json.writeEndObject();
      json.writeRaw('\n');
    }
  }

  private static void execution(JsonGenerator json, Trace trace) throws IOException {
    long begin = Long.MAX_VALUE;
    long end = Long.MIN_VALUE;
    for (int a = 0; a < trace.attempts(); a++) {
      begin = Math.min(begin, trace.get(a, Measure.START).orElse(Long.MAX_VALUE));
      end = Math.max(end, trace.get(a, Measure.END).orElse(Long.MIN_VALUE));
    }
    boolean timed = begin <= end;
    json.writeObjectFieldStart("execution");
    json.writeNumberField("makespanInSeconds", timed ? (end - begin) / 1e9 : 0);
    json.writeStringField("executedAt", instant(trace.epochUs() + (timed ? begin / 1_000 : 0)));
    json.writeArrayFieldStart("tasks");
    for (int t = 0; t < trace.tasks(); t++) {
      int from = trace.attemptsFrom(t);
      if (from == trace.attemptsTo(t)) {
        continue;
      }
      int a = trace.attemptAt(trace.attemptsTo(t) - 1);
      OptionalLong ran = trace.ranNs(a);
      if (ran.isEmpty()) {
        continue;
      }
      json.writeStartObject();
      json.writeStringField("id", id(trace, t));
      json.writeNumberField("runtimeInSeconds", ran.getAsLong() / 1e9);
      OptionalLong start = trace.get(a, Measure.START);
      if (start.isPresent()) {
        json.writeStringField("executedAt", instant(trace.epochUs() + start.getAsLong() / 1_000));
      }
      json.writeObjectFieldStart("command");
      json.writeStringField("program", trace.kind(t));
      json.writeEndObject();
      json.writeNumberField("coreCount", Math.max(1, trace.get(a, Measure.CORES).orElse(1)));
      OptionalLong cpu = trace.get(a, Measure.CPU);
      if (cpu.isPresent() && ran.getAsLong() > 0) {
        json.writeNumberField("avgCPU", 100.0 * cpu.getAsLong() / ran.getAsLong());
      }
      OptionalLong memory = trace.get(a, Measure.MEMORY);
      if (memory.isPresent()) {
        json.writeNumberField("memoryInBytes", memory.getAsLong());
      }
      if (!trace.place(a).isEmpty()) {
        json.writeArrayFieldStart("machines");
        json.writeString(trace.place(a));
        json.writeEndArray();
      }
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("machines");
    for (String place : trace.places()) {
      if (!place.isEmpty()) {
        json.writeStartObject();
        json.writeStringField("nodeName", place);
        json.writeEndObject();
      }
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static List<Integer> parents(Trace trace, int t) {
    List<Integer> parents = new ArrayList<>();
    for (int e = trace.parentsFrom(t); e < trace.parentsTo(t); e++) {
      parents.add(trace.parentAt(e));
    }
    if (trace.forkerOf(t) >= 0 && !parents.contains(trace.forkerOf(t))) {
      parents.add(trace.forkerOf(t));
    }
    return parents;
  }

  /// Names need not be unique, so each id has the task's number.
  static String id(Trace trace, int t) {
    String kind = trace.kind(t);
    return (PLAIN_ID.matcher(kind).matches() ? kind : kind.replaceAll("[^0-9a-zA-Z._-]", "_"))
        + "#"
        + t;
  }

  private static void ids(JsonGenerator json, String name, Trace trace, List<Integer> tasks)
      throws IOException {
    json.writeArrayFieldStart(name);
    for (int t : tasks) {
      json.writeString(id(trace, t));
    }
    json.writeEndArray();
  }

  static String instant(long us) {
    return Instant.EPOCH.plus(us, ChronoUnit.MICROS).toString();
  }

  private static JsonGenerator generator(OutputStream out) throws IOException {
    return JSON.createGenerator(out, JsonEncoding.UTF8)
        .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
  }
}
