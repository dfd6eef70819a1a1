package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Bond;
import dev.perseid.core.Capacity;
import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.JobView;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Platform;
import dev.perseid.core.Pool;
import dev.perseid.core.Price;
import dev.perseid.core.ProviderView;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Verification;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Reads the durable log as it grows and holds every event against the rules, with books of its
/// own. It shares no code with the pool's decisions: what the pool believes is compared with what
/// the auditor has counted.
final class Auditor {
  /// Tells what a digest of a record is, and who signed a batch.
  interface Notary {
    Hash digest(ExecutionRecord record);

    Hash digest(Offer offer);

    Hash digest(Model model);

    Hash digest(ModelOffer offer);

    Optional<Address> signer(Hash digest, String signature);

    Optional<Address> signerOfBatch(Address pool, List<Hash> digests, String signature);
  }

  /// Knows what really happened at the providers.
  interface Witness {
    /// Whether it is wrong to give up this lease of this provider, which is not gone.
    boolean wronged(Address provider, long lease);
  }

  private static final class JobFile {
    final int number;
    final JobSpec spec;
    final long acceptedUs;
    final @Nullable List<Blob>[] outputs;

    /// What each task gave that is or was done.
    final @Nullable List<Blob>[] gave;

    /// For each task how many attempts run whose result may count.
    final int[] leased;

    int copies;
    final int[] attempts;
    final int[] faults;
    final List<Set<Integer>> dependsOn = new ArrayList<>();
    Event.JobState state = Event.JobState.RUNNING;
    @Nullable Integer mustFail;

    /// What was said of tasks that do not count yet, by index of the record.
    final Map<Integer, Map<Long, ExecutionRecord>> votes = new TreeMap<>();

    /// Records that are doubted: they cost nothing.
    final Set<Long> doubted = new java.util.TreeSet<>();

    /// For each task the record on whose word alone it counts.
    final Map<Integer, Entry> alone = new TreeMap<>();

    /// What was paid for it.
    final Map<Integer, Long> paid = new TreeMap<>();

    int reviewed;
    int replaced;
    int doubtful;
    int redone;
    int reopened;
    long reversed;
    long reserved;
    long held;
    long charged;
    long records;
    int done;
    int outstanding;

    @SuppressWarnings({"unchecked", "rawtypes"})
    JobFile(int number, JobSpec spec, long acceptedUs) {
      this.number = number;
      this.spec = spec;
      this.acceptedUs = acceptedUs;
      outputs = new List[spec.tasks().size()];
      gave = new List[outputs.length];
      leased = new int[outputs.length];
      attempts = new int[outputs.length];
      faults = new int[outputs.length];
      for (TaskSpec t : spec.tasks()) {
        Set<Integer> on = new java.util.TreeSet<>(t.after());
        for (Input i : t.inputs()) {
          if (i instanceof Input.Produced p) {
            on.add(p.task());
          }
        }
        dependsOn.add(on);
      }
    }

    /// Whether it asked to be done by now, and never was.
    boolean isOver(long atUs) {
      return spec.deadlineMs() > 0
          && reopened == 0
          && atUs >= acceptedUs + spec.deadlineMs() * 1_000;
    }

    String name(int task) {
      return "job " + number + " task " + task + " (" + spec.taskName(task) + ")";
    }

    /// What a record's maker gets if it counts.
    long cost(long entry, ExecutionRecord r) {
      return doubted.contains(entry) ? 0 : r.charge();
    }

    /// What a task reads now, of what is or was done.
    List<Blob> inputs(int task) {
      List<Blob> inputs = new ArrayList<>();
      for (Input i : spec.tasks().get(task).inputs()) {
        switch (i) {
          case Input.Stored s -> inputs.add(s.blob());
          case Input.Produced p -> {
            List<Blob> of = gave[p.task()];
            if (of == null) {
              throw new Violation(name(task) + " has an input that does not exist");
            }
            inputs.add(of.get(p.output()));
          }
        }
      }
      return inputs;
    }

    boolean reads(int task, int from) {
      return spec.tasks().get(task).inputs().stream()
          .anyMatch(i -> i instanceof Input.Produced p && p.task() == from);
    }

    /// Whether all is done on which a task depends.
    boolean isFounded(int task) {
      return dependsOn.get(task).stream().allMatch(d -> outputs[d] != null);
    }
  }

  private static final class LeaseFile {
    final Event.TaskAssigned made;
    final boolean settled;

    /// What its task read when it was made.
    List<Blob> inputs = List.of();

    /// Whether one of them turned out to be wrong.
    boolean spoiled;

    /// Whether another attempt settled its task; if so which, if that was done.
    boolean spare;

    Optional<ExecutionRecord> settledBy = Optional.empty();

    boolean over;

    LeaseFile(Event.TaskAssigned made, boolean settled) {
      this.made = made;
      this.settled = settled;
    }

    /// Whether it says to have used more gas than all of its task needed.
    boolean isOverstatedBy(ExecutionRecord r) {
      OptionalLong most = settledBy.map(b -> b.usage().gas()).orElse(OptionalLong.empty());
      return most.isPresent() && r.usage().gas().orElse(0) > most.getAsLong();
    }
  }

  private record Hardware(int cores, long memoryBytes, Gpus gpus) {}

  private static final class ProviderFile {
    Offer offer;
    long session;
    boolean draining;
    boolean gone;
    long earned;
    int outstanding;

    /// How many GPUs its leases hold.
    int heldGpus;

    /// The measurement for which it is asked, or 0.
    long asked;

    Capacity shown = Capacity.UNKNOWN;

    /// For which platform it runs native tasks.
    Optional<Platform> platform = Optional.empty();

    /// What it says that a kilowatt hour emits.
    OptionalInt gPerKwh = OptionalInt.empty();

    Bond bond = Bond.NONE;

    /// Records of refuted results for which its bond has yet to pay.
    final Set<Long> owes = new TreeSet<>();

    boolean fits(TaskKind kind) {
      boolean measured = shown.isShown();
      boolean runs =
          !(kind.form() instanceof Form.Native n) || platform.equals(Optional.of(n.platform()));
      return runs
          && shown.problem().isEmpty()
          && kind.cores() <= Math.min(offer.cores(), measured ? shown.cores() : kind.cores())
          && kind.memoryBytes()
              <= Math.min(offer.memoryBytes(), measured ? shown.memoryBytes() : kind.memoryBytes())
          && hasFree(kind.gpus());
    }

    private boolean hasFree(Gpus needed) {
      Gpus there = shown.isShown() ? offer.gpus().atMost(shown.gpus()) : offer.gpus();
      return needed.count() == 0
          || (heldGpus + needed.count() <= there.count()
              && needed.memoryBytes() <= there.memoryBytes());
    }

    /// About what it was paid for results that counted on its word, and when one did last.
    long usual;

    long believedUs;

    /// Ten such results' worth, for seven days.
    long retained(long nowUs) {
      return believedUs > 0 && nowUs - believedUs <= 604_800_000_000L ? 10 * usual : 0;
    }

    void believed(long charge, long atUs) {
      usual = believedUs == 0 ? charge : usual + (charge - usual) / 16;
      believedUs = Math.max(believedUs, atUs);
    }

    ProviderFile(Offer offer, long session) {
      this.offer = offer;
      this.session = session;
    }
  }

  private final Address self;
  private final Notary notary;

  /// What providers really have, where the pool can see it.
  private final Map<Address, Hardware> hardware = new TreeMap<>();

  private final Set<Address> liars;
  private final Set<Address> cheats;
  private final ModelBooks models;
  private final PurseBooks purses;

  private long issued;
  private final Map<Address, Long> balances = new TreeMap<>();
  private final List<JobFile> jobs = new ArrayList<>();
  private final Map<JobId, JobFile> jobsById = new TreeMap<>();
  private final Map<Long, LeaseFile> leases = new TreeMap<>();
  private final Map<Address, ProviderFile> providers = new TreeMap<>();
  private final Map<Hash, Offer> offers = new TreeMap<>();
  private final List<Entry> entries = new ArrayList<>();
  private final List<SignedBatch> batches = new ArrayList<>();
  private final Set<Integer> changed = new java.util.TreeSet<>();
  private long events;
  private long refusals;
  private long measurements;
  private long judged;
  private long refuted;
  private long doubted;
  private long lastUs = Long.MIN_VALUE;
  private boolean settled;
  private Witness witness = (_, _) -> false;

  /// @param liars providers whose outputs need not be right
  /// @param cheats providers that give wrong results, no two the same
  Auditor(Address self, Notary notary, Set<Address> liars, Set<Address> cheats) {
    this.self = self;
    this.notary = notary;
    this.liars = liars;
    this.cheats = cheats;
    purses = new PurseBooks(self, new Money());
    models =
        new ModelBooks(
            self,
            notary,
            new ModelBooks.Accounts() {
              @Override
              public void move(Address account, long amount) {
                Auditor.this.move(account, amount);
              }

              @Override
              public long balance(Address account) {
                return balances.getOrDefault(account, 0L);
              }

              @Override
              public void earned(Address account, long amount) {
                Auditor.this.purses.earned(account, amount);
              }
            });
  }

  /// What it knows of models.
  ModelBooks models() {
    return models;
  }

  /// A provider really has this, and the pool has no excuse for not seeing that.
  void has(Address provider, int cores, long memoryBytes, Gpus gpus) {
    hardware.put(provider, new Hardware(cores, memoryBytes, gpus));
  }

  /// Who is asked whether a lost attempt was really lost.
  void ask(Witness w) {
    witness = w;
  }

  /// The last fault was long ago: what is leased from now on is not lost.
  void settled() {
    settled = true;
  }

  /// These events have become durable, all at once.
  void read(List<Event> durable) {
    for (Event e : durable) {
      events++;
      check(e);
      purses.makeGood();
    }
    lost(durable);
    for (JobFile j : jobs) {
      if (j.mustFail != null && j.state == Event.JobState.RUNNING) {
        throw new Violation(j.name(j.mustFail) + " failed for good and its job runs on");
      }
    }
    audit();
  }

  /// A lost connection or a restart loses no result and no lease: unless its provider counts as
  /// gone, an attempt that has ended there, or that it was never told of, does not end as LOST
  /// here.
  private void lost(List<Event> durable) {
    for (Event event : durable) {
      if (event instanceof Event.AttemptEnded e
          && e.entry().record().outcome() == Outcome.LOST
          && !provider(e.entry().record().provider()).gone
          && witness.wronged(e.entry().record().provider(), e.entry().record().lease())) {
        ExecutionRecord r = e.entry().record();
        throw new Violation(
            "lease "
                + r.lease()
                + " was given up though its provider had the result or never had the lease: "
                + r.reason());
      }
    }
  }

  private void check(Event event) {
    switch (event) {
      case Event.Granted e -> {
        time(e.atUs());
        issued += e.amount();
        move(e.to(), e.amount());
      }
      case Event.JobAccepted e -> accepted(e);
      case Event.TaskAssigned e -> assigned(e);
      case Event.BatchSigned e -> signed(e.batch());
      case Event.CheckDrawn e -> {
        time(e.atUs());
        LeaseFile l = leases.get(e.lease());
        if (l == null || l.over) {
          throw new Violation("lease " + e.lease() + " is not open and its result may be checked");
        }
      }
      case Event.AttemptEnded e -> ended(e);
      case Event.TaskJudged e -> judged(e);
      case Event.ResultsDoubted e -> doubted(e);
      case Event.JobReopened e -> reopened(e);
      case Event.LeaseReturned e -> {
        time(e.atUs());
        LeaseFile l = closing(e.lease());
        JobFile j = jobs.get(l.made.job());
        j.held -= l.made.maxCharge();
        boolean amongOthers = l.spare || leases.values().stream().anyMatch(o -> isBeside(o, l));
        j.attempts[l.made.task()] -= amongOthers ? 0 : 1;
        boolean isCopy =
            leases.values().stream()
                .anyMatch(o -> isBeside(o, l) && !o.spare && o.made.lease() < l.made.lease());
        j.copies -= isCopy && !l.spare ? 1 : 0;
        if (j.state != Event.JobState.RUNNING) {
          j.reserved -= l.made.maxCharge();
          move(j.spec.consumer(), l.made.maxCharge());
        }
      }
      case Event.JobEnded e -> jobEnded(e);
      case Event.ProviderJoined e -> joined(e);
      case Event.NetworkSeen e -> {
        time(e.atUs());
        provider(e.provider());
      }
      case Event.OperatorSeen e -> {
        time(e.atUs());
        provider(e.provider());
      }
      case Event.CarbonSeen e -> {
        time(e.atUs());
        ProviderFile p = provider(e.provider());
        if (e.gPerKwh().equals(p.gPerKwh)) {
          throw new Violation("provider " + e.provider() + " says nothing new: " + e);
        }
        p.gPerKwh = e.gPerKwh();
      }
      case Event.BondSeen e -> bondSeen(e);
      case Event.PenaltySeen e -> penaltySeen(e);
      case Event.PlatformSeen e -> {
        time(e.atUs());
        provider(e.provider()).platform = e.platform();
      }
      case Event.ResultsCompared e -> compared(e);
      case Event.CapacityAsked e -> {
        time(e.atUs());
        ProviderFile p = provider(e.provider());
        if (p.draining || p.gone || p.asked != 0 || e.id() != ++measurements) {
          throw new Violation(
              "measurement " + e.id() + " of provider " + e.provider() + " is out of turn");
        }
        p.asked = e.id();
      }
      case Event.CapacityMeasured e -> measured(e);
      case Event.ProviderDraining e -> {
        time(e.atUs());
        provider(e.provider()).draining = true;
        provider(e.provider()).asked = 0;
        models.offersNothing(e.provider());
      }
      case Event.ProviderGone e -> {
        time(e.atUs());
        ProviderFile p = provider(e.provider());
        if (p.outstanding != 0) {
          throw new Violation(
              "provider " + e.provider() + " is gone and still has " + p.outstanding + " leases");
        }
        p.gone = true;
        p.asked = 0;
        models.offersNothing(e.provider());
      }
      case Event.ModelPublished e -> {
        time(e.atUs());
        models.published(e);
      }
      case Event.ModelWithdrawn e -> {
        time(e.atUs());
        models.withdrawn(e);
      }
      case Event.ModelsOffered e -> {
        time(e.atUs());
        ProviderFile p = provider(e.provider());
        if (!e.offers().isEmpty() && (p.draining || p.gone)) {
          throw new Violation("provider " + e.provider() + " offers models and drains or is gone");
        }
        models.offered(e);
      }
      case Event.TabFilled e -> {
        time(e.atUs());
        purses.begins(e.consumer(), e.amount());
        models.filled(e);
      }
      case Event.TabEmptied e -> {
        time(e.atUs());
        models.emptied(e);
      }
      case Event.InferenceRecorded e -> served(e.entry());
      case Event.ApiKeyMade e -> {
        time(e.atUs());
        models.keyMade(e.account(), e.keyHash());
      }
      case Event.ScopedKeyMade e -> {
        time(e.atUs());
        models.keyMade(e);
      }
      case Event.ApiKeySpent e -> {
        time(e.atUs());
        models.keySpent(e);
      }
      case Event.ApiKeyRevoked e -> {
        time(e.atUs());
        models.keyRevoked(e);
      }
      case Event.Audited e -> {
        time(e.atUs());
        models.audited(e.note());
      }
      case Event.AuditsFunded e -> {
        time(e.atUs());
        models.auditsFunded(e);
        purses.audits(e.account(), e.amount());
      }
      case Event.AuditsClosed e -> {
        time(e.atUs());
        models.auditsClosed(e);
        purses.audits(e.account(), -e.amount());
      }
      case Event.MoneyAdopted e -> {
        time(e.atUs());
        Set<Address> all = new java.util.TreeSet<>(balances.keySet());
        purses.adopted(e, all);
      }
      case Event.VoucherTaken e -> {
        time(e.atUs());
        purses.taken(e.voucher());
      }
      case Event.PurseSeen e -> {
        time(e.atUs());
        purses.seen(e.purse());
      }
      case Event.PaidSeen e -> {
        time(e.atUs());
        purses.pay(e.payee(), e.total());
      }
      case Event.BlockSeen e -> time(e.atUs());
      case Event.PaymentTaken e -> {
        time(e.atUs());
        purses.payment(e);
      }
      case Event.PaymentReturned e -> {
        time(e.atUs());
        purses.returned(e);
      }
      case Event.PaymentReversed _ ->
          throw new Violation("no payment is taken back here: " + event);
      case Event.ExcessReturned e -> {
        time(e.atUs());
        purses.excess(e);
      }
      case Event.EpochClosed e -> {
        time(e.epoch().closedUs());
        purses.closed(e.epoch());
      }
      case Event.EpochConfirmed e -> {
        time(e.atUs());
        purses.confirmed(e);
      }
      case Event.EpochReopened e -> {
        time(e.atUs());
        purses.reopened();
      }
      case Event.ExitAsked _, Event.ExitCancelled _, Event.Exited _ ->
          throw new Violation("nobody leaves credits here: " + event);
      case Event.Refused e -> {
        time(e.atUs());
        refusals++;
        if (e.rejection().message().isBlank()) {
          throw new Violation("a refusal of " + e.what() + " that does not say why");
        }
      }
    }
  }

  private void accepted(Event.JobAccepted e) {
    time(e.atUs());
    JobSpec spec = e.spec();
    JobFile j = new JobFile(jobs.size(), spec, e.atUs());
    if (jobsById.putIfAbsent(spec.id(), j) != null) {
      throw new Violation("job " + spec.id() + " was accepted twice");
    }
    jobs.add(j);
    j.reserved = spec.budget();
    move(spec.consumer(), -spec.budget());
    if (balances.getOrDefault(spec.consumer(), 0L) < 0) {
      throw new Violation("consumer " + spec.consumer() + " has reserved more than it had");
    }
    changed.add(j.number);
  }

  private void assigned(Event.TaskAssigned e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    String task = j.name(e.task());
    if (leases.putIfAbsent(e.lease(), new LeaseFile(e, settled)) != null) {
      throw new Violation("lease " + e.lease() + " was made twice");
    }
    if (j.state != Event.JobState.RUNNING) {
      throw new Violation(task + " was assigned though its job is " + j.state);
    }
    if (j.isOver(e.atUs())) {
      throw new Violation(task + " was assigned though the time of its job is over");
    }
    if (j.outputs[e.task()] != null) {
      throw new Violation(task + " is done and was assigned again as lease " + e.lease());
    }
    if (j.leased[e.task()] > 0) {
      j.copies++;
      boolean itself =
          leases.values().stream()
              .anyMatch(o ->
                  isBeside(o, leases.get(e.lease())) && o.made.provider().equals(e.provider()));
      long most = j.spec.urgency().copiesPercent() * (long) j.outputs.length / 100;
      boolean tooMany =
          j.spec.urgency().copiesPercent() == 0
              || j.copies > Math.max(1, most)
              || j.leased[e.task()] > 1;
      if (itself || tooMany) {
        throw new Violation(task + " was assigned as lease " + e.lease() + " while it is leased");
      }
    }
    for (int d : j.dependsOn.get(e.task())) {
      if (j.outputs[d] == null) {
        throw new Violation(task + " was assigned before " + j.name(d) + " was done");
      }
    }
    j.attempts[e.task()]++;
    TaskKind kind = kind(j, e.task());
    if (e.attempt() != j.attempts[e.task()]) {
      throw new Violation(
          task
              + " was assigned as attempt "
              + e.attempt()
              + ", it is its attempt "
              + j.attempts[e.task()]);
    }
    Map<Long, ExecutionRecord> said = j.votes.getOrDefault(e.task(), Map.of());
    if (said.values().stream().anyMatch(r -> r.provider().equals(e.provider()))) {
      throw new Violation(task + " was given to " + e.provider() + " to check itself");
    }
    if (said.isEmpty() && j.faults[e.task()] >= kind.maxAttempts()) {
      throw new Violation(
          task + " was assigned again after " + j.faults[e.task()] + " of " + kind.maxAttempts());
    }
    ProviderFile p = provider(e.provider());
    if (p.draining || p.gone) {
      throw new Violation(task + " was assigned to " + e.provider() + ", which drains or is gone");
    }
    purses.begins(j.spec.consumer(), e.maxCharge());
    leases.get(e.lease()).inputs = j.inputs(e.task());
    if (p.asked != 0) {
      throw new Violation(task + " was assigned to " + e.provider() + " while it is measured");
    }
    if (!p.fits(kind)) {
      throw new Violation(task + " was assigned to " + e.provider() + ", on which it cannot fit");
    }
    p.outstanding++;
    p.heldGpus += kind.gpus().count();
    j.leased[e.task()]++;
    j.outstanding++;
    j.held += e.maxCharge();
    if (e.maxCharge() < 0 || j.held > j.reserved) {
      throw new Violation(
          task
              + " holds "
              + e.maxCharge()
              + ": all holds are "
              + j.held
              + ", the job has "
              + j.reserved);
    }
    changed.add(j.number);
  }

  private void signed(SignedBatch b) {
    if (b.number() != batches.size()) {
      throw new Violation("batch " + b.number() + " follows " + (batches.size() - 1));
    }
    if (!notary.signerOfBatch(self, b.digests(), b.signature()).equals(Optional.of(b.provider()))) {
      throw new Violation("batch " + b.number() + " is not signed by its provider");
    }
    batches.add(b);
  }

  /// An entry of the log of records is the next one.
  private void written(Entry entry) {
    time(entry.recordedUs());
    if (entry.index() != entries.size()) {
      throw new Violation("entry " + entry.index() + " follows " + (entries.size() - 1));
    }
    entries.add(entry);
  }

  /// A request to a model was answered, or was not.
  private void served(Entry entry) {
    written(entry);
    ExecutionRecord r = entry.record();
    provider(r.provider()).earned += models.recorded(entry);
    purses.charged(r.consumer(), r.charge());
    if (entry.attestation() instanceof Entry.Attestation.Signed s) {
      attested(s, r, "request " + r.lease());
    }
  }

  private void ended(Event.AttemptEnded e) {
    Entry entry = e.entry();
    ExecutionRecord r = entry.record();
    written(entry);
    if (r.inference().isPresent()) {
      throw new Violation("lease " + r.lease() + " ended with the record of a request to a model");
    }
    LeaseFile l = closing(r.lease());
    Event.TaskAssigned made = l.made;
    JobFile j = jobs.get(made.job());
    j.records++;
    String task = j.name(made.task());
    if (r.outcome() == Outcome.REFUSED && !liars.contains(r.provider())) {
      throw new Violation(task + ": an honest provider's report was refused: " + r.reason());
    }
    if (l.settled && r.outcome() == Outcome.LOST && !liars.contains(r.provider())) {
      throw new Violation(task + " ended as " + r.outcome() + " without any fault: " + r.reason());
    }
    recordFollows(j, l, r, task);
    attested(entry, task);

    boolean stopped = r.outcome() == Outcome.CANCELLED && r.reason().equals("stopped by the pool");
    if (stopped && j.state == Event.JobState.RUNNING && !l.spoiled && !l.spare) {
      throw new Violation(task + " is paid as stopped, but its job runs");
    }
    boolean pays =
        switch (r.outcome()) {
          case DONE, TASK_FAILED -> true;
          case CANCELLED -> stopped;
          case PROVIDER_FAILED, LOST, REFUSED -> false;
        };
    long owed =
        pays
            ? Math.min(
                made.maxCharge(),
                offer(r.offer())
                    .price()
                    .charge(
                        r.isReplayable()
                            ? r.usage().gas().orElse(0)
                            : r.cores() * r.usage().wallNs().orElse(0),
                        r.memoryBytes(),
                        r.gpus().count(),
                        r.usage().wallNs().orElse(0),
                        r.usage().bytesIn().orElse(0) + r.usage().bytesOut().orElse(0)))
            : 0;
    if (r.charge() != owed) {
      throw new Violation(task + " cost " + r.charge() + " and should cost " + owed);
    }
    j.held -= made.maxCharge();
    boolean overstated = e.next() == Event.Next.OVERSTATED;
    if (overstated != l.isOverstatedBy(r)) {
      throw new Violation(task + " ended as " + e.next() + " with " + r.usage());
    }
    boolean isSettledByLiar = l.settledBy.filter(b -> liars.contains(b.provider())).isPresent();
    if (overstated && !liars.contains(r.provider()) && !isSettledByLiar) {
      throw new Violation(task + ": an honest provider used more gas than another");
    }
    if (e.next() == Event.Next.CHECK) {
      j.held += r.charge();
      settled(j, made.task(), r);
      j.votes.computeIfAbsent(made.task(), _ -> new TreeMap<>()).put(entry.index(), r);
    } else if (!overstated) {
      pay(j, r);
    }
    boolean fault =
        switch (r.outcome()) {
          case PROVIDER_FAILED, LOST, REFUSED -> true;
          case DONE, TASK_FAILED, CANCELLED -> false;
        };
    boolean only = j.leased[made.task()] == 0;
    if (fault && only && e.next() != Event.Next.STALE && !l.spare) {
      j.faults[made.task()]++;
    }
    boolean running = j.state == Event.JobState.RUNNING;
    if (!running) {
      long rest = made.maxCharge() - (overstated ? 0 : r.charge());
      j.reserved -= rest;
      move(j.spec.consumer(), rest);
    }
    next(e, j, l, r, task);
  }

  private void pay(JobFile j, ExecutionRecord r) {
    pay(j, r, r.charge());
  }

  private void pay(JobFile j, ExecutionRecord r, long amount) {
    j.reserved -= amount;
    j.charged += amount;
    provider(r.provider()).earned += amount;
    purses.earned(r.provider(), amount);
    purses.charged(r.consumer(), amount);
  }

  /// Votes of which nothing comes are paid, but for those that are doubted.
  private void forget(JobFile j, Map<Long, ExecutionRecord> said) {
    said.forEach((entry, r) -> {
      j.held -= j.cost(entry, r);
      if (!j.doubted.remove(entry)) {
        pay(j, r);
      }
    });
  }

  /// A provider was found out: what counted on its word alone does not count.
  private void doubted(Event.ResultsDoubted e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    if (j.state != Event.JobState.RUNNING) {
      throw new Violation("results of job " + e.job() + " are doubted, which is " + j.state);
    }
    if (!mayLie(e.provider())) {
      throw new Violation("results of the honest provider " + e.provider() + " are doubted");
    }
    long left = e.reversed();
    int tasks = 0;
    for (int t = 0; t < j.outputs.length; t++) {
      Entry word = j.alone.get(t);
      if (word == null || !word.record().provider().equals(e.provider())) {
        continue;
      }
      tasks++;
      left -= Math.min(left, j.paid.getOrDefault(t, 0L));
      undone(j, t);
      j.reviewed++;
      j.doubted.add(word.index());
      Map<Long, ExecutionRecord> said = new TreeMap<>();
      said.put(word.index(), word.record());
      if (j.votes.put(t, said) != null) {
        throw new Violation(j.name(t) + " counted and was checked");
      }
    }
    if (tasks == 0 || left != 0 || e.reversed() < 0) {
      throw new Violation(e + " concerns " + tasks + " tasks and takes back " + left + " too much");
    }
    j.reversed += e.reversed();
    j.charged -= e.reversed();
    j.reserved += e.reversed();
    provider(e.provider()).earned -= e.reversed();
    purses.reversed(e.provider(), j.spec.consumer(), e.reversed());
    doubted += tasks;
    changed.add(j.number);
  }

  private void reopened(Event.JobReopened e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    if (j.state != Event.JobState.DONE) {
      throw new Violation("job " + e.job() + " runs again, and was " + j.state);
    }
    if (e.reserved() < 0 || e.reserved() > j.spec.budget() - j.charged) {
      throw new Violation("job " + e.job() + " runs again beyond its budget: " + e);
    }
    j.state = Event.JobState.RUNNING;
    j.reopened++;
    j.reserved += e.reserved();
    move(j.spec.consumer(), -e.reserved());
    if (balances.getOrDefault(j.spec.consumer(), 0L) < 0) {
      throw new Violation("job " + e.job() + " runs again on money that is not there");
    }
    changed.add(j.number);
  }

  private static void undone(JobFile j, int task) {
    j.outputs[task] = null;
    j.alone.remove(task);
    j.paid.remove(task);
    j.done--;
  }

  /// A task has a result. If it had another before, what was made of that does not count.
  private void done(JobFile j, int task, List<Blob> outputs) {
    if (j.outputs[task] != null) {
      throw new Violation(j.name(task) + " is done for the second time");
    }
    List<Blob> before = j.gave[task];
    j.outputs[task] = outputs;
    j.gave[task] = outputs;
    j.done++;
    if (before == null || before.equals(outputs)) {
      return;
    }
    for (int t = 0; t < j.outputs.length; t++) {
      if (!j.reads(t, task)) {
        continue;
      }
      j.faults[t] = 0;
      if (j.outputs[t] != null) {
        undone(j, t);
        j.redone++;
      }
      Map<Long, ExecutionRecord> said = j.votes.remove(t);
      if (said != null) {
        forget(j, said);
      }
      if (j.leased[t] > 0) {
        for (LeaseFile l : leases.values()) {
          l.spoiled |= !l.over && !l.spare && l.made.job() == j.number && l.made.task() == t;
        }
      }
    }
  }

  private void alone(JobFile j, int task, Entry word, long paid, boolean doubted) {
    if (!doubted) {
      provider(word.record().provider()).believed(paid, lastUs);
    }
    j.alone.put(task, word);
    j.paid.put(task, paid);
  }

  /// Who was refuted while it had a bond, or after, pays for each result once.
  private void penaltySeen(Event.PenaltySeen e) {
    time(e.atUs());
    if (!provider(e.provider()).owes.remove(e.entry())) {
      throw new Violation(
          "provider "
              + e.provider()
              + " paid for record "
              + e.entry()
              + ", for which it owes nothing");
    }
  }

  /// What a provider has at stake is news when it changes.
  private void bondSeen(Event.BondSeen e) {
    time(e.atUs());
    ProviderFile p = provider(e.provider());
    Bond now = e.bond();
    boolean first = p.bond.sinceUs() == 0;
    if (now.equals(p.bond)
        || now.amount() < 0
        || now.sinceUs() != (first ? e.atUs() : p.bond.sinceUs())
        || (first && now.amount() == 0)) {
      throw new Violation("provider " + e.provider() + " has at stake what it cannot have: " + e);
    }
    p.bond = now;
  }

  /// What counts was said by enough, whoever is honest was not held to be wrong, and only those are
  /// paid who said it.
  private void judged(Event.TaskJudged e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    String task = j.name(e.task());
    Map<Long, ExecutionRecord> said = j.votes.remove(e.task());
    if (said == null || j.state != Event.JobState.RUNNING) {
      throw new Violation(task + " was judged, which it cannot be");
    }
    if (!said.keySet().containsAll(e.right())
        || !said.keySet().containsAll(e.wrong())
        || e.right().stream().anyMatch(e.wrong()::contains)) {
      throw new Violation(task + " was judged by what nobody said: " + e);
    }
    judged++;
    boolean review = false;
    long paid = 0;
    ExecutionRecord counts = e.right().isEmpty() ? null : said.get(e.right().getFirst());
    // Of a native task the one counts with which the others were compared.
    boolean first = counts != null && !counts.isReplayable();
    long backing = counts == null ? -1 : first ? e.right().getFirst() : e.right().getLast();
    for (Map.Entry<Long, ExecutionRecord> row : said.entrySet()) {
      ExecutionRecord r = row.getValue();
      long cost = j.cost(row.getKey(), r);
      boolean isDoubted = j.doubted.remove(row.getKey());
      review |= isDoubted;
      j.held -= cost;
      boolean right = e.right().contains(row.getKey());
      if (right) {
        pay(j, r, cost);
        paid = row.getKey() == backing ? cost : paid;
      }
      boolean alike =
          counts == null
              || (r.isReplayable()
                  ? r.outputs().equals(counts.outputs())
                  : Work.alike(r.outputs(), counts.outputs()));
      if (counts != null && right && (r.outcome() != counts.outcome() || !alike)) {
        throw new Violation(task + ": two results count that differ");
      }
      if (e.wrong().contains(row.getKey())) {
        refuted++;
        ProviderFile p = providers.get(r.provider());
        if (p != null
            && p.bond.sinceUs() > 0
            && p.owes.size() < Limits.PENALTIES
            && r.isReplayable()) {
          p.owes.add(row.getKey());
        }
        if (!mayLie(r.provider())) {
          throw new Violation(task + ": what an honest provider said was held to be wrong");
        }
      }
    }
    if (counts == null) {
      if (kind(j, e.task()).form() instanceof Form.Native) {
        throw new Violation(task + " was given up, and who ran it is not paid");
      }
      j.mustFail = e.task();
      return;
    }
    long lying =
        said.entrySet().stream()
            .filter(v -> e.right().contains(v.getKey()))
            .filter(v -> liars.contains(v.getValue().provider()))
            .count();
    if (e.agreed()) {
      if (e.right().size() < j.spec.verification().quorum()) {
        throw new Violation(task + " counts, and only " + e.right().size() + " agreed");
      }
      if (lying < 2 && counts.outcome() == Outcome.DONE && !Work.isRight(counts)) {
        throw new Violation(task + ": providers that do not conspire agreed on a wrong result");
      }
    } else if (j.spec.verification() instanceof Verification.Replicate) {
      throw new Violation(task + " counts on one word, and its job asks for more");
    }
    if (counts.outcome() == Outcome.DONE) {
      boolean other = !counts.outputs().equals(j.gave[e.task()]);
      j.replaced += e.agreed() && review && other ? 1 : 0;
      j.doubtful += !e.agreed() && review ? 1 : 0;
      done(j, e.task(), counts.outputs());
      if (!e.agreed()) {
        alone(j, e.task(), entries.get(Math.toIntExact(backing)), paid, review);
      }
    } else {
      j.mustFail = e.task();
    }
    changed.add(j.number);
  }

  private void compared(Event.ResultsCompared e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    Map<Long, ExecutionRecord> said = j.votes.getOrDefault(e.task(), Map.of());
    ExecutionRecord what = said.get(e.entry());
    ExecutionRecord like = said.get(e.like());
    if (what == null || like == null || what.isReplayable() || j.leased[e.task()] > 0) {
      throw new Violation(j.name(e.task()) + " was compared, which it cannot be: " + e);
    }
    if (!Work.alike(what.outputs(), like.outputs())) {
      throw new Violation(j.name(e.task()) + ": these are not alike: " + e);
    }
  }

  private boolean mayLie(Address provider) {
    return liars.contains(provider) || cheats.contains(provider);
  }

  private void next(Event.AttemptEnded e, JobFile j, LeaseFile l, ExecutionRecord r, String name) {
    int task = l.made.task();
    boolean running = j.state == Event.JobState.RUNNING;
    boolean fits =
        (l.spare == (e.next() == Event.Next.SPARE || e.next() == Event.Next.OVERSTATED) || !running)
            && switch (e.next()) {
              case SPARE -> running && l.spare;
              case OVERSTATED -> l.spare;
              case STALE ->
                  running
                      && (l.spoiled || (r.outcome() == Outcome.TASK_FAILED && !j.isFounded(task)));
              case DONE ->
                  running
                      && !l.spoiled
                      && r.outcome() == Outcome.DONE
                      && !(j.spec.verification() instanceof Verification.Replicate);
              case RETRY ->
                  running && r.outcome() != Outcome.DONE && r.outcome() != Outcome.TASK_FAILED;
              case FAILED -> running && r.outcome() != Outcome.DONE;
              case OVER -> !running;
              case CHECK ->
                  running
                      && !l.spoiled
                      && (r.outcome() == Outcome.DONE || r.outcome() == Outcome.TASK_FAILED)
                      && !(j.spec.verification() instanceof Verification.None);
            };
    if (!fits) {
      throw new Violation(
          name
              + " ended as "
              + r.outcome()
              + " in a job that is "
              + j.state
              + ", next: "
              + e.next());
    }
    if (e.next() == Event.Next.DONE) {
      settled(j, task, r);
      done(j, task, r.outputs());
      if (!(j.spec.verification() instanceof Verification.None)) {
        alone(j, task, e.entry(), r.charge(), false);
      }
    } else if (e.next() == Event.Next.FAILED) {
      settled(j, task, r);
      j.mustFail = task;
    }
  }

  /// Every field of a record follows from the job, the lease and the offer, or is the provider's
  /// own measurement.
  private void recordFollows(JobFile j, LeaseFile lease, ExecutionRecord r, String task) {
    Event.TaskAssigned made = lease.made;
    TaskKind kind = kind(j, made.task());
    TaskSpec spec = j.spec.tasks().get(made.task());
    Offer offer = offer(r.offer());
    boolean same =
        r.pool().equals(self)
            && r.job().equals(j.spec.id())
            && r.task() == made.task()
            && r.taskName().equals(j.spec.taskName(made.task()))
            && r.kind().equals(kind.name())
            && r.attempt() == made.attempt()
            && r.consumer().equals(j.spec.consumer())
            && r.provider().equals(made.provider())
            && offer.provider().equals(made.provider())
            && r.module().equals(kind.module().hash())
            && r.argsHash().equals(Hash.sha256(spec.args().getBytes(StandardCharsets.UTF_8)))
            && r.inputs().equals(lease.inputs)
            && r.dependsOn().equals(List.copyOf(j.dependsOn.get(made.task())))
            && r.gasLimit() == gasLimit(kind, made.maxCharge(), offer.price())
            && r.memoryBytes() == kind.memoryBytes()
            && r.cores() == kind.cores()
            && r.gpus().equals(kind.gpus())
            && r.submittedUs() == j.acceptedUs
            && r.readyUs() >= j.acceptedUs
            && r.readyUs() <= r.assignedUs()
            && r.assignedUs() == made.atUs();
    if (!same) {
      throw new Violation(task + ": the record does not follow from the lease: " + r);
    }
    if (r.outcome() == Outcome.DONE) {
      if (r.outputs().size() != spec.outputs()) {
        throw new Violation(
            task + " is done with " + r.outputs().size() + " outputs of " + spec.outputs());
      }
      if (!mayLie(r.provider()) && !Work.isRight(r)) {
        throw new Violation(task + " is done by an honest provider with a wrong result");
      }
    }
    if (r.outcome() != Outcome.DONE && r.reason().isBlank()) {
      throw new Violation(task + " ended as " + r.outcome() + " and its record does not say why");
    }
  }

  private void attested(Entry entry, String task) {
    ExecutionRecord r = entry.record();
    switch (entry.attestation()) {
      case Entry.Attestation.Signed s -> attested(s, r, task);
      case Entry.Attestation.PoolOnly() -> {
        if (r.outcome() != Outcome.LOST && r.outcome() != Outcome.REFUSED) {
          throw new Violation(task + " ended as " + r.outcome() + " on the pool's word alone");
        }
      }
    }
  }

  private void attested(Entry.Attestation.Signed s, ExecutionRecord r, String what) {
    SignedBatch b = batches.get(Math.toIntExact(s.batch()));
    if (!b.provider().equals(r.provider())
        || !b.digests().get(s.position()).equals(notary.digest(r))) {
      throw new Violation(what + ": the record is not what its provider signed");
    }
  }

  private void jobEnded(Event.JobEnded e) {
    time(e.atUs());
    JobFile j = jobs.get(e.job());
    if (j.state != Event.JobState.RUNNING || e.state() == Event.JobState.RUNNING) {
      throw new Violation("job " + e.job() + " is " + j.state + " and ended as " + e.state());
    }
    boolean allDone = j.done == j.outputs.length;
    if ((e.state() == Event.JobState.DONE) != allDone) {
      throw new Violation(
          "job "
              + e.job()
              + " ended as "
              + e.state()
              + " with "
              + j.done
              + " of "
              + j.outputs.length
              + " tasks done");
    }
    if ((e.state() == Event.JobState.DONE) != e.reason().isEmpty()) {
      throw new Violation(
          "job " + e.job() + " ended as " + e.state() + " because '" + e.reason() + "'");
    }
    if (e.reason().contains("was not done within") && !j.isOver(e.atUs())) {
      throw new Violation("job " + e.job() + " ended before its time was over: " + e.reason());
    }
    if (e.refund() != j.reserved - j.held) {
      throw new Violation(
          "job "
              + e.job()
              + " returned "
              + e.refund()
              + " of "
              + j.reserved
              + " with "
              + j.held
              + " held");
    }
    j.votes.values().forEach(said -> forget(j, said));
    j.votes.clear();
    j.state = e.state();
    j.reserved -= e.refund();
    move(j.spec.consumer(), e.refund());
    changed.add(j.number);
  }

  private void measured(Event.CapacityMeasured e) {
    Capacity shown = e.capacity();
    time(shown.atUs());
    ProviderFile p = provider(e.provider());
    if (p.asked != e.id() || p.outstanding != 0) {
      throw new Violation(
          "provider " + e.provider() + " was measured though it was not asked or had leases");
    }
    p.asked = 0;
    p.shown = shown;
    Hardware real = hardware.get(e.provider());
    boolean tooMuch =
        shown.cores() > p.offer.cores()
            || shown.memoryBytes() > p.offer.memoryBytes()
            || !shown.gpus().equals(shown.gpus().atMost(p.offer.gpus()));
    // Twice as many cores may go unnoticed, and a little more by what clocks do not show.
    boolean wrong =
        real != null
            && shown.isShown()
            && (shown.cores() > 3 * real.cores()
                || shown.memoryBytes() > real.memoryBytes()
                || !shown.gpus().equals(shown.gpus().atMost(real.gpus())));
    if (tooMuch || wrong) {
      throw new Violation(
          "provider " + e.provider() + " is said to have shown more than it has: " + shown);
    }
  }

  private void joined(Event.ProviderJoined e) {
    time(e.atUs());
    if (!e.offerHash().equals(notary.digest(e.offer()))) {
      throw new Violation(
          "provider " + e.offer().provider() + " joined under a wrong digest of its offer");
    }
    offers.put(e.offerHash(), e.offer());
    models.offersNothing(e.offer().provider());
    ProviderFile p = providers.get(e.offer().provider());
    if (p == null) {
      providers.put(e.offer().provider(), new ProviderFile(e.offer(), e.session()));
      return;
    }
    if (e.session() <= p.session) {
      throw new Violation(
          "provider "
              + e.offer().provider()
              + " joined with session "
              + e.session()
              + " after "
              + p.session);
    }
    p.offer = e.offer();
    p.session = e.session();
    p.asked = 0;
    p.draining = false;
    p.gone = false;
  }

  /// Whether a lease is open and of the same task as another.
  private static boolean isBeside(LeaseFile one, LeaseFile other) {
    return one != other
        && !one.over
        && one.made.job() == other.made.job()
        && one.made.task() == other.made.task();
  }

  /// What becomes of a task is known: what runs of it still counts for nothing.
  private void settled(JobFile j, int task, ExecutionRecord by) {
    if (j.leased[task] == 0) {
      return;
    }
    j.leased[task] = 0;
    for (LeaseFile l : leases.values()) {
      if (!l.over && !l.spare && l.made.job() == j.number && l.made.task() == task) {
        l.spare = true;
        l.settledBy = Optional.of(by).filter(r -> r.outcome() == Outcome.DONE);
      }
    }
  }

  private LeaseFile closing(long lease) {
    LeaseFile l = leases.get(lease);
    if (l == null) {
      throw new Violation("lease " + lease + " ended and was never made");
    }
    if (l.over) {
      throw new Violation("lease " + lease + " ended twice");
    }
    l.over = true;
    JobFile j = jobs.get(l.made.job());
    j.leased[l.made.task()] -= l.spare ? 0 : 1;
    j.outstanding--;
    ProviderFile p = provider(l.made.provider());
    p.outstanding--;
    p.heldGpus -= kind(j, l.made.task()).gpus().count();
    changed.add(j.number);
    return l;
  }

  private void time(long atUs) {
    if (atUs < lastUs) {
      throw new Violation("the log's time went back from " + lastUs + " to " + atUs);
    }
    lastUs = atUs;
  }

  /// Whether somebody ever had anything.
  boolean hasAccount(Address account) {
    return balances.containsKey(account);
  }

  PurseBooks purses() {
    return purses;
  }

  /// What the books about vouchers see of these.
  private final class Money implements PurseBooks.Accounts {
    @Override
    public void move(Address account, long amount) {
      Auditor.this.move(account, amount);
    }

    @Override
    public long balance(Address account) {
      return balances.getOrDefault(account, 0L);
    }

    @Override
    public long reserved(Address account) {
      long sum = models.tab(account);
      for (JobFile j : jobs) {
        sum += j.spec.consumer().equals(account) ? j.reserved : 0;
      }
      return sum;
    }

    @Override
    public long inFlight(Address account) {
      long sum = models.tab(account);
      for (JobFile j : jobs) {
        sum += j.spec.consumer().equals(account) ? j.held : 0;
      }
      return sum;
    }

    @Override
    public long retained(Address account, long nowUs) {
      ProviderFile p = providers.get(account);
      return p == null ? 0 : p.retained(nowUs);
    }

    @Override
    public void issue(long amount) {
      issued += amount;
    }
  }

  private void move(Address account, long amount) {
    balances.merge(account, amount, Math::addExact);
  }

  private Offer offer(Hash digest) {
    Offer o = offers.get(digest);
    if (o == null) {
      throw new Violation("a record names offer " + digest + ", which nobody made");
    }
    return o;
  }

  private ProviderFile provider(Address a) {
    ProviderFile p = providers.get(a);
    if (p == null) {
      throw new Violation("provider " + a + " never joined");
    }
    return p;
  }

  private static TaskKind kind(JobFile j, int task) {
    return j.spec.kinds().get(j.spec.tasks().get(task).kind());
  }

  /// The auditor's own books.
  private void audit() {
    long sum = models.onTabs() - issued + purses.besides();
    for (long balance : balances.values()) {
      sum += balance;
    }
    for (JobFile j : jobs) {
      sum += j.reserved;
      if (j.reserved < 0 || j.held < 0 || j.held > j.reserved) {
        throw new Violation(
            "job " + j.number + " has " + j.reserved + " reserved and " + j.held + " held");
      }
      if (j.state != Event.JobState.RUNNING && j.outstanding == 0 && j.reserved != 0) {
        throw new Violation("job " + j.number + " is over and " + j.reserved + " never came back");
      }
    }
    if (sum != 0) {
      throw new Violation("the accounts sum to " + sum);
    }
  }

  /// The pool believes what the auditor counted. Call it when the pool has nothing undurable.
  void compare(Pool pool) {
    equal("issued", pool.issued(), issued);
    equal("records", pool.records(), entries.size());
    equal("batches", pool.batches(), batches.size());
    equal("jobs", pool.jobsAccepted(), jobs.size());
    Map<Address, Long> reserved = new TreeMap<>();
    for (JobFile j : jobs) {
      reserved.merge(j.spec.consumer(), j.reserved, Long::sum);
    }
    balances.forEach((who, amount) -> {
      equal("balance of " + who, pool.balance(who), amount);
      equal(
          "reserved of " + who,
          pool.reserved(who),
          reserved.getOrDefault(who, 0L) + models.tab(who));
    });
    models.compare(pool);
    purses.compare(pool);
    providers.forEach((who, p) -> {
      ProviderView v =
          pool.provider(who).orElseThrow(() -> new Violation("the pool forgot provider " + who));
      equal("leases of " + who, v.leases(), p.outstanding);
      equal("earned by " + who, v.earned(), p.earned);
      if (!v.bond().equals(p.bond) || !Set.copyOf(v.owes()).equals(p.owes)) {
        throw new Violation(
            "the pool takes "
                + who
                + " to have at stake "
                + v.bond()
                + " and to owe for "
                + v.owes());
      }
      equal("session of " + who, v.session(), p.session);
    });
    for (int number : changed) {
      JobFile j = jobs.get(number);
      JobView v =
          pool.job(j.spec.id())
              .orElseThrow(() -> new Violation("the pool forgot job " + j.spec.id()));
      if (v.state() != j.state) {
        throw new Violation(
            "job " + number + " is " + v.state() + " for the pool, " + j.state + " in its log");
      }
      equal("attempts of job " + number, v.attempts(), j.records);
      equal("charged to job " + number, v.charged(), j.charged);
      equal("done tasks of job " + number, v.done(), j.done);
      JobView.Results of = v.results();
      equal("results looked at again of job " + number, of.reviewed(), j.reviewed);
      equal("results replaced in job " + number, of.replaced(), j.replaced);
      equal("doubtful results of job " + number, of.doubtful(), j.doubtful);
      equal("tasks that ran again in job " + number, of.redone(), j.redone);
      equal("times that job " + number + " ran again", of.reopened(), j.reopened);
      equal("taken back for job " + number, of.reversed(), j.reversed);
      equal("results of job " + number + " on one word", of.alone(), j.alone.size());
    }
    changed.clear();
  }

  static void equal(String what, long pools, long auditors) {
    if (pools != auditors) {
      throw new Violation(what + ": the pool says " + pools + ", its log says " + auditors);
    }
  }

  /// Everything must be over: no job runs, no lease is out, nothing is reserved.
  Optional<String> unfinished() {
    for (JobFile j : jobs) {
      if (j.state == Event.JobState.RUNNING) {
        return Optional.of(
            "job " + j.number + " runs, " + j.done + " of " + j.outputs.length + " tasks done");
      }
    }
    for (LeaseFile l : leases.values()) {
      if (!l.over) {
        return Optional.of(
            "lease "
                + l.made.lease()
                + " of "
                + jobs.get(l.made.job()).name(l.made.task())
                + " at "
                + l.made.provider()
                + " has not ended");
      }
    }
    return Optional.empty();
  }

  /// Ids of the jobs that run.
  List<JobId> running() {
    return jobs.stream()
        .filter(j -> j.state == Event.JobState.RUNNING)
        .map(j -> j.spec.id())
        .toList();
  }

  /// Whether the durable log has made this lease.
  boolean wasMade(long lease) {
    return leases.containsKey(lease);
  }

  /// Whether this lease has ended, or was never made.
  boolean isOver(long lease) {
    LeaseFile l = leases.get(lease);
    return l == null || l.over;
  }

  /// Whether the durable log has accepted this job.
  boolean accepted(JobId job) {
    return jobsById.containsKey(job);
  }

  /// How a job stands; empty if it was never accepted.
  Optional<Event.JobState> state(JobId job) {
    return Optional.ofNullable(jobsById.get(job)).map(j -> j.state);
  }

  /// All entries, in order.
  List<Entry> entries() {
    return entries;
  }

  /// All signed batches, in order.
  List<SignedBatch> batches() {
    return batches;
  }

  long events() {
    return events;
  }

  long refusals() {
    return refusals;
  }

  /// Tasks of which several spoke before they counted.
  long judged() {
    return judged;
  }

  /// Results that were looked at again after their provider was found out.
  long doubted() {
    return doubted;
  }

  /// Of these, results that were replaced.
  long replaced() {
    return jobs.stream().mapToLong(j -> j.replaced).sum();
  }

  /// Attempts at tasks that reserved GPUs which were done.
  long onGpus() {
    return entries.stream()
        .map(Entry::record)
        .filter(r -> r.gpus().any() && r.outcome() == Outcome.DONE)
        .count();
  }

  /// Attempts that were begun while another at the same task ran.
  long copies() {
    return jobs.stream().mapToLong(j -> j.copies).sum();
  }

  /// Records that were found wrong.
  long refuted() {
    return refuted;
  }

  long tasksDone() {
    return jobs.stream().mapToLong(j -> j.done).sum();
  }

  int jobs() {
    return jobs.size();
  }

  /// How many jobs ended like this.
  long jobsThatAre(Event.JobState state) {
    return jobs.stream().filter(j -> j.state == state).count();
  }

  /// How many records say this.
  long recordsOf(Outcome outcome) {
    return entries.stream().filter(e -> e.record().outcome() == outcome).count();
  }

  /// Whether what this provider says need not be true. Who claims to hold a lease that is made a
  /// moment later is told to forget it, and that is all it deserves.
  boolean isLiar(Address provider) {
    return liars.contains(provider);
  }

  /// Who has or had this lease.
  Optional<Address> holder(long lease) {
    return Optional.ofNullable(leases.get(lease)).map(l -> l.made.provider());
  }

  /// The job that was accepted under this id.
  Optional<JobSpec> spec(JobId job) {
    return Optional.ofNullable(jobsById.get(job)).map(j -> j.spec);
  }

  /// The kind's limit, or what the hold pays for at the offer's price if that is less.
  private static long gasLimit(TaskKind kind, long hold, Price price) {
    if (price.perBillionGas() == 0 || kind.isNative()) {
      return kind.gasLimit();
    }
    return BigInteger.valueOf(hold)
        .multiply(BigInteger.valueOf(1_000_000_000))
        .divide(BigInteger.valueOf(price.perBillionGas()))
        .max(BigInteger.ONE)
        .min(BigInteger.valueOf(kind.gasLimit()))
        .longValueExact();
  }
}
