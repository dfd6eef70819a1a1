package dev.perseid.core;

import java.util.Comparator;
import java.util.HashSet;
import java.util.Map;
import java.util.NavigableSet;
import java.util.PriorityQueue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The scheduler: one round of assignments. It looks at the state and proposes one step at a time;
/// each is applied before the next is asked for.
///
/// Tasks are served by priority, then by the job's acceptance, then by their place in the job;
/// those to be tried again before the fresh ones. Tasks that need the same cores and memory stand
/// in one line, so that a task that fits nowhere blocks its own line only. Within a line, a job
/// that may not go on now (budget held by its leases, voucher missing) lets the next one pass. A
/// step costs O(log n).
final class Round {
  private static final int[] NOBODY = {};
  private static final Nothing NOTHING = new Nothing();

  private final State state;
  private final long nowUs;
  private final boolean vouched;

  /// The lines that may still move, the one whose head is served next first.
  private final PriorityQueue<Line> lines =
      new PriorityQueue<>(
          Comparator.comparing((Line l) -> l.head, Group.ORDER)
              .thenComparingInt(l -> l.head.first()));

  /// Jobs that wait for one of their leases to end, by number; only asked, never walked.
  private final Set<Integer> withoutBudget = new HashSet<>();

  /// The line of the step that was proposed last: where it stands now depends on that step.
  private @Nullable Line moved;

  /// What happens next.
  sealed interface Step {}

  /// A task goes to a provider.
  record Assign(Job job, int task, Provider provider, long hold) implements Step {}

  /// A job ends for want of credits.
  record Exhausted(Job job, String reason) implements Step {}

  /// Nothing can be done now.
  record Nothing() implements Step {}

  /// The groups of one shape, and how far the round has come among them.
  private static final class Line {
    final NavigableSet<Group> groups;
    Group head;

    Line(NavigableSet<Group> groups) {
      this.groups = groups;
      this.head = groups.first();
    }
  }

  Round(State state, long nowUs) {
    this.state = state;
    this.nowUs = nowUs;
    this.vouched = state.treasury.isVouched();
    if (state.open.isEmpty()) {
      return;
    }
    for (Map.Entry<Group.Shape, NavigableSet<Group>> e : state.ready.entrySet()) {
      lines.add(new Line(e.getValue()));
    }
  }

  /// The next step. The one before must have been applied.
  Step next() {
    if (moved != null) {
      if (moved.head.listed) {
        lines.add(moved);
      } else {
        advance(moved);
      }
      moved = null;
    }
    while (!state.open.isEmpty()) {
      Line line = lines.poll();
      if (line == null) {
        return NOTHING;
      }
      Group group = line.head;
      Job job = group.job;
      if (!group.listed || withoutBudget.contains(job.number)) {
        advance(line);
        continue;
      }
      if (state.open.best(group.shape.cores(), group.shape.memoryBytes(), NOBODY) == null) {
        continue;
      }
      Assign chosen = choose(state, group);
      if (chosen == null) {
        advance(line);
        continue;
      }
      Graph graph = job.graph();
      TaskKind kind = graph.kind(chosen.task);
      long worst = worstCase(graph, chosen.task, kind, chosen.provider.offer.offer.price());
      long unheld = job.unheld();
      if (worst > unheld && (job.leases > 0 || unheld == 0)) {
        if (job.leases == 0) {
          moved = line;
          return new Exhausted(job, exhausted(job, graph, chosen, worst));
        }
        withoutBudget.add(job.number);
        advance(line);
        continue;
      }
      long hold = Math.min(worst, unheld);
      if (vouched && !state.treasury.covers(job.payer, hold, nowUs)) {
        // Another line may have something cheaper of the same job.
        advance(line);
        continue;
      }
      moved = line;
      return new Assign(job, chosen.task, chosen.provider, hold);
    }
    return NOTHING;
  }

  private void advance(Line line) {
    Group next = line.groups.higher(line.head);
    if (next != null) {
      line.head = next;
      lines.add(line);
    }
  }

  /// A ready task of the group and its provider; null if its tasks must wait for other providers.
  private static @Nullable Assign choose(State state, Group group) {
    int cores = group.shape.cores();
    long memoryBytes = group.shape.memoryBytes();
    int lookedAt = 0;
    for (int task : group.again) {
      if (lookedAt++ == Limits.RETRIES_LOOKED_AT) {
        break;
      }
      int[] excluded = group.job.graph().excludedFor(task);
      Provider provider =
          state.open.best(
              cores, memoryBytes, anotherFits(state, group.shape, excluded) ? excluded : NOBODY);
      if (provider != null) {
        return new Assign(group.job, task, provider, 0);
      }
    }
    if (!group.hasFresh()) {
      return null;
    }
    Provider provider = state.open.best(cores, memoryBytes, NOBODY);
    return provider == null ? null : new Assign(group.job, group.firstFresh(), provider, 0);
  }

  /// What the next step of a job that waits may cost: of the first ready tasks of its kinds the
  /// cheapest, at the provider that would get it now, or at the cheapest that could. 0 if none can.
  static long nextHold(State state, Job job) {
    long least = 0;
    for (Group group : job.graph().groups) {
      if (group.isEmpty()) {
        continue;
      }
      Assign now = state.open.isEmpty() ? null : choose(state, group);
      long worst =
          now == null
              ? cheapest(state, job, group, group.first())
              : worstCase(
                  job.graph(),
                  now.task,
                  job.graph().kind(now.task),
                  now.provider.offer.offer.price());
      long hold = Math.min(worst, job.unheld());
      if (hold > 0 && (least == 0 || hold < least)) {
        least = hold;
      }
    }
    return least;
  }

  private static long cheapest(State state, Job job, Group group, int task) {
    long least = 0;
    for (Provider p : state.providers.values()) {
      if (p.state == ProviderView.State.SERVING
          && p.fits(group.shape.cores(), group.shape.memoryBytes())) {
        long worst = worstCase(job.graph(), task, job.graph().kind(task), p.offer.offer.price());
        least = least == 0 ? worst : Math.min(least, worst);
      }
    }
    return least;
  }

  /// Whether a serving provider outside the excluded ones could run such a task.
  static boolean anotherFits(State state, Group.Shape shape, int[] excluded) {
    for (Provider p : state.providers.values()) {
      if (p.state == ProviderView.State.SERVING
          && p.fits(shape.cores(), shape.memoryBytes())
          && !OpenProviders.contains(excluded, p.index)) {
        return true;
      }
    }
    return false;
  }

  /// What an attempt costs that uses all it may.
  static long worstCase(Graph graph, int task, TaskKind kind, Price price) {
    long in = ReportCheck.bytesIn(graph.inputs(task), graph.spec.tasks().get(task).args());
    long moved = in + kind.outputBytesLimit();
    return price.charge(
        kind.gasLimit(),
        kind.memoryBytes(),
        kind.wallLimitMs() * 1_000_000,
        moved < 0 ? Long.MAX_VALUE : moved);
  }

  private static String exhausted(Job job, Graph graph, Assign chosen, long worst) {
    return "budget exhausted: all of the "
        + Text.credits(job.budget)
        + " are spent with "
        + (job.tasks - job.done)
        + " of "
        + job.tasks
        + " tasks left; the next, "
        + graph.spec.taskName(chosen.task)
        + ", may cost up to "
        + Text.credits(worst)
        + ": submit the job with a larger budget or lower limits";
  }
}
