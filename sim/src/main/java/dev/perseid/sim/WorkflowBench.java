package dev.perseid.sim;

import dev.perseid.core.Scheduling;
import dev.perseid.core.Thrift;
import dev.perseid.core.Urgency;
import dev.perseid.core.schedule.Course;
import dev.perseid.core.schedule.Estimate;
import dev.perseid.core.schedule.Estimator;
import dev.perseid.core.schedule.Fleet;
import dev.perseid.core.schedule.Forecast;
import dev.perseid.core.schedule.LearnedForecast;
import dev.perseid.core.schedule.LowerBound;
import dev.perseid.core.schedule.Playout;
import dev.perseid.core.schedule.PooledForecast;
import dev.perseid.core.schedule.SchedulingPolicy;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Plays recorded workflows under each scheduling policy and prints makespan / lower bound; and
/// predicts their run times and prints by how much that is off. Everything follows from the files
/// and fixed seeds.
final class WorkflowBench {
  /// The spread of estimates that are "50 % wrong": the standard deviation of their logarithm.
  static final double WRONG = 0.5;

  private static final int UNEQUAL = 16;
  private static final double SLOWEST = 0.25;
  private static final double RANGE = 16;
  private static final long FLEET_SEEDS = 3;

  /// What policies are told of run times.
  private enum Knowledge {
    EXACT("estimates exact"),
    WRONG("estimates wrong: lognormal, sigma 0.5"),
    ONLINE("no estimates: learned while it runs");

    final String words;

    Knowledge(String words) {
      this.words = words;
    }
  }

  /// A policy, and how it gets its estimates.
  ///
  /// @param policy or none: the pool as it is, which learns by itself
  /// @param urgency how the pool schedules
  /// @param pooled whether wrong estimates are pooled by kind first
  private record Column(
      String title,
      Optional<SchedulingPolicy> policy,
      Urgency urgency,
      boolean pooled,
      List<Knowledge> with) {
    Column(String title, SchedulingPolicy policy, boolean pooled, Knowledge... with) {
      this(title, Optional.of(policy), Urgency.NONE, pooled, List.of(with));
    }

    Column(String title, Scheduling scheduling, int copiesPercent) {
      this(
          title,
          Optional.empty(),
          new Urgency(Thrift.NONE, 0, copiesPercent, scheduling),
          false,
          List.of(Knowledge.ONLINE));
    }
  }

  /// What a kilowatt hour is worth: nothing, so much that a core hour of 10 W less is worth an
  /// hour, and more.
  private static final long[] THRIFT_S_PER_KWH = {0, 36_000, 360_000, 3_600_000};

  private static final List<Column> COLUMNS =
      List.of(
          new Column("pool fifo", Scheduling.FIFO, 0),
          new Column("pool b-level", Scheduling.B_LEVEL, 0),
          new Column("pool heft", Scheduling.HEFT, 0),
          new Column("pool dyn-heft", Scheduling.DYNAMIC_HEFT, 0),
          new Column("pool learned", Scheduling.LEARNED, 0),
          new Column("with copies", Scheduling.LEARNED, 10),
          new Column("fifo", new SchedulingPolicy.Fifo(), false, Knowledge.values()),
          new Column("b-level", new SchedulingPolicy.BLevel(), false, Knowledge.values()),
          new Column("heft", new SchedulingPolicy.Heft(), false, Knowledge.values()),
          new Column("dyn-heft", new SchedulingPolicy.DynamicHeft(), false, Knowledge.values()),
          new Column("dyn-heft+pool", new SchedulingPolicy.DynamicHeft(), true, Knowledge.WRONG),
          new Column("foresight-pool", SchedulingPolicy.Foresight.USUAL, false, Knowledge.WRONG),
          new Column("foresight", SchedulingPolicy.Foresight.USUAL, true, Knowledge.values()));

  private final List<RecordedWorkflow> workflows;
  private final double bytesPerSecond;
  private final int seeds;
  private final PrintStream out;

  /// A bench.
  ///
  /// @param bytesPerSecond between machines
  /// @param seeds of wrong estimates, from 1 on
  WorkflowBench(
      List<RecordedWorkflow> workflows, double bytesPerSecond, int seeds, PrintStream out) {
    this.workflows = List.copyOf(workflows);
    this.bytesPerSecond = bytesPerSecond;
    this.seeds = seeds;
    this.out = out;
  }

  private Map<String, Fleet> fleets() {
    Map<String, Fleet> fleets = new LinkedHashMap<>();
    for (int p : new int[] {4, 16, 64}) {
      double[] equal = new double[p];
      Arrays.fill(equal, 1);
      fleets.put("P=" + p, new Fleet(equal, bytesPerSecond));
    }
    fleets.put(
        "8x1,4x2,4x4",
        new Fleet(new double[] {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4}, bytesPerSecond));
    for (long seed = 1; seed <= FLEET_SEEDS; seed++) {
      Dice dice = new Dice(seed);
      double[] speeds = new double[UNEQUAL];
      for (int m = 0; m < UNEQUAL; m++) {
        speeds[m] = SLOWEST * Math.pow(RANGE, even(dice));
      }
      fleets.put("16 uneven #" + seed, new Fleet(speeds, bytesPerSecond));
    }
    return fleets;
  }

  private static double even(Dice dice) {
    return (dice.next() >>> 11) * 0x1p-53;
  }

  /// Box and Muller.
  private static double normal(Dice dice) {
    return Math.sqrt(-2 * Math.log(1 - even(dice))) * Math.cos(2 * Math.PI * even(dice));
  }

  /// Plays and prints all.
  void play() {
    out.println(
        "makespan / lower bound. The bound: no schedule is shorter, by heads and tails of windows, counting and");
    out.println(
        "energy on related machines (docs/scheduler.md). Simple: max(longest way / fastest, work / all speeds).");
    List<String> summary = new ArrayList<>();
    for (Knowledge knowledge : Knowledge.values()) {
      List<Column> columns = COLUMNS.stream().filter(c -> c.with().contains(knowledge)).toList();
      out.println();
      out.println(knowledge.words);
      summary.add("");
      summary.add(knowledge.words + ": geometric means over " + workflows.size() + " workflows");
      summary.add(head("machines", columns) + "  of simple  copies");
      fleets().forEach((name, fleet) -> summary.add(fleet(knowledge, name, fleet, columns)));
    }
    summary.forEach(out::println);
    out.println(
        "of simple: foresight / simple bound; copies: machine seconds in attempts that were stopped, of all work");
  }

  private static String head(String first, List<Column> columns) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-42s", first));
    columns.forEach(c -> line.append(String.format(Locale.ROOT, "%16s", c.title())));
    return line.toString();
  }

  private String fleet(Knowledge knowledge, String name, Fleet fleet, List<Column> columns) {
    out.println(head(name, columns) + "  bound, s    simple");
    double[] logs = new double[columns.size()];
    double simples = 0;
    double wasted = 0;
    for (RecordedWorkflow w : workflows) {
      double bound = LowerBound.of(w.graph(), w.work(), fleet);
      double simple = LowerBound.simple(w.graph(), w.work(), fleet);
      StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-42s", w.name()));
      int rounds = knowledge == Knowledge.WRONG ? seeds : 1;
      for (int c = 0; c < columns.size(); c++) {
        double log = 0;
        for (int round = 1; round <= rounds; round++) {
          Optional<SchedulingPolicy> policy = columns.get(c).policy();
          if (policy.isEmpty()) {
            PoolPlayout.Outturn outturn =
                PoolPlayout.play(w.graph(), fleet, w.work(), columns.get(c).urgency());
            log += Math.log(outturn.seconds() / bound) / rounds;
            continue;
          }
          Course course =
              Playout.run(
                  w.graph(),
                  fleet,
                  w.work(),
                  forecast(knowledge, w, round, columns.get(c)),
                  policy.get());
          log += Math.log(course.makespan() / bound) / rounds;
          if (c == columns.size() - 1) {
            wasted += course.copySeconds() / seconds(course) / rounds;
          }
        }
        logs[c] += log / workflows.size();
        line.append(String.format(Locale.ROOT, "%16.3f", Math.exp(log)));
        if (c == columns.size() - 1) {
          simples += (log + Math.log(bound / simple)) / workflows.size();
        }
      }
      out.println(line.append(String.format(Locale.ROOT, "%10.2f%10.2f", bound, simple)));
    }
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-42s", name));
    for (double log : logs) {
      line.append(String.format(Locale.ROOT, "%16.3f", Math.exp(log)));
    }
    return line.append(
            String.format(
                Locale.ROOT, "%11.3f%7.1f%%", Math.exp(simples), 100 * wasted / workflows.size()))
        .toString();
  }

  /// Plays and prints what thrift of energy does in the pool: each workflow as one job without
  /// copies, for which a kilowatt hour is worth nothing and more and more.
  void thrift() {
    out.println();
    out.println(
        "thrift of energy in the pool, unequal machines: a core of speed s takes 5 W * s^1.5. Makespan and energy against those");
    out.println(
        "without thrift, no copies: geometric means over " + workflows.size() + " workflows");
    StringBuilder head = new StringBuilder(String.format(Locale.ROOT, "%-20s", "s for a kWh"));
    for (long s : THRIFT_S_PER_KWH) {
      head.append(String.format(Locale.ROOT, "%,20d", s));
    }
    out.println(head);
    fleets()
        .forEach((name, fleet) -> {
          if (!name.startsWith("P=")) {
            out.println(thrift(name, fleet));
          }
        });
  }

  private String thrift(String name, Fleet fleet) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-20s", name));
    List<PoolPlayout.Outturn> without = new ArrayList<>();
    for (long s : THRIFT_S_PER_KWH) {
      double times = 0;
      double energies = 0;
      for (int w = 0; w < workflows.size(); w++) {
        RecordedWorkflow workflow = workflows.get(w);
        Urgency urgency = new Urgency(new Thrift(0, s * 1_000, 0), 0, 0, Scheduling.LEARNED);
        PoolPlayout.Outturn outturn =
            PoolPlayout.play(workflow.graph(), fleet, workflow.work(), urgency);
        if (s == 0) {
          without.add(outturn);
        }
        times += Math.log(outturn.seconds() / without.get(w).seconds()) / workflows.size();
        energies += Math.log(outturn.joules() / without.get(w).joules()) / workflows.size();
      }
      line.append(String.format(Locale.ROOT, "%10.2f%10.2f", Math.exp(times), Math.exp(energies)));
    }
    return line.toString();
  }

  private static double seconds(Course course) {
    return course.attempts().stream().mapToDouble(a -> a.end() - a.start()).sum();
  }

  private static Forecast forecast(
      Knowledge knowledge, RecordedWorkflow w, int round, Column column) {
    return switch (knowledge) {
      case EXACT -> Forecast.fixed(w.work(), 0);
      case WRONG -> {
        Dice dice = new Dice(round);
        double[] wrong = w.work().clone();
        for (int i = 0; i < wrong.length; i++) {
          wrong[i] *= Math.exp(WRONG * normal(dice));
        }
        yield column.pooled()
            ? new PooledForecast(w.graph(), wrong, WRONG)
            : Forecast.fixed(wrong, WRONG);
      }
      case ONLINE -> {
        List<Estimator.Task> tasks = new ArrayList<>();
        for (int i = 0; i < w.work().length; i++) {
          // On which machine a task will run is not known ahead: the last name says it.
          List<String> names = w.names().get(i);
          tasks.add(
              new Estimator.Task(names.subList(0, names.size() - 1), w.graph().inputBytes(i)));
        }
        yield new LearnedForecast(new Estimator(1), tasks);
      }
    };
  }

  /// Absolute errors as shares of what was predicted.
  private static final class Errors {
    private final List<Double> all = new ArrayList<>();

    void add(double predicted, double real) {
      all.add(Math.abs(predicted - real) / real);
    }

    String median() {
      if (all.isEmpty()) {
        return "-";
      }
      List<Double> sorted = all.stream().sorted().toList();
      return String.format(Locale.ROOT, "%.1f %%", 100 * sorted.get(sorted.size() / 2));
    }
  }

  /// Errors of the estimator, and of the simple methods beside it.
  private static final class Row {
    private int tasks;
    private final Errors online = new Errors();
    private final Errors onlineMedian = new Errors();
    private final Errors offline = new Errors();
    private final Errors offlineMedian = new Errors();

    String line(String name, int runs) {
      return String.format(
          Locale.ROOT,
          "%-20s%6d%8d%12s%16s%12s%16s",
          name,
          runs,
          tasks,
          online.median(),
          onlineMedian.median(),
          offline.median(),
          offlineMedian.median());
    }
  }

  /// Medians of a program's run times, the method to beat.
  private static final class Medians {
    private final Map<String, List<Double>> seen = new HashMap<>();
    private final List<Double> all = new ArrayList<>();

    double of(String program) {
      List<Double> some = seen.getOrDefault(program, all);
      if (some.isEmpty()) {
        return 1;
      }
      List<Double> sorted = some.stream().sorted().toList();
      int half = sorted.size() / 2;
      return sorted.size() % 2 == 1
          ? sorted.get(half)
          : (sorted.get(half - 1) + sorted.get(half)) / 2;
    }

    void learn(String program, double value) {
      seen.computeIfAbsent(program, p -> new ArrayList<>()).add(value);
      all.add(value);
    }
  }

  /// Predicts and prints all.
  void predict() {
    Map<String, List<RecordedWorkflow>> families = new TreeMap<>();
    workflows.forEach(w -> families.computeIfAbsent(w.family(), f -> new ArrayList<>()).add(w));
    out.println();
    out.println(
        "run time predicted: median absolute error per task. Online: from the tasks before it in the same file, by start where");
    out.println(
        "that is recorded, else as they stand; offline: from the family's other files. Beside it: the median of the program.");
    out.println(
        String.format(
            Locale.ROOT,
            "%-20s%6s%8s%12s%16s%12s%16s",
            "family",
            "runs",
            "tasks",
            "online",
            "(median)",
            "offline",
            "(median)"));
    Row all = new Row();
    families.forEach((family, runs) -> {
      Row row = new Row();
      for (RecordedWorkflow run : runs) {
        online(run, List.of(row, all));
        if (runs.size() > 1) {
          offline(run, runs, List.of(row, all));
        }
      }
      out.println(row.line(family, runs.size()));
    });
    out.println(all.line("all", workflows.size()));
    if (families.values().stream().allMatch(f -> f.size() == 1)) {
      out.println("no family has two files here: offline was not measured");
    }
  }

  private static Estimator.Task task(RecordedWorkflow w, int i) {
    return new Estimator.Task(w.names().get(i), w.graph().inputBytes(i));
  }

  private static List<Integer> inOrder(RecordedWorkflow w) {
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < w.work().length; i++) {
      if (w.recorded(i)) {
        order.add(i);
      }
    }
    order.sort((a, b) -> w.executedAt().get(a).compareTo(w.executedAt().get(b)));
    return order;
  }

  private static void online(RecordedWorkflow w, List<Row> rows) {
    Estimator estimator = new Estimator(1);
    Medians medians = new Medians();
    for (int i : inOrder(w)) {
      Estimate said = estimator.estimate(task(w, i));
      double median = medians.of(w.names().get(i).getFirst());
      for (Row row : rows) {
        row.tasks++;
        row.online.add(said.median(), w.work()[i]);
        row.onlineMedian.add(median, w.work()[i]);
      }
      estimator.learn(task(w, i), w.work()[i]);
      medians.learn(w.names().get(i).getFirst(), w.work()[i]);
    }
  }

  private static void offline(RecordedWorkflow w, List<RecordedWorkflow> family, List<Row> rows) {
    Estimator estimator = new Estimator(1);
    Medians medians = new Medians();
    for (RecordedWorkflow other : family) {
      if (other != w) {
        for (int i : inOrder(other)) {
          estimator.learn(task(other, i), other.work()[i]);
          medians.learn(other.names().get(i).getFirst(), other.work()[i]);
        }
      }
    }
    for (int i : inOrder(w)) {
      for (Row row : rows) {
        row.offline.add(estimator.estimate(task(w, i)).median(), w.work()[i]);
        row.offlineMedian.add(medians.of(w.names().get(i).getFirst()), w.work()[i]);
      }
    }
  }
}
