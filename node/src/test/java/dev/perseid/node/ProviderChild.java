package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// A provider in a process of its own, to be killed by tests. Drains on SIGTERM as `perseid
/// provider` does.
final class ProviderChild {
  private ProviderChild() {}

  /// Starts one.
  static Process start(int poolPort, Address pool, Path directory, String name) {
    List<String> command =
        List.of(
            ProcessHandle.current().info().command().orElseThrow(),
            "-Xmx256m",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            ProviderChild.class.getName(),
            Integer.toString(poolPort),
            pool.toString(),
            directory.toString(),
            name);
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(directory.resolveSibling(name + ".log").toFile())
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// @param args port, pool's address, folder, name
  public static void main(String[] args) throws Exception {
    ProviderNode node =
        ProviderNode.start(
            config(
                Key.generate(),
                Integer.parseInt(args[0]),
                Address.parse(args[1]),
                Path.of(args[2]),
                args[3]),
            System.out::println);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(() -> {
              try {
                System.out.println("drained: " + node.drain(Duration.ofSeconds(20)));
                node.close();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            }));
    System.out.println(node.failure().get());
  }

  /// Two cores, unmeasured.
  static ProviderConfig config(Key key, int poolPort, Address pool, Path directory, String name) {
    return ProviderConfig.of(key, ProviderConfig.PoolAt.of("127.0.0.1", poolPort, pool), directory)
        .with(new ProviderConfig.Terms(name, "", ProviderConfig.USUAL_PRICE))
        .with(new ProviderConfig.Lent(2, 128L << 20, 64L << 20, 1))
        .unmeasured()
        .isolationPreferred();
  }
}
