package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.perseid.core.Entry;
import dev.perseid.core.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What traces tell, beside what somebody finds who tries everything.
class FindingsTest {
  private static final int ROUNDS = 300;

  /// A small job and how a scheduler without delays ran it.
  private static final class Small {
    final int tasks;
    final int cores;
    final long[] run;
    final int[] wants;
    final int[] kind;
    final List<List<Integer>> parents = new ArrayList<>();
    final long[] ready;
    final long[] start;
    long end;

    Small(Random random) {
      tasks = 1 + random.nextInt(9);
      cores = 1 + random.nextInt(3);
      run = new long[tasks];
      wants = new int[tasks];
      kind = new int[tasks];
      ready = new long[tasks];
      start = new long[tasks];
      for (int t = 0; t < tasks; t++) {
        run[t] = 2 * (1 + random.nextInt(50));
        wants[t] = random.nextInt(4) == 0 ? Math.min(cores, 2) : 1;
        kind[t] = random.nextInt(3);
        List<Integer> on = new ArrayList<>();
        for (int p = 0; p < t; p++) {
          if (random.nextInt(3) == 0) {
            on.add(p);
          }
        }
        parents.add(on);
      }
      List<Integer> order = new ArrayList<>();
      for (int t = 0; t < tasks; t++) {
        order.add(t);
      }
      end = schedule(run, cores, order);
    }

    /// The plainest scheduler: moment by moment, the first of those that are ready, in order.
    long schedule(long[] runs, int on, List<Integer> order) {
      long[] began = new long[tasks];
      boolean[] done = new boolean[tasks];
      boolean[] begun = new boolean[tasks];
      int free = on;
      int left = tasks;
      long now = 0;
      while (true) {
        for (int t = 0; t < tasks; t++) {
          if (begun[t] && !done[t] && began[t] + runs[t] == now) {
            done[t] = true;
            free += Math.min(on, wants[t]);
            left--;
          }
        }
        if (left == 0) {
          break;
        }
        for (int t : order) {
          if (begun[t] || !parents.get(t).stream().allMatch(p -> done[p])) {
            continue;
          }
          if (Math.min(on, wants[t]) > free) {
            break;
          }
          begun[t] = true;
          began[t] = now;
          free -= Math.min(on, wants[t]);
        }
        now++;
      }
      if (runs == run && on == cores) {
        System.arraycopy(began, 0, start, 0, tasks);
        for (int t = 0; t < tasks; t++) {
          for (int p : parents.get(t)) {
            ready[t] = Math.max(ready[t], start[p] + run[p]);
          }
        }
      }
      return now;
    }

    Trace trace() throws TraceFailure {
      Trace.Builder b = new Trace.Builder("small").cores(cores);
      for (int t = 0; t < tasks; t++) {
        b.task("t" + t, "k" + kind[t]);
        for (int p : parents.get(t)) {
          b.depends(t, p);
        }
        b.attempt(t, 1, "here", Ending.DONE, "");
        b.set(Measure.READY, ready[t])
            .set(Measure.START, start[t])
            .set(Measure.END, start[t] + run[t])
            .set(Measure.CORES, wants[t]);
      }
      return b.build();
    }

    /// Every way through the job, one after the other.
    long longest(long[] runs) {
      long most = 0;
      for (int t = 0; t < tasks; t++) {
        most = Math.max(most, upTo(t, runs));
      }
      return most;
    }

    private long upTo(int t, long[] runs) {
      long before = 0;
      for (int p : parents.get(t)) {
        before = Math.max(before, upTo(p, runs));
      }
      return before + runs[t];
    }

    List<Integer> byStart() {
      List<Integer> order = new ArrayList<>();
      for (int t = 0; t < tasks; t++) {
        order.add(t);
      }
      order.sort((a, b) -> Long.compare(start[a], start[b]));
      return order;
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void agreesWithTryingEverything(long seed) throws Exception {
    Random random = new Random(seed);
    for (int round = 0; round < ROUNDS; round++) {
      String what = "seed " + seed + ", round " + round;
      Small small = new Small(random);
      Trace trace = small.trace();
      Findings f = Findings.of(trace, OptionalLong.empty());
      assertThat(f.spanNs()).as(what).isEqualTo(small.end);
      assertThat(f.best().chainNs()).as(what).isEqualTo(small.longest(small.run));
      assertThat(f.best().boundNs()).as(what).isLessThanOrEqualTo(small.end);

      // Each moment of the span went to one thing.
      assertThat(f.where().stream().mapToLong(Findings.Share::ns).sum())
          .as(what)
          .isEqualTo(small.end);
      long lives = f.taskTime().stream().mapToLong(Findings.Share::ns).sum();
      long asked = 0;
      for (int t = 0; t < small.tasks; t++) {
        asked += small.start[t] + small.run[t];
      }
      assertThat(lives).as(what).isEqualTo(asked);

      // The chain that led to the end: each step ended when the next was ready, or before.
      long at = f.path().getFirst().startNs() - f.path().getFirst().waitedNs();
      assertThat(at).as(what).isZero();
      for (Findings.Step step : f.path()) {
        assertThat(step.startNs() - step.waitedNs()).as(what).isEqualTo(at);
        at = step.startNs() + step.ranNs();
      }
      assertThat(at).as(what).isEqualTo(small.end);

      // A task that runs on for its slack changes nothing; a moment more does.
      long[] slack = new Inquiry(trace, OptionalLong.empty()).slack();
      for (int t = 0; t < small.tasks; t++) {
        long[] longer = small.run.clone();
        longer[t] += slack[t];
        assertThat(small.longest(longer)).as(what).isEqualTo(f.best().chainNs());
        longer[t]++;
        assertThat(small.longest(longer)).as(what).isGreaterThan(f.best().chainNs());
      }

      // Reruns: as it was, with other cores, with a kind that is faster.
      List<Integer> order = small.byStart();
      assertThat(f.best().rerunNs()).as(what).isEqualTo(small.end);
      for (Findings.If one : f.ifs()) {
        long[] runs = small.run.clone();
        int on = small.cores;
        if (one.change().startsWith("every k")) {
          for (int t = 0; t < small.tasks; t++) {
            runs[t] /= small.kind[t] == one.change().charAt(7) - '0' ? 2 : 1;
          }
        } else if (one.change().startsWith("only t")) {
          runs[one.change().charAt(6) - '0'] /= 2;
        } else if (one.change().contains("ever so many")) {
          on = 1_000;
        } else if (one.change().contains(" instead of ")) {
          on = one.makespanNs() <= small.end ? 2 * small.cores : small.cores / 2;
          long halved = small.cores > 1 ? small.schedule(runs, small.cores / 2, order) : -1;
          long doubled = small.schedule(runs, 2 * small.cores, order);
          assertThat(one.makespanNs()).as(what + one).isIn(halved, doubled);
          continue;
        }
        assertThat(one.makespanNs()).as(what + one).isEqualTo(small.schedule(runs, on, order));
        assertThat(one.speedup()).isCloseTo((double) small.end / one.makespanNs(), within(1e-9));
      }

      // Cores that were busy, added up.
      double mean = 0;
      for (int t = 0; t < small.tasks; t++) {
        mean += (double) small.run[t] * small.wants[t] / small.end;
      }
      assertThat(f.meanParallel()).as(what).isCloseTo(mean, within(1e-9));
      assertThat(f.peakParallel()).as(what).isBetween(1, small.cores);
    }
  }

  /// f forks a at 10 and b at 12, both end (at 40 and 30), f forks c at 45, which ends at 60, and f
  /// ends at 65. On paper: 10 + 30 + 5 + 15 + 5 is the longest chain.
  @Test
  void aForkerDoesNotRunWhileItWaits() throws Exception {
    Trace.Builder b = new Trace.Builder("forks");
    int f = b.task("f", "f");
    attempt(b, f, "w1", 0, 0, 65);
    long[][] forks = {{10, 10, 40}, {12, 12, 30}, {45, 45, 60}};
    for (long[] fork : forks) {
      int t = b.task("fork", "fork");
      b.forked(t, f);
      attempt(b, t, fork[0] == 10 ? "w2" : "w1", fork[0], fork[1], fork[2]);
    }
    Findings found = Findings.of(b.build(), OptionalLong.empty());
    assertThat(found.best().chainNs()).isEqualTo(65);
    assertThat(found.best().rerunNs()).isEqualTo(65);
    assertThat(found.best().workNs()).isEqualTo(10 + 2 + 30 + 18 + 5 + 15 + 5);
    assertThat(found.peakParallel()).isEqualTo(2);
    assertThat(found.cores()).isEqualTo(2);
    assertThat(found.where())
        .containsExactlyInAnyOrder(
            new Findings.Share(Part.RUNNING, "fork", 45),
            new Findings.Share(Part.RUNNING, "f", 20));
    // Only what it did itself counts as its run time.
    assertThat(found.kinds().stream().filter(k -> k.name().equals("f")).findFirst().orElseThrow())
        .extracting(Findings.Kind::maxNs, Findings.Kind::workNs)
        .containsExactly(22L, 22L);
    Findings.If oneCore =
        found.ifs().stream().filter(i -> i.change().contains("1 core ")).findFirst().orElseThrow();
    assertThat(oneCore.makespanNs()).isEqualTo(found.best().workNs());
  }

  /// Tasks that fork, work on, and wait for what they forked, on as many cores as they want: each
  /// moment is somebody's work, so the rerun takes as long as the run did, and the chain too.
  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13})
  void treesOfForksTakeAsLongAgain(long seed) throws Exception {
    Random random = new Random(seed);
    for (int round = 0; round < ROUNDS; round++) {
      Trace.Builder b = new Trace.Builder("tree");
      long end = fork(b, random, -1, 0, 3);
      if (random.nextBoolean()) {
        int after = b.task("after", "k3");
        b.depends(after, 0);
        attempt(b, after, "w", end, end, end + 7);
        end += 7;
      }
      Findings f = Findings.of(b.build(), OptionalLong.of(100_000));
      String what = "seed " + seed + ", round " + round;
      assertThat(f.spanNs()).as(what).isEqualTo(end);
      assertThat(f.best().rerunNs()).as(what).isEqualTo(end);
      assertThat(f.best().chainNs()).as(what).isEqualTo(end);
      assertThat(f.where().stream().mapToLong(Findings.Share::ns).sum()).as(what).isEqualTo(end);
      assertThat(f.where()).as(what).allMatch(share -> share.part() == Part.RUNNING);
      assertThat(f.best().workNs()).as(what).isGreaterThanOrEqualTo(end);
    }
  }

  /// Adds a task that starts at a time; returns its end.
  private static long fork(Trace.Builder b, Random random, int by, long start, int deep) {
    int task = b.task("t" + b.tasks(), "k" + deep);
    if (by >= 0) {
      b.forked(task, by);
    }
    long now = start + 1 + random.nextInt(20);
    long open = now;
    for (int i = random.nextInt(deep + 2); i > 0 && deep > 0; i--) {
      open = Math.max(open, fork(b, random, task, now, deep - 1));
      now += random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(10);
      if (random.nextInt(3) == 0) {
        now = Math.max(now, open) + random.nextInt(5);
      }
    }
    long end = Math.max(now, open) + random.nextInt(6);
    attempt(b, task, "w" + task, start, start, end);
    return end;
  }

  private static void attempt(
      Trace.Builder b, int task, String place, long ready, long start, long end) {
    b.attempt(task, 1, place, Ending.DONE, "");
    b.set(Measure.READY, ready).set(Measure.START, start).set(Measure.END, end);
  }

  @Test
  void waitsOfAPoolAreToldApart() throws Exception {
    EntryTrace entries = new EntryTrace("j", p -> "provider " + p.toString().substring(41));
    List.of(
            Entries.done(0, 1, 0, "split", 1, 10, 10),
            Entries.entry(1, 1, 1, "align", 1, 2, Outcome.LOST, 30, 5, List.of(0)),
            Entries.entry(2, 1, 1, "align", 2, 1, Outcome.DONE, 50, 30, List.of(0)))
        .forEach(entries::add);
    Findings f = Findings.of(entries.trace("job", OptionalInt.of(2)), OptionalLong.empty());
    assertThat(f.cores()).isEqualTo(2);
    assertThat(f.vain()).isEqualTo(1);
    // Everything is ready 0.2 ms and assigned 0.1 ms before it starts.
    assertThat(f.where())
        .contains(
            new Findings.Share(Part.RUNNING, "align", 30_000_000),
            new Findings.Share(Part.RUNNING, "split", 10_000_000),
            new Findings.Share(Part.RETRYING, "", 20_000_000),
            new Findings.Share(Part.HANDOVER, "", 9_800_000));
    assertThat(f.where().stream().mapToLong(Findings.Share::ns).sum()).isEqualTo(f.spanNs());
    assertThat(f.ifs().stream().map(Findings.If::change))
        .contains("no attempt was in vain", "tasks were handed over at once");
    assertThat(f.notes()).isEmpty();
  }

  @Test
  void aProvidersClockIsMovedOnlyAsFarAsItMust() throws Exception {
    for (long offUs : new long[] {-5_000_000, -400, 0, 400, 7_000_000}) {
      EntryTrace entries = new EntryTrace("j", p -> "far away");
      Entry late = Entries.done(0, 1, 0, "a", 1, 10, 10);
      entries.add(shifted(late, offUs));
      entries.add(shifted(Entries.done(1, 1, 1, "a", 1, 30, 10, 0), offUs));
      Trace trace = entries.trace("job", OptionalInt.empty());
      for (int a = 0; a < 2; a++) {
        assertThat(trace.get(a, Measure.START).orElseThrow())
            .as("off by %s us", offUs)
            .isBetween(
                trace.get(a, Measure.ASSIGNED).orElseThrow(),
                trace.get(a, Measure.RECORDED).orElseThrow() - 10_000_000);
      }
      boolean must = offUs < -100 || offUs > 500;
      assertThat(trace.notes()).hasSize(must ? 1 : 0);
      assertThat(Findings.of(trace, OptionalLong.empty()).notes()).hasSize(must ? 1 : 0);
    }
  }

  private static Entry shifted(Entry e, long us) {
    var r = e.record();
    return new Entry(
        e.index(),
        e.recordedUs(),
        new dev.perseid.core.ExecutionRecord(
            r.pool(),
            r.job(),
            r.task(),
            r.taskName(),
            r.kind(),
            r.attempt(),
            r.lease(),
            r.consumer(),
            r.provider(),
            r.offer(),
            r.module(),
            r.argsHash(),
            r.inputs(),
            r.dependsOn(),
            r.gasLimit(),
            r.memoryBytes(),
            r.cores(),
            r.submittedUs(),
            r.readyUs(),
            r.assignedUs(),
            OptionalLong.of(r.startedUs().orElseThrow() + us),
            OptionalLong.of(r.endedUs().orElseThrow() + us),
            r.outcome(),
            r.reason(),
            r.usage(),
            r.outputs(),
            r.engine(),
            r.isolation(),
            r.charge()),
        e.attestation());
  }

  @Test
  void whatCannotBeIsSaid() throws Exception {
    Trace.Builder circle = new Trace.Builder("ring");
    for (String name : List.of("a", "b", "c", "d")) {
      circle.task(name, "k");
    }
    circle.depends(1, 0);
    circle.depends(2, 1);
    circle.depends(1, 3);
    circle.depends(3, 2);
    assertThatThrownBy(circle::build)
        .isInstanceOf(TraceFailure.class)
        .hasMessage("ring: tasks wait for each other in a circle: c -> d -> b -> c");
    Trace.Builder stray = new Trace.Builder("stray");
    stray.task("a", "k");
    stray.depends(0, 7);
    assertThatThrownBy(stray::build).hasMessageContaining("task 7, which it lacks");
    assertThatThrownBy(() -> Findings.of(new Trace.Builder("none").build(), OptionalLong.empty()))
        .hasMessageContaining("no task has run yet");

    Trace.Builder back = new Trace.Builder("back");
    back.task("first", "k");
    back.task("second", "k");
    back.depends(1, 0);
    attempt(back, 0, "w", 0, 0, 100);
    attempt(back, 1, "w", 40, 50, 20);
    Findings f = Findings.of(back.build(), OptionalLong.empty());
    assertThat(f.notes()).singleElement().asString().contains("run backwards").contains("second");
    assertThat(f.spanNs()).isEqualTo(100);
    assertThat(f.where().stream().mapToLong(Findings.Share::ns).sum()).isEqualTo(100);
  }

  /// The same two tasks: on one core, one after the other, and with a delay between them.
  @Test
  void whatHoldsItBackIsSaid() throws Exception {
    assertThat(holds(false, 0, 100, 100, 200)).startsWith("the number of cores");
    assertThat(holds(true, 0, 100, 100, 200)).startsWith("the longest chain");
    assertThat(holds(true, 0, 100, 300, 400)).startsWith("delays");
    assertThat(holds(false, 0, 10, 100, 200)).startsWith("idle cores");
    Trace.Builder b = new Trace.Builder("three");
    for (int t = 0; t < 3; t++) {
      b.task("t" + t, "k");
      attempt(b, t, "w" + t % 2, 0, t == 2 ? 100 : 0, t == 2 ? 200 : 100);
    }
    assertThat(Findings.of(b.build(), OptionalLong.empty()).best().holds())
        .startsWith("uneven work");
  }

  private static String holds(boolean depends, long start0, long end0, long start1, long end1)
      throws TraceFailure {
    Trace.Builder b = new Trace.Builder("two");
    b.task("first", "k");
    b.task("second", "k");
    if (depends) {
      b.depends(1, 0);
    }
    attempt(b, 0, "w", 0, start0, end0);
    attempt(b, 1, "w", depends ? start1 : 0, start1, end1);
    return Findings.of(b.build(), OptionalLong.empty()).best().holds();
  }

  @Test
  void withoutTimesARerunGivesThem() throws Exception {
    Trace.Builder b = new Trace.Builder("untimed");
    for (int t = 0; t < 4; t++) {
      b.task("t" + t, "k");
      b.attempt(t, 1, "", Ending.DONE, "");
      b.set(Measure.WALL, 10);
    }
    Trace trace = b.build();
    assertThatThrownBy(() -> Findings.of(trace, OptionalLong.empty()))
        .hasMessageContaining("--cores");
    Findings f = Findings.of(trace, OptionalLong.of(2));
    assertThat(f.spanNs()).isEqualTo(20);
    assertThat(f.notes()).singleElement().asString().contains("rerun on 2 cores");
  }

  @Test
  void stragglersAndSizesAreTold() throws Exception {
    Trace.Builder b = new Trace.Builder("uneven");
    for (int t = 0; t < 20; t++) {
      b.task("t" + t, "k");
      long run = t == 7 ? 90 : t % 2 == 0 ? 10 : 20;
      attempt(b, t, t % 2 == 0 ? "fast" : "slow", 0, 100L * t, 100L * t + run);
      b.set(Measure.MEMORY_ASKED, 1000)
          .set(Measure.MEMORY, 100 + t)
          .set(Measure.GAS_ASKED, 100)
          .set(Measure.GAS, 98)
          .set(Measure.CORES, 4)
          .set(Measure.CPU, run + 1);
    }
    Findings f = Findings.of(b.build(), OptionalLong.empty());
    assertThat(f.stragglers())
        .containsExactly(new Findings.Straggler("t7", "k", "slow", 90, 10, 2.0));
    assertThat(f.sizes())
        .extracting(Findings.Size::resource, Findings.Size::asked, Findings.Size::used)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("memory", 1000L, 119L),
            org.assertj.core.groups.Tuple.tuple("gas", 100L, 98L),
            org.assertj.core.groups.Tuple.tuple("cores", 4L, 1100L));
  }
}
