package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid results`: fetches what a job has made, for whoever did not stay to see its end.
@Command(name = "results", description = "Fetch the results of a job.")
final class ResultsCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(names = "--out", paramLabel = "FOLDER", description = "Default: results-JOB.")
  private @Nullable Path out;

  @Parameters(paramLabel = "JOB", arity = "0..1", description = "Its id; default: the newest.")
  private @Nullable String job;

  @Override
  public Integer call() throws BadInput, PoolFailure, IOException {
    Screen screen = main.screen();
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      Path folder = out == null ? folder(id) : out;
      List<PoolClient.Output> fetched = fetch(client, id, folder);
      if (shared.json) {
        screen.json(json -> {
          json.writeStartObject();
          fields(json, folder, fetched);
          json.writeEndObject();
        });
      } else {
        say(screen, folder, fetched);
        if (fetched.isEmpty()) {
          screen.note("no result of this job exists, or it names none: perseid why " + id);
        }
      }
      return Exit.OK;
    }
  }

  /// The folder that is used where the user names none.
  static Path folder(JobId job) {
    return Path.of("results-" + job.toString().substring(0, 8));
  }

  /// Downloads the results that exist, each into a file of its own.
  static List<PoolClient.Output> fetch(PoolClient client, JobId job, Path folder)
      throws PoolFailure, IOException {
    List<PoolClient.Output> outputs = client.results(job);
    for (PoolClient.Output output : outputs) {
      client.download(output.blob(), file(folder, output));
    }
    return outputs;
  }

  /// The field `results`.
  static void fields(JsonGenerator json, Path folder, List<PoolClient.Output> fetched)
      throws IOException {
    json.writeArrayFieldStart("results");
    for (PoolClient.Output output : fetched) {
      json.writeStartObject();
      json.writeStringField("task", output.taskName());
      json.writeNumberField("output", output.output());
      json.writeStringField("file", file(folder, output).toString());
      json.writeStringField("sha256", output.blob().hash().hex());
      json.writeNumberField("bytes", output.blob().sizeBytes());
      json.writeEndObject();
    }
    json.writeEndArray();
  }

  /// A line for each.
  static void say(Screen screen, Path folder, List<PoolClient.Output> fetched) {
    for (PoolClient.Output output : fetched) {
      screen.say(file(folder, output) + "  " + Amounts.bytes(output.blob().sizeBytes()));
    }
  }

  private static Path file(Path folder, PoolClient.Output output) {
    return folder.resolve(RunCommand.fileName(output));
  }
}
