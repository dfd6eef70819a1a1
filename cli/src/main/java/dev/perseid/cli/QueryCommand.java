package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.journal.TraceFailure;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid query`: SQL over records.
@Command(
    name = "query",
    description =
        "Ask records in SQL (DuckDB's): table records has a row for each attempt, table dependencies"
            + " one for each task that waited for another.")
final class QueryCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      paramLabel = "SQL",
      description = "e.g. \"SELECT kind, count(*), avg(ran_ns) FROM records GROUP BY kind\".")
  private String sql = "";

  @Option(
      names = "--from",
      paramLabel = "FILE|JOB",
      description =
          "As of perseid analyze, or a Parquet file; may be given several times. Default: all your"
              + " records in the pool.")
  private List<String> from = new ArrayList<>();

  @Option(names = "--csv", description = "Print CSV.")
  private boolean csv;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description = "How long the query may take; default: ${DEFAULT-VALUE}.",
      defaultValue = "" + QueryLimits.SECONDS)
  private int seconds;

  @Option(
      names = "--memory",
      paramLabel = "MIB",
      description = "What the query may use; default: ${DEFAULT-VALUE}.",
      defaultValue = "" + QueryLimits.MEMORY_MIB)
  private int memoryMib;

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    if (seconds < 1 || memoryMib < 64) {
      throw new BadInput("--seconds: at least 1; --memory: at least 64");
    }
    try (RecordTable table = RecordTable.open(memoryMib)) {
      load(table);
      if (shared.json || csv) {
        table.query(sql, seconds, shared.json ? new Objects() : new Lines());
      } else {
        Shown shown = new Shown();
        table.query(sql, seconds, shown);
        shown.print();
      }
      return Exit.OK;
    } catch (SQLException e) {
      throw new BadInput("query: " + text(e));
    } catch (TraceFailure e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
  }

  private void load(RecordTable table)
      throws BadInput, PoolFailure, IOException, TraceFailure, SQLException {
    Origins origins = new Origins(main, at, from);
    RecordCache cache = new RecordCache(main.home().folder().resolve("cache").resolve("records"));
    String question = origins.question();
    if (cache.open(table, question, origins::state)) {
      return;
    }
    Optional<String> before = origins.changeable();
    long newest = origins.load(table);
    if (table.size() < QueryLimits.KEPT_LEAST_RECORDS
        || before.isEmpty()
        || !before.equals(origins.changeable())
        || !origins.complete()) {
      return;
    }
    Optional<String> state = origins.state(newest);
    if (state.isPresent()) {
      try {
        cache.keep(table, question, newest, state.get());
      } catch (IOException | SQLException e) {
        main.screen().note("what was loaded is not kept for the next query: " + e.getMessage());
      }
    }
  }

  /// DuckDB's messages have several lines: what is wrong, then where.
  static String text(SQLException e) {
    String message = String.valueOf(e.getMessage()).strip();
    if (message.contains("Interrupted") || message.contains("INTERRUPT")) {
      return "it took too long and was stopped: --seconds N allows more";
    }
    if (message.startsWith("Out of Memory")) {
      return "it needs more memory than it may use: --memory MIB allows more";
    }
    return message.replaceAll("\\s*\\n\\s*", "; ");
  }

  /// A table for people.
  private final class Shown implements RecordTable.Answer {
    private @Nullable Table table;
    private int rows;
    private int columns;

    @Override
    public void columns(List<String> names, boolean[] numbers) {
      String[] heads = new String[names.size()];
      for (int c = 0; c < heads.length; c++) {
        heads[c] = (numbers[c] ? ">" : "") + names.get(c);
      }
      columns = heads.length;
      table = new Table(heads);
    }

    @Override
    public boolean row(ResultSet row) throws SQLException {
      if (rows++ == QueryLimits.ROWS_SHOWN) {
        return false;
      }
      Object[] cells = new Object[columns];
      for (int c = 0; c < columns; c++) {
        Object value = row.getObject(c + 1);
        String text =
            value == null
                ? "-"
                : value instanceof Double d
                    ? new BigDecimal(d.isNaN() || d.isInfinite() ? 0 : d)
                        .round(new java.math.MathContext(8))
                        .stripTrailingZeros()
                        .toPlainString()
                    : value.toString();
        cells[c] =
            text.length() > QueryLimits.CELL_CHARS
                ? text.substring(0, QueryLimits.CELL_CHARS) + "..."
                : text;
      }
      if (table != null) {
        table.row(cells);
      }
      return true;
    }

    void print() {
      if (table != null) {
        main.screen().say(table.lines());
      }
      if (rows > QueryLimits.ROWS_SHOWN) {
        main.screen()
            .note("the first " + QueryLimits.ROWS_SHOWN + " rows; all of them: --csv or --json");
      }
    }
  }

  /// RFC 4180.
  private final class Lines implements RecordTable.Answer {
    private final PrintStream out = main.screen().out();
    private int columns;

    @Override
    public void columns(List<String> names, boolean[] numbers) {
      columns = names.size();
      out.print(String.join(",", names.stream().map(Lines::quoted).toList()) + "\r\n");
    }

    @Override
    public boolean row(ResultSet row) throws SQLException {
      StringBuilder line = new StringBuilder();
      for (int c = 1; c <= columns; c++) {
        Object value = row.getObject(c);
        line.append(c == 1 ? "" : ",").append(value == null ? "" : quoted(value.toString()));
      }
      out.print(line.append("\r\n"));
      return !out.checkError();
    }

    private static String quoted(String cell) {
      return cell.matches("[^,\"\\r\\n]*") ? cell : '"' + cell.replace("\"", "\"\"") + '"';
    }
  }

  /// A JSON object a line.
  private final class Objects implements RecordTable.Answer {
    private final JsonFactory factory = new JsonFactory();
    private List<String> names = List.of();

    @Override
    public void columns(List<String> all, boolean[] numbers) {
      names = all;
    }

    @Override
    public boolean row(ResultSet row) throws SQLException {
      java.io.StringWriter text = new java.io.StringWriter();
      try (JsonGenerator json = factory.createGenerator(text)) {
        json.writeStartObject();
        for (int c = 0; c < names.size(); c++) {
          Object value = row.getObject(c + 1);
          json.writeFieldName(names.get(c));
          switch (value) {
            case null -> json.writeNull();
            case Boolean b -> json.writeBoolean(b);
            case Integer i -> json.writeNumber(i);
            case Long l -> json.writeNumber(l);
            case Short s -> json.writeNumber(s);
            case Double d -> json.writeNumber(d);
            case BigInteger i -> json.writeNumber(i);
            case BigDecimal d -> json.writeNumber(d);
            default -> json.writeString(value.toString());
          }
        }
        json.writeEndObject();
      } catch (IOException e) {
        throw new java.io.UncheckedIOException("strings can be written", e);
      }
      main.screen().out().println(text);
      return !main.screen().out().checkError();
    }
  }
}
