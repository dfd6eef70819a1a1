package dev.perseid.bench;

import dev.perseid.core.TrustRule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// How many executions it takes to believe results of strangers, and how many wrong ones are
/// believed all the same: [TrustRule] beside BOINC's adaptive replication, in the same worlds.
final class Trusting {
  /// @param hosts in each world
  /// @param jobs of a host, on average
  /// @param seeds worlds of each kind
  /// @param canaryPpm so many of the checks are canaries, millionths; pools have none
  record Setting(int hosts, List<Integer> jobs, int seeds, int canaryPpm) {}

  private static final int[] STAKES = {0, 10, 100};

  /// Covers what a wrong result costs five times and more, in prices.
  private static final int BOND = 100;

  private final Printout report;
  private final Setting setting;

  Trusting(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
  }

  void run(Path home) throws IOException {
    Host host = Host.now();
    Table table =
        new Table(
            "hosts",
            ">jobs a host",
            ">executions",
            ">BOINC",
            ">wrong before, ppm",
            ">after re-audit",
            ">BOINC",
            ">ratio",
            ">no rule below",
            ">honest caught",
            "aim");
    Table profit =
        new Table(
            "profit of a wrong result, in prices",
            ">jobs a host",
            ">nothing at stake",
            ">10 prices",
            ">100 prices",
            ">cheats caught");
    Table bonds =
        new Table(
            "all with a bond of " + BOND + " prices",
            ">jobs a host",
            ">executions",
            ">without",
            ">wrong after re-audit, ppm",
            ">without",
            ">profit of a wrong result");
    int cells = 0;
    int reached = 0;
    for (Strangers.Kind kind : Strangers.Kind.values()) {
      for (int jobs : setting.jobs()) {
        Sample ours = new Sample();
        Sample before = new Sample();
        Sample after = new Sample();
        Sample theirs = new Sample();
        Sample theirWrong = new Sample();
        Sample innocent = new Sample();
        Sample caught = new Sample();
        Sample bonded = new Sample();
        Sample bondedWrong = new Sample();
        Sample bondedGain = new Sample();
        Sample[] gains = {new Sample(), new Sample(), new Sample()};
        for (int seed = 1; seed <= setting.seeds(); seed++) {
          Strangers.Tally t =
              new Strangers(kind, setting.hosts(), seed)
                  .underRule(TrustRule.USUAL, jobs, setting.canaryPpm());
          Strangers.Tally b = new Strangers(kind, setting.hosts(), seed).underBoinc(jobs);
          Strangers.Tally bond =
              new Strangers(kind, setting.hosts(), seed, BOND)
                  .underRule(TrustRule.USUAL, jobs, setting.canaryPpm());
          bonded.add(bond.executions());
          bondedWrong.add(1e6 * bond.wrongAfter());
          if (bond.lies() > 0) {
            bondedGain.add(bond.profit());
          }
          ours.add(t.executions());
          before.add(1e6 * t.wrongBefore());
          after.add(1e6 * t.wrongAfter());
          innocent.add(t.honestCaught());
          theirs.add(b.executions());
          theirWrong.add(1e6 * b.wrongAfter());
          if (t.lies() > 0) {
            caught.add(t.cheatsCaught());
            for (int s = 0; s < STAKES.length; s++) {
              gains[s].add(t.profit(STAKES[s]));
            }
          }
        }
        boolean lies = theirWrong.mean() > 0;
        double ratio = lies ? after.mean() / theirWrong.mean() : 0;
        boolean cheap = ours.mean() <= theirs.mean();
        boolean right = after.mean() <= theirWrong.mean() / 10;
        cells++;
        reached += cheap && right ? 1 : 0;
        table.row(
            kind.title,
            jobs,
            ours.interval("%.3f"),
            theirs.interval("%.3f"),
            before.interval("%.0f"),
            after.interval("%.1f"),
            theirWrong.interval("%.0f"),
            lies ? String.format(Locale.ROOT, "%.3f", ratio) : "-",
            lies ? floor(kind, jobs, theirs.mean(), theirWrong.mean()) : "-",
            String.format(Locale.ROOT, "%.2f", innocent.mean()),
            cheap && right ? "reached" : cheap ? "wrong" : right ? "executions" : "both");
        bonds.row(
            kind.title,
            jobs,
            bonded.interval("%.3f"),
            ours.interval("%.3f"),
            bondedWrong.interval("%.1f"),
            after.interval("%.1f"),
            bondedGain.count() > 0 ? bondedGain.interval("%.3f") : "-");
        if (caught.count() > 0) {
          profit.row(
              kind.title,
              jobs,
              gains[0].interval("%.3f"),
              gains[1].interval("%.3f"),
              gains[2].interval("%.3f"),
              String.format(Locale.ROOT, "%.1f %%", 100 * caught.mean()));
        }
      }
    }
    report.table(table);
    report.say("");
    report.say(
        reached
            + " of "
            + cells
            + " cells reach the aim: no more executions than BOINC, at most a tenth of its wrong"
            + " results. Intervals are 95 % over "
            + setting.seeds()
            + " seeds.");
    report.say("");
    report.table(profit);
    report.say("");
    report.table(bonds);
    report.say("");
    report.table(sizes());
    report.say(host.state(home));
  }

  /// What it brings that a right result of a small job says little about large ones.
  private Table sizes() {
    Table table =
        new Table(
            Strangers.Kind.CHOOSING.title,
            ">jobs a host",
            ">executions",
            ">if blind to size",
            ">wrong before, ppm",
            ">if blind",
            ">wrong after re-audit, ppm",
            ">if blind");
    for (int jobs : setting.jobs()) {
      Sample[] of = new Sample[6];
      Arrays.setAll(of, i -> new Sample());
      for (int seed = 1; seed <= setting.seeds(); seed++) {
        for (int blind = 0; blind < 2; blind++) {
          Strangers world = new Strangers(Strangers.Kind.CHOOSING, setting.hosts(), seed);
          Strangers.Tally t =
              (blind == 0 ? world : world.blind())
                  .underRule(TrustRule.USUAL, jobs, setting.canaryPpm());
          of[blind].add(t.executions());
          of[2 + blind].add(1e6 * t.wrongBefore());
          of[4 + blind].add(1e6 * t.wrongAfter());
        }
      }
      table.row(
          "",
          jobs,
          of[0].interval("%.3f"),
          of[1].interval("%.3f"),
          of[2].interval("%.0f"),
          of[3].interval("%.0f"),
          of[4].interval("%.1f"),
          of[5].interval("%.1f"));
    }
    return table;
  }

  /// What no rule can go below with BOINC's executions against hosts that err by chance, as a ratio
  /// to its wrong results. An execution beyond one a job tests at most two results, and of a host
  /// that was never found wrong all untested results stand. Hosts are alike until one is found out,
  /// and the chance to go free is convex in the number of tests, so even tests leave least; at best
  /// none is spent on those found out.
  private static String floor(
      Strangers.Kind kind, int jobs, double executions, double theirWrongPpm) {
    if (kind.habit != Strangers.Habit.BY_CHANCE) {
      return "";
    }
    double tested = Math.min(jobs, (executions - 1) * jobs / (1 - kind.share));
    double ppm =
        1e6
            * kind.share
            * kind.error
            * (jobs - tested)
            / jobs
            * Math.pow(1 - kind.error, 2 * tested);
    return String.format(Locale.ROOT, "%.3f", ppm / theirWrongPpm);
  }

  /// Numbers of several seeds.
  private static final class Sample {
    private int count;
    private double sum;
    private double squares;

    void add(double x) {
      count++;
      sum += x;
      squares += x * x;
    }

    int count() {
      return count;
    }

    double mean() {
      return sum / count;
    }

    String interval(String form) {
      double spread = Math.sqrt(Math.max(0, squares / count - mean() * mean()));
      double half = count < 2 ? 0 : 1.96 * spread / Math.sqrt(count - 1);
      return String.format(Locale.ROOT, form, mean())
          + (half == 0 ? "" : " +-" + String.format(Locale.ROOT, form, half));
    }
  }
}
