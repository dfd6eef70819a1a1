package dev.perseid.cli;

import dev.perseid.engine.Outcome;
import dev.perseid.engine.RecordFailure;
import dev.perseid.engine.RecordFile;
import dev.perseid.engine.RunRecord;
import dev.perseid.engine.TaskRecord;
import dev.perseid.journal.Ending;
import dev.perseid.journal.Limits;
import dev.perseid.journal.Measure;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import dev.perseid.journal.TraceParent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

/// A file of the engine's records as a trace: all runs in it, or one. A task that another forked,
/// or a nested run, hangs on the task that was running.
final class EngineTrace {
  private final RecordFile file;
  private final Trace.Builder trace;
  private final Map<Long, Map<Long, Integer>> tasks = new HashMap<>();
  private final Map<Long, RunRecord> runs = new HashMap<>();

  private record Forked(int task, long run, long by) {}

  private EngineTrace(RecordFile file, String name) {
    this.file = file;
    this.trace = new Trace.Builder(name);
  }

  /// @param only the number of the run that is wanted; empty for all
  static Trace read(Path path, OptionalLong only) throws BadInput, RecordFailure, TraceFailure {
    RecordFile file = RecordFile.read(path);
    EngineTrace made = new EngineTrace(file, path.getFileName() + "");
    List<RunRecord> wanted = new ArrayList<>();
    for (RunRecord run : file.runs()) {
      made.runs.put(run.number(), run);
      if (only.isEmpty() || only.getAsLong() == run.number()) {
        wanted.add(run);
      }
    }
    if (wanted.isEmpty()) {
      throw new BadInput(
          path
              + (only.isEmpty()
                  ? " has no run"
                  : " has no run "
                      + only.getAsLong()
                      + "; it has "
                      + (file.runs().isEmpty()
                          ? "none"
                          : file.runs().getFirst().number()
                              + " to "
                              + file.runs().getLast().number())));
    }
    if (only.isEmpty()) {
      enough(path, file.count(), Runtime.getRuntime().maxMemory());
    }
    return made.trace(wanted, only.isPresent());
  }

  /// Refuses what would not fit into memory, before it is read.
  static void enough(Path path, long records, long heapBytes) throws BadInput {
    long fits = Math.min(Limits.TRACE_ATTEMPTS, heapBytes / Limits.TRACE_ATTEMPT_BYTES);
    if (records > fits) {
      throw new BadInput(
          path
              + " has "
              + Amounts.exact(records)
              + " records, and some "
              + Amounts.exact(fits)
              + " fit into this process: take one run (--run N), or give it more memory"
              + " (JAVA_TOOL_OPTIONS=-Xmx16g), for at most "
              + Amounts.exact(Limits.TRACE_ATTEMPTS));
    }
  }

  private Trace trace(List<RunRecord> wanted, boolean one) throws TraceFailure {
    trace.title(
        wanted.size() == 1
            ? wanted.getFirst().name()
            : wanted.getFirst().name() + " and " + (wanted.size() - 1) + " more runs");
    trace.epochUs(file.epochUs());
    Set<String> named = new HashSet<>();
    wanted.forEach(run -> named.add(run.trace()));
    if (named.size() == 1) { // runs of several traces are in none of them
      TraceParent.of(wanted.getFirst().trace()).ifPresent(trace::parent);
    }
    file.damage()
        .ifPresent(what ->
            trace.note(
                "the file is damaged after "
                    + file.wholeBytes()
                    + " bytes ("
                    + what
                    + "): what came later is missing"));
    if (file.damage().isEmpty() && !file.closed()) {
      trace.note("the engine has not closed the file: records may be missing at its end");
    }
    if (file.lost() > 0) {
      trace.note(file.lost() + " records were dropped by the engine, as it was told to");
    }
    wanted.forEach(run -> tasks.put(run.number(), new HashMap<>()));
    List<Forked> forked = new ArrayList<>();
    Map<Integer, String> threads = file.threads();
    try (Stream<TaskRecord> records =
        one ? file.records(wanted.getFirst().number()) : file.records()) {
      records.forEach(record -> add(record, threads, forked));
    }
    for (RunRecord run : wanted) {
      Map<Long, Integer> ofRun = tasks.getOrDefault(run.number(), Map.of());
      for (Map.Entry<Long, Integer> task : ofRun.entrySet()) {
        for (long successor : file.successors(run, task.getKey())) {
          Integer waits = ofRun.get(successor);
          if (waits != null) {
            trace.depends(waits, task.getValue());
          }
        }
      }
    }
    for (Forked fork : forked) {
      Integer by = tasks.getOrDefault(fork.run, Map.of()).get(fork.by);
      if (by != null && by != fork.task) {
        trace.forked(fork.task, by);
      }
    }
    return trace.build();
  }

  private void add(TaskRecord r, Map<Integer, String> threads, List<Forked> forked) {
    Map<Long, Integer> ofRun = tasks.get(r.run());
    if (ofRun == null) {
      return;
    }
    Integer known = ofRun.get(r.task());
    int task = known == null ? trace.task(r.name(), kindOf(r.name())) : known;
    if (known == null) {
      ofRun.put(r.task(), task);
      RunRecord run = runs.get(r.run());
      if (run != null && r.cause().isPresent()) {
        // Of a task of the graph it is one of those that it depends on, which the graph tells.
        if (r.task() >= file.tasks(run)) {
          forked.add(new Forked(task, r.run(), r.cause().getAsLong()));
        }
      } else if (run != null && run.parentRun().isPresent() && run.parentTask().isPresent()) {
        forked.add(new Forked(task, run.parentRun().getAsLong(), run.parentTask().getAsLong()));
      }
    }
    String place =
        r.virtualThread().isPresent()
            ? "virtual threads"
            : threads.getOrDefault(r.thread(), "thread " + r.thread());
    trace.attempt(
        task, r.attempt(), place, ending(r.outcome()), r.late() ? "after its deadline" : "");
    trace
        .set(Measure.READY, r.readyNs())
        .set(Measure.START, r.startNs())
        .set(Measure.END, r.endNs())
        .set(Measure.CPU, r.cpuNs())
        .set(
            Measure.CORES,
            r.cores().isPresent() ? OptionalLong.of(r.cores().getAsInt()) : OptionalLong.empty())
        .set(Measure.ALLOCATED, r.allocatedBytes());
  }

  /// `count a7` and `count a8` are of one kind: what differs in digits does not differ in kind.
  static String kindOf(String name) {
    String kind = name.replaceAll("[_\\-]?[\\[(#]?\\d+[\\])]?$", "").stripTrailing();
    return kind.isEmpty() ? name : kind;
  }

  private static Ending ending(Outcome outcome) {
    return switch (outcome) {
      case DONE -> Ending.DONE;
      case FAILED -> Ending.FAILED;
      case TIMED_OUT -> Ending.TIMED_OUT;
      case CANCELLED -> Ending.CANCELLED;
      case SKIPPED -> Ending.SKIPPED;
      case NOT_CHOSEN -> Ending.NOT_CHOSEN;
    };
  }
}
