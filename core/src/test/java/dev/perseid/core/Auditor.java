package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Follows the events of a pool with its own simple books and complains about what must not be.
/// Knows nothing of the pool's inner state.
final class Auditor {
  private final Map<Long, Event.TaskAssigned> open = new HashMap<>();

  /// Leases of tasks with GPUs so far.
  int gpuLeases;

  private final Set<Long> ended = new HashSet<>();

  /// Leases of tasks that others settled, and what gas these needed; -1 if that is not known.
  private final Map<Long, Long> spares = new HashMap<>();

  private final Map<Integer, JobSpec> specs = new HashMap<>();
  private final Map<Integer, Event.JobState> jobEnds = new HashMap<>();
  private final Map<Integer, Long> spent = new HashMap<>();
  private final Map<Integer, Long> refunded = new HashMap<>();
  private final Set<List<Integer>> doneTasks = new HashSet<>();
  private final Set<List<Integer>> attempts = new HashSet<>();

  /// How many attempts of a job were begun beside others.
  private final Map<Integer, Integer> copies = new HashMap<>();

  /// What records of tasks that are checked cost and who made them, by index.
  private final Map<Integer, Map<Long, ExecutionRecord>> unpaid = new HashMap<>();

  /// Records whose results are doubted.
  private final Set<Long> doubted = new HashSet<>();

  /// For each task the record on whose word alone it counts.
  private final Map<List<Integer>, Entry> alone = new HashMap<>();

  /// What each task that is or was done gave.
  private final Map<List<Integer>, List<Blob>> outputs = new HashMap<>();

  /// What came into a job's reservation beside its budget and what was taken back.
  private final Map<Integer, Long> reopened = new HashMap<>();

  private final Map<Long, Entry> all = new HashMap<>();

  /// For each record of a native task that was compared the first that it is like.
  private final Map<Long, Long> likes = new HashMap<>();

  /// Who is asked to be measured, and under which number.
  private final Map<Address, Long> measured = new HashMap<>();

  private long measurements;

  private Event.@Nullable CheckDrawn drawn;
  private final Map<Address, Long> earned = new HashMap<>();
  private final Map<String, Model> versions = new HashMap<>();
  private final Map<String, Address> owners = new HashMap<>();
  private final Map<Hash, ModelOffer> modelOffers = new HashMap<>();
  private final Map<Address, Long> tabs = new HashMap<>();
  private long paidForRequests;
  private long earnedWithRequests;
  private long granted;
  private long entries;
  private long batches;

  /// Checks one event against all before it, and the pool to which it was just applied.
  void check(Event event, Pool pool) {
    switch (event) {
      case Event.Granted e -> granted += e.amount();
      case Event.JobAccepted e -> specs.put(specs.size(), e.spec());
      case Event.NetworkSeen e -> assertThat(pool.provider(e.provider())).isPresent();
      case Event.OperatorSeen e ->
          assertThat(pool.provider(e.provider()).orElseThrow().operator()).isEqualTo(e.operator());
      case Event.CarbonSeen e ->
          assertThat(pool.provider(e.provider()).orElseThrow().gPerKwh()).isEqualTo(e.gPerKwh());
      case Event.BondSeen e -> {
        ProviderView p = pool.provider(e.provider()).orElseThrow();
        assertThat(p.bond()).isEqualTo(e.bond());
      }
      case Event.PenaltySeen e ->
          assertThat(pool.provider(e.provider()).orElseThrow().owes()).doesNotContain(e.entry());
      case Event.PlatformSeen e ->
          assertThat(pool.provider(e.provider()).orElseThrow().nativeOn()).isEqualTo(e.platform());
      case Event.ResultsCompared e -> {
        Map<Long, ExecutionRecord> votes = unpaid.get(e.job());
        assertThat(votes).containsKeys(e.entry(), e.like());
        assertThat(votes.get(e.like()).task()).isEqualTo(e.task());
        assertThat(jobEnds).doesNotContainKey(e.job());
        assertThat(open.values())
            .as("nobody gets what is compared")
            .noneMatch(l -> isOf(l, e.job(), e.task()) && !spares.containsKey(l.lease()));
        assertThat(likes.getOrDefault(e.like(), e.like()))
            .as("the first of those that are alike")
            .isEqualTo(e.like());
        likes.put(e.entry(), e.like());
      }
      case Event.CapacityAsked e -> {
        assertThat(e.id()).as("measurements without gaps").isEqualTo(++measurements);
        assertThat(measured.put(e.provider(), e.id())).as("is not measured yet").isNull();
      }
      case Event.CapacityMeasured e -> {
        assertThat(measured.remove(e.provider())).isEqualTo(e.id());
        assertThat(open.values()).noneMatch(l -> l.provider().equals(e.provider()));
        Offer offer = pool.provider(e.provider()).orElseThrow().offer();
        assertThat(e.capacity().cores()).isLessThanOrEqualTo(offer.cores());
        assertThat(e.capacity().memoryBytes()).isLessThanOrEqualTo(offer.memoryBytes());
        assertThat(e.capacity().gpus().count()).isLessThanOrEqualTo(offer.gpus().count());
        assertThat(e.nextUs()).isGreaterThan(e.capacity().atUs());
      }
      case Event.TaskAssigned e -> {
        assertThat(measured).as("who is measured gets nothing").doesNotContainKey(e.provider());
        assertThat(open.put(e.lease(), e)).as("lease %d is new", e.lease()).isNull();
        assertThat(ended).doesNotContain(e.lease());
        List<Event.TaskAssigned> beside =
            open.values().stream()
                .filter(l -> l != e && isOf(l, e.job(), e.task()) && !spares.containsKey(l.lease()))
                .toList();
        assertThat(beside).hasSizeLessThan(2).noneMatch(l -> l.provider().equals(e.provider()));
        if (!beside.isEmpty()) {
          copies.merge(e.job(), 1, Integer::sum);
          JobSpec spec = specs.get(e.job());
          long most = spec.urgency().copies(spec.tasks().size());
          assertThat((long) copies.get(e.job())).as("copies").isLessThanOrEqualTo(most);
        }
        checkGpus(e, pool.provider(e.provider()).orElseThrow());
        assertThat(jobEnds).as("job of lease %d runs", e.lease()).doesNotContainKey(e.job());
        assertThat(e.maxCharge()).isNotNegative();
        TaskSpec task = specs.get(e.job()).tasks().get(e.task());
        assertThat(task.after()).allMatch(before -> doneTasks.contains(List.of(e.job(), before)));
        for (Input input : task.inputs()) {
          if (input instanceof Input.Produced p) {
            assertThat(doneTasks).as("what is read").contains(List.of(e.job(), p.task()));
          }
        }
      }
      case Event.BatchSigned e -> assertThat(e.batch().number()).isEqualTo(batches++);
      case Event.CheckDrawn e -> {
        assertThat(open).containsKey(e.lease());
        assertThat(e.ppm()).isBetween(0, 1_000_000);
        assertThat(e.doubtPpm()).isBetween(0, 1_000_000);
        drawn = e;
      }
      case Event.AttemptEnded e -> checkEntry(e);
      case Event.TaskJudged e -> {
        Map<Long, ExecutionRecord> votes = unpaid.getOrDefault(e.job(), Map.of());
        List<Long> of =
            votes.entrySet().stream()
                .filter(v -> v.getValue().task() == e.task())
                .map(Map.Entry::getKey)
                .toList();
        assertThat(of).as("votes on what is judged").isNotEmpty().containsAll(e.right());
        assertThat(of).containsAll(e.wrong()).doesNotHaveDuplicates();
        assertThat(Collections.disjoint(e.right(), e.wrong())).isTrue();
        if (e.right().isEmpty()) {
          assertThat(isNative(e.job(), e.task())).as("somebody works for nothing").isFalse();
        } else {
          ExecutionRecord counts = votes.get(e.right().getFirst());
          for (long entry : e.right()) {
            assertThat(areAlike(votes, entry, e.right().getFirst())).isTrue();
            if (!doubted.contains(entry)) {
              pay(e.job(), votes.get(entry));
            }
          }
          if (counts.outcome() == Outcome.DONE) {
            done(e.job(), e.task(), counts.outputs());
            if (!e.agreed()) {
              alone.put(List.of(e.job(), e.task()), all.get(e.right().getFirst()));
            }
          }
        }
        of.forEach(votes::remove);
        of.forEach(doubted::remove);
      }
      case Event.ResultsDoubted e -> {
        assertThat(pool.provider(e.provider()).orElseThrow().trust().distrusted()).isTrue();
        assertThat(jobEnds).doesNotContainKey(e.job());
        long left = e.reversed();
        int tasks = 0;
        for (int t = 0; t < specs.get(e.job()).tasks().size(); t++) {
          List<Integer> task = List.of(e.job(), t);
          Entry word = alone.get(task);
          if (word == null || !word.record().provider().equals(e.provider())) {
            continue;
          }
          tasks++;
          alone.remove(task);
          assertThat(doneTasks.remove(task)).as("%s was done", task).isTrue();
          left -= Math.min(left, word.record().charge());
          doubted.add(word.index());
          unpaid.computeIfAbsent(e.job(), _ -> new HashMap<>()).put(word.index(), word.record());
        }
        assertThat(tasks).as("results that are doubted").isPositive();
        assertThat(left).as("beyond what was paid").isZero();
        spent.merge(e.job(), -e.reversed(), Long::sum);
        earned.merge(e.provider(), -e.reversed(), Long::sum);
      }
      case Event.JobReopened e -> {
        assertThat(jobEnds.remove(e.job())).isEqualTo(Event.JobState.DONE);
        assertThat(e.reserved()).isNotNegative();
        reopened.merge(e.job(), e.reserved(), Long::sum);
      }
      case Event.LeaseReturned e -> {
        Event.TaskAssigned lease = open.remove(e.lease());
        assertThat(lease).as("lease %d was open", e.lease()).isNotNull();
        if (jobEnds.containsKey(lease.job())) {
          refunded.merge(lease.job(), lease.maxCharge(), Long::sum);
        }
        boolean isCopy =
            open.values().stream()
                .anyMatch(l ->
                    isOf(l, lease.job(), lease.task())
                        && l.lease() < lease.lease()
                        && !spares.containsKey(l.lease()));
        if (isCopy && !spares.containsKey(lease.lease())) {
          copies.merge(lease.job(), -1, Integer::sum);
        }
      }
      case Event.JobEnded e -> {
        assertThat(jobEnds.put(e.job(), e.state())).as("job %d ends once", e.job()).isNull();
        for (long entry : Set.copyOf(unpaid.getOrDefault(e.job(), Map.of()).keySet())) {
          forget(e.job(), entry);
        }
        unpaid.remove(e.job());
        refunded.merge(e.job(), e.refund(), Long::sum);
        if (e.state() == Event.JobState.DONE) {
          for (int t = 0; t < specs.get(e.job()).tasks().size(); t++) {
            assertThat(doneTasks).contains(List.of(e.job(), t));
          }
        }
      }
      case Event.ProviderJoined e -> measured.remove(e.offer().provider());
      case Event.ProviderDraining e -> measured.remove(e.provider());
      case Event.ProviderGone e -> {
        measured.remove(e.provider());
        assertThat(open.values())
            .as("leases of the provider that is gone")
            .noneMatch(l -> l.provider().equals(e.provider()));
      }
      case Event.Refused e -> {
        assertThat(e.rejection().message()).isNotBlank();
        assertThat(e.rejection().message().length()).isLessThanOrEqualTo(Limits.REASON_CHARS);
      }
      case Event.InferenceRecorded e -> checkInference(e.entry());
      case Event.ModelPublished e -> {
        Model m = e.model();
        assertThat(pool.model(m.manifest()).orElseThrow().model()).isEqualTo(m);
        assertThat(versions.put(m.fullName(), m)).as("%s is new", m.fullName()).isNull();
        owners.putIfAbsent(m.name(), m.author());
        assertThat(owners).as("owner of the name").containsEntry(m.name(), m.author());
      }
      case Event.ModelWithdrawn e -> {
        assertThat(pool.model(e.manifest()).orElseThrow().withdrawn()).isTrue();
        assertThat(pool.modelOffers()).noneMatch(o -> o.offer().model().equals(e.manifest()));
      }
      case Event.ModelsOffered e -> {
        assertThat(pool.modelOffers()).containsAll(e.offers());
        assertThat(
                pool.modelOffers().stream().filter(o -> o.offer().provider().equals(e.provider())))
            .containsExactlyElementsOf(e.offers());
        e.offers().forEach(o -> modelOffers.put(o.hash(), o.offer()));
      }
      case Event.TabFilled e -> {
        assertThat(e.amount()).isPositive();
        tabs.merge(e.consumer(), e.amount(), Long::sum);
      }
      case Event.TabEmptied e ->
          assertThat(tabs.remove(e.consumer())).as("what was on the tab").isEqualTo(e.amount());
      case Event.ApiKeyMade e -> assertThat(pool.apiKey(e.keyHash())).isPresent();
      case Event.ApiKeyRevoked e -> {
        assertThat(pool.apiKey(e.keyHash())).isEmpty();
        assertThat(pool.apiKeys(null)).noneMatch(k -> k.parent().equals(Optional.of(e.keyHash())));
      }
      case Event.ScopedKeyMade e -> {
        ApiKeyView made = pool.apiKey(e.keyHash()).orElseThrow();
        assertThat(made.rights()).isEqualTo(e.rights());
        e.parent()
            .ifPresent(p -> {
              ApiKeyView parent = pool.apiKey(p).orElseThrow();
              assertThat(parent.account()).isEqualTo(e.account());
              assertThat(parent.rights().has(Scope.KEYS)).isTrue();
              assertThat(made.rights().beyond(parent.rights())).isNull();
            });
      }
      case Event.ApiKeySpent e -> {
        assertThat(e.amount()).isPositive();
        assertThat(e.keys())
            .allMatch(k -> pool.apiKey(k).orElseThrow().spent() >= e.amount())
            .anyMatch(k -> pool.apiKey(k).orElseThrow().rights().spendLimit().isPresent());
      }
      case Event.Audited e ->
          assertThat(pool.audited(e.note().provider(), e.note().model())).contains(e.note());
      case Event.AuditsFunded e -> {
        assertThat(e.amount()).isPositive();
        assertThat(pool.auditAccounts()).contains(e.account());
        earned.merge(pool.self(), -e.amount(), Long::sum);
        earned.merge(e.account(), e.amount(), Long::sum);
      }
      case Event.AuditsClosed e -> {
        assertThat(pool.balance(e.account())).isZero();
        earned.merge(e.account(), -e.amount(), Long::sum);
        earned.merge(pool.self(), e.amount(), Long::sum);
        assertThat(pool.auditAccounts()).doesNotContain(e.account());
      }
      case Event.MoneyAdopted _,
          Event.VoucherTaken _,
          Event.PurseSeen _,
          Event.PaidSeen _,
          Event.BlockSeen _,
          Event.PaymentTaken _,
          Event.PaymentReturned _,
          Event.PaymentReversed _,
          Event.ExcessReturned _,
          Event.EpochClosed _,
          Event.EpochConfirmed _,
          Event.EpochReopened _,
          Event.ExitAsked _,
          Event.ExitCancelled _,
          Event.Exited _ ->
          throw new AssertionError("nobody moved this pool's money: " + event);
    }
    tabs.forEach((who, amount) -> assertThat(pool.tab(who)).as("tab of %s", who).isEqualTo(amount));
    assertThat(pool.tabs()).containsExactlyInAnyOrderElementsOf(tabs.keySet());
    assertThat(pool.sumOfAccounts()).as("sum of all accounts").isZero();
    assertThat(pool.issued()).isEqualTo(granted);
    assertThat(pool.records()).isEqualTo(entries);
    assertThat(pool.batches()).isEqualTo(batches);
  }

  /// Whether two results are the same, or the later was found to be like the earlier, or is the
  /// same as one that was.
  private boolean areAlike(Map<Long, ExecutionRecord> votes, long entry, long first) {
    List<Blob> gave = votes.get(entry).outputs();
    return gave.equals(votes.get(first).outputs())
        || votes.entrySet().stream()
            .anyMatch(v ->
                v.getValue().outputs().equals(gave)
                    && likes.getOrDefault(v.getKey(), v.getKey()) == first);
  }

  private void checkInference(Entry entry) {
    ExecutionRecord r = entry.record();
    Inference i = r.inference().orElseThrow();
    assertThat(entry.index()).isEqualTo(entries++);
    ModelOffer o = modelOffers.get(r.offer());
    assertThat(o).as("the offer of %s", r.taskName()).isNotNull();
    assertThat(r.charge())
        .isBetween(
            0L,
            o.price().charge(i.promptTokens(), i.cachedTokens(), i.completionTokens(), i.rows()));
    assertThat(i.toAuthor()).isEqualTo(r.charge() * o.royaltyPermille() / 1_000);
    assertThat(i.toPool()).isEqualTo(r.charge() * o.poolPermille() / 1_000);
    assertThat(i.cachedTokens()).isBetween(0L, i.promptTokens());
    long toProvider = r.charge() - i.toAuthor() - i.toPool();
    assertThat(toProvider).isNotNegative();
    if (entry.attestation() instanceof Entry.Attestation.PoolOnly) {
      assertThat(r.charge()).as("charge without a signature").isZero();
    }
    if (r.charge() > 0) {
      assertThat(r.outcome()).isIn(Outcome.DONE, Outcome.CANCELLED);
      tabs.computeIfPresent(r.consumer(), (who, had) -> had - r.charge());
      assertThat(tabs.get(r.consumer())).as("tab of %s", r.consumer()).isNotNegative();
    }
    paidForRequests += r.charge();
    earned.merge(r.provider(), toProvider, Long::sum);
    earned.merge(i.author(), i.toAuthor(), Long::sum);
    earned.merge(r.pool(), i.toPool(), Long::sum);
    earnedWithRequests += toProvider + i.toAuthor() + i.toPool();
    assertThat(earnedWithRequests).isEqualTo(paidForRequests);
  }

  private void checkEntry(Event.AttemptEnded e) {
    ExecutionRecord r = e.entry().record();
    Event.TaskAssigned lease = open.remove(r.lease());
    assertThat(lease).as("lease %d ends once and was given", r.lease()).isNotNull();
    assertThat(ended.add(r.lease())).as("lease %d has one entry", r.lease()).isTrue();
    assertThat(e.entry().index()).isEqualTo(entries++);
    assertThat(r.charge()).isBetween(0L, lease.maxCharge());
    assertThat(r.provider()).isEqualTo(lease.provider());
    assertThat(r.attempt()).isEqualTo(lease.attempt());
    assertThat(attempts.add(List.of(lease.job(), r.task(), r.attempt())))
        .as("attempt %d of task %d of job %d is recorded once", r.attempt(), r.task(), lease.job())
        .isTrue();
    all.put(e.entry().index(), e.entry());
    boolean stopped = r.outcome() == Outcome.CANCELLED && r.reason().equals(Report.STOPPED);
    long mostGas = spares.getOrDefault(r.lease(), -1L);
    boolean overstated = mostGas >= 0 && r.usage().gas().orElse(0) > mostGas;
    assertThat(e.next() == Event.Next.OVERSTATED).as("overstated").isEqualTo(overstated);
    boolean spare = spares.containsKey(r.lease()) && !overstated;
    assertThat(e.next() == Event.Next.SPARE)
        .as("spare")
        .isEqualTo(spare && !jobEnds.containsKey(lease.job()));
    if (stopped && e.next() != Event.Next.STALE && !spares.containsKey(r.lease())) {
      assertThat(jobEnds).as("only what the pool stopped").containsKey(lease.job());
    }
    if (r.outcome() != Outcome.DONE && r.outcome() != Outcome.TASK_FAILED && !stopped) {
      assertThat(r.charge()).as("charge of %s", r.outcome()).isZero();
    }
    boolean over = jobEnds.containsKey(lease.job());
    assertThat(e.next() == Event.Next.OVER)
        .as("next is OVER after the end")
        .isEqualTo(over && !overstated);
    if (e.next() == Event.Next.FAILED) {
      spareAll(lease.job(), r.task(), r);
    }
    if (e.next() == Event.Next.DONE) {
      spareAll(lease.job(), r.task(), r);
      done(lease.job(), r.task(), r.outputs());
      if (!(specs.get(lease.job()).verification() instanceof Verification.None)) {
        alone.put(List.of(lease.job(), r.task()), e.entry());
      }
      for (int before : r.dependsOn()) {
        assertThat(outputs).as("what is or was done").containsKey(List.of(lease.job(), before));
      }
    }
    if (drawn != null) {
      boolean checks =
          switch (drawn.why()) {
            case POLICY, NEWCOMER, DRAWN, FAILURE, NATIVE -> true;
            case NOT_DRAWN, NOBODY_ELSE, BUDGET -> false;
          };
      assertThat(drawn.lease()).isEqualTo(r.lease());
      assertThat(e.next() == Event.Next.CHECK).as("%s", drawn).isEqualTo(checks);
      drawn = null;
    }
    if (isNative(lease.job(), r.task())) {
      long openUs = e.entry().recordedUs() - lease.atUs();
      assertThat(r.charge() == 0 ? 0 : r.usage().wallNs().orElse(0) / 1_000)
          .as("time that is paid")
          .isLessThanOrEqualTo(openUs + openUs / 20 + 1_000_000);
    }
    if (e.next() == Event.Next.CHECK) {
      assertThat(r.outcome()).isIn(Outcome.DONE, Outcome.TASK_FAILED);
      Map<Long, ExecutionRecord> votes = unpaid.computeIfAbsent(lease.job(), _ -> new HashMap<>());
      spareAll(lease.job(), r.task(), r);
      votes.put(e.entry().index(), r);
    } else if (!overstated) {
      pay(lease.job(), r);
    }
    if (over) {
      long paid = overstated ? 0 : r.charge();
      refunded.merge(lease.job(), lease.maxCharge() - paid, Long::sum);
    }
  }

  /// What needs GPUs gets them, large enough ones, and none that another lease holds.
  private void checkGpus(Event.TaskAssigned e, ProviderView view) {
    Gpus needed = gpus(e);
    if (needed.count() == 0) {
      return;
    }
    Gpus there = view.offer().gpus();
    if (view.capacity().isShown()) {
      there = there.atMost(view.capacity().gpus());
    }
    assertThat(needed.memoryBytes()).as("%s", e).isLessThanOrEqualTo(there.memoryBytes());
    assertThat(
            open.values().stream()
                .filter(l -> l.provider().equals(e.provider()))
                .mapToInt(l -> gpus(l).count())
                .sum())
        .as("GPUs held with %s", e)
        .isLessThanOrEqualTo(there.count());
    gpuLeases++;
  }

  private Gpus gpus(Event.TaskAssigned lease) {
    JobSpec spec = specs.get(lease.job());
    return spec.kinds().get(spec.tasks().get(lease.task()).kind()).gpus();
  }

  private boolean isNative(int job, int task) {
    JobSpec spec = specs.get(job);
    return spec.kinds().get(spec.tasks().get(task).kind()).isNative();
  }

  private static boolean isOf(Event.TaskAssigned lease, int job, int task) {
    return lease.job() == job && lease.task() == task;
  }

  /// What becomes of a task is known, or must be found out: whoever still runs it is late.
  private void spareAll(int job, int task, ExecutionRecord by) {
    long gas = by.outcome() == Outcome.DONE ? by.usage().gas().orElse(-1) : -1;
    open.values().stream()
        .filter(l -> isOf(l, job, task))
        .forEach(l -> spares.putIfAbsent(l.lease(), gas));
  }

  private void pay(int job, ExecutionRecord r) {
    spent.merge(job, r.charge(), Long::sum);
    earned.merge(r.provider(), r.charge(), Long::sum);
  }

  /// A vote of which nothing comes: it is paid, unless it is doubted.
  private void forget(int job, long entry) {
    ExecutionRecord r = unpaid.get(job).remove(entry);
    if (!doubted.remove(entry)) {
      pay(job, r);
    }
  }

  /// A task has a result; if it had another, what read that is not done.
  private void done(int job, int task, List<Blob> gave) {
    assertThat(doneTasks.add(List.of(job, task))).as("task is done once").isTrue();
    alone.remove(List.of(job, task));
    List<Blob> before = outputs.put(List.of(job, task), gave);
    if (before == null || before.equals(gave)) {
      return;
    }
    List<TaskSpec> tasks = specs.get(job).tasks();
    for (int t = 0; t < tasks.size(); t++) {
      boolean reads =
          tasks.get(t).inputs().stream()
              .anyMatch(i -> i instanceof Input.Produced p && p.task() == task);
      if (!reads) {
        continue;
      }
      int reader = t;
      doneTasks.remove(List.of(job, t));
      alone.remove(List.of(job, t));
      unpaid.getOrDefault(job, Map.of()).entrySet().stream()
          .filter(v -> v.getValue().task() == reader)
          .map(Map.Entry::getKey)
          .toList()
          .forEach(entry -> forget(job, entry));
    }
  }

  /// After everything was ended and nobody holds a lease any more.
  void checkTheEnd(Pool pool) {
    assertThat(open).as("open leases").isEmpty();
    for (Map.Entry<Integer, JobSpec> e : specs.entrySet()) {
      assertThat(jobEnds).containsKey(e.getKey());
      long out = spent.getOrDefault(e.getKey(), 0L) + refunded.getOrDefault(e.getKey(), 0L);
      assertThat(out)
          .as("job %d: spent + refunded", e.getKey())
          .isEqualTo(e.getValue().budget() + reopened.getOrDefault(e.getKey(), 0L));
      assertThat(pool.reserved(e.getValue().consumer())).isZero();
    }
    for (Map.Entry<Address, Long> e : earned.entrySet()) {
      assertThat(pool.balance(e.getKey())).as("what %s earned", e.getKey()).isEqualTo(e.getValue());
    }
  }
}
