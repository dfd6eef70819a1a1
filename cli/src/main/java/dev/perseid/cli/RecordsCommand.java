package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.JobId;
import dev.perseid.core.Offer;
import dev.perseid.journal.Analysis;
import dev.perseid.journal.Exports;
import dev.perseid.journal.Otlp;
import dev.perseid.journal.RecordJson;
import dev.perseid.journal.RunCrate;
import dev.perseid.journal.Trace;
import dev.perseid.journal.TraceExports;
import dev.perseid.journal.TraceFailure;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid records`.
@Command(
    name = "records",
    description = "Show a job's execution records, or export them for other tools.")
final class RecordsCommand implements Callable<Integer> {
  /// Up to so many attempts are shown one by one.
  private static final int SHOWN_SINGLY = 40;

  enum Format {
    wfformat,
    chrome,
    csv,
    jsonl,
    otlp,
    parquet,
    rocrate
  }

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(
      paramLabel = "JOB|FILE",
      arity = "0..1",
      description =
          "Its id, or requests for all you asked of models; default: the newest. Or a record file of"
              + " the engine or another that perseid analyze reads.")
  private @Nullable String job;

  @Option(
      names = "--export",
      paramLabel = "FORMAT",
      description = "${COMPLETION-CANDIDATES}; chrome opens in https://ui.perfetto.dev.")
  private @Nullable Format export;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description = "Where the export goes; default: standard output.")
  private @Nullable Path out;

  @Option(
      names = "--license",
      paramLabel = "URL",
      defaultValue = "https://choosealicense.com/no-permission/",
      description = "Under which others may use a crate; default: ${DEFAULT-VALUE}.")
  private String license = "";

  @Option(
      names = "--otlp",
      paramLabel = "URL",
      description =
          "Send OpenTelemetry spans to a collector, e.g. http://localhost:4318; headers with keys go"
              + " into the variable OTEL_EXPORTER_OTLP_HEADERS.")
  private @Nullable String otlp;

  @Option(names = "--each", description = "One line for each attempt, however many.")
  private boolean each;

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    boolean neutral =
        otlp != null
            || export == Format.otlp
            || export == Format.parquet
            || export == Format.rocrate;
    if (neutral || TraceSource.isFile(job)) {
      return trace();
    }
    List<Entry> entries = new ArrayList<>();
    Map<Address, Offer> offers = new LinkedHashMap<>();
    String name = "job";
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      client.records(Optional.of(id), 0, 0, logged -> entries.add(logged.entry()));
      for (Proto.ProviderView view : client.providers()) {
        Offer offer = ProvidersCommand.offer(view);
        offers.put(offer.provider(), offer);
      }
      if (export == Format.wfformat) {
        name = name(client, id);
      }
    }
    Function<Address, String> names =
        address -> {
          Offer offer = offers.get(address);
          return offer == null ? address.toString() : offer.name();
        };
    if (export != null) {
      if (entries.isEmpty()) {
        throw new BadInput("the job has no records yet; nothing was written");
      }
      write(export, entries, name, names);
    } else if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Entry entry : entries) {
              RecordJson.write(json, entry);
            }
            json.writeEndArray();
          });
    } else {
      print(entries, names);
    }
    return Exit.OK;
  }

  /// What is made from the neutral trace: everything of files, and some formats of jobs.
  private int trace() throws BadInput, PoolFailure, IOException {
    if (export == null && otlp == null) {
      throw new BadInput(
          "of a file: perseid analyze "
              + job
              + ", perseid query SQL --from "
              + job
              + ", or --export FORMAT here");
    }
    try {
      Trace trace = new TraceSource(main, at).read(job, OptionalLong.empty());
      Otlp spans = new Otlp(trace, VersionCommand.version());
      if (otlp != null) {
        long rejected = OtlpSender.to(otlp, main.environment()).send(spans);
        main.screen().note("sent " + (trace.attempts() + 1) + " spans, trace " + spans.traceId());
        if (rejected > 0) {
          main.screen().note("the collector rejected " + rejected + " of them");
          return Exit.REFUSED;
        }
      }
      if (export == Format.parquet) {
        parquet(trace);
      } else if (export == Format.rocrate) {
        crate(trace);
      } else if (export != null) {
        export(trace, spans, export);
      }
      return Exit.OK;
    } catch (TraceFailure e) {
      throw new BadInput(String.valueOf(e.getMessage()));
    }
  }

  private void parquet(Trace trace) throws BadInput {
    if (out == null) {
      throw new BadInput("Parquet is not for a terminal: write -o FILE");
    }
    try (RecordTable table = RecordTable.open(QueryLimits.MEMORY_MIB)) {
      table.add(trace);
      table.writeParquet(out);
    } catch (SQLException e) {
      throw new BadInput("'" + out + "' cannot be written: " + QueryCommand.text(e));
    }
    main.screen().note("wrote " + out);
  }

  private void crate(Trace trace) throws BadInput, IOException, TraceFailure {
    if (out == null || !out.toString().endsWith(".zip")) {
      throw new BadInput("a crate is a ZIP file: write -o NAME.crate.zip");
    }
    if (!license.matches("https?://\\S+")) {
      throw new BadInput("--license: '" + license + "' is no address of a licence");
    }
    try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(out))) {
      RunCrate.write(trace, VersionCommand.version(), license, file);
    }
    main.screen().note("wrote " + out + ", " + Amounts.bytes(Files.size(out)));
  }

  private void export(Trace trace, Otlp spans, Format format) throws IOException {
    if (out == null) {
      export(trace, spans, format, main.screen().out());
      return;
    }
    try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(out))) {
      export(trace, spans, format, file);
    }
    main.screen().note("wrote " + out + ", " + Amounts.bytes(Files.size(out)));
  }

  private static void export(Trace trace, Otlp spans, Format format, OutputStream to)
      throws IOException {
    switch (format) {
      case wfformat -> TraceExports.wfformat(trace, VersionCommand.version(), to);
      case chrome -> TraceExports.chrome(trace, to);
      case csv -> TraceExports.csv(trace, to);
      case jsonl -> TraceExports.jsonl(trace, to);
      case otlp -> spans.write(to);
      case parquet, rocrate -> throw new IllegalStateException(format + " goes into a file");
    }
    to.flush();
  }

  private static String name(PoolClient client, JobId id) throws PoolFailure {
    for (Proto.JobProgress job : client.list(false, 10_000)) {
      if (Progress.id(job).equals(id)) {
        return job.getName();
      }
    }
    return id.toString();
  }

  private void write(
      Format format, List<Entry> entries, String name, Function<Address, String> names)
      throws IOException {
    if (out == null) {
      write(format, entries, name, names, main.screen().out());
      return;
    }
    try (OutputStream file = new BufferedOutputStream(Files.newOutputStream(out))) {
      write(format, entries, name, names, file);
    }
    main.screen().note("wrote " + out + ", " + Amounts.bytes(Files.size(out)));
  }

  private static void write(
      Format format,
      List<Entry> entries,
      String name,
      Function<Address, String> names,
      OutputStream to)
      throws IOException {
    switch (format) {
      case wfformat -> Exports.wfformat(entries, name, names, VersionCommand.version(), to);
      case chrome -> Exports.chrome(entries, names, to);
      case csv -> Exports.csv(entries, to);
      case jsonl -> Exports.jsonl(entries, to);
      case otlp, parquet, rocrate ->
          throw new IllegalStateException(format + " is made from a trace");
    }
    to.flush();
  }

  private void print(List<Entry> entries, Function<Address, String> names) {
    Screen screen = main.screen();
    if (entries.isEmpty()) {
      screen.note("no records yet");
      return;
    }
    if (!each && entries.size() > SHOWN_SINGLY) {
      screen.say(byKind(entries));
      screen.note("one line for each of the " + entries.size() + " attempts: --each");
      return;
    }
    Table table =
        new Table(
            "task",
            ">attempt",
            "provider",
            "outcome",
            ">waited",
            ">wall",
            ">cpu",
            ">gas",
            ">memory",
            ">cost",
            "reason");
    for (Entry entry : entries) {
      ExecutionRecord r = entry.record();
      table.row(
          r.taskName(),
          r.attempt(),
          names.apply(r.provider()),
          r.outcome(),
          Amounts.duration((r.assignedUs() - r.readyUs()) * 1_000),
          Amounts.duration(r.usage().wallNs()),
          Amounts.duration(r.usage().cpuNs()),
          Amounts.count(r.usage().gas()),
          Amounts.bytes(r.usage().peakMemoryBytes()),
          Amounts.credits(r.charge()),
          r.reason());
    }
    screen.say(table.lines());
  }

  /// The record table by kind of task.
  static List<String> byKind(List<Entry> entries) {
    Table table =
        new Table(
            "kind",
            ">tasks",
            ">attempts",
            ">failed",
            ">median",
            ">p95",
            ">max",
            ">cpu",
            ">gas",
            ">in",
            ">out",
            ">cost");
    for (Analysis.KindRow row : Analysis.byKind(entries)) {
      table.row(
          row.kind(),
          row.tasks(),
          row.attempts(),
          row.failed(),
          Amounts.duration(row.wallMedianNs()),
          Amounts.duration(row.wallP95Ns()),
          Amounts.duration(row.wallMaxNs()),
          Amounts.duration(row.cpuNs()),
          Amounts.count(row.gas()),
          Amounts.bytes(row.bytesIn()),
          Amounts.bytes(row.bytesOut()),
          Amounts.credits(row.charge()));
    }
    return table.lines();
  }
}
