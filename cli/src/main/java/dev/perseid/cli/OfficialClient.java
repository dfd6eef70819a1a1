package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Hash;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// OpenAI's own client for Node, unchanged, as npm has it: `examples/clients/openai` pins its
/// version and its hash. It is fetched once, into a folder that is named by what was pinned; from
/// then on no network is needed.
final class OfficialClient implements DemoClient {
  /// What came of looking for it.
  sealed interface Found {
    /// It runs.
    record Ready(OfficialClient client) implements Found {}

    /// It does not.
    ///
    /// @param why and what to do
    record Missing(String why) implements Found {}
  }

  private static final String SCRIPT = "ask.mjs";
  private static final List<String> SOURCES =
      List.of(".npmrc", "package.json", "package-lock.json", SCRIPT);
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path node;
  private final Path script;
  private final String path;
  private final String name;

  private OfficialClient(Path node, Path script, String path, String name) {
    this.node = node;
    this.script = script;
    this.path = path;
    this.name = name;
  }

  /// Finds it, fetching it if it was never fetched.
  ///
  /// @param sources folder `examples/clients/openai`
  /// @param kept folder in which what was fetched stays
  /// @param path where programs are looked for, as in `PATH`
  /// @param notice hears that something is fetched
  static Found find(Path sources, Path kept, String path, Consumer<String> notice)
      throws InterruptedException {
    try {
      return look(sources, kept, path, notice);
    } catch (IOException e) {
      return new Found.Missing("it cannot be kept or started here: " + e);
    }
  }

  private static Found look(Path sources, Path kept, String path, Consumer<String> notice)
      throws IOException, InterruptedException {
    Optional<Path> node = program("node", path);
    if (node.isEmpty()) {
      return new Found.Missing(
          "there is no 'node' on the PATH (Debian: apt-get install nodejs npm)");
    }
    Path folder = kept.resolve("openai-client-" + fingerprint(sources));
    if (!Files.isRegularFile(folder.resolve(SCRIPT))) {
      Optional<Path> npm = program("npm", path);
      if (npm.isEmpty()) {
        return new Found.Missing("there is no 'npm' on the PATH (Debian: apt-get install npm)");
      }
      Optional<String> wrong = fetch(npm.get(), sources, folder, path, notice);
      if (wrong.isPresent()) {
        return new Found.Missing(wrong.get());
      }
    }
    Path script = folder.resolve(SCRIPT);
    JsonNode said = JSON.missingNode();
    Optional<String> wrong;
    try (Errand check =
        Errand.send(
            builder(node.get(), path, script.toString(), "--version"),
            new byte[0],
            DemoLimits.CHECK_S)) {
      for (String line = check.line(); line != null; line = check.line()) {
        said = json(line).orElse(said);
      }
      wrong = check.end();
    }
    if (wrong.isPresent() || !said.path("version").isTextual()) {
      return new Found.Missing(
          node.get()
              + " cannot run it: "
              + wrong.orElse("it did not say its version")
              + "; it needs Node 20 or newer; if it has that, remove "
              + folder
              + " to fetch the client again");
    }
    return new Found.Ready(
        new OfficialClient(
            node.get(),
            script,
            path,
            said.path("client").asText()
                + " "
                + said.path("version").asText()
                + " on Node "
                + said.path("node").asText()));
  }

  private static Optional<Path> program(String name, String path) {
    return Stream.of(path.split(File.pathSeparator))
        .filter(folder -> !folder.isEmpty())
        .map(folder -> Path.of(folder, name).toAbsolutePath())
        .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
        .findFirst();
  }

  /// Changes with anything that decides what is fetched and run.
  private static String fingerprint(Path sources) throws IOException {
    StringBuilder all = new StringBuilder();
    for (String name : SOURCES) {
      all.append(Hash.sha256(Files.readAllBytes(sources.resolve(name))).hex());
    }
    return Hash.sha256(all.toString().getBytes(StandardCharsets.US_ASCII)).hex().substring(0, 16);
  }

  /// Fetches into a folder of its own, which becomes `folder` when it is whole.
  ///
  /// @return what went wrong, if anything did
  private static Optional<String> fetch(
      Path npm, Path sources, Path folder, String path, Consumer<String> notice)
      throws IOException, InterruptedException {
    notice.accept("fetching OpenAI's client with npm, once, into " + folder);
    Files.createDirectories(folder.getParent());
    Path fresh = Files.createTempDirectory(folder.getParent(), "fetching-");
    try {
      for (String name : SOURCES) {
        Files.copy(sources.resolve(name), fresh.resolve(name));
      }
      try (Errand npmCi =
          Errand.send(
              builder(
                      npm,
                      path,
                      "ci",
                      "--ignore-scripts",
                      "--no-audit",
                      "--no-fund",
                      "--prefer-offline",
                      "--fetch-retries=1")
                  .directory(fresh.toFile()),
              new byte[0],
              DemoLimits.FETCH_S)) {
        Optional<String> wrong = npmCi.end();
        if (wrong.isPresent()) {
          return Optional.of("npm could not fetch it: " + wrong.get());
        }
      }
      try {
        Files.move(fresh, folder, StandardCopyOption.ATOMIC_MOVE);
      } catch (FileSystemException e) {
        if (!Files.isRegularFile(folder.resolve(SCRIPT))) {
          throw e; // else another demo was faster
        }
      }
      return Optional.empty();
    } finally {
      remove(fresh);
    }
  }

  private static void remove(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  /// A program that sees nothing of what the environment says to OpenAI's clients.
  private static ProcessBuilder builder(Path program, String path, String... arguments) {
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().keySet().removeIf(name -> name.startsWith("OPENAI_"));
    builder.environment().put("PATH", path);
    return builder;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public Heard ask(String gateway, String key, byte[] request, Consumer<String> voice)
      throws IOException, InterruptedException {
    ProcessBuilder builder = builder(node, path, script.toString());
    builder.environment().put("OPENAI_BASE_URL", gateway + "/v1");
    builder.environment().put("OPENAI_API_KEY", key);
    Optional<JsonNode> end = Optional.empty();
    Optional<String> failed = Optional.empty();
    Optional<String> wrong;
    try (Errand errand = Errand.send(builder, request, DemoLimits.ANSWER_S)) {
      for (String line = errand.line(); line != null; line = errand.line()) {
        JsonNode said = json(line).orElse(JSON.missingNode());
        if (said.path("piece").isTextual()) {
          voice.accept(said.path("piece").textValue());
        } else if (said.path("failed").isTextual()) {
          failed = Optional.of(Errand.shown(said.path("failed").textValue()));
        } else if (said.path("end").isObject()) {
          end = Optional.of(said.path("end"));
        }
      }
      wrong = errand.end();
    }
    if (wrong.isPresent() || end.isEmpty()) {
      return Heard.failed(failed.or(() -> wrong).orElse("it ended without an answer"));
    }
    JsonNode e = end.get();
    return new Heard(
        Optional.ofNullable(e.path("provider").textValue()),
        nanos(e.path("first_ms")),
        nanos(e.path("total_ms")),
        PlainClient.tokens(e),
        PlainClient.cost(e),
        e.path("finish_reason").isTextual()
            ? Optional.empty()
            : Optional.of("the answer has no end"));
  }

  private static OptionalLong nanos(JsonNode ms) {
    return ms.isNumber() ? OptionalLong.of((long) (ms.doubleValue() * 1e6)) : OptionalLong.empty();
  }

  private static Optional<JsonNode> json(String line) {
    if (!line.startsWith("{")) {
      return Optional.empty();
    }
    try {
      return Optional.of(JSON.readTree(line));
    } catch (JsonProcessingException e) {
      return Optional.empty();
    }
  }
}
