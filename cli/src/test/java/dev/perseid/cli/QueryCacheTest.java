package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `perseid query` keeps of what it loaded, and when it counts.
class QueryCacheTest {
  private static final Instant LONG_AGO = Instant.parse("2026-01-01T00:00:00Z");
  private static final String COUNT = "SELECT count(*) AS n, sum(ran_ns) AS ran FROM records";

  @TempDir Path here;

  /// A log of jobs in the Standard Workload Format, each of which ran for so many seconds.
  private Path log(String name, int jobs, int seconds, Instant changed) throws IOException {
    StringBuilder text = new StringBuilder("; MaxProcs: 64\n");
    for (int i = 0; i < jobs; i++) {
      text.append(i + 1).append(' ').append(i).append(" 0 ").append(seconds);
      text.append(" 1 -1 -1 1 -1 -1 1 1 1 ").append(i % 5 + 1).append(" 1 -1 -1 -1\n");
    }
    Path file = Files.writeString(here.resolve(name), text);
    Files.setLastModifiedTime(file, FileTime.from(changed));
    return file;
  }

  private String answer(String sql, Path... files) {
    String[] arguments = new String[3 + 2 * files.length];
    arguments[0] = "query";
    arguments[1] = sql;
    arguments[2] = "--json";
    for (int i = 0; i < files.length; i++) {
      arguments[3 + 2 * i] = "--from";
      arguments[4 + 2 * i] = files[i].toString();
    }
    Ran ran = Ran.of(Map.of("PERSEID_HOME", here.resolve("home").toString()), arguments);
    assertThat(ran.exit()).as(ran.err()).isZero();
    assertThat(ran.err()).isEmpty();
    return ran.out();
  }

  private Path folder() {
    return here.resolve("home").resolve("cache").resolve("records");
  }

  private List<Path> kept() throws IOException {
    if (!Files.exists(folder())) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder())) {
      return files.sorted().toList();
    }
  }

  private static String ran(int jobs, int seconds) {
    return "{\"n\":" + jobs + ",\"ran\":" + jobs * 1_000_000_000L * seconds + "}\n";
  }

  @Test
  void whatIsAskedAgainIsNotLoadedAgainUntilItChanges() throws Exception {
    int jobs = (int) QueryLimits.KEPT_LEAST_RECORDS;
    Path file = log("jobs.swf", jobs, 7, LONG_AGO);
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 7));
    assertThat(kept()).hasSize(1);
    Path first = kept().getFirst();
    assertThat(Files.getPosixFilePermissions(folder())).hasSize(3);

    // The same size and time, in the same place: nobody looked into the file.
    Files.writeString(file, Files.readString(file).replace(" 0 7 1 ", " 0 8 1 "));
    Files.setLastModifiedTime(file, FileTime.from(LONG_AGO));
    Files.setLastModifiedTime(first, FileTime.from(LONG_AGO));
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 7));
    assertThat(answer("SELECT count(*) AS n FROM main.records WHERE kind IS NOT NULL", file))
        .isEqualTo("{\"n\":" + jobs + "}\n");
    assertThat(kept()).containsExactly(first);
    assertThat(Files.getLastModifiedTime(first).toInstant()).as("used").isAfter(LONG_AGO);

    // Another time: what is kept is replaced.
    Files.setLastModifiedTime(file, FileTime.from(LONG_AGO.plusSeconds(1)));
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 8));
    assertThat(kept()).hasSize(1).doesNotContain(first);

    // Written just now: what comes next might have the same time.
    log("jobs.swf", jobs, 9, Instant.now().plusSeconds(3_600));
    Path second = kept().getFirst();
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 9));
    assertThat(kept()).containsExactly(second);
    log("jobs.swf", jobs, 6, Instant.now().plusSeconds(3_600));
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 6));
  }

  @Test
  void eachChoiceOfSourcesIsKeptAndSmallOnesAreNot() throws Exception {
    int jobs = (int) QueryLimits.KEPT_LEAST_RECORDS;
    Path one = log("one.swf", jobs, 1, LONG_AGO);
    Path two = log("two.swf", 10, 2, LONG_AGO);
    assertThat(answer("SELECT count(*) AS n FROM records", two)).isEqualTo("{\"n\":10}\n");
    assertThat(kept()).isEmpty();
    for (int round = 0; round < 2; round++) {
      assertThat(answer("SELECT count(*) AS n FROM records", one, two))
          .isEqualTo("{\"n\":" + (jobs + 10) + "}\n");
      assertThat(answer("SELECT count(*) AS n FROM records", one))
          .isEqualTo("{\"n\":" + jobs + "}\n");
      assertThat(kept()).hasSize(2);
    }
  }

  @Test
  void whatIsDamagedIsLoadedAgain() throws Exception {
    int jobs = (int) QueryLimits.KEPT_LEAST_RECORDS;
    Path file = log("jobs.swf", jobs, 3, LONG_AGO);
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 3));
    Files.writeString(kept().getFirst(), "no database");
    assertThat(answer(COUNT, file)).isEqualTo(ran(jobs, 3));
    assertThat(kept()).hasSize(1);
    // One bit of it, wherever it is: some are only looked at when a query needs them.
    for (int part = 1; part < 8; part++) {
      Path whole = kept().getFirst();
      byte[] bytes = Files.readAllBytes(whole);
      bytes[bytes.length / 8 * part] ^= 4;
      Files.write(whole, bytes);
      assertThat(answer(COUNT, file)).as("part %d", part).isEqualTo(ran(jobs, 3));
      assertThat(kept()).hasSize(1);
      assertThat(Files.readAllBytes(kept().getFirst())).isNotEqualTo(bytes);
    }
  }

  /// Queries may write to the paths of databases that are open, had these still a path.
  @Test
  void noQueryReachesWhatIsKept() throws Exception {
    Path file = log("jobs.swf", (int) QueryLimits.KEPT_LEAST_RECORDS, 3, LONG_AGO);
    answer(COUNT, file);
    Path kept = kept().getFirst();
    byte[] before = Files.readAllBytes(kept);
    String[] name = kept.getFileName().toString().split("[-.]", -1);
    RecordCache cache = new RecordCache(folder());
    try (RecordTable table = RecordTable.open(256)) {
      assertThat(cache.open(table, name[0], newest -> Optional.of(name[name.length - 3]))).isTrue();
      String[] path = new String[1];
      RecordTable.Answer answer =
          new RecordTable.Answer() {
            @Override
            public void columns(List<String> names, boolean[] numbers) {}

            @Override
            public boolean row(ResultSet row) throws SQLException {
              path[0] = row.getString(1);
              return true;
            }
          };
      table.query("SELECT path FROM duckdb_databases() WHERE database_name = 'kept'", 10, answer);
      assertThat(path[0]).contains("part-");
      assertThat(Path.of(path[0])).doesNotExist();
      for (String at : List.of(path[0], kept.toString())) {
        for (String attack :
            List.of(
                "COPY (SELECT 1) TO '" + at + "'",
                "COPY (SELECT 1) TO '" + at + "' (USE_TMP_FILE false)",
                "COPY (SELECT 1) TO '" + at + ".wal'",
                "COPY (SELECT 1) TO '" + at + ".wal' (USE_TMP_FILE false)",
                "COPY (SELECT 1 AS a) TO '" + at + "' (FORMAT parquet, PER_THREAD_OUTPUT)",
                "COPY (SELECT 1 AS a, 2 AS b) TO '" + at + "' (FORMAT csv, PARTITION_BY (a))",
                "EXPORT DATABASE '" + at + "'",
                "ATTACH '" + at + "' AS again",
                "INSERT INTO records SELECT * FROM records",
                "DELETE FROM kept.main.records",
                "DROP TABLE kept.main.records")) {
          assertThat(catchThrowable(() -> table.query(attack, 10, answer)))
              .as(attack)
              .isInstanceOf(SQLException.class);
        }
      }
      assertThat(catchThrowable(() -> table.query("FROM read_blob('" + kept + "')", 10, answer)))
          .isInstanceOf(SQLException.class);
      table.query("SELECT count(*) FROM read_blob('" + path[0] + "')", 10, answer);
      assertThat(path[0]).isEqualTo("0");
      table.query("SELECT count(*) FROM records", 10, answer);
      assertThat(path[0]).isEqualTo("" + QueryLimits.KEPT_LEAST_RECORDS);
    }
    assertThat(kept()).containsExactly(kept);
    assertThat(Files.readAllBytes(kept)).isEqualTo(before);
  }
}
