package dev.perseid.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.OptionalLong;

/// One look at a trace.
final class Inquiry {
  /// A delay, or a change, below so small a part of the span is not worth a line.
  private static final double WORTH_TELLING = 0.005;

  private static final double STRAGGLES = 2;
  private static final int LEAST_FOR_STRAGGLERS = 5;

  /// Below half of what it asked for, a kind asked for too much; above this part, for too little.
  private static final double TIGHT = 0.95;

  private final Trace trace;
  private final Pieces pieces;
  private final int cores;
  private final long span;

  /// For each piece how long the longest chain is that begins with it, or ends with it.
  private final long[] toEnd;

  private final long[] fromBegin;
  private final long chainNs;
  private final boolean[] onPath;
  private final long[] pathNs;

  /// How long each attempt ran itself, without what it waited for those that it forked.
  private final long[] own;

  private final List<Findings.Step> path = new ArrayList<>();
  private final List<Findings.Share> where = new ArrayList<>();

  Inquiry(Trace given, OptionalLong wanted) throws TraceFailure {
    trace = timed(given, wanted);
    pieces = Pieces.of(trace);
    cores = Math.clamp(wanted.orElse(Math.max(pieces.capacity, 1)), 1, Integer.MAX_VALUE / 2);
    span = pieces.finish - pieces.begin;
    fromBegin = new long[pieces.count];
    toEnd = new long[pieces.count];
    long longest = 0;
    for (int p = 0; p < pieces.count; p++) {
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        fromBegin[p] = Math.max(fromBegin[p], fromBegin[pieces.deps[e]]);
      }
      fromBegin[p] += useful(p);
      longest = Math.max(longest, fromBegin[p]);
    }
    for (int p = pieces.count - 1; p >= 0; p--) {
      toEnd[p] += useful(p);
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        toEnd[pieces.deps[e]] = Math.max(toEnd[pieces.deps[e]], toEnd[p]);
      }
    }
    chainNs = longest;
    own = new long[trace.attempts()];
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] >= 0) {
        own[pieces.attempt[p]] += pieces.ran(p);
      }
    }
    for (int p = 0; p < pieces.count; p++) {
      int a = pieces.attempt[p];
      if (a >= 0 && pieces.first[p] && own[a] == pieces.ran(p)) {
        own[a] = trace.ranNs(a).orElse(own[a]);
      }
    }
    onPath = new boolean[pieces.count];
    pathNs = new long[trace.kinds().size()];
    walkBack();
  }

  /// Times by a rerun where there are none, but run times.
  static Trace timed(Trace given, OptionalLong wanted) throws TraceFailure {
    boolean ran = false;
    for (int a = 0; a < given.attempts(); a++) {
      if (given.raw(a, Measure.START) != Trace.UNKNOWN) {
        return given;
      }
      ran |= given.raw(a, Measure.WALL) != Trace.UNKNOWN;
    }
    if (!ran) {
      throw new TraceFailure(
          given.id()
              + ": no task has run yet, or no run time was recorded"
              + (given.notes().isEmpty() ? "" : "; " + String.join("; ", given.notes())));
    }
    if (wanted.isEmpty() && given.cores().isEmpty()) {
      throw new TraceFailure(
          given.id() + ": no task has a start time; say on how many cores to rerun it: --cores N");
    }
    return Rerun.timed(given, (int) wanted.orElse(given.cores().orElse(1)));
  }

  Trace trace() {
    return trace;
  }

  Pieces pieces() {
    return pieces;
  }

  boolean[] onPath() {
    return onPath;
  }

  private long useful(int p) {
    return pieces.counts[p] ? pieces.ran(p) : 0;
  }

  /// How much longer a task could have run without making the longest chain longer.
  long[] slack() {
    long[] slack = new long[trace.tasks()];
    Arrays.fill(slack, Long.MAX_VALUE);
    for (int p = 0; p < pieces.count; p++) {
      int t = pieces.task[p];
      slack[t] = Math.min(slack[t], chainNs - (fromBegin[p] + toEnd[p] - useful(p)));
    }
    return slack;
  }

  // ---- the chain that led to the end

  private void walkBack() {
    int at = -1;
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] >= 0 && (at < 0 || pieces.end[p] > pieces.end[at])) {
        at = p;
      }
    }
    EnumMap<Part, Long> parts = new EnumMap<>(Part.class);
    long time = pieces.finish;
    KindWork work = new KindWork(pieces);
    double[] coresHad = new double[trace.kinds().size()];
    long divided = 0;
    while (at >= 0) {
      int p = at;
      onPath[p] = true;
      long until = Math.min(time, pieces.end[p]);
      parts.merge(Part.HANDOVER, time - until, Long::sum);
      time = Math.min(until, Math.max(pieces.begin, pieces.start[p]));
      if (pieces.counts[p] && pieces.attempt[p] >= 0) {
        pathNs[trace.kindOf(pieces.task[p])] += until - time;
        parts.merge(Part.RUNNING, until - time, Long::sum);
      } else {
        parts.merge(Part.RETRYING, until - time, Long::sum);
      }
      long started = time;
      for (Part part : Part.values()) {
        if (part.wait) {
          long wait = Math.min(pieces.wait(part, p), time - pieces.begin);
          parts.merge(part, wait, Long::sum);
          if (part == Part.PROVIDER && divided < Limits.DIVISIONS) {
            divided += coresHad.length;
            work.divide(time - wait - pieces.begin, time - pieces.begin, coresHad);
          }
          time -= wait;
        }
      }
      if (path.size() < Limits.PATH_STEPS && pieces.attempt[p] >= 0) {
        int a = pieces.attempt[p];
        path.add(
            new Findings.Step(
                trace.name(pieces.task[p]),
                trace.kind(pieces.task[p]),
                trace.number(a),
                trace.place(a),
                started - pieces.begin,
                until - started,
                started - time));
      }
      at = -1;
      for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
        int d = pieces.deps[e];
        if (at < 0 || pieces.end[d] > pieces.end[at]) {
          at = d;
        }
      }
    }
    parts.merge(Part.ARRIVING, time - pieces.begin, Long::sum);
    Collections.reverse(path);
    for (Part part : Part.values()) {
      if (part == Part.RUNNING) {
        for (int k = 0; k < pathNs.length; k++) {
          if (pathNs[k] > 0) {
            where.add(new Findings.Share(part, trace.kinds().get(k), pathNs[k]));
          }
        }
      } else {
        long rest = parts.getOrDefault(part, 0L);
        for (int k = 0; part == Part.PROVIDER && k < coresHad.length; k++) {
          long had = Math.min(rest, Math.round(coresHad[k]));
          if (had > 0) {
            where.add(new Findings.Share(part, trace.kinds().get(k), had));
            rest -= had;
          }
        }
        if (rest > 0) {
          where.add(new Findings.Share(part, "", rest));
        }
      }
    }
    where.sort(Comparator.comparingLong(Findings.Share::ns).reversed());
  }

  private List<String> chain() {
    List<String> names = new ArrayList<>();
    int at = -1;
    for (int p = 0; p < pieces.count; p++) {
      if (fromBegin[p] == chainNs && (at < 0 || pieces.attempt[p] >= 0)) {
        at = p;
        break;
      }
    }
    int lastTask = -1;
    while (at >= 0 && names.size() < Limits.PATH_STEPS) {
      if (useful(at) > 0 && pieces.task[at] != lastTask) {
        lastTask = pieces.task[at];
        names.add(trace.name(lastTask));
      }
      int before = -1;
      for (int e = pieces.depsFrom(at); e < pieces.depsTo[at]; e++) {
        int d = pieces.deps[e];
        if (before < 0 || fromBegin[d] > fromBegin[before]) {
          before = d;
        }
      }
      at = before;
    }
    Collections.reverse(names);
    return names;
  }

  // ---- all together

  Findings findings() {
    long work = 0;
    long vain = 0;
    for (int p = 0; p < pieces.count; p++) {
      work += useful(p) * pieces.cores[p];
    }
    for (int a = 0; a < trace.attempts(); a++) {
      Ending ending = trace.ending(a);
      if (!ending.good() && ending != Ending.SKIPPED && ending != Ending.NOT_CHOSEN) {
        vain++;
      }
    }
    double[] busy = new double[Limits.PARALLEL_PARTS];
    int peak = parallel(busy);
    double mean = 0;
    List<Double> parallel = new ArrayList<>();
    for (double b : busy) {
      mean += b / busy.length;
      parallel.add(b);
    }
    List<Findings.Kind> kinds = kinds();
    List<String> notes = new ArrayList<>(trace.notes());
    if (trace.synthetic()) {
      notes.add(
          "the file has run times but no start times: all times are of a rerun on "
              + cores
              + (cores == 1 ? " core" : " cores")
              + ", the longest chain first");
    }
    if (pieces.backwards > 0) {
      notes.add(
          pieces.backwards
              + " attempts have times that run backwards, the first is "
              + pieces.firstBackwards
              + ": they ended before they started, or started before what they depend on had ended;"
              + " what lies between is counted as nothing");
    }
    Reruns reruns = new Reruns(work, kinds);
    return new Findings(
        trace.id(),
        trace.title(),
        trace.tasks(),
        trace.attempts(),
        vain,
        (int) Arrays.stream(pieces.peaks).filter(n -> n > 0).count(),
        cores,
        span,
        List.copyOf(notes),
        List.copyOf(where),
        taskTime(),
        List.copyOf(path),
        kinds,
        reruns.best(),
        reruns.ifs(),
        mean,
        peak,
        List.copyOf(parallel),
        stragglers(),
        new Sizing(trace).sizes(TIGHT));
  }

  private List<Findings.Share> taskTime() {
    EnumMap<Part, Long> parts = new EnumMap<>(Part.class);
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] < 0) {
        continue;
      }
      parts.merge(pieces.counts[p] ? Part.RUNNING : Part.RETRYING, pieces.ran(p), Long::sum);
      if (!pieces.first[p]) {
        continue;
      }
      for (Part part : Part.values()) {
        if (part.wait) {
          parts.merge(part, pieces.wait(part, p), Long::sum);
        }
      }
      boolean firstAttempt =
          trace.attemptAt(trace.attemptsFrom(pieces.task[p])) == pieces.attempt[p];
      if (firstAttempt && pieces.depsFrom(p) < pieces.depsTo[p]) {
        long ended = pieces.begin;
        for (int e = pieces.depsFrom(p); e < pieces.depsTo[p]; e++) {
          ended = Math.max(ended, pieces.end[pieces.deps[e]]);
        }
        parts.merge(Part.DEPENDENCY, ended - pieces.begin, Long::sum);
      }
    }
    List<Findings.Share> shares = new ArrayList<>();
    for (Part part : Part.values()) {
      if (parts.getOrDefault(part, 0L) > 0 && part != Part.ARRIVING) {
        shares.add(new Findings.Share(part, "", parts.getOrDefault(part, 0L)));
      }
    }
    return List.copyOf(shares);
  }

  /// Fills in how many cores were busy in each part of the span.
  ///
  /// @return the most at any moment
  private int parallel(double[] busy) {
    double width = span == 0 ? 1 : (double) span / busy.length;
    double[] change = new double[busy.length + 1];
    int events = 0;
    int[] which = new int[2 * pieces.count];
    long[] times = new long[2 * pieces.count];
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.attempt[p] < 0 || pieces.ran(p) <= 0) {
        continue;
      }
      double from = (pieces.start[p] - pieces.begin) / width;
      double to = (pieces.end[p] - pieces.begin) / width;
      int first = Math.clamp((long) from, 0, busy.length - 1);
      int last = Math.clamp((long) to, 0, busy.length - 1);
      int c = pieces.cores[p];
      if (first == last) {
        busy[first] += c * (to - from);
      } else {
        busy[first] += c * (first + 1 - from);
        busy[last] += c * (to - last);
        change[first + 1] += c;
        change[last] -= c;
      }
      which[events] = -c;
      times[events++] = pieces.end[p];
      which[events] = c;
      times[events++] = pieces.start[p];
    }
    double level = 0;
    for (int i = 0; i < busy.length; i++) {
      level += change[i];
      busy[i] = Math.max(0, busy[i] + level);
    }
    // Ends before starts of the same moment.
    int[] order = new int[events];
    for (int i = 0; i < events / 2; i++) {
      order[i] = 2 * i;
      order[events / 2 + i] = 2 * i + 1;
    }
    int now = 0;
    int peak = 0;
    for (int e : LongOrder.by(times, order)) {
      now += which[e];
      peak = Math.max(peak, now);
    }
    return peak;
  }

  private List<Findings.Kind> kinds() {
    int n = trace.kinds().size();
    long[] tasks = new long[n];
    long[] attempts = new long[n];
    long[] vain = new long[n];
    long[] work = new long[n];
    int[] counted = new int[n];
    long[] slack = slack();
    for (int t = 0; t < trace.tasks(); t++) {
      int k = trace.kindOf(t);
      tasks[k]++;
      attempts[k] += trace.attemptsTo(t) - trace.attemptsFrom(t);
    }
    for (int p = 0; p < pieces.count; p++) {
      int k = trace.kindOf(pieces.task[p]);
      work[k] += useful(p) * pieces.cores[p];
      if (pieces.first[p] && pieces.attempt[p] >= 0) {
        if (pieces.counts[p]) {
          counted[k]++;
        } else {
          vain[k]++;
        }
      }
    }
    long[][] runs = new long[n][];
    long[][] slacks = new long[n][];
    for (int k = 0; k < n; k++) {
      runs[k] = new long[counted[k]];
      slacks[k] = new long[counted[k]];
    }
    int[] at = new int[n];
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.first[p] && pieces.attempt[p] >= 0 && pieces.counts[p]) {
        int k = trace.kindOf(pieces.task[p]);
        runs[k][at[k]] = own[pieces.attempt[p]];
        slacks[k][at[k]++] = slack[pieces.task[p]];
      }
    }
    List<Findings.Kind> kinds = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      Arrays.sort(runs[k]);
      Arrays.sort(slacks[k]);
      kinds.add(
          new Findings.Kind(
              trace.kinds().get(k),
              tasks[k],
              attempts[k],
              vain[k],
              work[k],
              pathNs[k],
              rank(runs[k], 50),
              rank(runs[k], 95),
              rank(runs[k], 100),
              rank(slacks[k], 0),
              rank(slacks[k], 50)));
    }
    kinds.sort(Comparator.comparingLong(Findings.Kind::workNs).reversed());
    return List.copyOf(kinds);
  }

  /// The nearest-rank percentile; 0 of nothing.
  private static long rank(long[] sorted, int percent) {
    if (sorted.length == 0) {
      return 0;
    }
    return sorted[(int) Math.max(0, (sorted.length * (long) percent + 99) / 100 - 1)];
  }

  private List<Findings.Straggler> stragglers() {
    int kinds = trace.kinds().size();
    int places = trace.places().size();
    List<List<Integer>> byKind = new ArrayList<>();
    for (int k = 0; k < kinds; k++) {
      byKind.add(new ArrayList<>());
    }
    for (int p = 0; p < pieces.count; p++) {
      if (pieces.first[p] && pieces.attempt[p] >= 0 && pieces.counts[p]) {
        byKind.get(trace.kindOf(pieces.task[p])).add(pieces.attempt[p]);
      }
    }
    long[] medians = new long[kinds];
    List<List<Double>> ratios = new ArrayList<>();
    for (int i = 0; i < places; i++) {
      ratios.add(new ArrayList<>());
    }
    List<Integer> slow = new ArrayList<>();
    for (int k = 0; k < kinds; k++) {
      List<Integer> of = byKind.get(k);
      long[] runs = of.stream().mapToLong(a -> own[a]).sorted().toArray();
      medians[k] = rank(runs, 50);
      if (of.size() < LEAST_FOR_STRAGGLERS || medians[k] == 0) {
        continue;
      }
      for (int a : of) {
        double ratio = (double) own[a] / medians[k];
        ratios.get(trace.placeOf(a)).add(ratio);
        if (ratio > STRAGGLES) {
          slow.add(a);
        }
      }
    }
    slow.sort(
        Comparator.comparingLong((Integer a) -> medians[trace.kindOf(trace.task(a))] - own[a])
            .thenComparingInt(a -> a));
    double[] slowness = new double[places];
    for (int i = 0; i < places; i++) {
      List<Double> of = ratios.get(i);
      Collections.sort(of);
      slowness[i] = of.isEmpty() ? 1 : of.get((of.size() - 1) / 2);
    }
    List<Findings.Straggler> told = new ArrayList<>();
    for (int a : slow.subList(0, Math.min(slow.size(), Limits.STRAGGLERS))) {
      told.add(
          new Findings.Straggler(
              trace.name(trace.task(a)),
              trace.kind(trace.task(a)),
              trace.place(a),
              own[a],
              medians[trace.kindOf(trace.task(a))],
              slowness[trace.placeOf(a)]));
    }
    return List.copyOf(told);
  }

  /// The reruns, all of one simulation.
  private final class Reruns {
    private final Rerun rerun = new Rerun(pieces);
    private final long work;
    private final List<Findings.Kind> kinds;
    private final long baseline;
    private final long prompt;

    Reruns(long work, List<Findings.Kind> kinds) {
      this.work = work;
      this.kinds = kinds;
      baseline = rerun.makespan(cores);
      drop(Part.DATA);
      drop(Part.HANDOVER);
      dropRetries();
      prompt = rerun.makespan(cores);
      rerun.asItWas();
    }

    private void drop(Part part) {
      for (int p = 0; p < pieces.count; p++) {
        rerun.delay[p] -= pieces.wait(part, p);
      }
    }

    private void dropRetries() {
      drop(Part.RETRYING);
      for (int p = 0; p < pieces.count; p++) {
        if (!pieces.counts[p]) {
          rerun.run[p] = 0;
        }
      }
    }

    Findings.Best best() {
      long share = (work + cores - 1) / cores;
      long bound = Math.max(chainNs, share);
      long arriving =
          where.stream()
              .filter(part -> part.part() == Part.ARRIVING)
              .mapToLong(Findings.Share::ns)
              .sum();
      String sentence;
      if (span > 0 && 2 * arriving >= span) {
        sentence =
            "when the work came: the last tasks were submitted late, and nothing else was waited for most"
                + " of the time";
      } else if (span == 0 || bound >= 0.9 * span) {
        sentence =
            chainNs >= share
                ? "the longest chain of dependent tasks: only shorter tasks on it, or fewer in a row,"
                    + " would help"
                : "the number of cores: all were busy nearly all the time";
      } else if (baseline < 0.9 * span && span - baseline >= baseline - bound) {
        sentence =
            "idle cores: tasks that were ready waited although cores were free, as far as the records"
                + " show";
      } else if (prompt < 0.9 * span && span - prompt >= prompt - bound) {
        sentence =
            "delays: without failures and without waiting for data or for being told, the same cores"
                + " would have needed less";
      } else if (chainNs >= share) {
        sentence =
            "order: the longest chain alone would have taken less, but its tasks waited for cores that"
                + " others had";
      } else {
        sentence =
            "uneven work: cores were idle because too few tasks were ready at once, or because the last"
                + " ones were long";
      }
      return new Findings.Best(chainNs, chain(), work, bound, prompt, baseline, sentence);
    }

    List<Findings.If> ifs() {
      List<Findings.If> ifs = new ArrayList<>();
      int told = 0;
      for (Findings.Kind kind : kinds) {
        if (told++ < Limits.IF_KINDS && kind.workNs() > 0) {
          int k = trace.kinds().indexOf(kind.name());
          for (int p = 0; p < pieces.count; p++) {
            if (trace.kindOf(pieces.task[p]) == k) {
              rerun.run[p] = pieces.ran(p) / 2;
            }
          }
          add(ifs, "every " + kind.name() + " ran twice as fast", cores);
        }
      }
      for (int p : longestOnPath()) {
        rerun.run[p] = pieces.ran(p) / 2;
        add(ifs, "only " + trace.name(pieces.task[p]) + " ran twice as fast", cores);
      }
      if (tells(Part.DATA)) {
        for (int p = 0; p < pieces.count; p++) {
          rerun.delay[p] -= pieces.wait(Part.DATA, p) / 2;
        }
        add(ifs, "data came twice as fast", cores);
      }
      if (tells(Part.HANDOVER)) {
        drop(Part.HANDOVER);
        add(ifs, "tasks were handed over at once", cores);
      }
      if (tells(Part.RETRYING)) {
        dropRetries();
        add(ifs, "no attempt was in vain", cores);
      }
      add(ifs, "there were " + 2L * cores + " cores instead of " + cores, 2 * cores);
      if (cores > 1) {
        String half = cores / 2 == 1 ? "there was 1 core" : "there were " + cores / 2 + " cores";
        add(ifs, half + " instead of " + cores, cores / 2);
      }
      add(ifs, "there were ever so many cores", Integer.MAX_VALUE);
      ifs.sort(Comparator.comparingLong(Findings.If::makespanNs));
      return List.copyOf(ifs);
    }

    private boolean tells(Part part) {
      long sum = 0;
      for (int p = 0; p < pieces.count; p++) {
        sum += pieces.wait(part, p);
        if (part == Part.RETRYING && !pieces.counts[p]) {
          sum += pieces.ran(p);
        }
      }
      return sum > WORTH_TELLING * span;
    }

    private void add(List<Findings.If> ifs, String change, int on) {
      long makespan = rerun.makespan(on);
      ifs.add(new Findings.If(change, makespan, makespan == 0 ? 1 : (double) baseline / makespan));
      rerun.asItWas();
    }

    /// The longest single tasks of the chain that led to the end, of kinds that have others.
    private List<Integer> longestOnPath() {
      List<Integer> found = new ArrayList<>();
      for (int p = 0; p < pieces.count; p++) {
        if (onPath[p] && pieces.counts[p] && useful(p) > WORTH_TELLING * span) {
          found.add(p);
        }
      }
      found.sort(Comparator.comparingLong((Integer p) -> -useful(p)).thenComparingInt(p -> p));
      List<Integer> few = new ArrayList<>();
      for (int p : found) {
        boolean alone =
            kinds.stream()
                .anyMatch(k -> k.name().equals(trace.kind(pieces.task[p])) && k.tasks() == 1);
        if (!alone && few.size() < Limits.IF_TASKS) {
          few.add(p);
        }
      }
      return few;
    }
  }
}
