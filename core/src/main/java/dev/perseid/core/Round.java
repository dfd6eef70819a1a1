package dev.perseid.core;

import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.NavigableSet;
import java.util.PriorityQueue;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The scheduler: one round of assignments. It looks at the state and proposes one step at a time;
/// each is applied before the next is asked for.
///
/// Tasks are served by priority, then from the consumer that has least of the pool now, then by the
/// job's deadline and acceptance, then by their place in the job; those to be tried again before
/// the fresh ones. Tasks that need the same cores and memory stand in one line, so that a task that
/// fits nowhere blocks its own line only. Within a line, a job that may not go on now (budget held
/// by its leases, voucher missing, its time over) lets the next one pass. A step costs O(log n).
///
/// Who has how much changes with each step. The lines stay as they were when the round began, and
/// as nobody's share falls within a round, where a consumer stands there is where it is due at the
/// earliest: its places are taken out one by one, and those taken out are ordered by what their
/// consumers have by now.
final class Round {
  static final int[] NOBODY = {};
  private static final Nothing NOTHING = new Nothing();

  private final State state;
  private final long nowUs;
  private final boolean vouched;
  private final long luck;
  private final Waits waits;

  /// The lines that may still move, the one whose next place is due first comes first.
  private final PriorityQueue<Line> lines = new PriorityQueue<>();

  /// Consumers with places that were taken out and may still move, who is due first comes first.
  private final PriorityQueue<Due> due = new PriorityQueue<>();

  /// All whose places were taken out; only looked up, never walked.
  private final Map<Who, Due> everDue = new HashMap<>();

  /// Jobs that wait for one of their leases to end, by number; only asked, never walked.
  private final Set<Integer> withoutBudget = new HashSet<>();

  /// Of the step that was proposed last: where this stands now depends on that step.
  private @Nullable Head moved;

  /// Results that are looked at for whether anybody could check them, where nobody takes them now.
  private int uncheckedLeft = Limits.RETRIES_LOOKED_AT;

  /// Providers whose GPUs are kept for what needs several of them, by index.
  private int[] kept = NOBODY;

  private int keptLeft = Limits.GPUS_KEPT;

  /// What happens next.
  sealed interface Step {}

  /// A task goes to a provider.
  record Assign(Job job, int task, Provider provider, long hold) implements Step {}

  /// A result counts on one provider's word after all: nobody else is there to check it, or the
  /// budget does not do for it.
  record Settle(Job job, int task, Check check) implements Step {}

  /// A job ends for want of credits.
  record Exhausted(Job job, String reason) implements Step {}

  /// Nothing can be done now.
  record Nothing() implements Step {}

  /// The places of one shape, and how far the round has come among them.
  private static final class Line implements Comparable<Line> {
    final NavigableSet<Place> places;
    final Group.Shape shape;
    Place next;

    /// Whether nobody is left on whom its tasks fit.
    boolean isOver;

    Line(NavigableSet<Place> places) {
      this.places = places;
      this.next = places.first();
      this.shape = next.groups.first().shape;
    }

    @Override
    public int compareTo(Line o) {
      int x = Place.ORDER.compare(next, o.next);
      return x != 0 ? x : shape.compareTo(o.shape);
    }
  }

  /// A consumer with one of its priorities.
  private record Who(Address consumer, int priority) {}

  /// What of one consumer and priority was taken out of the lines.
  private static final class Due implements Comparable<Due> {
    /// When it is due, by what the consumer had when this was queued.
    final Place as;

    final PriorityQueue<Head> heads = new PriorityQueue<>();
    boolean isQueued;

    Due(Consumer consumer, int priority) {
      this.as = new Place(consumer, priority);
    }

    @Override
    public int compareTo(Due o) {
      return Place.ORDER.compare(as, o.as);
    }

    /// Whether the consumer has got more since this was queued.
    boolean isLate() {
      return as.shareNs != as.consumer.shareNs() || as.turn != as.consumer.turn;
    }
  }

  /// A place, and how far the round has come among its groups.
  private static final class Head implements Comparable<Head> {
    final Line line;
    final Place place;
    final Due due;
    Group group;
    int first;

    Head(Line line, Place place, Due due, Group group) {
      this.line = line;
      this.place = place;
      this.due = due;
      this.group = group;
      this.first = group.first();
    }

    @Override
    public int compareTo(Head o) {
      int x = Job.DUE_FIRST.compare(group.job, o.group.job);
      return x != 0 ? x : Integer.compare(first, o.first);
    }
  }

  Round(State state, long nowUs, long luck) {
    this.state = state;
    this.nowUs = nowUs;
    this.luck = luck;
    this.vouched = state.treasury.isVouched();
    this.waits = new Waits(state, nowUs);
    if (state.open.isEmpty()) {
      return;
    }
    for (NavigableSet<Place> places : state.lines.inOrder()) {
      lines.add(new Line(places));
    }
  }

  /// The next step. The one before must have been applied.
  Step next() {
    if (moved != null) {
      if (moved.group.listed) {
        queue(moved, moved.group);
      } else {
        advance(moved);
      }
      moved = null;
    }
    while (!state.open.isEmpty()) {
      Head head = take();
      if (head == null) {
        return NOTHING;
      }
      Group group = head.group;
      Job job = group.job;
      if (!group.listed || withoutBudget.contains(job.number) || job.dueUs <= nowUs) {
        advance(head);
        continue;
      }
      if (state.open.best(group.shape, group.shape.gpus().any() ? kept : NOBODY) == null) {
        Step settled = unchecked(group);
        if (settled != null) {
          moved = head;
          return settled;
        }
        keepFor(group);
        head.line.isOver = true;
        queue(head.due);
        continue;
      }
      Step step = choose(state, group, luck, waits, kept);
      if (!(step instanceof Assign chosen)) {
        if (step instanceof Settle) {
          moved = head;
          return step;
        }
        keepFor(group);
        advance(head);
        continue;
      }
      Graph graph = job.graph();
      TaskKind kind = graph.kind(chosen.task);
      long worst = worstCase(graph, chosen.task, kind, chosen.provider.offer.offer.price());
      long unheld = job.unheld();
      Check check = graph.checks.get(chosen.task);
      // Who checks must have all that the task may need: less may make it fail.
      if (worst > unheld && (job.leases > 0 || unheld == 0 || check != null)) {
        if (job.leases == 0 && check != null && isDispensable(graph, check)) {
          moved = head;
          return new Settle(job, chosen.task, check);
        }
        if (job.leases == 0) {
          moved = head;
          return new Exhausted(job, exhausted(job, graph, chosen, worst));
        }
        withoutBudget.add(job.number);
        advance(head);
        continue;
      }
      long hold = Math.min(worst, unheld);
      if (vouched && !state.treasury.covers(job.payer, hold, nowUs)) {
        // Another line may have something cheaper of the same job.
        advance(head);
        continue;
      }
      moved = head;
      return new Assign(job, chosen.task, chosen.provider, hold);
    }
    return NOTHING;
  }

  /// What is looked at next, taken from where it waits; null if nothing is left. Each place is
  /// taken out of its line once in a round.
  private @Nullable Head take() {
    while (true) {
      Line line = lines.peek();
      Due first = due.peek();
      if (line != null && (first == null || Place.ORDER.compare(line.next, first.as) <= 0)) {
        lines.remove();
        if (!line.isOver) {
          takeOut(line);
        }
      } else if (first == null) {
        return null;
      } else {
        due.remove();
        first.isQueued = false;
        if (first.isLate()) {
          queue(first);
          continue;
        }
        Head head = first.heads.remove();
        if (!head.line.isOver) {
          return head;
        }
        queue(first);
      }
    }
  }

  /// What needs several GPUs would wait for ever where others take each that comes free: nothing
  /// that stands behind it gets those of the provider that has most of them free.
  private void keepFor(Group group) {
    if (group.shape.gpus().count() < 2 || keptLeft-- <= 0) {
      return;
    }
    int task = group.first();
    int[] out = group.job.graph().excludedFor(task);
    int[] excluded = anotherFits(state, group.shape, out) ? out : NOBODY;
    Provider most = null;
    int lookedOver = 0;
    for (Provider p : state.providers.values()) {
      if (lookedOver++ == Limits.GPUS_LOOKED_OVER) {
        break;
      }
      if (p.freeGpus() > 0
          && p.isOpen()
          && p.fits(group.shape)
          && !OpenProviders.contains(kept, p.index)
          && !OpenProviders.contains(excluded, p.index)
          && (most == null || p.freeGpus() > most.freeGpus())) {
        most = p;
      }
    }
    if (most != null && mayBegin(group, task, most)) {
      kept = both(kept, new int[] {most.index});
    }
  }

  /// Whether money lets the task begin there.
  private boolean mayBegin(Group group, int task, Provider there) {
    Job job = group.job;
    Graph graph = job.graph();
    long worst = worstCase(graph, task, graph.kind(task), there.offer.offer.price());
    long hold = Math.min(worst, job.unheld());
    boolean inBudget = hold > 0 && (worst <= job.unheld() || job.leases == 0);
    return inBudget && (!vouched || state.treasury.covers(job.payer, hold, nowUs));
  }

  private static int[] both(int[] one, int[] other) {
    if (one.length == 0) {
      return other;
    }
    int[] all = Arrays.copyOf(one, one.length + other.length);
    System.arraycopy(other, 0, all, one.length, other.length);
    return all;
  }

  /// A result that nobody else will check: whoever could is not only busy, but found out, or gone
  /// for a while. Null if the first few are none such.
  private @Nullable Step unchecked(Group group) {
    for (int task : group.again) {
      if (uncheckedLeft-- <= 0) {
        break;
      }
      Graph graph = group.job.graph();
      Check check = graph.checks.get(task);
      if (check != null
          && isDispensable(graph, check)
          && !anotherMayFit(group.shape, graph.excludedFor(task))) {
        return new Settle(group.job, task, check);
      }
    }
    return null;
  }

  private boolean anotherMayFit(Group.Shape shape, int[] excluded) {
    for (Provider p : state.providers.values()) {
      boolean comesBack =
          p.state != ProviderView.State.GONE
              || nowUs - p.goneUs < Limits.COMES_BACK_WITHIN_MS * 1_000;
      if (comesBack
          && !p.distrusted
          && p.fits(shape)
          && !OpenProviders.contains(excluded, p.index)) {
        return true;
      }
    }
    return false;
  }

  private void takeOut(Line line) {
    Place place = line.next;
    if (!place.groups.isEmpty()) {
      Who who = new Who(place.consumer.address, place.priority);
      Due of = everDue.computeIfAbsent(who, _ -> new Due(place.consumer, place.priority));
      Group group = place.groups.first();
      queue(new Head(line, place, of, group), group);
    }
    Place next = line.places.higher(place);
    if (next != null) {
      line.next = next;
      lines.add(line);
    }
  }

  private void advance(Head head) {
    Group next = head.place.groups.higher(head.group);
    if (next == null) {
      queue(head.due);
    } else {
      queue(head, next);
    }
  }

  private void queue(Head head, Group group) {
    head.group = group;
    head.first = group.first();
    head.due.heads.add(head);
    queue(head.due);
  }

  private void queue(Due one) {
    if (!one.isQueued && !one.heads.isEmpty()) {
      one.isQueued = true;
      one.as.settle();
      due.add(one);
    }
  }

  /// Whether a result may count though it was not checked in the end.
  private static boolean isDispensable(Graph graph, Check check) {
    return switch (graph.spec.verification()) {
      case Verification.Replicate _ -> false;
      case Verification.None _, Verification.SpotCheck _, Verification.Adaptive _ ->
          check.isUnanimous();
    };
  }

  /// Another provider for a task whose result is checked: drawn at random, so that nobody can
  /// arrange to check itself; of the few from there on the first that is of another operator than
  /// all that have run it, in another network, in another region, and of another funder; or, if
  /// there is none such, the one that lacks least of that, in this order. Null if none is free.
  ///
  /// @param busy who must not be chosen besides
  private static @Nullable Provider checker(
      State state, Group group, int task, int[] excluded, long luck, int[] busy) {
    int from = state.nextProvider == 0 ? 0 : Decision.lot(luck, task) % state.nextProvider;
    // Once anybody disagrees it is not left to those who name no operator: else many that are one
    // liar's could outvote all machines of an honest one.
    Check check = group.job.graph().checks.get(task);
    boolean first = check == null || check.isUnanimous();
    Provider best = null;
    int farthest = -1;
    int lookedAt = 0;
    Map.Entry<Integer, Provider> row = state.providers.ceilingEntry(from);
    while (lookedAt++ < Math.min(Limits.CHECKERS_LOOKED_AT, state.providers.size())) {
      Provider p = row == null ? state.providers.firstEntry().getValue() : row.getValue();
      boolean may =
          p.takes(group.shape)
              && !OpenProviders.contains(excluded, p.index)
              && !OpenProviders.contains(busy, p.index);
      int distance = may ? distance(state, p, excluded, first) : -1;
      if (distance == FAR) {
        return p;
      }
      if (distance > farthest) {
        farthest = distance;
        best = p;
      }
      row = state.providers.higherEntry(p.index);
    }
    return best != null ? best : state.open.best(group.shape, both(busy, excluded));
  }

  private static final int OTHER_REGION = 2;

  /// Who declares a region can declare any; where it comes from is seen.
  private static final int OTHER_NETWORK = 4;

  /// The least: who wants to hide whose money it is can have it come by another way, and anybody
  /// can pay for anybody.
  private static final int OTHER_FUNDER = 1;

  /// Who signs for a provider answers for it; who does not want to be known does not sign.
  private static final int OTHER_OPERATOR = 8;

  private static final int FAR = OTHER_REGION + OTHER_NETWORK + OTHER_FUNDER + OTHER_OPERATOR;

  /// How far a provider is from all others of some.
  ///
  /// @param minds whether it matters whose it is, and who paid its bond
  private static int distance(State state, Provider provider, int[] others, boolean minds) {
    int distance = FAR;
    String region = provider.offer.offer.region();
    for (int index : others) {
      Provider other = state.providers.get(index);
      if (other == null) {
        continue;
      }
      if (other.offer.offer.region().equals(region)) {
        distance &= ~OTHER_REGION;
      }
      if (other.network.equals(provider.network)) {
        distance &= ~OTHER_NETWORK;
      }
      if (minds && provider.operator != null && provider.operator.equals(other.operator)) {
        distance &= ~OTHER_OPERATOR;
      }
      if (minds && provider.bond.isFundedLike(other.bond)) {
        distance &= ~OTHER_FUNDER;
      }
    }
    return distance;
  }

  /// A ready task of the group and its provider, or one that need not wait for another provider;
  /// null if its tasks must wait for other providers.
  ///
  /// @param waits what waits for fast providers in this round; null if nothing does
  private static @Nullable Step choose(
      State state, Group group, long luck, @Nullable Waits waits, int[] kept) {
    int[] busy = group.shape.gpus().any() ? kept : NOBODY;
    int lookedAt = 0;
    for (int task : group.again) {
      if (lookedAt++ == Limits.RETRIES_LOOKED_AT) {
        break;
      }
      Graph graph = group.job.graph();
      int[] excluded = graph.excludedFor(task);
      Check check = graph.checks.get(task);
      if (check != null) {
        boolean another = anotherFits(state, group.shape, excluded);
        if (!another && isDispensable(graph, check)) {
          return new Settle(group.job, task, check);
        }
        // Who failed to run it may try again; who has said something of it may not.
        Provider provider =
            checker(state, group, task, another ? excluded : check.voters(state), luck, busy);
        if (provider != null) {
          return new Assign(group.job, task, provider, 0);
        }
        continue;
      }
      Provider provider =
          state.open.best(
              group.shape,
              both(busy, anotherFits(state, group.shape, excluded) ? excluded : NOBODY));
      if (provider != null) {
        return new Assign(group.job, task, provider, 0);
      }
    }
    if (!group.hasFresh()) {
      return null;
    }
    Provider idle = state.open.best(group.shape, busy);
    if (idle == null) {
      return null;
    }
    // Nothing waits for GPUs that are busy: how long what runs on them takes is seldom known.
    boolean onGpus = group.shape.gpus().any();
    if (waits != null && !onGpus && group.job.graph().spec.thrift().isAny()) {
      return waits.thrifty(group, idle);
    }
    boolean awaits = !onGpus && group.job.graph().spec.urgency().scheduling().awaits();
    for (int rank = group.firstRank(); rank >= 0; rank = group.rankAfter(rank)) {
      int task = group.member(rank);
      Provider provider = waits == null || !awaits ? idle : waits.best(group, task, idle);
      if (provider != null) {
        return new Assign(group.job, task, provider, 0);
      }
    }
    return null;
  }

  /// Tasks that had better wait for a fast provider that is busy than run on a slow one that is
  /// not: where a task would end first (earliest finish time, as HEFT has it: Topcuoglu, Hariri, Wu
  /// 2002), with what the pool learned of kinds and providers. What waits is not assigned: if
  /// things turn out otherwise, the next round sees it. A round lets so many tasks wait that it
  /// still costs little; where more are ready than that, no provider is idle for long.
  private static final class Waits {
    private final State state;
    private final long nowUs;

    /// By index: the time that what waits for a provider will take there; only asked, never walked.
    private final Map<Integer, Long> promisedNs = new HashMap<>();

    /// Who waits must end sooner by this part of what it would take now, or estimates that are a
    /// little off keep machines idle.
    private static final int GAIN = 16;

    /// So that sums stay below 2^63.
    private static final long LONGEST_NS = Long.MAX_VALUE / 4;

    private int left = Limits.WAITS_LOOKED_AT;

    /// Tasks of thrifty jobs, of one job and shape: after so many each stands for twice as many as
    /// the one before.
    private static final int FEW = 8;

    private int thriftyLeft = Limits.THRIFTY_LOOKED_AT;

    /// What was found to wait of thrifty jobs; only asked, never walked.
    private final Map<Group, Waiting> waitings = new HashMap<>();

    private static final class Waiting {
      int count;
      int rank;
    }

    Waits(State state, long nowUs) {
      this.state = state;
      this.nowUs = nowUs;
    }

    /// Where the task goes now; null if it waits.
    ///
    /// @param idle the best of those that take it now
    @Nullable Provider best(Group group, int task, Provider idle) {
      Best best = soonest(group, task, idle);
      // What is short may wait there until it begins, as other short tasks do.
      boolean queues = best.isShort() && best.provider.isOpen();
      if (queues || isFree(best.provider, idle)) {
        return best.provider;
      }
      left--;
      promise(group, best, 1);
      return null;
    }

    private void promise(Group group, Best found, long tasks) {
      Provider best = found.provider;
      long ns = found.takesNs(best);
      long each = ns * group.shape.cores() / best.cores();
      promisedNs.merge(best.index, Price.scaled(each, tasks, 1), Price::plus);
    }

    /// The first task of a thrifty job that goes somewhere now; null if those that were looked at
    /// wait. What was found to wait is not looked at again in this round; and as tasks of one job
    /// and shape are much alike, the later ones stand for many, so that a long line of them is seen
    /// to be long.
    @Nullable Assign thrifty(Group group, Provider idle) {
      Waiting waiting = waitings.computeIfAbsent(group, _ -> new Waiting());
      int rank = waiting.count == 0 ? group.firstRank() : group.rankAfter(waiting.rank);
      while (rank >= 0 && thriftyLeft > 0 && waiting.count < Limits.THRIFTY_OF_ONE) {
        int task = group.member(rank);
        Best best = soonest(group, task, idle);
        if (best.provider == idle || best.provider.isOpen()) {
          return new Assign(group.job, task, best.provider, 0);
        }
        if (isLate(group, best)) {
          // What ends too late is worth nothing, however cheap it is.
          return new Assign(group.job, task, idle, 0);
        }
        promise(group, best, 1L << Math.max(0, waiting.count - FEW));
        waiting.count++;
        waiting.rank = rank;
        thriftyLeft--;
        rank = group.rankAfter(rank);
      }
      return null;
    }

    /// Whether a task that waits for this provider is expected to end after its job.
    private boolean isLate(Group group, Best best) {
      Job job = group.job;
      Provider awaited = best.provider;
      long ns =
          awaited.freeInNs(nowUs)
              + promisedNs.getOrDefault(awaited.index, 0L)
              + best.takesNs(awaited);
      return job.isTimed() && ns / 1_000 > job.dueUs - nowUs;
    }

    /// Whether a task that would end first there can go there now.
    private static boolean isFree(Provider best, Provider idle) {
      return best == idle || (best.isOpen() && best.hasRoom());
    }

    /// Where the task would end first; of a thrifty job where what it costs, in the time that is
    /// worth as much, ends first together with it.
    private Best soonest(Group group, int task, Provider idle) {
      Graph graph = group.job.graph();
      Thrift thrift = graph.spec.thrift();
      boolean isThrifty = thrift.isAny();
      if (!isThrifty && left == 0) {
        return new Best(group, task, idle, Holdings.Needs.NOTHING);
      }
      Holdings.Needs needs = state.holdings.of(graph, task);
      Best best = new Best(group, task, idle, needs);
      if (!isThrifty && best.isShort() && needs.isEmpty()) {
        return best;
      }
      lookAtHolders(needs, best);
      int lookedAt = 0;
      for (Provider p : state.open.all(OpenProviders.By.SPEED)) {
        boolean slower = p.speed.value <= idle.speed.value;
        if ((!isThrifty && slower) || lookedAt++ == Limits.FAST_LOOKED_AT) {
          break;
        }
        best.look(p);
      }
      if (thrift.msPerCredit() > 0) {
        lookAtFirst(OpenProviders.By.PRICE, best);
      }
      if (thrift.msPerKwh() > 0) {
        lookAtFirst(OpenProviders.By.ENERGY, best);
      }
      if (thrift.msPerKgCo2() > 0) {
        lookAtFirst(OpenProviders.By.CARBON, best);
      }
      return best;
    }

    private void lookAtFirst(OpenProviders.By by, Best best) {
      int lookedAt = 0;
      int lookedOver = 0;
      for (Provider p : state.open.all(by)) {
        if (lookedAt == Limits.CHEAP_LOOKED_AT || lookedOver++ == Limits.CHEAP_LOOKED_OVER) {
          break;
        }
        lookedAt += best.look(p) ? 1 : 0;
      }
    }

    /// Those that have some of what a task reads, those with the largest part first.
    private void lookAtHolders(Holdings.Needs needs, Best best) {
      int[] seen = NOBODY;
      for (int[] held : needs.held()) {
        for (int index : held) {
          Provider p = state.providers.get(index);
          if (p != null
              && p.takesWork()
              && seen.length < Limits.HOLDERS_LOOKED_AT
              && !OpenProviders.contains(seen, index)) {
            seen = both(seen, new int[] {index});
            best.look(p);
          }
        }
      }
    }

    /// The provider that is best for a task, of those that were looked at.
    private final class Best {
      private final Group group;
      private final Graph graph;
      private final int task;
      private final long usualNs;
      private final Provider idle;
      private final Holdings.Needs needs;
      Provider provider;

      /// When it ends there, and how much sooner it must end on one that is busy; -1 before another
      /// was looked at.
      private long endsNs = -1;

      private long gainNs;

      Best(Group group, int task, Provider idle, Holdings.Needs needs) {
        this.needs = needs;
        this.group = group;
        this.graph = group.job.graph();
        this.task = task;
        this.idle = idle;
        usualNs = graph.expectedWallNs(task);
        provider = idle;
      }

      /// What it takes there from its beginning on, with what must be fetched first.
      long takesNs(Provider p) {
        return needs.transferNs(p) + p.wallNs(group.shape, usualNs);
      }

      boolean isShort() {
        return usualNs < Limits.LEASE_AHEAD_MS * 1_000_000;
      }

      /// Whether its GPUs are free and its cores are not needed: what needs GPUs had better find it
      /// idle.
      private boolean isLeftForGpus(Provider p) {
        boolean isHolder = !needs.isEmpty() && needs.lackedBy(p) == 0;
        return p.freeGpus() > 0 && idle.freeGpus() == 0 && idle.hasRoom() && !isHolder;
      }

      /// Whether it could run the task at all.
      boolean look(Provider p) {
        if (p.askedId != 0 || !p.fits(group.shape) || isLeftForGpus(p)) {
          return false;
        }
        if (endsNs < 0) {
          endsNs = endsNs(idle, 0);
          gainNs = takesNs(idle) / GAIN;
        }
        long ends = endsNs(p, promisedNs.getOrDefault(p.index, 0L));
        // It takes something to leave a machine idle, nothing to choose another idle one.
        boolean minds = graph.spec.thrift().isAny() || !needs.isEmpty();
        boolean atOnce = minds && isFree(p, idle);
        if (ends < endsNs - (provider == idle && !atOnce ? gainNs : 0)) {
          endsNs = ends;
          provider = p;
        }
        return true;
      }

      private long endsNs(Provider p, long promised) {
        long ns = p.freeInNs(nowUs) + promised + takesNs(p);
        return Price.plus(ns, thriftNs(graph, task, p));
      }
    }
  }

  /// The time that is worth as much to a job as what a task costs, uses and emits at a provider.
  static long thriftNs(Graph graph, int task, Provider p) {
    Thrift thrift = graph.spec.thrift();
    if (!thrift.isAny()) {
      return 0;
    }
    long charge = thrift.msPerCredit() == 0 ? 0 : expectedCharge(graph, task, p);
    long energyUj = thrift.heedsPower() ? expectedEnergyUj(graph, task, p) : 0;
    return Math.min(thrift.ns(charge, energyUj, p.countedGPerKwh()), Waits.LONGEST_NS);
  }

  private static long expectedEnergyUj(Graph graph, int task, Provider p) {
    Group.Shape shape = graph.group(task).shape;
    return p.power.energyUj(shape.cores(), p.wallNs(shape, graph.expectedWallNs(task)));
  }

  /// What a task is expected to cost at a provider, what it reads and writes left out.
  static long expectedCharge(Graph graph, int task, Provider p) {
    TaskKind kind = graph.kind(task);
    long wallNs = p.wallNs(graph.group(task).shape, graph.expectedWallNs(task));
    long work = graph.expectedWork(task, wallNs);
    return p.offer.offer.price().charge(work, kind.memoryBytes(), kind.gpus().count(), wallNs, 0);
  }

  /// The busy provider for which a ready task waits though another is idle; null if for none.
  static @Nullable Provider awaited(State state, Group group, int task, long nowUs) {
    Provider idle = state.open.best(group.shape, NOBODY);
    boolean awaits = group.job.graph().spec.urgency().scheduling().awaits();
    if (idle == null || !awaits || group.shape.gpus().any()) {
      return null;
    }
    Provider best = new Waits(state, nowUs).soonest(group, task, idle).provider;
    return Waits.isFree(best, idle) ? null : best;
  }

  /// What the next step of a job that waits may cost: of the first ready tasks of its kinds the
  /// cheapest, at the provider that would get it now, or at the cheapest that could. 0 if none can.
  static long nextHold(State state, Job job) {
    long least = 0;
    for (Group group : job.graph().groups) {
      if (group.isEmpty()) {
        continue;
      }
      Step step = state.open.isEmpty() ? null : choose(state, group, 0, null, NOBODY);
      long worst =
          step instanceof Assign now
              ? worstCase(
                  job.graph(),
                  now.task,
                  job.graph().kind(now.task),
                  now.provider.offer.offer.price())
              : cheapest(state, job, group, group.first());
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
      if (p.state == ProviderView.State.SERVING && p.fits(group.shape)) {
        long worst = worstCase(job.graph(), task, job.graph().kind(task), p.offer.offer.price());
        least = least == 0 ? worst : Math.min(least, worst);
      }
    }
    return least;
  }

  /// Whether a serving provider outside the excluded ones could run such a task.
  static boolean anotherFits(State state, Group.Shape shape, int[] excluded) {
    for (Provider p : state.providers.values()) {
      if (p.takesWork() && p.fits(shape) && !OpenProviders.contains(excluded, p.index)) {
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
        kind.mostWork(),
        kind.memoryBytes(),
        kind.gpus().count(),
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
