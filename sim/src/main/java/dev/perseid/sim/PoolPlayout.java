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
import dev.perseid.core.Limits;
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
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// A recorded workflow as one job on the real pool: its own scheduler hands the tasks to providers
/// of one core each, which run them in simulated time, one after the other, and report what that
/// took. The pool is told nothing of run times and speeds but by these reports. Where bytes take
/// time to move, a machine has what it made and read, and gets the rest from wherever it is, as
/// [Fleet] says.
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

  /// The last part of the hash of what a task made.
  private static final long MADE = 4;

  private static final double EARLIER_SECONDS = 10;

  /// What a core of speed 1 takes, and how much more a faster one does: processors pay for speed
  /// with voltage, so that the same work costs a fast one more energy.
  private static final double USUAL_WATTS = 5;

  private static final double WATTS_BY_SPEED = 1.5;

  /// What became of a workflow.
  ///
  /// @param seconds until it was done
  /// @param joules what all its attempts used
  record Outturn(double seconds, double joules) {}

  /// A provider.
  private static final class Machine {
    final Address address;
    final double speed;
    final ArrayDeque<Lease> waiting = new ArrayDeque<>();

    /// What it made and read; only asked, never walked.
    final Set<Hash> has = new HashSet<>();

    Optional<Lease> running = Optional.empty();
    long fetchedBytes;
    long startedUs;
    long endsUs;

    Machine(int number, double speed) {
      address = new Address(2, 0, number);
      this.speed = speed;
    }

    /// What it takes for an attempt.
    long energyUj(long ranUs) {
      return Math.round(USUAL_WATTS * Math.pow(speed, WATTS_BY_SPEED) * ranUs);
    }

    void begin(long nowUs, double[] work, Fleet fleet) {
      running = Optional.ofNullable(waiting.pollFirst());
      fetchedBytes = 0;
      double travel = 0;
      for (Blob blob : running.map(Lease::inputs).orElse(List.of())) {
        if (has.add(blob.hash()) && (isMade(blob) || fleet.transfer(1) == 0)) {
          fetchedBytes += blob.sizeBytes();
          travel = Math.max(travel, fleet.transfer(blob.sizeBytes()));
        }
      }
      startedUs = nowUs + Math.round(travel * 1e6);
      running.ifPresent(
          l -> endsUs = startedUs + Math.max(1, Math.round(work[l.task()] / speed * 1e6)));
    }
  }

  private final Pool pool = Pool.empty(SELF);
  private final Fleet fleet;
  private final List<Machine> machines = new ArrayList<>();

  /// The bytes of each output of each task of the job; empty where they take no time to move.
  private long[][] made = {};

  private final ArrayDeque<Effect.StopLease> stopped = new ArrayDeque<>();
  private double[] work = {};
  private long energyUj;
  private long nowUs = START_US;

  private PoolPlayout(Fleet fleet) {
    this.fleet = fleet;
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

  /// Plays the job. Before it another one ran there, with some equal tasks for each machine, so
  /// that the pool has records by which it knows how fast each is; of the workflow's programs it
  /// knows nothing.
  ///
  /// @param urgency how it is scheduled
  static Outturn play(WorkGraph graph, Fleet fleet, double[] work, Urgency urgency) {
    PoolPlayout playout = new PoolPlayout(fleet);
    List<WorkGraph.Node> equal =
        Collections.nCopies(EARLIER_TASKS * fleet.size(), new WorkGraph.Node(0, List.of(), 0));
    double[] seconds = new double[equal.size()];
    Arrays.fill(seconds, EARLIER_SECONDS);
    playout.run(1, WorkGraph.of(equal), seconds, Urgency.NONE);
    return playout.run(2, graph, work, urgency);
  }

  private Outturn run(long nonce, WorkGraph graph, double[] secondsOfWork, Urgency urgency) {
    work = secondsOfWork;
    long beganUs = nowUs;
    energyUj = 0;
    made = fleet.transfer(1) > 0 ? new long[graph.size()][] : new long[0][];
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
      long fetched = first.fetchedBytes;
      for (Blob blob : outputs(ended)) {
        first.has.add(blob.hash());
      }
      first.begin(nowUs, work, fleet);
      report(first, ended, startedUs, fetched, Outcome.DONE);
      execute(new Command.Schedule(ASSIGNMENTS));
      stop();
    }
    JobView view = pool.job(job.id()).orElseThrow();
    if (view.done() != graph.size()) {
      throw new IllegalStateException("the pool left a workflow: " + view);
    }
    return new Outturn((nowUs - beganUs) / 1e6, energyUj / 1e6);
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
      long startedUs = runs.isPresent() ? Math.min(nowUs, m.startedUs) : nowUs;
      if (runs.isPresent()) {
        m.begin(nowUs, work, fleet);
      } else {
        m.waiting.remove(ended.get());
      }
      report(m, ended.get(), startedUs, 0, Outcome.CANCELLED);
      execute(new Command.Schedule(ASSIGNMENTS));
    }
  }

  private void report(Machine m, Lease lease, long startedUs, long fetched, Outcome outcome) {
    long usedUj = m.energyUj(nowUs - startedUs);
    energyUj += usedUj;
    Report report = report(lease, startedUs, fetched, outcome, usedUj);
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
          m.begin(nowUs, work, fleet);
        }
      } else if (effect instanceof Effect.StopLease stop) {
        stopped.add(stop);
      }
    }
  }

  /// What a task of the job makes.
  private List<Blob> outputs(Lease lease) {
    List<Blob> blobs = new ArrayList<>();
    for (int o = 0; o < lease.outputs(); o++) {
      blobs.add(new Blob(new Hash(lease.task(), o, lease.job().a(), MADE), made[lease.task()][o]));
    }
    return blobs;
  }

  private static boolean isMade(Blob blob) {
    return blob.hash().d() == MADE;
  }

  private static long bytes(List<Blob> blobs) {
    return blobs.stream().mapToLong(Blob::sizeBytes).sum();
  }

  private Report report(Lease lease, long startedUs, long fetched, Outcome outcome, long usedUj) {
    List<Blob> outputs = outcome == Outcome.DONE ? outputs(lease) : List.of();
    Usage usage =
        new Usage(
            OptionalLong.of(1),
            OptionalLong.empty(),
            OptionalLong.of((nowUs - startedUs) * 1_000),
            OptionalLong.of(MEMORY_BYTES),
            OptionalLong.of(made.length == 0 ? 0 : bytes(lease.inputs())),
            OptionalLong.of(0), // what it leaves is there at once, as it is for the policies
            OptionalLong.of(fetched),
            OptionalLong.empty(),
            OptionalLong.of(usedUj),
            "simulated");
    return new Report(
        lease.id(),
        outcome,
        outcome == Outcome.CANCELLED ? Report.STOPPED : "",
        OptionalLong.of(startedUs),
        OptionalLong.of(nowUs),
        usage,
        outputs,
        "simulated",
        "none",
        Hash.ZERO);
  }

  /// What each task reads of those before it: outputs of their own for each that reads them.
  private List<List<Input>> flows(WorkGraph graph) {
    List<List<Input>> reads = new ArrayList<>();
    int[] next = new int[graph.size()];
    for (int t = 0; t < graph.size(); t++) {
      made[t] = new long[Math.min(graph.children(t), Limits.TASK_OUTPUTS)];
      reads.add(new ArrayList<>());
    }
    for (int t = 0; t < graph.size(); t++) {
      for (int p = 0; p < graph.parents(t); p++) {
        int from = graph.parent(t, p);
        int output = next[from]++ % made[from].length;
        long most = Limits.OUTPUT_BYTES / made[from].length;
        made[from][output] = Math.min(most, Math.max(made[from][output], graph.flowBytes(t, p)));
        reads.get(t).add(new Input.Produced(from, output));
      }
    }
    return reads;
  }

  private JobSpec job(long nonce, WorkGraph graph, Urgency urgency) {
    boolean moves = made.length > 0;
    List<List<Input>> flows = moves ? flows(graph) : List.of();
    List<TaskKind> kinds = new ArrayList<>();
    for (int k = 0; k < graph.kinds(); k++) {
      Blob module = new Blob(new Hash(k, 0, 0, 2), 1);
      long out = moves ? Limits.OUTPUT_BYTES : 1;
      kinds.add(new TaskKind("k" + k, module, 1_000, MEMORY_BYTES, out, WALL_LIMIT_MS, 1, 1));
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
      // What comes from nobody, or of which is only recorded how much it is, is there at once.
      long rest = graph.inputBytes(t);
      List<Input> reads = new ArrayList<>();
      for (int p = 0; moves && p < graph.parents(t); p++) {
        rest = Math.max(0, rest - graph.flowBytes(t, p));
        reads.add(flows.get(t).get(p));
      }
      // Where bytes travel these do not, and the pool must not think so.
      long told = moves ? Math.min(rest, Limits.LARGE_BLOB_BYTES - 1) : rest;
      reads.add(new Input.Stored(new Blob(new Hash(t, 0, 0, 3), told)));
      int outputs = moves ? made[t].length : 0;
      tasks.add(
          new TaskSpec(
              null, graph.kind(t), t, "", List.copyOf(reads), List.copyOf(after), outputs));
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
