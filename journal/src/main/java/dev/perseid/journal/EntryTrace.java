package dev.perseid.journal;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Outcome;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Function;

/// A pool's entries as a trace. The pool and each provider have clocks of their own: a provider's
/// times are moved by the least that lets every attempt start after it was assigned and end before
/// it was recorded. Where no move does, because its clock drifted or was set, the middle is taken,
/// and a note says so.
public final class EntryTrace {
  private final String id;
  private final Function<Address, String> names;
  private final List<Entry> entries = new ArrayList<>();
  private final TreeMap<Address, Window> clocks = new TreeMap<>();

  /// What a provider's clock may be off by, microseconds to add to its times.
  private static final class Window {
    long least = Long.MIN_VALUE;
    long most = Long.MAX_VALUE;

    long move() {
      if (least > most) {
        return least + (most - least) / 2;
      }
      return Math.clamp(0L, least, most);
    }
  }

  /// @param id what names it among others
  /// @param names display names of the providers
  public EntryTrace(String id, Function<Address, String> names) {
    this.id = id;
    this.names = names;
  }

  /// Adds an entry.
  public void add(Entry entry) {
    entries.add(entry);
    ExecutionRecord r = entry.record();
    if (r.startedUs().isPresent() && r.endedUs().isPresent()) {
      Window window = clocks.computeIfAbsent(r.provider(), p -> new Window());
      window.least = Math.max(window.least, r.assignedUs() - r.startedUs().getAsLong());
      window.most = Math.min(window.most, entry.recordedUs() - r.endedUs().getAsLong());
    }
  }

  /// How many entries it has.
  public int size() {
    return entries.size();
  }

  /// The trace of all that was added.
  ///
  /// @param title for people
  /// @param cores how many the providers lend together, if that is known
  /// @throws TraceFailure if the entries tell of tasks that wait for each other in a circle
  public Trace trace(String title, OptionalInt cores) throws TraceFailure {
    Trace.Builder b = new Trace.Builder(id).title(title);
    cores.ifPresent(b::cores);
    long zeroUs = Long.MAX_VALUE;
    for (Entry entry : entries) {
      zeroUs = Math.min(zeroUs, entry.record().submittedUs());
    }
    b.epochUs(entries.isEmpty() ? 0 : zeroUs);
    boolean severalJobs =
        entries.stream().map(e -> e.record().job()).distinct().limit(2).count() > 1;
    Map<String, Map<Integer, Integer>> tasks = new HashMap<>();
    int unknown = 0;
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      // Requests to models are tasks of their own: their task's number says nothing.
      boolean request = r.inference().isPresent();
      Map<Integer, Integer> job = tasks.computeIfAbsent(r.job().toString(), j -> new HashMap<>());
      String name =
          severalJobs && !request
              ? r.job().toString().substring(0, 8) + "/" + r.taskName()
              : r.taskName();
      Integer known = request ? null : job.get(r.task());
      int task = known == null ? b.task(name, r.kind()) : known;
      if (!request) {
        job.put(r.task(), task);
      }
      attempt(b, task, entry, zeroUs);
    }
    Map<Integer, Boolean> told = new HashMap<>();
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      Map<Integer, Integer> job = tasks.getOrDefault(r.job().toString(), Map.of());
      Integer task = r.inference().isPresent() ? null : job.get(r.task());
      if (task == null || told.put(task, true) != null) {
        continue;
      }
      for (int on : r.dependsOn()) {
        Integer parent = job.get(on);
        if (parent == null) {
          unknown++;
        } else {
          b.depends(task, parent);
        }
      }
    }
    if (unknown > 0) {
      b.note(unknown + " dependencies are on tasks of which no record is here; they are left out");
    }
    for (Map.Entry<Address, Window> clock : clocks.entrySet()) {
      Window w = clock.getValue();
      if (w.move() != 0) {
        b.note(
            "the clock of "
                + names.apply(clock.getKey())
                + " is moved by "
                + w.move()
                + " us"
                + (w.least > w.most
                    ? ", though no move fits all its records: it drifted or was set"
                    : ": its records would contradict the pool's otherwise"));
      }
    }
    return b.build();
  }

  private void attempt(Trace.Builder b, int task, Entry entry, long zeroUs) {
    ExecutionRecord r = entry.record();
    b.attempt(task, r.attempt(), names.apply(r.provider()), ending(r.outcome()), r.reason());
    b.set(Measure.READY, (r.readyUs() - zeroUs) * 1_000);
    b.set(Measure.ASSIGNED, (r.assignedUs() - zeroUs) * 1_000);
    b.set(Measure.RECORDED, (entry.recordedUs() - zeroUs) * 1_000);
    if (r.startedUs().isPresent() && r.endedUs().isPresent()) {
      Window window = clocks.computeIfAbsent(r.provider(), p -> new Window());
      long startNs = (r.startedUs().getAsLong() + window.move() - zeroUs) * 1_000;
      b.set(Measure.START, startNs);
      b.set(Measure.END, (r.endedUs().getAsLong() + window.move() - zeroUs) * 1_000);
    }
    b.set(Measure.WALL, r.usage().wallNs());
    b.set(Measure.CPU, r.usage().cpuNs());
    b.set(Measure.CORES, Math.max(1, r.cores()));
    if (r.memoryBytes() > 0) {
      b.set(Measure.MEMORY_ASKED, r.memoryBytes());
    }
    b.set(Measure.MEMORY, r.usage().peakMemoryBytes());
    if (r.gasLimit() > 0) {
      b.set(Measure.GAS_ASKED, r.gasLimit());
    }
    b.set(Measure.GAS, r.usage().gas());
    b.set(Measure.BYTES_IN, r.usage().bytesIn());
    b.set(Measure.BYTES_OUT, r.usage().bytesOut());
    b.set(Measure.FETCHED, r.usage().fetchedBytes());
    b.set(Measure.CHARGE, r.charge());
    b.set(Measure.ENERGY, r.usage().energyUj());
  }

  private static Ending ending(Outcome outcome) {
    return switch (outcome) {
      case DONE -> Ending.DONE;
      case TASK_FAILED -> Ending.FAILED;
      case PROVIDER_FAILED -> Ending.PROVIDER_FAILED;
      case LOST -> Ending.LOST;
      case CANCELLED -> Ending.CANCELLED;
      case REFUSED -> Ending.REFUSED;
    };
  }
}
