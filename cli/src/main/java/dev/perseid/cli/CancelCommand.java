package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid cancel`.
@Command(name = "cancel", description = "Cancel a job; what it has not used returns at once.")
final class CancelCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Parameters(paramLabel = "JOB", description = "Its id.")
  private String job = "";

  @Override
  public Integer call() throws BadInput, PoolFailure {
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      client.cancel(id);
      if (shared.json) {
        main.screen()
            .json(json -> {
              json.writeStartObject();
              json.writeStringField("cancelled", id.toString());
              json.writeEndObject();
            });
      } else {
        main.screen().say("cancelled " + id);
      }
    }
    return Exit.OK;
  }
}
