package dev.perseid.journal;

import java.io.BufferedReader;
import java.io.IOException;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/// A log in the Standard Workload Format, version 2.2: 18 numbers a line, -1 for what is unknown,
/// comments after semicolons. A job is a task; it waits for the job that its field 17 names.
final class SwfTrace {
  private static final int FIELDS = 18;
  private static final int LEAST_FIELDS = 11;
  private static final double NS = 1e9;

  private final String where;
  private final Trace.Builder b;
  private final Map<Long, Integer> jobs = new HashMap<>();
  private final Map<Integer, Long> preceding = new HashMap<>();
  private long partial;
  private long neverRan;

  SwfTrace(String where, String id) {
    this.where = where;
    b = new Trace.Builder(id);
  }

  Trace read(BufferedReader in) throws IOException, TraceFailure {
    int number = 0;
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (++number > Limits.IMPORT_LINES) {
        throw new TraceFailure(where + " has more than " + Limits.IMPORT_LINES + " lines");
      }
      if (line.startsWith(";")) {
        comment(line);
      } else if (!line.isBlank()) {
        job(number, line);
      }
    }
    int unknown = 0;
    for (Map.Entry<Integer, Long> one : preceding.entrySet()) {
      Integer before = jobs.get(one.getValue());
      if (before == null) {
        unknown++;
      } else {
        b.depends(one.getKey(), before);
      }
    }
    if (unknown > 0) {
      b.note(unknown + " jobs wait for jobs that are not in the log; that is left out");
    }
    if (partial > 0) {
      b.note(partial + " lines are parts of jobs that have a line of their own; they are left out");
    }
    if (neverRan > 0) {
      b.note(neverRan + " jobs never ran");
    }
    return b.build();
  }

  private void comment(String line) {
    int colon = line.indexOf(':');
    if (colon < 0) {
      return;
    }
    String key = line.substring(1, colon).strip().toLowerCase(Locale.ROOT);
    String value = line.substring(colon + 1).strip();
    if (key.equals("unixstarttime") && value.matches("\\d{1,11}")) {
      b.epochUs(Long.parseLong(value) * 1_000_000);
    } else if (key.equals("maxprocs") && value.matches("\\d{1,9}") && !value.matches("0+")) {
      b.cores(Integer.parseInt(value));
    } else if (key.equals("computer") && !value.isEmpty()) {
      b.title(value);
    }
  }

  private void job(int number, String line) throws TraceFailure {
    String[] parts = line.strip().split("\\s+", -1);
    if (parts.length < LEAST_FIELDS) {
      throw new TraceFailure(
          where + ":" + number + ": " + parts.length + " fields; a job has " + FIELDS);
    }
    double[] field = new double[FIELDS + 1];
    java.util.Arrays.fill(field, -1);
    for (int i = 0; i < Math.min(FIELDS, parts.length); i++) {
      try {
        field[i + 1] = Double.parseDouble(parts[i]);
      } catch (NumberFormatException e) {
        throw new TraceFailure(
            where + ":" + number + ": field " + (i + 1) + ", '" + parts[i] + "', is no number");
      }
      if (!(Math.abs(field[i + 1]) <= 1e15)) {
        throw new TraceFailure(where + ":" + number + ": field " + (i + 1) + " is too large");
      }
    }
    for (int i : new int[] {2, 3, 4}) {
      if (field[i] > Limits.IMPORT_SECONDS) {
        throw new TraceFailure(
            where + ":" + number + ": field " + i + " is more than a hundred years");
      }
    }
    int status = (int) field[11];
    if (status >= 2 && status <= 4) {
      partial++;
      return;
    }
    long id = (long) field[1];
    String kind =
        field[14] > 0
            ? "application " + (long) field[14]
            : field[15] >= 0 ? "queue " + (long) field[15] : "job";
    int task = b.task("job " + id, kind);
    if (jobs.put(id, task) != null) {
      throw new TraceFailure(where + ":" + number + ": there are two jobs " + id);
    }
    if (field[17] > 0) {
      preceding.put(task, (long) field[17]);
    }
    attempt(task, field, status);
  }

  private void attempt(int task, double[] field, int status) {
    boolean ran = field[2] >= 0 && field[3] >= 0 && field[4] >= 0;
    Ending ending =
        switch (status) {
          case 0 -> Ending.FAILED;
          case 5 -> Ending.CANCELLED;
          default -> Ending.DONE;
        };
    String place = field[16] >= 0 ? "partition " + (long) field[16] : "";
    b.attempt(task, 1, place, ran ? ending : Ending.CANCELLED, "");
    if (field[2] >= 0) {
      b.set(Measure.READY, ns(field[2]));
    }
    if (!ran) {
      neverRan++;
      return;
    }
    b.set(Measure.START, ns(field[2] + field[3]));
    b.set(Measure.END, ns(field[2] + field[3] + field[4]));
    double cores = field[5] > 0 ? field[5] : field[8];
    if (cores > 0) {
      b.set(Measure.CORES, (long) cores);
    }
    double each = Math.max(1, cores);
    if (field[6] >= 0) {
      b.set(Measure.CPU, ns(field[6] * each));
    }
    if (field[7] >= 0) {
      b.set(Measure.MEMORY, Math.round(field[7] * each * 1_024));
    }
    if (field[9] > 0) {
      b.set(Measure.WALL_ASKED, ns(field[9]));
    }
    if (field[10] > 0) {
      b.set(Measure.MEMORY_ASKED, Math.round(field[10] * each * 1_024));
    }
  }

  private static long ns(double seconds) {
    return Math.round(seconds * NS);
  }
}
