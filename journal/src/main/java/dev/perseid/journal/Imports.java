package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Traces from the files of other systems: WfFormat instances (WfCommons, 1.4 and 1.5), Nextflow's
/// `trace.txt`, and logs in the Standard Workload Format of the Parallel Workloads Archive.
public final class Imports {
  private static final Pattern WORD = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final Pattern NUMBERED = Pattern.compile("(.*?)_?(?:ID)?\\d+");
  private static final int HEAD_CHARS = 4_096;
  private static final double NS = 1e9;
  private static final List<DateTimeFormatter> DATES =
      List.of(
          DateTimeFormatter.ISO_OFFSET_DATE_TIME,
          DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss[.SSS]XX"),
          DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][.SSS]XX"));

  private final String where;
  private final String id;

  private Imports(Path path) {
    where = path.toString();
    id = path.getFileName() + "";
  }

  /// Reads a file; what is in it says what it is.
  ///
  /// @throws TraceFailure if it is none of these, or something in it cannot be; the message has the
  ///   line or the task
  public static Trace read(Path path) throws IOException, TraceFailure {
    Imports one = new Imports(path);
    String head;
    try (BufferedReader in = Files.newBufferedReader(path, UTF_8)) {
      char[] some = new char[HEAD_CHARS];
      int n = in.read(some);
      head = new String(some, 0, Math.max(0, n));
    } catch (MalformedInputException e) {
      throw one.unknown();
    }
    try {
      if (head.stripLeading().startsWith("{")) {
        return one.wfformat(path);
      }
      String first = head.lines().findFirst().orElse("");
      if (first.contains("\t") && List.of(first.split("\t", -1)).contains("status")) {
        try (BufferedReader in = Files.newBufferedReader(path, UTF_8)) {
          return new NextflowTrace(one.where, one.id).read(in);
        }
      }
      if (first.startsWith(";") || first.strip().matches("-?[\\d.]+(\\s+-?[\\d.]+){16,17}")) {
        try (BufferedReader in = Files.newBufferedReader(path, UTF_8)) {
          return new SwfTrace(one.where, one.id).read(in);
        }
      }
    } catch (MalformedInputException e) {
      throw new TraceFailure(one.where + " is not UTF-8 throughout");
    }
    throw one.unknown();
  }

  private TraceFailure unknown() {
    return new TraceFailure(
        "'"
            + where
            + "' is no file that this reads: a record file of the engine, a WfFormat instance (JSON), "
            + "Nextflow's trace.txt (tabs, with the column status), or a log in the Standard Workload"
            + " Format");
  }

  // ---- WfFormat

  private Trace wfformat(Path path) throws IOException, TraceFailure {
    if (Files.size(path) > Limits.IMPORT_JSON_BYTES) {
      throw new TraceFailure(where + " has more than " + Limits.IMPORT_JSON_BYTES + " bytes");
    }
    JsonNode root;
    try {
      root = new ObjectMapper().readTree(path.toFile());
    } catch (JsonProcessingException e) {
      throw new TraceFailure(
          where
              + ":"
              + (e.getLocation() == null ? 0 : e.getLocation().getLineNr())
              + ": this is not whole JSON: "
              + e.getOriginalMessage());
    }
    JsonNode specified = root.at("/workflow/specification/tasks");
    if (!specified.isArray() || specified.isEmpty()) {
      throw new TraceFailure(
          where
              + ": no /workflow/specification/tasks, as WfFormat 1.5 has; is it an older version?");
    }
    Map<String, JsonNode> executed = new HashMap<>();
    boolean timed = true;
    long zeroUs = Long.MAX_VALUE;
    for (JsonNode task : root.at("/workflow/execution/tasks")) {
      executed.put(task.path("id").asText(), task);
      OptionalLong at = instantUs(task.path("executedAt").asText());
      timed &= at.isPresent();
      zeroUs = Math.min(zeroUs, at.orElse(Long.MAX_VALUE));
    }
    timed &= !executed.isEmpty();
    Trace.Builder b = new Trace.Builder(id).title(root.path("name").asText(id));
    b.epochUs(
        timed ? zeroUs : instantUs(root.at("/workflow/execution/executedAt").asText()).orElse(0));
    int cores = 0;
    Set<String> machines = new HashSet<>();
    for (JsonNode machine : root.at("/workflow/execution/machines")) {
      if (machines.add(machine.path("nodeName").asText())) {
        cores += machine.at("/cpu/coreCount").asInt(0);
      }
    }
    if (cores > 0) {
      b.cores(cores);
    }
    Map<String, Integer> numbers = new LinkedHashMap<>();
    for (JsonNode task : specified) {
      String name = task.path("id").asText(task.path("name").asText());
      JsonNode ran = executed.get(name);
      int t = b.task(name, wfKind(task, ran));
      if (numbers.put(name, t) != null) {
        throw new TraceFailure(where + ": there are two tasks '" + name + "'");
      }
      if (ran != null) {
        wfAttempt(b, t, name, ran, timed, zeroUs);
      }
    }
    for (JsonNode task : specified) {
      String name = task.path("id").asText(task.path("name").asText());
      for (JsonNode parent : task.path("parents")) {
        Integer on = numbers.get(parent.asText());
        if (on == null) {
          throw new TraceFailure(
              where + ": '" + name + "' waits for '" + parent.asText() + "', which is not a task");
        }
        b.depends(numbers.getOrDefault(name, 0), on);
      }
    }
    return b.build();
  }

  private void wfAttempt(
      Trace.Builder b, int t, String name, JsonNode ran, boolean timed, long zeroUs)
      throws TraceFailure {
    double seconds = ran.path("runtimeInSeconds").asDouble(-1);
    if (seconds < 0 || seconds > Limits.IMPORT_SECONDS) {
      throw new TraceFailure(where + ": '" + name + "' has no runtimeInSeconds of 0 or more");
    }
    long runNs = Math.round(seconds * NS);
    b.attempt(t, 1, ran.at("/machines/0").asText(""), Ending.DONE, "");
    b.set(Measure.WALL, runNs);
    if (timed) {
      long start = (instantUs(ran.path("executedAt").asText()).orElse(zeroUs) - zeroUs) * 1_000;
      b.set(Measure.START, start).set(Measure.END, start + runNs);
    }
    if (ran.path("coreCount").asLong(0) > 0) {
      b.set(Measure.CORES, ran.path("coreCount").asLong());
    }
    if (ran.has("avgCPU")) {
      b.set(Measure.CPU, Math.round(ran.path("avgCPU").asDouble() / 100 * runNs));
    }
    number(b, Measure.MEMORY, ran.path("memoryInBytes"));
    number(b, Measure.BYTES_IN, ran.path("readBytes"));
    number(b, Measure.BYTES_OUT, ran.path("writtenBytes"));
  }

  private static void number(Trace.Builder b, Measure measure, JsonNode value) {
    if (value.isNumber() && value.asLong() >= 0) {
      b.set(measure, value.asLong());
    }
  }

  private static String wfKind(JsonNode task, @Nullable JsonNode ran) {
    String program = ran == null ? "" : ran.at("/command/program").asText("");
    Matcher word = WORD.matcher(program);
    if (word.lookingAt()) {
      return word.group();
    }
    String name = task.path("name").asText();
    Matcher numbered = NUMBERED.matcher(name);
    return numbered.matches() && !numbered.group(1).isEmpty() ? numbered.group(1) : name;
  }

  private static OptionalLong instantUs(String text) {
    for (DateTimeFormatter format : DATES) {
      try {
        Instant at = OffsetDateTime.parse(text, format).toInstant();
        return OptionalLong.of(at.getEpochSecond() * 1_000_000 + at.getNano() / 1_000);
      } catch (DateTimeException e) {
        // the next format
      }
    }
    return OptionalLong.empty();
  }
}
