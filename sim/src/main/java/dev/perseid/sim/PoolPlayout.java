package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobSpec;
import dev.perseid.core.JobView;
import dev.perseid.core.Lease;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Pool;
import dev.perseid.core.Price;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Urgency;
import dev.perseid.core.Usage;
import dev.perseid.core.Verification;
import dev.perseid.core.schedule.Fleet;
import dev.perseid.core.schedule.WorkGraph;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// A recorded workflow as one job on the real pool: its own scheduler hands the tasks to providers
/// of one core each, which run them in simulated time, one after the other, and report what that
/// took. The pool is told nothing of run times and speeds but by these reports.
final class PoolPlayout {
  private static final Address SELF = new Address(7, 7, 7);
  private static final Address CONSUMER = new Address(1, 0, 1);
  private static final String SIGNATURE = "00".repeat(65);
  private static final long MEMORY_BYTES = 1L << 30;
  private static final long WALL_LIMIT_MS = 7L * 24 * 3_600_000;
  private static final long START_US = 1_000_000;
  private static final long LOOKS_EACH_US = 1_000_000;
  private static final int ASSIGNMENTS = 1 << 20;
  private static final int EARLIER_TASKS = 8;
  private static final double EARLIER_SECONDS = 10;

  /// A provider.
  private static final class Machine {
    final Address address;
    final double speed;
    final ArrayDeque<Lease> waiting = new ArrayDeque<>();
    Optional<Lease> running = Optional.empty();
    long startedUs;
    long endsUs;

    Machine(int number, double speed) {
      address = new Address(2, 0, number);
      this.speed = speed;
    }

    void begin(long nowUs, double[] work) {
      running = Optional.ofNullable(waiting.pollFirst());
      startedUs = nowUs;
      running.ifPresent(
          l -> endsUs = nowUs + Math.max(1, Math.round(work[l.task()] / speed * 1e6)));
    }
  }

  private final Pool pool = Pool.empty(SELF);
  private final List<Machine> machines = new ArrayList<>();
  private final ArrayDeque<Effect.StopLease> stopped = new ArrayDeque<>();
  private double[] work = {};
  private long nowUs = START_US;

  private PoolPlayout(Fleet fleet) {
    for (int m = 0; m < fleet.size(); m++) {
      Machine machine = new Machine(m, fleet.speed(m));
      machines.add(machine);
      Offer offer =
          new Offer(
              machine.address,
              "m" + m,
              "simulated",
              "here",
              1,
              8 * MEMORY_BYTES,
              new Price(0, 0, 0),
              Capability.UNMEASURED,
              START_US);
      Hash digest = new Hash(m, 0, 0, 1);
      execute(new Command.JoinProvider(offer, digest, SIGNATURE, 1, List.of()));
    }
    execute(new Command.Grant(CONSUMER, 2, ""));
  }

  /// Seconds until the job is done. Before it another one ran there, with some equal tasks for each
  /// machine, so that the pool has records by which it knows how fast each is; of the workflow's
  /// programs it knows nothing.
  ///
  /// @param urgency how it is scheduled
  static double makespan(WorkGraph graph, Fleet fleet, double[] work, Urgency urgency) {
    PoolPlayout playout = new PoolPlayout(fleet);
    List<WorkGraph.Node> equal =
        Collections.nCopies(EARLIER_TASKS * fleet.size(), new WorkGraph.Node(0, List.of(), 0));
    double[] seconds = new double[equal.size()];
    Arrays.fill(seconds, EARLIER_SECONDS);
    playout.run(1, WorkGraph.of(equal), seconds, Urgency.NONE);
    return playout.run(2, graph, work, urgency);
  }

  private double run(long nonce, WorkGraph graph, double[] secondsOfWork, Urgency urgency) {
    work = secondsOfWork;
    long beganUs = nowUs;
    JobSpec job = job(nonce, graph, urgency);
    execute(new Command.SubmitJob(job, SIGNATURE));
    execute(new Command.Schedule(ASSIGNMENTS));
    while (true) {
      Machine first = null;
      for (Machine m : machines) {
        if (m.running.isPresent() && (first == null || m.endsUs < first.endsUs)) {
          first = m;
        }
      }
      if (first == null) {
        break;
      }
      boolean isIdle = machines.stream().anyMatch(m -> m.running.isEmpty());
      if (isIdle && first.endsUs - nowUs > LOOKS_EACH_US) {
        // A pool looks again also when nothing has happened.
        nowUs += LOOKS_EACH_US;
        execute(new Command.Schedule(ASSIGNMENTS));
        stop();
        continue;
      }
      nowUs = first.endsUs;
      Lease ended = first.running.orElseThrow();
      long startedUs = first.startedUs;
      first.begin(nowUs, work);
      report(first, ended, startedUs, Outcome.DONE);
      execute(new Command.Schedule(ASSIGNMENTS));
      stop();
    }
    JobView view = pool.job(job.id()).orElseThrow();
    if (view.done() != graph.size()) {
      throw new IllegalStateException("the pool left a workflow: " + view);
    }
    return (nowUs - beganUs) / 1e6;
  }

  /// Ends what the pool does not want any more; that its machine is idle then may bring it more.
  private void stop() {
    while (!stopped.isEmpty()) {
      Effect.StopLease stop = stopped.remove();
      Machine m = machines.get(stop.provider().c());
      Optional<Lease> runs = m.running.filter(l -> l.id() == stop.lease());
      Optional<Lease> ended =
          runs.or(() -> m.waiting.stream().filter(l -> l.id() == stop.lease()).findFirst());
      if (ended.isEmpty()) {
        continue; // It ended at the same moment.
      }
      long startedUs = runs.isPresent() ? m.startedUs : nowUs;
      if (runs.isPresent()) {
        m.begin(nowUs, work);
      } else {
        m.waiting.remove(ended.get());
      }
      report(m, ended.get(), startedUs, Outcome.CANCELLED);
      execute(new Command.Schedule(ASSIGNMENTS));
    }
  }

  private void report(Machine m, Lease lease, long startedUs, Outcome outcome) {
    Report report = report(lease, startedUs, outcome);
    execute(new Command.ReportAttempts(m.address, 1, List.of(report), SIGNATURE, 0));
  }

  private void execute(Command command) {
    List<Effect> effects = new ArrayList<>();
    pool.execute(command, nowUs, effects);
    for (Effect effect : effects) {
      if (effect instanceof Effect.SendLease(Lease lease)) {
        Machine m = machines.get(lease.provider().c());
        m.waiting.add(lease);
        if (m.running.isEmpty()) {
          m.begin(nowUs, work);
        }
      } else if (effect instanceof Effect.StopLease stop) {
        stopped.add(stop);
      }
    }
  }

  private Report report(Lease lease, long startedUs, Outcome outcome) {
    Usage usage =
        new Usage(
            OptionalLong.of(1),
            OptionalLong.empty(),
            OptionalLong.of((nowUs - startedUs) * 1_000),
            OptionalLong.of(MEMORY_BYTES),
            OptionalLong.of(0),
            OptionalLong.of(0),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            "");
    return new Report(
        lease.id(),
        outcome,
        outcome == Outcome.CANCELLED ? Report.STOPPED : "",
        OptionalLong.of(startedUs),
        OptionalLong.of(nowUs),
        usage,
        List.of(),
        "simulated",
        "none",
        Hash.ZERO);
  }

  private static JobSpec job(long nonce, WorkGraph graph, Urgency urgency) {
    List<TaskKind> kinds = new ArrayList<>();
    for (int k = 0; k < graph.kinds(); k++) {
      Blob module = new Blob(new Hash(k, 0, 0, 2), 1);
      kinds.add(new TaskKind("k" + k, module, 1_000, MEMORY_BYTES, 1, WALL_LIMIT_MS, 1, 1));
    }
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < graph.size(); t++) {
      List<Integer> after = new ArrayList<>();
      for (int p = 0; p < graph.parents(t); p++) {
        if (!after.contains(graph.parent(t, p))) {
          after.add(graph.parent(t, p));
        }
      }
      after.sort(null);
      // What a task reads is recorded in all, and not from whom it comes.
      Input read = new Input.Stored(new Blob(new Hash(1, 0, 0, 3), graph.inputBytes(t)));
      tasks.add(new TaskSpec(null, graph.kind(t), t, "", List.of(read), List.copyOf(after), 0));
    }
    return new JobSpec(
        CONSUMER,
        nonce,
        "workflow",
        0,
        1,
        kinds,
        tasks,
        List.of(),
        new Verification.None(),
        urgency);
  }
}
