package dev.perseid.cli;

import dev.perseid.core.Comparison;
import dev.perseid.core.Gpus;
import dev.perseid.core.Limits;
import dev.perseid.core.Platform;
import dev.perseid.core.Scheduling;
import dev.perseid.core.Thrift;
import dev.perseid.core.Urgency;
import dev.perseid.core.Verification;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.ScalarNode;

/// Reads job files (docs/job-file.md), YAML or JSON, keeping the place of every value, so that
/// whatever is wrong is reported as `FILE:LINE:COLUMN: what is wrong; what to write instead`.
final class JobReader {
  static final List<String> JOB_KEYS =
      List.of(
          "name",
          "budget_microcredits",
          "priority",
          "verification",
          "thrift_s_per_credit",
          "thrift_s_per_kwh",
          "thrift_s_per_kg_co2",
          "deadline_s",
          "copies_percent",
          "scheduler",
          "defaults",
          "tasks",
          "results");
  private static final List<String> VERIFICATION_KEYS =
      List.of("spot_check_percent", "replicate", "adaptive");

  /// Of how many tasks a second attempt may be begun where the job does not say.
  static final int COPIES_PERCENT = 10;

  private static final BigDecimal PPM_OF_PERCENT = BigDecimal.valueOf(10_000);
  static final List<String> LIMIT_KEYS =
      List.of("gas_limit", "memory_mib", "output_mib", "wall_limit_ms", "max_attempts");
  static final List<String> TASK_KEYS =
      List.of(
          "name",
          "kind",
          "count",
          "module",
          "program",
          "platform",
          "compare",
          "cores",
          "gpus",
          "gpu_memory_mib",
          "args",
          "inputs",
          "after",
          "outputs",
          "gas_limit",
          "memory_mib",
          "output_mib",
          "wall_limit_ms",
          "max_attempts");

  private static final List<String> COMPARE_KEYS = List.of("numeric", "module");
  private static final List<String> NUMERIC_KEYS = List.of("relative", "absolute");

  /// What only native tasks have.
  private static final List<String> NATIVE_KEYS =
      List.of("platform", "compare", "cores", "gpus", "gpu_memory_mib");

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final long MIB = 1 << 20;

  /// What an attempt may use.
  record TaskLimits(long gas, long memoryBytes, long outputBytes, long wallMs, int attempts) {
    static final TaskLimits DEFAULT =
        new TaskLimits(
            JobLimits.DEFAULT_GAS,
            JobLimits.DEFAULT_MEMORY_MIB * MIB,
            JobLimits.DEFAULT_OUTPUT_MIB * MIB,
            JobLimits.DEFAULT_WALL_MS,
            JobLimits.DEFAULT_ATTEMPTS);
  }

  /// An element of `tasks`.
  ///
  /// @param count how many copies; empty for one task without a number
  /// @param module the portable module, or the native program
  /// @param form of a native task what it is
  record TaskEntry(
      Placed<String> name,
      Placed<String> kind,
      OptionalInt count,
      Placed<String> module,
      Template args,
      List<Template> inputs,
      List<Template> after,
      int outputs,
      TaskLimits limits,
      Optional<NativeText> form) {
    /// The names by which this entry's copies may be meant, for messages.
    String copiesText() {
      return "'"
          + name.value()
          + "' has "
          + count.orElse(1)
          + " copies, 0 to "
          + (count.orElse(1) - 1);
    }
  }

  /// What a native task is.
  ///
  /// @param comparison when results are alike; empty: as `module` says
  /// @param module the portable module that compares
  /// @param cores how many it reserves
  /// @param gpus which of them
  record NativeText(
      Platform platform,
      Optional<Comparison> comparison,
      Optional<Placed<String>> module,
      int cores,
      Gpus gpus) {}

  /// A job file as it stands, with references not yet followed.
  record JobText(
      Placed<String> name,
      int priority,
      long budget,
      List<TaskEntry> tasks,
      List<Placed<String>> results,
      Verification verification,
      Urgency urgency) {}

  private final String file;

  private JobReader(String file) {
    this.file = file;
  }

  /// Reads, checks and expands a job file.
  ///
  /// @param replaced files to take in place of those that the job names
  static JobPlan read(Path path, Map<String, Path> replaced, LocalFiles.Stored stored)
      throws BadInput {
    return read(path, text(path), replaced, stored);
  }

  /// As above, from text that was read already.
  static JobPlan read(Path path, String text, Map<String, Path> replaced, LocalFiles.Stored stored)
      throws BadInput {
    JobText job = parse(path.toString(), text);
    Path folder = path.toAbsolutePath().getParent();
    LocalFiles files =
        new LocalFiles(folder == null ? path.toAbsolutePath() : folder, replaced, stored);
    return new JobExpansion(job, files).plan();
  }

  /// The text of a job file or workflow file.
  static String text(Path path) throws BadInput {
    try {
      if (Files.isDirectory(path)) {
        throw new BadInput(path + " is a folder; name a job file in it");
      }
      if (Files.size(path) > JobLimits.FILE_BYTES) {
        throw new BadInput(
            path + " is larger than " + JobLimits.FILE_BYTES + " bytes; use count and ${i}");
      }
      return Files.readString(path);
    } catch (CharacterCodingException e) {
      throw new BadInput(path + " is not UTF-8 text; name a job file (YAML or JSON)");
    } catch (IOException e) {
      throw new BadInput(
          Files.exists(path)
              ? path + " cannot be read: " + e.getMessage()
              : "there is no file " + path + "; name a job file (YAML or JSON)");
    }
  }

  static JobText parse(String file, String text) throws BadInput {
    return new JobReader(file).job(root(file, text));
  }

  static Node root(String file, String text) throws BadInput {
    LoadSettings settings =
        LoadSettings.builder()
            .setLabel(file)
            .setUseMarks(true)
            .setMaxAliasesForCollections(100)
            .setCodePointLimit((int) JobLimits.FILE_BYTES)
            .build();
    Place start = new Place(file, 1, 1);
    Optional<Node> root;
    try {
      root = new Compose(settings).composeString(text);
    } catch (MarkedYamlEngineException e) {
      Place at =
          e.getProblemMark()
              .map(mark -> new Place(file, mark.getLine() + 1, mark.getColumn() + 1))
              .orElse(start);
      throw at.wrong(
          "this is neither YAML nor JSON: " + e.getProblem(), "see docs/job-file.md for the form");
    } catch (YamlEngineException e) {
      throw start.wrong(
          "this is neither YAML nor JSON: " + e.getMessage(), "see docs/job-file.md for the form");
    } catch (StackOverflowError e) {
      // The parser has no limit of its own for depth.
      throw start.wrong("the file is nested too deeply", "see docs/job-file.md for the form");
    }
    if (root.isEmpty()) {
      throw start.wrong("the file is empty", "see docs/job-file.md for the form");
    }
    return root.get();
  }

  private JobText job(Node root) throws BadInput {
    Fields job = Fields.of(file, root, "a job", JOB_KEYS);
    Placed<String> name = job.needText("name", "a job", "my-job");
    if (name.value().isEmpty() || name.value().length() > 128) {
      throw name.wrong("a job's name has 1 to 128 characters", "choose a shorter name");
    }
    Optional<Placed<Long>> budget = job.number("budget_microcredits", 1, Long.MAX_VALUE);
    if (budget.isEmpty()) {
      throw job.missing("budget_microcredits", "a job", "1000000");
    }
    int priority = job.number("priority", -100, 100).map(p -> p.value().intValue()).orElse(0);
    TaskLimits limits = TaskLimits.DEFAULT;
    if (job.node("defaults").isPresent()) {
      limits =
          limits(Fields.of(file, job.node("defaults").get(), "'defaults'", LIMIT_KEYS), limits);
    }
    List<Node> nodes = job.nodes("tasks", "[{name: hello, module: hello.wasm}]");
    if (job.node("tasks").isEmpty()) {
      throw job.missing("tasks", "a job", "[{name: hello, module: hello.wasm}]");
    }
    if (nodes.isEmpty()) {
      throw Fields.place(file, job.node("tasks").get())
          .wrong("the job has no tasks", "write at least one: - {name: hello, module: hello.wasm}");
    }
    List<TaskEntry> tasks = new ArrayList<>();
    for (Node node : nodes) {
      tasks.add(task(node, limits));
    }
    return new JobText(
        name,
        priority,
        budget.get().value(),
        tasks,
        job.texts("results"),
        verification(job.node("verification")),
        urgency(job));
  }

  private static Urgency urgency(Fields job) throws BadInput {
    return new Urgency(
        new Thrift(
            thrift(job, "thrift_s_per_credit", Limits.THRIFT_MS, "costs"),
            thrift(job, "thrift_s_per_kwh", Limits.THRIFT_MS_OF_ENERGY, "uses"),
            thrift(job, "thrift_s_per_kg_co2", Limits.THRIFT_MS_OF_ENERGY, "emits")),
        ms(
            job,
            "deadline_s",
            1,
            Limits.DEADLINE_MS,
            "write 0.001 to "
                + Limits.DEADLINE_MS / 1_000
                + ", or leave it out if it does not matter when"),
        job.number("copies_percent", 0, 100).map(c -> c.value().intValue()).orElse(COPIES_PERCENT),
        scheduling(job));
  }

  private static long thrift(Fields job, String key, long most, String does) throws BadInput {
    return ms(
        job,
        key,
        0,
        most,
        "write 0 (as soon as possible, whatever it " + does + ") to " + most / 1_000);
  }

  private static Scheduling scheduling(Fields job) throws BadInput {
    Optional<Placed<String>> named = job.text("scheduler");
    if (named.isEmpty()) {
      return Scheduling.LEARNED;
    }
    for (Scheduling one : Scheduling.values()) {
      if (word(one).equals(named.get().value())) {
        return one;
      }
    }
    String all =
        Arrays.stream(Scheduling.values()).map(JobReader::word).collect(Collectors.joining(", "));
    throw named.get().wrong("'" + named.get().value() + "' is no scheduler", "write one of " + all);
  }

  private static String word(Scheduling scheduling) {
    return scheduling.name().toLowerCase(Locale.ROOT);
  }

  /// Seconds as milliseconds; 0 if the key is not there.
  private static long ms(Fields job, String key, long least, long most, String instead)
      throws BadInput {
    Optional<Placed<BigDecimal>> seconds = job.decimal(key);
    if (seconds.isEmpty()) {
      return 0;
    }
    BigDecimal ms = seconds.get().value().movePointRight(3);
    if (ms.compareTo(BigDecimal.valueOf(least)) < 0 || ms.compareTo(BigDecimal.valueOf(most)) > 0) {
      throw seconds.get().wrong("'" + key + "' is out of range: " + seconds.get().value(), instead);
    }
    return ms.longValue();
  }

  private Verification verification(Optional<Node> node) throws BadInput {
    if (node.isEmpty()) {
      return Verification.usual();
    }
    if (node.get() instanceof ScalarNode word) {
      return switch (word.getValue()) {
        case "adaptive" -> Verification.usual();
        case "none" -> new Verification.None();
        default ->
            throw Fields.place(file, node.get())
                .wrong(
                    "'" + word.getValue() + "' is no way to check results",
                    "write adaptive, none, {replicate: 2} or {spot_check_percent: 5}");
      };
    }
    Fields kind = Fields.of(file, node.get(), "'verification'", VERIFICATION_KEYS);
    Optional<Placed<BigDecimal>> percent = kind.decimal("spot_check_percent");
    Optional<Placed<Long>> agree = kind.number("replicate", 2, Limits.VERIFICATION_AGREE);
    Optional<Placed<Long>> harm = kind.number("adaptive", 1, Limits.VERIFICATION_HARM);
    long named = Stream.of(percent, agree, harm).filter(Optional::isPresent).count();
    if (named != 1) {
      throw kind.place()
          .wrong(
              "'verification' names " + named + " ways to check results",
              "write one: {replicate: 2}, {spot_check_percent: 5} or {adaptive: 100}");
    }
    if (agree.isPresent()) {
      return new Verification.Replicate(agree.get().value().intValue());
    }
    if (harm.isPresent()) {
      return new Verification.Adaptive(harm.get().value().intValue());
    }
    Placed<BigDecimal> p = percent.orElseThrow();
    BigDecimal ppm = p.value().multiply(PPM_OF_PERCENT);
    if (ppm.compareTo(BigDecimal.ONE) < 0 || ppm.compareTo(BigDecimal.valueOf(1_000_000)) > 0) {
      throw p.wrong(
          "'spot_check_percent' is out of range: " + p.value(),
          "write more than 0.0001 and at most 100");
    }
    return new Verification.SpotCheck(ppm.intValue());
  }

  private TaskEntry task(Node node, TaskLimits defaults) throws BadInput {
    Fields task = Fields.of(file, node, "a task", TASK_KEYS);
    Placed<String> name = checked(task.needText("name", "a task", "hello"));
    Optional<Placed<String>> kind = task.text("kind");
    Optional<Placed<Long>> count = task.number("count", 1, Limits.JOB_TASKS);
    Placed<String> none = new Placed<>("", name.place());
    Optional<Placed<String>> program = task.text("program");
    Optional<Placed<String>> module = task.text("module");
    if (program.isPresent() == module.isPresent()) {
      throw program.isPresent()
          ? program
              .get()
              .wrong(
                  "a task has a 'program' or a 'module', not both",
                  "leave one of them out: a module is portable, a program native")
          : task.missing("module", "a task", name.value() + ".wasm");
    }
    if (program.isEmpty()) {
      for (String key : NATIVE_KEYS) {
        if (task.node(key).isPresent()) {
          throw Fields.place(file, task.node(key).get())
              .wrong("'" + key + "' is for native tasks", "leave it out, or name a 'program'");
        }
      }
    }
    List<Template> inputs = new ArrayList<>();
    for (Placed<String> input : task.texts("inputs")) {
      inputs.add(Template.parse(input));
    }
    List<Template> after = new ArrayList<>();
    for (Placed<String> one : task.texts("after")) {
      after.add(Template.parse(one));
    }
    return new TaskEntry(
        name,
        kind.isPresent() ? checked(kind.get()) : name,
        count.isPresent() ? OptionalInt.of(count.get().value().intValue()) : OptionalInt.empty(),
        program.orElseGet(module::orElseThrow),
        Template.parse(task.textOrNumber("args").orElse(none)),
        inputs,
        after,
        task.number("outputs", 0, Limits.TASK_OUTPUTS).map(o -> o.value().intValue()).orElse(1),
        program.isPresent() ? nativeLimits(task, defaults) : limits(task, defaults),
        program.isPresent() ? Optional.of(nativeForm(task)) : Optional.empty());
  }

  private NativeText nativeForm(Fields task) throws BadInput {
    Optional<Placed<String>> word = task.text("platform");
    Platform platform = Platform.LINUX_X86_64;
    if (word.isPresent()) {
      platform =
          Platform.named(word.get().value())
              .orElseThrow(() ->
                  word.get()
                      .wrong(
                          "no provider runs programs for '" + word.get().value() + "'",
                          "write linux-x86_64 or linux-aarch64"));
    }
    int cores = task.number("cores", 1, Limits.TASK_CORES).map(c -> c.value().intValue()).orElse(1);
    Gpus gpus = gpus(task);
    Optional<Node> compare = task.node("compare");
    if (compare.isEmpty()) {
      return new NativeText(
          platform, Optional.of(new Comparison.Exact()), Optional.empty(), cores, gpus);
    }
    if (compare.get() instanceof ScalarNode how) {
      Comparison comparison =
          switch (how.getValue()) {
            case "exact" -> new Comparison.Exact();
            case "lines" -> new Comparison.Lines();
            default ->
                throw Fields.place(file, compare.get())
                    .wrong(
                        "'" + how.getValue() + "' is no way to compare results",
                        "write exact, lines, {numeric: {relative: 1e-6}} or {module: FILE.wasm}");
          };
      return new NativeText(platform, Optional.of(comparison), Optional.empty(), cores, gpus);
    }
    Fields kind = Fields.of(file, compare.get(), "'compare'", COMPARE_KEYS);
    Optional<Placed<String>> module = kind.text("module");
    if (module.isPresent() == kind.node("numeric").isPresent()) {
      throw kind.place()
          .wrong(
              "'compare' names " + (module.isPresent() ? 2 : 0) + " ways to compare results",
              "write one: exact, lines, {numeric: {relative: 1e-6}} or {module: FILE.wasm}");
    }
    if (module.isPresent()) {
      return new NativeText(platform, Optional.empty(), module, cores, gpus);
    }
    Fields near = Fields.of(file, kind.node("numeric").get(), "'numeric'", NUMERIC_KEYS);
    return new NativeText(
        platform,
        Optional.of(
            new Comparison.Numeric(
                tolerance(near, "relative", 1), tolerance(near, "absolute", 1e300))),
        Optional.empty(),
        cores,
        gpus);
  }

  private static Gpus gpus(Fields task) throws BadInput {
    int count = task.number("gpus", 0, Limits.GPUS).map(g -> g.value().intValue()).orElse(0);
    Optional<Placed<Long>> memory = task.number("gpu_memory_mib", 1, Limits.GPU_MEMORY_BYTES / MIB);
    if (memory.isPresent() && count == 0) {
      throw memory
          .get()
          .wrong("'gpu_memory_mib' is the memory of each GPU", "say how many: gpus: 1");
    }
    return new Gpus(count, memory.map(m -> m.value() * MIB).orElse(0L));
  }

  private static double tolerance(Fields near, String key, double most) throws BadInput {
    Optional<Placed<BigDecimal>> said = near.decimal(key);
    if (said.isEmpty()) {
      return 0;
    }
    double tolerance = said.get().value().doubleValue();
    if (tolerance < 0 || tolerance > most) {
      throw said.get()
          .wrong("'" + key + "' is out of range: " + said.get().value(), "write 0 to " + most);
    }
    return tolerance;
  }

  private TaskLimits nativeLimits(Fields task, TaskLimits defaults) throws BadInput {
    if (task.node("gas_limit").isPresent()) {
      throw Fields.place(file, task.node("gas_limit").get())
          .wrong(
              "native tasks are not metered",
              "leave 'gas_limit' out: 'wall_limit_ms' limits what they cost");
    }
    TaskLimits limits = limits(task, defaults, Limits.NATIVE_MEMORY_BYTES);
    return new TaskLimits(
        0, limits.memoryBytes, limits.outputBytes, limits.wallMs, limits.attempts);
  }

  private static Placed<String> checked(Placed<String> name) throws BadInput {
    if (!NAME.matcher(name.value()).matches()) {
      throw name.wrong(
          "'" + name.value() + "' is no name for a task",
          "write 1 to 64 of the characters A-Z a-z 0-9 . _ -");
    }
    return name;
  }

  private static TaskLimits limits(Fields f, TaskLimits defaults) throws BadInput {
    return limits(f, defaults, Limits.TASK_MEMORY_BYTES);
  }

  private static TaskLimits limits(Fields f, TaskLimits defaults, long mostMemoryBytes)
      throws BadInput {
    return new TaskLimits(
        f.number("gas_limit", 1, Limits.GAS).map(Placed::value).orElse(defaults.gas),
        f.number("memory_mib", 1, mostMemoryBytes / MIB)
            .map(mib -> mib.value() * MIB)
            .orElse(defaults.memoryBytes),
        f.number("output_mib", 1, Limits.OUTPUT_BYTES / MIB)
            .map(mib -> mib.value() * MIB)
            .orElse(defaults.outputBytes),
        f.number("wall_limit_ms", 1, Limits.WALL_LIMIT_MS)
            .map(Placed::value)
            .orElse(defaults.wallMs),
        f.number("max_attempts", 1, Limits.ATTEMPTS)
            .map(n -> n.value().intValue())
            .orElse(defaults.attempts));
  }
}
