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
      Optional<Payer> payer = paying.follow(main.home(), client, id, screen);
      Proto.JobProgress end;
      try (LivePage page = serve == null ? null : LivePage.open(serve)) {
        if (page != null) {
          screen.note("figures at http://127.0.0.1:" + page.port() + "/");
        }
        Shown shown = new Shown(page);
        try (LiveFindings live =
            findings || page != null ? LiveFindings.follow(client, id, shown) : null) {
          end = client.watch(id, state -> shown.heard(state, live));
        }
      } finally {
        payer.ifPresent(Payer::close);
      }
      if (!shared.json) {
        screen.say(Progress.ending(end));
      }
      return Progress.exit(end);
    }
  }

  /// What is shown of the job and of its findings, which come from two threads.
  private final class Shown implements LiveFindings.Taker {
    private final Progress progress = new Progress(main.screen());
    private final @Nullable LivePage page;

    // Guarded by this.
    private Proto.@Nullable JobProgress running;

    Shown(@Nullable LivePage page) {
      this.page = page;
    }

    void heard(Proto.JobProgress state, @Nullable LiveFindings live) {
      if (state.getState().equals("running")) {
        synchronized (this) {
          running = state;
          if (shared.json) {
            print(state, Optional.empty());
          } else {
            progress.show(state);
          }
        }
        if (live != null) {
          live.changed();
        }
        return;
      }
      synchronized (this) {
        // What is still found is told with the end.
        running = null;
      }
      Optional<LiveFindings.Latest> last = live == null ? Optional.empty() : live.end();
      if (shared.json) {
        print(state, last);
      } else {
        last.ifPresent(all -> main.screen().say(FindingsText.lines(all.findings())));
      }
    }

    @Override
    public void found(LiveFindings.Latest latest) {
      if (page != null) {
        page.publish(latest);
      }
      synchronized (this) {
        if (running == null) {
          return;
        }
        if (shared.json) {
          print(running, Optional.of(latest));
        } else {
          main.screen().note(LiveFindings.line(latest.findings()));
        }
      }
    }

    @Override
    public void failed(PoolFailure why) {
      // The job goes on, and so does watching it.
      main.screen().note("the records could not be fetched: " + why.getMessage());
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
