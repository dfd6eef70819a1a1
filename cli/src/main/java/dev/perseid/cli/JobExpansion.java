package dev.perseid.cli;

import dev.perseid.cli.JobReader.JobText;
import dev.perseid.cli.JobReader.TaskEntry;
import dev.perseid.core.Blob;
import dev.perseid.core.Comparison;
import dev.perseid.core.Form;
import dev.perseid.core.Input;
import dev.perseid.core.Limits;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.sandbox.Profile;
import dev.perseid.sandbox.Program;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// Makes the graph from a job file: copies, references, kinds, files. Linear in what it makes,
/// which is bounded by core's [Limits] before it is made.
final class JobExpansion {
  private final JobText job;
  private final LocalFiles files;

  /// Entries by name, with the index of each one's first task.
  private final Map<String, TaskEntry> entries = new LinkedHashMap<>();

  private final Map<String, Integer> first = new LinkedHashMap<>();
  private final Map<String, TaskKind> kinds = new LinkedHashMap<>();
  private final Map<String, Integer> kindIndex = new LinkedHashMap<>();
  private final Set<Path> checkedModules = new HashSet<>();
  private long edges;

  JobExpansion(JobText job, LocalFiles files) {
    this.job = job;
    this.files = files;
  }

  JobPlan plan() throws BadInput {
    int total = 0;
    for (TaskEntry entry : job.tasks()) {
      TaskEntry earlier = entries.putIfAbsent(entry.name().value(), entry);
      if (earlier != null) {
        throw entry
            .name()
            .wrong(
                "there are two tasks '" + entry.name().value() + "'",
                "the first is in line "
                    + earlier.name().place().line()
                    + ": choose another name, or use count");
      }
      first.put(entry.name().value(), total);
      total += entry.count().orElse(1);
      if (total > Limits.JOB_TASKS) {
        throw entry
            .name()
            .wrong(
                "with these the job has more than " + Limits.JOB_TASKS + " tasks",
                "split it into several jobs");
      }
    }
    List<TaskSpec> tasks = new ArrayList<>(total);
    for (TaskEntry entry : job.tasks()) {
      int kind = kind(entry);
      boolean namedByKind = entry.kind().value().equals(entry.name().value());
      for (int copy = 0; copy < entry.count().orElse(1); copy++) {
        OptionalLong i = entry.count().isPresent() ? OptionalLong.of(copy) : OptionalLong.empty();
        String ownName =
            entry.count().isPresent()
                ? entry.name().value() + "[" + copy + "]"
                : entry.name().value();
        tasks.add(
            new TaskSpec(
                namedByKind ? null : ownName,
                kind,
                entry.count().isPresent() ? copy : -1,
                args(entry, i),
                inputs(entry, i),
                after(entry, i),
                entry.outputs()));
      }
    }
    refuseCycles(tasks);
    JobPlan plan =
        new JobPlan(
            job.name().value(),
            job.priority(),
            job.budget(),
            List.copyOf(kinds.values()),
            tasks,
            results(),
            job.verification(),
            job.urgency(),
            files.uploads());
    Optional<String> problem = plan.problem();
    if (problem.isPresent()) {
      throw new BadInput(job.name().place() + ": " + problem.get());
    }
    return plan;
  }

  // ---- kinds and modules
  // ----------------------------------------------------------------------------

  private int kind(TaskEntry entry) throws BadInput {
    String name = entry.kind().value();
    TaskKind kind =
        new TaskKind(
            name,
            entry.form().isPresent() ? program(entry.module()) : module(entry.module()),
            entry.limits().gas(),
            entry.limits().memoryBytes(),
            entry.limits().outputBytes(),
            entry.limits().wallMs(),
            entry.form().map(JobReader.NativeText::cores).orElse(1),
            entry.limits().attempts(),
            entry.form().isPresent() ? form(entry.form().get()) : new Form.Portable());
    TaskKind known = kinds.putIfAbsent(name, kind);
    if (known != null && !known.equals(kind)) {
      throw entry
          .kind()
          .wrong(
              "tasks of the kind '" + name + "' differ in module, program or limits",
              "give them the same, or another kind");
    }
    Integer index = kindIndex.putIfAbsent(name, kindIndex.size());
    return index == null ? kindIndex.size() - 1 : index;
  }

  private Form form(JobReader.NativeText text) throws BadInput {
    if (text.module().isPresent()) {
      Blob compares = module(text.module().get());
      return new Form.Native(text.platform(), new Comparison.Module(compares), text.gpus());
    }
    return new Form.Native(text.platform(), text.comparison().orElseThrow(), text.gpus());
  }

  private Blob program(Placed<String> program) throws BadInput {
    Blob blob = files.input(program).blob();
    if (program.value().startsWith("sha256:")) {
      return blob;
    }
    byte[] head;
    try (InputStream in = Files.newInputStream(files.path(program))) {
      head = in.readNBytes(4);
    } catch (IOException e) {
      throw program.wrong(
          "'" + program.value() + "' cannot be read: " + e.getMessage(), "make it readable");
    }
    if (!Program.isScript(head) && !Program.isElf(head)) {
      throw program.wrong(
          "'" + program.value() + "' is no program for Linux",
          "name an ELF file, or a script whose first line is '#!' and an interpreter");
    }
    return blob;
  }

  private Blob module(Placed<String> module) throws BadInput {
    Blob blob = files.input(module).blob();
    if (!module.value().startsWith("sha256:")) {
      Path path = files.path(module);
      if (checkedModules.add(path)) {
        if (blob.sizeBytes() > JobLimits.MODULE_BYTES) {
          throw module.wrong(
              "'" + path + "' is larger than " + JobLimits.MODULE_BYTES + " bytes",
              "name a WebAssembly module");
        }
        Optional<String> refusal;
        try {
          refusal = Profile.refusal(Files.readAllBytes(path));
        } catch (IOException e) {
          throw module.wrong(
              "'" + path + "' cannot be read: " + e.getMessage(), "make it readable");
        }
        if (refusal.isPresent()) {
          throw module.wrong(
              "'" + module.value() + "' is no portable task: " + refusal.get(),
              "see docs/portable-tasks.md for what a module may do");
        }
      }
    }
    return blob;
  }

  // ---- one task
  // -------------------------------------------------------------------------------------

  private static String args(TaskEntry entry, OptionalLong i) throws BadInput {
    String args = entry.args().text(i);
    if (args.length() > Limits.ARGS_CHARS) {
      throw entry
          .args()
          .source()
          .wrong(
              "the arguments have more than " + Limits.ARGS_CHARS + " characters",
              "put them into a file and make it an input");
    }
    return args;
  }

  private List<Input> inputs(TaskEntry entry, OptionalLong i) throws BadInput {
    List<Input> all = new ArrayList<>();
    for (Template template : entry.inputs()) {
      Placed<String> text = new Placed<>(template.text(i), template.source().place());
      Optional<Reference> reference =
          text.value().startsWith("sha256:")
              ? Optional.empty()
              : Reference.parse(text.value()).filter(r -> r.output() >= 0);
      if (reference.isEmpty()) {
        refuseForgottenOutput(text);
        all.add(files.input(text));
      } else {
        Chosen chosen = choose(text, reference.get());
        count(text, chosen.count(), all.size());
        for (int k = 0; k < chosen.count(); k++) {
          all.add(new Input.Produced(chosen.first() + k, reference.get().output()));
        }
      }
    }
    return List.copyOf(all);
  }

  private List<Integer> after(TaskEntry entry, OptionalLong i) throws BadInput {
    List<Integer> all = new ArrayList<>();
    for (Template template : entry.after()) {
      Placed<String> text = new Placed<>(template.text(i), template.source().place());
      Optional<Reference> reference = Reference.parse(text.value());
      if (reference.isEmpty() || reference.get().output() >= 0) {
        throw text.wrong(
            "'" + text.value() + "' names no task", "write task, task[2], task[*] or task[0..9]");
      }
      Chosen chosen = choose(text, reference.get());
      count(text, chosen.count(), 0);
      for (int k = 0; k < chosen.count(); k++) {
        all.add(chosen.first() + k);
      }
    }
    return List.copyOf(all);
  }

  private List<Input.Produced> results() throws BadInput {
    List<Input.Produced> all = new ArrayList<>();
    for (Placed<String> text : job.results()) {
      Optional<Reference> reference = Reference.parse(text.value()).filter(r -> r.output() >= 0);
      if (reference.isEmpty()) {
        throw text.wrong(
            "'" + text.value() + "' names no output", "write task:0, task[2]:0 or task[*]:0");
      }
      Chosen chosen = choose(text, reference.get());
      count(text, chosen.count(), 0);
      for (int k = 0; k < chosen.count(); k++) {
        all.add(new Input.Produced(chosen.first() + k, reference.get().output()));
      }
    }
    return List.copyOf(all);
  }

  /// Tasks that follow each other.
  private record Chosen(int first, int count) {}

  private Chosen choose(Placed<String> text, Reference reference) throws BadInput {
    TaskEntry entry = entries.get(reference.task());
    if (entry == null) {
      throw text.wrong(
          "there is no task '" + reference.task() + "'",
          Nearest.advice(reference.task(), entries.keySet())
              + " (a file whose name looks like this is written ./"
              + text.value()
              + ")");
    }
    if (reference.output() >= entry.outputs()) {
      throw text.wrong(
          "'" + reference.task() + "' has no output " + reference.output(),
          entry.outputs() == 0
              ? "give it outputs: 1"
              : "it has 0 to " + (entry.outputs() - 1) + ": choose one, or raise its 'outputs'");
    }
    int start = first.getOrDefault(reference.task(), 0);
    String suffix = reference.output() < 0 ? "" : ":" + reference.output();
    if (entry.count().isEmpty()) {
      if (reference.copies() instanceof Reference.Copies.None) {
        return new Chosen(start, 1);
      }
      throw text.wrong(
          "'" + reference.task() + "' has no copies", "write " + reference.task() + suffix);
    }
    int count = entry.count().getAsInt();
    return switch (reference.copies()) {
      case Reference.Copies.All() -> new Chosen(start, count);
      case Reference.Copies.None() ->
          throw text.wrong(
              entry.copiesText(),
              "write "
                  + reference.task()
                  + "[0]"
                  + suffix
                  + " for one or "
                  + reference.task()
                  + "[*]"
                  + suffix
                  + " for all");
      case Reference.Copies.Range(int from, int to) -> {
        if (to >= count) {
          throw text.wrong(
              "'" + text.value() + "' goes beyond: " + entry.copiesText(),
              "choose a copy that exists, or raise 'count'");
        }
        if (to < from) {
          throw text.wrong(
              "the range of '" + text.value() + "' is empty", "write the smaller number first");
        }
        yield new Chosen(start + from, to - from + 1);
      }
    };
  }

  private void count(Placed<String> text, int more, int before) throws BadInput {
    edges += more;
    if (before + more > Limits.TASK_INPUTS) {
      throw text.wrong(
          "one task has more than " + Limits.TASK_INPUTS + " inputs or dependencies",
          "merge them in a tree, e.g. 100 at a time");
    }
    if (edges > Limits.JOB_EDGES) {
      throw text.wrong(
          "the job has more than " + Limits.JOB_EDGES + " dependencies",
          "merge outputs in a tree before many tasks read them");
    }
  }

  /// An input `align[3]` without `:0`, where no such file exists but a task does.
  private void refuseForgottenOutput(Placed<String> text) throws BadInput {
    Optional<Reference> reference = Reference.parse(text.value());
    if (reference.isPresent() && entries.containsKey(reference.get().task())) {
      boolean file;
      try {
        files.path(text);
        file = true;
      } catch (BadInput e) {
        file = false;
      }
      if (!file) {
        throw text.wrong(
            "'" + text.value() + "' is a task, but an input is one of its outputs",
            "write " + text.value() + ":0");
      }
    }
  }

  // ---- cycles
  // ---------------------------------------------------------------------------------------

  private void refuseCycles(List<TaskSpec> tasks) throws BadInput {
    Optional<List<Integer>> cycle = cycle(tasks);
    if (cycle.isPresent()) {
      List<Integer> path = cycle.get();
      List<String> names = new ArrayList<>();
      for (int task : path.subList(0, Math.min(path.size(), 6))) {
        names.add(name(task));
      }
      if (path.size() > 6) {
        names.add("... (" + path.size() + " tasks)");
      }
      names.add(name(path.getFirst()));
      throw entryOf(path.getFirst())
          .name()
          .wrong(
              path.size() == 1
                  ? "'" + names.getFirst() + "' waits for itself"
                  : "tasks wait for each other in a circle: " + String.join(" -> ", names),
              "remove one of these inputs or 'after'");
    }
  }

  /// Tasks each of which waits for the next, and the last for the first. O(tasks + edges).
  static Optional<List<Integer>> cycle(List<TaskSpec> tasks) {
    int n = tasks.size();
    // 0: not seen, 1: on the path, 2: leads to no cycle. An own stack, as paths may be 200,000
    // long.
    byte[] state = new byte[n];
    int[] path = new int[n];
    int[] next = new int[n];
    for (int start = 0; start < n; start++) {
      if (state[start] != 0) {
        continue;
      }
      int depth = 0;
      path[0] = start;
      state[start] = 1;
      while (depth >= 0) {
        int task = path[depth];
        int successor = waitsFor(tasks.get(task), next[task]++);
        if (successor == END) {
          state[task] = 2;
          depth--;
        } else if (successor >= 0 && state[successor] == 1) {
          int from = depth;
          while (path[from] != successor) {
            from--;
          }
          return Optional.of(Arrays.stream(path, from, depth + 1).boxed().toList());
        } else if (successor >= 0 && state[successor] == 0) {
          state[successor] = 1;
          path[++depth] = successor;
        }
      }
    }
    return Optional.empty();
  }

  private static final int END = -2;

  /// The k-th thing that a task waits for: a task, -1 for a stored blob, or [#END].
  private static int waitsFor(TaskSpec task, int k) {
    if (k < task.inputs().size()) {
      return switch (task.inputs().get(k)) {
        case Input.Produced produced -> produced.task();
        case Input.Stored stored -> -1;
      };
    }
    int l = k - task.inputs().size();
    return l < task.after().size() ? task.after().get(l) : END;
  }

  private TaskEntry entryOf(int task) {
    TaskEntry found = job.tasks().getFirst();
    for (TaskEntry entry : job.tasks()) {
      if (first.getOrDefault(entry.name().value(), 0) <= task) {
        found = entry;
      }
    }
    return found;
  }

  private String name(int task) {
    TaskEntry entry = entryOf(task);
    int copy = task - first.getOrDefault(entry.name().value(), 0);
    return entry.count().isPresent()
        ? entry.name().value() + "[" + copy + "]"
        : entry.name().value();
  }
}
