package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Input;
import dev.perseid.core.Limits;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Urgency;
import dev.perseid.core.Verification;
import dev.perseid.node.PoolClient;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.nodes.Node;

/// Makes a job from a recorded workflow instance in WfFormat 1.5 (WfCommons,
/// https://wfcommons.org): the same graph, where each task burns its recorded run time and leaves
/// files of the recorded sizes, both scaled. The tasks keep their ids as names.
///
/// The run time is turned into a number of loop iterations by a constant, so that the same file
/// always makes the same job; on a machine that is faster or slower than [#ITERATIONS_PER_SECOND]
/// says, tasks end sooner or later than recorded.
final class WfFormat {
  /// Iterations of `burn.wasm` that count as one recorded second: about what one core of a 2020s
  /// server does in the sandbox.
  static final long ITERATIONS_PER_SECOND = 500_000_000;

  /// An upper bound of the gas of one iteration, and of one byte read or written.
  private static final long GAS_PER_ITERATION = 32;

  private static final long GAS_PER_BYTE = 64;
  private static final long GAS_AT_LEAST = 10_000_000;

  /// Generated source files together; more is a slip of the hand.
  static final long GENERATED_BYTES = 16L << 30;

  private static final long WALL_AT_LEAST_MS = 60_000;

  /// How much slower than assumed a provider may be before an attempt is stopped.
  private static final long WALL_FACTOR = 20;

  private static final long MIB = 1 << 20;
  private static final Pattern WORD = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Pattern NUMBERED = Pattern.compile("(.*?)_?(?:ID)?\\d+");

  private final String file;
  private final BigDecimal scale;
  private final BigDecimal dataScale;
  private final Map<String, Long> sizes = new LinkedHashMap<>();
  private final Map<String, Recorded> tasks = new LinkedHashMap<>();
  private final Map<String, Input.Produced> producers = new LinkedHashMap<>();
  private final Map<String, Input.Stored> sources = new LinkedHashMap<>();
  private final Map<Blob, Upload> uploads = new LinkedHashMap<>();
  private long generated;

  /// One task as it stands in the file.
  private static final class Recorded {
    final int index;
    final Placed<String> id;
    final List<Placed<String>> parents;
    final List<Placed<String>> inputs;
    final List<Placed<String>> outputs;
    String kind;
    BigDecimal seconds = BigDecimal.ZERO;

    Recorded(
        int index,
        Placed<String> id,
        List<Placed<String>> parents,
        List<Placed<String>> inputs,
        List<Placed<String>> outputs,
        String kind) {
      this.index = index;
      this.id = id;
      this.parents = parents;
      this.inputs = inputs;
      this.outputs = outputs;
      this.kind = kind;
    }
  }

  private WfFormat(String file, BigDecimal scale, BigDecimal dataScale) {
    this.file = file;
    this.scale = scale;
    this.dataScale = dataScale;
  }

  /// Whether a document says that it is a workflow instance.
  static boolean recognises(String text) {
    String head = text.substring(0, Math.min(text.length(), 1 << 16));
    return head.stripLeading().startsWith("{")
        && text.contains("\"schemaVersion\"")
        && text.contains("\"workflow\"");
  }

  /// Reads a workflow instance.
  ///
  /// @param scale factor of the recorded run times, more than 0
  /// @param dataScale factor of the recorded file sizes, 0 or more
  /// @param budget in microcredits; the format has none
  static JobPlan read(Path path, String text, BigDecimal scale, BigDecimal dataScale, long budget)
      throws BadInput {
    return new WfFormat(path.toString(), scale, dataScale).plan(text, budget);
  }

  private JobPlan plan(String text, long budget) throws BadInput {
    Fields root = Fields.open(file, JobReader.root(file, text), "a workflow instance");
    Fields workflow = root.need("workflow", "a workflow instance");
    if (workflow.node("specification").isEmpty()) {
      throw workflow
          .place()
          .wrong(
              "this workflow has no 'specification', as in WfFormat before 1.5",
              "convert it to version 1.5 with wfcommons");
    }
    Fields specification = workflow.need("specification", "'workflow'");
    for (Node node : specification.nodes("files", "[]")) {
      Fields one = Fields.open(file, node, "a file");
      Placed<String> id = one.needText("id", "a file", "\"input.txt\"");
      Optional<Placed<Long>> size = one.number("sizeInBytes", 0, Long.MAX_VALUE / 2);
      if (size.isEmpty()) {
        throw one.missing("sizeInBytes", "a file", "1000");
      }
      sizes.put(id.value(), scaled(size.get().value(), dataScale));
    }
    for (Node node : specification.nodes("tasks", "[]")) {
      task(Fields.open(file, node, "a task"));
    }
    if (tasks.isEmpty()) {
      throw specification.place().wrong("the workflow has no tasks", "write at least one");
    }
    if (workflow.node("execution").isPresent()) {
      for (Node node : workflow.need("execution", "'workflow'").nodes("tasks", "[]")) {
        execution(Fields.open(file, node, "an executed task"));
      }
    }
    Blob module = store("burn.wasm", PoolClient.Content.of(burn()));
    List<TaskSpec> specs = new ArrayList<>(tasks.size());
    List<TaskKind> kinds = new ArrayList<>();
    Map<String, Integer> kindIndex = new LinkedHashMap<>();
    for (Recorded task : tasks.values()) {
      if (kindIndex.putIfAbsent(task.kind, kinds.size()) == null) {
        kinds.add(kind(task.kind, module));
      }
    }
    for (Recorded task : tasks.values()) {
      specs.add(spec(task, kindIndex.getOrDefault(task.kind, 0)));
    }
    refuseCycles(specs);
    Optional<Placed<String>> name = root.text("name");
    JobPlan plan =
        new JobPlan(
            name.map(Placed::value)
                .filter(n -> !n.isEmpty() && n.length() <= 128)
                .orElse("workflow"),
            0,
            budget,
            kinds,
            specs,
            List.of(),
            // What is replayed has the records of the original, and no more.
            new Verification.None(),
            Urgency.NONE,
            List.copyOf(uploads.values()));
    Optional<String> problem = plan.problem();
    if (problem.isPresent()) {
      throw new BadInput(root.place() + ": " + problem.get());
    }
    return plan;
  }

  private void task(Fields task) throws BadInput {
    Placed<String> name = task.needText("name", "a task", "\"align\"");
    Placed<String> id = task.text("id").orElse(name);
    if (tasks.size() >= Limits.JOB_TASKS) {
      throw id.wrong(
          "the workflow has more than " + Limits.JOB_TASKS + " tasks", "take a smaller one");
    }
    Recorded made =
        new Recorded(
            tasks.size(),
            id,
            task.texts("parents"),
            task.texts("inputFiles"),
            task.texts("outputFiles"),
            kindOf(name.value()));
    if (tasks.putIfAbsent(id.value(), made) != null) {
      throw id.wrong("there are two tasks '" + id.value() + "'", "give each its own id");
    }
    for (int k = 0; k < made.outputs.size(); k++) {
      Placed<String> output = made.outputs.get(k);
      size(output);
      if (producers.putIfAbsent(output.value(), new Input.Produced(made.index, k)) != null) {
        throw output.wrong(
            "two tasks write the file '" + output.value() + "'", "give each its own file");
      }
    }
  }

  private void execution(Fields executed) throws BadInput {
    Placed<String> id = executed.needText("id", "an executed task", "\"align_1\"");
    Recorded task = tasks.get(id.value());
    if (task == null) {
      throw id.wrong(
          "the executed task '" + id.value() + "' is not in the specification",
          Nearest.advice(id.value(), tasks.keySet()));
    }
    Optional<Placed<BigDecimal>> seconds = executed.decimal("runtimeInSeconds");
    if (seconds.isEmpty()) {
      throw executed.missing("runtimeInSeconds", "an executed task", "1.5");
    }
    if (seconds.get().value().signum() < 0) {
      throw seconds.get().wrong("a run time cannot be negative", "write 0 or more");
    }
    task.seconds = seconds.get().value();
    if (executed.node("command").isPresent()) {
      Optional<Placed<String>> program =
          executed.need("command", "an executed task").text("program");
      if (program.isPresent()) {
        Matcher word = WORD.matcher(program.get().value());
        if (word.lookingAt()) {
          task.kind = word.group();
        }
      }
    }
  }

  /// `bowtie2_ID0000003` is of the kind `bowtie2`.
  static String kindOf(String name) {
    Matcher numbered = NUMBERED.matcher(name);
    String base = numbered.matches() && !numbered.group(1).isEmpty() ? numbered.group(1) : name;
    String plain = base.replaceAll("[^A-Za-z0-9._-]", "_");
    return plain.substring(0, Math.min(64, plain.length()));
  }

  /// One kind for all tasks of a program, with limits that fit the largest of them.
  private TaskKind kind(String name, Blob module) throws BadInput {
    long gas = 0;
    long output = 0;
    long seconds = 0;
    for (Recorded task : tasks.values()) {
      if (task.kind.equals(name)) {
        long written = 0;
        for (Placed<String> file : task.outputs) {
          written = plus(written, size(file), file);
        }
        long moved = written;
        for (Placed<String> file : task.inputs) {
          moved = plus(moved, size(file), file);
        }
        BigInteger need =
            BigInteger.valueOf(iterations(task))
                .multiply(BigInteger.valueOf(GAS_PER_ITERATION))
                .add(BigInteger.valueOf(moved).multiply(BigInteger.valueOf(GAS_PER_BYTE)))
                .add(BigInteger.valueOf(GAS_AT_LEAST));
        if (need.compareTo(BigInteger.valueOf(Limits.GAS)) > 0 || written > Limits.OUTPUT_BYTES) {
          throw task.id.wrong(
              "'" + task.id.value() + "' is larger than one task may be",
              "use a smaller --scale or --data-scale");
        }
        gas = Math.max(gas, need.longValueExact());
        output = Math.max(output, written);
        seconds =
            Math.max(
                seconds,
                task.seconds.multiply(scale).setScale(0, RoundingMode.CEILING).longValueExact());
      }
    }
    return new TaskKind(
        name,
        module,
        gas,
        MIB,
        Math.max(MIB, output),
        Math.min(Limits.WALL_LIMIT_MS, Math.max(WALL_AT_LEAST_MS, seconds * 1_000 * WALL_FACTOR)),
        1,
        JobLimits.DEFAULT_ATTEMPTS);
  }

  private TaskSpec spec(Recorded task, int kind) throws BadInput {
    List<Input> inputs = new ArrayList<>();
    Set<Integer> awaited = new LinkedHashSet<>();
    for (Placed<String> name : task.inputs) {
      Input.Produced producer = producers.get(name.value());
      if (producer == null || producer.task() == task.index) {
        inputs.add(source(name));
      } else {
        inputs.add(producer);
        awaited.add(producer.task());
      }
    }
    List<Integer> after = new ArrayList<>();
    for (Placed<String> parent : task.parents) {
      Recorded found = tasks.get(parent.value());
      if (found == null) {
        throw parent.wrong(
            "there is no task '" + parent.value() + "'",
            Nearest.advice(parent.value(), tasks.keySet()));
      }
      if (awaited.add(found.index)) {
        after.add(found.index);
      }
    }
    StringBuilder args = new StringBuilder().append(iterations(task));
    for (Placed<String> output : task.outputs) {
      args.append(' ').append(size(output));
    }
    if (args.length() > Limits.ARGS_CHARS) {
      throw task.id.wrong(
          "'" + task.id.value() + "' has too many outputs to be replayed",
          "take a workflow with at most some 400 outputs a task");
    }
    return new TaskSpec(
        task.id.value(),
        kind,
        -1,
        args.toString(),
        List.copyOf(inputs),
        List.copyOf(after),
        task.outputs.size());
  }

  private void refuseCycles(List<TaskSpec> specs) throws BadInput {
    Optional<List<Integer>> cycle = JobExpansion.cycle(specs);
    if (cycle.isPresent()) {
      List<Recorded> all = List.copyOf(tasks.values());
      List<String> names = new ArrayList<>();
      for (int task : cycle.get().subList(0, Math.min(6, cycle.get().size()))) {
        names.add(all.get(task).id.value());
      }
      throw all.get(cycle.get().getFirst())
          .id
          .wrong(
              "tasks wait for each other in a circle: " + String.join(" -> ", names),
              "a workflow must be acyclic");
    }
  }

  private long iterations(Recorded task) throws BadInput {
    try {
      return task.seconds
          .multiply(scale)
          .multiply(BigDecimal.valueOf(ITERATIONS_PER_SECOND))
          .setScale(0, RoundingMode.HALF_UP)
          .longValueExact();
    } catch (ArithmeticException e) {
      throw task.id.wrong("the run time is too long", "use a smaller --scale");
    }
  }

  private long size(Placed<String> name) throws BadInput {
    Long size = sizes.get(name.value());
    if (size == null) {
      throw name.wrong(
          "the file '" + name.value() + "' is not among 'files'",
          Nearest.advice(name.value(), sizes.keySet()));
    }
    return size;
  }

  private static long plus(long a, long b, Placed<String> at) throws BadInput {
    try {
      return Math.addExact(a, b);
    } catch (ArithmeticException e) {
      throw at.wrong("the files are too large", "use a smaller --data-scale");
    }
  }

  private long scaled(long size, BigDecimal factor) throws BadInput {
    try {
      return BigDecimal.valueOf(size)
          .multiply(factor)
          .setScale(0, RoundingMode.HALF_UP)
          .longValueExact();
    } catch (ArithmeticException e) {
      throw new BadInput(file + ": a file becomes too large; use a smaller --data-scale");
    }
  }

  private Input.Stored source(Placed<String> name) throws BadInput {
    Input.Stored known = sources.get(name.value());
    if (known == null) {
      long size = size(name);
      generated = plus(generated, size, name);
      if (generated > GENERATED_BYTES) {
        throw name.wrong(
            "the source files together are larger than " + GENERATED_BYTES + " bytes",
            "use a smaller --data-scale, e.g. 0.001");
      }
      known =
          new Input.Stored(
              size == 0 ? Blob.EMPTY : store(name.value(), Noise.of(name.value(), size)));
      sources.put(name.value(), known);
    }
    return known;
  }

  private Blob store(String name, PoolClient.Content content) {
    try (InputStream in = content.open(0)) {
      Blob blob = LocalFiles.hash(in);
      uploads.putIfAbsent(blob, new Upload(blob, content, name));
      return blob;
    } catch (IOException e) {
      throw new AssertionError("generated bytes can be read", e);
    }
  }

  private static byte[] burn() {
    try (InputStream in = WfFormat.class.getResourceAsStream("burn.wasm")) {
      if (in == null) {
        throw new AssertionError("burn.wasm was left out of the build");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new AssertionError("burn.wasm cannot be read", e);
    }
  }
}
