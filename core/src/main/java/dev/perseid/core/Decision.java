package dev.perseid.core;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Decides one command: step by step, each step looks at the state and says what happens, and what
/// happens is applied before the next step looks.
final class Decision {
  static final int CERTAIN_PPM = 1_000_000;

  private final State state;
  private final long nowUs;
  private final List<Event> events;
  private final List<Effect> effects;
  private final ModelDecision models;
  final KeyDecision keys;
  private final AuditDecision audits;
  private final MoneyDecision money;

  Decision(State state, long nowUs, List<Event> events, List<Effect> effects) {
    this.state = state;
    this.nowUs = nowUs;
    this.events = events;
    this.effects = effects;
    this.models = new ModelDecision(state, this, nowUs);
    this.keys = new KeyDecision(state, this, nowUs);
    this.audits = new AuditDecision(state, this, nowUs);
    this.money = new MoneyDecision(state, this, nowUs);
  }

  void execute(Command command) {
    switch (command) {
      case Command.Grant c -> grant(c);
      case Command.Welcome c -> {
        boolean grants = state.treasury.money instanceof Money.Credits;
        if (grants && state.ledger.find(c.to()) == null) {
          grant(new Command.Grant(c.to(), c.amount(), "welcome"));
        }
      }
      case Command.SubmitJob c -> submit(c);
      case Command.CancelJob c -> cancel(c);
      case Command.JoinProvider c -> join(c);
      case Command.DrainProvider c -> drain(c);
      case Command.ReturnLeases c -> returnLeases(c);
      case Command.LoseProvider c -> lose(c);
      case Command.RecordCapacity c -> recordCapacity(c);
      case Command.RecordComparison c -> recordComparison(c);
      case Command.ReportAttempts c -> report(c);
      case Command.RefuseReport c -> refuseReport(c);
      case Command.Schedule c -> schedule(c);
      case Command.PublishModel c -> models.publish(c);
      case Command.WithdrawModel c -> models.withdraw(c);
      case Command.OfferModels c -> models.offer(c);
      case Command.FillTab c -> models.fill(c);
      case Command.EmptyTab c -> models.empty(c);
      case Command.RecordInferences c -> models.record(c);
      case Command.MakeApiKey c -> keys.make(c);
      case Command.MakeScopedKey c -> keys.make(c);
      case Command.RevokeApiKey c -> keys.revoke(c);
      case Command.RecordAudit c -> audits.record(c);
      case Command.FundAudits c -> audits.fund(c);
      case Command.CloseAudits c -> audits.close(c);
      case Command.RequireVouchers _ -> money.requireVouchers();
      case Command.AdoptEscrow c -> money.adopt(c);
      case Command.TakeVoucher c -> money.take(c);
      case Command.SeePurse c -> money.see(c);
      case Command.SeePaid c -> money.seePaid(c);
      case Command.SeeBond c -> seeBond(c);
      case Command.SeePenalty c -> seePenalty(c);
      case Command.SeeBlock c -> money.seeBlock(c);
      case Command.TakePayment c -> money.takePayment(c);
      case Command.ReturnPayment c -> money.returnPayment(c);
      case Command.ReversePayment c -> money.reversePayment(c);
      case Command.CloseEpoch c -> money.close(c);
      case Command.ConfirmEpoch c -> money.confirm(c);
      case Command.ReopenEpoch c -> money.reopen(c);
      case Command.AskExit c -> money.askExit(c);
      case Command.CancelExit c -> money.cancelExit(c);
      case Command.Exit c -> money.exit(c);
    }
  }

  void emit(Event event) {
    events.add(event);
    state.apply(event, effects);
  }

  void refuse(String what, Address by, Rejection.Code code, String message) {
    String cut = Text.cut(message, Limits.REASON_CHARS);
    emit(new Event.Refused(what, by, new Rejection(code, cut), nowUs));
  }

  private void grant(Command.Grant c) {
    String what = "Grant";
    long left = Limits.CREDITS + state.ledger.issuance.balance;
    if (!(state.treasury.money instanceof Money.Credits)) {
      refuse(
          what,
          c.to(),
          Rejection.Code.INVALID,
          "this pool's money lies on a chain and cannot be granted: "
              + Treasury.fund(state.treasury.money));
    } else if (c.amount() <= 0 || c.amount() > left) {
      refuse(
          what,
          c.to(),
          Rejection.Code.INVALID,
          "an amount of "
              + c.amount()
              + " microcredits cannot be granted: write 1 to "
              + left
              + ", what is left below the limit of all credits");
    } else if (c.memo().length() > Limits.REASON_CHARS || !Text.isLine(c.memo())) {
      refuse(
          what,
          c.to(),
          Rejection.Code.INVALID,
          "the memo must be one line of at most " + Limits.REASON_CHARS + " characters");
    } else if (c.to().equals(Address.ZERO)) {
      refuse(what, c.to(), Rejection.Code.INVALID, "the zero address has no account");
    } else if (state.ledger.find(c.to()) == null && state.ledger.size() >= Limits.ACCOUNTS) {
      refuse(
          what,
          c.to(),
          Rejection.Code.OVERLOADED,
          "the pool has " + Limits.ACCOUNTS + " accounts already and opens no more");
    } else {
      emit(new Event.Granted(c.to(), c.amount(), c.memo(), nowUs));
    }
  }

  private void submit(Command.SubmitJob c) {
    String what = "SubmitJob";
    JobSpec spec = c.spec();
    Address by = spec.consumer();
    String problem = JobCheck.problem(spec).orElse(null);
    if (problem == null && c.signature().length() > Limits.SIGNATURE_CHARS) {
      problem = "the signature has more than " + Limits.SIGNATURE_CHARS + " characters";
    }
    if (problem != null) {
      refuse(what, by, Rejection.Code.INVALID, problem);
      return;
    }
    Job known = state.jobsById.get(spec.id());
    if (known != null) {
      if (!known.specHash.equals(JobCodec.specHash(spec))) {
        refuse(
            what,
            by,
            Rejection.Code.INVALID,
            "nonce "
                + spec.nonce()
                + " names another job already ("
                + known.id
                + "): choose a new nonce");
      }
      return;
    }
    if (state.liveJobs >= Limits.LIVE_JOBS) {
      overloaded(what, by, "runs " + state.liveJobs + " jobs, its limit");
    } else if (state.liveTasks + spec.tasks().size() > Limits.LIVE_TASKS) {
      overloaded(
          what,
          by,
          "has " + state.liveTasks + " live tasks and takes at most " + Limits.LIVE_TASKS);
    } else if (state.liveSpecBytes + JobCheck.bytes(spec) > Limits.LIVE_SPEC_BYTES) {
      overloaded(what, by, "holds as many bytes of job specifications as it may");
    } else {
      Account payer = state.ledger.find(by);
      long balance = state.spendable(by, nowUs);
      Purse purse = payer == null ? null : payer.purse;
      if (purse != null && (purse.isLeaving() || purse.lost > 0)) {
        refuse(
            what,
            by,
            Rejection.Code.FORBIDDEN,
            purse.isLeaving()
                ? "account " + by + " is leaving the pool: cancel the exit first"
                : "account "
                    + by
                    + " owes "
                    + Text.credits(purse.lost)
                    + " that it spent and took out: "
                    + Treasury.fund(state.treasury.money));
      } else if (balance < spec.budget()) {
        refuse(
            what,
            by,
            Rejection.Code.INSUFFICIENT_CREDITS,
            "account "
                + by
                + " has "
                + Text.credits(balance)
                + state.withheld(by, nowUs)
                + ", the job's budget is "
                + Text.credits(spec.budget())
                + ": lower the budget by "
                + Text.credits(spec.budget() - balance)
                + " or "
                + Treasury.fund(state.treasury.money)
                + "; what running jobs do not use returns when they end");
      } else {
        emit(new Event.JobAccepted(spec, c.signature(), nowUs));
      }
    }
  }

  private void overloaded(String what, Address by, String why) {
    refuse(
        what,
        by,
        Rejection.Code.OVERLOADED,
        "the pool " + why + ": try again when jobs have ended");
  }

  private void cancel(Command.CancelJob c) {
    String what = "CancelJob";
    Job job = state.jobsById.get(c.job());
    if (job == null) {
      refuse(
          what,
          c.by(),
          Rejection.Code.UNKNOWN,
          "no job " + c.job() + " is known here: look at the list of jobs");
    } else if (!c.operator() && !job.consumer.equals(c.by())) {
      refuse(
          what,
          c.by(),
          Rejection.Code.FORBIDDEN,
          "job "
              + c.job()
              + " belongs to another account: only its consumer or the pool's operator"
              + " may cancel it");
    } else if (!job.isRunning()) {
      refuse(
          what,
          c.by(),
          Rejection.Code.ENDED,
          "job " + c.job() + " has ended already: " + job.state);
    } else {
      boolean own = job.consumer.equals(c.by());
      endJob(
          job,
          Event.JobState.CANCELLED,
          own ? "cancelled by its consumer" : "cancelled by the pool's operator");
    }
  }

  void endJob(Job job, Event.JobState how, String reason) {
    String cut = Text.cut(reason, Limits.REASON_CHARS);
    emit(new Event.JobEnded(job.number, how, cut, job.unheld(), nowUs));
  }

  private void join(Command.JoinProvider c) {
    String what = "JoinProvider";
    Address address = c.offer().provider();
    String problem = OfferCheck.problem(c.offer());
    if (problem == null && c.held().size() > 2 * Limits.PROVIDER_LEASES) {
      problem = "it claims to hold " + c.held().size() + " leases, more than it was ever given";
    }
    if (problem == null && c.signature().length() > Limits.SIGNATURE_CHARS) {
      problem = "the signature has more than " + Limits.SIGNATURE_CHARS + " characters";
    }
    if (problem == null && c.network().length() > Limits.NETWORK_CHARS) {
      problem = "its network has more than " + Limits.NETWORK_CHARS + " characters";
    }
    int grams = c.gPerKwh().orElse(0);
    if (problem == null && (grams < 0 || grams > Limits.G_PER_KWH)) {
      problem = "a kilowatt hour emits 0 to " + Limits.G_PER_KWH + " grams of CO2, not " + grams;
    }
    if (problem != null) {
      refuse(what, address, Rejection.Code.INVALID, problem);
      return;
    }
    Provider provider = state.providersByAddress.get(address);
    if (provider != null && c.session() <= provider.session) {
      refuse(
          what,
          address,
          Rejection.Code.STALE,
          "session "
              + c.session()
              + " is not newer than session "
              + provider.session
              + ": connect again");
      return;
    }
    boolean full =
        (state.providers.size() >= Limits.PROVIDERS && state.longestGone() == null)
            || (state.ledger.find(address) == null && state.ledger.size() >= Limits.ACCOUNTS);
    if (provider == null && full) {
      refuse(
          what,
          address,
          Rejection.Code.OVERLOADED,
          "the pool serves as many providers as it may: try again later or join another pool");
      return;
    }
    emit(new Event.ProviderJoined(c.offer(), c.offerHash(), c.signature(), c.session(), nowUs));
    if (!c.network().isEmpty() && !c.network().equals(state.provider(address).network)) {
      emit(new Event.NetworkSeen(address, c.network(), nowUs));
    }
    if (state.provider(address).platform != c.platform().orElse(null)) {
      emit(new Event.PlatformSeen(address, c.platform(), nowUs));
    }
    if (!Objects.equals(state.provider(address).operator, c.operator().orElse(null))) {
      emit(new Event.OperatorSeen(address, c.operator(), nowUs));
    }
    if (state.provider(address).gPerKwh != c.gPerKwh().orElse(-1)) {
      emit(new Event.CarbonSeen(address, c.gPerKwh(), nowUs));
    }
    Set<Long> held = new HashSet<>(c.held());
    Provider joined = state.provider(address);
    OpenLease next = joined.firstLease;
    while (next != null) {
      OpenLease lease = next;
      next = lease.afterAtProvider;
      boolean has = held.contains(lease.id);
      if (lease.job.isRunning() && lease.staleInputs == null) {
        if (!has) {
          effects.add(new Effect.SendLease(state.lease(lease)));
        }
      } else if (has) {
        effects.add(new Effect.StopLease(address, lease.id));
      } else {
        endWithout(lease, Outcome.LOST, "the provider came back without it");
      }
    }
    for (long id : c.held()) {
      OpenLease lease = state.leases.get(id);
      if (lease == null || lease.provider != joined) {
        effects.add(new Effect.ReportDurable(address, id));
      }
    }
  }

  /// The provider that speaks, or null if it was refused.
  @Nullable Provider speaking(String what, Address address, long session) {
    Provider provider = state.providersByAddress.get(address);
    if (provider == null) {
      refuse(
          what,
          address,
          Rejection.Code.UNKNOWN,
          "no provider " + address + " has joined: send an offer first");
      return null;
    }
    if (session != provider.session) {
      refuse(
          what,
          address,
          Rejection.Code.STALE,
          "session "
              + session
              + " is not the provider's newest, which is "
              + provider.session
              + ": connect again");
      return null;
    }
    if (provider.state == ProviderView.State.GONE) {
      refuse(
          what,
          address,
          Rejection.Code.STALE,
          "the provider counts as gone since session " + session + " ended: connect again");
      return null;
    }
    return provider;
  }

  private void drain(Command.DrainProvider c) {
    Provider provider = speaking("DrainProvider", c.provider(), c.session());
    if (provider != null && provider.state == ProviderView.State.SERVING) {
      emit(new Event.ProviderDraining(c.provider(), nowUs));
    }
  }

  private void returnLeases(Command.ReturnLeases c) {
    String what = "ReturnLeases";
    Provider provider = speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    if (c.leases().size() > Limits.PROVIDER_LEASES) {
      refuse(
          what,
          c.provider(),
          Rejection.Code.INVALID,
          c.leases().size()
              + " leases are too many for one message: at most "
              + Limits.PROVIDER_LEASES);
      return;
    }
    Strangers strangers = new Strangers();
    for (long id : c.leases()) {
      OpenLease lease = state.leases.get(id);
      if (lease != null && lease.provider == provider) {
        boolean outlived = !lease.job.isRunning();
        emit(new Event.LeaseReturned(id, nowUs));
        if (outlived) {
          lookAgain(lease.job);
        }
      } else {
        strangers.add(id, lease);
      }
    }
    strangers.refuse(what, c.provider());
  }

  private void lose(Command.LoseProvider c) {
    String what = "LoseProvider";
    Provider known = state.providersByAddress.get(c.provider());
    if (known != null && known.session == c.session() && known.state == ProviderView.State.GONE) {
      return;
    }
    Provider provider = speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    String reason = Text.isUnicode(c.reason()) ? c.reason() : "no reason given";
    reason = Text.cut(reason, Limits.REASON_CHARS / 2);
    for (OpenLease l = provider.firstLease; l != null; l = provider.firstLease) {
      endWithout(l, Outcome.LOST, "the provider was lost: " + reason);
    }
    emit(new Event.ProviderGone(c.provider(), reason, nowUs));
  }

  private void report(Command.ReportAttempts c) {
    String what = "ReportAttempts";
    Provider provider = speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    String problem = null;
    if (c.reports().isEmpty() || c.reports().size() > Limits.BATCH_REPORTS) {
      problem = c.reports().size() + " reports in one batch: send 1 to " + Limits.BATCH_REPORTS;
    } else if (c.signature().length() > Limits.SIGNATURE_CHARS) {
      problem = "the signature has more than " + Limits.SIGNATURE_CHARS + " characters";
    }
    if (problem != null) {
      refuse(what, c.provider(), Rejection.Code.INVALID, problem);
      return;
    }
    Strangers strangers = new Strangers();
    long batch = -1;
    for (int i = 0; i < c.reports().size(); i++) {
      Report report = c.reports().get(i);
      OpenLease open = state.leases.get(report.lease());
      if (open == null || open.provider != provider) {
        strangers.add(report.lease(), open);
        effects.add(new Effect.ReportDurable(c.provider(), report.lease()));
        continue;
      }
      Lease lease = state.lease(open);
      String wrong = ReportCheck.problem(lease, report);
      boolean byTime = open.spare || lease.kind().isNative();
      if (wrong == null && byTime && lease.assignedUs() > c.steadySinceUs()) {
        wrong = ReportCheck.tooLong(lease, report, nowUs);
      }
      boolean running = open.job.isRunning() && open.staleInputs == null;
      if (wrong == null && report.isStopped() && running) {
        wrong = "it says that the pool stopped it, and the pool did not";
      }
      if (wrong != null) {
        endWithout(open, lease, Outcome.REFUSED, "the report was refused: " + wrong);
        continue;
      }
      if (batch < 0) {
        batch = state.batches;
        List<Hash> digests = c.reports().stream().map(Report::digest).toList();
        emit(new Event.BatchSigned(new SignedBatch(batch, c.provider(), digests, c.signature())));
      }
      end(open, lease, report, new Entry.Attestation.Signed(batch, i), c.luck());
    }
    strangers.refuse(what, c.provider());
  }

  private void refuseReport(Command.RefuseReport c) {
    String what = "RefuseReport";
    Provider provider = speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    OpenLease lease = state.leases.get(c.lease());
    if (lease == null || lease.provider != provider) {
      Strangers strangers = new Strangers();
      strangers.add(c.lease(), lease);
      effects.add(new Effect.ReportDurable(c.provider(), c.lease()));
      strangers.refuse(what, c.provider());
      return;
    }
    String reason = Text.isUnicode(c.reason()) ? c.reason() : "the report was refused";
    endWithout(lease, Outcome.REFUSED, reason);
  }

  /// Leases that the speaker spoke of and does not hold. Those that ended long ago are passed over
  /// in silence: messages come twice.
  private final class Strangers {
    private int count;
    private long first;
    private boolean others;

    void add(long id, @Nullable OpenLease lease) {
      if (lease == null && id > 0 && id < state.nextLease) {
        return;
      }
      if (count++ == 0) {
        first = id;
        others = lease != null;
      }
    }

    void refuse(String what, Address by) {
      if (count == 0) {
        return;
      }
      String more = count == 1 ? "" : " (and " + (count - 1) + " more)";
      if (others) {
        Decision.this.refuse(
            what,
            by,
            Rejection.Code.FORBIDDEN,
            "lease " + first + more + " belongs to another provider: forget it");
      } else {
        Decision.this.refuse(
            what,
            by,
            Rejection.Code.UNKNOWN,
            "lease " + first + more + " was never given: forget it");
      }
    }
  }

  /// Ends a lease on the pool's word alone.
  private void endWithout(OpenLease open, Outcome outcome, String reason) {
    endWithout(open, state.lease(open), outcome, reason);
  }

  private void endWithout(OpenLease open, Lease lease, Outcome outcome, String reason) {
    Report report =
        new Report(
            open.id,
            outcome,
            Text.cut(reason, Limits.REASON_CHARS),
            OptionalLong.empty(),
            OptionalLong.empty(),
            Usage.UNMEASURED,
            List.of(),
            "",
            "",
            Hash.ZERO);
    end(open, lease, report, new Entry.Attestation.PoolOnly(), 0);
  }

  private void end(
      OpenLease open, Lease lease, Report report, Entry.Attestation attestation, long luck) {
    ExecutionRecord record =
        ExecutionRecord.of(state.self, lease, report, open.offer.offer.price());
    Entry entry = new Entry(state.records, nowUs, record, attestation);
    Job job = open.job;
    boolean outlived = !job.isRunning();
    Event.Next next = checked(open, lease, record, next(open, report), luck);
    String failure = next == Event.Next.FAILED ? failure(open, lease, report) : "";
    emit(new Event.AttemptEnded(entry, next));
    if (next == Event.Next.CHECK) {
      judge(job, open.task);
    } else if (next == Event.Next.FAILED) {
      endJob(job, Event.JobState.FAILED, failure);
    } else if (next == Event.Next.DONE && job.done == job.tasks) {
      endJob(job, Event.JobState.DONE, "");
    }
    if (outlived) {
      lookAgain(job);
    }
  }

  /// What becomes of an attempt once it is decided whether its result is checked.
  private Event.Next checked(
      OpenLease open, Lease lease, ExecutionRecord record, Event.Next next, long luck) {
    Job job = open.job;
    if (!job.isRunning()) {
      return next;
    }
    switch (next) {
      case STALE, SPARE, OVERSTATED -> {
        return next;
      }
      case DONE, RETRY, FAILED, OVER, CHECK -> {}
    }
    Graph graph = job.graph();
    if (graph.attempts[open.task] >= Limits.ATTEMPTS_IN_ALL + Limits.VERIFICATION_VOTES) {
      return Event.Next.FAILED;
    }
    boolean speaks = record.outcome() == Outcome.DONE || record.outcome() == Outcome.TASK_FAILED;
    Check check = graph.checks.get(open.task);
    if (check != null) {
      if (speaks) {
        return Event.Next.CHECK;
      }
      // Whoever cannot check a result does not make it fail.
      boolean last = graph.attempts[open.task] + 1 >= Limits.ATTEMPTS_IN_ALL;
      return next == Event.Next.FAILED && !last ? Event.Next.RETRY : next;
    }
    if (!speaks || graph.spec.verification() instanceof Verification.None) {
      return next;
    }
    Event.CheckDrawn drawn = draw(open, lease, record, graph, luck);
    emit(drawn);
    return switch (drawn.why()) {
      case POLICY, NEWCOMER, DRAWN, FAILURE, NATIVE -> Event.Next.CHECK;
      case NOT_DRAWN, NOBODY_ELSE, BUDGET -> next;
    };
  }

  /// Of one that is not known any more nothing is kept.
  private void seeBond(Command.SeeBond c) {
    String what = "SeeBond";
    Provider provider = state.providersByAddress.get(c.provider());
    if (provider == null) {
      return;
    }
    if (!(state.treasury.money instanceof Money.Escrow)) {
      refuse(
          what,
          c.provider(),
          Rejection.Code.INVALID,
          "this pool's money is on no chain, so that nothing there can be at stake");
      return;
    }
    if (c.amount() < 0) {
      refuse(what, c.provider(), Rejection.Code.INVALID, "a bond is not below zero");
      return;
    }
    Bond before = provider.bond;
    boolean first = before.sinceUs() == 0;
    Bond bond = new Bond(c.amount(), c.funder(), first ? nowUs : before.sinceUs());
    if (first ? c.amount() > 0 : !bond.equals(before)) {
      emit(new Event.BondSeen(c.provider(), bond, nowUs));
    }
  }

  private void seePenalty(Command.SeePenalty c) {
    Provider provider = state.providersByAddress.get(c.provider());
    if (provider != null && provider.owes.contains(c.entry())) {
      emit(new Event.PenaltySeen(c.provider(), c.entry(), nowUs));
    }
  }

  private Event.CheckDrawn draw(
      OpenLease open, Lease lease, ExecutionRecord record, Graph graph, long luck) {
    Provider provider = open.provider;
    int harm = graph.spec.verification() instanceof Verification.Adaptive a ? a.harm() : 0;
    Belief belief =
        state.trust.backed(
            provider.evidence.aged(state.trust, nowUs).about(record.usage().gas().orElse(0)),
            provider.bond,
            record.charge(),
            harm);
    int doubtPpm = state.trust.doubtPpm(belief);
    boolean failed = record.outcome() == Outcome.TASK_FAILED;
    boolean isNew = state.trust.isNew(belief, state.newcomers);
    boolean isNative = graph.kind(open.task).isNative();
    int ppm =
        switch (graph.spec.verification()) {
          case Verification.None _ -> 0;
          case Verification.SpotCheck s -> failed ? CERTAIN_PPM : s.ppm();
          case Verification.Replicate _ -> CERTAIN_PPM;
          case Verification.Adaptive _ ->
              failed || isNative
                  ? CERTAIN_PPM
                  : state.trust.checkPpm(belief, state.newcomers, harm);
        };
    // Whoever was found out while it ran is not believed because it was not stopped.
    ppm = provider.distrusted && ppm > 0 ? CERTAIN_PPM : ppm;
    Event.CheckReason why;
    if (graph.spec.verification() instanceof Verification.Replicate) {
      why = Event.CheckReason.POLICY;
    } else if (!Round.anotherFits(
        state, graph.group(open.task).shape, new int[] {provider.index})) {
      why = Event.CheckReason.NOBODY_ELSE;
    } else if (isShort(open, lease, record, graph)) {
      why = Event.CheckReason.BUDGET;
    } else if (failed) {
      why = Event.CheckReason.FAILURE;
    } else if (isNative && graph.spec.verification() instanceof Verification.Adaptive) {
      why = Event.CheckReason.NATIVE;
    } else if (lot(luck, open.id) >= ppm) {
      why = Event.CheckReason.NOT_DRAWN;
    } else if (isNew && graph.spec.verification() instanceof Verification.Adaptive) {
      why = Event.CheckReason.NEWCOMER;
    } else {
      why = Event.CheckReason.DRAWN;
    }
    return new Event.CheckDrawn(open.id, why, ppm, doubtPpm, nowUs);
  }

  /// Whether the budget would not do for the rest of the job, each task at this one's price, if
  /// this one ran again; or did not do for all that this one might have needed, so that it may have
  /// failed for want of gas.
  private static boolean isShort(OpenLease open, Lease lease, ExecutionRecord record, Graph graph) {
    Job job = open.job;
    boolean cut =
        open.maxCharge < Round.worstCase(graph, open.task, lease.kind(), open.offer.offer.price());
    int left = job.tasks - job.done;
    long room = job.unheld() + open.maxCharge - record.charge();
    return (cut && record.outcome() == Outcome.TASK_FAILED)
        || (record.charge() > 0 && room / record.charge() < left);
  }

  /// A number from 0 to 999,999 that whoever does not know the luck cannot foresee.
  static int lot(long luck, long about) {
    byte[] bytes = ByteBuffer.allocate(2 * Long.BYTES).putLong(luck).putLong(about).array();
    return (int) Long.remainderUnsigned(Hash.sha256(bytes).a(), CERTAIN_PPM);
  }

  /// Settles what a task's result is if enough was said about it.
  private void judge(Job job, int task) {
    Graph graph = job.graph();
    Check check = graph.checks.get(task);
    if (check == null) {
      throw new IllegalStateException("task " + task + " is not checked");
    }
    if (check.isComparing()) {
      return;
    }
    int quorum = graph.spec.verification().quorum();
    boolean full = check.votes.size() >= Limits.VERIFICATION_VOTES;
    if (check.isSettled(quorum)) {
      settle(job, task, check.leading(), true);
    } else if (full && 2 * check.leading().size() > check.votes.size()) {
      settle(job, task, check.leading(), true);
    } else if (full && graph.kind(task).isNative()) {
      // That results differ says nothing against those who ran it: they are paid, as for what a job
      // that ends leaves open. Else a program that draws random numbers would run for nothing.
      giveUp(job, task, check.votes.size() + " providers do not agree on it");
    } else if (full) {
      settle(job, task, List.of(), false);
    }
  }

  private void giveUp(Job job, int task, String why) {
    endJob(
        job,
        Event.JobState.FAILED,
        "task " + job.graph().spec.taskName(task) + " was given up: " + why);
  }

  private void recordComparison(Command.RecordComparison c) {
    Job job = state.jobsById.get(c.job());
    Check check = job == null || !job.isRunning() ? null : job.graph().checks.get(c.task());
    if (job == null
        || check == null
        || !check.isComparing()
        || check.compared().entry() != c.entry()) {
      // The job has ended meanwhile, or what was compared is not wanted any more.
      refuse(
          "RecordComparison",
          Address.ZERO,
          Rejection.Code.STALE,
          "record " + c.entry() + " is not compared now");
      return;
    }
    String said = Text.isUnicode(c.problem()) ? c.problem() : "it could not be compared";
    if (c.like() == Command.RecordComparison.UNKNOWN) {
      giveUp(job, c.task(), "the pool cannot compare what its providers got: " + said);
      return;
    }
    boolean known =
        c.like() == c.entry() || check.comparedWith().stream().anyMatch(o -> o.entry() == c.like());
    if (!known) {
      refuse(
          "RecordComparison",
          Address.ZERO,
          Rejection.Code.INVALID,
          "record " + c.entry() + " was not to be compared with record " + c.like());
      return;
    }
    emit(
        new Event.ResultsCompared(
            job.number, c.task(), c.entry(), c.like(), Text.cut(said, Limits.REASON_CHARS), nowUs));
    judge(job, c.task());
  }

  /// @param right what counts; nothing if the task is given up
  private void settle(Job job, int task, List<Check.Vote> right, boolean agreed) {
    Graph graph = job.graph();
    Check check = graph.checks.get(task);
    if (check == null) {
      throw new IllegalStateException("task " + task + " is not checked");
    }
    List<Long> entries = right.stream().map(Check.Vote::entry).toList();
    List<Long> wrong = List.of();
    if (agreed) {
      wrong =
          check.votes.stream()
              .filter(v -> !right.contains(v) && !v.overtime())
              .map(Check.Vote::entry)
              .toList();
    }
    String name = graph.spec.taskName(task);
    List<Provider> believed = believed(check, wrong);
    emit(new Event.TaskJudged(job.number, task, entries, wrong, agreed, nowUs));
    believed.removeIf(p -> !p.distrusted);
    if (right.isEmpty()) {
      giveUp(job, task, check.votes.size() + " providers do not agree on it");
    } else if (right.getFirst().outcome() == Outcome.TASK_FAILED) {
      String who = right.size() + (right.size() == 1 ? " provider says: " : " providers agree: ");
      endJob(
          job,
          Event.JobState.FAILED,
          "task " + name + " failed, " + who + right.getFirst().reason());
    }
    believed.forEach(this::doubt);
    if (job.isRunning() && job.done == job.tasks) {
      endJob(job, Event.JobState.DONE, "");
    }
  }

  /// Those that get work still and said something that is wrong.
  private List<Provider> believed(Check check, List<Long> wrong) {
    List<Provider> found = new ArrayList<>();
    for (Check.Vote vote : check.votes) {
      Provider provider = state.providersByAddress.get(vote.provider());
      if (wrong.contains(vote.entry()) && provider != null && !provider.distrusted) {
        found.add(provider);
      }
    }
    return found;
  }

  /// A provider was found out: whatever counts on its word alone is looked at again, in the newest
  /// jobs first, as long as there is anything to take back from it.
  private void doubt(Provider provider) {
    for (Job job : List.copyOf(state.jobs.descendingMap().values())) {
      doubt(provider, job);
    }
  }

  private void doubt(@Nullable Provider provider, Job job) {
    Graph graph = job.graph;
    if (provider == null || graph == null || !mayRun(job)) {
      return;
    }
    int results = 0;
    long paid = 0;
    for (int t = 0; t < job.tasks; t++) {
      if (State.isDoubtable(graph, t, provider)) {
        results++;
        paid += graph.backings.charge(t);
      }
    }
    if (results > 0) {
      if (!job.isRunning()) {
        emit(new Event.JobReopened(job.number, reservable(job), nowUs));
      }
      long back = state.treasury.reversible(provider.account, job.payer, paid);
      emit(new Event.ResultsDoubted(job.number, provider.address, back, nowUs));
    }
  }

  /// A job that was done while attempts ran that nobody needed cannot be opened again before the
  /// last of them has ended: then it is looked at who was found out meanwhile.
  private void lookAgain(Job job) {
    if (!state.reviewable.contains(job)) {
      return;
    }
    Graph graph = job.graph();
    TreeSet<Integer> doubted = new TreeSet<>();
    for (int t = 0; t < job.tasks; t++) {
      // What was looked at before was paid nothing for.
      if (graph.backings.isAlone(t) && graph.backings.charge(t) > 0) {
        Provider provider = state.providers.get(graph.backings.provider(t));
        if (provider != null && provider.distrusted) {
          doubted.add(provider.index);
        }
      }
    }
    for (int index : doubted) {
      doubt(state.providers.get(index), job);
    }
  }

  /// Whether a job runs, or is done and may run again.
  private boolean mayRun(Job job) {
    return job.isRunning()
        || (state.reviewable.contains(job)
            && nowUs - job.endedUs <= Limits.REVIEWABLE_MS * 1_000
            && state.liveJobs < Limits.LIVE_JOBS
            && state.liveTasks + job.tasks <= Limits.LIVE_TASKS
            && state.liveSpecBytes + job.specBytes <= Limits.LIVE_SPEC_BYTES);
  }

  /// What a job that runs again may cost its consumer: what was left of its budget, if it is there.
  private long reservable(Job job) {
    Purse purse = job.payer.purse;
    boolean none = purse != null && (purse.isLeaving() || purse.lost > 0);
    long has = state.spendable(job.consumer, nowUs);
    return none ? 0 : Math.clamp(job.budget - job.charged, 0, has);
  }

  private static Event.Next next(OpenLease open, Report report) {
    Outcome outcome = report.outcome();
    if (open.mostGas >= 0 && report.usage().gas().orElse(0) > open.mostGas) {
      return Event.Next.OVERSTATED;
    }
    if (!open.job.isRunning()) {
      return Event.Next.OVER;
    }
    if (open.spare) {
      return Event.Next.SPARE;
    }
    // While another attempt runs, this one's end is not the task's.
    boolean isOnly = open.twin == null;
    Graph live = open.job.graph();
    boolean doubtful = live.pending[open.task] > 0 && outcome == Outcome.TASK_FAILED;
    if (open.staleInputs != null || doubtful) {
      boolean last = live.attempts[open.task] + 1 >= Limits.ATTEMPTS_IN_ALL;
      return last && isOnly ? Event.Next.FAILED : Event.Next.STALE;
    }
    return switch (outcome) {
      case DONE -> Event.Next.DONE;
      case TASK_FAILED -> Event.Next.FAILED;
      case PROVIDER_FAILED, LOST, REFUSED, CANCELLED -> {
        Graph graph = open.job.graph();
        int faults = graph.faults[open.task] + (State.isFault(outcome, open.provider) ? 1 : 0);
        boolean enough =
            faults >= graph.kind(open.task).maxAttempts()
                || graph.attempts[open.task] + 1 >= Limits.ATTEMPTS_IN_ALL;
        yield enough && isOnly ? Event.Next.FAILED : Event.Next.RETRY;
      }
    };
  }

  private static String failure(OpenLease open, Lease lease, Report report) {
    String where = " on provider " + open.provider.name();
    String last = report.reason().isEmpty() ? report.outcome().toString() : report.reason();
    if (report.outcome() == Outcome.TASK_FAILED) {
      return "task " + lease.taskName() + " failed" + where + ": " + last;
    }
    return "task "
        + lease.taskName()
        + " could not be finished in "
        + lease.attempt()
        + (lease.attempt() == 1 ? " attempt" : " attempts")
        + ", the last one"
        + where
        + ": "
        + last;
  }

  private void schedule(Command.Schedule c) {
    if (c.max() < 1) {
      refuse(
          "Schedule",
          Address.ZERO,
          Rejection.Code.INVALID,
          "at most " + c.max() + " assignments were asked for: write 1 or more");
      return;
    }
    if (c.expire()) {
      expire();
    }
    endOverdue(c.expire());
    if (c.measure()) {
      measure();
    }
    Round round = new Round(state, nowUs, c.luck());
    int made = 0;
    while (made < c.max()) {
      switch (round.next()) {
        case Round.Assign a -> {
          assign(a);
          made++;
        }
        case Round.Settle(Job job, int task, Check check) ->
            settle(job, task, check.leading(), false);
        case Round.Exhausted(Job job, String reason) -> endJob(job, Event.JobState.FAILED, reason);
        case Round.Nothing() -> {
          if (c.copy() && c.expire()) {
            copy(c.max() - made, c.luck());
          }
          return;
        }
      }
    }
  }

  /// Begins second attempts where nothing else is to be done.
  private void copy(int max, long luck) {
    Copies copies = new Copies(state, nowUs, luck);
    for (int made = 0; made < max; made++) {
      Round.Assign copy = copies.next();
      if (copy == null) {
        return;
      }
      assign(copy);
    }
  }

  private void assign(Round.Assign a) {
    emit(
        new Event.TaskAssigned(
            state.nextLease,
            a.job().number,
            a.task(),
            a.job().graph().nextAttempt(a.task()),
            a.provider().address,
            a.hold(),
            nowUs));
  }

  /// Asks providers whose turn it is: those that have no leases, as many as it takes to get on, and
  /// of the others those that will soon have ended what they have. Whoever has what may take longer
  /// is asked when it happens to have nothing.
  private void measure() {
    if (state.toMeasure.isEmpty() || state.toMeasure.first().nextMeasureUs > nowUs) {
      return;
    }
    if (state.measuring >= Limits.MEASURED_AT_ONCE
        && state.endingFirst >= Limits.MEASURED_AT_ONCE) {
      return;
    }
    List<Provider> due = new ArrayList<>();
    Map<String, Integer> more = new HashMap<>();
    int lookedOver = 0;
    for (Provider p : state.toMeasure) {
      if (p.nextMeasureUs > nowUs
          || due.size() == Limits.MEASURED_LOOKED_AT
          || lookedOver++ == Limits.MEASURED_LOOKED_OVER) {
        break;
      }
      int of = state.asked.getOrDefault(p.network, 0) + more.getOrDefault(p.network, 0);
      // Where no network is known all would be of one.
      boolean hasRoom = p.network.isEmpty() || of < Limits.MEASURED_OF_NETWORK;
      if (hasRoom && (p.leases == 0 || p.longestWallMs <= Limits.MEASURED_SOON_MS)) {
        more.merge(p.network, 1, Integer::sum);
        due.add(p);
      }
    }
    for (Provider p : due) {
      boolean may = (p.leases == 0 ? state.measuring : state.endingFirst) < Limits.MEASURED_AT_ONCE;
      if (may) {
        emit(new Event.CapacityAsked(state.measurements + 1, p.address, nowUs));
      }
    }
  }

  private void recordCapacity(Command.RecordCapacity c) {
    String what = "RecordCapacity";
    Provider provider = speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    if (provider.askedId != c.id() || !provider.canBeMeasured()) {
      refuse(
          what,
          c.provider(),
          Rejection.Code.STALE,
          "measurement "
              + c.id()
              + " is not the one that the provider is asked for now, without leases");
      return;
    }
    Offer offer = provider.offer.offer;
    boolean fine = c.problem().isEmpty();
    int cores = Math.clamp(c.cores(), fine ? 1 : 0, offer.cores());
    long memoryBytes = Math.clamp(c.memoryBytes(), fine ? 1 : 0, offer.memoryBytes());
    Capacity capacity =
        new Capacity(
            nowUs,
            cores,
            memoryBytes,
            offer.gpus().atMost(c.gpus()),
            Math.max(0, c.stepsPerS()),
            offer.gpus().any() ? Math.max(0, c.gpuStepsPerS()) : 0,
            Text.cut(c.problem(), Limits.REASON_CHARS));
    emit(
        new Event.CapacityMeasured(
            c.id(),
            c.provider(),
            capacity,
            nowUs + untilNextMs(offer, capacity, c.luck()) * 1_000));
  }

  /// After how long a provider is measured again: nobody can know when, and who showed less than it
  /// declares gets a chance soon.
  private static long untilNextMs(Offer offer, Capacity shown, long luck) {
    long usualMs = shown.isAllOf(offer) ? Limits.MEASURED_AFTER_MS : Limits.MEASURED_AGAIN_AFTER_MS;
    return usualMs / 2 + Math.floorMod(luck, usualMs);
  }

  /// Ends jobs that were not done in time: nobody wants their results any more. Nothing goes to
  /// those that are left ([Round]).
  ///
  /// @param all also those of which something runs: who runs it may have the result
  private void endOverdue(boolean all) {
    List<Job> overdue = new ArrayList<>();
    for (Job job : state.timed) {
      if (job.dueUs > nowUs || overdue.size() == Limits.EXPIRED_AT_ONCE) {
        break;
      }
      overdue.add(job);
    }
    for (Job job : overdue) {
      if (all || job.leases == 0) {
        endJob(
            job,
            Event.JobState.FAILED,
            "it was not done within the "
                + Text.seconds(job.graph().spec.deadlineMs())
                + " that it asked for: "
                + job.done
                + " of "
                + job.tasks
                + " tasks were done");
      }
    }
  }

  private void expire() {
    for (int i = 0; i < Limits.EXPIRED_AT_ONCE && !state.byDeadline.isEmpty(); i++) {
      OpenLease first = state.byDeadline.first();
      if (first.deadlineUs > nowUs) {
        break;
      }
      if (first.provider.state != ProviderView.State.GONE) {
        effects.add(new Effect.StopLease(first.provider.address, first.id));
      }
      endWithout(first, Outcome.LOST, "no report came within the time that the lease allows");
    }
  }
}
