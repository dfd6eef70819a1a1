package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Hash;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid key`: API keys, with which programs ask for models in somebody's name.
@Command(
    name = "key",
    description = "API keys: with one, a program acts in your name, as far as its scopes go.",
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
              json.writeArrayFieldStart("scopes");
              for (Scope scope : key.rights().scopes()) {
                json.writeString(scope.word());
              }
              json.writeEndArray();
              json.writeArrayFieldStart("models");
              for (String model : key.rights().models()) {
                json.writeString(model);
              }
              json.writeEndArray();
              json.writeNumberField("spent", key.spent());
              number(json, "spend_limit", key.rights().spendLimit());
              number(json, "until_us", key.rights().untilUs());
              number(json, "used_us", key.usedUs());
              if (key.parent().isPresent()) {
                json.writeStringField(
                    "made_by", key.parent().get().hex().substring(0, SHOWN_DIGITS));
              }
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
    Table table =
        new Table("id", "name", "made", "may", "models", "spent", "limit", "until", "used");
    for (PoolClient.ApiKey key : keys) {
      Rights rights = key.rights();
      OptionalLong limit = rights.spendLimit();
      table.row(
          id(key),
          key.name(),
          day(key.madeUs()),
          rights.scopes().stream().map(Scope::word).collect(Collectors.joining(",")),
          rights.models().isEmpty() ? "all" : String.join(",", rights.models()),
          limit.isPresent() || key.spent() > 0 ? Amounts.credits(key.spent()) : "-",
          limit.isPresent() ? Amounts.credits(limit.getAsLong()) : "-",
          rights.untilUs().isPresent() ? day(rights.untilUs().getAsLong()) : "-",
          key.usedUs().isPresent() ? day(key.usedUs().getAsLong()) : "-");
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }

  private static void number(JsonGenerator json, String name, OptionalLong value)
      throws IOException {
    if (value.isPresent()) {
      json.writeNumberField(name, value.getAsLong());
    }
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

    @Option(
        names = "--scope",
        paramLabel = "SCOPE",
        split = ",",
        description =
            "What it may do: read, inference, jobs, models, keys, money. Can be given several"
                + " times; default: inference.")
    private List<String> scopes = List.of();

    @Option(
        names = "--model",
        paramLabel = "NAME",
        split = ",",
        description = "A model that it may ask, and no others. Can be given several times.")
    private List<String> models = List.of();

    @Option(
        names = "--spend",
        paramLabel = "CREDITS",
        description = "The most that its requests to models may cost in all.")
    private @Nullable String spend;

    @Option(
        names = "--days",
        paramLabel = "N",
        description = "It ends after so many days; default: never.")
    private @Nullable Integer days;

    private Rights rights() throws BadInput {
      EnumSet<Scope> wanted = EnumSet.noneOf(Scope.class);
      for (String word : scopes) {
        Optional<Scope> scope = Scope.of(word);
        if (scope.isEmpty()) {
          throw new BadInput(
              "--scope: '"
                  + word
                  + "' is no scope; write read, inference, jobs, models, keys or money");
        }
        wanted.add(scope.get());
      }
      if (wanted.isEmpty()) {
        wanted.add(Scope.INFERENCE);
      }
      if (days != null && (days < 1 || days > 36_500)) {
        throw new BadInput("--days: write 1 to 36500, not " + days);
      }
      return new Rights(
          wanted,
          models,
          spend == null
              ? OptionalLong.empty()
              : OptionalLong.of(Amounts.microcredits(spend, "--spend")),
          days == null
              ? OptionalLong.empty()
              : OptionalLong.of(Instant.now().plus(days, ChronoUnit.DAYS).toEpochMilli() * 1_000));
    }

    @Override
    public Integer call() throws BadInput, PoolFailure {
      String key = fresh();
      Rights rights = rights();
      try (PoolClient client = at.connect(keys.main())) {
        client.makeKey(name, hash(key), rights);
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
      screen.note(
          rights.has(Scope.INFERENCE)
              ? "whoever has this key spends from your account; it is shown only now"
              : "whoever has this key acts in your name; it is shown only now");
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
