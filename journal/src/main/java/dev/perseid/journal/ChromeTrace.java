package dev.perseid.journal;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// One export to Chrome's trace event format.
final class ChromeTrace {
  /// The process of the pool; providers follow.
  private static final int POOL = 1;

  private final Iterable<Entry> entries;
  private final Function<Address, String> names;

  /// Process numbers by address: a sorted map, so that the same entries give the same bytes.
  private final TreeMap<Address, Integer> processes = new TreeMap<>();

  private final TreeMap<Address, Integer> lanes = new TreeMap<>();

  /// The bars, by the entries' place in the iteration; null for an attempt that never ran.
  private final List<@Nullable Bar> bars = new ArrayList<>();

  /// The bar of each task that is done.
  private final Map<TaskName, Bar> done = new HashMap<>();

  private record TaskName(JobId job, int task) {}

  /// An attempt's place in the picture.
  private static final class Bar {
    final Address provider;
    final long startUs;
    final long endUs;
    int lane;

    Bar(Address provider, long startUs, long endUs) {
      this.provider = provider;
      this.startUs = startUs;
      this.endUs = endUs;
    }
  }

  ChromeTrace(Iterable<Entry> entries, Function<Address, String> names) {
    this.entries = entries;
    this.names = names;
    TreeMap<Address, List<Bar>> byProvider = new TreeMap<>();
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      if (r.startedUs().isEmpty() || r.endedUs().isEmpty()) {
        bars.add(null);
        continue;
      }
      long start = r.startedUs().getAsLong();
      Bar bar = new Bar(r.provider(), start, Math.max(start, r.endedUs().getAsLong()));
      bars.add(bar);
      byProvider.computeIfAbsent(r.provider(), p -> new ArrayList<>()).add(bar);
      if (r.outcome() == Outcome.DONE) {
        done.put(new TaskName(r.job(), r.task()), bar);
      }
    }
    int process = POOL;
    for (Map.Entry<Address, List<Bar>> e : byProvider.entrySet()) {
      processes.put(e.getKey(), ++process);
      lanes.put(e.getKey(), assignLanes(e.getValue()));
    }
  }

  /// Gives each bar the lowest lane that is free when it starts.
  ///
  /// @return how many lanes
  private static int assignLanes(List<Bar> bars) {
    List<Bar> byStart = new ArrayList<>(bars);
    byStart.sort(Comparator.comparingLong((Bar b) -> b.startUs).thenComparingLong(b -> b.endUs));
    PriorityQueue<Bar> busy = new PriorityQueue<>(Comparator.comparingLong((Bar b) -> b.endUs));
    PriorityQueue<Integer> free = new PriorityQueue<>();
    int lanes = 0;
    for (Bar bar : byStart) {
      while (!busy.isEmpty() && busy.element().endUs <= bar.startUs) {
        free.add(busy.remove().lane);
      }
      bar.lane = free.isEmpty() ? ++lanes : free.remove();
      busy.add(bar);
    }
    return lanes;
  }

  void write(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeStringField("displayTimeUnit", "ms");
    json.writeArrayFieldStart("traceEvents");
    if (bars.contains(null)) {
      name(json, "process_name", POOL, 0, "pool");
      name(json, "thread_name", POOL, 1, "attempts that never ran");
    }
    for (Map.Entry<Address, Integer> e : processes.entrySet()) {
      name(json, "process_name", e.getValue(), 0, names.apply(e.getKey()));
      for (int lane = 1; lane <= lanes.getOrDefault(e.getKey(), 0); lane++) {
        name(json, "thread_name", e.getValue(), lane, "slot " + lane);
      }
    }
    int at = 0;
    long flow = 0;
    for (Entry entry : entries) {
      Bar bar = bars.get(at++);
      attempt(json, entry, bar);
      if (bar == null) {
        continue;
      }
      for (int dependency : entry.record().dependsOn()) {
        Bar from = done.get(new TaskName(entry.record().job(), dependency));
        if (from != null) {
          flow++;
          arrow(json, "s", flow, from, Math.max(from.startUs, from.endUs - 1));
          arrow(json, "f", flow, bar, bar.startUs);
        }
      }
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private void attempt(JsonGenerator json, Entry entry, @Nullable Bar bar) throws IOException {
    ExecutionRecord r = entry.record();
    json.writeStartObject();
    json.writeStringField("name", r.taskName());
    json.writeStringField("cat", r.kind());
    if (bar == null) {
      json.writeStringField("ph", "i");
      json.writeStringField("s", "t");
      json.writeNumberField("ts", entry.recordedUs());
      json.writeNumberField("pid", POOL);
      json.writeNumberField("tid", 1);
    } else {
      json.writeStringField("ph", "X");
      json.writeNumberField("ts", bar.startUs);
      json.writeNumberField("dur", bar.endUs - bar.startUs);
      json.writeNumberField("pid", processes.getOrDefault(bar.provider, POOL));
      json.writeNumberField("tid", bar.lane);
    }
    json.writeObjectFieldStart("args");
    RecordJson.fields(json, entry);
    json.writeEndObject();
    json.writeEndObject();
  }

  private void arrow(JsonGenerator json, String phase, long id, Bar bar, long atUs)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("name", "dependency");
    json.writeStringField("cat", "dependency");
    json.writeStringField("ph", phase);
    if (phase.equals("f")) {
      json.writeStringField("bp", "e");
    }
    json.writeNumberField("id", id);
    json.writeNumberField("ts", atUs);
    json.writeNumberField("pid", processes.getOrDefault(bar.provider, POOL));
    json.writeNumberField("tid", bar.lane);
    json.writeEndObject();
  }

  private static void name(JsonGenerator json, String what, int process, int lane, String name)
      throws IOException {
    json.writeStartObject();
    json.writeStringField("name", what);
    json.writeStringField("ph", "M");
    json.writeNumberField("pid", process);
    if (lane > 0) {
      json.writeNumberField("tid", lane);
    }
    json.writeObjectFieldStart("args");
    json.writeStringField("name", name);
    json.writeEndObject();
    json.writeEndObject();
  }
}
