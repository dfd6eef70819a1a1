package dev.perseid.journal;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/// A trace as a zipped RO-Crate 1.1 of the profile Provenance Run Crate 0.5 (and so of Workflow Run
/// Crate, Process Run Crate and Workflow RO-Crate 1.0): the workflow as a WfFormat file with a step
/// for each kind, a `CreateAction` for the run and for each attempt that ran, all attempts as a CSV
/// file. The same trace gives the same bytes.
public final class RunCrate {
  private static final JsonFactory JSON = new JsonFactory();
  private static final String PROFILES = "https://w3id.org/ro/wfrun/";
  private static final String WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0";
  private static final String WORKFLOW = "workflow.json";
  private static final String RECORDS = "records.csv";
  private static final String LANGUAGE = "https://github.com/wfcommons/WfFormat";

  private final Trace trace;
  private final String version;
  private final String license;
  private final Pieces pieces;

  private RunCrate(Trace trace, String version, String license) {
    this.trace = trace;
    this.version = version;
    this.license = license;
    pieces = Pieces.of(trace);
  }

  /// Writes the zipped crate; the stream is flushed and left open.
  ///
  /// @param version of Perseid
  /// @param license under which who gets the crate may use it, an address
  /// @throws TraceFailure if it has more than [Limits#CRATE_ATTEMPTS] attempts, or none that ran
  public static void write(Trace trace, String version, String license, OutputStream out)
      throws IOException, TraceFailure {
    if (trace.attempts() > Limits.CRATE_ATTEMPTS) {
      throw new TraceFailure(
          trace.id()
              + ": a crate describes at most "
              + Limits.CRATE_ATTEMPTS
              + " attempts one by one, this has "
              + trace.attempts());
    }
    Trace timed = Inquiry.timed(trace, java.util.OptionalLong.empty());
    RunCrate crate = new RunCrate(timed, version, license);
    ByteArrayOutputStream workflow = new ByteArrayOutputStream();
    TraceExports.wfformat(timed, version, workflow);
    ByteArrayOutputStream records = new ByteArrayOutputStream();
    TraceExports.csv(timed, records);
    ZipOutputStream zip = new ZipOutputStream(out);
    entry(zip, "ro-crate-metadata.json");
    crate.metadata(zip, workflow.size(), records.size());
    zip.closeEntry();
    entry(zip, WORKFLOW);
    workflow.writeTo(zip);
    zip.closeEntry();
    entry(zip, RECORDS);
    records.writeTo(zip);
    zip.closeEntry();
    zip.finish();
    zip.flush();
  }

  private static void entry(ZipOutputStream zip, String name) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    // The time at which it is written would make every crate another one.
    entry.setTimeLocal(java.time.LocalDateTime.of(1980, 1, 1, 0, 0));
    zip.putNextEntry(entry);
  }

  private void metadata(OutputStream out, long workflowBytes, long recordsBytes)
      throws IOException {
    try (JsonGenerator json = JSON.createGenerator(out, JsonEncoding.UTF8)) {
      json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
      json.useDefaultPrettyPrinter();
      json.writeStartObject();
      json.writeArrayFieldStart("@context");
      json.writeString("https://w3id.org/ro/crate/1.1/context");
      json.writeString("https://w3id.org/ro/terms/workflow-run/context");
      json.writeEndArray();
      json.writeArrayFieldStart("@graph");
      List<Integer> ran = new ArrayList<>();
      for (int p = 0; p < pieces.count; p++) {
        if (pieces.first[p] && pieces.attempt[p] >= 0) {
          ran.add(pieces.attempt[p]);
        }
      }
      ran.sort(null);
      frame(json, workflowBytes, recordsBytes);
      actions(json, ran);
      json.writeEndArray();
      json.writeEndObject();
      json.flush();
    }
  }

  private void frame(JsonGenerator json, long workflowBytes, long recordsBytes) throws IOException {
    open(json, "ro-crate-metadata.json", "CreativeWork");
    refs(json, "conformsTo", List.of("https://w3id.org/ro/crate/1.1", WORKFLOW_CRATE));
    ref(json, "about", "./");
    json.writeEndObject();

    open(json, "./", "Dataset");
    refs(json, "conformsTo", profiles());
    json.writeStringField("name", trace.title());
    json.writeStringField(
        "description",
        "A run of " + trace.tasks() + " tasks, recorded as " + trace.id() + "; written by Perseid");
    json.writeStringField("datePublished", instant(pieces.finish));
    ref(json, "license", license);
    ref(json, "mainEntity", WORKFLOW);
    refs(json, "hasPart", List.of(WORKFLOW, RECORDS));
    refs(json, "mentions", List.of("#run", "#engine-run"));
    json.writeEndObject();

    for (String profile : profiles()) {
      open(json, profile, "CreativeWork");
      boolean crate = profile.equals(WORKFLOW_CRATE);
      String[] parts = profile.split("/", -1);
      String name = parts[parts.length - 2];
      json.writeStringField(
          "name",
          crate
              ? "Workflow RO-Crate"
              : Character.toUpperCase(name.charAt(0)) + name.substring(1) + " Run Crate");
      json.writeStringField("version", parts[parts.length - 1]);
      json.writeEndObject();
    }
    open(json, license, "CreativeWork");
    json.writeStringField("name", license);
    json.writeEndObject();

    open(json, LANGUAGE, "ComputerLanguage");
    json.writeStringField("name", "WfFormat 1.5");
    json.writeStringField("alternateName", "WfCommons WfFormat");
    ref(json, "url", "https://wfcommons.org");
    json.writeEndObject();

    open(json, WORKFLOW, "File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo");
    json.writeStringField("name", trace.title());
    json.writeStringField("encodingFormat", "application/json");
    json.writeNumberField("contentSize", workflowBytes);
    ref(json, "programmingLanguage", LANGUAGE);
    refs(json, "step", each(trace.kinds().size(), RunCrate::step));
    refs(json, "hasPart", each(trace.kinds().size(), RunCrate::tool));
    json.writeEndObject();

    open(json, RECORDS, "File");
    json.writeStringField("name", "All attempts, a line for each");
    json.writeStringField("encodingFormat", "text/csv");
    json.writeNumberField("contentSize", recordsBytes);
    json.writeEndObject();

    for (int k = 0; k < trace.kinds().size(); k++) {
      open(json, step(k), "HowToStep");
      json.writeStringField("name", trace.kinds().get(k));
      json.writeStringField("position", Integer.toString(k + 1));
      ref(json, "workExample", tool(k));
      json.writeEndObject();
      open(json, tool(k), "SoftwareApplication");
      json.writeStringField("name", trace.kinds().get(k));
      json.writeStringField(
          "description", "What runs the tasks of the kind " + trace.kinds().get(k));
      json.writeEndObject();
    }
  }

  private void actions(JsonGenerator json, List<Integer> ran) throws IOException {
    open(json, "#perseid", "SoftwareApplication");
    json.writeStringField("name", "Perseid");
    json.writeStringField("softwareVersion", version);
    json.writeEndObject();

    open(json, "#engine-run", "OrganizeAction");
    json.writeStringField("name", "Perseid's run of " + trace.title());
    times(json, pieces.begin, pieces.finish);
    ref(json, "instrument", "#perseid");
    refs(json, "object", ran.stream().map(a -> "#control-" + a).toList());
    ref(json, "result", "#run");
    json.writeEndObject();

    boolean failed = false;
    for (int t = 0; t < trace.tasks(); t++) {
      int to = trace.attemptsTo(t);
      failed |= to > trace.attemptsFrom(t) && bad(trace.ending(trace.attemptAt(to - 1)));
    }
    open(json, "#run", "CreateAction");
    json.writeStringField("name", "Run of " + trace.title());
    times(json, pieces.begin, pieces.finish);
    ref(json, "instrument", WORKFLOW);
    ref(json, "result", RECORDS);
    status(json, failed, failed ? "some tasks did not end well" : "");
    json.writeEndObject();

    for (int a : ran) {
      int task = trace.task(a);
      int kind = trace.kindOf(task);
      open(json, "#control-" + a, "ControlAction");
      json.writeStringField("name", "Starting " + trace.name(task));
      ref(json, "instrument", step(kind));
      ref(json, "object", "#attempt-" + a);
      json.writeEndObject();
      open(json, "#attempt-" + a, "CreateAction");
      json.writeStringField(
          "name", trace.name(task) + (trace.number(a) > 1 ? ", attempt " + trace.number(a) : ""));
      long start = trace.get(a, Measure.START).orElse(pieces.begin);
      times(json, start, Math.max(start, trace.get(a, Measure.END).orElse(start)));
      ref(json, "instrument", tool(kind));
      status(json, bad(trace.ending(a)), trace.reason(a));
      json.writeEndObject();
    }
  }

  private static boolean bad(Ending ending) {
    return !ending.good() && ending != Ending.NOT_CHOSEN;
  }

  private static void status(JsonGenerator json, boolean bad, String why) throws IOException {
    json.writeStringField(
        "actionStatus",
        bad ? "http://schema.org/FailedActionStatus" : "http://schema.org/CompletedActionStatus");
    if (bad && !why.isEmpty()) {
      json.writeStringField("error", why);
    }
  }

  private void times(JsonGenerator json, long start, long end) throws IOException {
    json.writeStringField("startTime", instant(start));
    json.writeStringField("endTime", instant(end));
  }

  private String instant(long ns) {
    return TraceExports.instant(trace.epochUs() + ns / 1_000);
  }

  private static List<String> profiles() {
    return List.of(
        PROFILES + "process/0.5",
        PROFILES + "workflow/0.5",
        PROFILES + "provenance/0.5",
        WORKFLOW_CRATE);
  }

  private static String step(int kind) {
    return WORKFLOW + "#step-" + (kind + 1);
  }

  private static String tool(int kind) {
    return WORKFLOW + "#tool-" + (kind + 1);
  }

  private static List<String> each(int n, java.util.function.IntFunction<String> id) {
    return java.util.stream.IntStream.range(0, n).mapToObj(id).toList();
  }

  private static void open(JsonGenerator json, String id, String... types) throws IOException {
    json.writeStartObject();
    json.writeStringField("@id", id);
    if (types.length == 1) {
      json.writeStringField("@type", types[0]);
    } else {
      json.writeArrayFieldStart("@type");
      for (String type : types) {
        json.writeString(type);
      }
      json.writeEndArray();
    }
  }

  private static void ref(JsonGenerator json, String name, String id) throws IOException {
    json.writeObjectFieldStart(name);
    json.writeStringField("@id", id);
    json.writeEndObject();
  }

  private static void refs(JsonGenerator json, String name, List<String> ids) throws IOException {
    json.writeArrayFieldStart(name);
    for (String id : ids) {
      json.writeStartObject();
      json.writeStringField("@id", id);
      json.writeEndObject();
    }
    json.writeEndArray();
  }
}
