package dev.perseid.sim;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.schedule.WorkGraph;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A workflow that somebody ran and recorded in WfFormat 1.5: its graph, and how long each task
/// took.
final class RecordedWorkflow {
  static final double LEAST_SECONDS = 1e-6;

  /// Larger files are a slip of the hand.
  private static final int TASKS_AT_MOST = 200_000;

  private static final Pattern NUMBERED = Pattern.compile("(.*?)[_.]?(?:ID)?\\d+");
  private static final Pattern PROGRAM = Pattern.compile("(?:.*/)?([\\w.+-]{1,64})");
  private static final Pattern OPTION = Pattern.compile("--?[A-Za-z][\\w-]*");
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String name;
  private final WorkGraph graph;
  private final double[] work;
  private final boolean[] recorded;
  private final List<String> kinds;
  private final List<List<String>> names;
  private final List<String> executedAt;

  private RecordedWorkflow(
      String name,
      WorkGraph graph,
      double[] work,
      boolean[] recorded,
      List<String> kinds,
      List<List<String>> names,
      List<String> executedAt) {
    this.name = name;
    this.graph = graph;
    this.work = work;
    this.recorded = recorded;
    this.kinds = List.copyOf(kinds);
    this.names = List.copyOf(names);
    this.executedAt = List.copyOf(executedAt);
  }

  /// The name of the file, without `.json`.
  String name() {
    return name;
  }

  /// The file's name up to the first `-`: runs of one workflow share it.
  String family() {
    return name.replaceAll("-.*", "");
  }

  /// The tasks; a task's kind is its program.
  WorkGraph graph() {
    return graph;
  }

  /// Of each task the recorded seconds, at least [#LEAST_SECONDS]; not to be changed.
  double[] work() {
    return work;
  }

  /// Whether the run time of a task was recorded as more than 0.
  boolean recorded(int task) {
    return recorded[task];
  }

  /// The name of each kind.
  List<String> kinds() {
    return kinds;
  }

  /// Of each task what its record calls it, from general to special: the program; that and the name
  /// without its number; that and the options; that and the machine.
  List<List<String>> names() {
    return names;
  }

  /// When each task began, as far as it was recorded; else empty.
  List<String> executedAt() {
    return executedAt;
  }

  /// A file that is not what it should be; the message says why.
  static final class Unreadable extends Exception {
    private static final long serialVersionUID = 1;

    Unreadable(String why) {
      super(why);
    }
  }

  /// Reads a file.
  static RecordedWorkflow read(Path file) throws IOException, Unreadable {
    String shown = String.valueOf(file.getFileName());
    JsonNode workflow = JSON.readTree(file.toFile()).path("workflow");
    JsonNode tasks = workflow.path("specification").path("tasks");
    JsonNode runs = workflow.path("execution").path("tasks");
    if (!tasks.isArray() || !runs.isArray() || tasks.isEmpty()) {
      throw new Unreadable(
          shown
              + ": no workflow.specification.tasks and workflow.execution.tasks: not WfFormat 1.5");
    }
    if (tasks.size() > TASKS_AT_MOST) {
      throw new Unreadable(shown + ": more than " + TASKS_AT_MOST + " tasks");
    }
    Map<String, Integer> places = new LinkedHashMap<>();
    for (JsonNode t : tasks) {
      if (places.putIfAbsent(t.path("id").asText(), places.size()) != null) {
        throw new Unreadable(shown + ": two tasks with the id " + t.path("id").asText());
      }
    }
    Map<String, JsonNode> ran = new LinkedHashMap<>();
    runs.forEach(r -> ran.put(r.path("id").asText(), r));
    Map<String, Long> sizes = new LinkedHashMap<>();
    workflow
        .path("specification")
        .path("files")
        .forEach(f -> sizes.put(f.path("id").asText(), f.path("sizeInBytes").asLong()));
    return new Reading(shown.replaceAll("\\.json$", ""), tasks, places, ran, sizes).made();
  }

  /// What is gathered while a file is read.
  private static final class Reading {
    private final String name;
    private final JsonNode tasks;
    private final Map<String, Integer> places;
    private final Map<String, JsonNode> ran;
    private final Map<String, Long> sizes;

    Reading(
        String name,
        JsonNode tasks,
        Map<String, Integer> places,
        Map<String, JsonNode> ran,
        Map<String, Long> sizes) {
      this.name = name;
      this.tasks = tasks;
      this.places = places;
      this.ran = ran;
      this.sizes = sizes;
    }

    RecordedWorkflow made() throws Unreadable {
      int size = tasks.size();
      List<TreeSet<Integer>> parents = new ArrayList<>();
      Map<String, Integer> writer = new LinkedHashMap<>();
      for (int i = 0; i < size; i++) {
        parents.add(new TreeSet<>());
      }
      for (int i = 0; i < size; i++) {
        JsonNode t = tasks.get(i);
        int at = i;
        t.path("outputFiles").forEach(f -> writer.put(f.asText(), at));
        for (JsonNode p : t.path("parents")) {
          Integer from = places.get(p.asText());
          if (from != null) {
            parents.get(i).add(from);
          }
        }
        for (JsonNode c : t.path("children")) {
          Integer to = places.get(c.asText());
          if (to != null) {
            parents.get(to).add(i);
          }
        }
      }
      double[] work = new double[size];
      boolean[] recorded = new boolean[size];
      List<String> executedAt = new ArrayList<>();
      List<List<String>> names = new ArrayList<>();
      Map<String, Integer> kinds = new LinkedHashMap<>();
      List<WorkGraph.Node> nodes = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        JsonNode t = tasks.get(i);
        JsonNode run = ran.get(t.path("id").asText());
        double seconds = run == null ? 0 : run.path("runtimeInSeconds").asDouble();
        recorded[i] = seconds > 0;
        work[i] = Math.max(LEAST_SECONDS, seconds);
        executedAt.add(run == null ? "" : run.path("executedAt").asText());
        List<String> called = called(t, run);
        names.add(called);
        kinds.putIfAbsent(called.getFirst(), kinds.size());
        Map<Integer, Long> flows = new LinkedHashMap<>();
        parents.get(i).forEach(p -> flows.put(p, 0L));
        long bytes = 0;
        for (JsonNode f : t.path("inputFiles")) {
          long length = sizes.getOrDefault(f.asText(), 0L);
          bytes += length;
          Integer from = writer.get(f.asText());
          if (from != null && flows.containsKey(from)) {
            flows.merge(from, length, Long::sum);
          }
        }
        List<WorkGraph.Flow> in = new ArrayList<>();
        flows.forEach((from, length) -> in.add(new WorkGraph.Flow(from, length)));
        nodes.add(new WorkGraph.Node(kinds.getOrDefault(called.getFirst(), 0), in, bytes));
      }
      try {
        return new RecordedWorkflow(
            name,
            WorkGraph.of(nodes),
            work,
            recorded,
            List.copyOf(kinds.keySet()),
            names,
            executedAt);
      } catch (IllegalArgumentException e) {
        throw new Unreadable(name + ".json: " + e.getMessage());
      }
    }

    private static List<String> called(JsonNode task, @Nullable JsonNode run) {
      String stem = task.path("name").asText();
      Matcher numbered = NUMBERED.matcher(stem);
      if (numbered.matches()) {
        stem = numbered.group(1);
      }
      String program = run == null ? "" : run.path("command").path("program").asText();
      Matcher word = PROGRAM.matcher(program);
      String general = word.matches() ? word.group(1) : stem;
      StringBuilder options = new StringBuilder(general).append('/').append(stem);
      if (run != null) {
        for (JsonNode a : run.path("command").path("arguments")) {
          if (OPTION.matcher(a.asText()).matches()) {
            options.append(' ').append(a.asText());
          }
        }
      }
      String machine = run == null ? "" : run.path("machines").path(0).asText();
      return List.of(general, general + "/" + stem, options.toString(), options + "@" + machine);
    }
  }
}
