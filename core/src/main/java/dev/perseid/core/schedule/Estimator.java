package dev.perseid.core.schedule;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Learns a positive quantity of tasks (seconds, bytes of memory, bytes of output) from what was
/// recorded of earlier ones, and says what it believes of the next as a distribution.
///
/// A task is known by names, from the most general to the most special (its program; the program
/// and the kind; both and the options), and by the bytes that it reads. For each name some
/// *experts* answer: the median, the latest, the nearest in bytes, a line through logarithms.
/// Whoever was off least among tasks of the same program so far, newer errors counting more, is
/// believed; so a record that fits no theory of run times is still predicted as well as the
/// simplest expert does. The spread is what the answers that were given have been off by.
///
/// All is online: [#learn] costs O(experts * [#KEPT]), [#estimate] at most one expert, and nothing
/// grows but by new names, of which the oldest are never dropped: whoever feeds it bounds them.
public final class Estimator {
  /// What is known of a task before it runs.
  ///
  /// @param names from general to special, at least one; special names contain the general ones
  /// @param inputBytes that it reads, 0 or more
  public record Task(List<String> names, long inputBytes) {
    /// Copies the list.
    public Task {
      names = List.copyOf(names);
      if (names.isEmpty() || inputBytes < 0) {
        throw new IllegalArgumentException("a task has a name, and reads 0 bytes or more");
      }
    }

    double x() {
      return Math.log1p((double) inputBytes);
    }
  }

  /// Observations that a name keeps.
  static final int KEPT = 128;

  /// Of what nothing is known.
  private static final double UNKNOWN_SPREAD = 1.5;

  private final Line all = new Line();
  private final Map<String, Line> lines = new HashMap<>();
  private final Estimate unknown;

  /// Knows nothing.
  ///
  /// @param guess the median of a quantity of which nothing is known
  public Estimator(double guess) {
    unknown = new Estimate(guess, UNKNOWN_SPREAD);
  }

  /// What is believed of a task.
  public Estimate estimate(Task task) {
    Line program = lines.get(task.names().getFirst());
    if (program == null || program.count == 0) {
      return all.count == 0
          ? unknown
          : new Estimate(Math.exp(all.median()), Math.max(all.firstSpread(), 0.1));
    }
    int expert = program.believed(known(task));
    double y = answer(task, expert, program);
    return new Estimate(Math.exp(y), program.spread());
  }

  /// How many names of a task have been seen.
  private int known(Task task) {
    int known = 0;
    for (String name : task.names()) {
      Line line = lines.get(name);
      if (line == null || line.count == 0) {
        return known;
      }
      known++;
    }
    return known;
  }

  private double answer(Task task, int expert, Line program) {
    int level = Math.min(expert / Line.WAYS, task.names().size() - 1);
    Line line = level == 0 ? program : lines.get(task.names().get(level));
    if (line == null || line.count == 0) {
      return program.median();
    }
    return line.answer(expert % Line.WAYS, task.x());
  }

  /// Learns what a task took.
  ///
  /// @param value the quantity, more than 0
  public void learn(Task task, double value) {
    double y = Math.log(value);
    double x = task.x();
    Line program = lines.computeIfAbsent(task.names().getFirst(), n -> new Line());
    if (program.count == 0) {
      all.first(y);
    } else {
      int known = known(task);
      program.judge(y - answer(task, program.believed(known), program));
      double[] off = new double[Line.EXPERTS];
      for (int e = 0; e < Line.EXPERTS; e++) {
        off[e] = e / Line.WAYS < known ? Math.abs(y - answer(task, e, program)) : Double.NaN;
      }
      program.score(off);
    }
    List<Line> mine = new ArrayList<>();
    for (String name : task.names()) {
      Line line = lines.computeIfAbsent(name, n -> new Line());
      if (!mine.contains(line)) {
        mine.add(line);
        line.add(x, y);
      }
    }
    all.add(x, y);
  }

  /// What is kept under one name.
  private static final class Line {
    static final int WAYS = 5;
    static final int LEVELS = 4;
    static final int EXPERTS = WAYS * LEVELS;

    /// By how much an older error counts less than the next.
    private static final double FADES = 0.98;

    private static final double LATEST = 0.4;
    private static final int NEAR = 5;
    private static final double DOUBT = 2;
    private static final double LEAST_SPREAD = 0.02;

    private final double[] xs = new double[KEPT];
    private final double[] ys = new double[KEPT];
    private final double[] sorted = new double[KEPT];
    private int count;
    private double latest;
    private final double[] off = new double[EXPERTS];
    private final double[] weight = new double[EXPERTS];
    private double judged;
    private double judgedOff;
    private double judgedSquare;
    private int firsts;
    private double firstMean;
    private double firstSquare;

    private int held() {
      return Math.min(count, KEPT);
    }

    void add(double x, double y) {
      int held = held();
      if (count >= KEPT) {
        int gone = Arrays.binarySearch(sorted, 0, held, ys[count % KEPT]);
        System.arraycopy(sorted, gone + 1, sorted, gone, held - gone - 1);
        held--;
      }
      int at = Arrays.binarySearch(sorted, 0, held, y);
      at = at < 0 ? -at - 1 : at;
      System.arraycopy(sorted, at, sorted, at + 1, held - at);
      sorted[at] = y;
      xs[count % KEPT] = x;
      ys[count % KEPT] = y;
      latest = count == 0 ? y : latest + LATEST * (y - latest);
      count++;
    }

    double median() {
      int held = held();
      return (sorted[held / 2] + sorted[(held - 1) / 2]) / 2;
    }

    double answer(int way, double x) {
      return switch (way) {
        case 0 -> median();
        case 1 -> latest;
        case 2 -> near(x);
        case 3 -> fitted(x);
        case 4 -> ys[(count - 1) % KEPT];
        default -> throw new IllegalStateException("expert " + way);
      };
    }

    /// The median of the nearest in bytes; of equally near ones the latest.
    private double near(double x) {
      int held = held();
      double[] nearest = new double[NEAR];
      double[] values = new double[NEAR];
      int found = 0;
      for (int k = 1; k <= held; k++) {
        int at = (count - k) % KEPT;
        double d = Math.abs(xs[at] - x);
        int place = found < NEAR ? found++ : NEAR;
        while (place > 0 && nearest[place - 1] > d) {
          if (place < NEAR) {
            nearest[place] = nearest[place - 1];
            values[place] = values[place - 1];
          }
          place--;
        }
        if (place < NEAR) {
          nearest[place] = d;
          values[place] = ys[at];
        }
      }
      // What lies far beside the nearest says nothing.
      int used = 1;
      while (used < found && nearest[used] <= nearest[0] + 0.1) {
        used++;
      }
      Arrays.sort(values, 0, used);
      return (values[used / 2] + values[(used - 1) / 2]) / 2;
    }

    /// A line through the logarithms, drawn to the middle by a little.
    private double fitted(double x) {
      int held = held();
      double mx = 0;
      double my = 0;
      for (int k = 0; k < held; k++) {
        mx += xs[k];
        my += ys[k];
      }
      mx /= held;
      my /= held;
      double xx = 0.05;
      double xy = 0;
      for (int k = 0; k < held; k++) {
        xx += (xs[k] - mx) * (xs[k] - mx);
        xy += (xs[k] - mx) * (ys[k] - my);
      }
      double slope = Math.clamp(xy / xx, -3, 3);
      return my + slope * (Math.clamp(x, mx - 5, mx + 5) - mx);
    }

    /// The expert that was off least.
    int believed(int known) {
      int best = 0;
      double least = Double.POSITIVE_INFINITY;
      // Special names first: where all are equally good, as at the begin, the special one is right.
      for (int level = Math.min(known, LEVELS) - 1; level >= 0; level--) {
        for (int way = 0; way < WAYS; way++) {
          int e = level * WAYS + way;
          double mean = (off[e] + DOUBT * prior(way)) / (weight[e] + DOUBT);
          if (mean < least - 1e-12) {
            least = mean;
            best = e;
          }
        }
      }
      return best;
    }

    private static double prior(int way) {
      return switch (way) {
        case 2 -> 0.30;
        case 0 -> 0.32;
        case 3 -> 0.36;
        default -> 0.34;
      };
    }

    void score(double[] errors) {
      for (int e = 0; e < EXPERTS; e++) {
        if (!Double.isNaN(errors[e])) {
          off[e] = off[e] * FADES + Math.min(errors[e], 2);
          weight[e] = weight[e] * FADES + 1;
        }
      }
    }

    void judge(double error) {
      judged = judged * FADES + 1;
      judgedOff = judgedOff * FADES + Math.abs(error);
      judgedSquare = judgedSquare * FADES + error * error;
    }

    double spread() {
      // As if it had been off by 0.5 once before.
      return Math.max(LEAST_SPREAD, Math.sqrt((judgedSquare + 0.25) / (judged + 1)));
    }

    void first(double y) {
      firsts++;
      double before = firstMean;
      firstMean += (y - before) / firsts;
      firstSquare += (y - before) * (y - firstMean);
    }

    double firstSpread() {
      return Math.sqrt((firstSquare + UNKNOWN_SPREAD * UNKNOWN_SPREAD) / (firsts + 1));
    }
  }
}
