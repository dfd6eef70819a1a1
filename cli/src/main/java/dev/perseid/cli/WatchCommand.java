package dev.perseid.cli;

import dev.perseid.core.JobId;
import dev.perseid.node.Payer;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid watch`.
@Command(name = "watch", description = "Follow a job until it ends.")
final class WatchCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();
  @Mixin private Paying paying = new Paying();

  @Option(
      names = "--findings",
      description = "Also say what its records tell so far, as perseid analyze does of the whole.")
  private boolean findings;

  @Option(
      names = "--serve",
      paramLabel = "PORT",
      description =
          "Also serve these figures to dashboards on this machine, as they change: /, /findings,"
              + " /events; 0: any free port.")
  private @Nullable Integer serve;

  @Parameters(paramLabel = "JOB", arity = "0..1", description = "Its id; default: the newest.")
  private @Nullable String job;

  @Override
  public Integer call() throws BadInput, PoolFailure {
    Screen screen = main.screen();
    try (PoolClient client = at.connect(main)) {
      JobId id = AtPool.job(client, job);
      Progress progress = new Progress(screen);
      Optional<Payer> payer = paying.follow(main.home(), client, id, screen);
      Proto.JobProgress end;
      try (LivePage page = serve == null ? null : LivePage.open(serve)) {
        if (page != null) {
          screen.note("figures at http://127.0.0.1:" + page.port() + "/");
        }
        LiveFindings live = findings || page != null ? new LiveFindings(client, id) : null;
        end = client.watch(id, state -> show(state, progress, live, page));
      } finally {
        payer.ifPresent(Payer::close);
      }
      if (!shared.json) {
        screen.say(Progress.ending(end));
      }
      return Progress.exit(end);
    }
  }

  private void show(
      Proto.JobProgress state,
      Progress progress,
      @Nullable LiveFindings live,
      @Nullable LivePage page) {
    if (!shared.json) {
      progress.show(state);
    }
    boolean over = !state.getState().equals("running");
    Optional<LiveFindings.Latest> found = Optional.empty();
    if (live != null) {
      try {
        found = live.look(over);
      } catch (PoolFailure e) {
        // The job goes on, and so does watching it; the next look may succeed.
        main.screen().note("the records could not be fetched: " + e.getMessage());
      }
    }
    if (page != null) {
      found.ifPresent(page::publish);
    }
    if (shared.json) {
      print(state, found);
    } else if (live != null && over) {
      live.latest().ifPresent(last -> main.screen().say(FindingsText.lines(last.findings())));
    } else {
      found.ifPresent(newest -> main.screen().note(LiveFindings.line(newest.findings())));
    }
  }

  private void print(Proto.JobProgress state, Optional<LiveFindings.Latest> found) {
    main.screen()
        .json(json -> {
          json.writeStartObject();
          Progress.fields(json, state);
          if (found.isPresent()) {
            json.writeFieldName("findings");
            found.get().findings().write(json);
          }
          json.writeEndObject();
        });
  }
}
