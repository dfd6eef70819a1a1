package dev.perseid.journal;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One export of a job to WfFormat 1.5. A task's id is its name, so that an imported workflow keeps
/// its ids; a name with brackets, which the format does not allow, becomes its kind and number
/// (`align#17`).
final class WfFormat {
  private final Iterable<Entry> entries;
  private final String jobName;
  private final Function<Address, String> names;
  private final String version;

  /// The entry that tells of each task: the one that is done, else the last. By task, sorted.
  private final TreeMap<Integer, Told> tasks = new TreeMap<>();

  private final TreeMap<Hash, Long> fileSizes = new TreeMap<>();
  private final TreeSet<Address> machines = new TreeSet<>();
  private long submittedUs = Long.MAX_VALUE;
  private long recordedUs = Long.MIN_VALUE;
  private boolean anyRan;

  private static final Pattern PLAIN_ID = Pattern.compile("[0-9a-zA-Z._-]+");

  private static final class Told {
    final long index;
    final String id;
    final boolean done;
    final List<Integer> children = new ArrayList<>();

    Told(long index, String id, boolean done) {
      this.index = index;
      this.id = id;
      this.done = done;
    }
  }

  WfFormat(
      Iterable<Entry> entries, String jobName, Function<Address, String> names, String version) {
    this.entries = entries;
    this.jobName = jobName;
    this.names = names;
    this.version = version;
    @Nullable JobId job = null;
    Map<Integer, List<Integer>> dependsOn = new HashMap<>();
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      if (job != null && !job.equals(r.job())) {
        throw new IllegalArgumentException(
            "WfFormat describes one job, but there are entries of " + job + " and " + r.job());
      }
      job = r.job();
      Told before = tasks.get(r.task());
      if (before == null || !before.done) {
        tasks.put(r.task(), new Told(entry.index(), id(r), r.outcome() == Outcome.DONE));
      }
      dependsOn.put(r.task(), r.dependsOn());
      for (Blob b : r.inputs()) {
        fileSizes.put(b.hash(), b.sizeBytes());
      }
      for (Blob b : r.outputs()) {
        fileSizes.put(b.hash(), b.sizeBytes());
      }
      submittedUs = Math.min(submittedUs, r.submittedUs());
      recordedUs = Math.max(recordedUs, entry.recordedUs());
    }
    if (job == null) {
      throw new IllegalArgumentException(
          "WfFormat needs at least one record, and this job has none yet");
    }
    for (int task : tasks.keySet()) {
      for (int parent : dependsOn.getOrDefault(task, List.of())) {
        Told told = tasks.get(parent);
        if (told == null) {
          throw new IllegalArgumentException(
              "task " + task + " depends on task " + parent + ", of which there is no record");
        }
        told.children.add(task);
      }
    }
  }

  void write(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", jobName);
    json.writeStringField("description", "Recorded by Perseid: real attempts, signed by providers");
    json.writeStringField("createdAt", instant(recordedUs));
    json.writeStringField("schemaVersion", "1.5");
    json.writeObjectFieldStart("runtimeSystem");
    json.writeStringField("name", "Perseid");
    json.writeStringField("version", version);
    json.writeEndObject();
    json.writeObjectFieldStart("workflow");
    json.writeObjectFieldStart("specification");
    json.writeArrayFieldStart("tasks");
    for (Entry entry : entries) {
      if (tells(entry)) {
        specification(json, entry.record());
      }
    }
    json.writeEndArray();
    json.writeArrayFieldStart("files");
    for (Map.Entry<Hash, Long> file : fileSizes.entrySet()) {
      json.writeStartObject();
      json.writeStringField("id", file.getKey().hex());
      json.writeNumberField("sizeInBytes", file.getValue());
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
    if (anyRan) {
      execution(json);
    }
    json.writeEndObject();
    json.writeEndObject();
  }

  private void specification(JsonGenerator json, ExecutionRecord r) throws IOException {
    json.writeStartObject();
    json.writeStringField("name", r.taskName());
    json.writeStringField("id", id(r.task()));
    ids(json, "parents", r.dependsOn());
    ids(json, "children", told(r.task()).children);
    files(json, "inputFiles", r.inputs());
    files(json, "outputFiles", r.outputs());
    json.writeEndObject();
    anyRan |= runtimeNs(r).isPresent();
  }

  private void execution(JsonGenerator json) throws IOException {
    json.writeObjectFieldStart("execution");
    json.writeNumberField("makespanInSeconds", (recordedUs - submittedUs) / 1e6);
    json.writeStringField("executedAt", instant(submittedUs));
    json.writeArrayFieldStart("tasks");
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      OptionalLong runtimeNs = runtimeNs(r);
      if (!tells(entry) || runtimeNs.isEmpty()) {
        continue;
      }
      machines.add(r.provider());
      Usage u = r.usage();
      json.writeStartObject();
      json.writeStringField("id", id(r.task()));
      json.writeNumberField("runtimeInSeconds", runtimeNs.getAsLong() / 1e9);
      if (r.startedUs().isPresent()) {
        json.writeStringField("executedAt", instant(r.startedUs().getAsLong()));
      }
      json.writeObjectFieldStart("command");
      json.writeStringField("program", "sha256:" + r.module().hex());
      json.writeEndObject();
      json.writeNumberField("coreCount", Math.max(1, r.cores()));
      if (u.cpuNs().isPresent() && runtimeNs.getAsLong() > 0) {
        json.writeNumberField("avgCPU", 100.0 * u.cpuNs().getAsLong() / runtimeNs.getAsLong());
      }
      number(json, "readBytes", u.bytesIn());
      number(json, "writtenBytes", u.bytesOut());
      number(json, "memoryInBytes", u.peakMemoryBytes());
      if (u.energyUj().isPresent()) {
        json.writeNumberField("energyInKWh", u.energyUj().getAsLong() / 3.6e12);
      }
      json.writeArrayFieldStart("machines");
      json.writeString(names.apply(r.provider()));
      json.writeEndArray();
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("machines");
    for (Address machine : machines) {
      json.writeStartObject();
      json.writeStringField("nodeName", names.apply(machine));
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private boolean tells(Entry entry) {
    return told(entry.record().task()).index == entry.index();
  }

  private Told told(int task) {
    Told told = tasks.get(task);
    if (told == null) {
      throw new IllegalArgumentException("the entries changed while they were exported");
    }
    return told;
  }

  private String id(int task) {
    return told(task).id;
  }

  /// Task names are unique in their job, and no allowed name contains the `#` of the other form.
  private static String id(ExecutionRecord record) {
    return PLAIN_ID.matcher(record.taskName()).matches()
        ? record.taskName()
        : record.kind() + "#" + record.task();
  }

  private void ids(JsonGenerator json, String name, List<Integer> tasks) throws IOException {
    json.writeArrayFieldStart(name);
    for (int task : tasks) {
      json.writeString(id(task));
    }
    json.writeEndArray();
  }

  private static void files(JsonGenerator json, String name, List<Blob> blobs) throws IOException {
    json.writeArrayFieldStart(name);
    for (Blob blob : blobs) {
      json.writeString(blob.hash().hex());
    }
    json.writeEndArray();
  }

  private static void number(JsonGenerator json, String name, OptionalLong value)
      throws IOException {
    if (value.isPresent()) {
      json.writeNumberField(name, value.getAsLong());
    }
  }

  /// By the monotonic clock, else by the times of day.
  private static OptionalLong runtimeNs(ExecutionRecord r) {
    if (r.usage().wallNs().isPresent()) {
      return r.usage().wallNs();
    }
    if (r.startedUs().isPresent() && r.endedUs().isPresent()) {
      return OptionalLong.of(
          Math.max(0, r.endedUs().getAsLong() - r.startedUs().getAsLong()) * 1000);
    }
    return OptionalLong.empty();
  }

  private static String instant(long us) {
    return Instant.EPOCH.plus(us, ChronoUnit.MICROS).toString();
  }
}
