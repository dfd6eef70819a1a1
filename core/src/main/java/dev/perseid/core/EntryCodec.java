package dev.perseid.core;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// Entries as bytes, canonically: this is the content of a leaf of the pool's Merkle tree. Field by
/// field in docs/formats.md.
public final class EntryCodec {
  private static final int VERSION = 1;

  /// An entry of a request to a model: as version 1, and more after it.
  private static final int WITH_INFERENCE = 2;

  /// An entry of a task that reserved GPUs: as version 1, and more after it.
  private static final int WITH_GPUS = 3;

  /// The codes of outcomes: an outcome's place here, for ever.
  static final List<Outcome> OUTCOMES =
      List.of(
          Outcome.DONE,
          Outcome.TASK_FAILED,
          Outcome.PROVIDER_FAILED,
          Outcome.LOST,
          Outcome.CANCELLED,
          Outcome.REFUSED);

  private EntryCodec() {}

  /// Encodes an entry: equal entries give equal bytes.
  public static byte[] encode(Entry entry) {
    Out out = Out.plain();
    Optional<Inference> inference = entry.record().inference();
    Gpus gpus = entry.record().gpus();
    out.octet(inference.isPresent() ? WITH_INFERENCE : gpus.any() ? WITH_GPUS : VERSION);
    write(out, entry);
    if (gpus.any()) {
      EventCodec.writeGpus(out, gpus);
    }
    inference.ifPresent(i -> writeInference(out, entry.record(), i));
    return out.bytes();
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else.
  public static Entry decode(byte[] bytes) {
    In in = In.plain(bytes);
    int version = in.octet();
    Entry entry =
        switch (version) {
          case VERSION -> read(in);
          case WITH_INFERENCE -> readWithInference(in);
          case WITH_GPUS -> {
            Entry plain = read(in);
            yield plain.with(EventCodec.readSomeGpus(in));
          }
          default ->
              throw in.malformed(
                  "an entry of version " + version + " is not known here (these are 1 to 3)");
        };
    in.end();
    return entry;
  }

  /// An entry with its inference; the version is elsewhere.
  static void writeWithInference(Out out, Entry entry) {
    write(out, entry);
    writeInference(out, entry.record(), entry.record().inference().orElseThrow());
  }

  static Entry readWithInference(In in) {
    Entry entry = read(in);
    ExecutionRecord r = entry.record();
    Inference inference =
        new Inference(
            in.sharedText(),
            in.sharedText(),
            in.number(),
            in.number(),
            in.number(),
            in.number(),
            readTime(in, r.startedUs().orElse(r.assignedUs())),
            in.sharedAddress(),
            in.number(),
            in.number());
    return new Entry(entry.index(), entry.recordedUs(), r.with(inference), entry.attestation());
  }

  private static void writeInference(Out out, ExecutionRecord r, Inference i) {
    out.sharedText(i.api());
    out.sharedText(i.quantisation());
    out.number(i.promptTokens());
    out.number(i.cachedTokens());
    out.number(i.completionTokens());
    out.number(i.rows());
    writeTime(out, i.firstTokenUs(), r.startedUs().orElse(r.assignedUs()));
    out.sharedAddress(i.author());
    out.number(i.toAuthor());
    out.number(i.toPool());
  }

  /// All but the inference and the GPUs.
  static void write(Out out, Entry entry) {
    ExecutionRecord r = entry.record();
    out.number(entry.index());
    out.sharedAddress(r.pool());
    out.sharedJobId(r.job());
    out.number(r.task());
    out.text(r.taskName());
    out.sharedText(r.kind());
    out.number(r.attempt());
    out.number(r.lease());
    out.sharedAddress(r.consumer());
    out.sharedAddress(r.provider());
    out.sharedHash(r.offer());
    out.sharedHash(r.module());
    out.sharedHash(r.argsHash());
    writeBlobs(out, r.inputs());
    out.number(r.dependsOn().size());
    for (int task : r.dependsOn()) {
      out.number(task);
    }
    out.number(r.gasLimit());
    out.number(r.memoryBytes());
    out.number(r.cores());
    // Each pool time as the difference from the one before it, the provider's from the assignment.
    out.number(r.submittedUs());
    out.signed(r.readyUs() - r.submittedUs());
    out.signed(r.assignedUs() - r.readyUs());
    writeTime(out, r.startedUs(), r.assignedUs());
    writeTime(out, r.endedUs(), r.startedUs().orElse(r.assignedUs()));
    out.choice(r.outcome(), OUTCOMES);
    out.text(r.reason());
    writeUsage(out, r.usage());
    writeBlobs(out, r.outputs());
    out.sharedText(r.engine());
    out.sharedText(r.isolation());
    out.number(r.charge());
    out.signed(entry.recordedUs() - r.assignedUs());
    switch (entry.attestation()) {
      case Entry.Attestation.PoolOnly() -> out.octet(0);
      case Entry.Attestation.Signed(long batch, int position) -> {
        out.octet(1);
        out.number(batch);
        out.number(position);
      }
    }
  }

  static Entry read(In in) {
    long index = in.number();
    Address pool = in.sharedAddress();
    JobId job = in.sharedJobId();
    int task = in.integer();
    String taskName = in.text();
    String kind = in.sharedText();
    int attempt = in.integer();
    long lease = in.number();
    Address consumer = in.sharedAddress();
    Address provider = in.sharedAddress();
    Hash offer = in.sharedHash();
    Hash module = in.sharedHash();
    Hash argsHash = in.sharedHash();
    List<Blob> inputs = readBlobs(in);
    int dependencies = in.count();
    List<Integer> dependsOn = List.of();
    if (dependencies > 0) {
      List<Integer> read = in.list(dependencies);
      for (int i = 0; i < dependencies; i++) {
        read.add(in.integer());
      }
      dependsOn = List.copyOf(read);
    }
    long gasLimit = in.number();
    long memoryBytes = in.number();
    int cores = in.integer();
    long submittedUs = in.number();
    long readyUs = submittedUs + in.signed();
    long assignedUs = readyUs + in.signed();
    OptionalLong startedUs = readTime(in, assignedUs);
    OptionalLong endedUs = readTime(in, startedUs.orElse(assignedUs));
    Outcome outcome = in.choice(OUTCOMES);
    String reason = in.text();
    Usage usage = readUsage(in);
    List<Blob> outputs = readBlobs(in);
    String engine = in.sharedText();
    String isolation = in.sharedText();
    long charge = in.number();
    long recordedUs = assignedUs + in.signed();
    Entry.Attestation attestation;
    if (in.flag()) {
      long batch = in.number();
      attestation = new Entry.Attestation.Signed(batch, in.integer());
    } else {
      attestation = new Entry.Attestation.PoolOnly();
    }
    ExecutionRecord record =
        new ExecutionRecord(
            pool,
            job,
            task,
            taskName,
            kind,
            attempt,
            lease,
            consumer,
            provider,
            offer,
            module,
            argsHash,
            inputs,
            dependsOn,
            gasLimit,
            memoryBytes,
            cores,
            submittedUs,
            readyUs,
            assignedUs,
            startedUs,
            endedUs,
            outcome,
            reason,
            usage,
            outputs,
            engine,
            isolation,
            charge);
    return new Entry(index, recordedUs, record, attestation);
  }

  private static void writeTime(Out out, OptionalLong time, long since) {
    if (time.isPresent()) {
      out.octet(1);
      out.signed(time.getAsLong() - since);
    } else {
      out.octet(0);
    }
  }

  private static OptionalLong readTime(In in, long since) {
    return in.flag() ? OptionalLong.of(since + in.signed()) : OptionalLong.empty();
  }

  private static void writeBlobs(Out out, List<Blob> blobs) {
    out.number(blobs.size());
    for (Blob blob : blobs) {
      out.sharedHash(blob.hash());
      out.number(blob.sizeBytes());
    }
  }

  private static List<Blob> readBlobs(In in) {
    int count = in.count();
    if (count == 0) {
      return List.of();
    }
    List<Blob> blobs = in.list(count);
    for (int i = 0; i < count; i++) {
      Hash hash = in.sharedHash();
      blobs.add(new Blob(hash, in.number()));
    }
    return List.copyOf(blobs);
  }

  private static void writeUsage(Out out, Usage u) {
    out.optional(u.gas());
    out.optional(u.cpuNs());
    out.optional(u.wallNs());
    out.optional(u.peakMemoryBytes());
    out.optional(u.bytesIn());
    out.optional(u.bytesOut());
    out.optional(u.fetchedBytes());
    out.optional(u.gpuNs());
    out.optional(u.energyUj());
    out.sharedText(u.energyBy());
  }

  private static Usage readUsage(In in) {
    return new Usage(
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.optional(),
        in.sharedText());
  }
}
