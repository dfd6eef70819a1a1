package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/// Small good things for tests, to be varied.
final class Sample {
  static final Address POOL = new Address(7, 7, 7);
  static final Address ALICE = new Address(1, 0, 1);
  static final Address BOB = new Address(1, 0, 2);
  static final Price PRICE = new Price(1_000, 10, 100);
  static final long GB = 1_000_000_000L;
  static final String SIGNATURE = "ab".repeat(65);

  private Sample() {}

  static Address provider(int number) {
    return new Address(2, 0, number);
  }

  static Hash hash(long number) {
    return new Hash(number, 2, 3, 4);
  }

  static Blob blob(long number) {
    return new Blob(hash(number), 100);
  }

  static TaskKind kind(String name) {
    return kind(name, 1, 1_000_000);
  }

  static TaskKind kind(String name, int cores, long memoryBytes) {
    return new TaskKind(name, blob(99), 1_000_000, memoryBytes, 10_000, 1_000, cores, 3);
  }

  static TaskSpec task(int copy, Input... inputs) {
    return new TaskSpec(null, 0, copy, "", List.of(inputs), List.of(), 1);
  }

  static TaskSpec taskOf(int kind, int copy) {
    return new TaskSpec(null, kind, copy, "", List.of(), List.of(), 1);
  }

  static TaskSpec taskAfter(int copy, Integer... after) {
    return new TaskSpec(null, 0, copy, "", List.of(), List.of(after), 1);
  }

  /// A job of `count` independent tasks.
  static JobSpec job(long nonce, int count) {
    List<TaskSpec> tasks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      tasks.add(task(i));
    }
    return job(nonce, tasks);
  }

  /// A job of `count` independent tasks of a kind.
  static JobSpec job(long nonce, int count, TaskKind kind, long budget, Verification how) {
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < count; t++) {
      tasks.add(task(t));
    }
    return new JobSpec(
        ALICE,
        nonce,
        kind.name(),
        0,
        budget,
        List.of(kind),
        tasks,
        List.of(new Input.Produced(count - 1, 0)),
        how);
  }

  static JobSpec job(long nonce, List<TaskSpec> tasks) {
    return job(nonce, 0, 1_000_000, List.of(kind("work")), tasks);
  }

  static JobSpec job(
      long nonce, int priority, long budget, List<TaskKind> kinds, List<TaskSpec> tasks) {
    return new JobSpec(
        ALICE,
        nonce,
        "sample",
        priority,
        budget,
        kinds,
        tasks,
        List.of(new Input.Produced(tasks.size() - 1, 0)));
  }

  /// The same job with other wishes of time.
  static JobSpec like(JobSpec s, long thriftMs, long deadlineMs) {
    return like(s, new Urgency(thriftMs, deadlineMs, 0));
  }

  /// The same job whose time is worth something else.
  static JobSpec like(JobSpec s, Urgency urgency) {
    return new JobSpec(
        s.consumer(),
        s.nonce(),
        s.name(),
        s.priority(),
        s.budget(),
        s.kinds(),
        s.tasks(),
        s.results(),
        s.verification(),
        urgency);
  }

  static Offer offer(int number, int cores, long memoryBytes) {
    return new Offer(
        provider(number),
        "p" + number,
        "a machine",
        "here",
        cores,
        memoryBytes,
        PRICE,
        Capability.UNMEASURED,
        number);
  }

  /// Of a machine with GPUs.
  static Offer offer(int number, int cores, long memoryBytes, Gpus gpus, long perGpuSecond) {
    return offer(number, cores, memoryBytes).with(gpus, perGpuSecond);
  }

  static Command.JoinProvider join(int number, int cores, long session, Long... held) {
    return join(offer(number, cores, 8 * GB), session, held);
  }

  static Command.JoinProvider join(Offer offer, long session, Long... held) {
    return new Command.JoinProvider(
        offer, hash(1_000 + offer.madeUs()), SIGNATURE, session, List.of(held));
  }

  /// Of a provider that runs native tasks.
  static Command.JoinProvider joinNative(Offer offer, long session, Long... held) {
    Optional<Platform> platform = Optional.of(Platform.LINUX_X86_64);
    return join(join(offer, session, held), "", platform, Optional.empty(), OptionalInt.empty());
  }

  /// Of a provider that says what a kilowatt hour emits where it stands.
  static Command.JoinProvider joinAt(int gPerKwh, Offer offer, long session, Long... held) {
    Command.JoinProvider j = join(offer, session, held);
    return join(j, "", Optional.empty(), Optional.empty(), OptionalInt.of(gPerKwh));
  }

  /// From a network, of an operator.
  static Command.JoinProvider joinFrom(
      String network, Optional<Address> operator, int number, int cores) {
    return join(join(number, cores, 1), network, Optional.empty(), operator, OptionalInt.empty());
  }

  private static Command.JoinProvider join(
      Command.JoinProvider j,
      String network,
      Optional<Platform> platform,
      Optional<Address> operator,
      OptionalInt gPerKwh) {
    return new Command.JoinProvider(
        j.offer(),
        j.offerHash(),
        j.signature(),
        j.session(),
        j.held(),
        network,
        platform,
        operator,
        gPerKwh);
  }

  static Report done(Lease lease) {
    return done(lease, 1_000_000);
  }

  static Report done(Lease lease, long wallNs) {
    return done(lease, wallNs, lease.id());
  }

  /// With the outputs that everybody gets who does the task rightly.
  static Report right(Lease lease) {
    return done(lease, 1_000_000, 1_000_000 + lease.task());
  }

  /// With other outputs, and those of nobody else.
  static Report wrong(Lease lease) {
    return done(lease);
  }

  /// @param what which outputs
  static Report done(Lease lease, long wallNs, long what) {
    return done(lease, wallNs, what, 500_000);
  }

  /// Rightly done with so much gas.
  static Report ofGas(Lease lease, long gas) {
    return done(lease, 1_000_000, 1_000_000 + lease.task(), gas);
  }

  /// Done by somebody who knows what energy it used.
  static Report powered(Lease lease, long wallNs, long energyUj) {
    Report r = done(lease, wallNs);
    Usage u = r.usage();
    return new Report(
        r.lease(),
        r.outcome(),
        r.reason(),
        r.startedUs(),
        r.endedUs(),
        new Usage(
            u.gas(),
            u.cpuNs(),
            u.wallNs(),
            u.peakMemoryBytes(),
            u.bytesIn(),
            u.bytesOut(),
            u.fetchedBytes(),
            u.gpuNs(),
            OptionalLong.of(energyUj),
            "declared"),
        r.outputs(),
        r.engine(),
        r.isolation(),
        r.digest());
  }

  private static Report done(Lease lease, long wallNs, long what, long gas) {
    List<Blob> outputs = new ArrayList<>();
    for (int i = 0; i < lease.outputs(); i++) {
      outputs.add(blob(what * 10 + i));
    }
    Usage usage =
        new Usage(
            lease.kind().isNative() ? OptionalLong.empty() : OptionalLong.of(gas),
            OptionalLong.empty(),
            OptionalLong.of(wallNs),
            OptionalLong.of(65_536),
            OptionalLong.of(0),
            OptionalLong.of(100),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            "");
    return new Report(
        lease.id(),
        Outcome.DONE,
        "",
        OptionalLong.of(lease.assignedUs() + 5),
        OptionalLong.of(lease.assignedUs() + 5 + wallNs / 1_000),
        usage,
        outputs,
        engine(lease),
        "none",
        hash(lease.id() + 5_000));
  }

  private static String engine(Lease lease) {
    return lease.kind().isNative() ? Report.NATIVE : "engine 1";
  }

  static Report ended(Lease lease, Outcome outcome, String reason) {
    return new Report(
        lease.id(),
        outcome,
        reason,
        OptionalLong.empty(),
        OptionalLong.empty(),
        Usage.UNMEASURED,
        List.of(),
        engine(lease),
        "none",
        hash(lease.id() + 5_000));
  }

  /// Stopped by the pool, with as much gas as all of the task needs.
  static Report stopped(Lease lease) {
    return stopped(lease, 500_000);
  }

  /// Stopped by the pool.
  static Report stopped(Lease lease, long gas) {
    Report done = done(lease);
    Usage u = done.usage();
    Usage usage =
        new Usage(
            lease.kind().isNative() ? OptionalLong.empty() : OptionalLong.of(gas),
            u.cpuNs(),
            u.wallNs(),
            u.peakMemoryBytes(),
            u.bytesIn(),
            u.bytesOut(),
            u.fetchedBytes(),
            u.gpuNs(),
            u.energyUj(),
            "");
    return new Report(
        lease.id(),
        Outcome.CANCELLED,
        Report.STOPPED,
        done.startedUs(),
        done.endedUs(),
        usage,
        List.of(),
        done.engine(),
        done.isolation(),
        done.digest());
  }

  static Verification verification(Random random) {
    return switch (random.nextInt(6)) {
      case 0, 1 -> new Verification.None();
      case 2 -> new Verification.SpotCheck(1 + random.nextInt(1_000_000));
      case 3 -> new Verification.Replicate(2 + random.nextInt(2));
      default -> new Verification.Adaptive(random.nextInt(100));
    };
  }

  /// None, as a rule.
  static Gpus gpus(Random random, int most) {
    int count = Math.max(0, random.nextInt(2 * most) - most + 1);
    return count == 0 ? Gpus.NONE : new Gpus(count, random.nextInt(1, 4) * GB);
  }

  static Comparison comparison(Random random) {
    return switch (random.nextInt(5)) {
      case 0 -> new Comparison.Exact();
      case 1 -> new Comparison.Lines();
      case 2 -> new Comparison.Module(blob(98));
      default -> new Comparison.Numeric(random.nextDouble(), random.nextInt(3));
    };
  }

  /// A job whose tasks depend on earlier ones at random.
  static JobSpec randomJob(Random random, Address consumer, long nonce) {
    int kindCount = 1 + random.nextInt(3);
    List<TaskKind> kinds = new ArrayList<>();
    for (int k = 0; k < kindCount; k++) {
      boolean isNative = random.nextInt(4) == 0;
      kinds.add(
          new TaskKind(
              "k" + k,
              blob(k),
              isNative ? 0 : 1_000_000,
              random.nextInt(8) == 0 ? 4L << 30 : GB * (1 + random.nextInt(2)),
              10_000,
              1_000 + random.nextInt(60_000),
              1 + random.nextInt(2),
              1 + random.nextInt(4),
              isNative
                  ? new Form.Native(Platform.LINUX_X86_64, comparison(random), gpus(random, 3))
                  : new Form.Portable()));
    }
    int count = 1 + random.nextInt(12);
    List<TaskSpec> tasks = new ArrayList<>();
    for (int t = 0; t < count; t++) {
      List<Input> inputs = new ArrayList<>();
      List<Integer> after = new ArrayList<>();
      for (int e = random.nextInt(3); e > 0 && t > 0; e--) {
        int from = random.nextInt(t);
        if (tasks.get(from).outputs() > 0 && random.nextBoolean()) {
          inputs.add(new Input.Produced(from, random.nextInt(tasks.get(from).outputs())));
        } else {
          after.add(from);
        }
      }
      if (random.nextInt(4) == 0) {
        inputs.add(new Input.Stored(blob(random.nextInt(9))));
      }
      @Nullable String own = random.nextInt(5) == 0 ? "own-ü-" + t : null;
      tasks.add(
          new TaskSpec(
              own, random.nextInt(kindCount), t, "n=" + t % 3, inputs, after, random.nextInt(3)));
    }
    List<Input.Produced> results = new ArrayList<>();
    for (int t = 0; t < count; t++) {
      for (int o = 0; o < tasks.get(t).outputs(); o++) {
        if (random.nextBoolean()) {
          results.add(new Input.Produced(t, o));
        }
      }
    }
    return new JobSpec(
        consumer,
        nonce,
        "random",
        random.nextInt(5) - 2,
        1 + random.nextInt(4_000),
        kinds,
        tasks,
        results,
        verification(random),
        urgency(random));
  }

  private static Thrift thrift(Random random) {
    return new Thrift(maybe(random), maybe(random), maybe(random));
  }

  private static long maybe(Random random) {
    return random.nextInt(4) == 0 ? random.nextLong(1_000_000_000) : 0;
  }

  private static Urgency urgency(Random random) {
    Scheduling scheduling = Scheduling.values()[random.nextInt(Scheduling.values().length)];
    return new Urgency(
        scheduling.awaits() ? thrift(random) : Thrift.NONE,
        random.nextInt(4) == 0 ? random.nextLong(1_000_000_000) : 0,
        random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(100),
        scheduling);
  }
}
