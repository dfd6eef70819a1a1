package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Limits;
import dev.perseid.node.Payer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid run`.
@Command(
    name = "run",
    description = {
      "Run a job: upload what it needs, submit it, show its progress, fetch its results.",
      "JOB is a job file (YAML or JSON, docs/job-file.md) or a workflow instance in WfFormat 1.5."
    })
final class RunCommand implements Callable<Integer> {
  private static final int SUBMIT_TRIES = 3;

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();
  @Mixin private Paying paying = new Paying();

  @Parameters(paramLabel = "JOB", description = "The job file.")
  private Path file = Path.of("");

  @Option(names = "--check", description = "Only check the file; ask no pool, run nothing.")
  private boolean check;

  @Option(names = "--detach", description = "Do not wait for the end.")
  private boolean detach;

  @Option(
      names = "--file",
      paramLabel = "NAME=PATH",
      description = "Take PATH where the job says NAME; may be repeated.")
  private Map<String, Path> files = new LinkedHashMap<>();

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Where the results go; default: results-<job>.")
  private @Nullable Path out;

  @Option(
      names = "--budget",
      paramLabel = "CREDITS",
      description = "The most the job may cost; default: what the file says, 100 for workflows.")
  private @Nullable String budget;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      description =
          "Within how long the job must be done, or it ends as failed; default: what the file says.")
  private @Nullable BigDecimal deadlineS;

  @Option(
      names = "--scale",
      paramLabel = "FACTOR",
      defaultValue = "1",
      description = "Workflows: factor of the recorded run times; default: ${DEFAULT-VALUE}.")
  private BigDecimal scale = BigDecimal.ONE;

  @Option(
      names = "--data-scale",
      paramLabel = "FACTOR",
      defaultValue = "1",
      description = "Workflows: factor of the recorded file sizes; default: ${DEFAULT-VALUE}.")
  private BigDecimal dataScale = BigDecimal.ONE;

  /// Connects when first needed: most mistakes in a file are found without a pool.
  private final class Connection implements AutoCloseable {
    private @Nullable PoolClient client;

    PoolClient client() throws BadInput, PoolFailure {
      if (client == null) {
        client = at.connect(main);
      }
      return client;
    }

    OptionalLong sizeOf(Hash hash) throws BadInput {
      try {
        return client().sizeOf(hash);
      } catch (PoolFailure e) {
        throw new BadInput("a stored blob cannot be looked up: " + e.getMessage());
      }
    }

    @Override
    public void close() {
      if (client != null) {
        client.close();
      }
    }
  }

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    Screen screen = main.screen();
    try (Connection connection = new Connection()) {
      JobPlan plan = plan(connection);
      if (check) {
        report(plan);
        return Exit.OK;
      }
      PoolClient client = connection.client();
      upload(client, plan, screen);
      JobSpec spec = plan.spec(client.self(), new SecureRandom().nextLong() & Long.MAX_VALUE);
      OwnJobs.note(main.home(), client.pool(), spec.id(), spec.budget());
      if (detach) {
        paying.ahead(main.home(), client, spec.budget(), screen);
        JobId job = submit(client, spec);
        if (shared.json) {
          screen.json(json -> {
            json.writeStartObject();
            json.writeStringField("job", job.toString());
            json.writeEndObject();
          });
        } else {
          screen.say("job " + job);
        }
        return Exit.OK;
      }
      Optional<Payer> payer = paying.start(main.home(), client, spec.budget(), screen);
      try {
        JobId job = submit(client, spec);
        screen.note("job " + job + ": " + plan.tasks().size() + " tasks");
        return follow(client, job, spec);
      } finally {
        payer.ifPresent(Payer::close);
      }
    }
  }

  private JobPlan plan(Connection connection) throws BadInput {
    JobPlan plan = read(connection);
    if (deadlineS == null) {
      return plan;
    }
    BigDecimal ms = deadlineS.movePointRight(3);
    if (ms.compareTo(BigDecimal.ONE) < 0
        || ms.compareTo(BigDecimal.valueOf(Limits.DEADLINE_MS)) > 0) {
      throw new BadInput("--deadline: write 0.001 to " + Limits.DEADLINE_MS / 1_000 + " seconds");
    }
    return plan.withDeadline(ms.longValue());
  }

  private JobPlan read(Connection connection) throws BadInput {
    String text = JobReader.text(file);
    if (WfFormat.recognises(text)) {
      if (scale.signum() <= 0 || dataScale.signum() < 0) {
        throw new BadInput("--scale must be more than 0 and --data-scale not less; e.g. 0.01");
      }
      return WfFormat.read(
          file,
          text,
          scale,
          dataScale,
          Amounts.microcredits(budget == null ? "100" : budget, "--budget"));
    }
    LocalFiles.Stored stored = check ? LocalFiles.Stored.NONE : connection::sizeOf;
    JobPlan plan = JobReader.read(file, text, files, stored);
    return budget == null ? plan : plan.withBudget(Amounts.microcredits(budget, "--budget"));
  }

  private void report(JobPlan plan) {
    long bytes = plan.uploads().stream().mapToLong(u -> u.blob().sizeBytes()).sum();
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartObject();
            json.writeStringField("name", plan.name());
            json.writeNumberField("tasks", plan.tasks().size());
            json.writeNumberField("kinds", plan.kinds().size());
            json.writeNumberField("files", plan.uploads().size());
            json.writeNumberField("file_bytes", bytes);
            json.writeNumberField("budget_microcredits", plan.budget());
            json.writeEndObject();
          });
    } else {
      main.screen()
          .say(
              file
                  + " is good: '"
                  + plan.name()
                  + "', "
                  + Amounts.exact(plan.tasks().size())
                  + " tasks of "
                  + plan.kinds().size()
                  + " kinds, "
                  + plan.uploads().size()
                  + " files ("
                  + Amounts.bytes(bytes)
                  + "), budget "
                  + Amounts.credits(plan.budget()));
    }
  }

  /// Sends what the pool lacks.
  static void upload(PoolClient client, JobPlan plan, Screen screen) throws PoolFailure {
    Map<Blob, Upload> byBlob = new LinkedHashMap<>();
    plan.uploads().forEach(upload -> byBlob.put(upload.blob(), upload));
    List<Blob> missing = client.missing(byBlob.keySet());
    for (int i = 0; i < missing.size(); i++) {
      Upload upload = byBlob.get(missing.get(i));
      if (upload == null) {
        continue;
      }
      String what = "uploading " + (i + 1) + "/" + missing.size() + " " + upload.name() + " ";
      client.upload(
          upload.blob(),
          upload.content(),
          sent ->
              screen.redraw(
                  what + Amounts.bytes(sent) + " of " + Amounts.bytes(upload.blob().sizeBytes())));
    }
  }

  /// An answer that got lost is asked for again: the same nonce makes the same job.
  static JobId submit(PoolClient client, JobSpec spec) throws PoolFailure {
    for (int attempt = 1; ; attempt++) {
      try {
        return client.submit(spec);
      } catch (PoolFailure e) {
        if (e.kind() != PoolFailure.Kind.UNREACHABLE || attempt == SUBMIT_TRIES) {
          throw e;
        }
      }
    }
  }

  private int follow(PoolClient client, JobId job, JobSpec spec) throws PoolFailure, IOException {
    Screen screen = main.screen();
    AtomicBoolean following = new AtomicBoolean(true);
    Thread goodbye =
        new Thread(() -> {
          if (following.get()) {
            screen.note(
                "the job goes on in the pool; watch it: perseid watch "
                    + job
                    + "; fetch its results when it is done: perseid results "
                    + job
                    + "; cancel it: perseid cancel "
                    + job);
          }
        });
    Runtime.getRuntime().addShutdownHook(goodbye);
    Proto.JobProgress end;
    List<PoolClient.Output> outputs = new ArrayList<>();
    try {
      Progress progress = new Progress(screen);
      end = client.watch(job, progress::show);
    } finally {
      following.set(false);
      Runtime.getRuntime().removeShutdownHook(goodbye);
    }
    Path folder = out == null ? ResultsCommand.folder(job) : out;
    if (end.getState().equals("done") && !spec.results().isEmpty()) {
      outputs = ResultsCommand.fetch(client, job, folder);
    }
    List<PoolClient.Output> fetched = outputs;
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        Progress.fields(json, end);
        ResultsCommand.fields(json, folder, fetched);
        json.writeEndObject();
      });
    } else {
      screen.say(Progress.ending(end));
      ResultsCommand.say(screen, folder, fetched);
      if (!end.getState().equals("done")) {
        screen.note("more: perseid why " + job);
      }
    }
    return Progress.exit(end);
  }

  /// `align[3].0`. Task names come from a file that somebody else may have written.
  static String fileName(PoolClient.Output output) {
    String safe = output.taskName().replaceAll("[^A-Za-z0-9._\\[\\]-]", "_");
    return (safe.startsWith(".") ? "_" + safe : safe) + "." + output.output();
  }
}
