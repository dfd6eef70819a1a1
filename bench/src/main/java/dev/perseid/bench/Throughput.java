package dev.perseid.bench;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Empty portable tasks through the real path: submitted over gRPC, assigned, run in warm engines,
/// recorded under the provider's signature, durable, paid.
final class Throughput {
  /// A job may have more; ten such jobs make the million.
  private static final int JOB_TASKS = 100_000;

  /// @param tasks of one measured job
  /// @param providers processes
  /// @param cores of each provider
  /// @param repetitions measured jobs; the median counts
  /// @param queued tasks that wait in the second part; 0 leaves it out
  /// @param baselines whether to run the bare call and the peers too
  record Setting(
      int tasks,
      int providers,
      int cores,
      int repetitions,
      int queued,
      boolean baselines,
      List<String> poolFlags,
      List<String> providerFlags) {}

  /// One measured stretch of tasks.
  record Stretch(double perSecond, double poolUs, double providerUs, double engineUs) {
    double allUs() {
      return poolUs + providerUs + engineUs;
    }
  }

  private final Printout report;
  private final Setting setting;

  Throughput(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
  }

  void run(Path folder, Path home) throws IOException, PoolFailure, InterruptedException {
    Host host = Host.now();
    List<Stretch> alone = new ArrayList<>();
    List<Stretch> queued = new ArrayList<>();
    long[] heap;
    long residentMib;
    try (Fleet fleet = Fleet.start(folder, setting.poolFlags())) {
      fleet.addProviders(setting.providers(), setting.cores(), setting.providerFlags());
      fleet.isolationMissing().ifPresent(report::say);
      // Warm-up, not counted: the same job once. It compiles the code of all processes and teaches
      // the pool how long such tasks take.
      fleet.await(fleet.submit(setting.tasks()));
      for (int i = 0; i < setting.repetitions(); i++) {
        alone.add(measureJob(fleet, setting.tasks()));
        report.progress("job " + (i + 1) + ": " + Figures.of(alone.getLast().perSecond()) + "/s");
      }
      if (setting.queued() > 0) {
        queued.addAll(measureQueued(fleet));
      }
      heap = fleet.poolHeap();
      residentMib = fleet.poolResidentMib();
    }
    Table table =
        new Table(
            "empty tasks",
            ">tasks/s",
            ">of the first",
            ">CPU us/task",
            ">pool",
            ">providers",
            ">engines",
            ">tasks/s a core");
    Stretch first = median(alone);
    row(table, setting.tasks() + ", median of " + alone.size(), first, first);
    if (!queued.isEmpty()) {
      row(table, "with " + setting.queued() + " queued", median(queued), first);
    }
    report.table(table);
    report.say(
        "pool's heap: at most "
            + heap[0]
            + " MiB before a collection, "
            + heap[1]
            + " MiB after one; resident at most "
            + residentMib
            + " MiB");
    if (setting.baselines()) {
      new Baselines(report, setting.tasks()).run(home, first.perSecond());
    }
    report.say(host.state(home));
  }

  private static void row(Table table, String name, Stretch s, Stretch first) {
    table.row(
        name,
        Figures.of(s.perSecond()),
        Figures.ratio(s.perSecond(), first.perSecond()),
        Figures.of(s.allUs()),
        Figures.of(s.poolUs()),
        Figures.of(s.providerUs()),
        Figures.of(s.engineUs()),
        Figures.of(1e6 / s.allUs()));
  }

  private static Stretch median(List<Stretch> stretches) {
    return new Stretch(
        Figures.median(stretches.stream().mapToDouble(Stretch::perSecond).toArray()),
        Figures.median(stretches.stream().mapToDouble(Stretch::poolUs).toArray()),
        Figures.median(stretches.stream().mapToDouble(Stretch::providerUs).toArray()),
        Figures.median(stretches.stream().mapToDouble(Stretch::engineUs).toArray()));
  }

  /// From the submission until the consumer hears that all is done.
  private static Stretch measureJob(Fleet fleet, int tasks) throws IOException, PoolFailure {
    Meter meter = new Meter(fleet);
    fleet.await(fleet.submit(tasks));
    return meter.stretch(tasks);
  }

  /// Queues all first, then takes the time of a tenth of it while at least half still wait.
  private List<Stretch> measureQueued(Fleet fleet)
      throws IOException, PoolFailure, InterruptedException {
    List<JobId> jobs = new ArrayList<>();
    long before = fleet.done();
    long begun = System.nanoTime();
    for (int left = setting.queued(); left > 0; left -= JOB_TASKS) {
      jobs.add(fleet.submit(Math.min(left, JOB_TASKS)));
    }
    double submitS = (System.nanoTime() - begun) / 1e9;
    report.progress(
        setting.queued()
            + " tasks queued in "
            + Figures.of(submitS)
            + " s, meanwhile "
            + (fleet.done() - before)
            + " were done");
    List<Stretch> stretches = new ArrayList<>();
    while (stretches.size() < setting.repetitions()
        && fleet.done() - before < setting.queued() / 2) {
      Meter meter = new Meter(fleet);
      long from = fleet.done();
      long now = from;
      while (now - from < Math.min(setting.tasks(), setting.queued() / 4)) {
        TimeUnit.MILLISECONDS.sleep(100);
        now = fleet.done();
      }
      stretches.add(meter.stretch(now - from));
      report.progress(
          "with "
              + (setting.queued() - (now - before))
              + " waiting: "
              + Figures.of(stretches.getLast().perSecond())
              + "/s");
    }
    for (JobId job : jobs.reversed()) {
      try {
        fleet.client().cancel(job);
      } catch (PoolFailure e) {
        report.progress("job " + job + " was done already");
      }
    }
    return stretches;
  }

  /// Wall and processor time since its making.
  private static final class Meter {
    private final Fleet fleet;
    private final CpuTime pool;
    private final CpuTime providers;
    private final long begunNs;

    Meter(Fleet fleet) throws IOException {
      this.fleet = fleet;
      pool = fleet.poolCpu();
      providers = fleet.providersCpu();
      begunNs = System.nanoTime();
    }

    Stretch stretch(long tasks) throws IOException {
      double seconds = (System.nanoTime() - begunNs) / 1e9;
      CpuTime p = fleet.poolCpu().minus(pool);
      CpuTime q = fleet.providersCpu().minus(providers);
      double us = 1e6 / tasks;
      return new Stretch(
          tasks / seconds, (p.own() + p.children()) * us, q.own() * us, q.children() * us);
    }
  }
}
