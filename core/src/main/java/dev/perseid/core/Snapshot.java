package dev.perseid.core;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The state as bytes and back. What follows from the rest (edges, counts of open dependencies,
/// lines of ready tasks, order of providers) is not written but made again. docs/formats.md has the
/// layout.
final class Snapshot {
  private static final int VERSION = 14;

  /// Had nothing about GPUs, nor about who has which blobs.
  private static final int WITHOUT_GPUS = 11;

  private static final int WITHOUT_BONDS = 12;

  /// Had nothing about energy.
  private static final int WITHOUT_POWER = 13;

  /// Had nothing about second attempts.
  private static final int WITHOUT_COPIES = 10;

  /// Had nothing about native tasks.
  private static final int WITHOUT_NATIVES = 9;

  /// Had nothing about what providers showed of their hardware.
  private static final int WITHOUT_CAPACITY = 8;

  /// Had not whose turn it is of consumers.
  private static final int WITHOUT_TURNS = 8;

  /// Had nothing about results that are doubted.
  private static final int WITHOUT_DOUBTS = 7;

  /// Had nothing about results that are checked.
  private static final int WITHOUT_CHECKS = 6;

  /// Had not since when purses owe.
  private static final int WITHOUT_OWED = 5;

  /// Had nothing about vouchers, dues and epochs.
  private static final int WITHOUT_TREASURY = 4;

  /// Had nothing about what API keys may do.
  private static final int WITHOUT_RIGHTS = 3;

  /// Had nothing about audits.
  private static final int WITHOUT_AUDITS = 2;

  /// Had nothing about models.
  private static final int WITHOUT_MODELS = 1;

  private static final int STATE_MASK = 7;
  private static final int HAS_ATTEMPTS = 8;
  private static final int HAS_FAULTS = 16;
  private static final int WAS_DONE = 32;
  private static final int IS_ALONE = 64;
  private static final List<ProviderView.State> PROVIDER_STATES =
      List.of(ProviderView.State.SERVING, ProviderView.State.DRAINING, ProviderView.State.GONE);

  private Snapshot() {}

  static void write(State state, DataOutput stream) throws IOException {
    Out out = Out.framed(stream);
    out.octet(VERSION);
    out.address(state.self);
    out.number(state.lastUs);
    out.number(state.nextLease);
    out.number(state.nextJob);
    out.number(state.nextProvider);
    out.number(state.records);
    out.number(state.batches);
    out.number(state.refused);
    out.number(-state.ledger.issuance.balance);
    out.number(state.ledger.size());
    for (Map.Entry<Address, Account> e : state.ledger.accounts().entrySet()) {
      out.address(e.getKey());
      out.number(e.getValue().balance);
      out.flushFull();
    }
    out.number(state.offers.size());
    for (OfferRow row : state.offers.values()) {
      EventCodec.writeOffer(out, row.offer);
      EventCodec.writeOfferedGpus(out, row.offer);
      out.hash(row.hash);
      out.text(row.signature);
      out.flushFull();
    }
    out.number(state.providers.size());
    for (Provider provider : state.providers.values()) {
      writeProvider(out, provider);
      out.flushFull();
    }
    out.number(state.ended.size());
    for (Job job : state.ended) {
      writeJob(out, job);
      out.number(job.id.a());
      out.number(job.id.b());
      out.address(job.consumer);
      out.text(job.name);
      out.signed(job.priority);
      out.number(job.budget);
      out.number(job.tasks);
      out.hash(job.specHash);
      out.number(job.specBytes);
      out.number(job.results.size());
      for (Result r : job.results) {
        out.text(r.taskName());
        out.number(r.task());
        out.number(r.output());
        out.blob(r.blob());
        out.flushFull();
      }
      out.flushFull();
    }
    out.number(state.jobs.size() - state.ended.size());
    for (Job job : state.jobs.values()) {
      if (job.graph != null) {
        writeJob(out, job);
        writeGraph(out, job, job.graph);
      }
    }
    out.number(state.leases.size());
    for (OpenLease lease : state.leases.values()) {
      out.number(lease.id);
      out.number(lease.job.number);
      out.number(lease.task);
      out.number(lease.attempt);
      out.number(lease.provider.index);
      out.hash(lease.offer.hash);
      out.number(lease.maxCharge);
      out.number(lease.assignedUs);
      out.number(lease.deadlineUs);
      out.number(lease.expectedNs);
      out.number(lease.beganUs);
      out.octet(lease.spare ? 2 : lease.staleInputs == null ? 0 : 1);
      if (lease.staleInputs != null) {
        writeBlobs(out, lease.staleInputs);
      }
      if (lease.spare) {
        out.number(lease.readyUs);
        out.number(lease.mostGas + 1);
      }
      out.flushFull();
    }
    state.market.write(out);
    state.keys.write(out);
    state.conducts.write(out);
    state.keys.writeRights(out);
    state.treasury.write(out);
    out.number(state.newcomers.passed());
    out.number(state.newcomers.caught());
    out.number(state.measurements);
    out.number(state.usualStepsPerS);
    out.number(state.lines.consumers().size());
    for (Consumer consumer : state.lines.consumers()) {
      out.address(consumer.address);
      out.number(consumer.turn);
      out.flushFull();
    }
    out.number(state.usualGpuStepsPerS);
    state.holdings.write(out);
    out.end();
  }

  private static void writeProvider(Out out, Provider p) {
    out.number(p.index);
    out.address(p.address);
    out.hash(p.offer.hash);
    out.number(p.session);
    out.choice(p.state, PROVIDER_STATES);
    out.number(p.joinedUs);
    out.number(p.goneUs);
    out.number(p.attemptsDone);
    out.number(p.attemptsFailed);
    out.number(p.earned);
    out.number(p.busyNs);
    out.number(p.speed.value);
    out.number(p.longestWallMs);
    p.evidence.rightMilli().forEach(out::number);
    out.number(p.evidence.wrongMilli());
    out.number(p.evidence.asOfUs());
    out.number(p.confirmed);
    out.number(p.refuted);
    out.octet(p.distrusted ? 1 : 0);
    out.number(p.speed.tookNs);
    out.number(p.speed.usuallyNs);
    out.number(p.usualCharge);
    out.number(p.believedUs);
    out.number(p.askedId);
    EventCodec.writeCapacity(out, p.shown);
    out.number(p.nextMeasureUs);
    out.text(p.network);
    out.octet(p.hasPassed ? 1 : 0);
    EventCodec.writePlatform(out, Optional.ofNullable(p.platform));
    EventCodec.writeOperator(out, Optional.ofNullable(p.operator));
    EventCodec.writeShownGpus(out, p.shown);
    out.number(p.gpuSpeed.value);
    out.number(p.gpuSpeed.tookNs);
    out.number(p.gpuSpeed.usuallyNs);
    out.number(p.movedBytes);
    out.number(p.movedNs);
    EventCodec.writeBond(out, p.bond);
    EventCodec.writeNumbers(out, p.owes);
    out.number(p.power.energyUj);
    out.number(p.power.coreNs);
    out.number(p.gPerKwh + 1);
  }

  /// What is written of every job, with a graph or without.
  private static void writeJob(Out out, Job job) {
    out.number(job.number);
    out.number(job.submittedUs);
    out.text(job.signature);
    out.choice(job.state, EventCodec.JOB_STATES);
    out.text(job.reason);
    out.number(job.endedUs);
    out.number(job.done);
    out.number(job.failed);
    out.number(job.attempts);
    out.number(job.charged);
    out.number(job.reservation.balance);
    out.number(job.agreed);
    out.number(job.alone);
    out.number(job.refuted);
    out.number(job.reviewed);
    out.number(job.replaced);
    out.number(job.doubtful);
    out.number(job.redone);
    out.number(job.reopened);
    out.number(job.reversed);
    out.number(job.copies);
    out.number(job.footprint.energyAttempts());
    out.number(job.footprint.energyUj());
    out.number(job.footprint.carbonAttempts());
    out.number(job.footprint.carbonUg());
  }

  private static void writeGraph(Out out, Job job, Graph graph) throws IOException {
    JobCodec.writeHead(out, graph.spec);
    for (TaskSpec task : graph.spec.tasks()) {
      JobCodec.writeTask(out, task);
      out.flushFull();
    }
    for (int k = 0; k < graph.learned.length; k++) {
      out.number(graph.learned[k]);
      out.number(graph.usualWallNs[k]);
      out.number(graph.usualGas[k]);
      out.number(graph.weightNs[k]);
      out.real(graph.spread[k]);
      graph.fits[k].write(out);
    }
    out.number(graph.sinceRanking);
    for (int t = 0; t < job.tasks; t++) {
      int state = graph.state[t];
      int attempts = graph.attempts[t];
      int faults = graph.faults[t];
      boolean wasDone = graph.wereDone.get(t);
      boolean alone = graph.backings.isAlone(t);
      out.octet(
          state
              | (attempts > 0 ? HAS_ATTEMPTS : 0)
              | (faults > 0 ? HAS_FAULTS : 0)
              | (wasDone ? WAS_DONE : 0)
              | (alone ? IS_ALONE : 0));
      if (attempts > 0) {
        out.octet(attempts);
      }
      if (faults > 0) {
        out.octet(faults);
      }
      if (state == Graph.READY || state == Graph.LEASED) {
        out.signed(graph.readyUs[t] - job.submittedUs);
      }
      if (state == Graph.DONE || wasDone) {
        int outputs = graph.spec.tasks().get(t).outputs();
        for (int o = 0; o < outputs; o++) {
          out.blob(graph.output(t, o));
        }
      }
      if (alone) {
        graph.backings.write(out, t);
      }
      out.flushFull();
    }
    out.number(graph.excluded.size());
    for (Map.Entry<Integer, int[]> e : graph.excluded.entrySet()) {
      out.number(e.getKey());
      out.number(e.getValue().length);
      for (int provider : e.getValue()) {
        out.number(provider);
      }
      out.flushFull();
    }
    for (byte drawn : graph.drawn) {
      out.octet(drawn);
      out.flushFull();
    }
    out.number(graph.checks.size());
    for (Map.Entry<Integer, Check> e : graph.checks.entrySet()) {
      out.number(e.getKey());
      out.number(e.getValue().votes.size());
      for (Check.Vote vote : e.getValue().votes) {
        writeVote(out, vote);
        out.flushFull();
      }
      out.octet(e.getValue().isComparing() ? 1 : 0);
    }
  }

  private static void writeVote(Out out, Check.Vote vote) {
    out.number(vote.entry());
    out.address(vote.provider());
    out.octet(vote.outcome() == Outcome.TASK_FAILED ? 1 : 0);
    out.text(vote.reason());
    out.number(vote.gas() + 1);
    out.octet(vote.overtime() ? 1 : 0);
    writeBlobs(out, vote.outputs());
    out.number(vote.charge());
    out.octet(vote.doubted() ? 1 : 0);
    out.number(vote.like() + 1);
  }

  private static void writeBlobs(Out out, List<Blob> blobs) {
    out.number(blobs.size());
    for (Blob blob : blobs) {
      out.blob(blob);
    }
  }

  private static List<Blob> readBlobs(In in) {
    int count = in.count();
    List<Blob> blobs = in.list(count);
    for (int i = 0; i < count; i++) {
      blobs.add(in.blob());
    }
    return List.copyOf(blobs);
  }

  private static Evidence readEvidence(In in, int version) {
    if (version <= WITHOUT_BONDS) {
      return Evidence.ofAllSizes(in.number(), in.number(), in.number());
    }
    List<Long> right = new ArrayList<>();
    for (int i = 0; i < Evidence.SIZES; i++) {
      right.add(in.number());
    }
    return new Evidence(right, in.number(), in.number());
  }

  private static Check.Vote readVote(In in, int version) {
    long entry = in.number();
    Address provider = in.address();
    Outcome outcome = in.flag() ? Outcome.TASK_FAILED : Outcome.DONE;
    String reason = in.text();
    long gas = in.number() - 1;
    boolean overtime = in.flag();
    return new Check.Vote(
        entry,
        provider,
        outcome,
        reason,
        gas,
        overtime,
        readBlobs(in),
        in.number(),
        version > WITHOUT_DOUBTS && in.flag(),
        version > WITHOUT_NATIVES ? in.number() - 1 : -1);
  }

  static State read(DataInput stream) throws IOException {
    try {
      return read(In.framed(stream));
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
  }

  private static State read(In in) {
    int version = in.octet();
    if (version < WITHOUT_MODELS || version > VERSION) {
      throw in.malformed(
          "a snapshot of version " + version + " is not known here (these are versions 1 to 14)");
    }
    State state = new State(in.address());
    state.lastUs = in.number();
    state.nextLease = in.number();
    state.nextJob = in.integer();
    state.nextProvider = in.integer();
    state.records = in.number();
    state.batches = in.number();
    state.refused = in.number();
    state.ledger.issuance.balance = -in.number();
    int accounts = in.count();
    for (int i = 0; i < accounts; i++) {
      Account account = state.ledger.of(in.address());
      account.balance = in.number();
    }
    int offers = in.count();
    for (int i = 0; i < offers; i++) {
      Offer cores = EventCodec.readOffer(in);
      Offer offer = version > WITHOUT_GPUS ? EventCodec.readOfferedGpus(in, cores) : cores;
      OfferRow row = new OfferRow(offer, in.hash(), in.text());
      state.offers.put(row.hash, row);
    }
    int providers = in.count();
    long[] longestWallMs = new long[providers];
    for (int i = 0; i < providers; i++) {
      longestWallMs[i] = readProvider(in, state, version);
    }
    int ended = in.count();
    for (int i = 0; i < ended; i++) {
      readEnded(in, state, version);
    }
    int live = in.count();
    for (int i = 0; i < live; i++) {
      readLive(in, state, version);
    }
    int leases = in.count();
    for (int i = 0; i < leases; i++) {
      readLease(in, state, version);
    }
    state.pair();
    for (Job job : List.copyOf(state.jobs.values())) {
      if (job.graph != null && !job.isRunning() && job.leases == 0) {
        state.keepEnded(job);
      }
    }
    if (version >= WITHOUT_AUDITS) {
      state.market.read(in);
      state.keys.read(in);
    }
    if (version >= WITHOUT_RIGHTS) {
      state.conducts.read(in);
    }
    if (version >= WITHOUT_TREASURY) {
      state.keys.readRights(in);
    }
    if (version >= WITHOUT_OWED) {
      state.treasury.read(in, version > WITHOUT_OWED);
    }
    if (version > WITHOUT_CHECKS) {
      state.newcomers = new TrustRule.Newcomers(in.integer(), in.integer());
    }
    if (version > WITHOUT_CAPACITY) {
      state.measurements = in.number();
      state.usualStepsPerS = in.number();
    }
    if (version > WITHOUT_TURNS) {
      int consumers = in.count();
      for (int i = 0; i < consumers; i++) {
        state.lines.turn(in.address(), in.number());
      }
    }
    if (version > WITHOUT_GPUS) {
      state.usualGpuStepsPerS = in.number();
      state.holdings.read(in);
    }
    in.end();
    state.treasury.count(state);
    int i = 0;
    for (Provider provider : state.providers.values()) {
      provider.longestWallMs = longestWallMs[i++];
      state.refresh(provider);
    }
    return state;
  }

  private static OfferRow offer(In in, State state) {
    OfferRow row = state.offers.get(in.hash());
    if (row == null) {
      throw in.malformed("an offer is named that does not stand in the snapshot");
    }
    return row;
  }

  /// Returns the longest wall limit among the provider's leases, to be set when they are read.
  private static long readProvider(In in, State state, int version) {
    int index = in.integer();
    Address address = in.address();
    OfferRow offer = offer(in, state);
    offer.uses++;
    Provider p = new Provider(index, address, state.ledger.of(address), offer);
    p.session = in.number();
    p.state = in.choice(PROVIDER_STATES);
    p.joinedUs = in.number();
    p.goneUs = in.number();
    p.attemptsDone = in.number();
    p.attemptsFailed = in.number();
    p.earned = in.number();
    p.busyNs = in.number();
    p.speed.value = in.integer();
    state.list(p);
    long longestWallMs = in.number();
    if (version > WITHOUT_CHECKS) {
      p.evidence = readEvidence(in, version);
      p.confirmed = in.number();
      p.refuted = in.number();
      p.distrusted = in.flag();
    }
    if (version > WITHOUT_DOUBTS) {
      p.speed.tookNs = in.number();
      p.speed.usuallyNs = in.number();
      p.usualCharge = in.number();
      p.believedUs = in.number();
    }
    if (version > WITHOUT_CAPACITY) {
      p.askedId = in.number();
      p.shown = EventCodec.readCapacity(in);
      p.nextMeasureUs = in.number();
      p.network = in.text();
      p.hasPassed = in.flag();
    } else {
      p.hasPassed = !state.trust.isNew(p.evidence.whole(), TrustRule.Newcomers.NONE);
    }
    if (version > WITHOUT_NATIVES) {
      p.platform = EventCodec.readPlatform(in).orElse(null);
    }
    if (version > WITHOUT_COPIES) {
      p.operator = EventCodec.readOperator(in).orElse(null);
    }
    if (version > WITHOUT_GPUS) {
      p.shown = EventCodec.readShownGpus(in, p.shown);
      p.gpuSpeed.value = in.integer();
      p.gpuSpeed.tookNs = in.number();
      p.gpuSpeed.usuallyNs = in.number();
      p.movedBytes = in.number();
      p.movedNs = in.number();
    }
    if (version > WITHOUT_BONDS) {
      p.bond = EventCodec.readBond(in);
      p.owes.addAll(EventCodec.readNumbers(in));
    }
    if (version > WITHOUT_POWER) {
      p.power.energyUj = in.number();
      p.power.coreNs = in.number();
      p.gPerKwh = in.integer() - 1;
    }
    return longestWallMs;
  }

  /// The fields that [#writeJob] wrote, before the job they belong to is known.
  private record Head(
      int number,
      long submittedUs,
      String signature,
      Event.JobState state,
      String reason,
      long endedUs,
      int done,
      int failed,
      long attempts,
      long charged,
      long reserved,
      int agreed,
      int alone,
      int refuted,
      int reviewed,
      int replaced,
      int doubtful,
      int redone,
      int reopened,
      long reversed,
      int copies,
      Footprint footprint) {
    static Head read(In in, int version) {
      boolean checks = version > WITHOUT_CHECKS;
      boolean doubts = version > WITHOUT_DOUBTS;
      return new Head(
          in.integer(),
          in.number(),
          in.text(),
          in.choice(EventCodec.JOB_STATES),
          in.text(),
          in.number(),
          in.integer(),
          in.integer(),
          in.number(),
          in.number(),
          in.number(),
          checks ? in.integer() : 0,
          checks ? in.integer() : 0,
          checks ? in.integer() : 0,
          doubts ? in.integer() : 0,
          doubts ? in.integer() : 0,
          doubts ? in.integer() : 0,
          doubts ? in.integer() : 0,
          doubts ? in.integer() : 0,
          doubts ? in.number() : 0,
          version > WITHOUT_COPIES ? in.integer() : 0,
          version > WITHOUT_POWER
              ? new Footprint(in.number(), in.number(), in.number(), in.number())
              : Footprint.NONE);
    }

    void into(Job job) {
      job.state = state;
      job.reason = reason;
      job.endedUs = endedUs;
      job.done = done;
      job.failed = failed;
      job.attempts = attempts;
      job.charged = charged;
      job.reservation.balance = reserved;
      job.agreed = agreed;
      job.alone = alone;
      job.refuted = refuted;
      job.reviewed = reviewed;
      job.replaced = replaced;
      job.doubtful = doubtful;
      job.redone = redone;
      job.reopened = reopened;
      job.reversed = reversed;
      job.copies = copies;
      job.footprint = footprint;
    }
  }

  private static void readEnded(In in, State state, int version) {
    Head head = Head.read(in, version);
    long a = in.number();
    JobId id = new JobId(a, in.number());
    Address consumer = in.address();
    Job job =
        new Job(
            head.number,
            id,
            state.ledger.of(consumer),
            consumer,
            in.text(),
            (int) in.signed(),
            in.number(),
            in.integer(),
            head.submittedUs,
            head.signature,
            in.hash(),
            in.number());
    head.into(job);
    int count = in.count();
    List<Result> results = count == 0 ? List.of() : new ArrayList<>(Math.min(count, 1 << 16));
    for (int i = 0; i < count; i++) {
      String name = in.text();
      int task = in.integer();
      int output = in.integer();
      results.add(new Result(name, task, output, in.blob()));
    }
    job.results = List.copyOf(results);
    state.jobs.put(job.number, job);
    state.jobsById.put(job.id, job);
    state.keep(job);
  }

  private static void readLive(In in, State state, int version) {
    Head head = Head.read(in, version);
    JobSpec spec = JobCodec.read(in);
    Job job =
        new Job(
            head.number,
            spec.id(),
            state.ledger.of(spec.consumer()),
            spec.consumer(),
            spec.name(),
            spec.priority(),
            spec.budget(),
            spec.tasks().size(),
            head.submittedUs,
            head.signature,
            JobCodec.specHash(spec),
            JobCheck.bytes(spec));
    head.into(job);
    Graph graph = new Graph(job, spec);
    state.list(job, graph);
    long[] weights = new long[graph.learned.length];
    for (int k = 0; k < graph.learned.length; k++) {
      graph.learned[k] = in.number();
      graph.usualWallNs[k] = in.number();
      graph.usualGas[k] = version > WITHOUT_CAPACITY ? in.number() : 0;
      weights[k] = version > WITHOUT_DOUBTS ? in.number() : 1;
      if (version > WITHOUT_COPIES) {
        graph.spread[k] = in.amount("a spread that is no number");
        graph.fits[k] = InputFit.read(in);
      }
    }
    graph.rank(weights, version > WITHOUT_DOUBTS ? in.integer() : 0);
    Blob[] outputs = {};
    for (int t = 0; t < job.tasks; t++) {
      int bits = in.octet();
      byte taskState = (byte) (bits & STATE_MASK);
      graph.state[t] = taskState;
      graph.attempts[t] = (byte) ((bits & HAS_ATTEMPTS) == 0 ? 0 : in.octet());
      graph.faults[t] = (byte) ((bits & HAS_FAULTS) == 0 ? 0 : in.octet());
      if (taskState == Graph.READY || taskState == Graph.LEASED) {
        graph.readyUs[t] = job.submittedUs + in.signed();
      }
      boolean wasDone = (bits & WAS_DONE) != 0;
      graph.wereDone.set(t, wasDone);
      if (taskState == Graph.DONE || wasDone) {
        int count = spec.tasks().get(t).outputs();
        if (outputs.length != count) {
          outputs = new Blob[count];
        }
        for (int o = 0; o < count; o++) {
          outputs[o] = in.blob();
        }
        graph.setOutputs(t, Arrays.asList(outputs));
      }
      if (taskState == Graph.DONE) {
        for (int i = graph.edges.start(t); i < graph.edges.end(t); i++) {
          graph.pending[graph.edges.successor(i)]--;
        }
      }
      if ((bits & IS_ALONE) != 0) {
        graph.backings.read(in, t);
      }
    }
    int excluded = in.count();
    for (int i = 0; i < excluded; i++) {
      int task = in.integer();
      int[] providers = new int[in.integer()];
      for (int p = 0; p < providers.length; p++) {
        providers[p] = in.integer();
      }
      graph.excluded.put(task, providers);
    }
    if (version > WITHOUT_CHECKS) {
      readChecks(in, job, graph, version);
    }
    if (!job.isRunning()) {
      return;
    }
    for (int t = 0; t < job.tasks; t++) {
      switch (graph.state[t]) {
        case Graph.WAITING -> job.waiting++;
        case Graph.READY -> {
          job.ready++;
          graph.list(t);
        }
        case Graph.LEASED -> job.leased++;
        default -> {}
      }
    }
    state.relist(graph);
  }

  private static void readChecks(In in, Job job, Graph graph, int version) {
    for (int t = 0; t < graph.drawn.length; t++) {
      graph.drawn[t] = (byte) in.octet();
    }
    int count = in.count();
    for (int i = 0; i < count; i++) {
      int task = in.integer();
      Check check = new Check(graph.kind(task).comparison());
      graph.checks.put(task, check);
      int votes = in.count();
      for (int v = 0; v < votes; v++) {
        Check.Vote vote = readVote(in, version);
        check.votes.add(vote);
        job.held += vote.charge();
      }
      if (version > WITHOUT_NATIVES && in.flag()) {
        check.resumeComparing();
        graph.pending[task]++;
      }
    }
  }

  private static void readLease(In in, State state, int version) {
    long id = in.number();
    Job job = state.jobNumber(in.integer());
    int task = in.integer();
    int attempt = in.integer();
    Provider provider = state.providers.get(in.integer());
    if (provider == null) {
      throw in.malformed("lease " + id + " names a provider that does not stand in the snapshot");
    }
    OpenLease lease =
        new OpenLease(
            id,
            job,
            task,
            attempt,
            provider,
            offer(in, state),
            in.number(),
            in.number(),
            in.number(),
            in.number(),
            job.graph().kind(task));
    lease.beganUs = version > WITHOUT_COPIES ? in.number() : lease.assignedUs;
    int stale = version > WITHOUT_DOUBTS ? in.octet() : 0;
    if (stale > (version > WITHOUT_COPIES ? 2 : 1)) {
      throw in.malformed("lease " + id + " is neither good nor stale nor spare");
    }
    if (stale > 0) {
      lease.staleInputs = readBlobs(in);
    }
    if (stale == 2) {
      lease.spare = true;
      lease.readyUs = in.number();
      lease.mostGas = in.number() - 1;
    }
    state.list(lease);
  }
}
