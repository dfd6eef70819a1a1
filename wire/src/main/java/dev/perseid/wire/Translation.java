package dev.perseid.wire;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.Capacity;
import dev.perseid.core.Comparison;
import dev.perseid.core.Form;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.JobView;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Operated;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Price;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.Result;
import dev.perseid.core.Scheduling;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Text;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.core.Verification;
import dev.perseid.wire.v1.Proto;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// Core's words as protobuf messages and back. What comes from outside is checked here for form:
/// lengths, signs, list sizes, known kinds. Whether it makes sense is decided in core.
///
/// `write` never fails on what core accepts; `read` throws [Malformed]. All are pure; linear in the
/// message's size.
public final class Translation {
  private Translation() {}

  // ---- provider to pool ----

  /// A message of a provider.
  public static Proto.FromProvider write(FromProvider m) {
    Proto.FromProvider.Builder b = Proto.FromProvider.newBuilder();
    switch (m) {
      case FromProvider.Hello h -> {
        Proto.Hello.Builder hello =
            Proto.Hello.newBuilder()
                .setOffer(write(h.offer()))
                .setOfferSignature(signature(h.signature()))
                .addAllHeldLeases(h.held())
                .setNativePlatform(h.platform().map(Platform::word).orElse(""));
        h.operator()
            .ifPresent(o ->
                hello.setOperator(
                    Proto.Operated.newBuilder()
                        .setOperator(bytes(o.operator()))
                        .setSignature(signature(o.signature()))));
        h.gPerKwh().ifPresent(hello::setGPerKwh);
        b.setHello(hello);
      }
      case FromProvider.Heartbeat _ -> b.setHeartbeat(Proto.Heartbeat.getDefaultInstance());
      case FromProvider.Reports r -> {
        Proto.Reports.Builder reports =
            Proto.Reports.newBuilder()
                .setRoot(bytes(r.root()))
                .setSignature(signature(r.signature()));
        for (Report report : r.reports()) {
          reports.addReports(write(report));
        }
        b.setReports(reports);
      }
      case FromProvider.ReturnLeases r ->
          b.setReturnLeases(Proto.ReturnLeases.newBuilder().addAllLeases(r.leases()));
      case FromProvider.Probed p ->
          b.setProbed(
              Proto.ProbeAnswer.newBuilder()
                  .setId(p.answer().id())
                  .setPart(lower(p.answer().part()))
                  .addAllDigests(p.answer().digests())
                  .addAllWalk(p.answer().walk()));
      case FromProvider.Drain _ -> b.setDrain(Proto.Drain.getDefaultInstance());
      case FromProvider.Goodbye g -> b.setGoodbye(Proto.Goodbye.newBuilder().setReason(g.reason()));
    }
    return b.build();
  }

  /// A provider's message, read by the pool.
  public static FromProvider read(Proto.FromProvider m) throws Malformed {
    return switch (m.getMessageCase()) {
      case HELLO -> {
        Proto.Hello h = m.getHello();
        yield new FromProvider.Hello(
            read(h.getOffer()),
            signature(h.getOfferSignature(), "hello.offer_signature"),
            leases(h.getHeldLeasesList(), "hello.held_leases"),
            h.getNativePlatform().isEmpty()
                ? Optional.empty()
                : Optional.of(platform(h.getNativePlatform(), "hello.native_platform")),
            h.hasOperator()
                ? Optional.of(
                    new Operated(
                        address(h.getOperator().getOperator(), "hello.operator.operator"),
                        signature(h.getOperator().getSignature(), "hello.operator.signature")))
                : Optional.empty(),
            h.hasGPerKwh() ? OptionalInt.of(h.getGPerKwh()) : OptionalInt.empty());
      }
      case HEARTBEAT -> new FromProvider.Heartbeat();
      case REPORTS -> {
        Proto.Reports r = m.getReports();
        atMost(r.getReportsCount(), Limits.BATCH_REPORTS, "reports.reports");
        if (r.getReportsCount() == 0) {
          throw new Malformed("reports.reports is empty: send a batch of at least one report");
        }
        List<Report> reports = new ArrayList<>(r.getReportsCount());
        for (int i = 0; i < r.getReportsCount(); i++) {
          reports.add(read(r.getReports(i), "reports.reports[" + i + "]"));
        }
        yield new FromProvider.Reports(
            reports,
            hash(r.getRoot(), "reports.root"),
            signature(r.getSignature(), "reports.signature"));
      }
      case RETURN_LEASES ->
          new FromProvider.ReturnLeases(
              leases(m.getReturnLeases().getLeasesList(), "return_leases.leases"));
      case PROBED -> {
        Proto.ProbeAnswer p = m.getProbed();
        atMost(p.getDigestsCount(), WireLimits.PROBE_DIGESTS, "probed.digests");
        atMost(p.getWalkCount(), WireLimits.PROBE_WALK, "probed.walk");
        yield new FromProvider.Probed(
            new ProbeAnswer(
                p.getId(),
                part(p.getPart(), "probed.part"),
                List.copyOf(p.getDigestsList()),
                List.copyOf(p.getWalkList())));
      }
      case DRAIN -> new FromProvider.Drain();
      case GOODBYE ->
          new FromProvider.Goodbye(
              text(m.getGoodbye().getReason(), Limits.REASON_CHARS, "goodbye.reason"));
      case MESSAGE_NOT_SET ->
          throw new Malformed(
              "the message is empty or of a kind that this pool does not know (protocol 1)");
    };
  }

  /// An offer.
  public static Proto.Offer write(Offer o) {
    Proto.Offer.Builder b =
        Proto.Offer.newBuilder()
            .setProvider(bytes(o.provider()))
            .setName(o.name())
            .setMachine(o.machine())
            .setRegion(o.region())
            .setCores(o.cores())
            .setMemoryBytes(o.memoryBytes())
            .setPrice(
                Proto.Price.newBuilder()
                    .setPerBillionGas(o.price().perBillionGas())
                    .setPerGbSecond(o.price().perGbSecond())
                    .setPerGb(o.price().perGb())
                    .setPerGpuSecond(o.price().perGpuSecond()))
            .setMadeUs(o.madeUs());
    write(o.gpus()).ifPresent(b::setGpus);
    o.capability().cpuOpsPerS().ifPresent(b::setCpuOpsPerS);
    o.capability().memoryBytesPerS().ifPresent(b::setMemoryBytesPerS);
    o.capability().gasPerS().ifPresent(b::setGasPerS);
    return b.build();
  }

  private static Optional<Proto.Gpus> write(Gpus gpus) {
    return gpus.equals(Gpus.NONE)
        ? Optional.empty()
        : Optional.of(
            Proto.Gpus.newBuilder()
                .setCount(gpus.count())
                .setMemoryBytes(gpus.memoryBytes())
                .build());
  }

  private static Gpus read(Proto.Gpus gpus, String where) throws Malformed {
    return new Gpus(
        (int) notNegative(gpus.getCount(), where + ".count"),
        notNegative(gpus.getMemoryBytes(), where + ".memory_bytes"));
  }

  /// An offer.
  public static Offer read(Proto.Offer o) throws Malformed {
    return new Offer(
        address(o.getProvider(), "offer.provider"),
        text(o.getName(), WireLimits.NAME_CHARS, "offer.name"),
        text(o.getMachine(), WireLimits.MACHINE_CHARS, "offer.machine"),
        text(o.getRegion(), WireLimits.NAME_CHARS, "offer.region"),
        (int) notNegative(o.getCores(), "offer.cores"),
        notNegative(o.getMemoryBytes(), "offer.memory_bytes"),
        read(o.getGpus(), "offer.gpus"),
        new Price(
            notNegative(o.getPrice().getPerBillionGas(), "offer.price.per_billion_gas"),
            notNegative(o.getPrice().getPerGbSecond(), "offer.price.per_gb_second"),
            notNegative(o.getPrice().getPerGb(), "offer.price.per_gb"),
            notNegative(o.getPrice().getPerGpuSecond(), "offer.price.per_gpu_second")),
        new Capability(
            measure(o.hasCpuOpsPerS(), o.getCpuOpsPerS(), "offer.cpu_ops_per_s"),
            measure(o.hasMemoryBytesPerS(), o.getMemoryBytesPerS(), "offer.memory_bytes_per_s"),
            measure(o.hasGasPerS(), o.getGasPerS(), "offer.gas_per_s")),
        notNegative(o.getMadeUs(), "offer.made_us"));
  }

  private static Proto.Report write(Report r) {
    Proto.Report.Builder b =
        Proto.Report.newBuilder()
            .setLease(r.lease())
            .setOutcome(number(r.outcome()))
            .setReason(r.reason())
            .setUsage(write(r.usage()))
            .setEngine(r.engine())
            .setIsolation(r.isolation())
            .setDigest(bytes(r.digest()));
    r.startedUs().ifPresent(b::setStartedUs);
    r.endedUs().ifPresent(b::setEndedUs);
    for (Blob blob : r.outputs()) {
      b.addOutputs(write(blob));
    }
    return b.build();
  }

  private static Report read(Proto.Report r, String where) throws Malformed {
    atMost(r.getOutputsCount(), Limits.TASK_OUTPUTS, where + ".outputs");
    return new Report(
        r.getLease(),
        outcome(r.getOutcome(), where + ".outcome"),
        text(r.getReason(), Limits.REASON_CHARS, where + ".reason"),
        measure(r.hasStartedUs(), r.getStartedUs(), where + ".started_us"),
        measure(r.hasEndedUs(), r.getEndedUs(), where + ".ended_us"),
        read(r.getUsage(), where + ".usage"),
        blobs(r.getOutputsList(), where + ".outputs"),
        text(r.getEngine(), WireLimits.NAME_CHARS, where + ".engine"),
        text(r.getIsolation(), WireLimits.NAME_CHARS, where + ".isolation"),
        hash(r.getDigest(), where + ".digest"));
  }

  private static int number(Outcome o) {
    return switch (o) {
      case DONE -> 0;
      case TASK_FAILED -> 1;
      case PROVIDER_FAILED -> 2;
      case LOST -> 3;
      case CANCELLED -> 4;
      case REFUSED -> 5;
    };
  }

  private static Outcome outcome(int number, String where) throws Malformed {
    return switch (number) {
      case 0 -> Outcome.DONE;
      case 1 -> Outcome.TASK_FAILED;
      case 2 -> Outcome.PROVIDER_FAILED;
      case 4 -> Outcome.CANCELLED;
      default ->
          throw new Malformed(
              where
                  + " is "
                  + number
                  + ": a provider may report 0 (done), 1 (task failed), 2 (provider failed) or 4"
                  + " (cancelled)");
    };
  }

  private static Proto.Usage write(Usage u) {
    Proto.Usage.Builder b = Proto.Usage.newBuilder().setEnergyBy(u.energyBy());
    u.gas().ifPresent(b::setGas);
    u.cpuNs().ifPresent(b::setCpuNs);
    u.wallNs().ifPresent(b::setWallNs);
    u.peakMemoryBytes().ifPresent(b::setPeakMemoryBytes);
    u.bytesIn().ifPresent(b::setBytesIn);
    u.bytesOut().ifPresent(b::setBytesOut);
    u.fetchedBytes().ifPresent(b::setFetchedBytes);
    u.gpuNs().ifPresent(b::setGpuNs);
    u.energyUj().ifPresent(b::setEnergyUj);
    return b.build();
  }

  private static Usage read(Proto.Usage u, String where) throws Malformed {
    return new Usage(
        measure(u.hasGas(), u.getGas(), where + ".gas"),
        measure(u.hasCpuNs(), u.getCpuNs(), where + ".cpu_ns"),
        measure(u.hasWallNs(), u.getWallNs(), where + ".wall_ns"),
        measure(u.hasPeakMemoryBytes(), u.getPeakMemoryBytes(), where + ".peak_memory_bytes"),
        measure(u.hasBytesIn(), u.getBytesIn(), where + ".bytes_in"),
        measure(u.hasBytesOut(), u.getBytesOut(), where + ".bytes_out"),
        measure(u.hasFetchedBytes(), u.getFetchedBytes(), where + ".fetched_bytes"),
        measure(u.hasGpuNs(), u.getGpuNs(), where + ".gpu_ns"),
        measure(u.hasEnergyUj(), u.getEnergyUj(), where + ".energy_uj"),
        text(u.getEnergyBy(), WireLimits.NAME_CHARS, where + ".energy_by"));
  }

  // ---- pool to provider ----

  /// What a lease shares with others of its message.
  private record Shared(JobId job, Address consumer, Hash offer, TaskKind kind, long submittedUs) {}

  /// A message to a provider; a long list of leases is continued in further messages, so that none
  /// nears [WireLimits#MESSAGE_BYTES].
  public static List<Proto.ToProvider> write(ToProvider m) {
    Proto.ToProvider.Builder b = Proto.ToProvider.newBuilder();
    return switch (m) {
      case ToProvider.Welcome w ->
          List.of(
              b.setWelcome(
                      Proto.Welcome.newBuilder()
                          .setSession(w.session())
                          .setHeartbeatMs(w.heartbeatMs())
                          .setSilenceMs(w.silenceMs()))
                  .build());
      case ToProvider.Leases l -> write(l.leases());
      case ToProvider.Stop s ->
          List.of(b.setStop(Proto.StopLeases.newBuilder().addAllLeases(s.leases())).build());
      case ToProvider.Durable d ->
          List.of(b.setDurable(Proto.ReportsDurable.newBuilder().addAllLeases(d.leases())).build());
      case ToProvider.Show s -> List.of(b.setShow(write(s.probe())).build());
      case ToProvider.Refusal r -> List.of(b.setRefusal(write(r.rejection())).build());
    };
  }

  private static Proto.Probe write(Probe p) {
    return Proto.Probe.newBuilder()
        .setId(p.id())
        .setPart(lower(p.part()))
        .setSeed(p.seed())
        .setLanes(p.lanes())
        .setLength(p.length())
        .setChunkWords(p.chunkWords())
        .build();
  }

  private static String lower(Probe.Part part) {
    return part.name().toLowerCase(Locale.ROOT);
  }

  private static Probe.Part part(String text, String where) throws Malformed {
    for (Probe.Part part : Probe.Part.values()) {
      if (lower(part).equals(text)) {
        return part;
      }
    }
    throw new Malformed(
        where
            + " is '"
            + text
            + "': write one_core, all_cores, memory, one_gpu, all_gpus or gpu_memory");
  }

  private static List<Proto.ToProvider> write(List<Lease> leases) {
    List<Proto.ToProvider> out = new ArrayList<>();
    // In order of first mention, so that leases keep their order within a job and kind.
    Map<Shared, Proto.LeaseGroup.Builder> groups = new LinkedHashMap<>();
    long size = 0;
    for (Lease l : leases) {
      Shared key = new Shared(l.job(), l.consumer(), l.offer(), l.kind(), l.submittedUs());
      Proto.LeaseGroup.Builder group = groups.get(key);
      if (group == null) {
        group =
            Proto.LeaseGroup.newBuilder()
                .setJob(bytes(l.job()))
                .setConsumer(bytes(l.consumer()))
                .setOffer(bytes(l.offer()))
                .setKind(write(l.kind()))
                .setSubmittedUs(l.submittedUs());
        groups.put(key, group);
        size += 256;
      }
      Proto.Lease.Builder b =
          Proto.Lease.newBuilder()
              .setId(l.id())
              .setTask(l.task())
              .setTaskName(l.taskName())
              .setAttempt(l.attempt())
              .setArgs(l.args())
              .addAllDependsOn(l.dependsOn())
              .setOutputs(l.outputs())
              .setReadyUs(l.readyUs())
              .setAssignedUs(l.assignedUs())
              .setMaxCharge(l.maxCharge());
      for (Blob blob : l.inputs()) {
        b.addInputs(write(blob));
      }
      Proto.Lease lease = b.build();
      group.addLeases(lease);
      size += lease.getSerializedSize() + 4;
      if (size >= WireLimits.PART_BYTES) {
        out.add(leases(groups));
        groups.clear();
        size = 0;
      }
    }
    if (!groups.isEmpty()) {
      out.add(leases(groups));
    }
    return out;
  }

  private static Proto.ToProvider leases(Map<Shared, Proto.LeaseGroup.Builder> groups) {
    Proto.Leases.Builder b = Proto.Leases.newBuilder();
    for (Proto.LeaseGroup.Builder group : groups.values()) {
      b.addGroups(group);
    }
    return Proto.ToProvider.newBuilder().setLeases(b).build();
  }

  /// A pool's message, read by the provider to which it was sent.
  public static ToProvider read(Proto.ToProvider m, Address provider) throws Malformed {
    return switch (m.getMessageCase()) {
      case WELCOME -> {
        Proto.Welcome w = m.getWelcome();
        yield new ToProvider.Welcome(
            w.getSession(),
            positive(w.getHeartbeatMs(), "welcome.heartbeat_ms"),
            positive(w.getSilenceMs(), "welcome.silence_ms"));
      }
      case LEASES -> {
        List<Lease> leases = new ArrayList<>();
        for (int g = 0; g < m.getLeases().getGroupsCount(); g++) {
          read(m.getLeases().getGroups(g), provider, "leases.groups[" + g + "]", leases);
        }
        yield new ToProvider.Leases(leases);
      }
      case STOP -> new ToProvider.Stop(leases(m.getStop().getLeasesList(), "stop.leases"));
      case DURABLE ->
          new ToProvider.Durable(leases(m.getDurable().getLeasesList(), "durable.leases"));
      case SHOW -> {
        Proto.Probe p = m.getShow();
        yield new ToProvider.Show(
            new Probe(
                p.getId(),
                part(p.getPart(), "show.part"),
                p.getSeed(),
                p.getLanes(),
                p.getLength(),
                p.getChunkWords()));
      }
      case REFUSAL -> new ToProvider.Refusal(read(m.getRefusal()));
      case MESSAGE_NOT_SET ->
          throw new Malformed(
              "the message is empty or of a kind that this provider does not know (protocol 1)");
    };
  }

  private static void read(Proto.LeaseGroup g, Address provider, String where, List<Lease> out)
      throws Malformed {
    atMost(out.size() + g.getLeasesCount(), Limits.PROVIDER_LEASES, where + ".leases");
    JobId job = job(g.getJob(), where + ".job");
    Address consumer = address(g.getConsumer(), where + ".consumer");
    Hash offer = hash(g.getOffer(), where + ".offer");
    TaskKind kind = read(g.getKind(), where + ".kind");
    long submittedUs = notNegative(g.getSubmittedUs(), where + ".submitted_us");
    for (int i = 0; i < g.getLeasesCount(); i++) {
      Proto.Lease l = g.getLeases(i);
      String at = where + ".leases[" + i + "]";
      atMost(l.getDependsOnCount(), Limits.JOB_TASKS, at + ".depends_on");
      out.add(
          new Lease(
              positive(l.getId(), at + ".id"),
              job,
              (int) notNegative(l.getTask(), at + ".task"),
              text(l.getTaskName(), WireLimits.NAME_CHARS, at + ".task_name"),
              consumer,
              provider,
              offer,
              (int) positive(l.getAttempt(), at + ".attempt"),
              kind,
              text(l.getArgs(), Limits.ARGS_CHARS, at + ".args"),
              blobs(l.getInputsList(), at + ".inputs"),
              List.copyOf(l.getDependsOnList()),
              (int) notNegative(l.getOutputs(), at + ".outputs"),
              submittedUs,
              notNegative(l.getReadyUs(), at + ".ready_us"),
              notNegative(l.getAssignedUs(), at + ".assigned_us"),
              notNegative(l.getMaxCharge(), at + ".max_charge")));
    }
  }

  // ---- refusals ----

  /// A refusal.
  public static Proto.Refusal write(Rejection r) {
    return Proto.Refusal.newBuilder().setCode(r.code().name()).setMessage(r.message()).build();
  }

  /// A refusal.
  public static Rejection read(Proto.Refusal r) throws Malformed {
    for (Rejection.Code code : Rejection.Code.values()) {
      if (code.name().equals(r.getCode())) {
        return new Rejection(code, r.getMessage());
      }
    }
    throw new Malformed("refusal.code is '" + shortened(r.getCode()) + "', which is not known");
  }

  // ---- jobs ----

  /// A job as the parts of one Submit stream, each near [WireLimits#PART_BYTES] at most.
  ///
  /// @param signature the consumer's EIP-712 signature over the order
  public static List<Proto.SubmitPart> write(JobSpec job, String signature) {
    Proto.JobHeader.Builder header =
        Proto.JobHeader.newBuilder()
            .setNonce(job.nonce())
            .setName(job.name())
            .setPriority(job.priority())
            .setBudget(job.budget())
            .setThriftMsPerCredit(job.thrift().msPerCredit())
            .setThriftMsPerKwh(job.thrift().msPerKwh())
            .setThriftMsPerKgCo2(job.thrift().msPerKgCo2())
            .setDeadlineMs(job.deadlineMs())
            .setCopiesPercent(job.urgency().copiesPercent())
            .setScheduling(write(job.urgency().scheduling()))
            .setSignature(signature(signature));
    write(job.verification()).ifPresent(header::setVerification);
    for (TaskKind kind : job.kinds()) {
      header.addKinds(write(kind));
    }
    for (Input.Produced result : job.results()) {
      header.addResults(write(result));
    }
    List<Proto.SubmitPart> parts = new ArrayList<>();
    parts.add(Proto.SubmitPart.newBuilder().setHeader(header).build());
    Proto.TaskPart.Builder tasks = Proto.TaskPart.newBuilder();
    long size = 0;
    for (TaskSpec t : job.tasks()) {
      Proto.Task task = write(t);
      tasks.addTasks(task);
      size += task.getSerializedSize() + 4;
      if (size >= WireLimits.PART_BYTES) {
        parts.add(Proto.SubmitPart.newBuilder().setTasks(tasks).build());
        tasks = Proto.TaskPart.newBuilder();
        size = 0;
      }
    }
    if (tasks.getTasksCount() > 0) {
      parts.add(Proto.SubmitPart.newBuilder().setTasks(tasks).build());
    }
    return parts;
  }

  private static Optional<Proto.Verification> write(Verification verification) {
    Proto.Verification.Builder v = Proto.Verification.newBuilder();
    return switch (verification) {
      case Verification.None _ -> Optional.empty();
      case Verification.SpotCheck s -> Optional.of(v.setSpotCheckPpm(s.ppm()).build());
      case Verification.Replicate r -> Optional.of(v.setReplicate(r.agree()).build());
      case Verification.Adaptive a -> Optional.of(v.setAdaptiveHarm(a.harm()).build());
    };
  }

  static Verification read(Proto.Verification v, String where) throws Malformed {
    return switch (v.getKindCase()) {
      case SPOT_CHECK_PPM -> new Verification.SpotCheck(v.getSpotCheckPpm());
      case REPLICATE -> new Verification.Replicate(v.getReplicate());
      case ADAPTIVE_HARM -> new Verification.Adaptive(v.getAdaptiveHarm());
      case KIND_NOT_SET ->
          throw new Malformed(where + " is empty: name a kind of verification, or leave it out");
    };
  }

  static Proto.Output write(Input.Produced p) {
    return Proto.Output.newBuilder().setTask(p.task()).setOutput(p.output()).build();
  }

  private static Proto.Scheduling write(Scheduling scheduling) {
    return switch (scheduling) {
      case LEARNED -> Proto.Scheduling.LEARNED;
      case FIFO -> Proto.Scheduling.FIFO;
      case B_LEVEL -> Proto.Scheduling.B_LEVEL;
      case HEFT -> Proto.Scheduling.HEFT;
      case DYNAMIC_HEFT -> Proto.Scheduling.DYNAMIC_HEFT;
    };
  }

  static Scheduling read(Proto.Scheduling scheduling, String where) throws Malformed {
    return switch (scheduling) {
      case LEARNED -> Scheduling.LEARNED;
      case FIFO -> Scheduling.FIFO;
      case B_LEVEL -> Scheduling.B_LEVEL;
      case HEFT -> Scheduling.HEFT;
      case DYNAMIC_HEFT -> Scheduling.DYNAMIC_HEFT;
      case UNRECOGNIZED -> throw new Malformed(where + " is no way to schedule that is known here");
    };
  }

  static Input.Produced read(Proto.Output o, String where) throws Malformed {
    return new Input.Produced(
        (int) notNegative(o.getTask(), where + ".task"),
        (int) notNegative(o.getOutput(), where + ".output"));
  }

  static Proto.Task write(TaskSpec t) {
    Proto.Task.Builder b =
        Proto.Task.newBuilder()
            .setKind(t.kind())
            .setCopy(t.copy())
            .setArgs(t.args())
            .addAllAfter(t.after())
            .setOutputs(t.outputs());
    if (t.ownName() != null) {
      b.setOwnName(t.ownName());
    }
    for (Input input : t.inputs()) {
      b.addInputs(
          switch (input) {
            case Input.Stored s -> Proto.Input.newBuilder().setStored(write(s.blob())).build();
            case Input.Produced p -> Proto.Input.newBuilder().setProduced(write(p)).build();
          });
    }
    return b.build();
  }

  static TaskSpec read(Proto.Task t, String where) throws Malformed {
    atMost(t.getInputsCount(), Limits.TASK_INPUTS, where + ".inputs");
    atMost(t.getAfterCount(), Limits.JOB_TASKS, where + ".after");
    List<Input> inputs = new ArrayList<>(t.getInputsCount());
    for (int i = 0; i < t.getInputsCount(); i++) {
      Proto.Input input = t.getInputs(i);
      String at = where + ".inputs[" + i + "]";
      inputs.add(
          switch (input.getSourceCase()) {
            case STORED -> new Input.Stored(read(input.getStored(), at + ".stored"));
            case PRODUCED -> read(input.getProduced(), at + ".produced");
            case SOURCE_NOT_SET ->
                throw new Malformed(at + " has no source: set `stored` or `produced`");
          });
    }
    if (t.getCopy() < -1) {
      throw new Malformed(
          where + ".copy is " + t.getCopy() + ": write -1 for none, else 0 or more");
    }
    return new TaskSpec(
        t.hasOwnName() ? text(t.getOwnName(), Limits.TASK_NAME_CHARS, where + ".own_name") : null,
        (int) notNegative(t.getKind(), where + ".kind"),
        t.getCopy(),
        text(t.getArgs(), Limits.ARGS_CHARS, where + ".args"),
        List.copyOf(inputs),
        List.copyOf(t.getAfterList()),
        (int) notNegative(t.getOutputs(), where + ".outputs"));
  }

  static Proto.TaskKind write(TaskKind k) {
    Proto.TaskKind.Builder b = Proto.TaskKind.newBuilder();
    if (k.form() instanceof Form.Native n) {
      b.setNative(write(n));
    }
    return b.setName(k.name())
        .setModule(write(k.module()))
        .setGasLimit(k.gasLimit())
        .setMemoryBytes(k.memoryBytes())
        .setOutputBytesLimit(k.outputBytesLimit())
        .setWallLimitMs(k.wallLimitMs())
        .setCores(k.cores())
        .setMaxAttempts(k.maxAttempts())
        .build();
  }

  static TaskKind read(Proto.TaskKind k, String where) throws Malformed {
    return new TaskKind(
        text(k.getName(), WireLimits.NAME_CHARS, where + ".name"),
        read(k.getModule(), where + ".module"),
        notNegative(k.getGasLimit(), where + ".gas_limit"),
        notNegative(k.getMemoryBytes(), where + ".memory_bytes"),
        notNegative(k.getOutputBytesLimit(), where + ".output_bytes_limit"),
        notNegative(k.getWallLimitMs(), where + ".wall_limit_ms"),
        (int) notNegative(k.getCores(), where + ".cores"),
        (int) notNegative(k.getMaxAttempts(), where + ".max_attempts"),
        k.hasNative() ? read(k.getNative(), where + ".native") : new Form.Portable());
  }

  private static Proto.NativeForm write(Form.Native n) {
    Proto.NativeForm.Builder b = Proto.NativeForm.newBuilder().setPlatform(n.platform().word());
    switch (n.comparison()) {
      case Comparison.Exact _ -> b.setExact(Proto.ExactComparison.getDefaultInstance());
      case Comparison.Numeric c ->
          b.setNumeric(
              Proto.NumericComparison.newBuilder()
                  .setRelative(c.relative())
                  .setAbsolute(c.absolute()));
      case Comparison.Lines _ -> b.setLines(Proto.LineComparison.getDefaultInstance());
      case Comparison.Module m -> b.setModule(write(m.module()));
    }
    write(n.gpus()).ifPresent(b::setGpus);
    return b.build();
  }

  private static Form read(Proto.NativeForm n, String where) throws Malformed {
    return new Form.Native(
        platform(n.getPlatform(), where + ".platform"),
        switch (n.getComparisonCase()) {
          case EXACT -> new Comparison.Exact();
          case NUMERIC ->
              new Comparison.Numeric(
                  finite(n.getNumeric().getRelative(), where + ".numeric.relative"),
                  finite(n.getNumeric().getAbsolute(), where + ".numeric.absolute"));
          case LINES -> new Comparison.Lines();
          case MODULE -> new Comparison.Module(read(n.getModule(), where + ".module"));
          case COMPARISON_NOT_SET ->
              throw new Malformed(
                  where + " has no comparison: set `exact`, `numeric`, `lines` or `module`");
        },
        read(n.getGpus(), where + ".gpus"));
  }

  private static double finite(double number, String where) throws Malformed {
    if (!Double.isFinite(number)) {
      throw new Malformed(where + " is " + number + ": write a number");
    }
    return number;
  }

  private static Platform platform(String word, String where) throws Malformed {
    return Platform.named(word)
        .orElseThrow(() ->
            new Malformed(
                where + " is '" + Text.shown(word, 32) + "': write linux-x86_64 or linux-aarch64"));
  }

  // ---- views ----

  /// What can be seen of a job.
  public static Proto.JobProgress write(JobView v) {
    Proto.JobProgress.Builder b =
        Proto.JobProgress.newBuilder()
            .setJob(bytes(v.id()))
            .setName(v.name())
            .setConsumer(bytes(v.consumer()))
            .setState(
                switch (v.state()) {
                  case RUNNING -> "running";
                  case DONE -> "done";
                  case FAILED -> "failed";
                  case CANCELLED -> "cancelled";
                })
            .setReason(v.reason())
            .setTasks(v.tasks())
            .setWaiting(v.waiting())
            .setReady(v.ready())
            .setLeased(v.leased())
            .setDone(v.done())
            .setFailed(v.failed())
            .setAttempts(v.attempts())
            .setCopies(v.copies())
            .setBudget(v.budget())
            .setCharged(v.charged())
            .setSubmittedUs(v.submittedUs())
            .setPriority(v.priority())
            .setResults(write(v.results()));
    if (v.footprint().energyAttempts() > 0) {
      b.setFootprint(
          Proto.Footprint.newBuilder()
              .setEnergyAttempts(v.footprint().energyAttempts())
              .setEnergyUj(v.footprint().energyUj())
              .setCarbonAttempts(v.footprint().carbonAttempts())
              .setCarbonUg(v.footprint().carbonUg()));
    }
    v.endedUs().ifPresent(b::setEndedUs);
    v.etaUs().ifPresent(b::setEtaUs);
    return b.build();
  }

  private static Proto.JobResults write(JobView.Results r) {
    return Proto.JobResults.newBuilder()
        .setAgreed(r.agreed())
        .setAlone(r.alone())
        .setRefuted(r.refuted())
        .setReviewed(r.reviewed())
        .setReplaced(r.replaced())
        .setDoubtful(r.doubtful())
        .setRedone(r.redone())
        .setReopened(r.reopened())
        .setReversed(r.reversed())
        .build();
  }

  /// What can be seen of a provider.
  public static Proto.ProviderView write(ProviderView v) {
    Proto.ProviderView.Builder b = Proto.ProviderView.newBuilder();
    Capacity c = v.capacity();
    if (c.atUs() > 0) {
      Proto.Capacity.Builder capacity =
          Proto.Capacity.newBuilder()
              .setAtUs(c.atUs())
              .setCores(c.cores())
              .setMemoryBytes(c.memoryBytes())
              .setStepsPerS(c.stepsPerS())
              .setGpuStepsPerS(c.gpuStepsPerS())
              .setProblem(c.problem());
      write(c.gpus()).ifPresent(capacity::setGpus);
      b.setCapacity(capacity);
    }
    if (v.bond().sinceUs() > 0) {
      b.setBond(
          Proto.Bond.newBuilder()
              .setAmount(v.bond().amount())
              .setFunder(v.bond().funder().map(Translation::bytes).orElse(ByteString.EMPTY))
              .setSinceUs(v.bond().sinceUs())
              .addAllOwes(v.owes()));
    }
    v.mwPerCore().ifPresent(b::setMwPerCore);
    v.gPerKwh().ifPresent(b::setGPerKwh);
    return b.setOffer(write(v.offer()))
        .setState(
            switch (v.state()) {
              case SERVING -> "serving";
              case DRAINING -> "draining";
              case GONE -> "gone";
            })
        .setLeases(v.leases())
        .setAttemptsDone(v.attemptsDone())
        .setAttemptsFailed(v.attemptsFailed())
        .setEarned(v.earned())
        .setJoinedUs(v.joinedUs())
        .setBusyNs(v.busyNs())
        .setConfirmed(v.trust().confirmed())
        .setRefuted(v.trust().refuted())
        .setDoubtPpm(v.trust().doubtPpm())
        .setCheckPpm(v.trust().checkPpm())
        .setDistrusted(v.trust().distrusted())
        .setRetained(v.trust().retained())
        .setMeasuring(v.measuring())
        .setNativePlatform(v.nativeOn().map(Platform::word).orElse(""))
        .setOperator(v.operator().map(Translation::bytes).orElse(ByteString.EMPTY))
        .build();
  }

  /// An output that a consumer may fetch.
  public static Proto.NamedOutput write(Result r) {
    return Proto.NamedOutput.newBuilder()
        .setTaskName(r.taskName())
        .setOutput(r.output())
        .setBlob(write(r.blob()))
        .build();
  }

  // ---- small things ----

  /// A blob's name and size.
  public static Proto.Blob write(Blob b) {
    return Proto.Blob.newBuilder().setHash(bytes(b.hash())).setSizeBytes(b.sizeBytes()).build();
  }

  /// A blob's name and size.
  public static Blob read(Proto.Blob b, String where) throws Malformed {
    return new Blob(
        hash(b.getHash(), where + ".hash"), notNegative(b.getSizeBytes(), where + ".size_bytes"));
  }

  private static List<Blob> blobs(List<Proto.Blob> list, String where) throws Malformed {
    List<Blob> out = new ArrayList<>(list.size());
    for (Proto.Blob b : list) {
      out.add(read(b, where + "[" + out.size() + "]"));
    }
    return List.copyOf(out);
  }

  /// 32 bytes.
  public static ByteString bytes(Hash h) {
    return UnsafeByteOperations.unsafeWrap(h.bytes());
  }

  /// 20 bytes.
  public static ByteString bytes(Address a) {
    return UnsafeByteOperations.unsafeWrap(a.bytes());
  }

  /// 16 bytes.
  public static ByteString bytes(JobId j) {
    return UnsafeByteOperations.unsafeWrap(
        ByteBuffer.allocate(16).putLong(j.a()).putLong(j.b()).array());
  }

  /// The 65 bytes of a signature written as hexadecimal digits.
  public static ByteString signature(String hex) {
    return UnsafeByteOperations.unsafeWrap(HexFormat.of().parseHex(hex));
  }

  /// A hash of 32 bytes.
  ///
  /// @param where the field's name, for the message
  public static Hash hash(ByteString b, String where) throws Malformed {
    length(b, 32, where);
    return Hash.of(b.toByteArray());
  }

  /// An address of 20 bytes.
  public static Address address(ByteString b, String where) throws Malformed {
    length(b, 20, where);
    return Address.of(b.toByteArray());
  }

  /// A job's id of 16 bytes.
  public static JobId job(ByteString b, String where) throws Malformed {
    length(b, 16, where);
    ByteBuffer in = b.asReadOnlyByteBuffer();
    return new JobId(in.getLong(), in.getLong());
  }

  /// A job's id, or none where the field is empty.
  public static Optional<JobId> jobIfGiven(ByteString b, String where) throws Malformed {
    return b.isEmpty() ? Optional.empty() : Optional.of(job(b, where));
  }

  /// A signature of 65 bytes as lower-case hexadecimal digits.
  public static String signature(ByteString b, String where) throws Malformed {
    length(b, 65, where);
    return HexFormat.of().formatHex(b.toByteArray());
  }

  /// A signature of an account that may be a contract: hexadecimal digits of 1 to `most` bytes.
  public static String signature(ByteString b, String where, int most) throws Malformed {
    if (b.isEmpty() || b.size() > most) {
      throw new Malformed(where + " has " + b.size() + " bytes where 1 to " + most + " belong");
    }
    return HexFormat.of().formatHex(b.toByteArray());
  }

  private static void length(ByteString b, int expected, String where) throws Malformed {
    if (b.size() != expected) {
      throw new Malformed(where + " has " + b.size() + " bytes where " + expected + " belong");
    }
  }

  private static List<Long> leases(List<Long> list, String where) throws Malformed {
    atMost(list.size(), WireLimits.NAMED_LEASES, where);
    for (long id : list) {
      positive(id, where);
    }
    return List.copyOf(list);
  }

  static String text(String s, int limit, String where) throws Malformed {
    if (s.length() > limit) {
      throw new Malformed(
          where + " has " + s.length() + " characters: at most " + limit + " are allowed");
    }
    return s;
  }

  static void atMost(int count, int limit, String where) throws Malformed {
    if (count > limit) {
      throw new Malformed(where + " has " + count + " elements: at most " + limit + " are allowed");
    }
  }

  private static long notNegative(long value, String where) throws Malformed {
    if (value < 0) {
      throw new Malformed(where + " is " + value + ": it cannot be negative");
    }
    return value;
  }

  private static long positive(long value, String where) throws Malformed {
    if (value <= 0) {
      throw new Malformed(where + " is " + value + ": it must be positive");
    }
    return value;
  }

  private static OptionalLong measure(boolean present, long value, String where) throws Malformed {
    return present ? OptionalLong.of(notNegative(value, where)) : OptionalLong.empty();
  }

  private static String shortened(String s) {
    return s.length() <= 32 ? s : s.substring(0, 32) + "...";
  }
}
