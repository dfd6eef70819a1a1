package dev.perseid.journal;

import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Inference;
import dev.perseid.core.Usage;
import java.io.IOException;
import java.io.Writer;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.Collectors;

/// The columns of the CSV export, in order. New ones are appended at the end only.
final class CsvTable {
  private static final List<Column> COLUMNS =
      List.of(
          new Column("index", (e, r, u) -> "" + e.index()),
          new Column("job", (e, r, u) -> r.job().toString()),
          new Column("task", (e, r, u) -> "" + r.task()),
          new Column("task_name", (e, r, u) -> r.taskName()),
          new Column("kind", (e, r, u) -> r.kind()),
          new Column("attempt", (e, r, u) -> "" + r.attempt()),
          new Column("lease", (e, r, u) -> "" + r.lease()),
          new Column("consumer", (e, r, u) -> r.consumer().toString()),
          new Column("provider", (e, r, u) -> r.provider().toString()),
          new Column("outcome", (e, r, u) -> r.outcome().name()),
          new Column("reason", (e, r, u) -> r.reason()),
          new Column("submitted_us", (e, r, u) -> "" + r.submittedUs()),
          new Column("ready_us", (e, r, u) -> "" + r.readyUs()),
          new Column("assigned_us", (e, r, u) -> "" + r.assignedUs()),
          new Column("started_us", (e, r, u) -> text(r.startedUs())),
          new Column("ended_us", (e, r, u) -> text(r.endedUs())),
          new Column("recorded_us", (e, r, u) -> "" + e.recordedUs()),
          new Column("wall_ns", (e, r, u) -> text(u.wallNs())),
          new Column("cpu_ns", (e, r, u) -> text(u.cpuNs())),
          new Column("gas", (e, r, u) -> text(u.gas())),
          new Column("gas_limit", (e, r, u) -> "" + r.gasLimit()),
          new Column("memory_bytes", (e, r, u) -> "" + r.memoryBytes()),
          new Column("peak_memory_bytes", (e, r, u) -> text(u.peakMemoryBytes())),
          new Column("cores", (e, r, u) -> "" + r.cores()),
          new Column("gpus", (e, r, u) -> "" + r.gpus().count()),
          new Column("gpu_memory_bytes", (e, r, u) -> "" + r.gpus().memoryBytes()),
          new Column("bytes_in", (e, r, u) -> text(u.bytesIn())),
          new Column("bytes_out", (e, r, u) -> text(u.bytesOut())),
          new Column("fetched_bytes", (e, r, u) -> text(u.fetchedBytes())),
          new Column("gpu_ns", (e, r, u) -> text(u.gpuNs())),
          new Column("energy_uj", (e, r, u) -> text(u.energyUj())),
          new Column("energy_by", (e, r, u) -> u.energyBy()),
          new Column("charge_microcredits", (e, r, u) -> "" + r.charge()),
          new Column("engine", (e, r, u) -> r.engine()),
          new Column("isolation", (e, r, u) -> r.isolation()),
          new Column("module", (e, r, u) -> r.module().hex()),
          new Column("args_hash", (e, r, u) -> r.argsHash().hex()),
          new Column("offer", (e, r, u) -> r.offer().hex()),
          new Column("pool", (e, r, u) -> r.pool().toString()),
          new Column(
              "depends_on",
              (e, r, u) ->
                  r.dependsOn().stream().map(String::valueOf).collect(Collectors.joining(" "))),
          new Column("inputs", (e, r, u) -> text(r.inputs())),
          new Column("outputs", (e, r, u) -> text(r.outputs())),
          new Column("api", (e, r, u) -> text(r, Inference::api)),
          new Column("quantisation", (e, r, u) -> text(r, Inference::quantisation)),
          new Column("prompt_tokens", (e, r, u) -> text(r, Inference::promptTokens)),
          new Column("cached_tokens", (e, r, u) -> text(r, Inference::cachedTokens)),
          new Column("completion_tokens", (e, r, u) -> text(r, Inference::completionTokens)),
          new Column("rows", (e, r, u) -> text(r, Inference::rows)),
          new Column("first_token_us", (e, r, u) -> text(r, i -> text(i.firstTokenUs()))),
          new Column("author", (e, r, u) -> text(r, Inference::author)),
          new Column("to_author_microcredits", (e, r, u) -> text(r, Inference::toAuthor)),
          new Column("to_pool_microcredits", (e, r, u) -> text(r, Inference::toPool)));

  private record Column(String name, Cell cell) {}

  private interface Cell {
    String of(Entry entry, ExecutionRecord record, Usage usage);
  }

  private CsvTable() {}

  private static String text(ExecutionRecord r, Function<Inference, Object> field) {
    return r.inference().map(i -> "" + field.apply(i)).orElse("");
  }

  static void write(Iterable<Entry> entries, Writer out) throws IOException {
    String separator = "";
    for (Column column : COLUMNS) {
      out.write(separator);
      out.write(column.name);
      separator = ",";
    }
    out.write("\r\n");
    for (Entry entry : entries) {
      separator = "";
      for (Column column : COLUMNS) {
        out.write(separator);
        out.write(quoted(column.cell.of(entry, entry.record(), entry.record().usage())));
        separator = ",";
      }
      out.write("\r\n");
    }
  }

  static String quoted(String cell) {
    for (int i = 0; i < cell.length(); i++) {
      char c = cell.charAt(i);
      if (c == ',' || c == '"' || c == '\n' || c == '\r') {
        return '"' + cell.replace("\"", "\"\"") + '"';
      }
    }
    return cell;
  }

  private static String text(OptionalLong value) {
    return value.isPresent() ? Long.toString(value.getAsLong()) : "";
  }

  /// `hash:size` of each, with blanks between.
  private static String text(List<Blob> blobs) {
    return blobs.stream()
        .map(b -> b.hash().hex() + ":" + b.sizeBytes())
        .collect(Collectors.joining(" "));
  }
}
