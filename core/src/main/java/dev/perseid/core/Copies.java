package dev.perseid.core;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Second attempts at tasks whose first one takes too long (speculative execution: Dean, Ghemawat
/// 2004; by when an attempt will end: Zaharia, Konwinski, Joseph, Katz, Stoica 2008), on providers
/// for which a round found nothing else. Whichever attempt ends first counts.
///
/// An attempt is *suspicious* when it takes half as long again as all but one in twenty of its kind
/// are expected to take on that provider; of such a one nothing is known but that it will take the
/// longer, the longer it has taken (as long again). Of any other it is expected that it takes what
/// is usual for its kind there. A copy is begun where it is expected to end well before.
final class Copies {
  /// Attempts of a kind that must have ended before anything is held to be slow for it.
  private static final int LEARNED = 3;

  /// What is suspicious, in parts of what all but one in twenty take.
  private static final double SUSPICIOUS = 1.5;

  /// How much sooner a copy must end than an attempt that is not suspicious.
  private static final int TIMES_SOONER = 2;

  private final State state;
  private final long nowUs;
  private final long luck;
  private int jobsLeft = Limits.COPY_JOBS_LOOKED_AT;
  private int from;
  private boolean around;

  /// @param luck from where on jobs are looked at, so that each has its turn, and who gets the copy
  Copies(State state, long nowUs, long luck) {
    this.state = state;
    this.nowUs = nowUs;
    this.luck = luck;
    this.from = state.nextJob == 0 ? 0 : Decision.lot(luck, -1) % state.nextJob;
  }

  /// The next copy, or null. The one before must have been made.
  Round.@Nullable Assign next() {
    while (!state.open.isEmpty() && jobsLeft > 0) {
      Map.Entry<Integer, Job> row = state.copying.ceilingEntry(from);
      if (row == null) {
        if (around) {
          return null;
        }
        around = true;
        from = 0;
        continue;
      }
      Round.Assign copy = of(row.getValue());
      if (copy != null) {
        return copy;
      }
      from = row.getKey() + 1;
      jobsLeft--;
    }
    return null;
  }

  private Round.@Nullable Assign of(Job job) {
    Graph graph = job.graph();
    if (job.copies >= graph.spec.urgency().copies(job.tasks)) {
      return null;
    }
    int lookedAt = 0;
    for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
      if (lookedAt++ == Limits.COPY_LEASES_LOOKED_AT) {
        break;
      }
      Round.Assign copy = l.twin == null && l.staleInputs == null ? of(job, graph, l) : null;
      if (copy != null) {
        return copy;
      }
    }
    return null;
  }

  private Round.@Nullable Assign of(Job job, Graph graph, OpenLease first) {
    int task = first.task;
    int kind = graph.spec.tasks().get(task).kind();
    boolean tried =
        graph.attempts[task] >= Limits.COPY_ATTEMPTS
            || graph.faults[task] >= graph.kind(task).maxAttempts();
    // What it depends on may have been found doubtful while it ran.
    if (graph.learned[kind] < LEARNED || tried || graph.pending[task] > 0) {
      return null;
    }
    long gainNs = Limits.COPY_GAIN_MS * 1_000_000;
    if (Math.max(tookNs(first), expectedNs(graph, kind, first)) < gainNs) {
      return null; // Most tasks are short: that is seen at once.
    }
    boolean suspicious = isSuspicious(graph, kind, first);
    long tookNs = tookNs(first);
    long leftNs = suspicious ? tookNs : expectedNs(graph, kind, first) - tookNs;
    if (leftNs < gainNs) {
      return null;
    }
    int[] before = graph.excludedFor(task);
    int[] excluded = Arrays.copyOf(before, before.length + 1);
    excluded[before.length] = first.provider.index;
    Group group = graph.group(task);
    // Whose result may be held against the first one's must not be foreseen.
    Provider provider =
        graph.spec.verification() instanceof Verification.None
            ? state.open.best(group.shape, excluded)
            : Round.checker(state, group, task, excluded, luck);
    if (provider == null || !provider.hasRoom()) {
      return null;
    }
    long thereNs = provider.wallNs(graph.usualWallNs[kind]);
    long sooner = leftNs - thereNs * (suspicious ? 1 : TIMES_SOONER);
    if (sooner < Math.max(gainNs, Round.thriftNs(graph, task, provider))) {
      return null;
    }
    long worst = Round.worstCase(graph, task, graph.kind(task), provider.offer.offer.price());
    if (worst > job.unheld() || !leavesEnough(job, worst)) {
      return null;
    }
    boolean covered = !state.treasury.isVouched() || state.treasury.covers(job.payer, worst, nowUs);
    return covered ? new Round.Assign(job, task, provider, worst) : null;
  }

  /// Whether what is left of the budget does for the tasks that nobody has yet, at what one has
  /// cost so far.
  private static boolean leavesEnough(Job job, long worst) {
    long usual = job.charged / Math.max(1, job.attempts);
    return usual == 0 || (job.unheld() - worst) / usual >= job.ready + job.waiting;
  }

  private long tookNs(OpenLease lease) {
    return Math.min(nowUs - lease.assignedUs, Limits.WALL_LIMIT_MS * 1_000) * 1_000;
  }

  private boolean isSuspicious(Graph graph, int kind, OpenLease lease) {
    return tookNs(lease) > SUSPICIOUS * graph.spread(kind) * expectedNs(graph, kind, lease);
  }

  private static long expectedNs(Graph graph, int kind, OpenLease lease) {
    return lease.provider.wallNs(graph.usualWallNs[kind]);
  }
}
