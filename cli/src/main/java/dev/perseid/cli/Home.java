package dev.perseid.cli;

import dev.perseid.node.PoolClient;
import dev.perseid.settle.Key;
import dev.perseid.settle.PasswordSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The folder where `perseid` keeps what must outlive a command: `PERSEID_HOME`, or `~/.perseid`.
///
/// ```
/// config           lines `pool = HOST:PORT@0xADDRESS`
/// keys/consumer    keystore v3 of who pays; keys/pool, keys/provider likewise
/// pool/            the log, records and blobs of a pool that runs here
/// pool/address     where it listens while it runs
/// provider/        cache and scratch files of a provider that runs here
/// cache/records/   what `perseid query` loaded; may be deleted at any time
/// ```
final class Home {
  private static final List<String> CONFIG_KEYS = List.of("pool");

  private final Path folder;
  private final Map<String, String> environment;

  private Home(Path folder, Map<String, String> environment) {
    this.folder = folder;
    this.environment = environment;
  }

  static Home of(Map<String, String> environment) {
    String named = environment.getOrDefault("PERSEID_HOME", "");
    Path folder =
        named.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".perseid")
            : Path.of(named).toAbsolutePath();
    return new Home(folder, environment);
  }

  Path folder() {
    return folder;
  }

  Path keyFolder(String role) {
    return folder.resolve("keys").resolve(role);
  }

  /// The key of a role, made if there is none yet.
  Key key(String role) throws BadInput {
    return key(keyFolder(role));
  }

  Key key(Path keyFolder) throws BadInput {
    try {
      return Key.loadOrCreate(keyFolder, PasswordSource.of(environment));
    } catch (IOException e) {
      throw new BadInput("the key in " + keyFolder + " cannot be used: " + e.getMessage());
    }
  }

  /// Where the pool is: the option, else `PERSEID_POOL`, else the config file, else the pool that
  /// runs on this machine.
  PoolClient.Target pool(Optional<String> option) throws BadInput {
    if (option.isPresent()) {
      return target(option.get(), "--pool");
    }
    String variable = environment.getOrDefault("PERSEID_POOL", "");
    if (!variable.isEmpty()) {
      return target(variable, "PERSEID_POOL");
    }
    Optional<String> configured = configured();
    if (configured.isPresent()) {
      return target(configured.get(), folder.resolve("config").toString());
    }
    Path running = runningPool();
    if (Files.isRegularFile(running)) {
      try {
        return target(Files.readString(running).strip(), running.toString());
      } catch (IOException e) {
        throw new BadInput(running + " cannot be read: " + e.getMessage());
      }
    }
    throw new BadInput(
        "which pool? Write --pool HOST:PORT@0xADDRESS, set PERSEID_POOL, put `pool = ...` into "
            + folder.resolve("config")
            + ", or start one here with `perseid up`.");
  }

  /// The file in which a pool that runs on this machine says where it listens.
  Path runningPool() {
    return folder.resolve("pool").resolve("address");
  }

  private Optional<String> configured() throws BadInput {
    Path file = folder.resolve("config");
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    List<String> lines;
    try {
      lines = Files.readAllLines(file);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e.getMessage());
    }
    Optional<String> pool = Optional.empty();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      int equals = line.indexOf('=');
      String key = (equals < 0 ? line : line.substring(0, equals)).strip();
      Place place = new Place(file.toString(), i + 1, 1);
      if (!CONFIG_KEYS.contains(key)) {
        throw place.wrong("there is no setting '" + key + "'", Nearest.advice(key, CONFIG_KEYS));
      }
      if (equals < 0 || pool.isPresent()) {
        throw place.wrong(
            pool.isPresent() ? "'pool' is written twice" : "'pool' has no value",
            "write once: pool = HOST:PORT@0xADDRESS");
      }
      pool = Optional.of(line.substring(equals + 1).strip());
    }
    return pool;
  }

  private static PoolClient.Target target(String text, String from) throws BadInput {
    try {
      return PoolClient.Target.parse(text);
    } catch (IllegalArgumentException e) {
      throw new BadInput(from + ": " + e.getMessage());
    }
  }
}
