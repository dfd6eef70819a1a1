package dev.perseid.bench;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolFailure;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/// A pool with many records is killed (`kill -9`) with work waiting, and started again: how long
/// until a provider gets its first lease?
final class Restart {
  private static final int JOB_TASKS = 100_000;
  private static final int WAITING_TASKS = 50_000;
  private static final long LEASE_S = 120;

  private final Printout report;
  private final int records;
  private final int repetitions;
  private final List<String> poolFlags;

  Restart(Printout report, int records, int repetitions, List<String> poolFlags) {
    this.report = report;
    this.records = records;
    this.repetitions = repetitions;
    this.poolFlags = poolFlags;
  }

  void run(Path folder, Path home) throws IOException, PoolFailure, InterruptedException {
    Host host = Host.now();
    double[] listening = new double[repetitions];
    double[] welcomed = new double[repetitions];
    double[] leased = new double[repetitions];
    double[] read = new double[repetitions];
    double[] cpu = new double[repetitions];
    double[] empty = new double[repetitions];
    double[] emptyCpu = new double[repetitions];
    try (Fleet fleet = Fleet.start(folder.resolve("empty"), poolFlags)) {
      for (int i = 0; i < repetitions; i++) {
        fleet.killPool();
        long begun = System.nanoTime();
        fleet.restartPool();
        empty[i] = (System.nanoTime() - begun) / 1e9;
        emptyCpu[i] = fleet.poolCpu().own();
      }
    }
    String sizes;
    try (Fleet fleet = Fleet.start(folder.resolve("full"), poolFlags)) {
      fill(fleet);
      fleet.submit(WAITING_TASKS);
      sizes = fleet.sizes();
      for (int i = 0; i < repetitions; i++) {
        fleet.killPool();
        read[i] = readAll(fleet.poolFolder());
        long begun = System.nanoTime();
        fleet.restartPool();
        listening[i] = (System.nanoTime() - begun) / 1e9;
        try (HollowProvider provider = hollow(fleet, Key.generate())) {
          welcomed[i] = (await(provider, provider.welcomed()) - begun) / 1e9;
          leased[i] = (await(provider, provider.leased()) - begun) / 1e9;
          cpu[i] = fleet.poolCpu().own();
        }
        report.progress("restart " + (i + 1) + ": " + Figures.of(leased[i]) + " s");
      }
    }
    Table table = new Table(records + " records, seconds", ">median", ">slowest");
    row(table, "kill -9 -> the port is open (JVM, records, snapshot, log)", listening);
    row(table, "        -> a provider is welcome", welcomed);
    row(table, "        -> it has its first lease", leased);
    row(table, "        -> CPU time that the pool has used by then", cpu);
    row(table, "baseline: a pool without records -> the port is open", empty);
    row(table, "        -> CPU time that it has used by then", emptyCpu);
    row(table, "baseline: reading the same files once", read);
    report.table(table);
    report.say("on disk: " + sizes);
    report.say(host.state(home));
  }

  private static void row(Table table, String name, double[] seconds) {
    table.row(
        name, Figures.of(Figures.median(seconds)), Figures.of(Figures.percentile(seconds, 100)));
  }

  private void fill(Fleet fleet) throws IOException, PoolFailure, InterruptedException {
    CpuTime before = fleet.poolCpu();
    long begun = System.nanoTime();
    try (HollowProvider provider = hollow(fleet, Key.generate())) {
      for (int left = records; left > 0; left -= JOB_TASKS) {
        JobId job = fleet.submit(Math.min(left, JOB_TASKS));
        fleet.await(job);
        if (provider.end() != null) {
          throw new IOException("the hollow provider lost its connection: " + provider.end());
        }
      }
    }
    double seconds = (System.nanoTime() - begun) / 1e9;
    report.say(
        "the pool alone, against a provider that runs nothing: "
            + Figures.of(records / seconds)
            + " tasks/s, "
            + Figures.of(fleet.poolCpu().minus(before).own() * 1e6 / records)
            + " CPU us of the pool a task");
  }

  private static HollowProvider hollow(Fleet fleet, Key key) throws IOException {
    return new HollowProvider(
        key, fleet.target().host(), fleet.target().port(), fleet.client().pool());
  }

  private static long await(
      HollowProvider provider, java.util.concurrent.CompletableFuture<Long> when)
      throws IOException, InterruptedException {
    try {
      return when.get(LEASE_S, TimeUnit.SECONDS);
    } catch (TimeoutException | ExecutionException e) {
      throw new IOException("no lease came; " + provider.end(), e);
    }
  }

  /// Seconds to read every file of the pool once.
  private static double readAll(Path folder) throws IOException {
    long begun = System.nanoTime();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        try (var in = Files.newInputStream(file)) {
          in.transferTo(java.io.OutputStream.nullOutputStream());
        }
      }
    }
    return (System.nanoTime() - begun) / 1e9;
  }
}
