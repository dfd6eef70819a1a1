package dev.perseid.core;

import java.util.List;

/// Job specifications as bytes, canonically: equal jobs give equal bytes, and no other bytes decode
/// to the same job. Field by field in docs/formats.md.
///
/// The decoder checks the form only; what a job may contain is checked by [JobCheck].
public final class JobCodec {
  /// Had no verification: what a provider said counted. Such jobs are still written so, to the same
  /// bytes as ever.
  private static final int BELIEVING = 1;

  /// Had no thrift, and is still written so where there is none.
  private static final int HASTY = 2;

  /// Had no deadline, and is still written so where there is none.
  private static final int TIMELESS = 3;

  /// Had portable tasks only, and is still written so where there are no others.
  private static final int PORTABLE = 4;

  /// Had no second attempts and one way to schedule, and is still written so where no other is
  /// wanted.
  private static final int SINGLE = 5;

  /// Had no GPUs, and is still written so where none are wanted.
  private static final int CORES_ONLY = 6;

  /// Had no thrift of energy and carbon, and is still written so where there is none.
  private static final int HEEDLESS = 7;

  private static final int VERSION = 8;

  private static final List<Scheduling> SCHEDULINGS =
      List.of(
          Scheduling.LEARNED,
          Scheduling.FIFO,
          Scheduling.B_LEVEL,
          Scheduling.HEFT,
          Scheduling.DYNAMIC_HEFT);

  private static final int EXACT = 0;
  private static final int NUMERIC = 1;
  private static final int LINES = 2;
  private static final int MODULE = 3;
  private static final int BELIEVE = 0;
  private static final int SPOT_CHECK = 1;
  private static final int REPLICATE = 2;
  private static final int ADAPTIVE = 3;
  private static final int STORED = 0;
  private static final int PRODUCED = 1;

  private JobCodec() {}

  /// Encodes a job. O(tasks + edges + text).
  public static byte[] encode(JobSpec spec) {
    Out out = Out.plain();
    write(out, spec);
    return out.bytes();
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else.
  public static JobSpec decode(byte[] bytes) {
    In in = In.plain(bytes);
    JobSpec spec = read(in);
    in.end();
    return spec;
  }

  /// SHA-256 of the encoding: what stands for the job in the order that its consumer signs.
  public static Hash specHash(JobSpec spec) {
    return Hash.sha256(encode(spec));
  }

  static void write(Out out, JobSpec spec) {
    writeHead(out, spec);
    for (TaskSpec task : spec.tasks()) {
      writeTask(out, task);
    }
  }

  /// All but the tasks: their number comes last.
  static void writeHead(Out out, JobSpec spec) {
    int version = version(spec);
    out.octet(version);
    if (version > BELIEVING) {
      writeVerification(out, spec.verification());
    }
    if (version > HASTY) {
      out.number(spec.thrift().msPerCredit());
    }
    if (version > TIMELESS) {
      out.number(spec.deadlineMs());
    }
    if (version > SINGLE) {
      out.number(spec.urgency().copiesPercent());
      out.choice(spec.urgency().scheduling(), SCHEDULINGS);
    }
    if (version > HEEDLESS) {
      out.number(spec.thrift().msPerKwh());
      out.number(spec.thrift().msPerKgCo2());
    }
    out.address(spec.consumer());
    out.fixed(spec.nonce());
    out.text(spec.name());
    out.signed(spec.priority());
    out.number(spec.budget());
    out.number(spec.kinds().size());
    for (TaskKind kind : spec.kinds()) {
      writeKind(out, kind);
      if (version > PORTABLE) {
        writeForm(out, kind.form(), version);
      }
    }
    out.number(spec.results().size());
    for (Input.Produced result : spec.results()) {
      out.number(result.task());
      out.number(result.output());
    }
    out.number(spec.tasks().size());
  }

  /// The oldest version that can say it all.
  private static int version(JobSpec spec) {
    Urgency urgency = spec.urgency();
    if (spec.thrift().heedsPower()) {
      return VERSION;
    }
    if (spec.kinds().stream().anyMatch(k -> k.gpus().any())) {
      return HEEDLESS;
    }
    if (urgency.copiesPercent() != 0 || urgency.scheduling() != Scheduling.LEARNED) {
      return CORES_ONLY;
    }
    if (spec.kinds().stream().anyMatch(TaskKind::isNative)) {
      return SINGLE;
    }
    if (spec.deadlineMs() != 0) {
      return PORTABLE;
    }
    boolean believing = spec.verification() instanceof Verification.None;
    return spec.thrift().msPerCredit() != 0 ? TIMELESS : believing ? BELIEVING : HASTY;
  }

  static JobSpec read(In in) {
    int version = in.octet();
    if (version < BELIEVING || version > VERSION) {
      throw in.malformed(
          "a job of version " + version + " is not known here (these are versions 1 to 8)");
    }
    Verification verification =
        version == BELIEVING ? new Verification.None() : readVerification(in);
    long msPerCredit = version > HASTY ? in.number() : 0;
    long deadlineMs = version > TIMELESS ? in.number() : 0;
    int copiesPercent = version > SINGLE ? in.integer() : 0;
    Scheduling scheduling = version > SINGLE ? in.choice(SCHEDULINGS) : Scheduling.LEARNED;
    long msPerKwh = version > HEEDLESS ? in.number() : 0;
    long msPerKgCo2 = version > HEEDLESS ? in.number() : 0;
    Thrift thrift = new Thrift(msPerCredit, msPerKwh, msPerKgCo2);
    Address consumer = in.address();
    long nonce = in.fixed();
    String name = in.text();
    long priority = in.signed();
    if (priority != (int) priority) {
      throw in.malformed("a priority has 32 bits");
    }
    long budget = in.number();
    int kindCount = in.count();
    List<TaskKind> kinds = in.list(kindCount);
    for (int i = 0; i < kindCount; i++) {
      kinds.add(readKind(in, version));
    }
    int resultCount = in.count();
    List<Input.Produced> results = in.list(resultCount);
    for (int i = 0; i < resultCount; i++) {
      int task = in.integer();
      results.add(new Input.Produced(task, in.integer()));
    }
    int taskCount = in.count();
    List<TaskSpec> tasks = in.list(taskCount);
    String args = "";
    for (int i = 0; i < taskCount; i++) {
      TaskSpec task = readTask(in, args);
      args = task.args();
      tasks.add(task);
    }
    JobSpec spec =
        new JobSpec(
            consumer,
            nonce,
            name,
            (int) priority,
            budget,
            List.copyOf(kinds),
            List.copyOf(tasks),
            List.copyOf(results),
            verification,
            new Urgency(thrift, deadlineMs, copiesPercent, scheduling));
    if (version != version(spec)) {
      throw in.malformed("a job that could have been written shorter");
    }
    return spec;
  }

  private static void writeVerification(Out out, Verification verification) {
    switch (verification) {
      case Verification.None _ -> out.octet(BELIEVE);
      case Verification.SpotCheck s -> {
        out.octet(SPOT_CHECK);
        out.number(s.ppm());
      }
      case Verification.Replicate r -> {
        out.octet(REPLICATE);
        out.number(r.agree());
      }
      case Verification.Adaptive a -> {
        out.octet(ADAPTIVE);
        out.number(a.harm());
      }
    }
  }

  private static Verification readVerification(In in) {
    int kind = in.octet();
    return switch (kind) {
      case BELIEVE -> new Verification.None();
      case SPOT_CHECK -> new Verification.SpotCheck(in.integer());
      case REPLICATE -> new Verification.Replicate(in.integer());
      case ADAPTIVE -> new Verification.Adaptive(in.integer());
      default -> throw in.malformed("no verification is of kind " + kind);
    };
  }

  static void writeKind(Out out, TaskKind kind) {
    out.text(kind.name());
    out.blob(kind.module());
    out.number(kind.gasLimit());
    out.number(kind.memoryBytes());
    out.number(kind.outputBytesLimit());
    out.number(kind.wallLimitMs());
    out.number(kind.cores());
    out.number(kind.maxAttempts());
  }

  private static TaskKind readKind(In in, int version) {
    return new TaskKind(
        in.text(),
        in.blob(),
        in.number(),
        in.number(),
        in.number(),
        in.number(),
        in.integer(),
        in.integer(),
        version > PORTABLE ? readForm(in, version) : new Form.Portable());
  }

  private static void writeForm(Out out, Form form, int version) {
    switch (form) {
      case Form.Portable _ -> out.octet(0);
      case Form.Native n -> {
        out.octet(1);
        out.choice(n.platform(), EventCodec.PLATFORMS);
        switch (n.comparison()) {
          case Comparison.Exact _ -> out.octet(EXACT);
          case Comparison.Numeric c -> {
            out.octet(NUMERIC);
            out.real(c.relative());
            out.real(c.absolute());
          }
          case Comparison.Lines _ -> out.octet(LINES);
          case Comparison.Module m -> {
            out.octet(MODULE);
            out.blob(m.module());
          }
        }
        if (version > CORES_ONLY) {
          EventCodec.writeGpus(out, n.gpus());
        }
      }
    }
  }

  private static Form readForm(In in, int version) {
    if (!in.flag()) {
      return new Form.Portable();
    }
    Platform platform = in.choice(EventCodec.PLATFORMS);
    int kind = in.octet();
    Comparison comparison =
        switch (kind) {
          case EXACT -> new Comparison.Exact();
          case NUMERIC -> new Comparison.Numeric(readTolerance(in), readTolerance(in));
          case LINES -> new Comparison.Lines();
          case MODULE -> new Comparison.Module(in.blob());
          default -> throw in.malformed("no comparison is of kind " + kind);
        };
    Gpus gpus = version > CORES_ONLY ? EventCodec.readGpus(in) : Gpus.NONE;
    return new Form.Native(platform, comparison, gpus);
  }

  private static double readTolerance(In in) {
    double tolerance = Double.longBitsToDouble(in.fixed());
    if (!Double.isFinite(tolerance)) {
      throw in.malformed("a tolerance that is no number");
    }
    return tolerance;
  }

  static void writeTask(Out out, TaskSpec task) {
    String ownName = task.ownName();
    out.octet(ownName == null ? 0 : 1);
    if (ownName != null) {
      out.text(ownName);
    }
    out.number(task.kind());
    out.signed(task.copy());
    out.text(task.args());
    out.number(task.inputs().size());
    for (Input input : task.inputs()) {
      switch (input) {
        case Input.Stored stored -> {
          out.octet(STORED);
          out.blob(stored.blob());
        }
        case Input.Produced produced -> {
          out.octet(PRODUCED);
          out.number(produced.task());
          out.number(produced.output());
        }
      }
    }
    out.number(task.after().size());
    for (int after : task.after()) {
      out.number(after);
    }
    out.number(task.outputs());
  }

  /// Arguments equal to those of the task before are the same object: many tasks share them.
  private static TaskSpec readTask(In in, String argsBefore) {
    String ownName = in.flag() ? in.text() : null;
    int kind = in.integer();
    long copy = in.signed();
    if (copy != (int) copy) {
      throw in.malformed("a copy's number has 32 bits");
    }
    String args = in.text();
    int inputCount = in.count();
    List<Input> inputs = List.of();
    if (inputCount > 0) {
      List<Input> read = in.list(inputCount);
      for (int i = 0; i < inputCount; i++) {
        read.add(readInput(in));
      }
      inputs = List.copyOf(read);
    }
    int afterCount = in.count();
    List<Integer> after = List.of();
    if (afterCount > 0) {
      List<Integer> read = in.list(afterCount);
      for (int i = 0; i < afterCount; i++) {
        read.add(in.integer());
      }
      after = List.copyOf(read);
    }
    return new TaskSpec(
        ownName,
        kind,
        (int) copy,
        args.equals(argsBefore) ? argsBefore : args,
        inputs,
        after,
        in.integer());
  }

  private static Input readInput(In in) {
    int source = in.octet();
    if (source == STORED) {
      return new Input.Stored(in.blob());
    }
    if (source == PRODUCED) {
      int task = in.integer();
      return new Input.Produced(task, in.integer());
    }
    throw in.malformed("an input is stored (0) or produced (1), not " + source);
  }
}
