package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderNode;
import dev.perseid.wire.Channels;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.ParentCommand;

/// `perseid up`.
@Command(
    name = "up",
    description = "Run a pool and a provider in one process until they are stopped.")
final class UpCommand implements Callable<Integer> {
  /// Enough to try things out; on this machine credits cost nothing.
  private static final long WELCOME = 1_000_000_000L;

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private Serving.PoolOptions poolOptions = new Serving.PoolOptions();
  @Mixin private Serving.ProviderOptions providerOptions = new Serving.ProviderOptions();

  @Override
  public Integer call() throws BadInput, IOException, InterruptedException {
    Home home = main.home();
    Serving serving = new Serving(main.screen(), shared.json);
    serving.stopOnSignal();
    boolean loopback = Channels.isLoopback(poolOptions.host);
    PoolNode pool = serving.pool(home, poolOptions, loopback ? WELCOME : 0);
    ProviderNode provider =
        serving.provider(
            home,
            new PoolClient.Target(
                poolOptions.host, pool.port(), Optional.of(home.key("pool").address())),
            home.folder().resolve("provider"),
            providerOptions,
            !loopback);
    main.screen().note("ready; in another terminal: perseid run JOB");
    return serving.await(List.of(pool::failure, () -> Serving.failure(provider)));
  }
}
