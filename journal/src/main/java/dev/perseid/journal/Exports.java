package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.util.function.Function;

/// Records in the formats of other people's tools. Each function streams: it holds at most a few
/// numbers for each entry, never the entries. Where a format needs to look twice, the entries are
/// iterated twice and must be the same. The stream is flushed and left open. Same entries, same
/// bytes.
public final class Exports {
  private static final JsonFactory JSON = new JsonFactory();

  private Exports() {}

  /// JSON Lines: one object for each attempt, as [RecordJson] writes it.
  public static void jsonl(Iterable<Entry> entries, OutputStream out) throws IOException {
    try (JsonGenerator json = generator(out)) {
      json.setRootValueSeparator(new com.fasterxml.jackson.core.io.SerializedString("\n"));
      boolean any = false;
      for (Entry entry : entries) {
        RecordJson.write(json, entry);
        any = true;
      }
      if (any) {
        json.writeRaw('\n');
      }
    }
  }

  /// CSV (RFC 4180) with a header line: one line for each attempt; what was not measured is empty.
  public static void csv(Iterable<Entry> entries, OutputStream out) throws IOException {
    Writer writer = new BufferedWriter(new OutputStreamWriter(out, UTF_8));
    CsvTable.write(entries, writer);
    writer.flush();
  }

  /// Chrome's trace event format, which Perfetto (ui.perfetto.dev) opens: a process for each
  /// provider, a thread for each task that it ran at once, an arrow for each dependency. Attempts
  /// that never ran are marks on the pool. Times are microseconds since the epoch by the providers'
  /// clocks.
  ///
  /// @param names display names of the providers
  public static void chrome(
      Iterable<Entry> entries, Function<Address, String> names, OutputStream out)
      throws IOException {
    try (JsonGenerator json = generator(out)) {
      new ChromeTrace(entries, names).write(json);
      json.writeRaw('\n');
    }
  }

  /// WfFormat 1.5 (WfCommons) of one job: its graph, and of each task that ran the last attempt.
  /// Tasks that never ran are in the specification but not in the execution.
  ///
  /// @param entries all entries of one job
  /// @param jobName the job's name
  /// @param names display names of the providers, which must be host names
  /// @param version of Perseid
  /// @throws IllegalArgumentException if there is no entry, they are of several jobs, or one
  ///   depends on a task that has none
  public static void wfformat(
      Iterable<Entry> entries,
      String jobName,
      Function<Address, String> names,
      String version,
      OutputStream out)
      throws IOException {
    WfFormat format = new WfFormat(entries, jobName, names, version);
    try (JsonGenerator json = generator(out)) {
      json.useDefaultPrettyPrinter();
      format.write(json);
      json.writeRaw('\n');
    }
  }

  private static JsonGenerator generator(OutputStream out) throws IOException {
    return JSON.createGenerator(out, JsonEncoding.UTF8)
        .disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
  }
}
