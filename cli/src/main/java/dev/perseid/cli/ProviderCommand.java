package dev.perseid.cli;

import dev.perseid.node.ProviderNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/// `perseid provider`.
@Command(name = "provider", description = "Lend this machine to a pool until it is stopped.")
final class ProviderCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Option(
      names = "--pool",
      paramLabel = "HOST:PORT@0xADDRESS",
      description = "The pool; default: PERSEID_POOL, the config file, or the one on this machine.")
  private @Nullable String pool;

  @Option(names = "--dir", description = "Cache and scratch files; default: ~/.perseid/provider.")
  private @Nullable Path dir;

  @Mixin private Serving.ProviderOptions options = new Serving.ProviderOptions();

  @Option(
      names = "--until-stdin-ends",
      description = "Stop also when standard input ends, i.e. when whoever started it is gone.")
  private boolean untilStdinEnds;

  @Override
  public Integer call() throws BadInput, IOException, InterruptedException {
    Home home = main.home();
    Serving serving = new Serving(main.screen(), shared.json);
    serving.stopOnSignal();
    if (untilStdinEnds) {
      Thread.ofPlatform().daemon().name("stdin").start(() -> exitAtEnd(System.in));
    }
    ProviderNode provider =
        serving.provider(
            home,
            home.pool(Optional.ofNullable(pool)),
            dir == null ? home.folder().resolve("provider") : dir,
            options,
            true);
    return serving.await(List.of(() -> Serving.failure(provider)));
  }

  private static void exitAtEnd(InputStream in) {
    try {
      byte[] ignored = new byte[256];
      int n = in.read(ignored);
      while (n >= 0) {
        n = in.read(ignored);
      }
    } catch (IOException e) {
      // As good as its end.
    }
    System.exit(Exit.OK);
  }
}
