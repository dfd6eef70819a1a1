package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// The official clients for Node, as npm has them, against a gateway. `src/test/clients` has the
/// script, which prints a line for each check.
class NodeClientsTest {
  private static final int CHECKS = 62;
  private static final Map<String, String> RESULTS = new LinkedHashMap<>();

  @BeforeAll
  static void run() throws Exception {
    Path folder = Path.of("src", "test", "clients").toAbsolutePath();
    install(folder);
    try (Gateway gateway = Gateway.start(GatewayConfig.loopback(), new CannedMarket())) {
      Path out = Files.createTempFile("clients", ".txt");
      run(folder, out, 120, program("node"), "clients.mjs", gateway.url(), "sk-test");
      for (String line : Files.readAllLines(out, StandardCharsets.UTF_8)) {
        String[] fields = line.split("\t", 3);
        if (fields[0].equals("check")) {
          assertThat(RESULTS.put(fields[1], fields[2])).as(fields[1]).isNull();
        }
      }
      Files.delete(out);
    }
  }

  @AfterAll
  static void forget() {
    RESULTS.clear();
  }

  /// Fetches the clients once; again when the list of them has changed.
  private static void install(Path folder) throws Exception {
    Path done = folder.resolve("node_modules").resolve(".fetched-for");
    String wanted = Files.readString(folder.resolve("package-lock.json"));
    if (Files.exists(done) && Files.readString(done).equals(wanted)) {
      return;
    }
    Path out = Files.createTempFile("npm", ".txt");
    run(folder, out, 300, program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund");
    Files.delete(out);
    Files.writeString(done, wanted);
  }

  private static String program(String name) {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .map(folder -> Path.of(folder, name))
        .filter(Files::isExecutable)
        .findFirst()
        .orElseThrow(() ->
            new AssertionError(
                "'"
                    + name
                    + "' is not on the PATH. The tests of clients need Node 18 or newer and"
                    + " npm (Debian: apt-get install nodejs npm)."))
        .toString();
  }

  private static void run(Path folder, Path out, int seconds, String... command) throws Exception {
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(out.toFile())
            .start();
    boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
    if (!ended) {
      process.destroyForcibly().waitFor();
    }
    assertThat(ended && process.exitValue() == 0)
        .as(
            "%s %s: %s",
            String.join(" ", command),
            ended ? "ended with " + process.exitValue() : "did not end within " + seconds + " s",
            Files.readString(out))
        .isTrue();
  }

  @Test
  void allChecksRan() {
    assertThat(RESULTS).hasSize(CHECKS);
  }

  @TestFactory
  List<DynamicTest> checks() {
    return RESULTS.entrySet().stream()
        .map(check ->
            DynamicTest.dynamicTest(
                check.getKey(), () -> assertThat(check.getValue()).startsWith("ok")))
        .toList();
  }
}
