package dev.perseid.core;

import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Says what is wrong with a job before a pool accepts it.
public final class JobCheck {
  private static final int CYCLE_NAMES = 8;

  private JobCheck() {}

  /// The first thing that is wrong: what, where, and what to write instead; empty for a good job.
  /// O(tasks + edges).
  public static Optional<String> problem(JobSpec spec) {
    return Optional.ofNullable(find(spec));
  }

  /// About how many bytes the job takes when encoded, without encoding it: what a pool counts
  /// against its limits.
  static long bytes(JobSpec spec) {
    long bytes = 64L + spec.kinds().size() * 96L + spec.results().size() * 6L;
    for (TaskSpec task : spec.tasks()) {
      String own = task.ownName();
      bytes += 8 + task.args().length() + (own == null ? 0 : own.length());
      bytes += task.inputs().size() * 40L + task.after().size() * 3L;
    }
    return bytes;
  }

  private static @Nullable String find(JobSpec spec) {
    String problem = head(spec);
    if (problem == null) {
      problem = kinds(spec.kinds());
    }
    if (problem == null) {
      problem = tasks(spec);
    }
    if (problem == null) {
      problem = results(spec);
    }
    if (problem == null) {
      problem = names(spec);
    }
    if (problem == null) {
      problem = cycle(spec);
    }
    return problem;
  }

  private static @Nullable String verification(Verification verification) {
    return switch (verification) {
      case Verification.None _ -> null;
      case Verification.SpotCheck s ->
          s.ppm() >= 1 && s.ppm() <= 1_000_000
              ? null
              : "results cannot be checked with probability "
                  + s.ppm()
                  + " millionths: write 1 to 1000000";
      case Verification.Replicate r ->
          r.agree() >= 2 && r.agree() <= Limits.VERIFICATION_AGREE
              ? null
              : r.agree()
                  + " providers cannot be made to agree on each result: write 2 to "
                  + Limits.VERIFICATION_AGREE;
      case Verification.Adaptive a ->
          a.harm() >= 0 && a.harm() <= Limits.VERIFICATION_HARM
              ? null
              : "a wrong result cannot cost "
                  + a.harm()
                  + " prices of its task: write 1 to "
                  + Limits.VERIFICATION_HARM
                  + ", or 0 for what is usual";
    };
  }

  private static @Nullable String thrift(long ms, String of, long most) {
    return ms < 0 || ms > most
        ? "a thrift of " + ms + " ms for a " + of + " is out of range: write 0 to " + most
        : null;
  }

  private static @Nullable String head(JobSpec spec) {
    if (spec.consumer().equals(Address.ZERO)) {
      return "the consumer is the zero address: name the account that pays";
    }
    if (spec.name().isEmpty()
        || spec.name().length() > Limits.JOB_NAME_CHARS
        || !Text.isLine(spec.name())) {
      return "the job's name must be one line of 1 to " + Limits.JOB_NAME_CHARS + " characters";
    }
    Thrift thrift = spec.thrift();
    String tooThrifty = thrift(thrift.msPerCredit(), "credit", Limits.THRIFT_MS);
    if (tooThrifty == null) {
      tooThrifty = thrift(thrift.msPerKwh(), "kilowatt hour", Limits.THRIFT_MS_OF_ENERGY);
    }
    if (tooThrifty == null) {
      tooThrifty = thrift(thrift.msPerKgCo2(), "kilogram of CO2", Limits.THRIFT_MS_OF_ENERGY);
    }
    if (tooThrifty != null) {
      return tooThrifty;
    }
    if (spec.deadlineMs() < 0 || spec.deadlineMs() > Limits.DEADLINE_MS) {
      return "a deadline of "
          + spec.deadlineMs()
          + " ms is out of range: write 1 to "
          + Limits.DEADLINE_MS
          + ", or 0 for none";
    }
    int copies = spec.urgency().copiesPercent();
    if (copies < 0 || copies > 100) {
      return "copies of " + copies + " % of the tasks are out of range: write 0 (of none) to 100";
    }
    if (thrift.isAny() && !spec.urgency().scheduling().awaits()) {
      return "thrift needs tasks that wait for cheap providers, and fifo and b_level have none wait:"
          + " write another scheduler, or no thrift";
    }
    if (spec.priority() < -Limits.PRIORITY || spec.priority() > Limits.PRIORITY) {
      return "priority " + spec.priority() + " is out of range: write -100 (last) to 100 (first)";
    }
    String verification = verification(spec.verification());
    if (verification != null) {
      return verification;
    }
    if (spec.budget() <= 0 || spec.budget() > Limits.CREDITS) {
      return "budget "
          + spec.budget()
          + " is out of range: write what the job may cost, in microcredits, 1 to "
          + Limits.CREDITS;
    }
    if (spec.tasks().isEmpty()) {
      return "the job has no tasks: give it at least one";
    }
    if (spec.tasks().size() > Limits.JOB_TASKS) {
      return "the job has "
          + spec.tasks().size()
          + " tasks, at most "
          + Limits.JOB_TASKS
          + " are allowed: split it into several jobs";
    }
    if (spec.kinds().isEmpty() || spec.kinds().size() > Limits.JOB_KINDS) {
      return "the job has "
          + spec.kinds().size()
          + " kinds of tasks: give it 1 to "
          + Limits.JOB_KINDS;
    }
    return null;
  }

  private static @Nullable String kinds(List<TaskKind> kinds) {
    Set<String> names = new HashSet<>();
    for (int k = 0; k < kinds.size(); k++) {
      TaskKind kind = kinds.get(k);
      if (!Text.isName(kind.name(), Limits.KIND_NAME_CHARS)) {
        return "kind number "
            + k
            + " has the name "
            + Text.quote(kind.name())
            + ": use 1 to "
            + Limits.KIND_NAME_CHARS
            + " characters of A-Z a-z 0-9 . _ -";
      }
      if (!names.add(kind.name())) {
        return "two kinds are named " + Text.quote(kind.name()) + ": give each its own name";
      }
      String where = "kind " + Text.quote(kind.name()) + ": ";
      String problem =
          range(
              where,
              "the module's size in bytes",
              kind.module().sizeBytes(),
              1,
              Limits.MODULE_BYTES);
      if (problem == null) {
        problem =
            kind.isNative()
                ? form(where, kind)
                : range(where, "the gas limit", kind.gasLimit(), 1, Limits.GAS);
      }
      if (problem == null) {
        long most = kind.isNative() ? Limits.NATIVE_MEMORY_BYTES : Limits.TASK_MEMORY_BYTES;
        problem = range(where, "the memory in bytes", kind.memoryBytes(), 1, most);
      }
      if (problem == null) {
        problem =
            range(
                where,
                "the limit of output bytes",
                kind.outputBytesLimit(),
                0,
                Limits.OUTPUT_BYTES);
      }
      if (problem == null) {
        problem = range(where, "the wall limit in ms", kind.wallLimitMs(), 1, Limits.WALL_LIMIT_MS);
      }
      if (problem == null) {
        problem = range(where, "the number of cores", kind.cores(), 1, Limits.TASK_CORES);
      }
      if (problem == null) {
        problem = range(where, "the number of attempts", kind.maxAttempts(), 1, Limits.ATTEMPTS);
      }
      if (problem != null) {
        return problem;
      }
    }
    return null;
  }

  private static @Nullable String form(String where, TaskKind kind) {
    if (kind.gasLimit() != 0) {
      return where
          + "the gas limit is "
          + kind.gasLimit()
          + ", but native tasks are not metered: write 0";
    }
    String gpus = range(where, "the number of GPUs", kind.gpus().count(), 0, Limits.GPUS);
    if (gpus == null) {
      long most = kind.gpus().any() ? Limits.GPU_MEMORY_BYTES : 0;
      gpus = range(where, "the memory of each GPU in bytes", kind.gpus().memoryBytes(), 0, most);
    }
    if (gpus != null) {
      return gpus;
    }
    if (kind.comparison().reads() && kind.outputBytesLimit() > Limits.COMPARED_BYTES) {
      return where
          + "the limit of output bytes is "
          + kind.outputBytesLimit()
          + ", but outputs are to be compared: write at most "
          + Limits.COMPARED_BYTES
          + ", or have them compared exactly";
    }
    return switch (kind.comparison()) {
      case Comparison.Exact _, Comparison.Lines _ -> null;
      case Comparison.Numeric c ->
          c.relative() >= 0
                  && c.relative() <= 1
                  && c.absolute() >= 0
                  && Double.isFinite(c.absolute())
              ? null
              : where
                  + "numbers cannot be compared with a relative tolerance of "
                  + c.relative()
                  + " and an absolute one of "
                  + c.absolute()
                  + ": write 0 to 1, and 0 or more";
      case Comparison.Module m ->
          range(
              where,
              "the size in bytes of the module that compares",
              m.module().sizeBytes(),
              1,
              Limits.MODULE_BYTES);
    };
  }

  private static @Nullable String range(
      String where, String what, long value, long least, long most) {
    if (value >= least && value <= most) {
      return null;
    }
    return where + what + " is " + value + ": write " + least + " to " + most;
  }

  private static @Nullable String tasks(JobSpec spec) {
    long edges = 0;
    long outputs = 0;
    for (int t = 0; t < spec.tasks().size(); t++) {
      TaskSpec task = spec.tasks().get(t);
      String problem = task(spec, t, task);
      if (problem != null) {
        return problem;
      }
      outputs += task.outputs();
      edges += task.after().size() + task.inputs().size();
    }
    if (edges > Limits.JOB_EDGES) {
      return "the job has "
          + edges
          + " inputs and edges, at most "
          + Limits.JOB_EDGES
          + " are allowed: split it into several jobs";
    }
    if (outputs > Limits.JOB_OUTPUTS) {
      return "the tasks declare "
          + outputs
          + " outputs, at most "
          + Limits.JOB_OUTPUTS
          + " are allowed in a job: split it, or write several things into one output";
    }
    long bytes = bytes(spec);
    if (bytes > Limits.JOB_SPEC_BYTES) {
      return "the job takes about "
          + bytes
          + " bytes, at most "
          + Limits.JOB_SPEC_BYTES
          + " are allowed: pass long arguments as stored blobs, or split it into several jobs";
    }
    return null;
  }

  private static @Nullable String task(JobSpec spec, int t, TaskSpec task) {
    if (task.kind() < 0 || task.kind() >= spec.kinds().size()) {
      return "task number "
          + t
          + " is of kind number "
          + task.kind()
          + ", but the job has only kinds 0 to "
          + (spec.kinds().size() - 1);
    }
    String own = task.ownName();
    if (own != null
        && (own.isEmpty() || own.length() > Limits.TASK_NAME_CHARS || !Text.isLine(own))) {
      return "task number "
          + t
          + " has the name "
          + Text.quote(own)
          + ": write one line of 1 to "
          + Limits.TASK_NAME_CHARS
          + " characters";
    }
    if (task.copy() < -1) {
      return "task number " + t + " is copy " + task.copy() + ": write 0 or more, or -1 for none";
    }
    if (task.args().length() > Limits.ARGS_CHARS) {
      return named(spec, t)
          + "the arguments have "
          + task.args().length()
          + " characters, at most "
          + Limits.ARGS_CHARS
          + " are allowed: pass them as a stored blob";
    }
    if (!Text.isUnicode(task.args())) {
      return named(spec, t)
          + "the arguments are not valid Unicode text: pass bytes as a stored blob";
    }
    if (task.inputs().size() > Limits.TASK_INPUTS) {
      return named(spec, t)
          + task.inputs().size()
          + " inputs are too many, at most "
          + Limits.TASK_INPUTS
          + " are allowed: merge in several steps";
    }
    if (task.outputs() < 0 || task.outputs() > Limits.TASK_OUTPUTS) {
      return named(spec, t)
          + task.outputs()
          + " outputs are declared: write 0 to "
          + Limits.TASK_OUTPUTS;
    }
    if (spec.kinds().get(task.kind()).comparison() instanceof Comparison.Module
        && 2 * task.outputs() > Limits.TASK_INPUTS) {
      return named(spec, t)
          + task.outputs()
          + " outputs are declared, and those of two results are the inputs of the module that"
          + " compares: write at most "
          + Limits.TASK_INPUTS / 2
          + ", or have them compared otherwise";
    }
    for (int i = 0; i < task.inputs().size(); i++) {
      switch (task.inputs().get(i)) {
        case Input.Stored(Blob blob) -> {
          String problem =
              range(
                  named(spec, t),
                  "the size of input " + i + " in bytes",
                  blob.sizeBytes(),
                  0,
                  Limits.BLOB_BYTES);
          if (problem != null) {
            return problem;
          }
        }
        case Input.Produced(int from, int output) -> {
          String problem = edge(spec, t, from, "input " + i + " comes from");
          if (problem != null) {
            return problem;
          }
          int declared = spec.tasks().get(from).outputs();
          if (output < 0 || output >= declared) {
            return named(spec, t)
                + "input "
                + i
                + " is output "
                + output
                + " of task "
                + Text.quote(safeName(spec, from))
                + ", which declares "
                + declared
                + " (numbered from 0)";
          }
        }
      }
    }
    for (int before : task.after()) {
      String problem = edge(spec, t, before, "it waits for");
      if (problem != null) {
        return problem;
      }
    }
    return null;
  }

  private static @Nullable String edge(JobSpec spec, int t, int other, String how) {
    int n = spec.tasks().size();
    if (other < 0 || other >= n) {
      return named(spec, t)
          + how
          + " task number "
          + other
          + ", which does not exist: write 0 to "
          + (n - 1);
    }
    if (other == t) {
      return named(spec, t) + how + " itself: remove that";
    }
    return null;
  }

  private static @Nullable String results(JobSpec spec) {
    if (spec.results().size() > Limits.JOB_OUTPUTS) {
      return "the job wants "
          + spec.results().size()
          + " results, at most "
          + Limits.JOB_OUTPUTS
          + " are allowed";
    }
    for (int i = 0; i < spec.results().size(); i++) {
      Input.Produced result = spec.results().get(i);
      if (result.task() < 0 || result.task() >= spec.tasks().size()) {
        return "result "
            + i
            + " comes from task number "
            + result.task()
            + ", which does not exist: write 0 to "
            + (spec.tasks().size() - 1);
      }
      int declared = spec.tasks().get(result.task()).outputs();
      if (result.output() < 0 || result.output() >= declared) {
        return "result "
            + i
            + " is output "
            + result.output()
            + " of task "
            + Text.quote(safeName(spec, result.task()))
            + ", which declares "
            + declared
            + " (numbered from 0)";
      }
    }
    return null;
  }

  private static @Nullable String names(JobSpec spec) {
    Set<String> names = HashSet.newHashSet(spec.tasks().size());
    for (int t = 0; t < spec.tasks().size(); t++) {
      String name = spec.taskName(t);
      if (!names.add(name)) {
        return "two tasks are named "
            + Text.quote(name)
            + " (the second is task number "
            + t
            + "): give each its own name";
      }
    }
    return null;
  }

  /// Kahn's algorithm; what it leaves over contains a cycle.
  private static @Nullable String cycle(JobSpec spec) {
    int n = spec.tasks().size();
    Edges edges = Edges.of(spec.tasks());
    int[] waitsFor = edges.waitsFor();
    int[] free = new int[n];
    int count = 0;
    for (int t = 0; t < n; t++) {
      if (waitsFor[t] == 0) {
        free[count++] = t;
      }
    }
    for (int done = 0; done < count; done++) {
      for (int i = edges.start(free[done]); i < edges.end(free[done]); i++) {
        if (--waitsFor[edges.successor(i)] == 0) {
          free[count++] = edges.successor(i);
        }
      }
    }
    if (count == n) {
      return null;
    }
    int t = 0;
    while (waitsFor[t] == 0) {
      t++;
    }
    // Every task left over waits for another that is left over: walk back until one comes again.
    int[] seenAt = new int[n];
    int[] path = new int[n + 1];
    int length = 0;
    while (seenAt[t] == 0) {
      seenAt[t] = length + 1;
      path[length++] = t;
      t = blocker(spec.tasks().get(t), waitsFor);
    }
    StringBuilder names = new StringBuilder(Text.quote(spec.taskName(t)));
    int cycleLength = length - (seenAt[t] - 1);
    for (int i = length - 1; i >= seenAt[t] - 1; i--) {
      int shown = length - 1 - i;
      if (shown == CYCLE_NAMES && cycleLength > CYCLE_NAMES + 1) {
        names.append(" -> ... ").append(cycleLength - CYCLE_NAMES).append(" more");
        break;
      }
      names.append(" -> ").append(Text.quote(spec.taskName(path[i])));
    }
    return "the tasks wait for each other in a cycle: " + names + ": remove one of these edges";
  }

  private static int blocker(TaskSpec task, int[] waitsFor) {
    for (Input input : task.inputs()) {
      if (input instanceof Input.Produced p && waitsFor[p.task()] > 0) {
        return p.task();
      }
    }
    for (int before : task.after()) {
      if (waitsFor[before] > 0) {
        return before;
      }
    }
    throw new IllegalStateException("a task waits for nothing that waits");
  }

  private static String named(JobSpec spec, int t) {
    return "task " + Text.quote(safeName(spec, t)) + ": ";
  }

  /// The name of a task whose kind may not have been checked yet.
  private static String safeName(JobSpec spec, int t) {
    TaskSpec task = spec.tasks().get(t);
    boolean known = task.kind() >= 0 && task.kind() < spec.kinds().size();
    return known || task.ownName() != null ? spec.taskName(t) : "number " + t;
  }
}
