package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid model`: what models there are, who serves them, and publishing one's own.
@Command(
    name = "model",
    description = "Models: publish them, find them, see who serves them for how much.",
    subcommands = {
      ModelCommand.Listing.class,
      ModelCommand.Show.class,
      ModelPublishCommand.class,
      ModelFetchCommand.class,
      ModelCommand.Withdraw.class
    })
final class ModelCommand implements Callable<Integer> {
  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();
  @Mixin private AtPool at = new AtPool();

  @Override
  public Integer call() throws BadInput, PoolFailure {
    return list(main, at, shared, List.of(), false);
  }

  Main main() {
    return main;
  }

  private static int list(
      Main main, AtPool at, Shared shared, List<String> words, boolean withdrawnToo)
      throws BadInput, PoolFailure {
    List<Proto.ListedModel> found = new ArrayList<>();
    try (PoolClient client = at.connect(main)) {
      for (Proto.ListedModel model : Models.of(client).search(words)) {
        if (withdrawnToo || !model.getWithdrawn()) {
          found.add(model);
        }
      }
    }
    if (shared.json) {
      main.screen()
          .json(json -> {
            json.writeStartArray();
            for (Proto.ListedModel model : found) {
              write(json, model);
            }
            json.writeEndArray();
          });
      return Exit.OK;
    }
    if (found.isEmpty()) {
      main.screen()
          .say(
              words.isEmpty()
                  ? "no models are published here yet; publish one with: perseid model publish FOLDER"
                  : "no model has all of these words: " + String.join(" ", words));
      return Exit.OK;
    }
    Table table =
        new Table(
            "model",
            "task",
            "weights",
            ">parameters",
            ">context",
            ">providers",
            ">price from",
            ">tokens/s",
            ">royalty",
            "licence");
    for (Proto.ListedModel listed : found) {
      Proto.Model m = listed.getModel();
      table.row(
          Models.fullName(listed) + (listed.getWithdrawn() ? " (withdrawn)" : ""),
          m.getTask(),
          m.getQuantisation().isEmpty() ? m.getFormat() : m.getFormat() + " " + m.getQuantisation(),
          m.getParameters() == 0 ? "-" : Amounts.count(m.getParameters()),
          m.getContextTokens() == 0 ? "-" : m.getContextTokens(),
          reachable(listed).size(),
          cheapest(listed).map(o -> price(m.getTask(), o)).orElse("-"),
          fastest(listed),
          percent(m.getRoyaltyPermille()),
          m.getLicence());
    }
    main.screen().say(table.lines());
    return Exit.OK;
  }

  private static List<Proto.ListedOffer> reachable(Proto.ListedModel listed) {
    return listed.getOffersList().stream().filter(Proto.ListedOffer::getReachable).toList();
  }

  private static Optional<Proto.ListedOffer> cheapest(Proto.ListedModel listed) {
    return reachable(listed).stream()
        .min(
            Comparator.comparingLong(
                o -> amount(listed.getModel().getTask(), o.getOffer().getPrice())));
  }

  /// The price that stands for all: of the answer's tokens, of the prompt's, or of a row.
  private static long amount(String task, Proto.TokenPrice p) {
    long main =
        switch (task) {
          case "chat" -> p.getPerMillionCompletion();
          case "embed" -> p.getPerMillionPrompt();
          default -> p.getPerMillionRows();
        };
    return main > 0 ? main : p.getPerMillionRequests();
  }

  private static String price(String task, Proto.ListedOffer o) {
    return number(amount(task, o.getOffer().getPrice()))
        + (task.equals("predict") ? " / M rows" : " / M tokens");
  }

  private static String number(long microcredits) {
    BigDecimal credits = BigDecimal.valueOf(microcredits, 6).stripTrailingZeros();
    return (credits.scale() < 0 ? credits.setScale(0) : credits).toPlainString();
  }

  private static String fastest(Proto.ListedModel listed) {
    double best = 0;
    for (Proto.ListedOffer o : reachable(listed)) {
      best = Math.max(best, o.getTokensPerS());
    }
    return best == 0 ? "-" : String.format(Locale.ROOT, "%.0f", best);
  }

  private static String percent(int permille) {
    return BigDecimal.valueOf(permille, 1).stripTrailingZeros().toPlainString() + " %";
  }

  private static String audits(Proto.AuditRates rates) {
    return "read again: "
        + percent(rates.getNewcomer())
        + " of newcomers' answers, "
        + percent(rates.getKnown())
        + " of known providers'; asked again: "
        + percent(rates.getRepeat())
        + "; canaries: "
        + percent(rates.getCanary());
  }

  private static String author(Proto.Model m) {
    return Address.of(m.getAuthor().toByteArray()).toString();
  }

  private static void write(JsonGenerator json, Proto.ListedModel listed) throws IOException {
    Proto.Model m = listed.getModel();
    json.writeStartObject();
    json.writeStringField("name", m.getName());
    json.writeStringField("version", m.getVersion());
    json.writeStringField("manifest", Models.manifest(listed).hex());
    json.writeStringField("author", author(m));
    json.writeStringField("task", m.getTask());
    json.writeStringField("format", m.getFormat());
    json.writeStringField("quantisation", m.getQuantisation());
    json.writeNumberField("parameters", m.getParameters());
    json.writeNumberField("context_tokens", m.getContextTokens());
    json.writeStringField("licence", m.getLicence());
    json.writeNumberField("royalty_permille", m.getRoyaltyPermille());
    json.writeNumberField("published_us", listed.getPublishedUs());
    json.writeBooleanField("withdrawn", listed.getWithdrawn());
    if (listed.hasAudits()) {
      Proto.AuditRates rates = listed.getAudits();
      json.writeObjectFieldStart("audits");
      json.writeNumberField("newcomer_permille", rates.getNewcomer());
      json.writeNumberField("known_permille", rates.getKnown());
      json.writeNumberField("repeat_permille", rates.getRepeat());
      json.writeNumberField("canary_permille", rates.getCanary());
      json.writeEndObject();
    }
    json.writeArrayFieldStart("offers");
    for (Proto.ListedOffer o : listed.getOffersList()) {
      write(json, o);
    }
    json.writeEndArray();
    json.writeEndObject();
  }

  private static void write(JsonGenerator json, Proto.ListedOffer o) throws IOException {
    Proto.ModelOffer offer = o.getOffer();
    Proto.TokenPrice p = offer.getPrice();
    json.writeStartObject();
    json.writeStringField("offer", Hash.of(o.getOfferHash().toByteArray()).hex());
    json.writeStringField("provider", Address.of(offer.getProvider().toByteArray()).toString());
    json.writeStringField("provider_name", o.getProviderName());
    json.writeStringField("region", offer.getRegion());
    json.writeStringField("quantisation", offer.getQuantisation());
    json.writeStringField("backend", offer.getBackend());
    json.writeNumberField("per_million_prompt_microcredits", p.getPerMillionPrompt());
    json.writeNumberField("per_million_cached_microcredits", p.getPerMillionCached());
    json.writeNumberField("per_million_completion_microcredits", p.getPerMillionCompletion());
    json.writeNumberField("per_million_rows_microcredits", p.getPerMillionRows());
    json.writeNumberField("per_million_requests_microcredits", p.getPerMillionRequests());
    json.writeNumberField("royalty_permille", offer.getRoyaltyPermille());
    json.writeNumberField("pool_permille", offer.getPoolPermille());
    json.writeNumberField("parallel", offer.getParallel());
    json.writeNumberField("context_tokens", offer.getContextTokens());
    json.writeStringField("policy", offer.getPolicy());
    json.writeBooleanField("sealed", offer.hasSealKey());
    json.writeBooleanField("reachable", o.getReachable());
    json.writeNumberField("running", o.getRunning());
    json.writeNumberField("waiting", o.getWaiting());
    if (o.hasFirstTokenMs()) {
      json.writeNumberField("first_token_ms", o.getFirstTokenMs());
    }
    if (o.hasTokensPerS()) {
      json.writeNumberField("tokens_per_s", o.getTokensPerS());
    }
    json.writeNumberField("failed_share", o.getFailedShare());
    json.writeNumberField("trust_permille", o.getTrustPermille());
    json.writeStringField("standing", o.getStanding());
    json.writeEndObject();
  }

  /// `perseid model list`.
  @Command(
      name = "list",
      aliases = "search",
      description = "The models of the pool; with words, those in which all of them occur.")
  static final class Listing implements Callable<Integer> {
    @ParentCommand private ModelCommand models = new ModelCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(arity = "0..*", paramLabel = "WORD", description = "E.g. chat, gguf, q8_0.")
    private List<String> words = List.of();

    @Option(names = "--all", description = "Withdrawn ones too.")
    private boolean all;

    @Override
    public Integer call() throws BadInput, PoolFailure {
      return list(models.main(), at, shared, words, all);
    }
  }

  /// `perseid model show`.
  @Command(
      name = "show",
      aliases = "inspect",
      description = "One model: what it is, and who serves it for how much.")
  static final class Show implements Callable<Integer> {
    @ParentCommand private ModelCommand models = new ModelCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(paramLabel = "MODEL", description = "Its name, name:version, or manifest.")
    private String name = "";

    @Override
    public Integer call() throws BadInput, PoolFailure {
      Proto.ListedModel listed;
      try (PoolClient client = at.connect(models.main())) {
        listed = Models.of(client).one(name);
      }
      Screen screen = models.main().screen();
      if (shared.json) {
        screen.json(json -> write(json, listed));
        return Exit.OK;
      }
      Proto.Model m = listed.getModel();
      screen.say(
          new Table("", "")
                  .row(
                      "model",
                      Models.fullName(listed) + (listed.getWithdrawn() ? ", withdrawn" : ""))
                  .row("manifest", Models.manifest(listed).hex())
                  .row("author", author(m) + ", " + percent(m.getRoyaltyPermille()) + " royalty")
                  .row("task", m.getTask())
                  .row("weights", m.getFormat() + " " + m.getQuantisation())
                  .row(
                      "parameters", m.getParameters() == 0 ? "-" : Amounts.exact(m.getParameters()))
                  .row(
                      "context", m.getContextTokens() == 0 ? "-" : m.getContextTokens() + " tokens")
                  .row("licence", m.getLicence())
                  .row("audits", listed.hasAudits() ? audits(listed.getAudits()) : "none")
                  .lines()
                  .stream()
                  .skip(1)
                  .toList());
      screen.say("");
      if (listed.getOffersCount() == 0) {
        screen.say(
            "nobody serves it now; serve it with: perseid provider --serve "
                + Models.fullName(listed));
        return Exit.OK;
      }
      screen.say(offers(listed).lines());
      screen.say(
          "prices in credits for a million; what a charge is divided into is in each receipt");
      return Exit.OK;
    }

    private static Table offers(Proto.ListedModel listed) {
      Table table =
          new Table(
              "provider",
              "state",
              "region",
              "weights",
              "backend",
              ">prompt",
              ">cached",
              ">completion",
              ">rows",
              ">first token",
              ">tokens/s",
              ">failed",
              "keeps data",
              "audits say");
      for (Proto.ListedOffer o : listed.getOffersList()) {
        Proto.ModelOffer offer = o.getOffer();
        Proto.TokenPrice p = offer.getPrice();
        table.row(
            o.getProviderName(),
            o.getReachable() ? "ready" : "away",
            offer.getRegion().isEmpty() ? "-" : offer.getRegion(),
            offer.getQuantisation(),
            offer.getBackend(),
            number(p.getPerMillionPrompt()),
            number(p.getPerMillionCached()),
            number(p.getPerMillionCompletion()),
            number(p.getPerMillionRows()),
            Amounts.duration(
                o.hasFirstTokenMs()
                    ? OptionalLong.of((long) (o.getFirstTokenMs() * 1e6))
                    : OptionalLong.empty()),
            o.hasTokensPerS() ? String.format(Locale.ROOT, "%.0f", o.getTokensPerS()) : "-",
            Amounts.percent(o.getFailedShare()),
            switch (offer.getPolicy()) {
              case "keeps-nothing" -> "no";
              case "keeps" -> "for a time";
              default -> "and uses it";
            },
            switch (o.getStanding()) {
              case "honest" -> "honest";
              case "accused" -> "accused by one";
              case "cheating" -> "cheats: not asked";
              default -> "-";
            });
      }
      return table;
    }
  }

  /// `perseid model withdraw`.
  @Command(
      name = "withdraw",
      description = "Offer a version of your model to nobody any more; its receipts stay valid.")
  static final class Withdraw implements Callable<Integer> {
    @ParentCommand private ModelCommand models = new ModelCommand();
    @Mixin private Shared shared = new Shared();
    @Mixin private AtPool at = new AtPool();

    @Parameters(paramLabel = "NAME:VERSION", description = "Which.")
    private String name = "";

    @Override
    public Integer call() throws BadInput, PoolFailure {
      if (!name.contains(":")) {
        throw new BadInput("'" + name + "' names no version; write NAME:VERSION");
      }
      try (PoolClient client = at.connect(models.main())) {
        Proto.ListedModel listed = Models.of(client).one(name);
        client.withdraw(Models.manifest(listed));
        models
            .main()
            .screen()
            .tell(
                shared.json,
                "withdrawn",
                Models.fullName(listed),
                "withdrawn: " + Models.fullName(listed));
      }
      return Exit.OK;
    }
  }
}
