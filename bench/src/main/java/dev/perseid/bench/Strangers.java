package dev.perseid.bench;

import dev.perseid.core.Belief;
import dev.perseid.core.Bond;
import dev.perseid.core.Evidence;
import dev.perseid.core.TrustRule;
import dev.perseid.core.TrustRule.Newcomers;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// A world of hosts that compute for each other, some of which err or cheat, from one seed: what a
/// rule of checking costs there, and what it lets through. Time does not pass, so nothing is
/// forgotten.
final class Strangers {
  /// What the bad ones do.
  enum Habit {
    /// Each wrong result is another.
    BY_CHANCE,
    /// All give the same wrong result.
    TOGETHER,
    /// All give the same wrong result, and of the same jobs.
    SAME_JOBS,
    /// Right for thirty jobs, then all the same wrong result, always.
    AFTER_THIRTY,
    /// Right where a job is small.
    LARGE_JOBS
  }

  /// A population.
  enum Kind {
    HONEST("all honest", 0, 0, Habit.BY_CHANCE, false),
    ERRING("5 % err 5 %", 0.05, 0.05, Habit.BY_CHANCE, false),
    CHEATING("20 % err 30 %", 0.2, 0.3, Habit.BY_CHANCE, false),
    COLLUDING("20 % err 30 %, together", 0.2, 0.3, Habit.TOGETHER, false),
    PLOTTING("20 % err 30 %, of the same jobs", 0.2, 0.3, Habit.SAME_JOBS, false),
    SLEEPING("5 % turn after 30 jobs", 0.05, 1, Habit.AFTER_THIRTY, false),
    REJOINING("20 % err 30 %, join anew when caught", 0.2, 0.3, Habit.BY_CHANCE, true),
    RETURNING("20 % together, join anew when caught", 0.2, 0.3, Habit.TOGETHER, true),
    CHOOSING("20 % err 30 %, of large jobs only", 0.2, 0.3, Habit.LARGE_JOBS, false);

    final String title;
    final double share;
    final double error;
    final Habit habit;
    final boolean rejoins;

    Kind(String title, double share, double error, Habit habit, boolean rejoins) {
      this.title = title;
      this.share = share;
      this.error = error;
      this.habit = habit;
      this.rejoins = rejoins;
    }
  }

  /// What came of it.
  ///
  /// @param executions for each job, all checks and re-audits included
  /// @param wrongBefore share of the jobs whose result was wrong when it was accepted
  /// @param wrongAfter share of the jobs whose result is wrong in the end
  /// @param lies wrong results that bad hosts gave for jobs of their own
  /// @param paidLies of those, how many stay paid
  /// @param catches how often a bad host was caught
  /// @param cheatsCaught share of the bad hosts that were caught at least once
  /// @param honestCaught how many honest hosts were caught
  /// @param taken of the bonds of bad hosts, in prices
  record Tally(
      double executions,
      double wrongBefore,
      double wrongAfter,
      long lies,
      long paidLies,
      long catches,
      double cheatsCaught,
      int honestCaught,
      double taken) {
    /// What a wrong result brings on average, in prices, where each was computed for nothing.
    ///
    /// @param stake what is lost each time that a host is caught
    double profit(int stake) {
      return (double) (paidLies - stake * catches) / lies;
    }

    /// The same with bonds, of which a part is taken for each result that is found wrong.
    double profit() {
      return (paidLies - taken) / lies;
    }
  }

  private static final long CREDIT = 1_000_000;
  private static final long SMALL = 1_000_000;
  private static final long LARGE = 1_000 * SMALL;
  private static final int SLEEPS = 30;
  private static final int BOINC_VALID = 10;
  private static final int QUORUM = 2;
  private static final int COMPARED = 6;
  private static final int MOST_VOTES = 9;

  /// Right; other numbers are wrong results.
  private static final long RIGHT = 0;

  private static final long AGREED_LIE = 1;

  private final Kind kind;
  private final SplittableRandom dice;
  private final long plot;
  private final List<Host> hosts = new ArrayList<>();

  /// What each host bonds when it joins, in prices.
  private final int bonded;

  private boolean blind;

  private double taken;
  private long executions;
  private long ownLie = AGREED_LIE;

  /// Results that were accepted under the rule, and hosts whose earlier ones are to be looked at
  /// again.
  private final List<Accepted> all = new ArrayList<>();

  private final List<Host> toAudit = new ArrayList<>();
  private Newcomers newcomers = Newcomers.NONE;
  private long lies;
  private long catches;
  private int innocent;

  private static final class Host {
    final boolean bad;
    double bond;
    long done;
    int valid;
    Evidence evidence = Evidence.NONE;
    boolean excluded;
    boolean everCaught;

    /// Accepted results that rest on this host's word alone.
    List<Accepted> alone = new ArrayList<>();

    /// Accepted results that rest on its word and others'.
    List<Accepted> vouched = new ArrayList<>();

    Host(boolean bad, int bonded) {
      this.bad = bad;
      this.bond = bonded;
    }
  }

  private static final class Accepted {
    final int job;
    final Host by;
    final boolean lie;
    long value;
    List<Host> vouchers;

    Accepted(int job, Host by, boolean lie, long value, List<Host> vouchers) {
      this.job = job;
      this.by = by;
      this.lie = lie;
      this.value = value;
      this.vouchers = vouchers;
    }
  }

  private record Vote(Host host, long value) {}

  Strangers(Kind kind, int count, int seed) {
    this(kind, count, seed, 0);
  }

  /// @param bonded what each host has at stake when it joins, in prices
  Strangers(Kind kind, int count, int seed, int bonded) {
    this.kind = kind;
    this.bonded = bonded;
    this.dice = new SplittableRandom(seed * 31L + kind.title.hashCode());
    this.plot = dice.nextLong();
    int bad = (int) Math.round(count * kind.share);
    for (int h = 0; h < count; h++) {
      hosts.add(new Host(h < bad, bonded));
    }
  }

  private long result(Host host, int job) {
    executions++;
    host.done++;
    if (!host.bad) {
      return RIGHT;
    }
    return switch (kind.habit) {
      case BY_CHANCE -> dice.nextDouble() < kind.error ? ++ownLie : RIGHT;
      case TOGETHER -> dice.nextDouble() < kind.error ? AGREED_LIE : RIGHT;
      case SAME_JOBS ->
          new SplittableRandom(plot ^ job).nextDouble() < kind.error ? AGREED_LIE : RIGHT;
      case AFTER_THIRTY -> host.done > SLEEPS ? AGREED_LIE : RIGHT;
      case LARGE_JOBS -> isLarge(job) && dice.nextDouble() < kind.error ? ++ownLie : RIGHT;
    };
  }

  /// One in ten, where that matters.
  private boolean isLarge(int job) {
    return kind.habit == Habit.LARGE_JOBS && job % 10 == 0;
  }

  /// How much work a job is, as the rule sees it.
  private long gas(int job) {
    return isLarge(job) && !blind ? LARGE : SMALL;
  }

  /// Has the rule take all jobs for equally large.
  Strangers blind() {
    blind = true;
    return this;
  }

  private Host any() {
    return hosts.get(dice.nextInt(hosts.size()));
  }

  // ---- BOINC --------------------------------------------------------------------------------

  /// BOINC's adaptive replication: a host is trusted with probability 1 - 1/v after ten results in
  /// a row that were found valid, v of them; else two results must agree. Nothing is looked at
  /// again.
  Tally underBoinc(int jobsOfOne) {
    int jobs = hosts.size() * jobsOfOne;
    long wrong = 0;
    for (int job = 0; job < jobs; job++) {
      Host first = any();
      boolean trusted = first.valid >= BOINC_VALID && dice.nextDouble() > 1.0 / first.valid;
      List<Vote> votes = new ArrayList<>();
      votes.add(new Vote(first, result(first, job)));
      while (!trusted && count(votes, leading(votes)) < QUORUM) {
        Host next = any();
        if (votes.stream().noneMatch(v -> v.host == next)) {
          votes.add(new Vote(next, result(next, job)));
        }
      }
      long accepted = leading(votes);
      wrong += accepted == RIGHT ? 0 : 1;
      if (!trusted) {
        for (Vote vote : votes) {
          vote.host.valid = vote.value == accepted ? vote.host.valid + 1 : 0;
        }
      }
    }
    double share = (double) wrong / jobs;
    return new Tally((double) executions / jobs, share, share, 0, 0, 0, 0, 0, 0);
  }

  private static long leading(List<Vote> votes) {
    long best = votes.getFirst().value;
    for (Vote vote : votes) {
      if (count(votes, vote.value) > count(votes, best)) {
        best = vote.value;
      }
    }
    return best;
  }

  private static int count(List<Vote> votes, long value) {
    return (int) votes.stream().filter(v -> v.value == value).count();
  }

  // ---- the rule -----------------------------------------------------------------------------

  /// @param canaryPpm of the checks of hosts that are not new, so many millionths are made with a
  ///   task whose result is known in place of the host's own: nobody else runs anything, and the
  ///   host's own result is accepted
  Tally underRule(TrustRule rule, int jobsOfOne, int canaryPpm) {
    int count = hosts.size();
    int jobs = count * jobsOfOne;
    List<Host> badOnes = hosts.stream().filter(h -> h.bad).toList();
    long wrongBefore = 0;
    for (int job = 0; job < jobs; job++) {
      Host first = someone(rule, job);
      long value = result(first, job);
      boolean lie = value != RIGHT;
      lies += lie ? 1 : 0;
      Accepted accepted = new Accepted(job, first, lie, value, List.of(first));
      all.add(accepted);
      if (dice.nextInt(1_000_000) >= rule.checkPpm(backed(rule, first, job), newcomers, 0)) {
        first.alone.add(accepted);
      } else if (canaryPpm > 0
          && !rule.isNew(backed(rule, first, job), newcomers)
          && dice.nextInt(1_000_000) < canaryPpm) {
        first.alone.add(accepted);
        canary(rule, first, jobs + job);
      } else {
        List<Vote> votes = new ArrayList<>();
        votes.add(new Vote(first, value));
        settle(rule, accepted, votes, false);
      }
      wrongBefore += accepted.value == RIGHT ? 0 : 1;
      while (!toAudit.isEmpty()) {
        audit(rule, toAudit.removeLast());
      }
    }
    long wrongAfter = all.stream().filter(a -> a.value != RIGHT).count();
    long paidLies = all.stream().filter(a -> a.lie && a.value != RIGHT && !a.by.excluded).count();
    long caught = badOnes.stream().filter(h -> h.everCaught).count();
    return new Tally(
        (double) executions / jobs,
        (double) wrongBefore / jobs,
        (double) wrongAfter / jobs,
        lies,
        paidLies,
        catches,
        badOnes.isEmpty() ? 0 : (double) caught / badOnes.size(),
        innocent,
        taken);
  }

  /// What is believed of a host with what it has at stake; an execution costs a credit.
  private Belief backed(TrustRule rule, Host host, int job) {
    long credits = (long) (host.bond * CREDIT);
    return rule.backed(
        host.evidence.about(gas(job)), new Bond(credits, Optional.empty(), 1), CREDIT, 0);
  }

  private void takeFrom(Host host) {
    double part = host.bond * Bond.TAKEN_PERMILLE / 1_000;
    host.bond -= part;
    taken += host.bad ? part : 0;
  }

  /// Has a host run what looks like any other job and whose result is known.
  private void canary(TrustRule rule, Host host, int job) {
    if (result(host, job) == RIGHT) {
      host.evidence = host.evidence.right(rule, 1, 1);
      return;
    }
    host.evidence = host.evidence.wrong(rule, 1);
    if (rule.excludes(host.evidence.whole())) {
      exclude(host);
    }
  }

  /// Whoever gets the next job: new hosts as often as those before them turned out well.
  private Host someone(TrustRule rule, int job) {
    while (true) {
      Host h = any();
      if (!rule.isNew(backed(rule, h, job), newcomers)
          || dice.nextInt(1_000_000) < rule.admittedPpm(newcomers)) {
        return h;
      }
    }
  }

  /// Asks others until the result is settled: two that agree, or, once there was disagreement, two
  /// more than all others together. Those who were found wrong are put down for a re-audit.
  ///
  /// @param reread whether the first vote is of a host that was caught and counts for nothing
  private void settle(TrustRule rule, Accepted accepted, List<Vote> votes, boolean reread) {
    int from = reread ? 1 : 0;
    while (true) {
      List<Vote> counted = votes.subList(from, votes.size());
      if (!counted.isEmpty()) {
        long best = leading(counted);
        int agree = count(counted, best);
        int differ = counted.size() - agree;
        boolean confirmed = reread && differ == 0 && best == votes.getFirst().value;
        if (confirmed
            || (agree >= QUORUM && (differ == 0 || agree >= differ + QUORUM))
            || votes.size() >= MOST_VOTES) {
          conclude(rule, accepted, counted, best);
          return;
        }
      }
      Host next = another(rule, votes, reread || votes.size() >= QUORUM);
      if (next == null) {
        conclude(rule, accepted, counted, leading(counted.isEmpty() ? votes : counted));
        return;
      }
      votes.add(new Vote(next, result(next, accepted.job)));
    }
  }

  /// Another host, at random; the one believed most of a few, where two have differed already.
  private @Nullable Host another(TrustRule rule, List<Vote> votes, boolean best) {
    Host found = null;
    int looks = best ? COMPARED : 1;
    for (int tries = 0; tries < 10 * COMPARED && looks > 0; tries++) {
      Host h = any();
      if (votes.stream().noneMatch(v -> v.host == h)) {
        looks--;
        if (found == null
            || rule.doubtPpm(h.evidence.whole()) < rule.doubtPpm(found.evidence.whole())) {
          found = h;
        }
      }
    }
    return found;
  }

  private void conclude(TrustRule rule, Accepted accepted, List<Vote> votes, long value) {
    accepted.value = value;
    List<Host> vouchers = new ArrayList<>();
    List<Host> wrong = new ArrayList<>();
    for (Vote vote : votes) {
      if (vote.value == value) {
        vouchers.add(vote.host);
        boolean wasNew = rule.isNew(vote.host.evidence.whole(), newcomers);
        vote.host.evidence = vote.host.evidence.right(rule, gas(accepted.job), 1);
        if (wasNew && !rule.isNew(vote.host.evidence.whole(), newcomers)) {
          newcomers = new Newcomers(newcomers.passed() + 1, newcomers.caught());
        }
      } else {
        wrong.add(vote.host);
      }
    }
    accepted.vouchers = List.copyOf(vouchers);
    for (Host h : vouchers) {
      (vouchers.size() == 1 ? h.alone : h.vouched).add(accepted);
    }
    for (Host h : wrong) {
      takeFrom(h);
      if (!h.excluded) {
        boolean wasNew = rule.isNew(h.evidence.whole(), newcomers);
        h.evidence = h.evidence.wrong(rule, 1);
        if (wasNew) {
          newcomers = new Newcomers(newcomers.passed(), newcomers.caught() + 1);
        }
        if (rule.excludes(h.evidence.whole())) {
          exclude(h);
        }
      }
    }
  }

  private void exclude(Host host) {
    host.excluded = true;
    host.everCaught = true;
    catches += host.bad ? 1 : 0;
    innocent += host.bad ? 0 : 1;
    hosts.remove(host);
    toAudit.add(host);
    if (host.bad && kind.rejoins) {
      hosts.add(new Host(true, bonded));
    }
  }

  /// Looks again at all that rests on a caught host's word, newest first.
  private void audit(TrustRule rule, Host caught) {
    for (Accepted a : caught.alone.reversed()) {
      if (a.vouchers.size() == 1 && a.vouchers.getFirst() == caught) {
        List<Vote> votes = new ArrayList<>();
        votes.add(new Vote(caught, a.value));
        long before = a.value;
        settle(rule, a, votes, true);
        if (a.value != before) {
          takeFrom(caught);
        }
      }
    }
    caught.alone = new ArrayList<>();
    for (Accepted a : caught.vouched) {
      if (a.vouchers.contains(caught)) {
        a.vouchers = a.vouchers.stream().filter(h -> h != caught).toList();
        if (a.vouchers.size() == 1) {
          a.vouchers.getFirst().alone.add(a);
        }
      }
    }
    caught.vouched = new ArrayList<>();
  }
}
