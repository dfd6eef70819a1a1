package dev.perseid.journal;

import java.io.BufferedReader;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Nextflow's `trace.txt`: a line of column names, then a line for each attempt, with tabs. Values
/// are as Nextflow writes them for people (`1m 4s`, `2.1 GB`) or raw (`trace.raw`: milliseconds,
/// bytes). It does not tell what waited for what.
final class NextflowTrace {
  private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*(ms|s|m|h|d)");
  private static final Pattern SIZE = Pattern.compile("(\\d+(?:\\.\\d+)?)\\s*([KMGTP]?)B", 0);
  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss[.SSS]", Locale.ROOT);

  private final String where;
  private final Trace.Builder b;
  private final Map<String, Integer> column = new HashMap<>();
  private final Map<String, Integer> tasks = new HashMap<>();
  private final List<Line> lines = new ArrayList<>();

  private record Line(int number, List<String> cells) {}

  NextflowTrace(String where, String id) {
    this.where = where;
    b = new Trace.Builder(id);
  }

  Trace read(BufferedReader in) throws IOException, TraceFailure {
    String[] names = (in.readLine() + "").split("\t", -1);
    for (int i = 0; i < names.length; i++) {
      column.put(names[i].strip(), i);
    }
    for (String wanted : new String[] {"name", "status", "submit"}) {
      if (!column.containsKey(wanted)) {
        throw new TraceFailure(
            where + ":1: there is no column " + wanted + "; add it to trace.fields");
      }
    }
    int number = 1;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (++number > Limits.IMPORT_LINES) {
        throw new TraceFailure(where + " has more than " + Limits.IMPORT_LINES + " lines");
      }
      if (!line.isBlank()) {
        String[] cells = line.split("\t", -1);
        if (cells.length != names.length) {
          throw new TraceFailure(
              where
                  + ":"
                  + number
                  + ": "
                  + cells.length
                  + " cells, but "
                  + names.length
                  + " columns");
        }
        lines.add(new Line(number, List.of(cells)));
      }
    }
    long zeroMs = Long.MAX_VALUE;
    for (Line line : lines) {
      if (!cell(line, "status").equals("CACHED")) {
        zeroMs = Math.min(zeroMs, date(line, "submit").orElse(Long.MAX_VALUE));
      }
    }
    b.epochUs(zeroMs == Long.MAX_VALUE ? 0 : zeroMs * 1_000);
    int cached = 0;
    for (Line line : lines) {
      if (cell(line, "status").equals("CACHED")) {
        cached++;
      } else {
        attempt(line, zeroMs);
      }
    }
    b.note(
        "a trace.txt does not say what waited for what: every task counts as a chain of its own");
    if (cached > 0) {
      b.note(cached + " tasks were taken from the cache; they are left out");
    }
    return b.build();
  }

  private void attempt(Line line, long zeroMs) throws TraceFailure {
    String name = cell(line, "name");
    String process = cell(line, "process");
    String kind = process.isEmpty() ? name.replaceAll("\\s*\\(.*\\)$", "") : process;
    long nth = whole(line, "attempt").orElse(1);
    Integer known = nth > 1 ? tasks.get(name) : null;
    int task = known == null ? b.task(name, kind) : known;
    tasks.put(name, task);
    Ending ending =
        switch (cell(line, "status")) {
          case "COMPLETED" -> Ending.DONE;
          case "FAILED" -> Ending.FAILED;
          case "ABORTED" -> Ending.CANCELLED;
          default ->
              throw new TraceFailure(
                  where
                      + ":"
                      + line.number
                      + ": the status '"
                      + cell(line, "status")
                      + "' is unknown; Nextflow writes COMPLETED, FAILED, ABORTED or CACHED");
        };
    String exit = cell(line, "exit");
    String why = ending.good() || exit.isEmpty() ? "" : "exit " + exit;
    b.attempt(task, Math.clamp(nth, 1, 1_000_000), cell(line, "hostname"), ending, why);
    OptionalLong submit = date(line, "submit");
    OptionalLong duration = milliseconds(line, "duration");
    OptionalLong realtime = milliseconds(line, "realtime");
    if (submit.isPresent()) {
      b.set(Measure.READY, (submit.getAsLong() - zeroMs) * 1_000_000);
    }
    OptionalLong start = date(line, "start");
    OptionalLong complete = date(line, "complete");
    if (start.isEmpty() && submit.isPresent() && duration.isPresent() && realtime.isPresent()) {
      start =
          OptionalLong.of(
              submit.getAsLong() + Math.max(0, duration.getAsLong() - realtime.getAsLong()));
    }
    if (start.isPresent()) {
      long from = (start.getAsLong() - zeroMs) * 1_000_000;
      b.set(Measure.START, from);
      if (realtime.isPresent()) {
        b.set(Measure.END, from + realtime.getAsLong() * 1_000_000);
      } else if (complete.isPresent()) {
        b.set(Measure.END, (complete.getAsLong() - zeroMs) * 1_000_000);
      }
    }
    b.set(Measure.CORES, whole(line, "cpus"));
    OptionalDouble cpu = number(line, "%cpu", cell(line, "%cpu").replace("%", "").strip());
    if (cpu.isPresent() && realtime.isPresent()) {
      b.set(Measure.CPU, Math.round(cpu.getAsDouble() / 100 * realtime.getAsLong() * 1e6));
    }
    b.set(Measure.MEMORY, bytes(line, "peak_rss"));
    b.set(Measure.MEMORY_ASKED, bytes(line, "memory"));
    OptionalLong asked = milliseconds(line, "time");
    if (asked.isPresent()) {
      b.set(Measure.WALL_ASKED, asked.getAsLong() * 1_000_000);
    }
    b.set(Measure.BYTES_IN, bytes(line, "rchar"));
    b.set(Measure.BYTES_OUT, bytes(line, "wchar"));
  }

  /// A cell; `-` is what Nextflow writes where it does not know.
  private String cell(Line line, String name) {
    Integer at = column.get(name);
    String text = at == null ? "" : line.cells.get(at).strip();
    return text.equals("-") ? "" : text;
  }

  private TraceFailure wrong(Line line, String name, String like) {
    return new TraceFailure(
        where
            + ":"
            + line.number
            + ": "
            + name
            + " is '"
            + cell(line, name)
            + "'; Nextflow writes it like "
            + like);
  }

  private OptionalDouble number(Line line, String name, String text) throws TraceFailure {
    if (text.isEmpty()) {
      return OptionalDouble.empty();
    }
    try {
      return OptionalDouble.of(Double.parseDouble(text));
    } catch (NumberFormatException e) {
      throw wrong(line, name, "97.5%");
    }
  }

  private OptionalLong whole(Line line, String name) throws TraceFailure {
    String text = cell(line, name);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    if (!text.matches("\\d{1,9}")) {
      throw wrong(line, name, "2");
    }
    return OptionalLong.of(Long.parseLong(text));
  }

  /// Milliseconds since 1970; a date without a zone is taken as UTC.
  private OptionalLong date(Line line, String name) throws TraceFailure {
    String text = cell(line, name);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    if (text.matches("\\d{1,14}")) {
      return OptionalLong.of(Long.parseLong(text));
    }
    try {
      return OptionalLong.of(
          LocalDateTime.parse(text, DATE).toInstant(ZoneOffset.UTC).toEpochMilli());
    } catch (DateTimeException e) {
      throw wrong(line, name, "2026-01-31 12:00:00.000");
    }
  }

  private OptionalLong milliseconds(Line line, String name) throws TraceFailure {
    String text = cell(line, name);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    if (text.matches("\\d{1,14}")) {
      return OptionalLong.of(Long.parseLong(text));
    }
    double sum = 0;
    Matcher part = PART.matcher(text);
    int at = 0;
    while (part.find() && text.substring(at, part.start()).isBlank()) {
      double one = Double.parseDouble(part.group(1));
      sum +=
          switch (part.group(2)) {
            case "ms" -> one;
            case "s" -> one * 1e3;
            case "m" -> one * 6e4;
            case "h" -> one * 3.6e6;
            default -> one * 8.64e7;
          };
      at = part.end();
    }
    if (at == 0 || at < text.length() || sum > Limits.IMPORT_SECONDS * 1e3) {
      throw wrong(line, name, "1m 4.5s");
    }
    return OptionalLong.of(Math.round(sum));
  }

  private OptionalLong bytes(Line line, String name) throws TraceFailure {
    String text = cell(line, name);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    if (text.matches("\\d{1,18}")) {
      return OptionalLong.of(Long.parseLong(text));
    }
    Matcher size = SIZE.matcher(text);
    if (!size.matches()) {
      throw wrong(line, name, "2.1 GB");
    }
    double unit = size.group(2).isEmpty() ? 1 : Math.pow(1_024, " KMGTP".indexOf(size.group(2)));
    return OptionalLong.of(Math.round(Double.parseDouble(size.group(1)) * unit));
  }
}
