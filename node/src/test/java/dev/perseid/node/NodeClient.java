package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Runs a script among the official clients for Node, which the gateway's tests pin.
final class NodeClient {
  private static final Path FOLDER = Path.of("../gateway/src/test/clients");

  private NodeClient() {}

  /// What a script prints, line by line; it must succeed.
  static List<String> run(Path folder, String script, String... arguments) throws Exception {
    install(folder);
    List<String> command = new ArrayList<>(List.of(program("node"), script));
    command.addAll(List.of(arguments));
    return run(folder, 120, command);
  }

  private static void install(Path folder) throws Exception {
    Path done = FOLDER.resolve("node_modules").resolve(".fetched-for");
    String wanted = Files.readString(FOLDER.resolve("package-lock.json"));
    if (Files.exists(done) && Files.readString(done).equals(wanted)) {
      return;
    }
    run(folder, 300, List.of(program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"));
    Files.writeString(done, wanted);
  }

  private static String program(String name) {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .map(folder -> Path.of(folder, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(() ->
            new AssertionError(
                "'" + name + "' is not on the PATH: these tests need Node 18 or newer and npm"))
        .toString();
  }

  private static List<String> run(Path folder, int seconds, List<String> command) throws Exception {
    Path out = Files.createTempFile(folder, "client", ".txt");
    Process process =
        new ProcessBuilder(command)
            .directory(FOLDER.toFile())
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly().waitFor();
    }
    List<String> lines = Files.readAllLines(out, StandardCharsets.UTF_8);
    assertThat(ended && process.exitValue() == 0)
        .as("%s: %s", command.get(1), String.join("\n", lines))
        .isTrue();
    return lines;
  }
}
