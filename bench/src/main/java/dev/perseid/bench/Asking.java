package dev.perseid.bench;

import dev.perseid.cli.RecordTable;
import dev.perseid.journal.Ending;
import dev.perseid.journal.Measure;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// SQL over many records: how long it takes to load them, and to answer.
final class Asking {
  private static final int TRACES = 10;
  private static final int MEMORY_MIB = 4_096;

  private final Printout report;
  private final int records;
  private final int rounds;

  Asking(Printout report, int records, int rounds) {
    this.report = report;
    this.records = records;
    this.rounds = rounds;
  }

  void run(Path folder, Path home) throws IOException {
    Host host = Host.now();
    try {
      measure(folder);
    } catch (SQLException | TraceFailure e) {
      throw new IOException("the queries failed: " + e.getMessage(), e);
    }
    report.say("");
    report.say(host.state(home));
  }

  private void measure(Path folder) throws SQLException, TraceFailure, IOException {
    Table table = new Table("what", ">ms");
    long before = System.nanoTime();
    try (RecordTable sql = RecordTable.open(MEMORY_MIB)) {
      table.row("open an empty database, once a command", ms(before));
      long loading = 0;
      for (int i = 0; i < TRACES; i++) {
        Trace trace = trace(i);
        before = System.nanoTime();
        sql.add(trace);
        loading += System.nanoTime() - before;
      }
      table.row("load " + records + " records of " + TRACES + " jobs", Figures.of(loading / 1e6));
      Path parquet = folder.resolve("records.parquet");
      before = System.nanoTime();
      sql.writeParquet(parquet);
      table.row("write them as Parquet, " + Files.size(parquet) / 1_000 + " kB", ms(before));
      kept(sql, folder, table);
      Map<String, String> queries = new LinkedHashMap<>();
      queries.put(
          "group by kind",
          "SELECT kind, count(*), sum(ran_ns), avg(ran_ns) FROM records GROUP BY kind");
      queries.put(
          "group by kind and place, with a percentile",
          "SELECT kind, place, quantile_cont(ran_ns, 0.95) FROM records GROUP BY ALL");
      queries.put(
          "tasks that waited longest, by a join",
          "SELECT r.name, max(r.start_ns - p.end_ns) AS gap FROM dependencies d JOIN records r ON"
              + " r.source = d.source AND r.task = d.task JOIN records p ON p.source = d.source AND"
              + " p.task = d.waits_for GROUP BY r.name ORDER BY gap DESC LIMIT 10");
      queries.put(
          "the longest of each kind, by a window",
          "SELECT * FROM (SELECT kind, name, ran_ns, row_number() OVER (PARTITION BY kind ORDER BY"
              + " ran_ns DESC) AS r FROM records) WHERE r <= 3");
      for (Map.Entry<String, String> query : queries.entrySet()) {
        double[] times = new double[rounds];
        for (int i = 0; i < rounds; i++) {
          before = System.nanoTime();
          sql.query(query.getValue(), 60, new Reader());
          times[i] = (System.nanoTime() - before) / 1e6;
        }
        table.row(query.getKey() + ", median of " + rounds, Figures.of(Figures.median(times)));
      }
    }
    report.table(table);
  }

  /// What a command costs that asks the same records again.
  private void kept(RecordTable loaded, Path folder, Table table) throws SQLException, IOException {
    Path file = folder.resolve("kept");
    long before = System.nanoTime();
    loaded.keep(file);
    table.row("keep them for the next time, " + Files.size(file) / 1_000 + " kB", ms(before));
    double[] times = new double[rounds];
    for (int i = 0; i < rounds; i++) {
      try (RecordTable again = RecordTable.open(MEMORY_MIB)) {
        before = System.nanoTime();
        again.openKept(file);
        again.query(
            "SELECT kind, count(*), sum(ran_ns), avg(ran_ns) FROM records GROUP BY kind",
            60,
            new Reader());
        times[i] = (System.nanoTime() - before) / 1e6;
      }
    }
    table.row(
        "open what is kept and group by kind, median of " + rounds,
        Figures.of(Figures.median(times)));
  }

  private static String ms(long since) {
    return Figures.of((System.nanoTime() - since) / 1e6);
  }

  private static final class Reader implements RecordTable.Answer {
    @Override
    public void columns(List<String> names, boolean[] numbers) {
      // Only the rows count.
    }

    @Override
    public boolean row(ResultSet row) throws SQLException {
      return row.getObject(1) != null;
    }
  }

  private Trace trace(int number) throws TraceFailure {
    Random random = new Random(number);
    Trace.Builder b = new Trace.Builder("job " + number);
    for (int t = 0; t < records / TRACES; t++) {
      b.task("kind" + t % 20 + "[" + t + "]", "kind" + t % 20);
      if (t >= 50) {
        b.depends(t, t - 1 - random.nextInt(50));
      }
      b.attempt(t, 1, "provider " + random.nextInt(100), Ending.DONE, "");
      long start = t * 1_000_000L;
      b.set(Measure.READY, start)
          .set(Measure.ASSIGNED, start + 100)
          .set(Measure.START, start + 500)
          .set(Measure.END, start + random.nextInt(100_000_000))
          .set(Measure.CPU, random.nextInt(100_000_000))
          .set(Measure.MEMORY, 65_536L * random.nextInt(1_000))
          .set(Measure.GAS, random.nextInt(1_000_000_000))
          .set(Measure.CHARGE, random.nextInt(1_000));
    }
    return b.build();
  }
}
