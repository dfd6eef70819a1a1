package dev.perseid.cli;

import dev.perseid.journal.Measure;
import dev.perseid.journal.Trace;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Properties;
import org.duckdb.DuckDBAppender;
import org.duckdb.DuckDBConnection;

/// Traces as tables of a database in memory: `records` has a row for each attempt, `dependencies`
/// one for each task that waited for another. Whoever writes a query may be anybody: before the
/// first one the database is shut off from files, network and extensions for good, and its memory
/// and time are limited. Used by one thread.
public final class RecordTable implements AutoCloseable {
  /// What a row of an answer is given to; cells are texts, numbers, or null.
  public interface Answer {
    /// Called once, before the rows.
    void columns(List<String> names, boolean[] numbers) throws SQLException;

    /// Called for each row.
    ///
    /// @return whether to go on
    boolean row(ResultSet row) throws SQLException;
  }

  private static final List<String> TABLES = List.of("records", "dependencies");

  private final DuckDBConnection database;
  private boolean shut;

  private RecordTable(DuckDBConnection database) {
    this.database = database;
  }

  /// Opens empty tables. Half a second: the library unpacks its native part.
  ///
  /// @param memoryMib that the database may use
  public static RecordTable open(int memoryMib) throws SQLException {
    Properties settings = new Properties();
    settings.setProperty("memory_limit", memoryMib + "MiB");
    settings.setProperty("temp_directory", "");
    settings.setProperty("autoinstall_known_extensions", "false");
    settings.setProperty("autoload_known_extensions", "false");
    Connection opened = DriverManager.getConnection("jdbc:duckdb:", settings);
    RecordTable table = new RecordTable(opened.unwrap(DuckDBConnection.class));
    table.empty();
    return table;
  }

  private void empty() throws SQLException {
    run("CREATE TABLE records (" + columns() + ")");
    run("CREATE TABLE dependencies (source VARCHAR, task INTEGER, waits_for INTEGER)");
  }

  /// The columns of `records` with their types.
  static String columns() {
    StringBuilder columns =
        new StringBuilder(
            "source VARCHAR, title VARCHAR, task INTEGER, name VARCHAR, kind VARCHAR, attempt INTEGER,"
                + " place VARCHAR, outcome VARCHAR, reason VARCHAR, forked_by INTEGER, started"
                + " TIMESTAMP, ran_ns BIGINT");
    for (Measure measure : Measure.values()) {
      columns.append(", ").append(measure.column()).append(" BIGINT");
    }
    return columns.toString();
  }

  private void run(String sql) throws SQLException {
    try (Statement statement = database.createStatement()) {
      statement.execute(sql);
    }
  }

  /// Adds the rows of a trace. Some microseconds a row.
  public void add(Trace trace) throws SQLException {
    try (DuckDBAppender to = database.createAppender("main", "records")) {
      for (int a = 0; a < trace.attempts(); a++) {
        int task = trace.task(a);
        to.beginRow();
        to.append(trace.id()).append(trace.title());
        to.append(task).append(trace.name(task)).append(trace.kind(task));
        to.append(trace.number(a)).append(trace.place(a)).append(trace.ending(a).name());
        to.append(trace.reason(a));
        OptionalInt forker = trace.forker(task);
        if (forker.isPresent()) {
          to.append(forker.getAsInt());
        } else {
          to.appendNull();
        }
        OptionalLong start = trace.get(a, Measure.START);
        if (start.isPresent()) {
          to.appendEpochMicros(trace.epochUs() + start.getAsLong() / 1_000);
        } else {
          to.appendNull();
        }
        append(to, trace.ranNs(a));
        for (Measure measure : Measure.values()) {
          append(to, trace.get(a, measure));
        }
        to.endRow();
      }
    }
    try (DuckDBAppender to = database.createAppender("main", "dependencies")) {
      for (int t = 0; t < trace.tasks(); t++) {
        for (int parent : trace.parents(t).toArray()) {
          to.beginRow();
          to.append(trace.id()).append(t).append(parent);
          to.endRow();
        }
      }
    }
  }

  private static void append(DuckDBAppender to, OptionalLong value) throws SQLException {
    if (value.isPresent()) {
      to.append(value.getAsLong());
    } else {
      to.appendNull();
    }
  }

  /// Adds the rows of a Parquet file that [#writeParquet] wrote; columns that it lacks are null.
  public void addParquet(Path file) throws SQLException {
    run("INSERT INTO records BY NAME SELECT * FROM read_parquet('" + quoted(file) + "')");
  }

  /// Writes all records into a Parquet file.
  public void writeParquet(Path file) throws SQLException {
    run("COPY records TO '" + quoted(file) + "' (FORMAT parquet, COMPRESSION zstd)");
  }

  /// How many records there are.
  public long size() throws SQLException {
    try (Statement statement = database.createStatement();
        ResultSet rows = statement.executeQuery("SELECT count(*) FROM records")) {
      rows.next();
      return rows.getLong(1);
    }
  }

  /// Writes all tables into a file of the database's own, to be opened by [#openKept].
  public void keep(Path file) throws SQLException {
    run("ATTACH '" + quoted(file) + "' AS kept");
    try {
      for (String table : TABLES) {
        run("CREATE TABLE kept." + table + " AS FROM main." + table);
      }
    } finally {
      run("DETACH kept");
    }
  }

  /// Takes all records from a file that [#keep] wrote, in place of the tables that are empty yet:
  /// nothing is read but what queries ask for. Nobody may find the file under this name while
  /// queries run, as they could write to it.
  ///
  /// @throws SQLException if it is not such a file; then the tables are as they were
  public void openKept(Path file) throws SQLException {
    run("ATTACH '" + quoted(file) + "' AS kept (READ_ONLY)");
    for (String table : TABLES) {
      run("DROP TABLE " + table);
    }
    try {
      for (String table : TABLES) {
        run("CREATE VIEW " + table + " AS FROM kept.main." + table);
      }
    } catch (SQLException e) {
      closeKept();
      throw e;
    }
  }

  /// Takes back what [#openKept] did.
  void closeKept() throws SQLException {
    for (String table : TABLES) {
      run("DROP VIEW IF EXISTS " + table);
    }
    run("DETACH kept");
    empty();
  }

  private static String quoted(Path file) {
    return file.toAbsolutePath().toString().replace("'", "''");
  }

  /// Shuts the database off; there is no way back.
  private void shut() throws SQLException {
    if (!shut) {
      run("SET enable_external_access = false");
      run("SET lock_configuration = true");
      shut = true;
    }
  }

  /// Answers a query of anybody.
  ///
  /// @param seconds that it may take
  /// @throws SQLException also if it took longer
  public void query(String sql, int seconds, Answer answer) throws SQLException {
    shut();
    try (Statement statement = database.createStatement()) {
      statement.setQueryTimeout(seconds);
      if (!statement.execute(sql)) {
        return;
      }
      try (ResultSet rows = statement.getResultSet()) {
        List<String> names = new ArrayList<>();
        boolean[] numbers = new boolean[rows.getMetaData().getColumnCount()];
        for (int c = 1; c <= numbers.length; c++) {
          names.add(rows.getMetaData().getColumnLabel(c));
          numbers[c - 1] =
              switch (rows.getMetaData().getColumnType(c)) {
                case java.sql.Types.TINYINT,
                    java.sql.Types.SMALLINT,
                    java.sql.Types.INTEGER,
                    java.sql.Types.BIGINT,
                    java.sql.Types.FLOAT,
                    java.sql.Types.REAL,
                    java.sql.Types.DOUBLE,
                    java.sql.Types.DECIMAL,
                    java.sql.Types.NUMERIC ->
                    true;
                default -> rows.getMetaData().getColumnTypeName(c).contains("INT");
              };
        }
        answer.columns(names, numbers);
        while (rows.next() && answer.row(rows)) {
          // The answer has taken the row.
        }
      }
    }
  }

  @Override
  public void close() throws SQLException {
    database.close();
  }
}
