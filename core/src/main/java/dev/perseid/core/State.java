package dev.perseid.core;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// What the pool knows, and how each event changes it. Everything here is a function of the events
/// alone: what decisions depend on is in the snapshot, or follows from what is.
final class State {
  private static final Comparator<OpenLease> SOONEST_FIRST =
      Comparator.<OpenLease>comparingLong(l -> l.deadlineUs).thenComparingLong(l -> l.id);

  /// Shorter attempts say more about the machine's other work than about its speed.
  private static final long TELLING_NS = 1_000_000;

  /// Measurements over which the usual one is averaged.
  private static final long STEPS_LEARNED_OVER = 16;

  /// A year, which keeps the estimate of a job's end below 2^63.
  private static final long LONGEST_ETA_US = 365L * 24 * 3_600 * 1_000_000;

  /// No provider has this index.
  private static final int NO_PROVIDER = -2;

  private static final Movement.Ref TAB = new Movement.Ref.OfTab();

  final Address self;
  final Ledger ledger = new Ledger();

  /// All jobs, by number.
  final TreeMap<Integer, Job> jobs = new TreeMap<>();

  /// Only looked up, never walked.
  final Map<JobId, Job> jobsById = new HashMap<>();

  /// Jobs without a graph, in the order in which it was dropped.
  final ArrayDeque<Job> ended = new ArrayDeque<>();

  /// Jobs that are done and keep their graph, because results of theirs count on one provider's
  /// word; the one that ended first comes first.
  final TreeSet<Job> reviewable =
      new TreeSet<>(Comparator.<Job>comparingLong(j -> j.endedUs).thenComparingInt(j -> j.number));

  /// Providers by index.
  final TreeMap<Integer, Provider> providers = new TreeMap<>();

  final TreeMap<Address, Provider> providersByAddress = new TreeMap<>();

  /// Offers, oldest first.
  final LinkedHashMap<Hash, OfferRow> offers = new LinkedHashMap<>();

  /// Open leases by number, lowest first.
  final LinkedHashMap<Long, OpenLease> leases = new LinkedHashMap<>();

  final TreeSet<OpenLease> byDeadline = new TreeSet<>(SOONEST_FIRST);

  /// Jobs that end when their time is over, the first to be due first.
  final TreeSet<Job> timed = new TreeSet<>(Job.DUE_FIRST);

  /// Jobs that run and may have second attempts begun, by number.
  final TreeMap<Integer, Job> copying = new TreeMap<>();

  /// Who has which large blobs.
  final Holdings holdings = new Holdings();

  final OpenProviders open = new OpenProviders();

  /// Those whose turn it is to be measured, or will be; the soonest first.
  final TreeSet<Provider> toMeasure =
      new TreeSet<>(
          Comparator.<Provider>comparingLong(p -> p.listedMeasureUs)
              .thenComparingInt(p -> p.index));

  /// By network, how many providers are asked to show what they have; only asked, never walked.
  final Map<String, Integer> asked = new HashMap<>();

  /// Providers that are being measured, and those that end their leases first. Both follow from the
  /// rest, see [#refresh].
  int measuring;

  int endingFirst;

  final Lines lines = new Lines();

  final Treasury treasury;
  final ModelMarket market = new ModelMarket();
  final KeyRing keys = new KeyRing();
  final Conducts conducts;

  long lastUs;
  long nextLease = 1;
  int nextJob;
  int nextProvider;
  long records;
  long batches;
  long refused;
  long endedResults;

  /// How often a provider was asked to be measured.
  long measurements;

  /// About how many steps a second a core does that is measured; 0 before the first.
  long usualStepsPerS;

  /// Likewise of a GPU.
  long usualGpuStepsPerS;

  long liveTasks;
  long liveSpecBytes;
  int liveJobs;
  private long reviewableTasks;
  private long reviewableSpecBytes;

  final TrustRule trust = TrustRule.USUAL;

  /// How providers turned out in their probation.
  TrustRule.Newcomers newcomers = TrustRule.Newcomers.NONE;

  State(Address self) {
    this.self = self;
    this.treasury = new Treasury(self, ledger);
    this.conducts = new Conducts(self);
  }

  /// Applies one event; what the outside must do about it is appended to `effects`.
  void apply(Event event, List<Effect> effects) {
    switch (event) {
      case Event.Granted e -> {
        treasury.granted(e, effects);
        seen(e.atUs());
      }
      case Event.JobAccepted e -> jobAccepted(e, effects);
      case Event.TaskAssigned e -> taskAssigned(e, effects);
      case Event.BatchSigned e -> {
        batches = e.batch().number() + 1;
        effects.add(new Effect.StoreBatch(e.batch()));
      }
      case Event.CheckDrawn e -> {
        OpenLease lease = leases.get(e.lease());
        if (lease == null) {
          throw new IllegalStateException("lease " + e.lease() + " is not open");
        }
        lease.job.graph().drawn[lease.task] =
            (byte) (1 + EventCodec.CHECK_REASONS.indexOf(e.why()));
        seen(e.atUs());
      }
      case Event.AttemptEnded e -> attemptEnded(e, effects);
      case Event.TaskJudged e -> taskJudged(e, effects);
      case Event.ResultsDoubted e -> resultsDoubted(e, effects);
      case Event.JobReopened e -> jobReopened(e, effects);
      case Event.LeaseReturned e -> leaseReturned(e, effects);
      case Event.JobEnded e -> jobEnded(e, effects);
      case Event.ProviderJoined e -> providerJoined(e);
      case Event.ProviderDraining e -> {
        Provider provider = provider(e.provider());
        provider.state = ProviderView.State.DRAINING;
        market.inForce.remove(e.provider());
        provider.askedId = 0;
        refresh(provider);
        seen(e.atUs());
      }
      case Event.ProviderGone e -> {
        Provider provider = provider(e.provider());
        provider.state = ProviderView.State.GONE;
        provider.goneUs = e.atUs();
        market.inForce.remove(e.provider());
        provider.askedId = 0;
        refresh(provider);
        seen(e.atUs());
      }
      case Event.NetworkSeen e -> {
        Provider provider = provider(e.provider());
        provider.network = e.network();
        refresh(provider);
        seen(e.atUs());
      }
      case Event.PlatformSeen e -> {
        Provider provider = provider(e.provider());
        provider.platform = e.platform().orElse(null);
        refresh(provider);
        seen(e.atUs());
      }
      case Event.OperatorSeen e -> {
        provider(e.provider()).operator = e.operator().orElse(null);
        seen(e.atUs());
      }
      case Event.CarbonSeen e -> {
        Provider provider = provider(e.provider());
        provider.gPerKwh = e.gPerKwh().orElse(-1);
        refresh(provider);
        seen(e.atUs());
      }
      case Event.BondSeen e -> {
        provider(e.provider()).bond = e.bond();
        seen(e.atUs());
      }
      case Event.PenaltySeen e -> {
        if (!provider(e.provider()).owes.remove((Long) e.entry())) {
          throw new IllegalStateException(e.provider() + " owes nothing for " + e.entry());
        }
        seen(e.atUs());
      }
      case Event.ResultsCompared e -> resultsCompared(e, effects);
      case Event.CapacityAsked e -> {
        Provider provider = provider(e.provider());
        measurements = e.id();
        provider.askedId = e.id();
        refresh(provider);
        measureIfIdle(provider, effects);
        seen(e.atUs());
      }
      case Event.CapacityMeasured e -> {
        Provider provider = provider(e.provider());
        provider.askedId = 0;
        provider.shown = e.capacity();
        provider.nextMeasureUs = e.nextUs();
        learnSteps(provider);
        refresh(provider);
        seen(e.capacity().atUs());
      }
      case Event.Refused e -> {
        refused++;
        seen(e.atUs());
      }
      case Event.ModelPublished e -> {
        // Its account is opened here, where there is room for it, and not by its first royalty.
        ledger.of(e.model().author());
        market.publish(new ModelMarket.ModelRow(e.model(), e.modelHash(), e.signature(), e.atUs()));
        seen(e.atUs());
      }
      case Event.ModelWithdrawn e -> {
        market.withdraw(e.manifest());
        seen(e.atUs());
      }
      case Event.ModelsOffered e -> {
        market.offer(e.provider(), e.offers());
        seen(e.atUs());
      }
      case Event.TabFilled e -> {
        Account account = ledger.of(e.consumer());
        Account tab = market.tab(e.consumer());
        treasury.reserve(effects, e.atUs(), e.consumer(), account, tab, e.amount(), TAB);
        inFlight(account, e.amount());
        seen(e.atUs());
      }
      case Event.TabEmptied e -> {
        Account account = ledger.of(e.consumer());
        inFlight(account, -e.amount());
        Account tab = market.tab(e.consumer());
        treasury.refund(effects, e.atUs(), e.consumer(), account, tab, e.amount(), TAB);
        market.tabs.remove(e.consumer());
        seen(e.atUs());
      }
      case Event.InferenceRecorded e -> inferenceRecorded(e.entry(), effects);
      case Event.ApiKeyMade e -> {
        keys.add(
            new KeyRing.Row(e.account(), e.keyHash(), e.name(), e.atUs(), Rights.INFERENCE, null));
        seen(e.atUs());
      }
      case Event.ApiKeyRevoked e -> {
        keys.remove(e.keyHash());
        seen(e.atUs());
      }
      case Event.ScopedKeyMade e -> {
        keys.add(
            new KeyRing.Row(
                e.account(), e.keyHash(), e.name(), e.atUs(), e.rights(), e.parent().orElse(null)));
        seen(e.atUs());
      }
      case Event.ApiKeySpent e -> {
        keys.spend(e.keys(), e.amount());
        seen(e.atUs());
      }
      case Event.Audited e -> {
        conducts.add(e.note());
        seen(e.atUs());
      }
      case Event.AuditsFunded e -> {
        treasury.auditsFunded(e, effects);
        conducts.accounts.add(e.account());
        seen(e.atUs());
      }
      case Event.AuditsClosed e -> {
        treasury.auditsClosed(e, effects);
        conducts.accounts.remove(e.account());
        seen(e.atUs());
      }
      case Event.MoneyAdopted e -> {
        treasury.adopted(e, conducts, effects);
        treasury.count(this);
        seen(e.atUs());
      }
      case Event.VoucherTaken e -> {
        treasury.taken(e, effects);
        seen(e.atUs());
      }
      case Event.PurseSeen e -> {
        treasury.see(e.purse(), e.block(), e.atUs(), effects);
        seen(e.atUs());
      }
      case Event.PaidSeen e -> {
        treasury.paidSeen(e, effects);
        seen(e.atUs());
      }
      case Event.BlockSeen e -> {
        treasury.block = e.block();
        treasury.blockUs = e.blockUs();
        seen(e.atUs());
      }
      case Event.PaymentTaken e -> {
        treasury.paymentTaken(e, effects);
        seen(e.atUs());
      }
      case Event.PaymentReturned e -> {
        treasury.paymentReturned(e, effects);
        seen(e.atUs());
      }
      case Event.PaymentReversed e -> {
        treasury.paymentReversed(e, effects);
        seen(e.atUs());
      }
      case Event.ExcessReturned e -> {
        treasury.excessReturned(e, effects);
        seen(e.atUs());
      }
      case Event.EpochClosed e -> {
        treasury.closed = e.epoch();
        seen(e.epoch().closedUs());
      }
      case Event.EpochConfirmed e -> {
        treasury.confirmed(e, effects);
        seen(e.atUs());
      }
      case Event.EpochReopened e -> {
        treasury.reopened(e, effects);
        seen(e.atUs());
      }
      case Event.ExitAsked e -> {
        treasury.leaving(e.consumer(), e.leavingAtUs(), effects);
        seen(e.atUs());
      }
      case Event.ExitCancelled e -> {
        treasury.leaving(e.consumer(), 0, effects);
        seen(e.atUs());
      }
      case Event.Exited e -> {
        treasury.exited(e, effects);
        seen(e.atUs());
      }
    }
  }

  private void inferenceRecorded(Entry entry, List<Effect> effects) {
    ExecutionRecord r = entry.record();
    Inference i = r.inference().orElseThrow();
    records = entry.index() + 1;
    long toProvider = r.charge() - i.toAuthor() - i.toPool();
    if (r.charge() > 0) {
      Account payer = ledger.of(r.consumer());
      inFlight(payer, -r.charge());
      Movement.Ref ref = new Movement.Ref.OfRecord(entry.index(), r.job(), r.taskName());
      charge(effects, entry, Movement.Kind.CHARGE, payer, r.provider(), toProvider, ref);
      charge(effects, entry, Movement.Kind.ROYALTY, payer, i.author(), i.toAuthor(), ref);
      charge(effects, entry, Movement.Kind.SHARE, payer, self, i.toPool(), ref);
    }
    Provider provider = providersByAddress.get(r.provider());
    if (provider != null) {
      provider.earned += toProvider;
    }
    seen(entry.recordedUs());
    effects.add(new Effect.StoreEntry(entry));
  }

  private void charge(
      List<Effect> effects,
      Entry entry,
      Movement.Kind kind,
      Account payer,
      Address payee,
      long amount,
      Movement.Ref ref) {
    Address consumer = entry.record().consumer();
    treasury.charge(
        effects,
        entry.recordedUs(),
        kind,
        consumer,
        payer,
        market.tab(consumer),
        payee,
        ledger.of(payee),
        amount,
        ref);
  }

  private static void inFlight(Account account, long more) {
    if (account.purse != null) {
      account.purse.inFlight += more;
    }
  }

  private void seen(long atUs) {
    lastUs = Math.max(lastUs, atUs);
  }

  private void jobAccepted(Event.JobAccepted e, List<Effect> effects) {
    JobSpec spec = e.spec();
    Account payer = ledger.of(spec.consumer());
    Job job =
        new Job(
            nextJob++,
            spec.id(),
            payer,
            spec.consumer(),
            spec.name(),
            spec.priority(),
            spec.budget(),
            spec.tasks().size(),
            e.atUs(),
            e.signature(),
            JobCodec.specHash(spec),
            JobCheck.bytes(spec));
    Movement.Ref ref = new Movement.Ref.OfJob(job.id);
    treasury.reserve(effects, e.atUs(), job.consumer, payer, job.reservation, job.budget, ref);
    Graph graph = new Graph(job, spec);
    list(job, graph);
    for (int t = 0; t < job.tasks; t++) {
      stand(job, graph, t, e.atUs());
    }
    relist(graph);
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  /// Makes a job with a graph known.
  void list(Job job, Graph graph) {
    job.graph = graph;
    long deadlineMs = graph.spec.deadlineMs();
    boolean isDue = deadlineMs != 0 && job.reopened == 0;
    job.dueUs = isDue ? job.submittedUs + deadlineMs * 1_000 : Job.NEVER_DUE;
    if (job.isTimed()) {
      timed.add(job);
    }
    jobs.put(job.number, job);
    jobsById.put(job.id, job);
    listCopying(job);
    live(job, 1);
  }

  private void listCopying(Job job) {
    if (job.isRunning() && job.graph().spec.urgency().copiesPercent() > 0) {
      copying.put(job.number, job);
    } else {
      copying.remove(job.number);
    }
  }

  /// Has a task stand in line that nobody has, or wait for what it depends on.
  ///
  /// @param readyUs since when it is ready, if it is
  private static void stand(Job job, Graph graph, int task, long readyUs) {
    if (graph.pending[task] > 0) {
      graph.state[task] = Graph.WAITING;
      job.waiting++;
      return;
    }
    graph.readyUs[task] = readyUs;
    graph.state[task] = Graph.READY;
    graph.list(task);
    job.ready++;
  }

  /// Takes a task that nobody has out of its line.
  private void unstand(Job job, Graph graph, int task) {
    if (graph.state[task] == Graph.READY) {
      graph.unlist(task);
      relist(graph.group(task));
      job.ready--;
    } else {
      job.waiting--;
    }
  }

  /// Lists the groups of a running job that have ready tasks.
  void relist(Graph graph) {
    for (Group group : graph.groups) {
      relist(group);
    }
  }

  private void relist(Group group) {
    boolean wanted = group.job.isRunning() && !group.isEmpty();
    if (wanted == group.listed) {
      return;
    }
    group.listed = wanted;
    if (wanted) {
      lines.add(group);
    } else {
      lines.remove(group);
    }
  }

  private void taskAssigned(Event.TaskAssigned e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    Graph graph = job.graph();
    Provider provider = provider(e.provider());
    int task = e.task();
    TaskKind kind = graph.kind(task);
    long longestMs = provider.leases == 0 ? 0 : provider.longestWallMs;
    OpenLease lease =
        new OpenLease(
            e.lease(),
            job,
            task,
            e.attempt(),
            provider,
            provider.offer,
            e.maxCharge(),
            e.atUs(),
            e.atUs() + (kind.wallLimitMs() + longestMs + Limits.LEASE_GRACE_MS) * 1_000,
            provider.expectedNs(kind, graph.expectedWallNs(task)),
            kind);
    OpenLease first = counting(job, task);
    if (first != null) {
      job.copies++;
      first.twin = lease;
      lease.twin = first;
    } else {
      graph.unlist(task);
      relist(graph.group(task));
      graph.state[task] = Graph.LEASED;
      job.ready--;
      job.leased++;
    }
    nextLease = e.lease() + 1;
    list(lease);
    lines.turn(job.consumer, lease.id);
    seen(e.atUs());
    effects.add(new Effect.SendLease(lease(lease)));
    effects.add(new Effect.JobChanged(job.id));
  }

  /// Makes an open lease known to its job, its provider and the clock.
  void list(OpenLease lease) {
    if (lease.spare) {
      lease.job.graph().spares.merge(lease.task, 1, Integer::sum);
    }
    leases.put(lease.id, lease);
    byDeadline.add(lease);
    lease.job.add(lease);
    lease.provider.add(lease, lease.job.graph().kind(lease.task).wallLimitMs(), lines);
    lease.offer.uses++;
    inFlight(lease.job.payer, lease.maxCharge);
    lines.count(lease, 1);
    refresh(lease.provider);
  }

  /// An attempt at a task whose result may count, or null if none runs. O(leases of the job).
  private static @Nullable OpenLease counting(Job job, int task) {
    if (job.graph().state[task] != Graph.LEASED) {
      return null;
    }
    OpenLease lease = job.firstLease;
    while (lease != null && (lease.task != task || lease.spare)) {
      lease = lease.afterInJob;
    }
    return lease;
  }

  /// Finds the attempts again that run beside others, after all leases are known.
  void pair() {
    for (Job job : jobs.values()) {
      if (job.copies == 0 || job.leases == 0) {
        continue;
      }
      Map<Integer, OpenLease> firsts = new HashMap<>();
      for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
        OpenLease first = l.spare ? null : firsts.put(l.task, l);
        if (first != null) {
          first.twin = l;
          l.twin = first;
        }
      }
    }
  }

  /// A task was settled by another attempt than this one. It is not waited for any longer than it
  /// takes to stop it, as its job may be done and holds money for it.
  ///
  /// @param by the other one
  private void spare(OpenLease lease, ExecutionRecord by, long atUs, List<Effect> effects) {
    Graph graph = lease.job.graph();
    lease.spare = true;
    lease.readyUs = graph.readyUs[lease.task];
    lease.mostGas = by.outcome() == Outcome.DONE ? by.usage().gas().orElse(-1) : -1;
    lease.twin = null;
    byDeadline.remove(lease);
    lease.deadlineUs = Math.min(lease.deadlineUs, atUs + Limits.LEASE_GRACE_MS * 1_000);
    byDeadline.add(lease);
    graph.spares.merge(lease.task, 1, Integer::sum);
    if (lease.staleInputs == null) {
      lease.staleInputs = graph.inputs(lease.task);
      effects.add(new Effect.StopLease(lease.provider.address, lease.id));
    }
  }

  private OpenLease take(long id, long atUs, List<Effect> effects) {
    OpenLease lease = leases.remove(id);
    if (lease == null) {
      throw new IllegalStateException("lease " + id + " is not open");
    }
    byDeadline.remove(lease);
    lease.job.remove(lease);
    lease.provider.remove(lease, lines, atUs);
    lease.offer.uses--;
    if (lease.twin != null) {
      lease.twin.twin = null;
    }
    if (lease.spare) {
      lease.job.graph().spares.computeIfPresent(lease.task, (_, n) -> n == 1 ? null : n - 1);
    }
    inFlight(lease.job.payer, -lease.maxCharge);
    lines.count(lease, -1);
    measureIfIdle(lease.provider, effects);
    return lease;
  }

  /// Other hosts turned out well or badly: those on probation get more or less work.
  private void turnedOut(TrustRule.Newcomers now) {
    newcomers = now;
    providers.values().forEach(this::refresh);
  }

  /// Puts a provider where it belongs after something about it changed.
  void refresh(Provider provider) {
    provider.admittedPpm =
        provider.hasPassed || !trust.isNew(provider.evidence.whole(), newcomers)
            ? Provider.ALL_PPM
            : trust.admittedPpm(newcomers);
    open.refresh(provider);
    boolean isMeasured = provider.canBeMeasured();
    boolean endsFirst = provider.askedId != 0 && !isMeasured;
    measuring += (isMeasured ? 1 : 0) - (provider.isMeasured ? 1 : 0);
    endingFirst += (endsFirst ? 1 : 0) - (provider.endsFirst ? 1 : 0);
    provider.isMeasured = isMeasured;
    provider.endsFirst = endsFirst;
    String askedIn = provider.askedId == 0 ? null : provider.network;
    if (!Objects.equals(askedIn, provider.askedIn)) {
      if (provider.askedIn != null) {
        asked.computeIfPresent(provider.askedIn, (_, n) -> n == 1 ? null : n - 1);
      }
      if (askedIn != null) {
        asked.merge(askedIn, 1, Integer::sum);
      }
      provider.askedIn = askedIn;
    }
    boolean waits = provider.state == ProviderView.State.SERVING && provider.askedId == 0;
    long wanted = waits ? provider.nextMeasureUs : -1;
    if (wanted == provider.listedMeasureUs) {
      return;
    }
    if (provider.listedMeasureUs >= 0) {
      toMeasure.remove(provider);
    }
    provider.listedMeasureUs = wanted;
    if (wanted >= 0) {
      toMeasure.add(provider);
    }
  }

  /// What it showed in all, for each core that it passes for, beside what is usual: its speed, as
  /// long as no record says more.
  private void learnSteps(Provider provider) {
    if (!provider.shown.isShown()) {
      return;
    }
    long steps = Math.max(1, provider.shown.stepsPerS() / Math.max(1, provider.shown.cores()));
    usualStepsPerS += (steps - usualStepsPerS) / (usualStepsPerS == 0 ? 1 : STEPS_LEARNED_OVER);
    if (!provider.speed.isLearned()) {
      provider.speed.set((double) steps / Math.max(1, usualStepsPerS));
    }
    if (provider.shown.gpus().any()) {
      long each = Math.max(1, provider.shown.gpuStepsPerS() / provider.shown.gpus().count());
      usualGpuStepsPerS +=
          (each - usualGpuStepsPerS) / (usualGpuStepsPerS == 0 ? 1 : STEPS_LEARNED_OVER);
      if (!provider.gpuSpeed.isLearned()) {
        provider.gpuSpeed.set((double) each / Math.max(1, usualGpuStepsPerS));
      }
    }
  }

  private static void measureIfIdle(Provider provider, List<Effect> effects) {
    if (provider.canBeMeasured()) {
      Offer offer = provider.offer.offer;
      effects.add(
          new Effect.Measure(
              provider.address,
              provider.askedId,
              offer.cores(),
              offer.memoryBytes(),
              offer.gpus()));
    }
  }

  private void attemptEnded(Event.AttemptEnded e, List<Effect> effects) {
    Entry entry = e.entry();
    ExecutionRecord record = entry.record();
    OpenLease open = leases.get(record.lease());
    boolean ran = open != null && open.runs;
    OpenLease lease = take(record.lease(), entry.recordedUs(), effects);
    Job job = lease.job;
    Graph graph = job.graph();
    Provider provider = lease.provider;
    records = entry.index() + 1;
    job.attempts++;
    boolean overstated = e.next() == Event.Next.OVERSTATED;
    if (e.next() != Event.Next.CHECK && !overstated) {
      pay(
          job,
          provider.address,
          record.charge(),
          entry.index(),
          record.taskName(),
          entry.recordedUs(),
          effects);
    } else if (!overstated) {
      job.held += record.charge();
      inFlight(job.payer, record.charge());
    }
    boolean counts = !lease.spare;
    remember(provider, graph, lease.task, record, counts);
    if (record.usage().energyUj().isPresent()) {
      job.footprint = job.footprint.with(record.usage().energyUj().getAsLong(), provider.gPerKwh);
    }
    if (record.outcome() == Outcome.DONE) {
      holdings.saw(provider, record);
      Usage u = record.usage();
      if (lease.beganUs == lease.assignedUs && u.wallNs().isPresent()) {
        provider.learnTransfer(
            Price.plus(u.fetchedBytes().orElse(0), u.bytesOut().orElse(0)),
            (entry.recordedUs() - lease.assignedUs) * 1_000 - u.wallNs().getAsLong());
      }
    }
    if (!counts && ran) {
      learnLateness(lease, entry.recordedUs());
    }
    graph.attempts[lease.task]++;
    OpenLease other = lease.twin;
    switch (e.next()) {
      case DONE -> {
        job.leased--;
        if (other != null) {
          spare(other, record, entry.recordedUs(), effects);
        }
        if (graph.drawn.length > 0) {
          provider.believed(record.charge(), entry.recordedUs());
          alone(
              job,
              graph,
              lease.task,
              provider.index,
              entry.index(),
              record.charge(),
              record.usage().gas().orElse(-1));
        }
        taskDone(job, graph, lease.task, record.outputs(), entry.recordedUs(), effects);
      }
      case CHECK -> {
        Check check =
            graph.checks.computeIfAbsent(
                lease.task, _ -> new Check(graph.kind(lease.task).comparison()));
        check.add(Check.Vote.of(entry, graph.kind(lease.task)));
        graph.exclude(lease.task, provider.index);
        if (check.isComparing()) {
          // It waits for that as for another task.
          graph.pending[lease.task]++;
          effects.add(comparison(job, lease.task, check));
        }
        if (other != null) {
          // Who checks is drawn when it is known what there is to check, and not before.
          spare(other, record, entry.recordedUs(), effects);
          excludeIfOthersFit(graph, lease.task, other.provider);
        }
        standAgain(job, graph, lease.task);
      }
      case STALE -> {
        if (other == null) {
          standAgain(job, graph, lease.task);
        }
      }
      case SPARE -> {}
      case OVERSTATED -> {
        if (!job.isRunning()) {
          over(job, lease.maxCharge, entry.recordedUs(), effects);
        }
      }
      case RETRY -> {
        // While another attempt runs, the end of this one is not the task's.
        if (other == null && isFault(record.outcome(), provider)) {
          graph.faults[lease.task]++;
        }
        tryAgain(job, graph, lease);
      }
      case FAILED -> {
        graph.state[lease.task] = Graph.FAILED;
        job.leased--;
        job.failed++;
        if (other != null) {
          spare(other, record, entry.recordedUs(), effects);
        }
      }
      case OVER -> over(job, lease.maxCharge - record.charge(), entry.recordedUs(), effects);
    }
    refresh(provider);
    seen(entry.recordedUs());
    effects.add(new Effect.StoreEntry(entry));
    if (record.outcome() != Outcome.LOST) {
      effects.add(new Effect.ReportDurable(provider.address, lease.id));
    }
    effects.add(new Effect.JobChanged(job.id));
  }

  /// Whoever ran a copy had better not check the first attempt, as both may have known of each
  /// other; but that is better than nobody.
  private void excludeIfOthersFit(Graph graph, int task, Provider copied) {
    int[] both = graph.excludedWith(task, copied.index);
    if (Round.anotherFits(this, graph.group(task).shape, both)) {
      graph.exclude(task, copied.index);
    }
  }

  /// How long an attempt would have taken that was given up is not known, but that it took longer
  /// than it ran. What its provider says of it does not matter.
  private static void learnLateness(OpenLease lease, long atUs) {
    Graph graph = lease.job.graph();
    int kind = graph.spec.tasks().get(lease.task).kind();
    long tookNs = Math.min(atUs - lease.beganUs, Limits.WALL_LIMIT_MS * 1_000) * 1_000;
    Speed speed = lease.provider.speedOf(graph.group(lease.task).shape);
    if (graph.learned[kind] > 0 && tookNs > speed.wallNs(graph.expectedWallNs(lease.task))) {
      speed.learn(graph.expectedWallNs(lease.task), tookNs, graph.spread[kind]);
    }
  }

  private void pay(
      Job job,
      Address payee,
      long amount,
      long entry,
      String taskName,
      long atUs,
      List<Effect> effects) {
    job.charged += amount;
    treasury.charge(
        effects,
        atUs,
        Movement.Kind.CHARGE,
        job.consumer,
        job.payer,
        job.reservation,
        payee,
        ledger.of(payee),
        amount,
        new Movement.Ref.OfRecord(entry, job.id, taskName));
    Provider provider = providersByAddress.get(payee);
    if (provider != null) {
      provider.earned += amount;
    }
  }

  private void pay(
      Job job, Graph graph, int task, Check.Vote vote, long atUs, List<Effect> effects) {
    String name = graph.spec.taskName(task);
    pay(job, vote.provider(), vote.charge(), vote.entry(), name, atUs, effects);
  }

  /// What a vote costs is held no more.
  private void release(Job job, Check.Vote vote) {
    job.held -= vote.charge();
    inFlight(job.payer, -vote.charge());
  }

  private void taskJudged(Event.TaskJudged e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    Graph graph = job.graph();
    Check check = graph.checks.get(e.task());
    byte stands = graph.state[e.task()];
    if (check == null || (stands != Graph.READY && stands != Graph.WAITING)) {
      throw new IllegalStateException("task " + e.task() + " of job " + job.id + " is not judged");
    }
    unstand(job, graph, e.task());
    graph.checks.remove(e.task());
    // A native task may turn out differently though everybody ran it: that says nothing about them,
    // and its consumer could have it turn out as it likes.
    boolean telling = !graph.kind(e.task()).isNative();
    Check.Vote counts = null;
    for (Check.Vote vote : check.votes) {
      release(job, vote);
      if (e.right().contains(vote.entry())) {
        // Of results that are alike the one counts with which the others were compared.
        counts = counts == null || telling ? vote : counts;
        pay(job, graph, e.task(), vote, e.atUs(), effects);
        if (e.agreed() && telling) {
          confirmed(vote.provider(), vote.gas(), e.atUs());
        }
      } else if (e.wrong().contains(vote.entry())) {
        job.refuted++;
        if (telling) {
          refuted(vote.provider(), vote.entry(), e.atUs());
        }
      }
    }
    if (counts != null && counts.outcome() == Outcome.DONE) {
      if (e.agreed()) {
        job.agreed++;
        if (check.isReview() && !graph.outputs(e.task()).equals(counts.outputs())) {
          job.replaced++;
        }
      } else {
        Provider by = providersByAddress.get(counts.provider());
        int index = by == null ? NO_PROVIDER : by.index;
        if (by != null && !counts.doubted()) {
          by.believed(counts.charge(), e.atUs());
        }
        alone(job, graph, e.task(), index, counts.entry(), counts.charge(), counts.gas());
        job.doubtful += counts.doubted() ? 1 : 0;
      }
      taskDone(job, graph, e.task(), counts.outputs(), e.atUs(), effects);
    } else {
      graph.state[e.task()] = Graph.FAILED;
      graph.forget(e.task());
      job.failed++;
    }
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  /// What must be compared before it is known what was said of a task.
  static Effect.Compare comparison(Job job, int task, Check check) {
    return new Effect.Compare(
        job.id, job.consumer, task, check.comparison, check.compared(), check.comparedWith());
  }

  private void resultsCompared(Event.ResultsCompared e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    Graph graph = job.graph();
    Check check = graph.checks.get(e.task());
    if (check == null || !check.isComparing() || check.compared().entry() != e.entry()) {
      throw new IllegalStateException("record " + e.entry() + " is not compared");
    }
    check.compared(e.like());
    if (--graph.pending[e.task()] == 0) {
      unstand(job, graph, e.task());
      stand(job, graph, e.task(), e.atUs());
      relist(graph.group(e.task()));
    }
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  /// A result counts on one provider's word.
  private static void alone(
      Job job, Graph graph, int task, int provider, long entry, long charge, long gas) {
    job.alone++;
    graph.backings.stand(task, provider, entry, charge, gas);
  }

  /// A result does not count any more. What reads it and is not done waits.
  private void undone(Job job, Graph graph, int task) {
    if (graph.backings.isAlone(task)) {
      job.alone--;
      graph.backings.clear(task);
    } else {
      job.agreed -= graph.drawn.length > 0 ? 1 : 0;
    }
    job.done--;
    graph.wereDone.set(task);
    if (graph.spares.containsKey(task)) {
      for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
        if (l.task == task) {
          graph.exclude(task, l.provider.index); // It has it still.
        }
      }
    }
    for (int i = graph.edges.start(task); i < graph.edges.end(task); i++) {
      int successor = graph.edges.successor(i);
      if (graph.pending[successor]++ == 0 && graph.state[successor] == Graph.READY) {
        unstand(job, graph, successor);
        stand(job, graph, successor, 0);
      }
    }
  }

  /// Whether a task's result is looked at again when this provider is found out.
  static boolean isDoubtable(Graph graph, int task, Provider provider) {
    return graph.backings.isBy(task, provider.index)
        && graph.attempts[task] < Limits.ATTEMPTS_IN_ALL;
  }

  private void resultsDoubted(Event.ResultsDoubted e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    Graph graph = job.graph();
    Provider provider = provider(e.provider());
    treasury.reverse(
        effects,
        e.atUs(),
        provider.address,
        provider.account,
        job.consumer,
        job.payer,
        job.reservation,
        e.reversed(),
        new Movement.Ref.OfJob(job.id));
    job.charged -= e.reversed();
    job.reversed += e.reversed();
    provider.earned -= e.reversed();
    for (int t = 0; t < job.tasks; t++) {
      if (!isDoubtable(graph, t, provider)) {
        continue;
      }
      Check check = new Check(graph.kind(t).comparison());
      check.add(Check.Vote.doubted(graph, t, provider.address));
      job.reviewed++;
      undone(job, graph, t);
      graph.checks.put(t, check);
      graph.exclude(t, provider.index);
      stand(job, graph, t, e.atUs());
    }
    relist(graph);
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  /// What of an account's earnings is withheld, because results count on its word alone.
  long retained(Address account, long nowUs) {
    Provider provider = providersByAddress.get(account);
    return provider == null ? 0 : provider.retained(nowUs);
  }

  /// What an account can spend.
  long spendable(Address account, long nowUs) {
    Account found = ledger.find(account);
    if (found == null || treasury.isVouched()) {
      // Where money asks for vouchers it is withheld from what is due.
      return found == null ? 0 : found.balance;
    }
    return Math.max(0, found.balance - retained(account, nowUs));
  }

  /// What to add where an account has more than it can spend.
  String withheld(Address account, long nowUs) {
    Account found = ledger.find(account);
    long kept = found == null ? 0 : found.balance - spendable(account, nowUs);
    return kept == 0
        ? ""
        : " ("
            + Text.credits(kept)
            + " more are withheld until "
            + Limits.REVIEWABLE_MS / (24L * 3_600_000)
            + " days have passed in which no result counted on its word alone)";
  }

  private void jobReopened(Event.JobReopened e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    if (!reviewable.remove(job)) {
      throw new IllegalStateException("job " + job.id + " cannot be opened again");
    }
    reviewableTasks -= job.tasks;
    reviewableSpecBytes -= job.specBytes;
    live(job, 1);
    job.state = Event.JobState.RUNNING;
    job.reason = "";
    job.endedUs = 0;
    job.reopened++;
    listCopying(job);
    job.dueUs = Job.NEVER_DUE;
    Movement.Ref ref = new Movement.Ref.OfJob(job.id);
    treasury.reserve(
        effects, e.atUs(), job.consumer, job.payer, job.reservation, e.reserved(), ref);
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  private void live(Job job, int sign) {
    liveJobs += sign;
    liveTasks += (long) sign * job.tasks;
    liveSpecBytes += sign * job.specBytes;
    lines.count(job, sign, nextLease - 1);
  }

  private void confirmed(Address address, long gas, long atUs) {
    Provider provider = providersByAddress.get(address);
    if (provider == null) {
      return;
    }
    provider.evidence = provider.evidence.right(trust, gas, atUs);
    provider.confirmed++;
    if (!provider.hasPassed && !trust.isNew(provider.evidence.whole(), newcomers)) {
      provider.hasPassed = true;
      turnedOut(new TrustRule.Newcomers(newcomers.passed() + 1, newcomers.caught()));
    }
    refresh(provider);
  }

  private void refuted(Address address, long entry, long atUs) {
    Provider provider = providersByAddress.get(address);
    if (provider == null) {
      return;
    }
    provider.evidence = provider.evidence.wrong(trust, atUs);
    provider.refuted++;
    if (provider.bond.sinceUs() > 0 && provider.owes.size() < Limits.PENALTIES) {
      provider.owes.add(entry);
    }
    if (!provider.distrusted && trust.excludes(provider.evidence.whole())) {
      provider.distrusted = true;
      if (!provider.hasPassed) {
        turnedOut(new TrustRule.Newcomers(newcomers.passed(), newcomers.caught() + 1));
      }
    }
    refresh(provider);
  }

  /// Whether an attempt that must be made again counts against the task's attempts.
  static boolean isFault(Outcome outcome, Provider provider) {
    return outcome != Outcome.CANCELLED || provider.state == ProviderView.State.SERVING;
  }

  /// @param counts whether the attempt was not given up: of one that was anything can be said, as
  ///   nobody looks at it
  private static void remember(
      Provider provider, Graph graph, int task, ExecutionRecord record, boolean counts) {
    long wallNs = record.usage().wallNs().orElse(0);
    provider.busyNs += wallNs;
    switch (record.outcome()) {
      case DONE, TASK_FAILED -> {
        provider.attemptsDone++;
        if (!counts) {
          return;
        }
        int kind = graph.spec.tasks().get(task).kind();
        if (record.outcome() == Outcome.DONE) {
          record.usage().gas().ifPresent(gas -> graph.learnGas(kind, gas));
        }
        Group.Shape shape = graph.group(task).shape;
        if (!shape.gpus().any()) {
          record
              .usage()
              .energyUj()
              .ifPresent(uj -> provider.power.learn(uj, shape.cores(), wallNs));
        }
        if (wallNs > 0) {
          long usual = graph.expectedWallNs(task);
          Speed speed = provider.speedOf(shape);
          if (graph.learned[kind] > 0 && Math.min(usual, wallNs) >= TELLING_NS) {
            speed.learn(usual, wallNs, graph.spread[kind]);
          }
          graph.learn(task, speed.atUsual(wallNs));
        }
      }
      case PROVIDER_FAILED, LOST, REFUSED -> provider.attemptsFailed++;
      case CANCELLED -> {}
    }
  }

  private void taskDone(
      Job job, Graph graph, int task, List<Blob> outputs, long atUs, List<Effect> effects) {
    if (graph.wereDone.get(task)) {
      graph.wereDone.clear(task);
      if (!graph.outputs(task).equals(outputs)) {
        redoReaders(job, graph, task, atUs, effects);
      }
    }
    graph.state[task] = Graph.DONE;
    graph.setOutputs(task, outputs);
    job.done++;
    graph.forget(task);
    for (int i = graph.edges.start(task); i < graph.edges.end(task); i++) {
      int successor = graph.edges.successor(i);
      if (--graph.pending[successor] == 0 && graph.state[successor] == Graph.WAITING) {
        unstand(job, graph, successor);
        stand(job, graph, successor, atUs);
        relist(graph.group(successor));
      }
    }
  }

  /// An output of a task turns out to be another than was said: what read it must run again. What
  /// comes of that may be as before; only if it is not, whoever read that follows.
  private void redoReaders(Job job, Graph graph, int task, long atUs, List<Effect> effects) {
    for (int i = graph.edges.start(task); i < graph.edges.end(task); i++) {
      int reader = graph.edges.successor(i);
      if (!graph.reads(reader, task)) {
        continue;
      }
      switch (graph.state[reader]) {
        case Graph.DONE -> {
          undone(job, graph, reader);
          job.redone++;
          graph.drawn[reader] = 0;
          stand(job, graph, reader, 0);
        }
        case Graph.LEASED -> spoil(job, graph, reader, effects);
        default -> {}
      }
      // With other inputs it is another task.
      graph.faults[reader] = 0;
      forgetVotes(job, graph, reader, atUs, effects);
    }
  }

  /// What a lease reads is known to be wrong.
  private void spoil(Job job, Graph graph, int task, List<Effect> effects) {
    for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
      if (l.task == task && l.staleInputs == null) {
        l.staleInputs = graph.inputs(task);
        effects.add(new Effect.StopLease(l.provider.address, l.id));
      }
    }
  }

  /// What was said of a task was said of wrong inputs. It was work all the same and is paid.
  private void forgetVotes(Job job, Graph graph, int task, long atUs, List<Effect> effects) {
    Check check = graph.checks.remove(task);
    if (check == null) {
      return;
    }
    if (check.isComparing()) {
      // Whoever has this done has more to wait for, or nothing more to do.
      graph.pending[task]--;
      effects.add(new Effect.DropComparison(job.id, task, check.compared().entry()));
    }
    graph.forget(task);
    for (Check.Vote vote : check.votes) {
      release(job, vote);
      pay(job, graph, task, vote, atUs, effects);
    }
  }

  private void tryAgain(Job job, Graph graph, OpenLease lease) {
    if (lease.provider.state == ProviderView.State.SERVING) {
      graph.exclude(lease.task, lease.provider.index);
    }
    if (lease.twin == null) {
      standAgain(job, graph, lease.task);
    }
  }

  /// A task that was leased is ready again, or waits for what it depends on.
  private void standAgain(Job job, Graph graph, int task) {
    job.leased--;
    stand(job, graph, task, graph.readyUs[task]);
    relist(graph.group(task));
  }

  /// A lease of an ended job is over: what it held and did not cost returns.
  private void over(Job job, long refund, long atUs, List<Effect> effects) {
    refund(job, refund, atUs, effects);
    if (job.leases == 0) {
      drop(job);
    }
  }

  private void refund(Job job, long amount, long atUs, List<Effect> effects) {
    Movement.Ref ref = new Movement.Ref.OfJob(job.id);
    treasury.refund(effects, atUs, job.consumer, job.payer, job.reservation, amount, ref);
  }

  private void leaseReturned(Event.LeaseReturned e, List<Effect> effects) {
    OpenLease lease = take(e.lease(), e.atUs(), effects);
    Job job = lease.job;
    if (job.isRunning()) {
      Graph graph = job.graph();
      if (lease.twin != null && lease.twin.id < lease.id) {
        job.copies--; // It did not come about.
      }
      boolean amongOthers =
          lease.spare || lease.twin != null || graph.spares.containsKey(lease.task);
      if (amongOthers && graph.attempts[lease.task] < Limits.ATTEMPTS_IN_ALL) {
        // Its number is not used again: a later one runs.
        graph.attempts[lease.task]++;
      }
      if (!lease.spare) {
        // No attempt was made, but whoever gave it back would only give it back again.
        tryAgain(job, graph, lease);
      }
    } else {
      over(job, lease.maxCharge, e.atUs(), effects);
    }
    refresh(lease.provider);
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  private void jobEnded(Event.JobEnded e, List<Effect> effects) {
    Job job = jobNumber(e.job());
    timed.remove(job);
    job.state = e.state();
    job.reason = e.reason();
    job.endedUs = e.atUs();
    listCopying(job);
    job.waiting = 0;
    job.ready = 0;
    job.leased = 0;
    Graph graph = job.graph();
    for (int task : List.copyOf(graph.checks.keySet())) {
      // Nobody will find out: it counts as any other work on a job that ends.
      forgetVotes(job, graph, task, e.atUs(), effects);
    }
    refund(job, e.refund(), e.atUs(), effects);
    relist(job.graph());
    for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
      effects.add(new Effect.StopLease(l.provider.address, l.id));
    }
    if (job.leases == 0) {
      drop(job);
    }
    seen(e.atUs());
    effects.add(new Effect.JobChanged(job.id));
  }

  /// A job has ended, and its last lease too.
  private void drop(Job job) {
    live(job, -1);
    boolean mayBeDoubted = job.state == Event.JobState.DONE && job.alone > 0;
    if (mayBeDoubted && job.graph().drawn.length > 0) {
      keepReviewable(job);
    } else {
      dropGraph(job);
    }
  }

  private void keepReviewable(Job job) {
    reviewable.add(job);
    reviewableTasks += job.tasks;
    reviewableSpecBytes += job.specBytes;
    while (reviewableTasks > Limits.REVIEWABLE_TASKS
        || reviewableSpecBytes > Limits.REVIEWABLE_SPEC_BYTES
        || reviewable.size() > Limits.ENDED_JOBS) {
      Job first = reviewable.removeFirst();
      reviewableTasks -= first.tasks;
      reviewableSpecBytes -= first.specBytes;
      dropGraph(first);
    }
  }

  /// A job out of a snapshot that has ended, and its last lease too.
  void keepEnded(Job job) {
    live(job, -1);
    keepReviewable(job);
  }

  /// Drops the graph of an ended job and, if there are too many, the oldest summaries.
  private void dropGraph(Job job) {
    job.results = job.graph().results();
    job.graph = null;
    keep(job);
    while (ended.size() > Limits.ENDED_JOBS
        || (endedResults > Limits.ENDED_RESULTS && ended.size() > 1)) {
      Job oldest = ended.removeFirst();
      endedResults -= oldest.results.size();
      jobs.remove(oldest.number);
      jobsById.remove(oldest.id);
    }
  }

  /// Keeps the summary of an ended job.
  void keep(Job job) {
    ended.addLast(job);
    endedResults += job.results.size();
  }

  private void providerJoined(Event.ProviderJoined e) {
    Address address = e.offer().provider();
    Provider provider = providersByAddress.get(address);
    if (provider == null) {
      if (providers.size() >= Limits.PROVIDERS) {
        forgetOneGone();
      }
      OfferRow offer = remembered(e);
      offer.uses++;
      provider = new Provider(nextProvider++, address, ledger.of(address), offer);
      list(provider);
    } else {
      OfferRow offer = remembered(e);
      offer.uses++;
      provider.offer.uses--;
      if (offer != provider.offer || provider.askedId != 0) {
        // What it declares may have changed, and so may the machine; what it was asked is void. It
        // comes before all that were measured, however often it comes back.
        provider.nextMeasureUs = 0;
        provider.askedId = 0;
      }
      provider.offer = offer;
    }
    provider.beginAnew(lines, e.atUs());
    forgetOldOffers();
    // It says again which models it serves.
    market.inForce.remove(address);
    provider.session = e.session();
    provider.joinedUs = e.atUs();
    provider.state = ProviderView.State.SERVING;
    provider.evidence = provider.evidence.aged(trust, e.atUs());
    provider.distrusted = provider.distrusted && trust.excludes(provider.evidence.whole());
    refresh(provider);
    seen(e.atUs());
  }

  void list(Provider provider) {
    providers.put(provider.index, provider);
    providersByAddress.put(provider.address, provider);
  }

  private OfferRow remembered(Event.ProviderJoined e) {
    return offers.computeIfAbsent(
        e.offerHash(), hash -> new OfferRow(e.offer(), hash, e.signature()));
  }

  private void forgetOldOffers() {
    Iterator<OfferRow> oldest = offers.values().iterator();
    while (offers.size() > Limits.OFFERS && oldest.hasNext()) {
      if (oldest.next().uses == 0) {
        oldest.remove();
      }
    }
  }

  /// The provider that has been gone for longest, or null if none is. One whose bond is yet to pay
  /// for what was refuted is only taken where all others that are gone are such too: of one that is
  /// forgotten nothing is taken any more.
  @Nullable Provider longestGone() {
    Provider found = null;
    for (Provider p : providers.values()) {
      if (p.state == ProviderView.State.GONE && (found == null || isRather(p, found))) {
        found = p;
      }
    }
    return found;
  }

  private static boolean isRather(Provider p, Provider found) {
    return p.owes.isEmpty() == found.owes.isEmpty() ? p.goneUs < found.goneUs : p.owes.isEmpty();
  }

  private void forgetOneGone() {
    Provider gone = longestGone();
    if (gone == null) {
      throw new IllegalStateException("more providers than the limit");
    }
    providers.remove(gone.index);
    providersByAddress.remove(gone.address);
    gone.offer.uses--;
  }

  Job jobNumber(int number) {
    Job job = jobs.get(number);
    if (job == null) {
      throw new IllegalStateException("there is no job number " + number);
    }
    return job;
  }

  Provider provider(Address address) {
    Provider provider = providersByAddress.get(address);
    if (provider == null) {
      throw new IllegalStateException("there is no provider " + address);
    }
    return provider;
  }

  /// The full lease.
  Lease lease(OpenLease l) {
    Graph graph = l.job.graph();
    TaskSpec task = graph.spec.tasks().get(l.task);
    return new Lease(
        l.id,
        l.job.id,
        l.task,
        graph.spec.taskName(l.task),
        l.job.consumer,
        l.provider.address,
        l.offer.hash,
        l.attempt,
        paidFor(graph.kind(l.task), l),
        task.args(),
        l.staleInputs == null ? graph.inputs(l.task) : l.staleInputs,
        graph.dependsOn(l.task),
        task.outputs(),
        l.job.submittedUs,
        l.spare ? l.readyUs : graph.readyUs[l.task],
        l.assignedUs,
        l.maxCharge);
  }

  /// The kind with no more gas, or time if it is native, than the lease's hold can pay: a small
  /// rest of a budget must not buy what the provider sells for more.
  private static TaskKind paidFor(TaskKind kind, OpenLease l) {
    return kind.within(l.offer.offer.price(), l.maxCharge);
  }

  JobView view(Job job) {
    OptionalLong eta = OptionalLong.empty();
    if (job.isRunning() && job.done > 0 && lastUs > job.submittedUs) {
      long elapsedUs = Math.min(lastUs - job.submittedUs, LONGEST_ETA_US);
      long left = (long) job.tasks - job.done;
      eta = OptionalLong.of(lastUs + elapsedUs * left / job.done);
    }
    return new JobView(
        job.id,
        job.number,
        job.name,
        job.consumer,
        job.priority,
        job.state,
        job.reason,
        job.tasks,
        job.waiting,
        job.ready,
        job.leased,
        job.done,
        job.failed,
        job.attempts,
        job.copies,
        job.budget,
        job.charged,
        job.submittedUs,
        job.isRunning() ? OptionalLong.empty() : OptionalLong.of(job.endedUs),
        eta,
        missingVoucher(job),
        new JobView.Results(
            job.agreed,
            job.alone,
            job.refuted,
            job.reviewed,
            job.replaced,
            job.doubtful,
            job.redone,
            job.reopened,
            job.reversed),
        job.footprint);
  }

  /// The voucher without which a job with ready tasks does not go on.
  OptionalLong missingVoucher(Job job) {
    if (!treasury.isVouched() || !job.isRunning() || job.ready == 0) {
      return OptionalLong.empty();
    }
    Wanted wanted = treasury.wanted(job.consumer, job.payer, Round.nextHold(this, job));
    return wanted.isNeeded() ? OptionalLong.of(wanted.cumulative()) : OptionalLong.empty();
  }

  ProviderView view(Provider p) {
    return new ProviderView(
        p.offer.offer,
        p.offer.hash,
        p.offer.signature,
        p.state,
        p.session,
        p.leases,
        p.attemptsDone,
        p.attemptsFailed,
        p.earned,
        p.joinedUs,
        p.busyNs,
        p.speed.value,
        new ProviderView.Trust(
            p.confirmed,
            p.refuted,
            trust.doubtPpm(p.evidence.whole()),
            trust.checkPpm(backed(p), newcomers, 0),
            trust.isNew(backed(p), newcomers),
            p.distrusted,
            p.retained(lastUs)),
        p.shown,
        p.askedId != 0,
        Optional.ofNullable(p.platform),
        Optional.ofNullable(p.operator),
        p.bond,
        List.copyOf(p.owes),
        p.power.isLearned() ? OptionalLong.of(p.power.mwPerCore()) : OptionalLong.empty(),
        p.gPerKwh < 0 ? OptionalInt.empty() : OptionalInt.of(p.gPerKwh));
  }

  /// What is believed of a provider's usual results, with what it has at stake.
  Belief backed(Provider p) {
    return trust.backed(p.evidence.whole(), p.bond, p.usualCharge, 0);
  }
}
