package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Hash;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/// Foundry's `anvil`, a node for local chains, as npm has it: version and hash are pinned in this
/// module. It is fetched once, into a folder that is named by what was pinned; from then on no
/// network and no Node is needed.
public final class Anvil {
  /// What came of looking for it.
  public sealed interface Found {
    /// It is there.
    record Ready(Anvil anvil) implements Found {}

    /// It is not.
    ///
    /// @param why and what to do
    record Missing(String why) implements Found {}
  }

  private static final String PACKAGE = "@foundry-rs/anvil";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path program;
  private final String version;

  private Anvil(Path program, String version) {
    this.program = program;
    this.version = version;
  }

  /// The folder in which the project keeps what it fetched.
  public static Path cache() {
    return Path.of(System.getProperty("user.home"), ".cache", "perseid");
  }

  /// Finds it, fetching it if it was never fetched.
  ///
  /// @param kept folder in which it stays, e.g. [#cache]
  /// @param path where `npm` is looked for, as in `PATH`
  /// @param notice hears that it is fetched
  public static Found find(Path kept, String path, Consumer<String> notice)
      throws InterruptedException {
    try {
      return look(kept, path, notice);
    } catch (IOException e) {
      return new Found.Missing("anvil cannot be kept or started here: " + e);
    }
  }

  private static Found look(Path kept, String path, Consumer<String> notice)
      throws IOException, InterruptedException {
    byte[] manifest = resource("package.json");
    byte[] lock = resource("package-lock.json");
    String version = JSON.readTree(manifest).path("dependencies").path(PACKAGE).asText();
    String platform = platform();
    if (!JSON.readTree(lock).path("packages").has("node_modules/" + PACKAGE + "-" + platform)) {
      return new Found.Missing("npm has no anvil for this machine (" + platform + ")");
    }
    String print =
        Hash.sha256(
                (Hash.sha256(manifest).hex() + Hash.sha256(lock).hex())
                    .getBytes(StandardCharsets.US_ASCII))
            .hex()
            .substring(0, 16);
    Path folder = kept.resolve("anvil-" + print);
    Path program = program(folder, platform);
    if (!Files.isExecutable(program)) {
      Optional<Path> npm = onPath("npm", path);
      if (npm.isEmpty()) {
        return new Found.Missing(
            "there is no 'npm' on the PATH to fetch anvil with (Debian: apt-get install nodejs npm)");
      }
      notice.accept("fetching anvil " + version + " with npm, once, into " + folder);
      Optional<String> wrong = fetch(npm.get(), manifest, lock, version, platform, folder, path);
      if (wrong.isPresent()) {
        return new Found.Missing("npm could not fetch anvil: " + wrong.get());
      }
    }
    return new Found.Ready(new Anvil(program, version));
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = Anvil.class.getResourceAsStream("npm/" + name)) {
      if (in == null) {
        throw new IllegalStateException("the jar lacks npm/" + name + ": build it again");
      }
      return in.readAllBytes();
    }
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    return (os.startsWith("mac") ? "darwin" : os.startsWith("win") ? "win32" : os)
        + "-"
        + (machine.equals("aarch64") ? "arm64" : machine.equals("x86_64") ? "amd64" : machine);
  }

  private static Path program(Path folder, String platform) {
    return folder
        .resolve("node_modules")
        .resolve(PACKAGE + "-" + platform)
        .resolve("bin")
        .resolve(platform.startsWith("win32") ? "anvil.exe" : "anvil");
  }

  private static Optional<Path> onPath(String name, String path) {
    return Stream.of(path.split(File.pathSeparator))
        .filter(folder -> !folder.isEmpty())
        .map(folder -> Path.of(folder, name).toAbsolutePath())
        .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
        .findFirst();
  }

  /// Fetches into a folder of its own, which becomes `folder` when it is whole.
  ///
  /// @return what went wrong, if anything did
  private static Optional<String> fetch(
      Path npm,
      byte[] manifest,
      byte[] lock,
      String version,
      String platform,
      Path folder,
      String path)
      throws IOException, InterruptedException {
    Files.createDirectories(folder.getParent());
    Path fresh = Files.createTempDirectory(folder.getParent(), "fetching-");
    try {
      Files.write(fresh.resolve("package.json"), manifest);
      Files.write(fresh.resolve("package-lock.json"), lock);
      List<String> options =
          List.of(
              "--ignore-scripts",
              "--no-audit",
              "--no-fund",
              "--prefer-offline",
              "--fetch-retries=1");
      Optional<String> wrong = run(fresh, path, npm, options, "ci");
      if (!Files.isExecutable(program(fresh, platform))) {
        // The package says that it wants Node 20, for a wrapper that is not used here; under Node
        // 18 npm leaves it out unless it is asked for by name. Then it does not look at the hash
        // in package-lock.json, so we do.
        String name = PACKAGE + "-" + platform;
        wrong = run(fresh, path, npm, options, "install", "--no-save", name + "@" + version);
        String wanted = integrity(fresh.resolve("package-lock.json"), name);
        Path installed = fresh.resolve("node_modules").resolve(".package-lock.json");
        if (wrong.isEmpty() && (wanted.isEmpty() || !wanted.equals(integrity(installed, name)))) {
          return Optional.of(
              "what it gave for " + name + " " + version + " is not what package-lock.json names");
        }
      }
      if (!Files.isExecutable(program(fresh, platform))) {
        return Optional.of(wrong.orElse("it left the program out"));
      }
      try {
        Files.move(fresh, folder, StandardCopyOption.ATOMIC_MOVE);
      } catch (FileSystemException e) {
        if (!Files.isExecutable(program(folder, platform))) {
          throw e; // else another process was faster
        }
      }
      return Optional.empty();
    } finally {
      remove(fresh);
    }
  }

  private static String integrity(Path lock, String name) throws IOException {
    JsonNode root = JSON.readTree(lock.toFile());
    return root.path("packages").path("node_modules/" + name).path("integrity").asText();
  }

  private static Optional<String> run(
      Path folder, String path, Path npm, List<String> options, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(npm.toString()));
    command.addAll(List.of(arguments));
    command.addAll(options);
    Path said = folder.resolve("npm.log");
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.redirectErrorStream(true).redirectOutput(said.toFile());
    builder.environment().put("PATH", path);
    Process process = builder.start();
    process.getOutputStream().close();
    try {
      if (!process.waitFor(Limits.FETCH_S, TimeUnit.SECONDS)) {
        return Optional.of("it did not end within " + Limits.FETCH_S + " s");
      }
    } finally {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
    }
    if (process.exitValue() == 0) {
      return Optional.empty();
    }
    String last = "";
    for (String line : Files.readAllLines(said)) {
      if (!line.isBlank()) {
        last = line.strip();
      }
    }
    return Optional.of("it ended with " + process.exitValue() + ": " + Hex.shown(last));
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

  /// The program.
  public Path program() {
    return program;
  }

  /// E.g. `anvil 1.7.1`.
  public String name() {
    return "anvil " + version;
  }
}
