package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Comparison;
import dev.perseid.core.Event;
import dev.perseid.core.Form;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Platform;
import dev.perseid.core.Rejection;
import dev.perseid.core.Scheduling;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Thrift;
import dev.perseid.core.Urgency;
import dev.perseid.core.Verification;
import dev.perseid.node.PoolLoop;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A consumer: it draws jobs, submits them, insists until it has an answer, changes its mind, and
/// makes mistakes. It checks that every answer is true.
final class Customer {
  /// The most cores that a task needs.
  static final int MOST_CORES = 3;

  static final int MOST_GPUS = 2;
  static final long MOST_GPU_BYTES = 2L << 30;

  /// The most memory that a task needs.
  static final long MOST_MEMORY_BYTES = 512L << 20;

  private static final Scheduling[] SCHEDULINGS = Scheduling.values();
  private static final long HOUR_MS = 3_600_000;

  /// For a kilowatt hour, and for a kilogram of carbon dioxide: tasks take seconds and watts.
  private static final long DAY_MS = 24 * HOUR_MS;

  /// Too short for some jobs.
  private static final long HASTE_MS = 2_000;

  private static final long MOST_GAS = 1_000_000_000L;
  private static final long OUTPUT_BYTES_LIMIT = 1L << 20;
  private static final long RICH_PER_TASK = 200_000;
  private static final long POOR_PER_TASK = 4_000;
  private static final int KINDS_OF_WRONG = 9;

  /// How long after the storm a job may go on whose results are checked.
  private static final long PATIENCE_US = 600_000_000;

  private final Address address;
  private final Address operator;
  private final Seals seals;
  private final Agenda agenda;
  private final Dice dice;
  private final Weather weather;
  private final Auditor auditor;
  private long nonce;
  private boolean leaves;
  private final Petitions petitions;

  Customer(
      Address address,
      Address operator,
      Seals seals,
      Agenda agenda,
      Dice dice,
      Weather weather,
      PoolHost pool,
      Auditor auditor) {
    this.address = address;
    this.operator = operator;
    this.seals = seals;
    this.agenda = agenda;
    this.dice = dice;
    this.weather = weather;
    petitions = new Petitions(agenda, dice, pool);
    this.auditor = auditor;
  }

  Address address() {
    return address;
  }

  /// It may leave the pool now and then.
  void mayLeave() {
    leaves = true;
  }

  /// How many of its requests wait for an answer.
  int unanswered() {
    return petitions.unanswered();
  }

  /// Plans to submit so many jobs during the storm.
  void plan(int jobs) {
    long credits = RICH_PER_TASK * weather.jobTasks() * (1 + dice.below(jobs + 1));
    insist("grant", new Command.Grant(address, credits, "welcome"), reply -> true);
    for (int i = 0; i < jobs; i++) {
      agenda.after(
          dice.between(10_000, weather.stormUs() * 3 / 4), "customer submits", i, this::submit);
    }
  }

  private void submit() {
    JobSpec good = draw(nonce++);
    if (dice.chance(weather.wrongPerMyriad())) {
      JobSpec wrong = spoil(good);
      insist(
          "wrong job",
          new Command.SubmitJob(wrong, sign(wrong)),
          reply -> {
            if (!(reply instanceof PoolLoop.Reply.Refused r)
                || r.rejection().code() != Rejection.Code.INVALID) {
              throw new Violation("a wrong job was answered " + reply + ": " + wrong);
            }
            return true;
          });
      return;
    }
    send(good, true);
    if (dice.chance(weather.doublePerMyriad())) {
      agenda.after(dice.skewed(0, 10_000_000), "customer submits again", 0, () -> send(good, true));
    }
    if (dice.chance(weather.doublePerMyriad() / 4)) {
      JobSpec other = renamed(good, good.name() + "-other");
      agenda.after(
          dice.skewed(0, 10_000_000), "customer reuses a nonce", 0, () -> send(other, false));
    }
    if (!(good.verification() instanceof Verification.None)) {
      // Nobody may be left whom it could ask whether a result is right.
      agenda.after(
          weather.stormUs() + PATIENCE_US,
          "customer gives up",
          0,
          () -> insist("give up", new Command.CancelJob(good.id(), address, false), _ -> true));
    }
    if (dice.chance(weather.cancelPerMyriad())) {
      agenda.after(
          dice.skewed(0, 10 * weather.taskUs()), "customer cancels", 0, () -> cancel(good.id()));
    }
  }

  /// @param sole whether this is the only job under its nonce, so that refusing it as INVALID is
  ///   wrong
  private void send(JobSpec spec, boolean sole) {
    boolean rival = !sole || reused.contains(spec.nonce());
    if (!sole) {
      reused.add(spec.nonce());
    }
    insist(
        "job",
        new Command.SubmitJob(spec, sign(spec)),
        reply -> {
          switch (reply) {
            case PoolLoop.Reply.Done _ -> {
              Optional<JobSpec> accepted = auditor.spec(spec.id());
              if (!accepted.equals(Optional.of(spec))) {
                throw new Violation(
                    "job " + spec.id() + " was confirmed, the durable log has " + accepted);
              }
            }
            case PoolLoop.Reply.Refused r -> {
              boolean fair =
                  switch (r.rejection().code()) {
                    case INSUFFICIENT_CREDITS, OVERLOADED, UNCOVERED -> true;
                    case INVALID -> rival || reused.contains(spec.nonce());
                    // It leaves, or took out what it had spent.
                    case FORBIDDEN -> leaves;
                    case UNKNOWN, STALE, ENDED -> false;
                  };
              if (!fair) {
                throw new Violation("a good job was refused: " + r.rejection());
              }
            }
          }
          return true;
        });
  }

  private final List<Long> reused = new ArrayList<>();

  private void cancel(JobId job) {
    boolean stranger = dice.chance(2_000);
    boolean asOperator = !stranger && dice.chance(2_000);
    Address by = stranger ? new Address(1, 2, 3) : asOperator ? operator : address;
    boolean known = auditor.accepted(job);
    insist(
        "cancel",
        new Command.CancelJob(job, by, asOperator),
        reply -> {
          boolean done = reply instanceof PoolLoop.Reply.Done;
          if (stranger && known && done) {
            throw new Violation("a stranger cancelled job " + job);
          }
          if (done && !auditor.state(job).map(s -> s != Event.JobState.RUNNING).orElse(false)) {
            throw new Violation("the cancellation of job " + job + " was confirmed and it runs on");
          }
          return true;
        });
  }

  private void insist(String what, Command command, Petitions.Judge judge) {
    petitions.insist(what, nonce, command, judge);
  }

  private String sign(JobSpec spec) {
    return seals.sign(address, Hash.sha256(new byte[] {(byte) spec.nonce()}));
  }

  // ---- jobs

  private Gpus gpus() {
    if (dice.chance(6_000)) {
      return Gpus.NONE;
    }
    return new Gpus(1 + dice.below(MOST_GPUS), dice.between(0, MOST_GPU_BYTES));
  }

  private JobSpec draw(long number) {
    int count = 1 + dice.below(weather.jobTasks());
    List<TaskKind> kinds = new ArrayList<>();
    int kindCount = 1 + dice.below(3);
    for (int i = 0; i < kindCount; i++) {
      long wallMs = weather.taskUs() * 3 / 1_000 + 10;
      boolean isNative = dice.chance(2_000);
      kinds.add(
          new TaskKind(
              "k" + i,
              new Blob(new Hash(dice.next(), dice.next(), dice.next(), dice.next()), 100),
              isNative ? 0 : dice.between(1, MOST_GAS),
              dice.between(1, MOST_MEMORY_BYTES),
              OUTPUT_BYTES_LIMIT,
              dice.chance(9_000) ? wallMs : 1 + wallMs / 10,
              1 + dice.below(dice.chance(8_000) ? 1 : MOST_CORES),
              1 + dice.below(5),
              isNative
                  ? new Form.Native(
                      Platform.LINUX_X86_64,
                      dice.chance(3_000) ? new Comparison.Exact() : new Comparison.Numeric(0.5, 0),
                      gpus())
                  : new Form.Portable()));
    }
    // Tasks depend on tasks that come earlier in a hidden order, which is not that of their
    // indices.
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      order[i] = i;
    }
    for (int i = count - 1; i > 0; i--) {
      int j = dice.below(i + 1);
      int t = order[i];
      order[i] = order[j];
      order[j] = t;
    }
    int[] outputs = new int[count];
    for (int i = 0; i < count; i++) {
      outputs[i] = dice.below(4);
    }
    int dense = dice.below(4);
    TaskSpec[] tasks = new TaskSpec[count];
    for (int i = 0; i < count; i++) {
      List<Input> inputs = new ArrayList<>();
      List<Integer> after = new ArrayList<>();
      if (dice.chance(5_000)) {
        inputs.add(
            new Input.Stored(
                new Blob(new Hash(dice.next(), 0, 0, dice.next()), dice.between(1, 1 << 20))));
      }
      for (int k = 0; i > 0 && k < dense; k++) {
        int on = order[dice.below(i)];
        if (outputs[on] > 0 && dice.chance(7_000)) {
          inputs.add(new Input.Produced(on, dice.below(outputs[on])));
        } else if (!after.contains(on)) {
          after.add(on);
        }
      }
      boolean fails = dice.chance(weather.taskFailsPerMyriad());
      int index = order[i];
      tasks[index] =
          new TaskSpec(
              dice.chance(2_000) ? "own" + index : null,
              dice.below(kindCount),
              index,
              (fails ? Work.FAILS : "run") + dice.below(1_000),
              List.copyOf(inputs),
              List.copyOf(after),
              outputs[index]);
    }
    List<Input.Produced> results = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (outputs[i] > 0 && dice.chance(2_000)) {
        results.add(new Input.Produced(i, 0));
      }
    }
    long perTask = dice.chance(weather.poorPerMyriad()) ? POOR_PER_TASK : RICH_PER_TASK;
    return new JobSpec(
        address,
        number,
        "job" + number,
        dice.below(201) - 100,
        dice.between(perTask / 2, perTask) * count,
        kinds,
        List.of(tasks),
        results,
        verification(),
        new Urgency(
            new Thrift(
                number % 4 == 0 ? HOUR_MS : 0,
                number % 8 == 0 ? DAY_MS : 0,
                number % 12 == 0 ? DAY_MS : 0),
            number % 5 == 3 ? HASTE_MS * (1 + number % 7) : 0,
            number % 3 == 0 ? 0 : 10 * (int) (1 + number % 9),
            // Only where nobody waits for cheap providers all ways to schedule are allowed.
            number % 4 == 0
                ? Scheduling.LEARNED
                : SCHEDULINGS[(int) (number % SCHEDULINGS.length)]));
  }

  private Verification verification() {
    if (!dice.chance(weather.verifyPerMyriad())) {
      return new Verification.None();
    }
    return switch (dice.below(5)) {
      case 0, 1 ->
          new Verification.SpotCheck(1 + dice.below(dice.chance(5_000) ? 50_000 : 1_000_000));
      case 2 -> new Verification.Replicate(2 + dice.below(2));
      default -> new Verification.Adaptive(dice.below(100));
    };
  }

  private static JobSpec renamed(JobSpec s, String name) {
    return new JobSpec(
        s.consumer(),
        s.nonce(),
        name,
        s.priority(),
        s.budget(),
        s.kinds(),
        s.tasks(),
        s.results(),
        s.verification(),
        s.urgency());
  }

  /// One of the mistakes that people make.
  private JobSpec spoil(JobSpec s) {
    List<TaskSpec> tasks = new ArrayList<>(s.tasks());
    int last = tasks.size() - 1;
    TaskSpec t = tasks.get(last);
    int priority = s.priority();
    long budget = s.budget();
    List<TaskKind> kinds = s.kinds();
    switch (dice.below(KINDS_OF_WRONG)) {
      case 0 -> tasks.clear();
      case 1 -> tasks.set(last, needing(t, List.of(), List.of(last))); // itself
      case 2 -> tasks.set(last, needing(t, List.of(), List.of(last + 1))); // nobody
      case 3 -> tasks.set(last, needing(t, List.of(), List.of(-1)));
      case 4 -> tasks.set(last, needing(t, List.of(new Input.Produced(last, 0)), List.of()));
      case 5 -> { // a circle of two
        int a = tasks.size();
        tasks.add(new TaskSpec("left", 0, -1, "", List.of(), List.of(a + 1), 0));
        tasks.add(new TaskSpec("right", 0, -1, "", List.of(), List.of(a), 0));
      }
      case 6 -> priority = 101;
      case 7 -> budget = -budget;
      default -> kinds = List.of();
    }
    return new JobSpec(
        s.consumer(),
        s.nonce(),
        s.name(),
        priority,
        budget,
        kinds,
        tasks,
        List.of(),
        s.verification(),
        s.urgency());
  }

  private static TaskSpec needing(TaskSpec t, List<Input> inputs, List<Integer> after) {
    @Nullable String name = t.ownName();
    return new TaskSpec(name, t.kind(), t.copy(), t.args(), inputs, after, t.outputs());
  }
}
