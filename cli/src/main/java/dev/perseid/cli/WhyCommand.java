package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid why`.
@Command(
    name = "why",
    description = "Say why a job or task is not running, not placed, not paid, or failed.")
final class WhyCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(index = "0", arity = "0..1", paramLabel = "JOB", description = "Default: the newest.")
  private @Nullable String job;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "TASK",
      description = "A task's name, e.g. align[7]; default: the job as a whole.")
  private @Nullable String task;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    Screen screen = main.screen();
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      PoolClient.Why why = client.why(id, task == null ? "" : task);
      if (shared.json) {
        screen.json(json -> {
          json.writeStartObject();
          json.writeStringField("job", id.toString());
          json.writeStringField("sentence", why.sentence());
          json.writeArrayFieldStart("would_help");
          for (String help : why.wouldHelp()) {
            json.writeString(help);
          }
          json.writeEndArray();
          json.writeEndObject();
        });
      } else {
        screen.say(why.sentence());
        for (String help : why.wouldHelp()) {
          screen.say("  would help: " + help);
        }
      }
    }
    return Exit.OK;
  }
}
