package dev.perseid.journal;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.List;
import java.util.OptionalLong;

/// What a trace tells: where the time went, what held the run back, and what would change if
/// something were faster. `docs/analysis.md` says how each figure is found. Durations are
/// nanoseconds.
///
/// @param id,title of the trace
/// @param tasks,attempts how many there are
/// @param vain attempts that did not end well or were made again
/// @param places where something ran
/// @param cores that it ran on: what the source says, else those that were seen busy at once at
///   each place, together
/// @param spanNs from the first task that was ready to the last end
/// @param notes what a reader should know of the figures
/// @param where the span divided: for each moment of it, what the task did that the end was waiting
///   for; by size
/// @param taskTime the lives of all tasks divided, summed; in the order of [Part]
/// @param path the chain of attempts that led to the end, the first one first; at most
///   [Limits#PATH_STEPS], the last ones
/// @param kinds by the work in them, the largest first
/// @param best what would have been possible
/// @param ifs what would have been otherwise
/// @param meanParallel,peakParallel cores busy at once
/// @param parallel cores busy in each of equal parts of the span
/// @param stragglers attempts that ran much longer than others of their kind, the worst first
/// @param sizes what was requested beside what was used
public record Findings(
    String id,
    String title,
    long tasks,
    long attempts,
    long vain,
    int places,
    int cores,
    long spanNs,
    List<String> notes,
    List<Share> where,
    List<Share> taskTime,
    List<Step> path,
    List<Kind> kinds,
    Best best,
    List<If> ifs,
    double meanParallel,
    int peakParallel,
    List<Double> parallel,
    List<Straggler> stragglers,
    List<Size> sizes) {

  /// What a time went to.
  ///
  /// @param kind of task that ran or that had the cores; otherwise an empty text
  public record Share(Part part, String kind, long ns) {
    /// In words.
    public String words() {
      return kind.isEmpty()
          ? part.words()
          : part == Part.PROVIDER
              ? part.words() + " while " + kind + " had them"
              : part.words() + " " + kind;
    }
  }

  /// One attempt on the chain that led to the end.
  ///
  /// @param startNs since the span's beginning
  /// @param waitedNs between the end of what it waited for and its start
  public record Step(
      String task,
      String kind,
      int attempt,
      String place,
      long startNs,
      long ranNs,
      long waitedNs) {}

  /// All tasks of a kind that ran.
  ///
  /// @param workNs run times by cores
  /// @param pathNs its run time on the chain that led to the end
  /// @param medianNs,p95Ns,maxNs of the attempts that counted; nearest rank
  /// @param leastSlackNs,medianSlackNs how much longer a task could have run without making the
  ///   longest chain longer
  public record Kind(
      String name,
      long tasks,
      long attempts,
      long vain,
      long workNs,
      long pathNs,
      long medianNs,
      long p95Ns,
      long maxNs,
      long leastSlackNs,
      long medianSlackNs) {}

  /// What would have been possible.
  ///
  /// @param chainNs run times of the longest chain of dependent tasks: no number of cores is faster
  /// @param chain its tasks, the first one first; at most [Limits#PATH_STEPS], the last ones
  /// @param workNs run times by cores, of the attempts that counted
  /// @param boundNs the larger of the chain and the work divided by the cores: no schedule is
  ///   faster
  /// @param promptNs rerun on the same cores where nothing fails and nothing waits for data or for
  ///   being told
  /// @param rerunNs rerun as it was: how good the reruns are shows in how near this is to the span
  /// @param holds what holds it back, a sentence
  public record Best(
      long chainNs,
      List<String> chain,
      long workNs,
      long boundNs,
      long promptNs,
      long rerunNs,
      String holds) {}

  /// What would have been otherwise.
  ///
  /// @param change in words
  /// @param makespanNs of the rerun
  /// @param speedup how much faster that is than the rerun as it was: 1 is no difference
  public record If(String change, long makespanNs, double speedup) {}

  /// An attempt that ran much longer than others of its kind.
  ///
  /// @param placeSlowness median of all attempts at its place, each divided by its kind's median; 1
  ///   is usual
  public record Straggler(
      String task, String kind, String place, long ranNs, long medianNs, double placeSlowness) {}

  /// What was requested for a kind beside what was used.
  ///
  /// @param resource `memory`, `gas`, `cores` or `time`
  /// @param asked the most that was requested
  /// @param used the most that was used; of cores in thousandths
  /// @param verdict in words
  public record Size(String kind, String resource, long asked, long used, String verdict) {}

  /// Looks at a trace. O((tasks + edges) log tasks) for each rerun.
  ///
  /// @param cores to reckon with; empty: those that it ran on
  /// @throws TraceFailure if nothing in it ran
  public static Findings of(Trace trace, OptionalLong cores) throws TraceFailure {
    return new Inquiry(trace, cores).findings();
  }

  /// Writes it as one object.
  public void write(JsonGenerator json) throws IOException {
    json.writeStartObject();
    json.writeStringField("id", id);
    json.writeStringField("title", title);
    json.writeNumberField("tasks", tasks);
    json.writeNumberField("attempts", attempts);
    json.writeNumberField("vain_attempts", vain);
    json.writeNumberField("places", places);
    json.writeNumberField("cores", cores);
    json.writeNumberField("span_ns", spanNs);
    json.writeArrayFieldStart("notes");
    for (String note : notes) {
      json.writeString(note);
    }
    json.writeEndArray();
    shares(json, "where", where);
    shares(json, "task_time", taskTime);
    json.writeArrayFieldStart("path");
    for (Step s : path) {
      json.writeStartObject();
      json.writeStringField("task", s.task);
      json.writeStringField("kind", s.kind);
      json.writeNumberField("attempt", s.attempt);
      json.writeStringField("place", s.place);
      json.writeNumberField("start_ns", s.startNs);
      json.writeNumberField("ran_ns", s.ranNs);
      json.writeNumberField("waited_ns", s.waitedNs);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("kinds");
    for (Kind k : kinds) {
      json.writeStartObject();
      json.writeStringField("kind", k.name);
      json.writeNumberField("tasks", k.tasks);
      json.writeNumberField("attempts", k.attempts);
      json.writeNumberField("vain_attempts", k.vain);
      json.writeNumberField("work_ns", k.workNs);
      json.writeNumberField("path_ns", k.pathNs);
      json.writeNumberField("median_ns", k.medianNs);
      json.writeNumberField("p95_ns", k.p95Ns);
      json.writeNumberField("max_ns", k.maxNs);
      json.writeNumberField("least_slack_ns", k.leastSlackNs);
      json.writeNumberField("median_slack_ns", k.medianSlackNs);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeObjectFieldStart("best");
    json.writeNumberField("chain_ns", best.chainNs);
    json.writeArrayFieldStart("chain");
    for (String task : best.chain) {
      json.writeString(task);
    }
    json.writeEndArray();
    json.writeNumberField("work_ns", best.workNs);
    json.writeNumberField("bound_ns", best.boundNs);
    json.writeNumberField("prompt_ns", best.promptNs);
    json.writeNumberField("rerun_ns", best.rerunNs);
    json.writeStringField("holds", best.holds);
    json.writeEndObject();
    json.writeArrayFieldStart("ifs");
    for (If one : ifs) {
      json.writeStartObject();
      json.writeStringField("change", one.change);
      json.writeNumberField("makespan_ns", one.makespanNs);
      json.writeNumberField("speedup", one.speedup);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeNumberField("mean_parallel", meanParallel);
    json.writeNumberField("peak_parallel", peakParallel);
    json.writeArrayFieldStart("parallel");
    for (double busy : parallel) {
      json.writeNumber(busy);
    }
    json.writeEndArray();
    json.writeArrayFieldStart("stragglers");
    for (Straggler s : stragglers) {
      json.writeStartObject();
      json.writeStringField("task", s.task);
      json.writeStringField("kind", s.kind);
      json.writeStringField("place", s.place);
      json.writeNumberField("ran_ns", s.ranNs);
      json.writeNumberField("median_ns", s.medianNs);
      json.writeNumberField("place_slowness", s.placeSlowness);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeArrayFieldStart("sizes");
    for (Size s : sizes) {
      json.writeStartObject();
      json.writeStringField("kind", s.kind);
      json.writeStringField("resource", s.resource);
      json.writeNumberField("asked", s.asked);
      json.writeNumberField("used", s.used);
      json.writeStringField("verdict", s.verdict);
      json.writeEndObject();
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void shares(JsonGenerator json, String name, List<Share> shares)
      throws IOException {
    json.writeArrayFieldStart(name);
    for (Share share : shares) {
      json.writeStartObject();
      json.writeStringField("part", share.part.name().toLowerCase(java.util.Locale.ROOT));
      if (!share.kind.isEmpty()) {
        json.writeStringField("kind", share.kind);
      }
      json.writeNumberField("ns", share.ns);
      json.writeEndObject();
    }
    json.writeEndArray();
  }
}
