package dev.perseid.core;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Second attempts at tasks whose first one takes too long (speculative execution: Dean, Ghemawat
/// 2004; by when an attempt will end: Zaharia, Konwinski, Joseph, Katz, Stoica 2008), on providers
/// for which a round found nothing else. Whichever attempt ends first counts, if its result is not
/// checked; if it is, somebody else checks it, who is drawn after that, as always.
///
/// An attempt is *suspicious* when it takes half as long again as all but one in twenty of its kind
/// are expected to take on that provider; of such a one nothing is known but that it will take the
/// longer, the longer it has taken (as long again). The same is said of those of whose kind nothing
/// is known. Of any other it is expected that it takes what is usual for its kind there. A copy is
/// begun where it is expected to end well before.
final class Copies {
  /// Attempts of a kind that must have ended before anything is held to be slow for it.
  private static final int LEARNED = 3;

  /// What is suspicious, in parts of what all but one in twenty take.
  private static final double SUSPICIOUS = 1.5;

  /// By which part of what is left of an attempt a copy must end sooner.
  private static final int SOONER = 4;

  private final State state;
  private final long nowUs;

  /// For each shape the fastest provider that would take a task of it now, if there is one.
  private final Map<Group.Shape, Optional<Provider>> candidates = new HashMap<>();

  private int jobsLeft = Limits.COPY_JOBS_LOOKED_AT;
  private int from;
  private int began;
  private boolean around;
  private @Nullable Job job;
  private @Nullable OpenLease next;
  private int leasesLeft;
  private int candidatesLeft;

  /// @param luck from where on jobs are looked at, so that each has its turn
  Copies(State state, long nowUs, long luck) {
    this.state = state;
    this.nowUs = nowUs;
    if (!state.copying.isEmpty()) {
      int first = state.copying.firstKey();
      long span = state.copying.lastKey() - first + 1L;
      from = first + (int) (Decision.lot(luck, -1) * span / Decision.CERTAIN_PPM);
      began = from;
    }
  }

  /// The next copy, or null. The one before must have been made.
  Round.@Nullable Assign next() {
    candidates.clear(); // Whoever got the last one may be full.
    while (!state.open.isEmpty()) {
      while (job != null && next != null && leasesLeft-- > 0 && candidatesLeft > 0) {
        OpenLease lease = next;
        next = lease.afterInJob;
        Round.Assign copy = isCandidate(lease) ? of(job, job.graph(), lease) : null;
        if (copy != null) {
          return copy;
        }
      }
      if (!toNextJob()) {
        return null;
      }
    }
    return null;
  }

  /// Goes on to the next job that has leases and may have copies; false if it has been around.
  private boolean toNextJob() {
    job = null;
    while (jobsLeft-- > 0) {
      Map.Entry<Integer, Job> row = state.copying.ceilingEntry(from);
      if (around && (row == null || row.getKey() >= began)) {
        return false;
      }
      if (row == null) {
        around = true;
        from = 0;
        continue;
      }
      from = row.getKey() + 1;
      Job found = row.getValue();
      if (mayHaveMore(found)) {
        job = found;
        next = found.firstLease;
        leasesLeft = Limits.COPY_LEASES_LOOKED_OVER;
        candidatesLeft = Limits.COPY_LEASES_LOOKED_AT;
        return true;
      }
    }
    return false;
  }

  private static boolean mayHaveMore(Job job) {
    return job.copies < job.graph().spec.urgency().copies(job.tasks);
  }

  /// Whether an attempt is the only one at its task and nothing but time speaks against it.
  private boolean isCandidate(OpenLease lease) {
    Graph graph = lease.job.graph();
    int task = lease.task;
    return lease.twin == null
        && lease.staleInputs == null
        && graph.pending[task] == 0
        && !graph.checks.containsKey(task)
        && graph.attempts[task] < Limits.COPY_ATTEMPTS
        && graph.faults[task] < graph.kind(task).maxAttempts()
        && mayHaveMore(lease.job);
  }

  private Round.@Nullable Assign of(Job job, Graph graph, OpenLease first) {
    int task = first.task;
    int kind = graph.spec.tasks().get(task).kind();
    Group group = graph.group(task);
    boolean known = graph.learned[kind] >= LEARNED;
    long tookNs = Math.min(nowUs - first.assignedUs, Limits.WALL_LIMIT_MS * 1_000) * 1_000;
    long gainNs = Limits.COPY_GAIN_MS * 1_000_000;
    // Of what nothing is known it is half done.
    long usualNs =
        known
            ? graph.expectedWallNs(task)
            : first.provider.speedOf(group.shape).atUsual(2 * tookNs);
    long expectedNs = first.provider.wallNs(group.shape, usualNs);
    boolean late = !known || tookNs > SUSPICIOUS * graph.spread(kind) * expectedNs;
    long leftNs = late ? tookNs : expectedNs - tookNs;
    if (leftNs < gainNs) {
      return null; // Most tasks are short: that is seen at once.
    }
    Provider fastest =
        candidates
            .computeIfAbsent(group.shape, s -> Optional.ofNullable(fastest(s, Round.NOBODY)))
            .orElse(null);
    if (fastest == null || leftNs - fastest.wallNs(group.shape, usualNs) < gainNs) {
      return null;
    }
    candidatesLeft--;
    int[] excluded = graph.excludedWith(task, first.provider.index);
    Provider provider =
        OpenProviders.contains(excluded, fastest.index) ? fastest(group.shape, excluded) : fastest;
    if (provider == null) {
      return null;
    }
    Holdings.Needs needs = state.holdings.of(graph, task);
    long sooner = leftNs - provider.wallNs(group.shape, usualNs) - needs.transferNs(provider);
    long enough = Math.max(gainNs, leftNs / SOONER);
    if (sooner < Math.max(enough, Round.thriftNs(graph, task, provider))) {
      return null;
    }
    long worst = Round.worstCase(graph, task, graph.kind(task), provider.offer.offer.price());
    if (worst > job.unheld() || !leavesEnough(job, graph, task, provider, worst)) {
      return null;
    }
    boolean covered = !state.treasury.isVouched() || state.treasury.covers(job.payer, worst, nowUs);
    return covered ? new Round.Assign(job, task, provider, worst) : null;
  }

  /// The fastest that takes a task now, of those that are looked at; null if none does.
  private @Nullable Provider fastest(Group.Shape shape, int[] excluded) {
    int lookedAt = 0;
    for (Provider p : state.open.all(OpenProviders.By.SPEED)) {
      if (lookedAt++ == Limits.FAST_LOOKED_AT) {
        break;
      }
      if (p.takes(shape) && p.hasRoom() && !OpenProviders.contains(excluded, p.index)) {
        return p;
      }
    }
    Provider best = state.open.best(shape, excluded);
    return best != null && best.hasRoom() ? best : null;
  }

  /// Whether what is left of the budget does for all other attempts that the job needs, each at
  /// what one has cost so far or at what this one is expected to cost, and all results checked if
  /// any are.
  private static boolean leavesEnough(
      Job job, Graph graph, int task, Provider provider, long worst) {
    long mean = job.charged / Math.max(1, job.attempts);
    long each = Math.max(mean, Round.expectedCharge(graph, task, provider));
    boolean believed = graph.spec.verification() instanceof Verification.None;
    long times = believed ? 1 : graph.spec.verification().quorum();
    long needed = ((long) job.ready + job.waiting) * times + job.leased * (times - 1);
    return each == 0 || (job.unheld() - worst) / each >= needed;
  }
}
