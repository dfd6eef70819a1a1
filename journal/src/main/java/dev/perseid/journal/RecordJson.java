package dev.perseid.journal;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Inference;
import dev.perseid.core.Usage;
import java.io.IOException;
import java.util.List;
import java.util.OptionalLong;

/// An entry as JSON for people and their tools. What was not measured is absent. The canonical
/// bytes, over which the tree is made, are something else.
public final class RecordJson {
  private RecordJson() {}

  /// Writes the entry as one object.
  public static void write(JsonGenerator out, Entry entry) throws IOException {
    out.writeStartObject();
    fields(out, entry);
    out.writeEndObject();
  }

  /// Writes the entry's fields into the object that is open.
  static void fields(JsonGenerator out, Entry entry) throws IOException {
    ExecutionRecord r = entry.record();
    out.writeNumberField("index", entry.index());
    out.writeNumberField("recorded_us", entry.recordedUs());
    switch (entry.attestation()) {
      case Entry.Attestation.Signed(long batch, int position) -> {
        out.writeStringField("attested_by", "provider");
        out.writeNumberField("batch", batch);
        out.writeNumberField("position", position);
      }
      case Entry.Attestation.PoolOnly() -> out.writeStringField("attested_by", "pool");
    }
    out.writeStringField("pool", r.pool().toString());
    out.writeStringField("job", r.job().toString());
    out.writeNumberField("task", r.task());
    out.writeStringField("task_name", r.taskName());
    out.writeStringField("kind", r.kind());
    out.writeNumberField("attempt", r.attempt());
    out.writeNumberField("lease", r.lease());
    out.writeStringField("consumer", r.consumer().toString());
    out.writeStringField("provider", r.provider().toString());
    out.writeStringField("offer", r.offer().hex());
    out.writeStringField("module", r.module().hex());
    out.writeStringField("args_hash", r.argsHash().hex());
    blobs(out, "inputs", r.inputs());
    out.writeArrayFieldStart("depends_on");
    for (int task : r.dependsOn()) {
      out.writeNumber(task);
    }
    out.writeEndArray();
    out.writeNumberField("gas_limit", r.gasLimit());
    out.writeNumberField("memory_bytes", r.memoryBytes());
    out.writeNumberField("cores", r.cores());
    if (r.gpus().any()) {
      out.writeNumberField("gpus", r.gpus().count());
      out.writeNumberField("gpu_memory_bytes", r.gpus().memoryBytes());
    }
    out.writeNumberField("submitted_us", r.submittedUs());
    out.writeNumberField("ready_us", r.readyUs());
    out.writeNumberField("assigned_us", r.assignedUs());
    number(out, "started_us", r.startedUs());
    number(out, "ended_us", r.endedUs());
    out.writeStringField("outcome", r.outcome().name());
    text(out, "reason", r.reason());
    Usage u = r.usage();
    number(out, "gas", u.gas());
    number(out, "cpu_ns", u.cpuNs());
    number(out, "wall_ns", u.wallNs());
    number(out, "peak_memory_bytes", u.peakMemoryBytes());
    number(out, "bytes_in", u.bytesIn());
    number(out, "bytes_out", u.bytesOut());
    number(out, "fetched_bytes", u.fetchedBytes());
    number(out, "gpu_ns", u.gpuNs());
    number(out, "energy_uj", u.energyUj());
    text(out, "energy_by", u.energyBy());
    blobs(out, "outputs", r.outputs());
    text(out, "engine", r.engine());
    text(out, "isolation", r.isolation());
    out.writeNumberField("charge_microcredits", r.charge());
    if (r.inference().isPresent()) {
      inference(out, r.inference().get());
    }
  }

  private static void inference(JsonGenerator out, Inference i) throws IOException {
    out.writeObjectFieldStart("inference");
    out.writeStringField("api", i.api());
    text(out, "quantisation", i.quantisation());
    out.writeNumberField("prompt_tokens", i.promptTokens());
    out.writeNumberField("cached_tokens", i.cachedTokens());
    out.writeNumberField("completion_tokens", i.completionTokens());
    out.writeNumberField("rows", i.rows());
    number(out, "first_token_us", i.firstTokenUs());
    out.writeStringField("author", i.author().toString());
    out.writeNumberField("to_author_microcredits", i.toAuthor());
    out.writeNumberField("to_pool_microcredits", i.toPool());
    out.writeEndObject();
  }

  private static void blobs(JsonGenerator out, String name, List<Blob> blobs) throws IOException {
    out.writeArrayFieldStart(name);
    for (Blob blob : blobs) {
      out.writeStartObject();
      out.writeStringField("hash", blob.hash().hex());
      out.writeNumberField("size_bytes", blob.sizeBytes());
      out.writeEndObject();
    }
    out.writeEndArray();
  }

  private static void number(JsonGenerator out, String name, OptionalLong value)
      throws IOException {
    if (value.isPresent()) {
      out.writeNumberField(name, value.getAsLong());
    }
  }

  private static void text(JsonGenerator out, String name, String value) throws IOException {
    if (!value.isEmpty()) {
      out.writeStringField(name, value);
    }
  }
}
