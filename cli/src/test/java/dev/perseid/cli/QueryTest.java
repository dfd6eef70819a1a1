package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `perseid query`, and what nobody may do with it.
class QueryTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final RecordTable.Answer NOBODY =
      new RecordTable.Answer() {
        @Override
        public void columns(List<String> names, boolean[] numbers) {}

        @Override
        public boolean row(ResultSet row) {
          return true;
        }
      };

  @TempDir Path here;

  @Test
  void answersForPeopleAndPrograms() throws Exception {
    Path file = AnalyzeTest.records(here);
    String sql =
        "SELECT kind, count(*) AS n, sum(ran_ns) AS ran FROM records"
            + " WHERE outcome = 'DONE' GROUP BY kind ORDER BY kind";
    Ran shown = Ran.of("query", sql, "--from", file.toString());
    assertThat(shown.exit()).as(shown.err()).isZero();
    assertThat(shown.out().lines().findFirst().orElseThrow()).matches("kind +n +ran");
    assertThat(shown.out()).containsPattern("load +40 ");
    String[] lines = Ran.of("query", sql, "--from", file.toString(), "--json").out().split("\n");
    JsonNode fib = JSON.readTree(lines[0]);
    assertThat(fib.get("kind").asText()).isEqualTo("fib");
    assertThat(fib.get("n").asInt()).isPositive();
    assertThat(fib.get("ran").isNumber()).isTrue();
    String csv =
        Ran.of("query", "SELECT 'a,\"b' AS x, NULL AS y", "--from", file.toString(), "--csv").out();
    assertThat(csv).isEqualTo("x,y\r\n\"a,\"\"b\",\r\n");
    // Two files, and what waited for what.
    String joined =
        Ran.of(
                "query",
                "SELECT count(DISTINCT d.waits_for) AS n FROM dependencies d JOIN records r USING"
                    + " (source, task) WHERE r.kind = 'sum'",
                "--from",
                file.toString(),
                "--from",
                file.toString(),
                "--json")
            .out();
    assertThat(joined).isEqualTo("{\"n\":40}\n");
  }

  @Test
  void parquetIsWrittenAndReadAgain() throws Exception {
    Path file = AnalyzeTest.records(here);
    Path parquet = here.resolve("it's.parquet");
    try (RecordTable table = RecordTable.open(256)) {
      table.add(EngineTrace.read(file, OptionalLong.empty()));
      table.writeParquet(parquet);
    }
    assertThat(Files.readAllBytes(parquet))
        .startsWith('P', 'A', 'R', '1')
        .endsWith('P', 'A', 'R', '1');
    String sql = "SELECT count(*) AS n, sum(end_ns) AS s FROM records";
    assertThat(Ran.of("query", sql, "--from", parquet.toString(), "--json").out())
        .isEqualTo(Ran.of("query", sql, "--from", file.toString(), "--json").out());
  }

  @Test
  void whatIsWrongIsSaid() throws Exception {
    String file = AnalyzeTest.records(here).toString();
    Ran typo = Ran.of("query", "SELECT knd FROM records", "--from", file);
    assertThat(typo.exit()).isEqualTo(Exit.USAGE);
    assertThat(typo.err()).startsWith("query: ").contains("knd").contains("kind");
    assertThat(typo.err().lines()).hasSize(1);
    Ran slow =
        Ran.of(
            "query",
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7",
            "--from",
            file,
            "--seconds",
            "1");
    assertThat(slow.exit()).isEqualTo(Exit.USAGE);
    assertThat(slow.err()).contains("it took too long and was stopped: --seconds N allows more");
    Ran large =
        Ran.of(
            "query",
            "SELECT * FROM range(1000000000) ORDER BY range % 7, range",
            "--from",
            file,
            "--memory",
            "64");
    assertThat(large.exit()).isEqualTo(Exit.USAGE);
    assertThat(large.err()).contains("needs more memory than it may use: --memory MIB allows more");
    assertThat(Ran.of("query", "SELECT 1", "--from", "none.records").err())
        .contains("there is no file");
  }

  @Test
  void noQueryReadsOrWritesAFileOrOpensAWay() throws Exception {
    Path secret = Files.writeString(here.resolve("secret.csv"), "word\nmellon\n");
    Path parquet = here.resolve("secret.parquet");
    Path target = here.resolve("target");
    try (RecordTable table = RecordTable.open(256)) {
      table.add(EngineTrace.read(AnalyzeTest.records(here), OptionalLong.empty()));
      table.writeParquet(parquet);
      table.query("SELECT 1", 10, NOBODY);
      List<Path> before;
      try (Stream<Path> files = Files.list(here)) {
        before = files.sorted().toList();
      }
      String all = here + "/*";
      List<String> attacks =
          List.of(
              "SELECT * FROM read_csv('" + secret + "')",
              "SELECT * FROM '" + secret + "'",
              "SELECT * FROM read_text('" + secret + "')",
              "SELECT * FROM read_blob('" + secret + "')",
              "SELECT * FROM read_json('" + secret + "')",
              "SELECT * FROM sniff_csv('" + secret + "')",
              "SELECT * FROM glob('" + all + "')",
              "SELECT * FROM read_parquet('" + parquet + "')",
              "SELECT * FROM parquet_metadata('" + parquet + "')",
              "SELECT * FROM query('SELECT * FROM read_text(''" + secret + "'')')",
              "SELECT * FROM query_table('" + secret + "')",
              "CREATE VIEW v AS SELECT * FROM read_csv('" + secret + "')",
              "CREATE TABLE t AS FROM read_csv('" + secret + "')",
              "COPY records FROM '" + secret + "'",
              "COPY records TO '" + target + "'",
              "COPY records TO '" + target + "' (FORMAT parquet)",
              "EXPORT DATABASE '" + target + "'",
              "IMPORT DATABASE '" + here + "'",
              "ATTACH '" + target + "' AS other",
              "INSTALL httpfs",
              "LOAD httpfs",
              "LOAD '" + target + "'",
              "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
              "SELECT getenv('PATH')",
              "SET enable_external_access = true",
              "RESET enable_external_access",
              "SET lock_configuration = false",
              "SET memory_limit = '100GB'",
              "SET temp_directory = '" + target + "'",
              "SET home_directory = '" + target + "'",
              "SET allowed_directories = ['" + here + "']",
              "SET log_query_path = '" + target + "'",
              "PRAGMA profiling_output = '" + target + "'",
              "CALL enable_logging(storage = 'file', storage_path = '" + target + "')",
              "SELECT 1; SELECT * FROM read_text('" + secret + "')");
      for (String attack : attacks) {
        assertThatThrownBy(() -> table.query(attack, 10, NOBODY))
            .as(attack)
            .isInstanceOf(SQLException.class)
            .message()
            .doesNotContain("mellon");
      }
      try (Stream<Path> files = Files.list(here)) {
        assertThat(files.sorted().toList()).isEqualTo(before);
      }
      // It still answers.
      table.query("SELECT count(*) FROM records", 10, NOBODY);
    }
  }
}
