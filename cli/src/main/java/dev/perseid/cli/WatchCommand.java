package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.Payer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid watch`.
@Command(name = "watch", description = "Follow a job until it ends.")
final class WatchCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();
  @Mixin private Paying paying = new Paying();

  @Parameters(paramLabel = "JOB", arity = "0..1", description = "Its id; default: the newest.")
  private @Nullable String job;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    Screen screen = main.screen();
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      Progress progress = new Progress(screen);
      Consumer<Proto.JobProgress> seen = shared.json ? this::print : progress::show;
      Optional<Payer> payer = paying.follow(main.home(), client, id, screen);
      Proto.JobProgress end;
      try {
        end = client.watch(id, seen);
      } finally {
        payer.ifPresent(Payer::close);
      }
      if (!shared.json) {
        screen.say(Progress.ending(end));
      }
      return Progress.exit(end);
    }
  }

  private void print(Proto.JobProgress state) {
    main.screen()
        .json(json -> {
          json.writeStartObject();
          Progress.fields(json, state);
          json.writeEndObject();
        });
  }
}
