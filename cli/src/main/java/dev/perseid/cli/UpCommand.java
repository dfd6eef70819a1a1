package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.PoolNode;
import dev.perseid.node.ProviderNode;
import dev.perseid.wire.Channels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
  public Integer call() throws BadInput, PoolFailure, IOException, InterruptedException {
    Home home = main.home();
    Serving serving = new Serving(main.screen(), shared.json);
    serving.stopOnSignal();
    boolean loopback = Channels.isLoopback(poolOptions.host);
    PoolNode pool = serving.pool(home, poolOptions, loopback ? WELCOME : 0);
    publishFolders(home, pool);
    ProviderNode provider =
        serving.provider(
            home,
            new PoolClient.Target(
                poolOptions.host, pool.port(), Optional.of(home.key("pool").address())),
            home.folder().resolve("provider"),
            providerOptions,
            !loopback);
    main.screen()
        .note(
            providerOptions.serve.isEmpty()
                ? "ready; in another terminal: perseid run JOB"
                : "ready; in another terminal: perseid model list, perseid ask MODEL PROMPT");
    return serving.await(List.of(pool::failure, () -> Serving.failure(provider)));
  }

  /// `--serve FOLDER` with a perseid-model.yaml in it means: publish it here, and serve it.
  private void publishFolders(Home home, PoolNode pool) throws BadInput, PoolFailure {
    List<String> named = new ArrayList<>();
    for (String serve : providerOptions.serve) {
      Path folder = Path.of(serve);
      if (serve.contains("=") || !Files.isRegularFile(folder.resolve(ModelFolder.FILE))) {
        named.add(serve);
        continue;
      }
      ModelFolder model = ModelFolder.read(folder);
      String name =
          model.manifest().description().name() + ":" + model.manifest().description().version();
      try (PoolClient client =
          PoolClient.connect(
              new PoolClient.Target(
                  poolOptions.host, pool.port(), Optional.of(home.key("pool").address())),
              home.key("consumer"),
              PoolClient.Role.CONSUMER)) {
        ModelPublishCommand.publish(client, model, main.screen());
      }
      main.screen().say("published " + name);
      named.add(name + "=" + folder);
    }
    providerOptions.serve = named;
  }
}
