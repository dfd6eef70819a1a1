package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A provider that serves a model by a [TickingBackend], in a process of its own, to be killed by
/// tests.
final class ServingChild {
  private ServingChild() {}

  /// Starts one.
  static Process start(int poolPort, Address pool, Path directory, String model) {
    List<String> command =
        List.of(
            ProcessHandle.current().info().command().orElseThrow(),
            "-Xmx256m",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
            ServingChild.class.getName(),
            Integer.toString(poolPort),
            pool.toString(),
            directory.toString(),
            model);
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(
              ProcessBuilder.Redirect.appendTo(
                  directory.resolveSibling("serving-child.log").toFile()))
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// The same one whenever it is started in the same folder.
  private static Key key(Path directory) {
    return Key.of(Hash.sha256(directory.toString().getBytes(StandardCharsets.UTF_8)).bytes());
  }

  /// @param args port, pool's address, folder, model
  public static void main(String[] args) throws Exception {
    Path directory = Path.of(args[2]);
    Files.createDirectories(directory);
    ProviderNode node =
        ProviderNode.start(
            ProviderChild.config(
                    key(directory),
                    Integer.parseInt(args[0]),
                    Address.parse(args[1]),
                    directory,
                    "serving")
                .withModels(List.of(ServedModel.of(args[3]))),
            System.out::println,
            (config, sandbox, transfer, notices) -> (served, model) -> new TickingBackend());
    System.out.println(node.failure().get());
  }
}
