package dev.perseid.bench;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.Receipt;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A job of one empty task on a running pool, one job after the other: from its submission until
/// the consumer knows that it is done, and until it has checked the receipt.
final class Latency {
  private final Printout report;
  private final int jobs;
  private final List<String> poolFlags;

  Latency(Printout report, int jobs, List<String> poolFlags) {
    this.report = report;
    this.jobs = jobs;
    this.poolFlags = poolFlags;
  }

  void run(Path folder, Path home) throws IOException, PoolFailure, InterruptedException {
    Host host = Host.now();
    double[] accepted = new double[jobs];
    double[] done = new double[jobs];
    double[] verified = new double[jobs];
    double[] appended;
    long receiptBytes = 0;
    try (Fleet fleet = Fleet.start(folder, poolFlags)) {
      fleet.addProviders(1, Runtime.getRuntime().availableProcessors(), List.of());
      for (int i = 0; i < jobs; i++) { // not counted
        one(fleet);
      }
      for (int i = 0; i < jobs; i++) {
        long begun = System.nanoTime();
        JobId job = fleet.submit(1);
        accepted[i] = ms(begun);
        fleet.await(job);
        done[i] = ms(begun);
        receiptBytes += verify(fleet, job);
        verified[i] = ms(begun);
      }
      appended = appends(folder.resolve("append"), (int) (receiptBytes / jobs));
    }
    Table table = new Table("one empty task, ms", ">p50", ">p90", ">p99", ">p50 of the baseline");
    double baseline = Figures.percentile(appended, 50);
    row(table, "submitted -> accepted, durable", accepted, baseline);
    row(table, "submitted -> done, durable, paid", done, baseline);
    row(table, "submitted -> receipt verified", verified, baseline);
    row(
        table,
        "baseline: " + receiptBytes / jobs + " bytes appended and synced",
        appended,
        baseline);
    report.table(table);
    report.say(host.state(home));
  }

  private static void row(Table table, String name, double[] values, double baseline) {
    table.row(
        name,
        Figures.of(Figures.percentile(values, 50)),
        Figures.of(Figures.percentile(values, 90)),
        Figures.of(Figures.percentile(values, 99)),
        Figures.ratio(Figures.percentile(values, 50), baseline));
  }

  private static void one(Fleet fleet) throws IOException, PoolFailure {
    JobId job = fleet.submit(1);
    fleet.await(job);
    verify(fleet, job);
  }

  private static int verify(Fleet fleet, JobId job) throws IOException, PoolFailure {
    List<String> receipts = new ArrayList<>();
    fleet.client().receipts(job, receipts::add);
    if (receipts.size() != 1) {
      throw new IOException("one task has " + receipts.size() + " receipts");
    }
    return switch (Receipt.verify(receipts.getFirst(), Optional.of(fleet.client().pool()))) {
      case Receipt.Check.Verified _ -> receipts.getFirst().length();
      case Receipt.Check.Wrong wrong -> throw new IOException(wrong.reason());
    };
  }

  private double[] appends(Path file, int bytes) throws IOException {
    double[] times = new double[jobs];
    try (FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      ByteBuffer content = ByteBuffer.allocate(bytes);
      for (int i = 0; i < jobs; i++) {
        long begun = System.nanoTime();
        channel.write(content.rewind());
        channel.force(false);
        times[i] = ms(begun);
      }
    }
    return times;
  }

  private static double ms(long sinceNs) {
    return (System.nanoTime() - sinceNs) / 1e6;
  }
}
