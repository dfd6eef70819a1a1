package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid jobs`.
@Command(name = "jobs", description = "List your jobs, the newest first.")
final class JobsCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Option(
      names = "--limit",
      defaultValue = "20",
      description = "How many; default ${DEFAULT-VALUE}.")
  private int limit = 20;

  @Option(names = "--all", description = "Everybody's jobs, with the operator's key.")
  private boolean all;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    if (limit < 1 || limit > 10_000) {
      throw new BadInput("--limit must be from 1 to 10000");
    }
    List<Proto.JobProgress> jobs;
    try (PoolClient client = all ? at.connectAsOperator(main) : at.connect(main)) {
      jobs = client.list(all, limit);
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Proto.JobProgress job : jobs) {
              json.writeStartObject();
              Progress.fields(json, job);
              json.writeEndObject();
            }
            json.writeEndArray();
          });
      return Exit.OK;
    }
    if (jobs.isEmpty()) {
      main.screen().note("no jobs yet; start one with: perseid run JOB");
      return Exit.OK;
    }
    Table table = new Table("job", "name", "state", ">done", ">tasks", ">cost");
    for (Proto.JobProgress job : jobs) {
      table.row(
          Progress.id(job),
          job.getName(),
          job.getState(),
          job.getDone(),
          job.getTasks(),
          Amounts.credits(job.getCharged()));
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }
}
