package dev.perseid.cli;

import dev.perseid.core.Hash;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid key`: API keys, with which programs ask for models in somebody's name.
@Command(
    name = "key",
    description = "API keys: with one, a program asks for models on your account.",
    subcommands = {KeyCommand.Make.class, KeyCommand.Show.class, KeyCommand.Revoke.class})
final class KeyCommand implements Callable<Integer> {
  private static final int SECRET_BYTES = 32;
  private static final int SHOWN_DIGITS = 16;

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Override
  public Integer call() throws BadInput, PoolFailure {
    return list(main, at, shared);
  }

  Main main() {
    return main;
  }

  /// A fresh key.
  static String fresh() {
    byte[] secret = new byte[SECRET_BYTES];
    new SecureRandom().nextBytes(secret);
    return "sk-perseid-" + Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
  }

  /// What the pool knows of a key.
  static Hash hash(String key) {
    return Hash.sha256(key.getBytes(StandardCharsets.UTF_8));
  }

  private static int list(Main main, AtPool at, Shared shared) throws BadInput, PoolFailure {
    List<PoolClient.ApiKey> keys;
    try (PoolClient client = at.connect(main)) {
      keys = client.keys();
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (PoolClient.ApiKey key : keys) {
              json.writeStartObject();
              json.writeStringField("id", id(key));
              json.writeStringField("name", key.name());
              json.writeNumberField("made_us", key.madeUs());
              json.writeEndObject();
            }
            json.writeEndArray();
          });
      return Exit.OK;
    }
    if (keys.isEmpty()) {
      main.screen().say("you have no API keys; make one with: perseid key make NAME");
      return Exit.OK;
    }
    Table table = new Table("id", "name", "made");
    for (PoolClient.ApiKey key : keys) {
      table.row(id(key), key.name(), day(key.madeUs()));
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }

  private static String id(PoolClient.ApiKey key) {
    return key.hash().hex().substring(0, SHOWN_DIGITS);
  }

  private static String day(long us) {
    return DateTimeFormatter.ISO_LOCAL_DATE.format(
        Instant.ofEpochMilli(us / 1_000).atOffset(ZoneOffset.UTC));
  }

  /// `perseid key make`.
  @Command(name = "make", description = "Make a key and show it, once.")
  static final class Make implements Callable<Integer> {
    @ParentCommand private KeyCommand keys = new KeyCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(
        index = "0",
        arity = "0..1",
        paramLabel = "NAME",
        defaultValue = "",
        description = "What you call it, e.g. laptop.")
    private String name = "";

    @Override
    public Integer call() throws BadInput, PoolFailure {
      String key = fresh();
      try (PoolClient client = at.connect(keys.main())) {
        client.makeKey(name, hash(key));
      }
      if (shared.json) {
        keys.main()
            .screen()
            .json(json -> {
              json.writeStartObject();
              json.writeStringField("key", key);
              json.writeStringField("id", hash(key).hex().substring(0, SHOWN_DIGITS));
              json.writeEndObject();
            });
        return Exit.OK;
      }
      Screen screen = keys.main().screen();
      screen.say(key);
      screen.note("whoever has this key spends from your account; it is shown only now");
      screen.note("use it: export OPENAI_API_KEY=KEY OPENAI_BASE_URL=http://GATEWAY/v1");
      return Exit.OK;
    }
  }

  /// `perseid key list`.
  @Command(name = "list", description = "Your keys.")
  static final class Show implements Callable<Integer> {
    @ParentCommand private KeyCommand keys = new KeyCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Override
    public Integer call() throws BadInput, PoolFailure {
      return list(keys.main(), at, shared);
    }
  }

  /// `perseid key revoke`.
  @Command(name = "revoke", description = "Make a key worthless.")
  static final class Revoke implements Callable<Integer> {
    @ParentCommand private KeyCommand keys = new KeyCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(
        index = "0",
        paramLabel = "KEY",
        description = "Its id or name (see: perseid key list), or the key itself.")
    private String which = "";

    @Override
    public Integer call() throws BadInput, PoolFailure {
      try (PoolClient client = at.connect(keys.main())) {
        PoolClient.ApiKey key = find(client.keys());
        client.revokeKey(key.hash());
        keys.main()
            .screen()
            .tell(
                shared.json,
                "revoked",
                id(key),
                "revoked " + id(key) + (key.name().isEmpty() ? "" : " (" + key.name() + ")"));
      }
      return Exit.OK;
    }

    private PoolClient.ApiKey find(List<PoolClient.ApiKey> all) throws BadInput {
      List<PoolClient.ApiKey> found = new ArrayList<>();
      for (PoolClient.ApiKey key : all) {
        boolean byId = which.length() >= 4 && key.hash().hex().startsWith(which);
        if (byId || key.name().equals(which) || key.hash().equals(hash(which))) {
          found.add(key);
        }
      }
      if (found.size() != 1) {
        throw new BadInput(
            found.isEmpty()
                ? "you have no such key; see: perseid key list"
                : found.size() + " keys are meant; write the id (see: perseid key list)");
      }
      return found.getFirst();
    }
  }
}
