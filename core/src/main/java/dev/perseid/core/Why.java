package dev.perseid.core;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Answers why a job or a task is where it is, in one plain sentence, and says what would help.
final class Why {
  private static final int NAMES = 3;
  private static final String DOUBTFUL =
      "; its result is doubtful: it counts on the word of a provider that was found out, and nobody"
          + " else could run it";

  private final State state;
  private final long nowUs;

  Why(State state, long nowUs) {
    this.state = state;
    this.nowUs = nowUs;
  }

  Answer answer(JobId id, @Nullable String taskName) {
    Job job = state.jobsById.get(id);
    if (job == null) {
      return new Answer(
          "No job " + id + " is known to this pool.",
          List.of("look at the list of jobs; what ended long ago is in the records only"));
    }
    if (taskName == null || taskName.isEmpty()) {
      return aboutJob(job);
    }
    Graph graph = job.graph;
    if (graph == null) {
      return new Answer(
          "The job has ended (" + ending(job) + "), and with it task " + Text.quote(taskName) + ".",
          List.of("look at the task's records"));
    }
    for (int t = 0; t < job.tasks; t++) {
      if (graph.spec.taskName(t).equals(taskName)) {
        return aboutTask(job, graph, t);
      }
    }
    return new Answer(
        "The job has no task " + Text.quote(taskName) + ".",
        List.of("its first task is named " + Text.quote(graph.spec.taskName(0))));
  }

  /// What is believed of a provider's results, on what grounds, and what would make it more.
  Answer about(Address address) {
    Provider p = state.providersByAddress.get(address);
    if (p == null) {
      return new Answer(
          "No provider " + address + " is known to this pool.",
          List.of("look at the list of providers"));
    }
    TrustRule rule = state.trust;
    Belief belief = p.evidence.aged(rule, nowUs).whole();
    String grounds =
        p.confirmed + p.refuted == 0
            ? "nobody has run again what it ran"
            : "of its results that others ran again, "
                + p.confirmed
                + " were confirmed and "
                + p.refuted
                + " refuted";
    String doubt =
        "its next result is taken to be wrong with probability " + percent(rule.doubtPpm(belief));
    String name = "Provider " + p.name();
    if (p.distrusted) {
      return new Answer(
          name + " gets no work: " + grounds + ", so that " + doubt + bonded(p) + ".",
          List.of(
              "what speaks against it weighs half after "
                  + rule.halfLifeMs() / (24L * 3_600_000)
                  + " days: it may connect again then",
              "look at its records for which results were refuted"));
    }
    if (!p.shown.problem().isEmpty()) {
      return new Answer(
          name
              + " gets no work: its hardware was measured, and "
              + p.shown.problem()
              + ". It will be measured again in "
              + minutesUntil(p.nextMeasureUs)
              + ".",
          List.of("connect again: a provider that comes with a new offer is measured at once"));
    }
    Belief backed = rule.backed(belief, p.bond, p.usualCharge, 0);
    if (rule.isNew(backed, state.newcomers)) {
      return new Answer(
          name
              + " is new: "
              + grounds
              + ", and until "
              + rule.probation()
              + " are confirmed each of its results is checked where a job leaves that to the pool"
              + "; "
              + doubt
              + retained(p)
              + bonded(p)
              + hardware(p)
              + ".",
          List.of(
              p.admittedPpm == Provider.ALL_PPM
                  ? "nothing but time and right results: it gets as much work as others"
                  : "nothing but time and right results: until then it gets work for "
                      + percent(p.admittedPpm)
                      + " of its cores at once, at least for one: "
                      + state.newcomers.caught()
                      + " of the "
                      + (state.newcomers.passed() + state.newcomers.caught())
                      + " that were new before it were found wrong"));
    }
    return new Answer(
        name
            + " is believed: "
            + grounds
            + "; "
            + doubt
            + ", and "
            + percent(rule.checkPpm(backed, state.newcomers, 0))
            + " of its results are checked where a job leaves that to the pool, more of tasks that"
            + " are larger than what was confirmed"
            + retained(p)
            + bonded(p)
            + hardware(p)
            + ".",
        List.of("a job that asks for more (verification: replicate or spot_check)"));
  }

  private String retained(Provider p) {
    long retained = p.retained(nowUs);
    return retained == 0
        ? ""
        : "; "
            + Text.credits(retained)
            + " of its earnings are withheld, which it loses if it is found out";
  }

  private String bonded(Provider p) {
    if (p.bond.amount() == 0) {
      return "";
    }
    String much = "; " + Text.credits(p.bond.amount()) + " are bonded for it on the chain";
    if (p.bond.telling() == 0) {
      return much + ", too little to say anything (at least " + Text.credits(Bond.LEAST) + ")";
    }
    String loses =
        much
            + p.bond.funder().map(who -> ", most of it paid by " + who).orElse("")
            + ", of which it loses a tenth for each result that is refuted";
    return TrustRule.isBackable(p.evidence.aged(state.trust, nowUs).whole())
        ? loses
            + "; as often as it covers what a wrong result costs, so many more count as confirmed,"
            + " up to "
            + state.trust.probation() / 2
        : loses + "; it speaks for nothing while what was refuted weighs so much";
  }

  /// What it showed of its hardware.
  private String hardware(Provider p) {
    if (p.askedId != 0) {
      return "; its hardware is being measured, and it gets nothing new until that is done";
    }
    if (!p.shown.isShown()) {
      return "; what it declares of its hardware was not measured";
    }
    Offer offer = p.offer.offer;
    return "; it showed "
        + p.shown.cores()
        + " of the "
        + offer.cores()
        + (offer.cores() == 1 ? " core" : " cores")
        + " that it declares and "
        + (p.shown.memoryBytes() >> 20)
        + " of "
        + (offer.memoryBytes() >> 20)
        + " MiB of memory"
        + gpus(p.shown.gpus(), offer.gpus())
        + (!p.shown.isAllOf(offer)
            ? ", gets work for no more, and is measured again in " + minutesUntil(p.nextMeasureUs)
            : "");
  }

  private static String gpus(Gpus shown, Gpus declared) {
    return !declared.any()
        ? ""
        : " and "
            + shown.count()
            + " of "
            + declared.count()
            + (declared.count() == 1 ? " GPU" : " GPUs")
            + (shown.any()
                ? " with "
                    + (shown.memoryBytes() >> 20)
                    + " of "
                    + (declared.memoryBytes() >> 20)
                    + " MiB each"
                : "");
  }

  private String minutesUntil(long us) {
    long minutes = Math.max(0, us - nowUs) / 60_000_000 + 1;
    return minutes == 1 ? "a minute" : minutes + " minutes";
  }

  private static String percent(int ppm) {
    int hundredths = (ppm + 50) / 100;
    return hundredths / 100 + "." + (hundredths % 100 < 10 ? "0" : "") + hundredths % 100 + " %";
  }

  /// Why a task's result counts; empty where a provider's word does.
  private static String belief(Graph graph, int task) {
    if (graph.drawn.length == 0) {
      return "; its provider's word counts, as the job asks for no verification";
    }
    int reason = graph.drawn[task];
    if (reason == 0) {
      return "";
    }
    return switch (EventCodec.CHECK_REASONS.get(reason - 1)) {
      case POLICY -> "; others ran it too, as the job asks for";
      case NEWCOMER -> "; others ran it too, because its provider was new";
      case DRAWN -> "; others ran it too: it was drawn to be checked";
      case NATIVE ->
          "; others ran it too and got what counts as alike, because nothing that is believed of its"
              + " provider says that the result of a native task is right";
      case FAILURE -> "; others ran it too, because it was said to have failed";
      case NOT_DRAWN -> "; its provider's word counts: it was not drawn to be checked";
      case NOBODY_ELSE -> "; its provider's word counts: nobody else could have run it";
      case BUDGET ->
          "; its provider's word counts: the job's budget would not have done for a check";
    };
  }

  /// Whether a result counts on the word of a provider that was found out.
  private boolean isDoubtful(Graph graph, int task) {
    if (!graph.backings.isAlone(task)) {
      return false;
    }
    Provider p = state.providers.get(graph.backings.provider(task));
    return p != null && p.distrusted;
  }

  /// What was said so far of a task that is checked.
  private static String soFar(Check check) {
    int best = check.leading().size();
    return best == check.votes.size()
        ? best + (best == 1 ? " provider has run it" : " providers have run it and agree")
        : check.votes.size()
            + " providers have run it and do not agree ("
            + best
            + " say the same)";
  }

  private static String ending(Job job) {
    return switch (job.state) {
      case RUNNING -> "running";
      case DONE -> "all of its tasks are done";
      case FAILED, CANCELLED -> job.reason;
    };
  }

  private Answer aboutJob(Job job) {
    return switch (job.state) {
      case DONE ->
          new Answer(
              "The job is done: "
                  + job.tasks
                  + " tasks for "
                  + Text.credits(job.charged)
                  + ", and "
                  + Text.credits(job.budget - job.charged)
                  + " of its budget were returned"
                  + reviewed(job)
                  + ".",
              job.doubtful == 0
                  ? List.of()
                  : List.of("submit it again under a new nonce if that will not do"));
      case FAILED ->
          new Answer(
              "The job failed: " + job.reason + ".",
              List.of(
                  job.failed > 0
                      ? "look at the records of the task that failed, change what it names and"
                          + " submit the job under a new nonce"
                      : "submit the job under a new nonce with more of what it lacked: credits, time"
                          + " until its deadline, or providers",
                  "what the job did not use of its budget has been returned"));
      case CANCELLED ->
          new Answer(
              "The job was ended: " + job.reason + ".",
              List.of("submit it again under a new nonce if it is still wanted"));
      case RUNNING -> {
        if (job.leased == 0 && job.ready > 0) {
          Graph graph = job.graph();
          Answer ready = aboutReady(job, graph, firstReady(job, graph));
          yield job.isTimed()
              ? new Answer(ready.sentence() + " " + due(job), ready.wouldHelp())
              : ready;
        }
        yield new Answer(
            "The job is running: "
                + job.done
                + " of "
                + job.tasks
                + " tasks are done, providers have "
                + job.leased
                + ", "
                + job.ready
                + " are ready for a provider and "
                + job.waiting
                + " wait for other tasks"
                + reviewed(job)
                + "."
                + (job.isTimed() ? " " + due(job) : ""),
            List.of());
      }
    };
  }

  private String due(Job job) {
    long leftMs = (job.dueUs - nowUs) / 1_000;
    return leftMs > 0
        ? "It must be done within " + Text.seconds(leftMs) + "."
        : "Its time is over: it ends in the next round.";
  }

  /// What became of results that a provider had given that was found out.
  private static String reviewed(Job job) {
    if (job.reviewed == 0) {
      return "";
    }
    return "; "
        + job.reviewed
        + (job.reviewed == 1 ? " result" : " results")
        + " of providers that were found out since were looked at again: "
        + job.replaced
        + " were wrong and replaced, "
        + job.redone
        + (job.redone == 1 ? " task that had" : " tasks that had")
        + " used them ran again, "
        + job.doubtful
        + " could not be checked, and "
        + Text.credits(job.reversed)
        + " were taken back"
        + (job.reopened > 0 ? ", for which the job ran again after it had been done" : "");
  }

  private static int firstReady(Job job, Graph graph) {
    for (int t = 0; t < job.tasks; t++) {
      if (graph.state[t] == Graph.READY) {
        return t;
      }
    }
    throw new IllegalStateException("job " + job.id + " counts ready tasks but has none");
  }

  private Answer aboutTask(Job job, Graph graph, int task) {
    String name = "Task " + graph.spec.taskName(task);
    if (graph.state[task] == Graph.DONE) {
      String why = isDoubtful(graph, task) ? DOUBTFUL : belief(graph, task);
      return new Answer(
          name
              + " is done, in "
              + attempts(graph.attempts[task])
              + why
              + (graph.kind(task).isNative()
                  ? ". It is a native task, which nobody can replay: its result was not verified."
                  : "."),
          why.equals(DOUBTFUL)
              ? List.of("submit the job again under a new nonce when other providers are there")
              : List.of());
    }
    if (graph.state[task] == Graph.FAILED) {
      return new Answer(
          name + " failed for good: " + job.reason + ".",
          List.of("look at its records, change what they name and submit the job again"));
    }
    if (!job.isRunning()) {
      return new Answer(
          name + " was not finished because the job has ended: " + job.reason + ".", List.of());
    }
    return switch (graph.state[task]) {
      case Graph.WAITING -> aboutWaiting(graph, task, name);
      case Graph.LEASED -> aboutLeased(job, task, name);
      default -> aboutReady(job, graph, task);
    };
  }

  private static String attempts(int count) {
    return count == 1 ? "1 attempt" : count + " attempts";
  }

  private static Answer aboutWaiting(Graph graph, int task, String name) {
    Check check = graph.checks.get(task);
    if (check != null && check.isComparing()) {
      return new Answer(
          name
              + " was run by "
              + check.votes.size()
              + " providers, and the pool compares what the last one got with what the others got.",
          List.of("wait"));
    }
    List<String> open = new ArrayList<>();
    int more = 0;
    for (int before : graph.dependsOn(task)) {
      if (graph.state[before] == Graph.DONE) {
        continue;
      }
      if (open.size() < NAMES) {
        open.add(graph.spec.taskName(before));
      } else {
        more++;
      }
    }
    String others = more == 0 ? "" : " and " + more + " more";
    return new Answer(
        name + " waits for " + String.join(", ", open) + others + ", which must end first.",
        List.of("ask why " + open.getFirst() + " is not done"));
  }

  private Answer aboutLeased(Job job, int task, String name) {
    for (OpenLease l = job.firstLease; l != null; l = l.afterInJob) {
      if (l.task == task && !l.spare) {
        boolean queued = l.provider.usedCores > l.provider.cores();
        String since = " for " + Math.max(0, (nowUs - l.assignedUs) / 1_000) + " ms";
        String where =
            queued
                ? " has been with provider "
                    + l.provider.name()
                    + since
                    + ", which has more than it can run at once, so it may still be queued there"
                : " has been running on provider " + l.provider.name() + since;
        return new Answer(
            name + where + " (attempt " + l.attempt + ")" + beside(l) + ".",
            List.of(
                "if no report comes within "
                    + Math.max(0, (l.deadlineUs - nowUs) / 1_000_000)
                    + " s it counts as lost and is tried elsewhere"));
      }
    }
    throw new IllegalStateException("a leased task has no lease");
  }

  private String beside(OpenLease lease) {
    OpenLease copy = lease.twin;
    return copy == null
        ? ""
        : "; it would probably end sooner elsewhere, so it also runs on provider "
            + copy.provider.name()
            + ", for "
            + Math.max(0, (nowUs - copy.assignedUs) / 1_000)
            + " ms (attempt "
            + copy.attempt
            + "), and whichever ends first counts";
  }

  private boolean hasWhatItReads(Graph graph, int task, Provider p) {
    Holdings.Needs needs = state.holdings.of(graph, task);
    return !needs.isEmpty() && needs.lackedBy(p) < needs.all() / 2;
  }

  private static String sizes(int cores, long memoryBytes, Gpus gpus, boolean withGpus) {
    return cores
        + (cores == 1 ? " core, " : " cores, ")
        + memoryBytes
        + " bytes of memory"
        + (withGpus
            ? ", "
                + gpus.count()
                + (gpus.count() == 1 ? " GPU" : " GPUs")
                + " with "
                + gpus.memoryBytes()
                + " bytes each"
            : "");
  }

  private Answer aboutReady(Job job, Graph graph, int task) {
    String name = "Task " + graph.spec.taskName(task);
    TaskKind kind = graph.kind(task);
    int[] excluded = graph.excludedFor(task);
    Group.Shape shape = graph.group(task).shape;
    int serving = 0;
    int willing = 0;
    int fitting = 0;
    Check check = graph.checks.get(task);
    int allowed = 0;
    int open = 0;
    int measured = 0;
    int cores = 0;
    long memoryBytes = 0;
    int gpus = 0;
    long gpuBytes = 0;
    for (Provider p : state.providers.values()) {
      if (!p.takesWork()) {
        continue;
      }
      serving++;
      if (shape.platform() != null && p.platform != shape.platform()) {
        continue;
      }
      willing++;
      cores = Math.max(cores, p.cores());
      memoryBytes = Math.max(memoryBytes, p.memoryBytes());
      gpus = Math.max(gpus, p.gpus().count());
      gpuBytes = Math.max(gpuBytes, p.gpus().memoryBytes());
      if (p.fits(shape)) {
        fitting++;
        boolean may = !OpenProviders.contains(excluded, p.index);
        allowed += may ? 1 : 0;
        open += may && p.takes(shape) ? 1 : 0;
        measured += may && p.askedId != 0 ? 1 : 0;
      }
    }
    String needs = sizes(kind.cores(), kind.memoryBytes(), shape.gpus(), shape.gpus().any());
    if (serving == 0) {
      return new Answer(
          name + " is ready, but no provider takes tasks now.",
          List.of("start a provider", "wait for a provider that drains or is gone to come back"));
    }
    Platform platform = shape.platform();
    if (platform != null && willing == 0) {
      return new Answer(
          name
              + " is not placed because no provider runs native tasks for "
              + platform.word()
              + " now.",
          List.of(
              "start a provider that does (perseid provider --native)",
              "make it a portable module, which every provider runs"));
    }
    if (fitting == 0) {
      return new Answer(
          name
              + " is not placed because no provider is large enough: it needs "
              + needs
              + ", and the largest offers are "
              + sizes(cores, memoryBytes, new Gpus(gpus, gpuBytes), shape.gpus().any())
              + ".",
          List.of("lower the needs of kind " + kind.name(), "start a larger provider"));
    }
    if (job.unheld() == 0 && job.leases > 0) {
      return new Answer(
          name
              + " waits for credits: the whole rest of the job's budget is held by the "
              + job.leases
              + " leases that run now, for the most that each may cost.",
          List.of(
              "wait: what they do not use comes free when they end",
              "give the job a larger budget, or its kinds tighter gas, time and output limits"));
    }
    long hold = Round.nextHold(state, job);
    if (state.treasury.isVouched() && !state.treasury.covers(job.payer, hold, nowUs)) {
      return new Answer(
          name + " waits: " + state.treasury.uncovered(job.payer, hold, nowUs) + ".",
          List.of(
              "sign the voucher", "wait: what running tasks do not use comes free when they end"));
    }
    if (check != null) {
      int quorum = graph.spec.verification().quorum();
      return new Answer(
          name
              + (check.isReview()
                  ? " had a result that does not count any more, because its provider was found out: "
                  : " has a result that does not count yet: ")
              + soFar(check)
              + ", "
              + quorum
              + " must agree; it waits for another provider to run it, and "
              + allowed
              + " could.",
          allowed == 0
              ? List.of("start another provider", "ask for fewer that agree")
              : List.of("wait", "start another provider"));
    }
    if (allowed == 0) {
      return new Answer(
          name
              + " was tried on every provider that is large enough ("
              + fitting
              + ") without success; it will be tried on one of them again.",
          List.of("look at its records for what went wrong", "start another provider"));
    }
    int first = state.lines.dueBefore(graph.group(task));
    if (open == 0) {
      String again = excluded.length == 0 ? "" : " that has not failed it before";
      return new Answer(
          name
              + " is ready, but every provider large enough"
              + again
              + (measured == 0
                  ? " is busy"
                  : measured == allowed
                      ? " is being measured, which takes a few seconds"
                      : " is busy or being measured")
              + after(first)
              + ".",
          List.of("wait", "start another provider", "give the job a higher priority"));
    }
    Provider awaited = Round.awaited(state, graph.group(task), task, nowUs);
    if (awaited != null) {
      return new Answer(
          name
              + " waits for provider "
              + awaited.name()
              + (hasWhatItReads(graph, task, awaited)
                  ? ", which is busy but has much of what the task reads, so that it ends sooner"
                      + " there."
                  : graph.spec.thrift().isAny()
                      ? ", which is busy but so much "
                          + cheaper(graph.spec.thrift())
                          + " or faster than what is idle that the job, by its thrift, would rather"
                          + " wait."
                      : ", which is busy but so much faster than what is idle that the task ends sooner"
                          + " there (by what the records say of both)."),
          graph.spec.thrift().isAny()
              ? List.of(
                  "wait",
                  "start another provider that is as "
                      + (graph.spec.thrift().heedsPower() ? "frugal" : "cheap"),
                  "submit it with less thrift")
              : List.of("wait", "start another provider that is as fast"));
    }
    return new Answer(
        name
            + " is ready and will be placed in the next rounds, after what has a higher priority or"
            + " came before it"
            + after(first)
            + ".",
        List.of("give the job a higher priority"));
  }

  private static String cheaper(Thrift thrift) {
    return !thrift.heedsPower()
        ? "cheaper"
        : thrift.msPerCredit() > 0 ? "cheaper, more frugal" : "more frugal";
  }

  /// What to add where others come first though their jobs have the same priority.
  private static String after(int consumers) {
    return consumers == 0
        ? ""
        : "; "
            + consumers
            + (consumers == 1 ? " other consumer with" : " other consumers with")
            + " jobs of the same priority"
            + (consumers == 1 ? " is" : " are")
            + " due first, having less of the pool now or having waited longer for a turn";
  }
}
